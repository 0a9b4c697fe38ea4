"""Faults: what a gateway can be made to do wrong, and when, to test clients.

A rule is written ``NAME[:KEY=VALUE,...]``::

    drop:p=0.1                                  one frame in ten
    bad-sha1:proto=Qot_GetRT,n=2                the second frame of that protocol
    delay:ms=500,proto=Qot_Update*              every push of quotes
    cut:proto=Qot_GetRT,client=1                the first connection only: its next one has no fault
    refuse:proto=Trd_PlaceOrder,every=3,ret_type=-1,ret_msg=Not enough buying power, it says
                                                every third order, with this error

``p`` is a probability; ``n`` the number of the only frame that is struck, ``every`` strikes each frame whose number it
divides, both counted for each client from 1; ``proto`` a protocol's name, ID or glob; ``client`` the number of the only
connection that suffers, from 1. With none of ``p``, ``n`` and ``every`` every frame is struck. ``ret_msg`` is the
last key: its text may hold commas.

Whether a frame is struck by chance depends on the seed, the client's number, the rule's number, and the number of the
frame among those of its protocol alone: pushes and KeepAlive that come between in another order change nothing.
"""

from __future__ import annotations

import random
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from ftwire.connection import INIT_CONNECT
from ftwire.protocols import registry
from ftwire_tools.filters.protocol_names import protocol_ids

__all__ = ["NAMES", "ClientFaults", "FaultError", "Faults", "Rule", "parse_rule"]

NAMES: Final = {
    "delay": "frames come late, by ms (500); what follows waits",
    "jitter": "frames come late, by up to ms (100)",
    "drop": "frames do not come at all",
    "lose": "requests do not reach the gateway: nothing is done, and no answer comes",
    "duplicate": "frames come twice",
    "reorder": "a push comes after the next one, or after ms (1000) if none comes",
    "bad-sha1": "the header's SHA-1 is wrong",
    "bad-body": "the body is no message, though its SHA-1 is right",
    "bad-format": "the header names a body format that nobody knows",
    "garbage": "bytes that are no frame come instead",
    "close": "the connection ends instead of a frame",
    "cut": "half a frame, then the connection ends",
    "split": "a frame comes in many small writes",
    "merge": "a frame comes in one write with the next, or after ms (1000) if none comes",
    "wrong-serial": "a reply carries another serial",
    "unknown-protocol": "a frame of an unknown protocol comes first",
    "silent": "the gateway says nothing any more",
    "refuse": "a request gets an error (ret_type, err_code, ret_msg): InitConnect, or those of proto=",
}
"""Names of all faults, and what a client sees of each."""

MILLISECONDS: Final = {"delay": 500.0, "jitter": 100.0, "reorder": 1000.0, "merge": 1000.0}
"""Faults that have a time, and the one they have by default."""
ONLY_PUSHES: Final = frozenset({"reorder"})
ONLY_REPLIES: Final = frozenset({"lose", "refuse", "wrong-serial"})
UNKNOWN_ID: Final = 9999
"""A protocol ID that OpenD does not use."""
MAX_INT: Final = 1 << 31
"""Above ``retType`` and ``errCode``: they are 32-bit integers with a sign."""

# Offsets of header fields, see ftwire.header: the header is not encrypted and not part of the digest.
_PROTO_AT, _FORMAT_AT, _SERIAL_AT, _SHA1_AT = 2, 6, 8, 16
_UNKNOWN_FORMAT: Final = 7
_ENVELOPE_COMMAND_AT, _ENVELOPE_SECTION_AT = 8, 12
_MESSAGE: Final = re.compile(r"(?:^|,)ret_msg=(.*)", re.DOTALL)


class FaultError(ValueError):
    """A rule that cannot be read, or that could never do what it says."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault, and which frames it strikes. Raises ``FaultError`` for one that makes no sense."""

    name: str
    probability: float = 1.0
    nth: int | None = None
    """The only frame that is struck, counted among those of ``proto`` from 1."""
    proto: str = ""
    """The protocols that are struck: a name, an ID or a glob; empty for all, and for ``refuse`` InitConnect."""
    milliseconds: float | None = None
    """Length of ``delay``, the longest of ``jitter``, how long ``merge`` and ``reorder`` hold a frame back at most;
    ``None`` for the default."""
    client: int | None = None
    """Number of the only connection that suffers, ``None`` for all."""
    every: int | None = None
    """Each frame is struck whose number, counted as for ``nth``, is a multiple of this."""
    ret_type: int = -1
    """``retType`` of an error on demand (``refuse``); -1 is ``RetType_Failed``."""
    err_code: int = 0
    """Its ``errCode``."""
    ret_msg: str = ""
    """Its ``retMsg``; empty for a text that says what refuses."""

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise FaultError(f"no fault {self.name!r}; there are {', '.join(NAMES)}")
        for what, is_wrong in {
            "p is 0 to 1": not 0 <= self.probability <= 1,
            "n is 1 or more": self.nth is not None and self.nth < 1,
            "every is 1 or more": self.every is not None and self.every < 1,
            "n= and every= exclude each other": self.nth is not None and self.every is not None,
            "client is 1 or more": self.client is not None and self.client < 1,
            "ms is 0 or more": self.milliseconds is not None and not 0 <= self.milliseconds < 1e7,
            f"{self.name} has no ms=": self.milliseconds is not None and self.name not in MILLISECONDS,
            "ret_type and err_code are 32-bit integers": not (
                -MAX_INT <= self.ret_type < MAX_INT and -MAX_INT <= self.err_code < MAX_INT
            ),
        }.items():
            if is_wrong:
                raise FaultError(f"{self}: {what}")
        if self.proto and not self.proto_ids:
            what = "pushes" if self.name in ONLY_PUSHES else "requests and their replies"
            raise FaultError(f"{self}: {self.name} is about {what}, and {self.proto} is none of these")

    def __str__(self) -> str:
        parts = [
            f"p={self.probability:g}" if self.probability < 1 else "",
            f"n={self.nth}" if self.nth is not None else "",
            f"every={self.every}" if self.every is not None else "",
            f"proto={self.proto}" if self.proto else "",
            f"client={self.client}" if self.client is not None else "",
            f"ms={self.milliseconds:g}" if self.milliseconds is not None else "",
            f"ret_type={self.ret_type}" if self.ret_type != -1 else "",
            f"err_code={self.err_code}" if self.err_code else "",
            f"ret_msg={self.ret_msg}" if self.ret_msg else "",
        ]
        return ":".join(filter(None, (self.name, ",".join(filter(None, parts)))))

    @property
    def proto_ids(self) -> frozenset[int] | None:
        """IDs of the protocols that it strikes, ``None`` for all. Raises ``FaultError``."""
        if not self.proto:
            return frozenset({INIT_CONNECT}) if self.name == "refuse" else None
        found = _protocols(self.proto)
        if self.name in ONLY_PUSHES:
            return frozenset(each for each in found if registry[each].is_push)
        if self.name in ONLY_REPLIES:
            return frozenset(each for each in found if not registry[each].is_push)
        return found

    @property
    def seconds(self) -> float:
        """``milliseconds``, or their default, in seconds."""
        found = MILLISECONDS.get(self.name, 0.0) if self.milliseconds is None else self.milliseconds
        return found / 1000


@lru_cache(maxsize=256)
def _protocols(pattern: str) -> frozenset[int]:
    """Return the IDs of the protocols that a name, an ID or a glob means. Raises ``FaultError``."""
    try:
        found = protocol_ids([pattern])
    except ValueError as error:
        raise FaultError(str(error)) from None
    if unknown := [each for each in found if registry.get(each) is None]:
        raise FaultError(f"no protocol {unknown[0]}")
    return found


def parse_rule(text: str) -> Rule:
    """Parse a rule. Raises ``FaultError``."""
    name, _, rest = text.partition(":")
    values: dict[str, float | int | str] = {}
    message = _MESSAGE.search(rest)
    if message is not None and name == "refuse":
        values["ret_msg"] = message[1]
        rest = rest[: message.start()]
    keys = {"p": "probability", "n": "nth", "every": "every", "proto": "proto", "client": "client"}
    if name in MILLISECONDS:
        keys["ms"] = "milliseconds"
    if name == "refuse":
        keys |= {"ret_type": "ret_type", "err_code": "err_code"}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if name in NAMES and key not in keys:
            known = [*keys, "ret_msg"] if name == "refuse" else keys
            raise FaultError(f"{text!r}: {name} takes {', '.join(f'{each}=' for each in known)}")
        try:
            values[keys.get(key, key)] = value if key == "proto" else (float if key in {"p", "ms"} else int)(value)
        except ValueError:
            raise FaultError(f"{text!r}: {value!r} is no number") from None
    if name not in NAMES:
        raise FaultError(f"no fault {name!r}; there are {', '.join(NAMES)}")
    return Rule(name, **values)  # type: ignore[arg-type]  # each converted as its key demands


class Faults:
    """The rules of a gateway, which can be added and removed while it runs."""

    def __init__(self, rules: Iterable[Rule | str] = (), *, seed: int = 0) -> None:
        """``rules`` may be written as for ``--fault``. Raises ``FaultError``."""
        self.seed: Final = seed
        self.rules: Mapping[int, Rule] = {}
        """The rules by their numbers, which count from 1 and are never used again. Not to be changed: another mapping
        takes its place where a rule is added or removed."""
        self.struck: Final[Counter[int]] = Counter()
        """How often each rule has struck, by its number, over all clients."""
        self._all: Final[dict[int, Rule]] = {}
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule | str) -> int:
        """Add a rule; return its number. It counts frames from now on. Raises ``FaultError``."""
        made = parse_rule(rule) if isinstance(rule, str) else rule
        number = len(self._all) + 1
        self._all[number] = made
        self.rules = {**self.rules, number: made}
        return number

    def remove(self, number: int) -> Rule:
        """Remove a rule; what it holds back is sent soon, and a gateway that it has silenced speaks again.

        Raises ``KeyError`` where there is no rule of this number.
        """
        removed = self.rules[number]
        self.rules = {each: rule for each, rule in self.rules.items() if each != number}
        return removed

    def text_of(self, number: int) -> str:
        """Return a rule as it is written, those that were removed included. Raises ``KeyError``."""
        return str(self._all[number])

    def clear(self) -> None:
        """Remove all rules."""
        self.rules = {}


class ClientFaults:
    """The rules as they apply to one client, with its counters."""

    def __init__(self, faults: Faults, client: int) -> None:
        self._faults: Final = faults
        self._client: Final = client
        self._known: Mapping[int, Rule] = {}
        self._by_name: dict[str, list[tuple[int, Rule, frozenset[int] | None]]] = {}
        self._seen: Final[Counter[tuple[int, int | None]]] = Counter()
        self._silenced_by: int | None = None
        self.struck: Final[Counter[str]] = Counter()
        """How often each fault has struck."""
        self.recent: list[str] = []
        """Names of the faults that have struck since somebody cleared it."""

    @property
    def is_active(self) -> bool:
        """Whether there are rules for this client."""
        if self._faults.rules is not self._known:
            self._learn(self._faults.rules)
        return bool(self._by_name)

    def _learn(self, rules: Mapping[int, Rule]) -> None:
        self._known = rules
        self._by_name = {}
        for number, rule in rules.items():
            if rule.client in {None, self._client}:
                self._by_name.setdefault(rule.name, []).append((number, rule, rule.proto_ids))
        for key in [key for key in self._seen if key[0] not in rules]:
            del self._seen[key]

    @property
    def silent(self) -> bool:
        """Whether ``silent`` has struck, and its rule is still there: nothing more is sent."""
        return self._silenced_by is not None and self._silenced_by in self._faults.rules

    def strikes(self, name: str, proto_id: int) -> bool:
        """Return whether a fault strikes a frame of this protocol; to be called once for each frame."""
        return self.struck_by(name, proto_id) is not None

    def struck_by(self, name: str, proto_id: int) -> Rule | None:
        """Return the first rule whose fault strikes a frame of this protocol; to be called once for each frame."""
        found = self._striking(name, proto_id)
        if not found:
            return None
        number, rule = found[0]
        if name == "silent":
            self._silenced_by = number
        return rule

    def _striking(self, name: str, proto_id: int) -> list[tuple[int, Rule]]:
        """Return the rules that strike. Every rule counts the frame, whether or not one before it has struck."""
        if not self.is_active:
            return []
        rules = self._by_name.get(name, ())
        return [(number, rule) for number, rule, ids in rules if self._applies(number, rule, ids, proto_id)]

    def wait(self, proto_id: int) -> float:
        """Return by how many seconds to delay a frame."""
        late = sum(rule.seconds for _, rule in self._striking("delay", proto_id))
        for number, rule in self._striking("jitter", proto_id):
            late += rule.seconds * self._chance(number, proto_id, "late")
        return late

    def _applies(self, number: int, rule: Rule, ids: frozenset[int] | None, proto_id: int) -> bool:
        if ids is not None and proto_id not in ids:
            return False
        # A client can make the gateway answer any number: those that are unknown are counted as one.
        self._seen[number, proto_id if registry.get(proto_id) is not None else 0] += 1
        self._seen[number, None] += 1
        count = self._seen[number, None]
        if rule.nth is not None and count != rule.nth:
            return False
        if rule.every is not None and count % rule.every:
            return False
        if rule.probability < 1 and self._chance(number, proto_id, "strike") >= rule.probability:
            return False
        self.struck[rule.name] += 1
        self.recent.append(rule.name)
        self._faults.struck[number] += 1
        return True

    def _chance(self, number: int, proto_id: int, what: str) -> float:
        """Return a number from 0 to 1, always the same for the last frame of a protocol that a rule has counted."""
        kind = proto_id if registry.get(proto_id) is not None else 0
        place = (self._faults.seed, self._client, number, kind, self._seen[number, kind], what)
        digest = blake2b("/".join(map(str, place)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / (1 << 64)

    def spoil_body(self, body: bytes) -> bytes:
        """Return bytes that are no protobuf message: they begin with wire type 7, which does not exist."""
        place = f"{self._faults.seed}/{self._client}/{self.struck['bad-body']}"
        noise = random.Random(place)  # noqa: S311 - to be repeated, not to be secret
        return b"\x0f" + noise.randbytes(max(len(body) - 1, 7))

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
