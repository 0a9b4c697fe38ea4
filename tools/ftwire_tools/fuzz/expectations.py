"""What a hostile client has sent on a connection, and what must come of it. Copied into saved tests, see ``steps``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Ledger", "Sent"]


@dataclass(slots=True)
class Sent:
    """A frame that a gateway may answer."""

    label: str
    message: Any
    must: bool
    """Whether it has to."""
    answer: str = ""
    is_last: bool = False
    """Whether frame boundaries were lost with it: what comes behind it is not read as what it is."""


class Ledger:
    """What is owed by the gateway."""

    def __init__(self) -> None:
        self.odd: Final[list[Sent]] = []
        """What is wrong, in the order in which it was sent."""
        self._sent: Final[dict[int, dict[int, Sent]]] = {}  # by serial, then by protocol
        self._pings: Final[dict[bytes, Sent]] = {}

    def add(self, sent: Sent, proto_id: int, serial: int) -> None:
        """Remember what a reply with this protocol and serial would answer."""
        self._sent.setdefault(serial, {})[proto_id] = sent

    def under(self, serial: int) -> dict[int, Sent]:
        """Return what was sent with a serial, by protocol."""
        return self._sent.get(serial, {})

    def expect_pong(self, content: bytes, *, must: bool) -> None:
        """Remember a ping."""
        self._pings[content] = Sent("ping", None, must)

    def ponged(self, content: bytes) -> None:
        """Take a pong."""
        if content not in self._pings:
            return
        for before, sent in self._pings.items():
            # RFC 6455, 5.5.3: of several pings the last one alone may be answered.
            sent.answer = "answered"
            if before == content:
                return

    def release(self) -> None:
        """Let what is still unanswered remain so."""
        for sent in (*self._pings.values(), *(sent for by_proto in self._sent.values() for sent in by_proto.values())):
            sent.must = False

    @property
    def waiting(self) -> list[str]:
        """What must still come."""
        found = [
            f"reply to {proto} (serial {serial})"
            for serial, by_proto in self._sent.items()
            for proto, sent in by_proto.items()
            if sent.must and not sent.answer
        ]
        return found + ["answer to a ping" for sent in self._pings.values() if sent.must and not sent.answer]

    def reactions(self, over: str) -> list[tuple[str, str]]:
        """Return what was done about each thing that was wrong; ``over`` is how the connection ended."""
        return [
            (sent.label, sent.answer or (over if over and sent is self.odd[-1] else "ignored")) for sent in self.odd
        ]
