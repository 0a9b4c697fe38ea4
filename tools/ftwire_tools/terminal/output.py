"""Standard output, for commands that write much of it: in large pieces, with errors of its own.

Its errors are no ``OSError``, so that no command takes a full disk for an input that cannot be read.
"""

from __future__ import annotations

import sys

__all__ = ["ClosedOutputError", "Interrupted", "OutputError", "write"]


class OutputError(Exception):
    """Standard output takes nothing more; the sentence says why."""


class ClosedOutputError(OutputError):
    """Nobody reads standard output any more, as after ``| head``."""


class Interrupted(Exception):  # noqa: N818 - no error, but a user's wish
    """Ctrl-C, out of click's hands, which would write an empty line on account of it."""


def write(text: str) -> None:
    """Write text and flush it: a reader behind a pipe sees it now."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedOutputError("closed") from None
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from None
