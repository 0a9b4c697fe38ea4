"""What can be wrong with a frame, by name: its payload, each field of its header, and the bytes around it.

``ftwire.strategies`` and ``ftwire fuzz`` damage frames with these mutations and draw their values from these tables. A
mutation with its value is a plain record, so that a list of them can be saved and done again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha1
from random import Random
from typing import Final, NamedTuple

from ftwire.header import HEADER_SIZE

__all__ = ["FRAME_MUTATIONS", "MutationKind", "NamedMutation", "flip_bit", "mutate_frame"]

_HEADER: Final = struct.Struct("<2sIBBII20s8s")
_SWAPPED: Final = ((2, 6), (8, 12), (12, 16))
"""Where protocol ID, serial and length are in the header: what "big-endian" can swap."""


class MutationKind(NamedTuple):
    """One kind of damage, and the values to try."""

    meaning: str
    """What it does, in few words; N is its value."""
    weight: int
    """How often the fuzzer draws it, relative to the others."""
    values: tuple[int | bytes, ...] = ()
    """Values that readers are known to get wrong. Bytes are written as hexadecimal digits."""
    random_bytes: tuple[int, int] | None = None
    """Fewest and most random bytes to try as well."""
    random_bits: int = 0
    """Bits of a random number to try as well."""

    def draw(self, random: Random) -> int | str:
        """Return a value for a ``NamedMutation`` of this kind: mostly a known one, where there are some."""
        is_open = self.random_bytes is not None or self.random_bits > 0
        if (self.values and random.random() < 0.7) or not is_open:
            value = random.choice(self.values or (0,))
        elif self.random_bytes is not None:
            value = random.randbytes(random.randint(*self.random_bytes))
        else:
            value = random.getrandbits(self.random_bits)
        return value.hex() if isinstance(value, bytes) else value


class NamedMutation(NamedTuple):
    """One thing that is wrong with a frame."""

    name: str
    """A key of ``FRAME_MUTATIONS``, or of another table of the kind."""
    value: int | str = 0
    """Its number, or its bytes as hexadecimal digits."""


FRAME_MUTATIONS: Final = {
    # The payload, after encryption: the length is right, the digest is not.
    "flip payload": MutationKind("bit N of the payload inverted", 3, random_bits=16),
    "cut payload": MutationKind("the payload without its last N bytes, and a length that fits", 3, random_bits=16),
    # FTAES_ECB's count of bytes in the last block, or the end of PKCS#7 padding, encrypted.
    "payload tail": MutationKind("N for the last byte of the payload", 2, (0, 1, 15, 16, 17, 255), random_bits=8),
    # Fields of the header.
    "protocol": MutationKind(
        "N for the protocol ID",
        6,
        (
            *(0, 1, 2, 999, 1000, 1999, 4999, 65535, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF),  # IDs that do not exist
            *(1003, 3005, 3007, 3009, 3011, 3013, 3015, 3019, 1004, 3008),  # pushes, KeepAlive, GetRT
        ),
    ),
    "serial": MutationKind("N for the serial number", 5, (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF), random_bits=32),
    "format": MutationKind("N for the body format", 4, (1, 2, 3, 127, 255)),
    "version": MutationKind("N for the protocol version", 2, (1, 2, 3, 127, 255)),
    "reserved": MutationKind("reserved bytes that are not zero", 2, random_bytes=(8, 8)),
    "digest": MutationKind("these 20 bytes for the digest", 6, (bytes(20),), random_bytes=(20, 20)),
    "digest of payload": MutationKind("the digest of header and payload, as some clients take it", 2),
    "length": MutationKind(
        "N for the length", 4, (0, 1, 43, 44, 1 << 16, 1 << 26, (1 << 26) + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    ),
    "length off": MutationKind("a length that is N too large", 4, (-44, -2, -1, 1, 2, 16, 44)),
    "big-endian": MutationKind("protocol (1), serial (2), length (4) big-endian, 0 for all", 1, (0, 1, 2, 4)),
    "magic": MutationKind("these bytes for the magic", 2, (b"TF", b"ft", b"FU", bytes(2)), random_bytes=(2, 2)),
    # Bits of the protocol ID are left alone: inverting them could turn a request into a trading request.
    "flip header": MutationKind("bit N of the header inverted", 3, (*range(16), *range(48, 8 * HEADER_SIZE))),
    # The bytes around the frame.
    "cut frame": MutationKind("the first N bytes of the frame, and then what comes next", 4, random_bits=16),
    "bytes before": MutationKind("these bytes in front", 2, random_bytes=(1, 60)),
    "bytes behind": MutationKind("these bytes behind", 2, random_bytes=(1, 60)),
    "twice": MutationKind("the frame two times", 4),
}
"""Mutations of a frame's bytes, by name. Wrong bodies are made before the frame is: ``ftwire.body_mutations``."""


def flip_bit(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit inverted, counted from the first byte's lowest and around the end."""
    if not data:
        return data
    at, place = divmod(bit % (len(data) * 8), 8)
    return data[:at] + bytes((data[at] ^ 1 << place,)) + data[at + 1 :]


def mutate_frame(frame: bytes, mutations: Iterable[NamedMutation]) -> bytes:
    """Return a correct frame's bytes with these things wrong; names of other tables do nothing here.

    The order of the mutations does not matter: they are done from the payload outwards.
    """
    values = {name: value for name, value in mutations if name in FRAME_MUTATIONS}
    numbers = {name: value for name, value in values.items() if isinstance(value, int)}
    strings = {name: bytes.fromhex(value) for name, value in values.items() if isinstance(value, str)}
    magic, proto_id, body_format, version, serial, _, digest, reserved = _HEADER.unpack_from(frame)
    payload = frame[HEADER_SIZE:]
    if "flip payload" in values:
        payload = flip_bit(payload, numbers["flip payload"])
    if "cut payload" in values and payload:
        payload = payload[: len(payload) - numbers["cut payload"] % len(payload)]
    if "payload tail" in values and payload:
        payload = payload[:-1] + bytes((numbers["payload tail"] & 0xFF,))

    length = len(payload)
    fields = [
        numbers.get("protocol", proto_id),
        numbers.get("format", body_format),
        numbers.get("version", version),
        numbers.get("serial", serial),
    ]
    reserved = strings.get("reserved", reserved)
    if "digest of payload" in values:
        hashed = _HEADER.pack(magic, *fields, length, bytes(20), reserved) + payload
        digest = sha1(hashed, usedforsecurity=False).digest()
    digest = strings.get("digest", digest)
    length = numbers.get("length", length + numbers.get("length off", 0)) % (1 << 32)
    header = _HEADER.pack(strings.get("magic", magic), *fields, length, digest, reserved)
    if "big-endian" in values:
        for number, (start, end) in enumerate(_SWAPPED):
            if (numbers["big-endian"] or 7) & 1 << number:
                header = header[:start] + header[start:end][::-1] + header[end:]
    if "flip header" in values:
        header = flip_bit(header, numbers["flip header"])

    data = header + payload
    if "cut frame" in values:
        data = data[: numbers["cut frame"] % len(data)]
    data = strings.get("bytes before", b"") + data + strings.get("bytes behind", b"")
    return data * 2 if "twice" in values else data
