"""What happens on the connections that are recorded: by a proxy between two sides, or by the gateway itself."""

from __future__ import annotations

import socket
from typing import NamedTuple

from ftwire.pcap import Direction, Endpoint

__all__ = ["Closed", "Opened", "Received", "Reset", "Tap", "Traffic", "endpoint_of"]


class Opened(NamedTuple):
    """A client was connected to the gateway."""

    connection: int
    """From 1, in the order of connections."""
    time_ns: int
    client: Endpoint
    gateway: Endpoint


class Received(NamedTuple):
    """Bytes were received from one side."""

    connection: int
    time_ns: int
    direction: Direction
    data: bytes


class Closed(NamedTuple):
    """One side has finished sending; the other may go on."""

    connection: int
    time_ns: int
    direction: Direction


class Reset(NamedTuple):
    """One side has reset the connection; nothing more comes from either."""

    connection: int
    time_ns: int
    direction: Direction


Traffic = Opened | Received | Closed | Reset
"""What is reported to a tap. Direction ``A_TO_B`` is from the client to the gateway; times are since 1970."""


class Tap:
    """Gets the traffic of a proxy or a gateway. This one ignores it."""

    def take(self, traffic: Traffic) -> None:
        """Take a piece of traffic. Must return at once."""

    async def ready(self) -> None:
        """Wait until more can be taken; a proxy receives nothing before."""

    def wait(self) -> None:
        """Do the same where nothing can be awaited; a gateway does nothing before."""


def endpoint_of(address: tuple[object, ...]) -> Endpoint:
    """Return an end from a socket's address: a host in numbers, a port, and whatever follows. Raises ``OSError``."""
    host, port = str(address[0]), address[1]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Endpoint(socket.inet_pton(family, host.partition("%")[0]), int(str(port)))
