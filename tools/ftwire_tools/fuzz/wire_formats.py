"""Which way a hostile peer speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftwire_tools.fuzz.frames import FrameWire
from ftwire_tools.terminal.addresses import Address

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.frame import Role
    from ftwire_tools.fuzz.wire_format import Wire

__all__ = ["wire_for"]


def wire_for(
    us: Role,
    address: Address = Address("127.0.0.1", 33333),  # noqa: B008 - a tuple
    *,
    key: RsaKey | None = None,
    websocket: bool = False,
    ws_key: str = "",
) -> Callable[[], Wire]:
    """Return what makes the transport of each connection: frames on TCP, or envelopes on WebSocket.

    ``address`` is what a client names as the gateway's in its request to upgrade.
    """
    if not websocket:
        return lambda: FrameWire(us, key)
    # Here, not above: TCP needs no WebSocket library.
    from ftwire_tools.fuzz.websocket_wire import EnvelopeWire

    return lambda: EnvelopeWire(us, address, ws_key)
