"""Templates: encoded messages with holes that are filled with encoded values.

That takes a tenth of the time of filling a message and encoding it. A hole always has the same number of bytes, so
that no length in front of it changes, and the result is what protobuf would have written.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ftwire.body_mutations import encode_varint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

__all__ = ["GROWING", "GROWN", "SMALL", "double", "template"]

SMALL: Final = 1 << 14
"""Smallest integer whose varint takes three bytes; the largest is 2**21 - 1."""
GROWING: Final = 1 << 28
"""Smallest integer whose varint takes five bytes."""
GROWN: Final = (1 << 35) - 1
"""Largest integer whose varint takes five bytes."""

double: Final = Struct("<d").pack
"""Returns an encoded ``double``."""


def template(message: Message, holes: Sequence[tuple[Any, str]]) -> bytes:
    """Return a message as bytes to be filled with ``%``, one argument for each hole.

    ``holes`` are parts of ``message`` and names of their fields, in the order of their encoding. The present value of
    a field determines how many bytes its hole has, and is overwritten: a double, a text, or an integer of two, three
    or five bytes. Raises ``ValueError`` for holes in another order.
    """
    marks = []
    for number, (part, name) in enumerate(holes):
        old = getattr(part, name)
        if isinstance(old, float):
            value: Any = 1.2345e200 * (number + 1)
            mark = double(value)
        elif isinstance(old, str):
            value = f"{f'hole {number}':~<{len(old)}}"
            mark = value.encode()
        else:
            value = number + (0x1ABC if old < SMALL else 0x1ABCD if old < 1 << 21 else 0x1ABCDEF01)
            mark = encode_varint(value)
            if len(mark) != len(encode_varint(old)):
                raise ValueError(f"{name}: an integer of two, three or five bytes is expected, here is {old}")
        setattr(part, name, value)
        marks.append(mark)
    rest = message.SerializePartialToString()
    pieces = []
    for mark in marks:
        before, found, rest = rest.partition(mark)
        if not found:
            raise ValueError("holes are not in the order in which fields are encoded")
        pieces.append(before.replace(b"%", b"%%"))
    return b"%b".join((*pieces, rest.replace(b"%", b"%%")))
