"""What a hostile peer does, as data.

A step holds everything that was drawn, so that the same steps make the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ftwire.frame_mutations import NamedMutation
from ftwire_tools.fuzz.mutations import MUTATIONS

__all__ = ["FuzzStep", "step_from_json", "step_to_json"]

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
    """Return the step that has these fields. Raises ``TypeError`` or ``ValueError`` for what is no step."""
    given = dict(values)
    mutations = tuple(NamedMutation(str(name), value) for name, value in given.pop("mutations", ()))
    for mutation in mutations:
        if mutation.name not in MUTATIONS:
            raise ValueError(f"no mutation {mutation.name!r}")
        if MUTATIONS[mutation.name].random_bytes:
            bytes.fromhex(mutation.value)  # type: ignore[arg-type] # a number is a TypeError
        elif not isinstance(mutation.value, int):
            raise ValueError(f"mutation {mutation.name!r} takes a number")
    step = FuzzStep(**given, mutations=mutations)
    if step.do not in _ACTIONS:
        raise ValueError(f"no step {step.do!r}")
    bytes.fromhex(step.body)
    bytes.fromhex(step.data)
    return step
