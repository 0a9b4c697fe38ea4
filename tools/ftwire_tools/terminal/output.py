"""Writing to standard output, with errors of its own.

They are not ``OSError``, so that no command reports a full disk as an input that cannot be read.
"""

from __future__ import annotations

import sys

__all__ = ["ClosedOutputError", "Interrupted", "OutputError", "write"]


class OutputError(Exception):
    """Standard output cannot be written to; the message is the system's reason."""


class ClosedOutputError(OutputError):
    """The reader of standard output is gone, as after ``| head``."""


class Interrupted(Exception):  # noqa: N818 - not an error: the user's wish
    """Ctrl-C, in place of ``KeyboardInterrupt``, for which click would print an empty line."""


def write(text: str) -> None:
    """Write text and flush it, so that a reader behind a pipe gets it at once. Raises ``OutputError``."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ClosedOutputError("closed") from None
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from None
