"""One input in steps that several processes can take: what is asked of them, and what they answer.

A *survey* says how much each connection has, a *digest* is taken meanwhile. Then every *part* reads the whole
capture and follows its share of the connections, passing the others over; it writes down what it finds, block by
block. Last, every *block* of the capture is put together from what all parts found in it, and converted. Frames
and connections are numbered there: only the parts together know how many come before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftwire_tools.export.manifest import Outcome
from ftwire_tools.export.task import Task

if TYPE_CHECKING:
    from ftwire.pcap import Endpoint
    from ftwire_tools.export.store import Store

__all__ = [
    "BlockStep",
    "Blocked",
    "DigestStep",
    "Digested",
    "Found",
    "PartStep",
    "Parted",
    "Result",
    "Step",
    "SurveyStep",
    "Surveyed",
    "Trouble",
    "WholeStep",
    "ends_key",
    "found_name",
    "found_so_far",
    "spool_name",
]


@dataclass(frozen=True, slots=True)
class WholeStep:
    """All of an input by one process."""

    task: Task


@dataclass(frozen=True, slots=True)
class DigestStep:
    """The digest of an input."""

    task: Task


@dataclass(frozen=True, slots=True)
class SurveyStep:
    """How much each connection has."""

    task: Task


@dataclass(frozen=True, slots=True)
class PartStep:
    """Some connections of an input."""

    task: Task
    number: int
    parts: int
    shares: tuple[tuple[bytes, int], ...]
    """The largest connections, and whose they are. Others are told by a checksum of their ends."""


@dataclass(frozen=True, slots=True)
class BlockStep:
    """The rows of one block."""

    task: Task
    number: int
    frames: int
    """Those before it."""
    talks: tuple[tuple[int, ...], ...]
    """For each part, the numbers of its connections among all."""
    rows: tuple[int, ...]
    """For each part, what it has written down of this block."""


Step = WholeStep | DigestStep | SurveyStep | PartStep | BlockStep


@dataclass(frozen=True, slots=True)
class Digested:
    """What a digest tells."""

    sha256: str
    size: int
    changed: str


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Bytes of connections, by ``ends_key``."""

    sizes: dict[bytes, int]


@dataclass(slots=True)
class Found:
    """What a part found in one block."""

    frames: int = 0
    rows: int = 0
    """Observations."""
    introduced: list[int] = field(default_factory=list)
    """Moments at which its connections turned out to be conversations, in order."""


@dataclass(slots=True)
class Parted:
    """What a part found."""

    blocks: list[Found] = field(default_factory=list)
    faults: int = 0
    notes: list[str] = field(default_factory=list)
    flows: int = 0


@dataclass(frozen=True, slots=True)
class Blocked:
    """What one block gave."""

    rows: dict[str, int]
    files: list[str]
    refused: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step that one process might have done otherwise: all of the input is to be left to one."""

    reason: str


Result = Outcome | Digested | Surveyed | Parted | Blocked | Trouble


def found_so_far(store: Store, task: str, part: int, block: int) -> Found | None:
    """Return what a part that is at work has found in a block, ``None`` before it is through with it."""
    try:
        with store.reopen(task, found_name(part, block)) as file:
            return Found(**json.loads(file.read()))
    except (OSError, TypeError, ValueError):
        return None


def ends_key(one: Endpoint, other: Endpoint) -> bytes:
    """Return the same bytes for two ends in either order."""
    first, second = sorted((one, other))
    return b"".join((first.packed, first.port.to_bytes(2, "big"), second.packed, second.port.to_bytes(2, "big")))


def spool_name(part: int, block: int) -> str:
    """Return where a part writes what it found in a block."""
    return f"spool/{block:05}-{part}.arrow"


def found_name(part: int, block: int) -> str:
    """Return where a part says that it is through with a block."""
    return f"spool/{block:05}-{part}.json"
