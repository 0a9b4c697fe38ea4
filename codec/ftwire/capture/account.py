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
    refused_controls: int = 0
    """Packets of conversations that would begin, end or reset a connection, with a sequence number that does not fit:
    stale or forged, and without effect."""
    misplaced_bytes: int = 0
    """Bytes of conversations that are in the capture and in no stream: they come behind the end of their connection, or
    with a sequence number far from where it stands."""
    given_up: int = 0
    """Times that a connection's waiting bytes were given up because all that waits took too much memory."""
    other_connections: int = 0
    """Connections that ended and were not recognised: they carry something else, or nothing."""
    unrecognised: int = 0
    """Those of them that look like this protocol: ``UnrecognisedConnection`` is reported of each."""
    other_packets: int = 0
    """Packets that are no TCP over IP, or whose headers do not hold together or are not captured whole."""
    unsupported_links: dict[str, int] = field(default_factory=dict)
    """Packets of link types that cannot be taken apart, by a sentence that names the type: they may hold frames."""
    late_packets: int = 0
    """Packets that are earlier than one read before them: of a stream, or further from their place than the reader
    can put them in order. What they carry may be in no frame."""
    cut_packets: int = 0
    """Packets that the capture cut (``tcpdump -s``) and that hold, or may hold, bytes of a conversation.

    Those are all that lack a part of their TCP payload, or are cut in front of it, where nothing shows any more what
    they carry. Not counted are cut packets of connections that the capture has from their start on and that begin
    otherwise than OpenD's do: with neither a frame nor the request of a WebSocket.
    """
    closed_tunnels: dict[str, int] = field(default_factory=dict)
    """Of those, packets of tunnels that are encrypted or not looked into, by the tunnel's name."""
    damage: CaptureError | None = None
    """Why the file could not be read to its end; of several, the first that could not."""
    damaged_parts: dict[int, CaptureError] = field(default_factory=dict)
    """The same for each of several files, by position."""

    def unread(self) -> list[str]:
        """Return sentences about what was not read although it may hold frames, with a remedy where there is one.

        Tunnels that cannot be looked into are named only where there is no conversation outside of them.
        """
        found = [f"{_packets(number)} passed over: {reason}" for reason, number in self.unsupported_links.items()]
        if self.cut_packets:
            found.append(
                f"{_packets(self.cut_packets)} cut to the capture's snapshot length: what is missing is part of a "
                "conversation, or may be; capture with -s 0 (tcpdump, tshark, dumpcap)"
            )
        if self.misplaced_bytes:
            where = "behind the end of their connection, or far from where it stands"
            found.append(f"{self.misplaced_bytes} bytes are {where}")
        if self.refused_packets:
            those = "a packet has" if self.refused_packets == 1 else f"{self.refused_packets} packets have"
            found.append(f"{those} other bytes than came first in their place, or came too late")
        if self.given_up:
            times = "once" if self.given_up == 1 else f"{self.given_up} times"
            what = "what waits in all connections took too much memory, and that of the largest was given up"
            found.append(f"{times} {what}")
        if not self.conversations:
            found += [
                f"{_packets(number)} passed over: a tunnel of {name} is not looked into; capture inside of it"
                for name, number in self.closed_tunnels.items()
            ]
        return found


def _packets(number: int) -> str:
    return "1 packet" if number == 1 else f"{number} packets"
