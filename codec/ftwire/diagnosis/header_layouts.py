"""Headers that are laid out otherwise: padded, too short, with fields of other sizes or another magic.

A header is read with each of the layouts below; the SHA-1 that it has there, and that the body after it has, is the
proof. Without such a proof a layout is believed only if the protocol is known, the frame ends where the bytes do, and
its body is exactly a message of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, starmap
from typing import Final, Literal, NamedTuple

from ftwire.diagnosis.digests import Work
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.frame import Role
from ftwire.header import HEADER_SIZE, MAGIC, BodyFormat, Header
from ftwire.protocols import Registry

__all__ = ["MAX_LAYOUTS", "HeaderLayouts", "LaidOutFrame", "header_findings", "misplaced_digest"]

MAX_LAYOUTS: Final = 1 << 18
"""Layouts tried in one conversation; each costs some microseconds."""

MAX_USUAL: Final = 256
"""Headers of one conversation that look as they should and are read with other layouts all the same."""
DIGEST: Final = 20
"""Bytes in a digest."""
DIGEST_OFFSET: Final = 16
"""Where a header has it."""
MAX_BODY_OFFSET: Final = 80
"""Bytes that may stand in front of a body."""

Order = Literal["little", "big"]
_ORDERS: Final[tuple[Order, ...]] = ("little", "big")

Reads = Callable[[Header, bytes], bool]
"""Returns whether a body is exactly a message of the header's protocol."""


class LaidOutFrame(NamedTuple):
    """A frame whose header has another layout."""

    findings: tuple[Finding, ...]
    header: Header
    """The header as it should be."""
    header_size: int
    """Real size of the header, in bytes."""
    size: int
    """Real size of the frame, in bytes."""
    body: bytes | None
    """Its body, if the SHA-1 agrees."""


class _Change(NamedTuple):
    """A departure of a layout from the right one."""

    mistake: str
    part: int
    """Index of the part that is another: see ``_PARTS``."""
    size: int
    """Its size, in bytes."""
    text: str
    """What it is, for the proof."""
    magic: bytes | None = None


class _Layout(NamedTuple):
    changes: tuple[_Change, ...]
    magic: bytes
    offsets: tuple[tuple[int, int], ...]
    """Start and end of each part."""
    size: int


# The parts of a header, with gaps where compilers pad a struct. The digest is part 8.
_PARTS: Final = (
    ("szHeaderFlag", 2),
    ("padding", 0),
    ("nProtoID", 4),
    ("nProtoFmtType", 1),
    ("nProtoVer", 1),
    ("padding", 0),
    ("nSerialNo", 4),
    ("nBodyLen", 4),
    ("arrBodySHA1", 20),
    ("arrReserved", 8),
)
_ID, _FORMAT, _VERSION, _SERIAL, _LENGTH, _DIGEST, _RESERVED = 2, 3, 4, 6, 7, 8, 9


def _sized(part: int, *sizes: int) -> Iterator[_Change]:
    name, right = _PARTS[part]
    for size in sizes:
        text = f"{name} has {size} bytes, not {right}" if size else f"{name} is not there"
        yield _Change("header_field_size", part, size, text)


_CHANGES: Final = (
    _Change("header_padded", 1, 2, "2 bytes of padding follow the magic"),
    _Change("header_padded", 5, 2, "2 bytes of padding follow nProtoVer"),
    _Change("reserved_missing", _RESERVED, 0, "the body begins at once after arrBodySHA1"),
    _Change("wrong_magic", 0, 2, 'it begins with "ft"', b"ft"),
    _Change("wrong_magic", 0, 2, 'it begins with "TF"', b"TF"),
    _Change("wrong_magic", 0, 2, 'it begins with "Ft"', b"Ft"),
    _Change("magic_missing", 0, 0, "it begins with nProtoID", b""),
    *_sized(_ID, 2, 8),
    *_sized(_FORMAT, 0, 2, 4),
    *_sized(_VERSION, 0, 2, 4),
    *_sized(_SERIAL, 0, 2, 8),
    *_sized(_LENGTH, 2, 8),
    _Change("sha1_as_text", _DIGEST, 40, "arrBodySHA1 is 40 hexadecimal digits"),
    *_sized(_RESERVED, 4, 7, 9, 12, 16),
)


@cache
def _layouts() -> tuple[_Layout, ...]:
    """Return all layouts, those with fewest departures first."""
    made = [_layout(changes) for count in (1, 2) for changes in combinations(_CHANGES, count)]
    # All fields of 16 bits, as programs declare that take the sizes for characters.
    narrow = (*_sized(_ID, 2), *_sized(_SERIAL, 2), *_sized(_LENGTH, 2))
    made += [_layout(narrow), *starmap(_exchanged, combinations((_ID, _SERIAL, _LENGTH, _DIGEST, _RESERVED), 2))]
    return tuple(each for each in made if each is not None)


def _exchanged(first: int, second: int) -> _Layout:
    """Return the layout in which two fields are in each other's place."""
    places = list(range(len(_PARTS)))
    places[first], places[second] = second, first
    at, offsets = 0, {}
    for part in places:
        offsets[part] = at, at + _PARTS[part][1]
        at += _PARTS[part][1]
    text = f"{_PARTS[second][0]} stands in the place of {_PARTS[first][0]}, and the other way round"
    change = _Change("header_field_order", first, _PARTS[first][1], text)
    return _Layout((change,), MAGIC, tuple(offsets[part] for part in range(len(_PARTS))), at)


def _layout(changes: tuple[_Change, ...]) -> _Layout | None:
    sizes = [size for _, size in _PARTS]
    if len({change.part for change in changes}) < len(changes):
        return None
    magic = MAGIC
    for change in changes:
        sizes[change.part] = change.size
        magic = magic if change.magic is None else change.magic
    at, offsets = 0, []
    for size in sizes:
        offsets.append((at, at + size))
        at += size
    return _Layout(changes, magic, tuple(offsets), at)


class HeaderLayouts:
    """Reads headers with every layout; one that has explained a frame is tried first on the next."""

    def __init__(self, registry: Registry, work: Work) -> None:
        self._ids: Final = frozenset(registry.ids)
        self._work: Final = work
        self._last: tuple[_Layout, Order] | None = None
        self._usual = 0

    def _is_usual(self, data: bytes, at: int) -> bool:
        """Return whether the bytes at ``at`` are a header as it should be, and its body."""
        if not data.startswith(MAGIC, at) or len(data) - at < HEADER_SIZE:
            return False
        header = Header.decode(data[at : at + HEADER_SIZE])
        return header.proto_id in self._ids and header.body_length <= len(data) - at - HEADER_SIZE

    def find(self, data: bytes, at: int, reads: Reads) -> LaidOutFrame | None:
        """Return the frame at ``at`` if its header has another layout."""
        if self._last is not None:
            found = self._frame(data, at, *self._last, reads)
            if found is not None:
                return found
        layouts = _layouts()
        if not self._may_begin(data, at) or self._work.layouts + 2 * len(layouts) > MAX_LAYOUTS:
            return None
        is_usual = self._is_usual(data, at)
        self._usual += is_usual
        if is_usual and self._usual > MAX_USUAL:
            return None
        likely = None
        for order in _ORDERS:
            for layout in layouts:
                # Without the digest as proof, only the simplest layouts are believed.
                is_simple = len(layout.changes) == 1 and layout.changes[0].mistake != "header_field_order"
                may_guess = likely is None and is_simple and not is_usual
                found = self._frame(data, at, layout, order, reads if may_guess else None)
                if found is None:
                    continue
                if found.body is not None:
                    self._last = layout, order
                    return found
                likely = found
        return likely

    def _may_begin(self, data: bytes, at: int) -> bool:
        """Return whether a header may begin at ``at``: with "FT", another magic, or without one."""
        start = data[at : at + 2]
        if start.upper() == MAGIC or start == MAGIC[::-1]:
            return True
        return any(int.from_bytes(data[at : at + 4], order) in self._ids for order in _ORDERS)

    def _frame(self, data: bytes, at: int, layout: _Layout, order: Order, reads: Reads | None) -> LaidOutFrame | None:
        self._work.layouts += 1
        if not data.startswith(layout.magic, at):
            return None
        header = self._header(data[at : at + layout.size], layout, order)
        start = at + layout.size
        if header is None or header.body_length > len(data) - start:
            return None
        end = start + header.body_length
        body = data[start:end]
        agrees = self._work.sha1(body) == header.sha1
        if not agrees and not (reads is not None and end == len(data) and reads(header, body)):
            return None
        findings = _findings(layout, header, is_big=order == "big", agrees=agrees)
        return LaidOutFrame(findings, header, layout.size, end - at, body if agrees else None)

    def _header(self, raw: bytes, layout: _Layout, order: Order) -> Header | None:
        """Return the header of a layout; ``None`` if it is none that is sent today."""
        if len(raw) < layout.size:
            return None
        fields = [raw[start:end] for start, end in layout.offsets]
        proto_id = int.from_bytes(fields[_ID], order)
        if proto_id not in self._ids:
            return None
        serial, length = (int.from_bytes(fields[part], order) for part in (_SERIAL, _LENGTH))
        body_format, version = (int.from_bytes(fields[part], order) for part in (_FORMAT, _VERSION))
        if body_format > BodyFormat.JSON or version or length >= 1 << 32:
            return None
        if any(map(any, (fields[1], fields[5], fields[_RESERVED]))):
            return None
        digest = fields[_DIGEST]
        if len(digest) != DIGEST:
            try:
                digest = bytes.fromhex(digest.decode("ascii"))
            except ValueError:
                return None
            if len(digest) != DIGEST:
                return None
        return Header(proto_id, serial & 0xFFFF_FFFF, length, digest, body_format)


def _findings(layout: _Layout, header: Header, *, is_big: bool, agrees: bool) -> tuple[Finding, ...]:
    how = "and the SHA-1 agrees" if agrees else "and the frame ends where the bytes do"
    read = f"read so, nProtoID is {header.proto_id} and nBodyLen {header.body_length}, {how}"
    findings = [
        Finding(MISTAKES[change.mistake], f"The header has {layout.size} bytes: {change.text}; {read}.", proven=agrees)
        if layout.size != HEADER_SIZE
        else Finding(MISTAKES[change.mistake], f"The header is another: {change.text}; {read}.", proven=agrees)
        for change in layout.changes
    ]
    if is_big:
        findings.append(Finding(MISTAKES["big_endian_header"], f"Its numbers are big-endian: {read}.", proven=agrees))
    distinct = {finding.mistake.id: finding for finding in reversed(findings)}
    return tuple(reversed(distinct.values()))


def header_findings(header: Header, sender: Role, registry: Registry) -> tuple[Finding, ...]:
    """Return the mistake in the values of a client's header whose frame can be read. OpenD's are what they are."""
    if sender is not Role.CLIENT:
        return ()
    unusual = [
        f"{name} is {value}"
        for name, value, is_usual in (
            ("nProtoFmtType", header.body_format, header.body_format <= BodyFormat.JSON),
            ("nProtoVer", header.version, not header.version),
            ("arrReserved", header.reserved.hex(), not any(header.reserved)),
        )
        if not is_usual
    ]
    if unusual:
        proof = f"{', '.join(unusual)}; the SHA-1 agrees."
        return (Finding(MISTAKES["header_values"], proof, sender),)
    if header.proto_id not in registry:
        proof = f"nProtoID is {header.proto_id} ({header.proto_id:#x}); the SHA-1 agrees."
        return (Finding(MISTAKES["unknown_protocol"], proof, sender, proven=False),)
    return ()


def misplaced_digest(data: bytes, work: Work) -> tuple[Finding, int] | None:
    """Return the finding for a body whose SHA-1 is in the frame, but not where it belongs, and the body's offset.

    ``data`` is one whole frame. Hashes it once for each place where a body may begin.
    """
    for start in range(DIGEST, min(MAX_BODY_OFFSET, len(data) - 1)):
        at = data.find(work.sha1(data[start:]), 0, start)
        if at >= 0 and (start, at) != (HEADER_SIZE, DIGEST_OFFSET):
            proof = (
                f"The SHA-1 of the {len(data) - start} bytes from offset {start} on is at offset {at}; a header has it "
                f"at {DIGEST_OFFSET} and the body at {HEADER_SIZE}."
            )
            return Finding(MISTAKES["sha1_misplaced"], proof), start
    for start in range(DIGEST_OFFSET, min(HEADER_SIZE + 1, len(data) - DIGEST)):
        if work.sha1(data[start:-DIGEST]) == data[-DIGEST:]:
            proof = f"The last {DIGEST} bytes are the SHA-1 of those from offset {start} on to them."
            return Finding(MISTAKES["sha1_misplaced"], proof), start
    return None
