"""Colours of terminals: six escape sequences, which are empty where colour is not wanted.

No library: rich takes longer to import than a small capture takes to dump.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from typing import IO

__all__ = ["COLOURED", "PLAIN", "Paint", "paint_for", "printable"]


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


def paint_for(stream: IO[str]) -> Paint:
    """Return colours for a terminal; none for other streams, for NO_COLOR (https://no-color.org) and TERM=dumb."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return COLOURED if wanted else PLAIN


def printable(text: str) -> str:
    """Escape characters that a terminal would interpret instead of show."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
