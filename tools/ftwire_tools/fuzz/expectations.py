"""What must come of what a hostile client has sent on a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Expectation", "Expectations"]


@dataclass(slots=True)
class Expectation:
    """One frame that a gateway may answer."""

    label: str
    """What is wrong with it, if anything."""
    request: Any
    """The message to compare the reply with, ``None`` where there is none."""
    must: bool
    """Whether it has to be answered."""
    answer: str = ""
    """``answered`` or ``refused``."""


class Expectations:
    """The open expectations of one connection."""

    def __init__(self) -> None:
        self.odd: Final[list[Expectation]] = []
        """Those of everything that is wrong, in the order of sending."""
        self._requests: Final[dict[int, dict[int, Expectation]]] = {}  # by serial, then by protocol
        self._pings: Final[dict[bytes, Expectation]] = {}

    def add(self, expectation: Expectation, proto_id: int, serial: int) -> None:
        """Expect a reply with this protocol and serial."""
        self._requests.setdefault(serial, {})[proto_id] = expectation

    def with_serial(self, serial: int) -> dict[int, Expectation]:
        """Return what was sent with a serial, by protocol."""
        return self._requests.get(serial, {})

    def add_ping(self, content: bytes, *, must: bool) -> None:
        """Expect a pong with this content."""
        self._pings[content] = Expectation("ping", None, must)

    def take_pong(self, content: bytes) -> None:
        """Fulfil the expectations of a pong."""
        if content not in self._pings:
            return
        for before, expectation in self._pings.items():
            # RFC 6455, 5.5.3: of several pings only the last one need be answered.
            expectation.answer = "answered"
            if before == content:
                return

    def release(self) -> None:
        """Allow everything that is still unanswered to remain so."""
        requests = (each for by_proto in self._requests.values() for each in by_proto.values())
        for expectation in (*self._pings.values(), *requests):
            expectation.must = False

    @property
    def missing(self) -> list[str]:
        """What must still come, in words."""
        found = [
            f"reply to {proto_id} (serial {serial})"
            for serial, by_proto in self._requests.items()
            for proto_id, expectation in by_proto.items()
            if expectation.must and not expectation.answer
        ]
        return found + ["answer to a ping" for each in self._pings.values() if each.must and not each.answer]
