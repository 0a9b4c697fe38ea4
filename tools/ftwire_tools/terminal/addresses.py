"""Parse ``HOST:PORT`` as the command line takes it."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple

__all__ = ["LOOPBACK", "Address", "is_loopback", "leads_to", "parse_address"]

LOOPBACK: Final = "127.0.0.1"


class Address(NamedTuple):
    """A host, by name or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``PORT``.

    Raises ``ValueError``, whose message can be shown to the user.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address needs brackets, as in [::1]:11111")
    if not (port.isascii() and port.isdigit()) or int(port) > 0xFFFF:
        raise ValueError(f"{text!r} is not HOST:PORT with a port of 0 to 65535")
    return Address(host if colon and host else LOOPBACK, int(port))


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def leads_to(address: Address, listening: Address) -> bool:
    """Return whether who connects to ``address`` reaches what listens at ``listening`` on this machine."""
    if address.port != listening.port:
        return False
    try:
        found, there = (
            {ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in socket.getaddrinfo(host, 0)}
            for host in (address.host, listening.host)
        )
    except OSError:
        return False
    is_everywhere = any(each.is_unspecified for each in there)
    return bool(found & there) or (is_everywhere and any(each.is_loopback for each in found))
