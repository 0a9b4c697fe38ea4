"""The known mistakes of implementations.

A mistake has a permanent ID, one sentence that names it, and one with the remedy. A finding is a mistake with its
proof: the part of the bytes that shows it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ftwire.diagnosis.tables import bodies, digests, encryption, exchanges, framing, websocket
from ftwire.frame import Role

__all__ = ["MISTAKES", "Finding", "Mistake"]


class Mistake(NamedTuple):
    """Something that implementations of this protocol get wrong."""

    id: str
    """Stable name, for programs."""
    title: str
    """What is wrong, in one sentence."""
    remedy: str
    """What to do about it, in one sentence."""
    rank: int
    """What to repair first: 0 explains a whole session, 1 one side's frames, 2 a frame, 3 is unexplained."""


class Finding(NamedTuple):
    """A mistake found in bytes."""

    mistake: Mistake
    proof: str
    """The part of the bytes that shows it, in one sentence."""
    sender: Role | None = None
    """The side that made it, if known."""
    proven: bool = True
    """A digest, a key or a field shows it beyond doubt; otherwise it is the likeliest explanation."""
    unquoted: str | None = None
    """The proof without what it quotes of the body, if it does."""


_TABLES: Final = (framing, digests, encryption, bodies, exchanges, websocket)

MISTAKES: Final = {row[0]: Mistake(*row) for table in _TABLES for row in table.ROWS}
"""Every mistake that can be found, by its ID."""
