"""Bodies of frames in columns, without an object a frame: for programs that turn whole captures into tables.

A program that wants the bodies of a few frame types, and many of them, gives a ``BodyColumns`` to its
``ftwire.capture.CaptureReader``. Frames of these types that are in order are then put into the columns; everything else
is reported frame by frame as ever::

    columns = BodyColumns({frame_type_number(3007): 0})
    for report in CaptureReader(columns=columns).read(chunks):
        if isinstance(report, CollectedFrames) and columns.size > 1 << 20:
            for found in columns.taken():
                ...

``BodyColumns`` is the compiled core's class where that is installed, and otherwise ``PythonBodyColumns``, its twin.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from hashlib import sha1
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire._core import core
from ftwire.errors import WireError
from ftwire.header import HEADER_SIZE, MAGIC, pack_header, unpack_packed_header

if TYPE_CHECKING:
    from ftwire.cipher import Cipher

__all__ = ["MAX_TIME", "BodyColumns", "PythonBodyColumns", "TakenColumns", "frame_type_number"]

MAX_BODIES: Final = (1 << 31) - 1
"""Most bytes of bodies in one column: Arrow's offsets are 32 bits."""
MAX_TIME: Final = (1 << 63) - 1
"""Most nanoseconds from 1970, either way, that a column holds: the years 1678 to 2261, and some months."""


class TakenColumns(NamedTuple):
    """Frames of one type, in the order in which they were taken. Numbers are in the machine's byte order."""

    place: int
    """What ``places`` has for their type."""
    numbers: bytes
    """64 bits each: running number of the frame."""
    times: bytes
    """64 bits each: nanoseconds since 1970, 0 where there is none."""
    conversations: bytes
    """64 bits each: number of the conversation."""
    serials: bytes
    """32 bits each, unsigned."""
    offsets: bytes
    """32 bits each: where each body begins in ``bodies``, and where the last one ends."""
    bodies: bytes
    """The plain bodies, one behind the other."""


def frame_type_number(proto_id: int, body_format: int = 0) -> int:
    """Return the first eight bytes of today's headers of a protocol as a number: ``PackedHeader``'s first."""
    header = pack_header(MAGIC, proto_id, body_format, 0, 0, 0, bytes(20), bytes(8))
    first: int = unpack_packed_header(header)[0]
    return first


class _Column:
    """Frames of one type."""

    __slots__ = ("bodies", "conversations", "ends", "numbers", "serials", "times")

    def __init__(self) -> None:
        self.numbers = array("q")
        self.times = array("q")
        self.conversations = array("q")
        self.serials = array("I")
        self.ends = array("i")
        self.bodies = bytearray()


class PythonBodyColumns:
    """Frames of the wanted types, each type in columns.

    ``places`` maps the first eight bytes of a header (``frame_type_number``) to the place of the type's columns, from
    0; -1 for frames that are wanted, counted, and not kept.
    """

    def __init__(self, places: Mapping[int, int]) -> None:
        magic = int.from_bytes(MAGIC, "little")
        self._places: Final = {first: place for first, place in places.items() if first & 0xFFFF == magic}
        self._columns = [_Column() for _ in range(max(places.values(), default=-1) + 1)]
        self.size = 0
        """Bytes of bodies held."""
        self.frames = 0
        """Frames held."""

    def take(
        self, buffer: bytes, max_body: int, cipher: Cipher, number: int, conversation: int, time: int, start: int = 0
    ) -> tuple[int, int, int]:
        """Keep the frames at ``start`` of a buffer that are wanted and in order: ``(count, consumed, needed)``.

        In order are frames that are whole, have a body of at most ``max_body`` bytes on the wire that decrypts with
        ``cipher`` and agrees with its digest. It stops at the first frame that is not so, or not wanted. (The core
        keeps no frame of a cipher that it does not have.) ``consumed`` is how many bytes the frames take, ``needed``
        how many bytes from there on the next one needs: see ``ftwire.framing.python_take``.

        The frames get running numbers from ``number`` on, the number of their conversation, and their time in
        nanoseconds since 1970, 0 for none. Raises ``OverflowError`` for numbers above 64 bits.
        """
        array("q", (number, conversation, time))  # raises now what would be raised half-way
        count, at, size = 0, start, len(buffer)
        while (body_at := at + HEADER_SIZE) <= size:
            first, serial, length, digest, _ = unpack_packed_header(buffer, at)
            place = self._places.get(first)
            if place is None or not 0 < length <= max_body:
                return count, at - start, 0
            end = body_at + length
            if end > size:
                return count, at - start, end - at
            try:
                body = cipher.decrypt(buffer[body_at:end])
            except WireError:
                return count, at - start, 0
            if place >= 0 and len(self._columns[place].bodies) + len(body) > MAX_BODIES:
                return count, at - start, 0
            if sha1(body, usedforsecurity=False).digest() != digest:
                return count, at - start, 0
            if place >= 0:
                column = self._columns[place]
                column.bodies += body
                column.ends.append(len(column.bodies))
                column.serials.append(serial & 0xFFFFFFFF)
                column.numbers.append(number + count)
                column.times.append(time)
                column.conversations.append(conversation)
                self.size += len(body)
                self.frames += 1
            count += 1
            at = end
        if buffer.startswith(MAGIC, at):
            return count, at - start, HEADER_SIZE
        return count, at - start, len(MAGIC) if buffer[at:] == MAGIC[:1] else 0

    def taken(self) -> list[TakenColumns]:
        """Return all frames, by place, and hold them no longer."""
        found = [
            TakenColumns(
                place,
                column.numbers.tobytes(),
                column.times.tobytes(),
                column.conversations.tobytes(),
                column.serials.tobytes(),
                array("i", [0, *column.ends]).tobytes(),
                bytes(column.bodies),
            )
            for place, column in enumerate(self._columns)
            if column.numbers
        ]
        self._columns = [_Column() for _ in self._columns]
        self.size = self.frames = 0
        return found


if TYPE_CHECKING:
    BodyColumns = PythonBodyColumns
else:
    BodyColumns = PythonBodyColumns if core is None else core.BodyColumns
