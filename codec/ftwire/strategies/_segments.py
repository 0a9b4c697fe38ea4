"""One direction of a TCP connection as segments: lost, late, repeated, contradicting."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from ftwire.pcap import Endpoint, LinkType, ip_packet, link_frame, tcp_segment
from ftwire.strategies._captures import CLIENT, SERVER, capture_file

__all__ = ["Segment", "SegmentSchedule", "segment_schedules"]

_SYN, _ACK = 2, 16
_SEQUENCES = 1 << 32


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment that carries data."""

    start: int
    """Offset in the stream of its first byte."""
    data: bytes
    """Its bytes, not always those of the stream."""

    @property
    def end(self) -> int:
        """Offset in the stream of the byte after its last."""
        return self.start + len(self.data)


@dataclass(frozen=True, slots=True)
class SegmentSchedule:
    """The segments of a stream in the order of their capture."""

    stream: bytes
    segments: tuple[Segment, ...]
    isn: int
    """Initial sequence number: byte 0 of the stream has the one after it. They wrap at 2**32."""
    syn: bool
    """The capture holds the SYN; without it, it began in the middle of the connection."""

    @property
    def missing(self) -> set[int]:
        """Offsets of the stream that no segment brings."""
        return set(range(len(self.stream))).difference(*(range(each.start, each.end) for each in self.segments))

    @property
    def contradictory(self) -> bool:
        """Some segment brings bytes that are not the stream's."""
        return any(self.stream[each.start : each.end] != each.data for each in self.segments)

    def packets(
        self, source: Endpoint = CLIENT, destination: Endpoint = SERVER, *, link_type: int = LinkType.ETHERNET
    ) -> list[bytes]:
        """Return the packets from their link header on: the SYN if there is one, then the segments."""
        sent = [(self.isn, _SYN, b"")] if self.syn else []
        sent += [(self.isn + 1 + each.start, _ACK, each.data) for each in self.segments]
        return [
            link_frame(
                link_type,
                ip_packet(
                    source.packed,
                    destination.packed,
                    tcp_segment(source, destination, seq=seq % _SEQUENCES, flags=flags, data=data),
                ),
            )
            for seq, flags, data in sent
        ]

    def capture(self, *, pcapng: bool = False) -> bytes:
        """Return a capture file, pcap or pcapng, of these packets, a microsecond apart from time 0 on."""
        return capture_file(((1000 * at, packet) for at, packet in enumerate(self.packets())), pcapng=pcapng)


@st.composite
def segment_schedules(
    draw: st.DrawFn, stream: bytes, *, max_segments: int = 8, max_changes: int = 6
) -> SegmentSchedule:
    """Ways (``SegmentSchedule``) in which the bytes of one direction may appear in a capture.

    The stream is cut into up to ``max_segments`` segments. Then some are lost, moved to another place, sent
    again, or joined by ones cut elsewhere, which overlap them with the same bytes or with others. Sequence
    numbers may wrap on the way, and the capture may have begun after the SYN. Nothing is changed in the
    simplest example: one segment after a SYN.
    """
    size = len(stream)
    cuts = sorted(set(draw(st.lists(st.integers(1, max(size - 1, 1)), max_size=max_segments - 1))))
    edges = [0, *(cut for cut in cuts if cut < size), size]
    segments = [Segment(low, stream[low:high]) for low, high in pairwise(edges) if high > low]
    for change in draw(
        st.lists(st.sampled_from(["move", "repeat", "lose", "overlap", "contradict"]), max_size=max_changes)
    ):
        if change in ("overlap", "contradict") and size:
            start = draw(st.integers(0, size - 1))
            part = bytearray(stream[start : draw(st.integers(start + 1, size))])
            if change == "contradict":
                part[draw(st.integers(0, len(part) - 1))] ^= draw(st.integers(1, 255))
            segment = Segment(start, bytes(part))
        elif segments:
            at = draw(st.integers(0, len(segments) - 1))
            segment = segments[at] if change == "repeat" else segments.pop(at)
            if change == "lose":
                continue
        else:
            continue
        segments.insert(draw(st.integers(0, len(segments))), segment)
    isn = draw(st.just(0) | st.integers(_SEQUENCES - size - 2, _SEQUENCES - 1) | st.integers(0, _SEQUENCES - 1))
    return SegmentSchedule(stream, tuple(segments), isn, draw(st.sampled_from([True, True, False])))
