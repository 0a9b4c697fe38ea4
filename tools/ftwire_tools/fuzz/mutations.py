"""What can be wrong with a body, a frame or an envelope: the tables, and drawing from them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from ftwire.frame_mutations import FRAME_MUTATIONS, MutationKind, NamedMutation
from ftwire.websocket import CLIENT_HEADER_SIZE

__all__ = ["BODY_MUTATIONS", "BROKEN_WEBSOCKET", "MUTATIONS", "TCP_MUTATIONS", "WEBSOCKET_MUTATIONS", "draw_mutations"]

BODY_MUTATIONS: Final = {
    # Done before the digest is taken: the frame is correct, its content is not.
    "empty body": MutationKind("no body at all", 6),
    "cut body": MutationKind("the first N bytes of the body", 4, random_bits=16),
    "flip body": MutationKind("bit N of the body inverted", 4, random_bits=16),
    "random body": MutationKind("these bytes for the body", 3, random_bytes=(1, 60)),
    "grow body": MutationKind("an unknown field of N bytes more", 3, (1, 1000, 70_000, 5_000_000)),
    "missing field": MutationKind("the Nth of the required fields left out", 6, random_bits=16),
    "unknown enum": MutationKind("the Nth whole number set to one that no enum has", 5, random_bits=16),
    "extreme number": MutationKind("the Nth number set to an end of its range", 5, random_bits=16),
    "odd string": MutationKind("the Nth string set to one that is long, astral or with NUL", 3, random_bits=16),
}
"""What can be wrong with a plain body, in the order in which it is done."""
TCP_MUTATIONS: Final = {**BODY_MUTATIONS, **FRAME_MUTATIONS}
"""What can be wrong with a frame on TCP."""
BROKEN_WEBSOCKET: Final = {
    "reserved opcode": MutationKind("opcode N, which has no meaning", 2, (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    "reserved bits": MutationKind("the reserved bits N set", 2, (1, 2, 3, 4, 5, 6, 7)),
    "mask": MutationKind("masked by a gateway, not masked by a client", 2),
    "frame length": MutationKind(
        "a WebSocket length that is N too large", 3, (1, 5, 125, 1 << 16, 1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63)
    ),
    "unfinished": MutationKind("a message that is not ended before the next one begins", 2),
    "continuation": MutationKind("the continuation of a message that was not begun", 2),
    "long ping": MutationKind("a ping of more than 125 bytes in front", 2, random_bits=16),
    "split ping": MutationKind("a ping in front whose end is missing", 2),
    "cut frame": MutationKind("the first N bytes of the WebSocket frames", 4, random_bits=16),
}
"""What WebSocket does not allow: a peer has to fail the connection, and need not find what comes next."""
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
    "flip header": MutationKind("bit N of the header inverted", 4, (*range(64), *range(96, 8 * CLIENT_HEADER_SIZE))),
    "cut envelope": MutationKind("a message of the first N bytes of the envelope", 7, random_bits=16),
    "bytes before": FRAME_MUTATIONS["bytes before"],
    "bytes behind": FRAME_MUTATIONS["bytes behind"],
    "joined": MutationKind("one message of the envelope two times", 3),
    # Read as an envelope, the second message must not have the command of a trading request.
    "split": MutationKind("two messages, the first of N bytes", 3, (1, 4, 8, 19, 20)),
    "empty message": MutationKind("a message of no bytes in front", 4),
    "text": MutationKind("a text message", 4),
    "twice": FRAME_MUTATIONS["twice"],
}
"""What can be wrong with an envelope in correct WebSocket frames."""
WEBSOCKET_MUTATIONS: Final = {**BODY_MUTATIONS, **ENVELOPE_MUTATIONS, **BROKEN_WEBSOCKET}
"""What can be wrong with an envelope on WebSocket."""
MUTATIONS: Final = {**TCP_MUTATIONS, **WEBSOCKET_MUTATIONS}
"""The names of all of them."""


def draw_mutations(random: Random, kinds: Mapping[str, MutationKind], *, small: bool) -> tuple[NamedMutation, ...]:
    """Return one or two mutations of these kinds; ``small`` where megabytes would take too long."""
    weights = [kind.weight for kind in kinds.values()]
    names = random.sample(list(kinds), k=1 if random.random() < 0.8 else 2, counts=weights)
    return tuple(NamedMutation(name, _value(random, kinds[name], small=small)) for name in dict.fromkeys(names))


def _value(random: Random, kind: MutationKind, *, small: bool) -> int | str:
    known = [value for value in kind.values if not (small and isinstance(value, int) and value == 5_000_000)]
    if (known and random.random() < 0.7) or not (known or kind.random_bytes or kind.random_bits):
        value = random.choice(known or [0])
    elif kind.random_bytes:
        value = random.randbytes(random.randint(*kind.random_bytes))
    else:
        value = random.getrandbits(kind.random_bits) if kind.random_bits else random.choice(known)
    return value.hex() if isinstance(value, bytes) else value
