"""Which frames are struck: the rules of a gateway, and how they apply to each of its clients.

Whether a frame is struck by chance depends on the seed, the client's number, the rule's number, and the number of the
frame among those of its protocol alone: pushes and KeepAlive that come between in another order change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from ftwire.protocols import registry
from ftwire_tools.gateway.faults import damage
from ftwire_tools.gateway.faults.rules import Rule, parse_rule

__all__ = ["ClientFaults", "Faults"]


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
        """Return bytes that are no protobuf message, always the same for the seed, the client and the times struck."""
        return damage.no_message(len(body), f"{self._faults.seed}/{self._client}/{self.struck['bad-body']}")

    def spoil_frame(self, proto_id: int, frame: bytes, *, is_push: bool, stream: bool) -> bytes:
        """Return a frame with the faults of its header applied; ``stream`` is whether it is sent on TCP."""
        if stream and self.strikes("bad-sha1", proto_id):
            frame = damage.wrong_digest(frame)
        if stream and self.strikes("bad-format", proto_id):
            frame = damage.unknown_format(frame)
        if not is_push and self.strikes("wrong-serial", proto_id):
            frame = damage.wrong_serial(frame, stream=stream)
        return frame
