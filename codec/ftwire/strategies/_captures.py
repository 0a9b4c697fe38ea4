"""Capture files of packets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ftwire.pcap import Endpoint, LinkType, PcapngWriter, PcapWriter

__all__ = ["CLIENT", "SERVER", "capture_file"]

CLIENT: Final = Endpoint(bytes([10, 0, 0, 1]), 50000)
SERVER: Final = Endpoint(bytes([10, 0, 0, 2]), 11111)


def capture_file(packets: Iterable[tuple[int, bytes]], *, link_type: int = LinkType.ETHERNET, pcapng: bool) -> bytes:
    """Return a file of these packets: nanoseconds since the epoch, and bytes from the link header on."""
    if not pcapng:
        pcap = PcapWriter(link_type)
        return pcap.header() + b"".join(pcap.packet(time, data) for time, data in packets)
    writer = PcapngWriter()
    head = writer.section() + writer.interface(link_type)
    return head + b"".join(writer.packet(time, data) for time, data in packets)
