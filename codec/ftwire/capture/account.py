"""The account of an input: what was turned into frames, and what was not, by reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftwire.errors import CaptureError

__all__ = ["Account"]


@dataclass(slots=True)
class Account:
    """Counts that a reader keeps while it reads."""

    frames: int = 0
    """Frames reported, those that cannot be read included (``DissectedFrame.error``)."""
    conversations: int = 0
    """Connections that are conversations with OpenD."""
    undecoded_bytes: int = 0
    """Bytes of conversations that are in the capture and in no frame."""
    missing_bytes: int = 0
    """Bytes of conversations that the capture lacks."""
    without_key: int = 0
    """Conversations that are encrypted and that no known key opens."""
    refused_packets: int = 0
    """Packets of conversations whose bytes differ from those that came first in their place, or came too late."""
    other_connections: int = 0
    """Connections that ended and were not recognised: they carry something else, or nothing."""
    unrecognised: int = 0
    """Those of them that look like this protocol: ``UnrecognisedConnection`` is reported of each."""
    other_packets: int = 0
    """Packets that are no TCP over IP, or whose headers do not hold together."""
    unsupported_links: dict[str, int] = field(default_factory=dict)
    """Packets of link types that cannot be taken apart, by a sentence that names the type: they may hold frames."""
    damage: CaptureError | None = None
    """Why the file could not be read to its end."""
