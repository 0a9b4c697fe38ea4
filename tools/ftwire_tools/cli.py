"""The entry point of the ``ftwire`` command, which turns exceptions into messages and exit codes.

0 fine, 1 failed, 2 wrong usage, 3 finished but some data could not be decoded, 130 interrupted,
141 the reader of our output is gone.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EIO, ENOSPC
from io import TextIOWrapper

from ftwire_tools.terminal.exit_codes import FAILED, INTERRUPTED, PIPE_CLOSED, USAGE
from ftwire_tools.terminal.output import ClosedOutputError, Interrupted, OutputError

__all__ = ["main"]

INSTALLS = {
    "rich": "ftwire",
    "websockets": "ftwire",
    "h11": "'ftwire[control]'",
    "hypothesis": "'ftwire[fuzz]'",
}
"""Package that is imported when needed -> what pip has to install."""


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
        # Texts that click writes itself, or ours on standard error; the message may not be writable either.
        with suppress(OSError):
            sys.stderr.write(f"ftwire: output: {error.strerror}\n")
        code = FAILED
    if code in {FAILED, INTERRUPTED, PIPE_CLOSED}:
        # The interpreter flushes once more at exit; that must not fail again on what cannot be written.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_streams() -> None:
    """Open standard streams that are closed, and make output accept every character."""
    # In this order each gets its usual number, which a file opened later must not get.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Chinese names in a locale that lacks them, and file names that are not valid text.
            stream.reconfigure(errors="backslashreplace")
            if sys.platform == "win32" and not stream.isatty():
                # Files and pipes have the code page of the system there, which no other program expects of JSON lines.
                stream.reconfigure(encoding="utf-8")
    if sys.platform == "win32":
        # Escape sequences are text to older consoles until they are switched on. It comes with click.
        from colorama import just_fix_windows_console  # type: ignore[import-untyped, unused-ignore]

        just_fix_windows_console()


def _run() -> int:
    try:
        import click
    except ModuleNotFoundError:
        sys.stderr.write("ftwire: the command line needs click: pip install ftwire\n")
        return USAGE
    from ftwire_tools.commands import ftwire

    try:
        # The code that a command passed to ctx.exit().
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
    """Return one line about what to install; ``None`` for an import that should have succeeded."""
    package = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package in INSTALLS:
        return f"{package} is not installed: pip install {INSTALLS[package]}"
    # Errors that we raise name no module; their message is complete.
    return None if package else str(error)


if __name__ == "__main__":
    main()
