"""Damaged copies of a frame, an envelope, a stream of frames or a capture."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha1
from typing import Final

from hypothesis import strategies as st

from ftwire.body_mutations import BODY_MUTATIONS, mutate_body
from ftwire.envelope_mutations import ENVELOPE_MUTATIONS, mutate_envelope
from ftwire.frame import Frame, MessageClasses, Role, body_digest, sender_of_body
from ftwire.frame_mutations import FRAME_MUTATIONS, MutationKind, NamedMutation, flip_bit, mutate_frame
from ftwire.header import CLIENT_ENVELOPE_STRUCT, HEADER_SIZE, MAGIC, SERVER_ENVELOPE_STRUCT, Header
from ftwire.strategies._conversations import Session
from ftwire.strategies._segments import SegmentSchedule
from ftwire.websocket import Envelope

__all__ = ["Mutation", "mutations"]

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mutation:
    """Bytes, and what was done to them."""

    data: bytes
    changes: tuple[str, ...]
    """Each change in words, in the order they were made; offsets are those of the bytes as they were then."""
    original: bytes


def mutations(
    source: Frame | Envelope | Session | SegmentSchedule | bytes, *, min_changes: int = 0, max_changes: int = 4
) -> st.SearchStrategy[Mutation]:
    """Damaged copies (``Mutation``) of a frame, of an envelope, of a stream of frames, or of a capture file.

    ``source`` is a ``Frame``, an ``Envelope`` (one message of WebSocket), bytes of a stream or of a capture (recognised
    by their first bytes), or what becomes a capture: a ``Session`` or a ``SegmentSchedule``. Any bytes are flipped, cut
    off, doubled, taken out, exchanged or filled with parts of others. Frames get everything that
    ``ftwire.frame_mutations`` names, or two fields of their header exchanged, or, where their body is plain, a wrong
    one with the right digest (``ftwire.body_mutations``). Envelopes get what ``ftwire.envelope_mutations`` names,
    records of a capture wrong lengths.
    """
    if isinstance(source, Frame | Envelope):
        data = source.encode()
    elif isinstance(source, Session | SegmentSchedule):
        data = source.capture()
    else:
        data = bytes(source)
    in_envelope = (partial(_mutate_an_envelope, source.sender),) * 6 if isinstance(source, Envelope) else ()
    return _mutated(data, min_changes, max_changes, in_envelope)


@st.composite
def _mutated(draw: st.DrawFn, original: bytes, least: int, most: int, more: tuple[Change, ...]) -> Mutation:
    data = original
    changes: list[str] = []
    for _ in range(draw(st.integers(least, most))):
        if not data:
            break
        changed = draw(st.sampled_from((*_changes_for(data), *more)))(draw, data)
        if changed is None:
            continue
        data, change = changed
        changes.append(change)
    return Mutation(data, tuple(changes), original)


Change = Callable[[st.DrawFn, bytes], "tuple[bytes, str] | None"]
"""Draws a place and damages it; ``None`` where there is nothing of that kind."""


def _changes_for(data: bytes) -> tuple[Change, ...]:
    if _record_format(data) is not None:
        return (*_ANYWHERE, _lie_about_a_record)
    return (*_ANYWHERE, *_IN_FRAMES) if _frames(data) else _ANYWHERE


def _span(draw: st.DrawFn, data: bytes) -> Span:
    """Return a frame or record where there are some, or any stretch."""
    spans = _frames(data) or _records(data)
    whole = bool(spans) and draw(st.booleans())
    if whole:
        return draw(st.sampled_from(spans))
    start = draw(st.integers(0, len(data) - 1))
    return start, min(len(data), start + draw(st.integers(1, 64)))


# Anywhere


def _flip(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    at, bit = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 7))
    return flip_bit(data, 8 * at + bit), f"bit {bit} of byte {at} flipped"


def _truncate(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    size = draw(st.integers(0, len(data) - 1))
    return data[:size], f"cut off after {size} bytes"


def _duplicate(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    start, end = _span(draw, data)
    return data[:end] + data[start:end] + data[end:], f"bytes {start} to {end} doubled"


def _remove(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    start, end = _span(draw, data)
    return data[:start] + data[end:], f"bytes {start} to {end} taken out"


def _splice(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    at = draw(st.integers(0, len(data)))
    start, end = _span(draw, data)
    piece: bytes = draw(st.just(data[start:end]) | st.binary(min_size=1, max_size=20))
    return data[:at] + piece + data[at:], f"{len(piece)} bytes put in at {at}"


def _exchange(draw: st.DrawFn, data: bytes) -> tuple[bytes, str]:
    (start, middle), (begin, end) = sorted((_span(draw, data), _span(draw, data)))
    if middle > begin:
        return data, f"bytes {start} to {middle} left where they are"
    exchanged = data[:start] + data[begin:end] + data[middle:begin] + data[start:middle] + data[end:]
    return exchanged, f"bytes {start} to {middle} and {begin} to {end} exchanged"


_ANYWHERE: Final[tuple[Change, ...]] = (_flip, _truncate, _duplicate, _remove, _splice, _exchange)


# In frames

_FIELDS: Final = {
    # Name: offset of a number of four bytes, as in the vendor's table.
    "proto_id": 2,
    "serial": 8,
    "body_length": 12,
}
_MAX_FRAMES: Final = 256


def _frames(data: bytes) -> list[Span]:
    """Return where frames begin and end that follow each other from the start."""
    found: list[Span] = []
    at = 0
    while data.startswith(MAGIC, at) and at + HEADER_SIZE <= len(data) and len(found) < _MAX_FRAMES:
        (length,) = struct.unpack_from("<I", data, at + 12)
        end = at + HEADER_SIZE + length
        if end > len(data):
            break
        found.append((at, end))
        at = end
    return found


def _put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def _frame(draw: st.DrawFn, data: bytes) -> Span | None:
    found = _frames(data)
    return draw(st.sampled_from(found)) if found else None


def _named(kinds: Mapping[str, MutationKind]) -> st.SearchStrategy[NamedMutation]:
    return st.one_of([_values(kind).map(partial(NamedMutation, name)) for name, kind in kinds.items()])


def _values(kind: MutationKind) -> st.SearchStrategy[int | str]:
    values: list[st.SearchStrategy[int | str]] = []
    if kind.values or not (kind.random_bytes or kind.random_bits):
        known = [value.hex() if isinstance(value, bytes) else value for value in kind.values]
        values.append(st.sampled_from(known or [0]))
    if kind.random_bytes:
        least, most = kind.random_bytes
        values.append(st.binary(min_size=least, max_size=most).map(bytes.hex))
    if kind.random_bits:
        values.append(st.integers(0, (1 << kind.random_bits) - 1))
    return st.one_of(values)


_OF_FRAMES: Final = _named(FRAME_MUTATIONS)
_OF_BODIES: Final = _named(BODY_MUTATIONS)
_OF_ENVELOPES: Final = _named(ENVELOPE_MUTATIONS)


def _mutate_a_frame(draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    frame = _frame(draw, data)
    if frame is None:
        return None
    mutation = draw(_OF_FRAMES)
    start, end = frame
    changed = mutate_frame(data[start:end], [mutation])
    return data[:start] + changed + data[end:], f"the frame at {start}: {mutation.name} {mutation.value}"


def _mutate_a_body(draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    frame = _frame(draw, data)
    if frame is None:
        return None
    start, end = frame
    header, body = Header.decode(data[start:end]), data[start + HEADER_SIZE : end]
    if header.sha1 != body_digest(body):
        return None  # encrypted, or damaged already
    sender = sender_of_body(body, header.body_format)
    message_class = None if sender is None else MessageClasses(sender)[header.proto_id]
    mutation = draw(_OF_BODIES)
    body = mutate_body(body, [mutation], header.body_format, message_class)
    header = replace(header, body_length=len(body), sha1=body_digest(body))
    return data[:start] + header.encode() + body + data[end:], f"the frame at {start}: {mutation.name} {mutation.value}"


def _digest_of_ciphertext(draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    # What many clients get wrong at first.
    frame = _frame(draw, data)
    if frame is None:
        return None
    digest = sha1(data[frame[0] + HEADER_SIZE : frame[1]], usedforsecurity=False).digest()
    return _put(data, frame[0] + 16, digest), f"the frame at {frame[0]}: digest {digest.hex()} of its payload"


def _exchange_fields(draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    frame = _frame(draw, data)
    if frame is None:
        return None
    one, other = draw(st.sampled_from([("proto_id", "serial"), ("serial", "body_length"), ("proto_id", "body_length")]))
    at, beside = frame[0] + _FIELDS[one], frame[0] + _FIELDS[other]
    first, second = data[at : at + 4], data[beside : beside + 4]
    return _put(_put(data, at, second), beside, first), f"the frame at {frame[0]}: {one} and {other} exchanged"


# Four times and twice as often as the others: they have two dozen kinds, and nine.
_IN_FRAMES: Final[tuple[Change, ...]] = (
    *(_mutate_a_frame,) * 4,
    *(_mutate_a_body,) * 2,
    _digest_of_ciphertext,
    _exchange_fields,
)


# In envelopes


def _mutate_an_envelope(sender: Role, draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    header = CLIENT_ENVELOPE_STRUCT if sender is Role.CLIENT else SERVER_ENVELOPE_STRUCT
    if len(data) < header.size:
        return None
    mutation = draw(_OF_ENVELOPES)
    return mutate_envelope(data, [mutation], sender), f"the envelope: {mutation.name} {mutation.value}"


# In captures


def _record_format(data: bytes) -> str | None:
    """Return the byte order of a capture's numbers and whether it has blocks: ``<``, ``>``, ``<+`` or ``>+``."""
    start = data[:4]
    if start in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        return "<"
    if start in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        return ">"
    if start == b"\n\r\r\n":
        return ">+" if data[8:12] == b"\x1a\x2b\x3c\x4d" else "<+"
    return None


def _records(data: bytes) -> list[Span]:
    """Return where the records of a pcap file, or the blocks of a pcapng file, begin and end."""
    kind = _record_format(data)
    if kind is None:
        return []
    # In a pcap record the length is the third number of a header of 16 bytes; in a block, the second, of all of it.
    blocks = kind.endswith("+")
    at, place, extra = (0, 4, 0) if blocks else (24, 8, 16)
    found: list[Span] = []
    while at + 16 <= len(data) and len(found) < _MAX_FRAMES:
        (length,) = struct.unpack_from(kind[0] + "I", data, at + place)
        end = at + extra + length
        if end <= at or end > len(data):
            break
        found.append((at, end))
        at = end
    return found


def _lie_about_a_record(draw: st.DrawFn, data: bytes) -> tuple[bytes, str] | None:
    kind = _record_format(data)
    found = _records(data)
    if kind is None or not found:
        return None
    start, end = draw(st.sampled_from(found))
    places = [4, end - start - 4, 20] if kind.endswith("+") else [8, 12]
    at = start + draw(st.sampled_from(places))
    lie = draw(st.sampled_from([0, 1, 4, 12, end - start + 4, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF]))
    if at + 4 > len(data):
        return None
    return _put(data, at, struct.pack(kind[0] + "I", lie)), f"the record at {start} has the number {lie} at {at}"
