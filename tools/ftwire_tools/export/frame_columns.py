"""Observations to what becomes rows: bodies of known classes, faults, and frames that give neither.

A row here is an observation: every frame is one, since frames are numbered, and every fault. ``Sifted`` holds
them by columns, as they are converted and, where a capture is split, written down in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ftwire.capture import read_body, status_of
from ftwire.events import FrameObserved, UndecodedObserved
from ftwire.frame import Role
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.messages.masking import error_text, may_be_secret

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation as Talk
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["BLOCK", "FAULT", "FAULT_COST", "LOST", "MAX_BYTES", "MAX_ROWS", "SILENT"]
__all__ += ["Fault", "Key", "Reading", "Sifted", "Sifter", "is_enough"]

BLOCK: Final = 128 << 20
"""Bytes of a capture whose rows go into the same files; the bytes behind them go into others."""
MAX_BYTES: Final = 8 << 20
"""Bytes of bodies kept before they are converted: their rows take a few times that."""
MAX_ROWS: Final = 1 << 16
MAX_BODY_IN_ERRORS: Final = 1 << 20
FAULT_COST: Final = 256
"""Bytes that a fault counts for, beside its body."""

FAULT, LOST, SILENT = -3, -2, -1
"""In place of a key: a fault that is no frame, a frame that is one, a frame of which there is nothing to say."""


def is_enough(cost: int, rows: int) -> bool:
    """Say that so much is to be converted before more is kept."""
    return cost >= MAX_BYTES or rows >= MAX_ROWS


@dataclass(frozen=True, slots=True)
class Reading:
    """How captures are read, and what becomes of them."""

    keys: Sequence[RsaKey] = ()
    """RSA private keys to decrypt with."""
    protocols: frozenset[int] | None = None
    """Only these; ``None`` for all."""
    explode: bool = False
    """Lists inside rows become tables of their own."""
    levels: int = 10
    """Levels of a side in ``order_book_wide``."""
    show_secrets: bool = False
    converter: str = "auto"
    """One of ``convert.CONVERTERS``."""
    max_body: int = DEFAULT_MAX_BODY
    block: int = BLOCK


class Key(NamedTuple):
    """What tells how a body becomes rows."""

    proto_id: int
    sender: Role
    message_class: type[Message]


class Fault(NamedTuple):
    """What goes into the table of errors, beside time, connection and frame."""

    serial: int | None
    sender: Role | None
    kind: str | None
    proto: str | None
    error_type: str
    error: str
    size: int | None
    body: bytes | None
    is_fault: bool = True
    """It is to be counted: some data could not be decoded."""


@dataclass(slots=True)
class Sifted:
    """Observations by columns, in their order."""

    keys: Any
    """``pyarrow.Int32Array``: which of the keys known to whoever made this, or ``FAULT``, ``LOST``, ``SILENT``."""
    times: Any
    """``pyarrow.Int64Array`` of nanoseconds."""
    talks: Any
    """``pyarrow.Int32Array`` of connections."""
    serials: Any
    """``pyarrow.UInt32Array``."""
    bodies: Callable[[Any], list[bytes]]
    """Returns the bodies in these places, an ``pyarrow.Array`` of indices."""
    faults: dict[int, Fault]
    """Place to fault."""

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(slots=True)
class Sifter:
    """Takes observations one by one; ``taken`` gives them when there are enough."""

    reading: Reading
    frames: int = 0
    faults: int = 0
    """Those that are to be counted."""
    keys: list[Key] = field(default_factory=list)
    cost: int = 0
    """Bytes of what is kept."""
    bodies: list[bytes | None] = field(default_factory=list)
    _ids: dict[tuple[int, Role, type[Message]], int] = field(default_factory=dict)
    _keys: list[int] = field(default_factory=list)
    _times: list[int | None] = field(default_factory=list)
    _talks: list[int | None] = field(default_factory=list)
    _serials: list[int] = field(default_factory=list)
    _faults: dict[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def is_full(self) -> bool:
        """Say that it is time to have it taken."""
        return is_enough(self.cost, len(self._keys))

    def take(self, talk: Talk, seen: Observation) -> None:
        """Keep what was observed."""
        if type(seen) is not FrameObserved:
            if isinstance(seen, UndecodedObserved):
                gap = seen.undecoded
                name = "Gap" if gap.error is None else type(gap.error).__name__
                text = f"bytes in no frame{'' if gap.error is None else f': {gap.error}'}"
                self._fault(
                    FAULT, seen.time, talk.number, Fault(None, seen.sender, None, None, name, text, gap.length, None)
                )
            return
        self.frames += 1
        frame = seen.frame
        proto_id = frame.proto_id
        body: bytes | None = None
        key = SILENT
        if self.reading.protocols is None or proto_id in self.reading.protocols:
            classes = frame.classes
            message_class = classes[proto_id]
            if (
                frame.error is None
                and frame.body_format == 0
                and message_class is not None
                and proto_id not in classes.formers
                and frame.payload
            ):
                body = frame.body
            else:
                message, fault = self._slow(frame, seen)
                if fault is not None:
                    self._fault(LOST, seen.time, talk.number, fault)
                    return
                if message is not None:
                    message_class, body = type(message), message.SerializePartialToString()
            if body is not None and message_class is not None:
                known = proto_id, classes.sender, message_class
                found = self._ids.get(known)
                if found is None:
                    found = self._ids[known] = len(self.keys)
                    self.keys.append(Key(*known))
                key = found
                self.cost += len(body)
        self._keys.append(key)
        self._times.append(seen.time or None)
        self._talks.append(talk.number)
        self._serials.append(frame.serial & 0xFFFFFFFF)
        self.bodies.append(body)

    def damaged(self, kind: str, text: str) -> None:
        """Say that the file itself is damaged."""
        self._fault(FAULT, None, None, Fault(None, None, None, None, kind, text, None, None))

    def taken(self) -> Sifted:
        """Give what was kept since the last time."""
        bodies = self.bodies
        made = Sifted(
            pa.array(self._keys, pa.int32()),
            pa.array(self._times, pa.int64()),
            pa.array(self._talks, pa.int32()),
            pa.array(self._serials, pa.uint32()),
            lambda places: [bodies[place] or b"" for place in places.to_pylist()],
            self._faults,
        )
        self.bodies, self._faults = [], {}
        self._keys, self._times, self._talks, self._serials = [], [], [], []
        self.cost = 0
        return made

    def _slow(self, frame: Frame | Envelope, seen: FrameObserved) -> tuple[Message | None, Fault | None]:
        """Return the message of a frame that is not plain protobuf of one known class, or what is wrong."""
        message, error = read_body(frame)
        if message is not None:
            return message, None
        show = self.reading.show_secrets
        name = frame.protocol.name if frame.protocol else str(frame.proto_id)
        serial, kind = frame.serial & 0xFFFFFFFF, str(seen.kind)
        if error is None:
            status = status_of(frame)
            text = status or "a command without a body"
            return None, Fault(serial, seen.sender, kind, name, "NoBody", text, 0, None, bool(status))
        body = None
        if show or not may_be_secret(frame):
            body = bytes(frame.payload if frame.error is not None else frame.body)[:MAX_BODY_IN_ERRORS]
        text = error_text(error, frame, show_secrets=show)
        return None, Fault(serial, seen.sender, kind, name, type(error).__name__, text, len(frame.payload), body)

    def _fault(self, key: int, time: int | None, talk: int | None, fault: Fault) -> None:
        self._faults[len(self._keys)] = fault
        self.faults += fault.is_fault
        self.cost += FAULT_COST + len(fault.body or b"")
        self._keys.append(key)
        self._times.append(time or None)
        self._talks.append(talk)
        self._serials.append(0)
        self.bodies.append(None)
