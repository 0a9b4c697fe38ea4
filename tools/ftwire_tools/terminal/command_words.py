"""The words of a command line that a user gives as one text."""

from __future__ import annotations

import shlex
import sys

__all__ = ["command_words"]


def command_words(text: str) -> list[str]:
    """Split a command line as the system's shell does, which is not used. Raises ``ValueError`` for an open quote.

    On Windows a backslash is a part of a path, and double quotes alone are quotes.
    """
    if sys.platform != "win32":
        return shlex.split(text)
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = words.escape = ""
    words.quotes = '"'
    return list(words)
