"""Colours of terminals: six escape sequences, which are empty where colour is not wanted.

No library: rich takes longer to import than a small capture takes to dump.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from typing import IO

__all__ = ["COLOURED", "COLOUR_CHOICES", "PLAIN", "Paint", "choose_colour", "paint_for", "printable"]

COLOUR_CHOICES: Final = ("auto", "always", "never")


class Paint(NamedTuple):
    """Escape sequences by what they mark; ``reset`` ends each."""

    request: str = ""
    response: str = ""
    push: str = ""
    bad: str = ""
    faint: str = ""
    reset: str = ""


PLAIN: Final = Paint()
COLOURED: Final = Paint("\x1b[36m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m")


_choice: Final[ContextVar[str]] = ContextVar("choice of colours", default="auto")


def choose_colour(choice: str) -> Callable[[], None]:
    """Set one of ``COLOUR_CHOICES`` for what this command prints; the function returned takes it back."""
    token = _choice.set(choice)
    return lambda: _choice.reset(token)


def paint_for(stream: IO[str]) -> Paint:
    """Return the colours of text on a stream.

    What was chosen counts first, then NO_COLOR (https://no-color.org), then FORCE_COLOR (https://force-color.org; 0 is
    as if it was unset, as in other programs). Otherwise a terminal has colours, unless TERM is "dumb".
    """
    choice = _choice.get()
    if choice != "auto":
        return COLOURED if choice == "always" else PLAIN
    if os.environ.get("NO_COLOR"):
        return PLAIN
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return COLOURED
    return COLOURED if stream.isatty() and os.environ.get("TERM") != "dumb" else PLAIN


def printable(text: str) -> str:
    """Escape characters that a terminal would interpret instead of show."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
