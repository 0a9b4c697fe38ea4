"""What can be wrong with an envelope on WebSocket, by name: each field of its header, and the bytes around it.

``ftwire.strategies`` and ``ftwire fuzz`` damage envelopes with these mutations. ``ftwire.frame_mutations`` is the same
for frames on TCP, ``ftwire.body_mutations`` for what either carries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

from ftwire.frame import Role
from ftwire.frame_mutations import FRAME_MUTATIONS, MutationKind, NamedMutation, flip_bit
from ftwire.header import CLIENT_ENVELOPE_STRUCT, SERVER_ENVELOPE_STRUCT

__all__ = ["ENVELOPE_MUTATIONS", "mutate_envelope"]

ENVELOPE_MUTATIONS: Final = {
    "protocol": FRAME_MUTATIONS["protocol"],
    "serial": MutationKind(
        "N for the section", 6, (0, 1, 2, 1 << 32, 1 << 53, (1 << 63) - 1, (1 << 64) - 1), random_bits=64
    ),
    "error code": MutationKind("of a gateway: N for the error code", 7, (1, 2, 3, 4, -1, -(1 << 31), (1 << 31) - 1)),
    "error text": MutationKind(
        "of a gateway: these 20 bytes for the error text",
        4,
        (b"timeout", b"x" * 20, b"\xff" * 20, "\u8d85\u65f6".encode()),
        random_bytes=(20, 20),
    ),
    "magic": MutationKind(
        "these bytes for the magic",
        4,
        (b"ft-v1.1\0", b"FT-V1.0\0", b"FT" + bytes(6), bytes(8)),
        random_bytes=(8, 8),
    ),
    "little-endian": MutationKind("all numbers little-endian", 2),
    "other header": MutationKind("the header of the other direction", 3),
    # Bits of the command stay: inverted, they could make a trading request of another one.
    "flip header": MutationKind(
        "bit N of the header inverted", 4, (*range(64), *range(96, 8 * CLIENT_ENVELOPE_STRUCT.size))
    ),
    "cut envelope": MutationKind("a message of the first N bytes of the envelope", 7, random_bits=16),
    "bytes before": FRAME_MUTATIONS["bytes before"],
    "bytes behind": FRAME_MUTATIONS["bytes behind"],
    "joined": MutationKind("one message of the envelope two times", 3),
}
"""Mutations of the message that an envelope is, by name. Wrong bodies are made before."""


def mutate_envelope(message: bytes, mutations: Iterable[NamedMutation], sender: Role) -> bytes:
    """Return the message of a correct envelope from ``sender`` with these things wrong.

    Names of other tables do nothing here. The order of the mutations does not matter.
    """
    values: dict[str, Any] = {name: value for name, value in mutations if name in ENVELOPE_MUTATIONS}
    strings = {name: bytes.fromhex(value) for name, value in values.items() if isinstance(value, str)}
    right = CLIENT_ENVELOPE_STRUCT if sender is Role.CLIENT else SERVER_ENVELOPE_STRUCT
    magic, command, section, *error = right.unpack_from(message)
    is_of_gateway = (sender is Role.SERVER) != ("other header" in values)
    wrong = SERVER_ENVELOPE_STRUCT if is_of_gateway else CLIENT_ENVELOPE_STRUCT
    fields: list[Any] = [strings.get("magic", magic), values.get("protocol", command), values.get("serial", section)]
    if is_of_gateway:
        code, text = error or (0, b"")
        fields += [values.get("error code", code), strings.get("error text", text)]
    order = "<" if "little-endian" in values else ">"
    header = struct.pack(order + wrong.format[1:], *fields)
    if "flip header" in values:
        header = flip_bit(header, values["flip header"])
    data = header + message[right.size :]
    if "cut envelope" in values:
        data = data[: values["cut envelope"] % len(data)]
    data = strings.get("bytes before", b"") + data + strings.get("bytes behind", b"")
    return data * 2 if "joined" in values else data
