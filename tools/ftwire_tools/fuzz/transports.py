"""Both transports of the fuzzer: frames on TCP, and envelopes on WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ftwire_tools.fuzz.transport import FrameTransport

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.frame import Role
    from ftwire_tools.fuzz.websocket_transport import EnvelopeTransport

__all__ = ["FuzzTransport", "transport_for"]

FuzzTransport: TypeAlias = "FrameTransport | EnvelopeTransport"


def transport_for(
    role: Role,
    address: tuple[str, int] = ("127.0.0.1", 33_333),
    *,
    key: RsaKey | None = None,
    websocket: bool = False,
    ws_key: str = "",
) -> Callable[[], FuzzTransport]:
    """Return what makes the transport of each connection.

    On WebSocket ``address`` is the gateway's, for the request to upgrade, and ``ws_key`` the key its clients have.
    """
    if not websocket:
        return lambda: FrameTransport(role, key)
    # Here, not above: TCP needs no WebSocket library.
    from ftwire_tools.fuzz.websocket_transport import EnvelopeTransport

    return lambda: EnvelopeTransport(role, address, ws_key)
