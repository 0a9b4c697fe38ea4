"""What a peer did, and which of it is a finding."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ftwire.body import missing_fields
from ftwire.errors import DigestError, WireError
from ftwire.frame import UnknownBody
from ftwire_tools.messages.masking import error_text

__all__ = ["KINDS", "FuzzFinding", "PlayRecord", "Traffic", "fault_of", "mismatch"]

KINDS: Final = {
    "hung": "leaves a legal request on an open connection unanswered",
    "closed": "ends a connection on which nothing but legal frames was sent",
    "dead": "serves no new session any more",
    "others": "stops serving a client that has done nothing wrong",
    "wrong serial": "answers with a serial number that nobody has used",
    "wrong protocol": "answers a request with another protocol's reply",
    "mixed up": "answers a request with the reply to another one",
    "wrong digest": "sends a digest that is not its body's",
    "undecodable": "sends a body that is not the message it should be",
    "garbage": "sends bytes that are no frames",
    "crashed": "ended as no program should",
    "silent": "sends nothing more on an open connection, no KeepAlive either",
    "gone": "lost its connection and does not come back, though it runs",
}
"""The findings. Whatever else a peer does about wrong input is a reaction: counted, and nothing more."""


class FuzzFinding(NamedTuple):
    """Something that a peer must not do."""

    kind: str
    """One of ``KINDS``."""
    detail: str
    """What was seen."""


class Traffic(NamedTuple):
    """One thing that happened on a connection."""

    time_ns: int
    connection: int
    what: str
    """``open``, ``client`` or ``gateway`` (bytes of that side), ``client-end``, ``gateway-end`` or ``reset``."""
    data: bytes = b""


@dataclass(slots=True)
class PlayRecord:
    """What happens while steps are performed."""

    findings: list[FuzzFinding] = field(default_factory=list)
    reactions: list[tuple[str, str]] = field(default_factory=list)
    """What was wrong, and what the peer did about it."""
    traffic: list[Traffic] = field(default_factory=list)
    connections: int = 0
    """How many there have been."""
    performed: int = 0
    """Steps done."""
    output: str = ""
    """The end of what the program wrote, where we have started it."""

    def note(self, connection: int, what: str, data: bytes = b"") -> None:
        """Add to the traffic, at this moment."""
        self.traffic.append(Traffic(time.time_ns(), connection, what, data))

    def found(self, kind: str, detail: str) -> None:
        """Add a finding."""
        self.findings.append(FuzzFinding(kind, detail))

    def has(self, kind: str) -> bool:
        """Return whether there is such a finding."""
        return any(finding.kind == kind for finding in self.findings)


def fault_of(frame: Any, *, check_format: bool = True) -> FuzzFinding | None:
    """Return what is wrong with a frame or an envelope of the peer by itself, whatever it answers."""
    name = f"protocol {frame.proto_id}, serial {frame.serial}"
    if getattr(frame, "error_code", 0):
        return None  # a refusal need not have a body
    try:
        message = frame.message
    except DigestError:
        return FuzzFinding("wrong digest", name)
    except WireError as error:
        return FuzzFinding("undecodable", f"{name}: {error_text(error, frame)}")
    if isinstance(message, UnknownBody):
        odd = check_format and frame.body_format > 1
        return FuzzFinding("undecodable", f"{name}: body format {frame.body_format}") if odd else None
    if missing := missing_fields(message):
        return FuzzFinding("undecodable", f"{name}: required fields are missing: {', '.join(missing[:3])}")
    return None


def mismatch(frame: Any, request: Any) -> FuzzFinding | None:
    """Return the finding of a reply that names another security than its request."""
    wanted, given = _security_in(getattr(request, "c2s", None)), _security_in(getattr(frame.message, "s2c", None))
    if not (wanted and given) or wanted == given:
        return None
    name = f"protocol {frame.proto_id}, serial {frame.serial}"
    return FuzzFinding("mixed up", f"{name}: asked for {wanted[1]}, answered {given[1]}")


def _security_in(content: Any) -> tuple[int, str] | None:
    security: Any = getattr(content, "security", None)
    is_there = hasattr(security, "market") and content.HasField("security")
    return (security.market, security.code) if is_there else None
