"""What a peer did, and which of it is a finding. Copied into saved tests, see ``steps``."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from ftwire.body import missing_fields
from ftwire.errors import DigestError, WireError
from ftwire.frame import UnknownBody

__all__ = ["KINDS", "Finding", "Notebook", "Outcome", "Traffic", "fault_of"]

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
    "crashed": "the program ended as no program should",
    "silent": "says nothing more on an open connection, no KeepAlive either",
    "gone": "lost its connection and does not come back, though it runs",
}
"""The findings. Whatever else a peer does on hostile input is reported, and nothing more."""


class Finding(NamedTuple):
    """Something that a peer must not do."""

    kind: str
    """One of ``KINDS``."""
    detail: str
    """What was seen."""


class Traffic(NamedTuple):
    """What passed: ``open``, ``client`` and ``gateway`` (bytes), ``client-end``, ``gateway-end``, ``reset``."""

    time_ns: int
    connection: int
    what: str
    data: bytes = b""


class Outcome(NamedTuple):
    """How a sequence of steps went."""

    findings: tuple[Finding, ...]
    reactions: tuple[tuple[str, str], ...]
    """What was wrong, and what the peer did about it."""
    traffic: tuple[Traffic, ...]
    performed: int
    """Steps done."""
    output: str = ""
    """The end of what the program wrote, where the tool has started it."""

    def has(self, kind: str) -> bool:
        """Say whether there is such a finding."""
        return any(finding.kind == kind for finding in self.findings)


class Notebook:
    """What is written down of a performance while it goes on."""

    def __init__(self) -> None:
        self.findings: Final[list[Finding]] = []
        self.reactions: Final[list[tuple[str, str]]] = []
        self.traffic: Final[list[Traffic]] = []

    def note(self, connection: int, what: str, data: bytes = b"") -> None:
        """Remember what passed."""
        self.traffic.append(Traffic(time.time_ns(), connection, what, data))

    def found(self, kind: str, detail: str) -> None:
        """Take a finding."""
        self.findings.append(Finding(kind, detail))

    def outcome(self, performed: int) -> Outcome:
        """Return all of it."""
        return Outcome(tuple(self.findings), tuple(self.reactions), tuple(self.traffic), performed)


def fault_of(frame: Any, *, check_format: bool = True) -> Finding | None:
    """Return what is wrong with a frame of the peer by itself, whatever it answers."""
    name = f"protocol {frame.proto_id}, serial {frame.serial}"
    error = getattr(frame, "error", None)  # an envelope that was read has none
    if isinstance(error, DigestError):
        return Finding("wrong digest", name)
    if error is not None:
        return Finding("undecodable", f"{name}: {error}")
    if getattr(frame, "error_code", 0):
        return None  # the envelope says no, and need not have a body
    try:
        message = frame.message
    except WireError as error:
        return Finding("undecodable", f"{name}: {error}")
    if isinstance(message, UnknownBody):
        odd = check_format and frame.body_format > 1
        return Finding("undecodable", f"{name}: body format {frame.body_format}") if odd else None
    if missing := missing_fields(message):
        return Finding("undecodable", f"{name}: required fields are missing: {', '.join(missing[:3])}")
    return None
