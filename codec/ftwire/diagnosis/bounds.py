"""Mistakes about where a frame begins and ends, found by comparing its header with the bytes that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ftwire.diagnosis.digests import Work, real_length
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.header import HEADER_SIZE, MAGIC, BodyFormat, Header
from ftwire.protocols import Registry

__all__ = ["Bounds", "bounds_finding", "cut_finding", "is_plausible", "swapped"]

MAX_INNER: Final = 64
"""Largest number of places inside a frame that are tried as the beginning of another."""

Opens = Callable[[Header, bytes], "bytes | None"]
"""Returns the body of a payload if it can be decrypted and its digest is the header's."""


class Bounds(NamedTuple):
    """A frame whose header has a wrong length or byte order."""

    finding: Finding
    header: Header
    """The corrected header."""
    size: int
    """Real size of the frame, in bytes."""
    body: bytes | None
    """Its plain body, if it can be decrypted."""


def swapped(number: int) -> int:
    """Return a u32 with its bytes in the other order."""
    return int.from_bytes(number.to_bytes(4, "little"), "big")


def is_plausible(header: Header, registry: Registry) -> bool:
    """Return whether a header is like those sent today: known protocol and format, version 0."""
    return (
        header.proto_id in registry
        and header.body_format <= BodyFormat.JSON
        and header.version == 0
        and not any(header.reserved)
    )


def _with(header: Header, *, proto_id: int, serial: int, body_length: int) -> Header:
    return Header(proto_id, serial, body_length, header.sha1, header.body_format, header.version, header.reserved)


def bounds_finding(
    data: bytes,
    header: Header,
    opens: Opens,
    registry: Registry,
    *,
    encrypted_lengths: Iterable[int],
    work: Work,
    final: bool,
    alone: bool,
) -> Bounds | None:
    """Return the mistake in the size of the frame at the start of ``data``, which does not open as it is.

    ``encrypted_lengths`` are those that a plain body of the announced length may have on the wire; ``final`` means that
    nothing follows ``data``, ``alone`` that no frame after it was cut off before.
    """
    return (
        _big_endian(data, header, opens, registry)
        or _other_length(data, header, opens, encrypted_lengths)
        or _exchanged(data, header, opens, registry)
        or _glued(data, header, opens, registry, alone=alone)
        or _any_length(data, header, registry, work, final=final)
    )


def _big_endian(data: bytes, header: Header, opens: Opens, registry: Registry) -> Bounds | None:
    room = len(data) - HEADER_SIZE
    turned = {
        "nProtoID": swapped(header.proto_id),
        "nSerialNo": swapped(header.serial),
        "nBodyLen": swapped(header.body_length),
    }
    id_is_turned = header.proto_id not in registry and turned["nProtoID"] in registry
    # The digest does not depend on the serial: it is turned if that makes it smaller.
    serial = ("nSerialNo",) if turned["nSerialNo"] < header.serial else ()
    for numbers in (("nProtoID", "nBodyLen"), ("nBodyLen",), ("nProtoID",)):
        if ("nProtoID" in numbers) != id_is_turned:
            continue
        fields = (*numbers[:1], *serial, *numbers[1:]) if id_is_turned else (*serial, *numbers)
        meant = _with(
            header,
            proto_id=turned["nProtoID"] if "nProtoID" in fields else header.proto_id,
            serial=turned["nSerialNo"] if "nSerialNo" in fields else header.serial,
            body_length=turned["nBodyLen"] if "nBodyLen" in fields else header.body_length,
        )
        if not is_plausible(meant, registry) or meant.body_length > room:
            continue
        end = HEADER_SIZE + meant.body_length
        body = opens(meant, data[HEADER_SIZE:end])
        # Without the key no digest can be checked; a known ID and a length that ends where the bytes do is as good.
        if body is None and not (id_is_turned and (end == len(data) or data[end : end + 2] == MAGIC)):
            continue
        proof = f"Read in big-endian {' and '.join(f'{name} is {turned[name]}' for name in fields)}"
        proof += ", and the SHA-1 agrees." if body is not None else ", and the frame ends where the bytes do."
        finding = Finding(MISTAKES["big_endian_header"], proof, proven=body is not None)
        return Bounds(finding, meant, end, body)
    return None


def _other_length(data: bytes, header: Header, opens: Opens, encrypted_lengths: Iterable[int]) -> Bounds | None:
    room = len(data) - HEADER_SIZE
    for length in sorted(set(encrypted_lengths)):
        if length == header.body_length or length > room:
            continue
        body = opens(header, data[HEADER_SIZE : HEADER_SIZE + length])
        if body is not None and len(body) == header.body_length:
            proof = (
                f"nBodyLen is {header.body_length}, the length of the plain body; with the {length} bytes of its "
                "ciphertext the SHA-1 agrees."
            )
            return Bounds(Finding(MISTAKES["body_length_of_plaintext"], proof), header, HEADER_SIZE + length, body)
    length = header.body_length - HEADER_SIZE
    if 0 <= length <= room:
        body = opens(header, data[HEADER_SIZE : HEADER_SIZE + length])
        if body is not None:
            proof = f"nBodyLen is {header.body_length}, and the SHA-1 agrees with the first {length} bytes: 44 fewer."
            return Bounds(Finding(MISTAKES["body_length_with_header"], proof), header, HEADER_SIZE + length, body)
    return None


def _exchanged(data: bytes, header: Header, opens: Opens, registry: Registry) -> Bounds | None:
    """Return the finding for serial and length in each other's place."""
    length = header.serial
    if not length or length > len(data) - HEADER_SIZE or not is_plausible(header, registry):
        return None
    end = HEADER_SIZE + length
    body = opens(header, data[HEADER_SIZE:end])
    if body is None:
        return None
    proof = (
        f"nSerialNo is {length}, and the SHA-1 agrees with as many bytes; nBodyLen is {header.body_length}: each "
        "stands in the other's place."
    )
    meant = _with(header, proto_id=header.proto_id, serial=header.body_length, body_length=length)
    return Bounds(Finding(MISTAKES["header_field_order"], proof), meant, end, body)


def _inner_frames(data: bytes, stop: int, registry: Registry) -> Iterable[tuple[int, Header]]:
    """Yield the offsets between header and ``stop`` at which another plausible header is."""
    at = HEADER_SIZE - 1
    for _ in range(MAX_INNER):
        at = data.find(MAGIC, at + 1, stop)
        if at < 0 or at + HEADER_SIZE > len(data):
            return
        inner = Header.decode(data[at : at + HEADER_SIZE])
        if is_plausible(inner, registry):
            yield at, inner


def _glued(data: bytes, header: Header, opens: Opens, registry: Registry, *, alone: bool) -> Bounds | None:
    end = HEADER_SIZE + header.body_length
    if end > len(data):
        if alone or end - len(data) < HEADER_SIZE:
            return None
        # The stream decoder has already cut the frames inside.
        body = opens(header, data[HEADER_SIZE:]) if len(data) > HEADER_SIZE else None
        if body is None:
            return None
        there = len(data) - HEADER_SIZE
        proof = f"nBodyLen is {header.body_length}; the SHA-1 agrees with the {there} bytes before the next frame."
        return Bounds(Finding(MISTAKES["frames_glued"], proof), header, len(data), body)
    for at, inner in _inner_frames(data, end, registry):
        if at + HEADER_SIZE + inner.body_length > end:
            continue
        body = opens(header, data[HEADER_SIZE:at])
        if body is not None:
            proof = (
                f"nBodyLen is {header.body_length}; the SHA-1 agrees with the first {at - HEADER_SIZE} bytes, and "
                f"at offset {at} another frame (protocol {inner.proto_id}) begins."
            )
            return Bounds(Finding(MISTAKES["frames_glued"], proof), header, at, body)
    return None


def _any_length(data: bytes, header: Header, registry: Registry, work: Work, *, final: bool) -> Bounds | None:
    """Return the finding for a length that is neither that of the plain body nor of more than it."""
    if not is_plausible(header, registry):
        return None
    there = len(data) - HEADER_SIZE
    length = real_length(header.sha1, data, HEADER_SIZE, work)
    if length is None or length == header.body_length:
        return None
    end = HEADER_SIZE + length
    if not (final and length == there) and not data.startswith(MAGIC, end):
        # A part of the body: its digest is wrong, not its length.
        return None
    body = data[HEADER_SIZE:end]
    mistake, which = "body_length_wrong", f"{length} bytes, {abs(length - header.body_length)} "
    which += "more" if length > header.body_length else "fewer"
    if not header.body_length:
        mistake = "body_length_zero"
    elif _characters(body) == header.body_length:
        mistake, which = "body_length_in_characters", f"{length} bytes, which are {header.body_length} characters"
    proof = f"nBodyLen is {header.body_length}; the SHA-1 agrees with {which}."
    return Bounds(Finding(MISTAKES[mistake], proof), header, end, body)


def _characters(body: bytes) -> int | None:
    """Return the number of characters of a text in UTF-8, as languages count them that have UTF-16 strings."""
    try:
        return len(body.decode().encode("utf-16-le")) // 2
    except UnicodeDecodeError:
        return None


def cut_finding(data: bytes, header: Header, registry: Registry, *, final: bool) -> Bounds | None:
    """Return the finding for a frame of which only a part is there; see ``bounds_finding``."""
    if not is_plausible(header, registry):
        return None
    there = len(data) - HEADER_SIZE
    for at, inner in _inner_frames(data, min(len(data), HEADER_SIZE + header.body_length), registry):
        proof = (
            f"The header announces {header.body_length} bytes; after {at - HEADER_SIZE} another frame "
            f"(protocol {inner.proto_id}) begins."
        )
        return Bounds(Finding(MISTAKES["frame_cut"], proof), header, at, None)
    if final and there < header.body_length:
        proof = f"The header announces {header.body_length} bytes, {there} follow."
        return Bounds(Finding(MISTAKES["frame_cut"], proof), header, len(data), None)
    return None
