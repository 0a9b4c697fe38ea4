"""Faults: what a gateway can be made to do wrong, and when, to test clients.

A rule is written ``NAME[:KEY=VALUE,...]``::

    drop:p=0.1                              one frame in ten
    bad-sha1:proto=Qot_GetRT,n=2            the second frame of that protocol
    delay:ms=500,proto=Qot_UpdateRT         every frame of it
    cut:proto=Qot_GetRT,client=1            the first connection only: its next one has no fault

``p`` is a probability; ``n`` the number of a frame, counted for each client from 1; ``proto`` a protocol's name or
ID; ``client`` the number of the only connection that suffers, from 1. With neither ``p`` nor ``n`` every frame is
struck. Random choices depend on the seed and the client's number alone.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ftwire.connection import INIT_CONNECT
from ftwire.protocols import registry

__all__ = ["NAMES", "FaultError", "Faults", "Rule", "parse_rule"]

NAMES: Final = {
    "delay": "frames come late, by ms (500); what follows waits",
    "jitter": "frames come late, by up to ms (100)",
    "drop": "frames do not come at all",
    "duplicate": "frames come twice",
    "reorder": "a push comes after the next one",
    "bad-sha1": "the header's SHA-1 is wrong",
    "bad-body": "the body is no message, though its SHA-1 is right",
    "bad-format": "the header names a body format that nobody knows",
    "garbage": "bytes that are no frame come instead",
    "close": "the connection ends instead of a frame",
    "cut": "half a frame, then the connection ends",
    "split": "a frame comes in many small writes",
    "merge": "a frame comes in one write with the next",
    "wrong-serial": "a reply carries another serial",
    "unknown-protocol": "a frame of an unknown protocol comes first",
    "silent": "the gateway says nothing any more",
    "refuse": "a request is answered with an error: InitConnect, or the one of proto=",
}
"""Names of all faults, and what a client sees of each."""

MILLISECONDS: Final = {"delay": 500.0, "jitter": 100.0}
UNKNOWN_ID: Final = 9999
"""A protocol ID that OpenD does not use."""

# Offsets of header fields, see ftwire.header: the header is not encrypted and not part of the digest.
_PROTO_AT, _FORMAT_AT, _SERIAL_AT, _SHA1_AT = 2, 6, 8, 16
_UNKNOWN_FORMAT: Final = 7
_ENVELOPE_COMMAND_AT, _ENVELOPE_SECTION_AT = 8, 12


class FaultError(ValueError):
    """A rule that cannot be read."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault, and which frames it strikes."""

    name: str
    probability: float = 1.0
    nth: int | None = None
    """The only frame that is struck, counted among those of ``proto_id`` from 1."""
    proto_id: int | None = None
    """The protocol that is struck, ``None`` for all."""
    milliseconds: float = 0.0
    """Length of ``delay``, or the longest of ``jitter``."""
    client: int | None = None
    """Number of the only connection that suffers, ``None`` for all."""


def parse_rule(text: str) -> Rule:
    """Parse a rule. Raises ``FaultError``."""
    name, _, rest = text.partition(":")
    if name not in NAMES:
        raise FaultError(f"no fault {name!r}; there are {', '.join(NAMES)}")
    probability, nth, proto_id, milliseconds, client = 1.0, None, None, MILLISECONDS.get(name, 0.0), None
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        try:
            if key == "p":
                probability = float(value)
            elif key == "n":
                nth = int(value)
            elif key == "ms" and name in MILLISECONDS:
                milliseconds = float(value)
            elif key == "client":
                client = int(value)
            elif key == "proto":
                proto_id = _protocol(value)
            else:
                raise FaultError(
                    f"{text!r}: {name} takes p=, n=, proto=, client={', ms=' if name in MILLISECONDS else ''}"
                )
        except ValueError as error:
            raise error if isinstance(error, FaultError) else FaultError(f"{text!r}: {value!r} is no number") from None
    if not 0 <= probability <= 1 or (nth is not None and nth < 1) or not 0 <= milliseconds < 1e7:
        raise FaultError(f"{text!r}: p is 0 to 1, n 1 or more, ms 0 or more")
    if name == "refuse" and proto_id is None:
        proto_id = INIT_CONNECT
    return Rule(name, probability, nth, proto_id, milliseconds, client)


def _protocol(value: str) -> int:
    entry = registry.get(int(value) if value.isdecimal() else value)
    if entry is None:
        raise FaultError(f"no protocol {value!r}")
    return entry.proto_id


class Faults:
    """The rules as they apply to one client, with its counters and its random generator."""

    def __init__(self, rules: tuple[Rule, ...], *, seed: int, client: int) -> None:
        self._rules: Final[dict[str, list[Rule]]] = {}
        for rule in rules:
            if rule.client not in {None, client}:
                continue
            self._rules.setdefault(rule.name, []).append(rule)
        self._random: Final = random.Random(f"{seed}/{client}")  # noqa: S311 - to be repeated, not to be secret
        self._seen: Final[Counter[tuple[Rule, int]]] = Counter()
        self.silent = False
        """Whether ``silent`` has struck: nothing more is sent."""
        self.struck: Counter[str] = Counter()
        """How often each fault has struck."""

    def strikes(self, name: str, proto_id: int) -> bool:
        """Return whether a fault strikes a frame of this protocol; to be called once for each frame."""
        # Every rule counts the frame, whether or not one before it has struck.
        struck = [self._applies(rule, proto_id) for rule in self._rules.get(name, ())]
        return any(struck)

    def wait(self, proto_id: int) -> float:
        """Return by how many seconds to delay a frame."""
        late = 0.0
        for rule in self._rules.get("delay", ()):
            if self._applies(rule, proto_id):
                late += rule.milliseconds
        for rule in self._rules.get("jitter", ()):
            if self._applies(rule, proto_id):
                late += self._random.uniform(0, rule.milliseconds)
        return late / 1000

    def _applies(self, rule: Rule, proto_id: int) -> bool:
        if rule.proto_id is not None and rule.proto_id != proto_id:
            return False
        if rule.nth is not None:
            self._seen[rule, 0] += 1
            if self._seen[rule, 0] != rule.nth:
                return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        self.struck[rule.name] += 1
        return True

    def spoil_body(self, body: bytes) -> bytes:
        """Return bytes that are no protobuf message: they begin with wire type 7, which does not exist."""
        return b"\x0f" + self._random.randbytes(max(len(body) - 1, 7))

    def spoil_frame(self, proto_id: int, frame: bytes, *, is_push: bool, stream: bool) -> bytes:
        """Return a frame with the faults of its header applied; ``stream`` is whether it is sent on TCP."""
        if stream and self.strikes("bad-sha1", proto_id):
            frame = frame[:_SHA1_AT] + bytes((frame[_SHA1_AT] ^ 0xFF,)) + frame[_SHA1_AT + 1 :]
        if stream and self.strikes("bad-format", proto_id):
            frame = frame[:_FORMAT_AT] + bytes((_UNKNOWN_FORMAT,)) + frame[_FORMAT_AT + 1 :]
        if not is_push and self.strikes("wrong-serial", proto_id):
            at, form = (_SERIAL_AT, "<I") if stream else (_ENVELOPE_SECTION_AT, ">Q")
            size = struct.calcsize(form)
            (serial,) = struct.unpack_from(form, frame, at)
            wrong = (serial + 1_000_000) % (1 << 8 * size)
            frame = frame[:at] + struct.pack(form, wrong) + frame[at + size :]
        return frame

    @staticmethod
    def garbage(frame: bytes) -> bytes:
        """Return as many bytes that are no frame, at least the 44 of a header."""
        return b"HTTP/1.1 400 Bad Request\r\n\r\n".ljust(max(len(frame), 44), b"\0")

    def unknown_protocol(self, frame: bytes, *, stream: bool) -> bytes:
        """Return the same frame with an unknown protocol ID."""
        at, form = (_PROTO_AT, "<I") if stream else (_ENVELOPE_COMMAND_AT, ">I")
        return frame[:at] + struct.pack(form, UNKNOWN_ID) + frame[at + 4 :]
