"""What a hostile peer does, as data: steps, and what is wrong with each.

A step names everything that was drawn, so that the same steps make the same bytes. This module is copied into
the tests that ``ftwire fuzz`` saves, and therefore needs nothing but the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

__all__ = [
    "BODY_MUTATIONS",
    "ENVELOPE_MUTATIONS",
    "FRAME_MUTATIONS",
    "MUTATIONS",
    "Mutation",
    "Step",
    "step_from_json",
    "step_to_json",
]

BODY_MUTATIONS: Final = {
    # Before the digest is taken: the frame is sound, its content is not.
    "empty body": "no body at all, with the digest of nothing",
    "cut body": "the first N bytes of the body",
    "flip body": "bit N of the body inverted",
    "random body": "these bytes for a body",
    "grow body": "an unknown field of N bytes more",
    "missing field": "the Nth of the required fields left out",
    "unknown enum": "the Nth whole number set to a value that no enum has",
    "extreme number": "the Nth number set to an end of its range",
    "odd string": "the Nth string set to something long, astral or with NUL",
}
_BOTH: Final = {
    "protocol": "another protocol ID",
    "serial": "another serial number",
    "magic": "other first bytes",
    "flip header": "bit N of the header inverted",
    "cut frame": "the first N bytes of the frame, and then what comes next",
    "bytes before": "these bytes in front",
    "bytes behind": "these bytes behind",
    "twice": "the frame two times",
}
FRAME_MUTATIONS: Final = {
    **BODY_MUTATIONS,
    # Fields of the header: the frame is sound, and says something else.
    "format": "another body format",
    "version": "another protocol version",
    "reserved": "reserved bytes that are not zero",
    # The payload, after encryption: length right, digest wrong.
    "flip payload": "bit N of the payload inverted",
    "cut payload": "the payload without its last N bytes, and a length that says so",
    "payload tail": "another last byte: the padding, where there is one",
    # Lies of the header.
    "digest": "these 20 bytes for a digest",
    "digest of payload": "the digest of the payload and header, as some clients take it",
    "length": "another length",
    "length off": "a length that is N too large or too small",
    "big-endian": "all numbers big-endian",
    **_BOTH,
}
"""What can be wrong with a frame on TCP."""
ENVELOPE_MUTATIONS: Final = {
    **BODY_MUTATIONS,
    # Fields of the header.
    "error code": "an error code",
    "error text": "these 20 bytes for an error text",
    "little-endian": "all numbers little-endian",
    "other header": "the header of the other direction",
    # Messages: WebSocket is sound, what it carries is not.
    "cut envelope": "a message of the first N bytes of the envelope",
    "joined": "a message of the envelope two times",
    "split": "two messages, the first of N bytes",
    "empty message": "a message of no bytes in front",
    "text": "a text message",
    # WebSocket's own frames.
    "reserved opcode": "opcode N, which has no meaning",
    "reserved bits": "bits of the frame that nobody has agreed on",
    "mask": "masked by a gateway, not masked by a client",
    "frame length": "a length of the frame that is N too large",
    "unfinished": "a message that never ends, and another one in the middle of it",
    "continuation": "the continuation of a message that was not begun",
    "long ping": "a ping of more than 125 bytes in front",
    "split ping": "a ping in front that says there is more of it",
    **_BOTH,
}
"""What can be wrong with an envelope on WebSocket."""
MUTATIONS: Final = {**FRAME_MUTATIONS, **ENVELOPE_MUTATIONS}
"""All of them. Those of a body are done in this order."""

_DOING: Final = frozenset(
    ("send", "raw", "pause", "finish", "close", "reset", "reply", "push", "skip", "late", "ping", "pong", "bye")
) | {"upgrade"}
_ORDER: Final = {name: number for number, name in enumerate(MUTATIONS)}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that is wrong with a frame or an envelope."""

    name: str
    """One of ``MUTATIONS``."""
    value: int | str = 0
    """The number or, as hexadecimal digits, the bytes that belong to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a hostile peer does."""

    do: str
    """``send``, ``raw``, ``pause``, ``finish`` (close for writing), ``close``, ``reset``; a gateway besides
    ``reply``, ``push``, ``skip`` (leave a request unanswered) and ``late`` (answer it after the next one). On
    WebSocket ``ping``, ``pong``, ``bye`` (a close frame) and ``upgrade`` (``data`` for the HTTP of its beginning)."""
    proto: int = 0
    """Protocol ID of what is sent or pushed."""
    body: str = ""
    """Plain body as hexadecimal digits; empty for a gateway, which answers what it was asked."""
    format: int = 0
    """Body format: 0 protobuf, 1 JSON."""
    mutations: tuple[Mutation, ...] = ()
    chunk: int = 0
    """Bytes to write at a time, 0 for all at once."""
    hold: bool = False
    """Whether to send it together with what comes next, in one write."""
    wait: bool = True
    """Whether to wait for the reply before going on, where there must be one."""
    after: int = 0
    """A gateway's step: how many requests must have come before it is done."""
    data: str = ""
    """Bytes of ``raw``, ``upgrade``, or a control frame's, as hexadecimal digits."""
    ms: int = 0
    """Length of ``pause``, in milliseconds."""
    fragments: int = 0
    """WebSocket frames that a message is sent in, 0 for one."""
    ping: bool = False
    """Whether a ping stands between the first and the second of them."""

    @property
    def label(self) -> str:
        """What is wrong with it, in few words; empty for a legal step."""
        if self.mutations:
            return " + ".join(mutation.name for mutation in self.mutations)
        return "" if self.do in {"send", "reply", "pause", "ping", "pong"} else self.do

    @property
    def wrong(self) -> dict[str, int | str]:
        """The values of its mutations by name, in the order in which they are done."""
        ordered = sorted(self.mutations, key=lambda each: _ORDER[each.name])
        return {mutation.name: mutation.value for mutation in ordered}


def step_to_json(step: Step) -> dict[str, Any]:
    """Return a step without what it leaves at its default."""
    values = {each.name: getattr(step, each.name) for each in fields(step) if getattr(step, each.name) != each.default}
    if step.mutations:
        values["mutations"] = [[mutation.name, mutation.value] for mutation in step.mutations]
    return values


def step_from_json(values: Mapping[str, Any]) -> Step:
    """Return the step of such values. Raises ``TypeError`` or ``ValueError`` for what is none."""
    given = dict(values)
    mutations = tuple(Mutation(str(name), value) for name, value in given.pop("mutations", ()))
    for mutation in mutations:
        if mutation.name not in MUTATIONS:
            raise ValueError(f"no mutation {mutation.name!r}")
    step = Step(**given, mutations=mutations)
    if step.do not in _DOING:
        raise ValueError(f"no step {step.do!r}")
    bytes.fromhex(step.body)
    bytes.fromhex(step.data)
    return step
