"""Draws what is wrong with a frame or an envelope, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from ftwire_tools.fuzz.steps import Mutation

__all__ = ["PUSHES", "UNKNOWN", "WEIGHTS", "draw_mutations", "draw_value"]

ALIVE: Final = 1004
UNKNOWN: Final = (0, 1, 2, 999, 1000, 1999, 4999, 65535, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF)
PUSHES: Final = (1003, 3005, 3007, 3009, 3011, 3013, 3015, 3019)
WEIGHTS: Final = {
    "empty body": 6,
    "cut body": 4,
    "flip body": 4,
    "random body": 3,
    "grow body": 3,
    "missing field": 6,
    "unknown enum": 5,
    "extreme number": 5,
    "odd string": 3,
    "protocol": 6,
    "serial": 5,
    "format": 4,
    "version": 2,
    "reserved": 2,
    "flip payload": 3,
    "cut payload": 3,
    "payload tail": 2,
    "digest": 6,
    "digest of payload": 2,
    "length": 4,
    "length off": 4,
    "magic": 2,
    "big-endian": 1,
    "flip header": 3,
    "cut frame": 4,
    "bytes before": 2,
    "bytes behind": 2,
    "twice": 4,
}
"""How often each is drawn, on TCP."""


def draw_mutations(random: Random, weighed: dict[str, int], value: Callable[[str], int | str]) -> tuple[Mutation, ...]:
    """Return one or two of the mutations that ``weighed`` names; ``value`` draws what belongs to one."""
    count = 1 if random.random() < 0.8 else 2
    names = random.sample(list(weighed), k=count, counts=list(weighed.values()))
    return tuple(Mutation(name, value(name)) for name in dict.fromkeys(names))


def draw_value(random: Random, name: str, *, small: bool) -> int | str:
    """Return the number or the bytes of a mutation; ``small`` where megabytes are too much."""
    if name == "random body":
        return random.randbytes(random.randint(1, 60)).hex()
    if name == "grow body":
        return random.choice((1, 1000, 70_000) if small else (1, 1000, 70_000, 5_000_000))
    if name == "protocol":
        return random.choice((*UNKNOWN, *PUSHES, ALIVE, 3008))
    if name == "serial":
        return random.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, random.getrandbits(32)))
    if name in {"format", "version"}:
        return random.choice((1, 2, 3, 127, 255))
    if name == "reserved":
        return random.randbytes(8).hex()
    if name == "digest":
        return (bytes(20) if random.random() < 0.3 else random.randbytes(20)).hex()
    if name == "length":
        return random.choice((0, 1, 43, 44, 1 << 16, 1 << 26, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    if name == "length off":
        return random.choice((-44, -2, -1, 1, 2, 16, 44))
    if name == "magic":
        return random.choice((b"TF", b"ft", b"FU", bytes(2), random.randbytes(2))).hex()
    if name == "flip header":
        # The protocol ID stays as it is: no flipped bit makes a trading request of another.
        return int(random.choice((*range(16), *range(48, 352))))
    if name in {"bytes before", "bytes behind"}:
        return random.randbytes(random.randint(1, 60)).hex()
    return random.getrandbits(16)
