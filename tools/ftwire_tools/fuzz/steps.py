"""What a hostile peer does, as data, and what can be wrong with what it sends.

A step holds everything that was drawn, so that the same steps make the same bytes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ftwire.body_mutations import BODY_MUTATIONS
from ftwire.envelope_mutations import ENVELOPE_MUTATIONS
from ftwire.frame_mutations import FRAME_MUTATIONS, MutationKind, NamedMutation

__all__ = [
    "BROKEN_WEBSOCKET",
    "MUTATIONS",
    "TCP_MUTATIONS",
    "WEBSOCKET_MUTATIONS",
    "FuzzSetup",
    "FuzzStep",
    "step_from_json",
    "step_to_json",
]

_GROW: Final = BODY_MUTATIONS["grow body"]
_IN_BODIES: Final = {**BODY_MUTATIONS, "grow body": _GROW._replace(values=(*_GROW.values, 5_000_000))}
TCP_MUTATIONS: Final = {**_IN_BODIES, **FRAME_MUTATIONS}
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
MESSAGE_MUTATIONS: Final = {
    # Read as an envelope, the second message must not have the command of a trading request.
    "split": MutationKind("two messages, the first of N bytes", 3, (1, 4, 8, 19, 20)),
    "empty message": MutationKind("a message of no bytes in front", 4),
    "text": MutationKind("a text message", 4),
    "twice": FRAME_MUTATIONS["twice"],
}
"""What can be wrong with the messages of an envelope in correct WebSocket frames."""
WEBSOCKET_MUTATIONS: Final = {**_IN_BODIES, **ENVELOPE_MUTATIONS, **MESSAGE_MUTATIONS, **BROKEN_WEBSOCKET}
"""What can be wrong with an envelope on WebSocket."""
MUTATIONS: Final = {**TCP_MUTATIONS, **WEBSOCKET_MUTATIONS}
"""The names of all of them."""


_ACTIONS: Final = frozenset(
    "send raw pause finish close reset reply push skip late ping pong bye upgrade".split()  # noqa: SIM905 - shorter
)


@dataclass(frozen=True, slots=True)
class FuzzStep:
    """One thing that a hostile peer does."""

    do: str
    """``send``, ``raw`` (bytes as they are), ``pause``, ``finish`` (close for writing), ``close``, ``reset``; of a
    gateway ``reply``, ``push``, ``skip`` (leave a request unanswered) and ``late`` (answer it after the next one). On
    WebSocket ``ping``, ``pong``, ``bye`` (a close frame) and ``upgrade`` (the HTTP at the beginning)."""
    proto: int = 0
    """Protocol ID of what is sent or pushed."""
    body: str = ""
    """Plain body as hexadecimal digits; empty for a gateway, which makes the reply to what it was asked."""
    format: int = 0
    """Body format: 0 protobuf, 1 JSON."""
    mutations: tuple[NamedMutation, ...] = ()
    chunk: int = 0
    """Bytes to write at a time, 0 for all at once."""
    hold: bool = False
    """Whether to send it together with what comes next, in one write."""
    wait: bool = True
    """Whether to wait for the reply before going on, where there must be one."""
    after: int = 0
    """A gateway's step: how many requests must have come before it is done."""
    data: str = ""
    """Bytes of ``raw``, ``upgrade`` or a control frame, as hexadecimal digits."""
    ms: int = 0
    """Length of ``pause``, in milliseconds."""
    fragments: int = 0
    """WebSocket frames that a message is sent in, 0 for one."""
    ping: bool = False
    """Whether a ping is sent between the first fragment and the second."""

    @property
    def label(self) -> str:
        """What is wrong with it, in few words; empty for a legal step."""
        if self.mutations:
            return " + ".join(mutation.name for mutation in self.mutations)
        return "" if self.do in {"send", "reply", "pause", "ping", "pong"} else self.do


def step_to_json(step: FuzzStep) -> dict[str, Any]:
    """Return the fields of a step that do not have their default."""
    return {each.name: getattr(step, each.name) for each in fields(step) if getattr(step, each.name) != each.default}


def step_from_json(values: Mapping[str, Any]) -> FuzzStep:
    """Return the step with these fields. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    given = dict(values)
    mutations = tuple(NamedMutation(name, value) for name, value in given.pop("mutations", ()))
    for name, value in mutations:
        takes: Callable[[Any], object] = bytes.fromhex if MUTATIONS[name].random_bytes else operator.index
        takes(value)
    step = FuzzStep(**given, mutations=mutations)
    if step.do not in _ACTIONS:
        raise ValueError(f"no step {step.do!r}")
    bytes.fromhex(step.body)
    bytes.fromhex(step.data)
    return step


@dataclass(frozen=True, slots=True)
class FuzzSetup:
    """Which peer is fuzzed and how it is judged: what a ``crash.json`` keeps beside the steps."""

    mode: str
    """``gateway`` or ``client``."""
    timeout: float
    """Seconds until a gateway counts as hung, a client as silent."""
    encrypted: bool = False
    websocket: bool = False
    come_back: float = 30.0
    """A client's: how long it may stay away, in seconds."""
    exit_codes: tuple[int, ...] = (0, 1)
    """A client's: those that are no crash."""
    crash_text: str = ""
    """A client's: what in its output is a crash, a regular expression."""

    @property
    def transport(self) -> str:
        """``tcp`` or ``websocket``."""
        return "websocket" if self.websocket else "tcp"
