"""What Wireshark and tshark write as text: followed streams, PDML, JSON."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from ftwire.pcap import Endpoint, LinkType, ip_packet, link_frame, tcp_segment
from ftwire_tools.explaining.blocks import Block
from ftwire_tools.terminal.hex_input import from_digits

__all__ = ["followed_raw", "followed_yaml", "packets_of_fields", "packets_of_json"]

_FIELDS: Final = (
    "frame.number|ip.src|ip.dst|ipv6.src|ipv6.dst|tcp.srcport|tcp.dstport|tcp.stream|"
    "tcp.seq|tcp.ack|tcp.flags|tcp.payload"
)
# In the JSON for Elasticsearch (-T ek) tcp.seq is tcp_tcp_seq.
_EK_FIELDS: Final = "|".join(name.split(".")[0] + "_" + name.replace(".", "_") for name in _FIELDS.split("|"))
_FIELD: Final = re.compile(
    rf'<field name="({_FIELDS.replace(".", "[.]")})"[^<>]*? show="([^"<>]*+)"'
    rf'|"({_FIELDS.replace(".", "[.]")}|{_EK_FIELDS})"\s{{0,99}}:\s{{0,99}}(?:"([^"]*+)"|(true|false|\d++))'
)
_FRAME_RAW: Final = re.compile(r'"frame_raw"\s{0,99}:\s{0,99}(?:\[\s{0,99})?"([0-9A-Fa-f]*+)"')
_PEER_DATA: Final = re.compile(
    r"peer:[ ]{0,9}(\d)\s++(?:(?:index|timestamp):[^\n]*+\s++){0,9}data:[ ]!!binary[ ]\|[ \t\r]*+\n"
    r"((?:[ \t]++[A-Za-z0-9+/=]++[ \t\r]*+(?:\n|$))++)"
)
_FOLLOWED: Final = re.compile(r"(?:=+|Follow: .*|Filter: .*|Node \d: .*)\s*")
_PSH_ACK: Final = 0x18


def followed_raw(text: str) -> list[Block]:
    """Return what two sides sent, of ``tshark -z follow,tcp,raw``: lines of digits, the second side's indented."""
    if "Follow: " not in text:
        return []
    blocks = []
    for line in text.splitlines():
        if not line.strip() or _FOLLOWED.fullmatch(line):
            continue
        data = from_digits(line.strip())
        if data is None:
            return []
        blocks.append(Block(data, line.startswith("\t")))
    return blocks


def followed_yaml(text: str) -> list[Block]:
    """Return what two sides sent, of a followed stream in YAML."""
    blocks = []
    for match in _PEER_DATA.finditer(text):
        try:
            data = b64decode("".join(match[2].split()), validate=True)
        except Error:
            return []
        if data:
            blocks.append(Block(data, int(match[1]) & 1))
    return blocks


def packets_of_json(text: str) -> list[Block]:
    """Return the packets of ``tshark -T jsonraw`` and ``-T json -x``."""
    return [Block(bytes.fromhex(digits)) for digits in _FRAME_RAW.findall(text) if digits and len(digits) % 2 == 0]


def packets_of_fields(text: str) -> list[Block]:
    """Return the TCP segments of ``tshark -T pdml``, ``-T json`` and ``-T ek``, as Ethernet packets.

    These formats hold no packets but the values of their fields, from which packets are made again.
    """
    return [Block(packet) for values in _values(text) if (packet := _packet(values)) is not None]


def _values(text: str) -> Iterator[dict[str, str]]:
    """Yield the values of the known fields of each packet."""
    values: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        name = match[1] or match[3]
        if "." not in name:
            name = name.partition("_")[2].replace("_", ".")
        if name == "frame.number":
            if values:
                yield values
            values = {}
        # Of a packet in a tunnel or within an ICMP message, the outermost headers come first.
        values.setdefault(name, match[2] or match[4] or match[5] or "")
    if values:
        yield values


def _packet(values: dict[str, str]) -> bytes | None:
    try:
        ends = [
            Endpoint(
                ip_address(values.get(f"ip.{side}") or values.get(f"ipv6.{side}") or "127.0.0.1").packed,
                int(values[f"tcp.{side}port"]) & 0xFFFF,
            )
            for side in ("src", "dst")
        ]
        payload = from_digits(values.get("tcp.payload", "")) or b""
        segment = tcp_segment(
            *ends,
            seq=int(values["tcp.seq"]) & 0xFFFFFFFF,
            ack=int(values.get("tcp.ack") or 0) & 0xFFFFFFFF,
            flags=int(values.get("tcp.flags") or str(_PSH_ACK), 0) & 0xFF,
            data=payload,
        )
        return link_frame(LinkType.ETHERNET, ip_packet(ends[0].packed, ends[1].packed, segment))
    except (KeyError, ValueError, OverflowError):
        return None
