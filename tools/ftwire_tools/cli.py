"""The entry point of the ``ftwire`` command: exit codes, and nothing else.

0 fine, 1 failed, 2 wrong usage, 3 finished but some data could not be decoded, 130 interrupted,
141 nobody reads our output any more.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EIO, ENOSPC
from io import TextIOWrapper

from ftwire_tools.terminal.output import ClosedOutputError, Interrupted, OutputError

__all__ = ["main"]

FAILED = 1
USAGE = 2
INTERRUPTED = 128 + 2  # 128 + SIGINT, as a shell counts a program that a signal ended
PIPE_CLOSED = 128 + 13  # 128 + SIGPIPE
EXTRAS = {"rich": "cli", "websockets": "cli", "hypothesis": "cli,fuzz"}
"""What to install for packages that are imported when they are needed."""


def main() -> None:
    """Run the command line and exit."""
    _open_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except (KeyboardInterrupt, Interrupted):
        code = INTERRUPTED
    except (BrokenPipeError, ClosedOutputError):
        code = PIPE_CLOSED
    except OutputError as error:
        sys.stderr.write(f"ftwire: standard output: {error}\n")
        code = FAILED
    except OSError as error:
        if error.errno not in {ENOSPC, EIO}:
            raise
        # click's own texts, and ours on standard error, go where they go without us.
        with suppress(OSError):
            sys.stderr.write(f"ftwire: output: {error.strerror}\n")
        code = FAILED
    if code in {FAILED, INTERRUPTED, PIPE_CLOSED}:
        # The interpreter flushes once more on its way out: what cannot be written must not be tried again.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_streams() -> None:
    """See to it that all three standard streams are there, and take every character."""
    # In this order, so that each gets its own number, and no file that is opened later does.
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - for as long as we run
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names in Chinese where the locale has no such characters, and names of files that are no text.
            stream.reconfigure(errors="backslashreplace")


def _run() -> int:
    try:
        import click
    except ModuleNotFoundError:
        sys.stderr.write("ftwire: the command line needs click: pip install 'ftwire[cli]'\n")
        return USAGE
    from ftwire_tools.commands._group import ftwire

    try:
        # click gives back the code of ctx.exit(), which commands end with.
        code = ftwire.main(prog_name="ftwire", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ImportError as error:
        sentence = _missing(error)
        if sentence is None:
            raise
        sys.stderr.write(f"ftwire: {sentence}\n")
        return FAILED
    return code if isinstance(code, int) else 0


def _missing(error: ImportError) -> str | None:
    """Say what to install, in one line; ``None`` for an import that should have succeeded."""
    package = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package in EXTRAS:
        return f"{package} is not installed: pip install 'ftwire[{EXTRAS[package]}]'"
    # An error of our own names no module: its sentence says all there is.
    return None if package else str(error)


if __name__ == "__main__":
    main()
