"""Lets a tap get all bytes between a gateway and its clients, as they are inside TLS."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ftwire.pcap import Direction
from ftwire_tools.captures.traffic import Closed, Opened, Received, Reset, endpoint_of

if TYPE_CHECKING:
    from ftwire_tools.captures.traffic import Tap

__all__ = ["TappedTransport", "Tapping"]


class TappedTransport:
    """The transport of one client: it does what the one that it stands for does, and reports it."""

    def __init__(self, transport: asyncio.Transport, tap: Tap, connection: int) -> None:
        self._transport: Final = transport
        self._tap: Final = tap
        self._connection: Final = connection
        self._is_over = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._tap.wait()
        self._tap.take(Received(self._connection, time.time_ns(), Direction.B_TO_A, bytes(data)))
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._end(is_reset=True)
        self._transport.abort()

    def received(self, data: bytes) -> None:
        """Report bytes of the client."""
        self._tap.wait()
        self._tap.take(Received(self._connection, time.time_ns(), Direction.A_TO_B, data))

    def lost(self, error: Exception | None) -> None:
        """Report that the connection is over."""
        self._end(is_reset=error is not None)

    def _end(self, *, is_reset: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        now = time.time_ns()
        if is_reset:
            self._tap.take(Reset(self._connection, now, Direction.B_TO_A))
            return
        for direction in Direction:
            self._tap.take(Closed(self._connection, now, direction))


class Tapping:
    """Reports what clients and a gateway send each other to ``tap``."""

    def __init__(self, tap: Tap) -> None:
        self._tap: Final = tap
        self._numbers: Final = count(1)

    def tapped(self, transport: asyncio.Transport) -> TappedTransport | None:
        """Return a client's transport with the tap on it; ``None`` where the client has gone already."""
        number = next(self._numbers)
        ends = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        with suppress(OSError, TypeError, IndexError):
            client, gateway = map(endpoint_of, ends)
            self._tap.take(Opened(number, time.time_ns(), client, gateway))
            return TappedTransport(transport, self._tap, number)
        return None
