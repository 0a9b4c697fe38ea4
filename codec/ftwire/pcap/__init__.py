"""Capture files, from their bytes to the byte streams of the TCP connections in them, and back.

This package handles packets; OpenD's protocol plays no part in it. It opens no file and reads no clock: bytes of a
capture file come in, in chunks of any size, and events go out. The modules, in the order of the work::

    records       what a packet is, and the limits that bound what a capture may cost
    segments      plain TCP segments, straight from the file's buffer (twin of the compiled core)
    pcapfile      pcap: both byte orders, micro- and nanoseconds
    pcapngfile    pcapng: sections, interfaces, every kind of packet block
    inflate       either of them compressed: gzip, xz, bzip2, zstd, lz4, in bounded steps
    reader        chooses by the first bytes; PacketReader: file -> packets
    ordering      packets of a file, or of several, in order of time
    link          Ethernet, VLAN, MPLS, PPP, loopback, Linux cooked, NFLOG, PKTAP, raw IP
    tunnels       IP in IP, GRE, ERSPAN, VXLAN, GENEVE
    ip            IPv4 and IPv6 headers with options and extensions
    events        what is reported of flows
    context       the packet at hand and the events found, for all layers below
    fragments     fragmented datagrams
    intervals     the pieces that wait for earlier bytes
    stream        one direction of a connection: order, overlap, missing bytes
    tcp           connections: begin, end, reuse, limits
    dissect       the chain; Dissector: file -> events

    writer        packets -> pcap and pcapng files
    build         headers with right lengths and checksums
    conversation  what two sides send -> the packets of a connection

Reading::

    dissector = Dissector()
    for chunk in chunks:
        for event in dissector.feed(chunk):
            if isinstance(event, Data):
                ...  # event.flow, event.direction, event.data, event.packet_number, event.time_ns
    for event in dissector.close():
        ...

A damaged file raises a :class:`~ftwire.errors.CaptureError` after all events of the packets in front of the damage.
A damaged packet does not: it becomes a :class:`PacketSkipped` event, and the next packet is read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

if TYPE_CHECKING:
    from ftwire.pcap.build import checksum, ip_packet, link_frame, tcp_segment
    from ftwire.pcap.conversation import TcpConversation
    from ftwire.pcap.dissect import Dissector
    from ftwire.pcap.events import (
        CloseReason,
        Conflict,
        Data,
        Direction,
        Endpoint,
        Event,
        Flow,
        FlowClosed,
        FlowOpened,
        Late,
        MissingBytes,
        MissingReason,
        PacketSkipped,
    )
    from ftwire.pcap.reader import PacketReader
    from ftwire.pcap.records import Interface, Limits, LinkType, Packet, Secrets
    from ftwire.pcap.writer import PcapngWriter, PcapWriter

__all__ = [
    "CloseReason",
    "Conflict",
    "Data",
    "Direction",
    "Dissector",
    "Endpoint",
    "Event",
    "Flow",
    "FlowClosed",
    "FlowOpened",
    "Interface",
    "Late",
    "Limits",
    "LinkType",
    "MissingBytes",
    "MissingReason",
    "Packet",
    "PacketReader",
    "PacketSkipped",
    "PcapWriter",
    "PcapngWriter",
    "Secrets",
    "TcpConversation",
    "checksum",
    "ip_packet",
    "link_frame",
    "tcp_segment",
]

# Reading captures needs none of the modules that write them, and the reverse.
_HOME = {
    "PacketReader": "reader",
    "CloseReason": "events",
    "Conflict": "events",
    "Data": "events",
    "Direction": "events",
    "Dissector": "dissect",
    "Endpoint": "events",
    "Event": "events",
    "Flow": "events",
    "FlowClosed": "events",
    "FlowOpened": "events",
    "MissingBytes": "events",
    "MissingReason": "events",
    "Interface": "records",
    "Late": "events",
    "Limits": "records",
    "LinkType": "records",
    "Packet": "records",
    "PacketSkipped": "events",
    "PcapWriter": "writer",
    "PcapngWriter": "writer",
    "Secrets": "records",
    "TcpConversation": "conversation",
    "checksum": "build",
    "ip_packet": "build",
    "link_frame": "build",
    "tcp_segment": "build",
}
"""Module that each public name is taken from when it is first used."""


_RENAMED = {"CaptureReader": "PacketReader", "Gap": "MissingBytes", "GapReason": "MissingReason"}
"""Names of 0.1 that are called something else now: they still work, with a warning."""


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warn(f"ftwire.pcap.{name} is called ftwire.pcap.{_RENAMED[name]} now", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
