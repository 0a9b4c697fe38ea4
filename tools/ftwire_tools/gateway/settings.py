"""How a gateway listens, what it demands of clients, and where its limits are."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ftwire_tools.gateway.limits import LimitSettings
from ftwire_tools.terminal.addresses import LOOPBACK, is_loopback

if TYPE_CHECKING:
    from ftwire.cipher import PacketEncAlgo, RsaKey
    from ftwire_tools.gateway.faults import Rule
    from ftwire_tools.gateway.limits import Language

__all__ = ["GRACE", "Settings", "SettingsError", "prepare"]


GRACE: Final = 2.0
"""Seconds that clients have to read what is left when their connection or the gateway closes."""


class SettingsError(ValueError):
    """Settings that contradict each other, or that OpenD would refuse to start with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a gateway except its answers."""

    host: str = LOOPBACK
    """Address to listen on. One that others can reach needs ``key``."""
    port: int = 11111
    """Port for TCP; 0 takes a free one."""
    ws_port: int | None = None
    """Port for WebSocket; 0 takes a free one, ``None`` does not listen."""
    key: RsaKey | None = None
    """The RSA private key that clients hold too; with one, connections on TCP are encrypted."""
    grant: PacketEncAlgo | None = None
    """With ``key``: the cipher for clients that request AES_CBC, as the vendor's do; ``None`` for AES_CBC.

    They take the cipher from the reply: FTAES_ECB where it has no ``aesCBCiv``, AES_ECB where that is empty.
    """
    ws_key: str = ""
    """The key that WebSocket clients must send; empty for none."""
    tls: ssl.SSLContext | None = None
    """Certificate and key for ``wss://``."""
    deflate: bool = True
    """Whether WebSocket messages may be compressed."""
    max_clients: int = 128
    """Clients at once that have logged in (InitConnect, InitWebSocket), as OpenD's limit."""
    max_waiting: int = 128
    """Connections at once that have not logged in yet; a further one takes the place of the oldest."""
    login_timeout: float = 10.0
    """Seconds that a client has to log in, from its connection on; at most ``silence`` counts."""
    keep_alive: float = 10
    """Seconds between KeepAlive requests that clients are asked for; sent as whole seconds."""
    silence: float = 30.0
    """Seconds of silence after which a client on TCP is dropped, as OpenD does.

    On both transports a request that was begun has to be whole within that time, and on WebSocket, which has no
    KeepAlive, a client that reads nothing is dropped after it.
    """
    max_request: int = 4 << 20
    """Largest body accepted from a client, in bytes."""
    max_unsent: int = 8 << 20
    """Bytes that may wait for a client that does not read; it is cut off above."""
    max_held: int = 64 << 20
    """Bytes that all clients together may have waiting, from them and for them; above, the one with the most is cut
    off."""
    send_buffer: int = 256 << 10
    """Size of the system's send buffer for each client, in bytes; by default it could grow to megabytes."""
    max_segment: int = 0
    """Largest TCP segment in bytes; 0 for the network interface's own."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    """What OpenD limits: frequencies, quotas, the minute before a subscription may end."""
    language: Language = "en"
    """Language of OpenD's texts."""
    seed: int = 0
    """Seed of the faults' random generators."""
    faults: tuple[Rule, ...] = ()
    """Faults to begin with; ``Gateway.faults`` has those of a running gateway."""

    @property
    def login_ns(self) -> int:
        """Nanoseconds that a client has to log in."""
        return int(min(self.login_timeout, self.silence) * 1e9)

    @property
    def silence_ns(self) -> int:
        """``silence`` in nanoseconds."""
        return int(self.silence * 1e9)

    def check(self) -> None:
        """Raise ``SettingsError`` for what OpenD would refuse to start with."""
        if is_loopback(self.host):
            return
        if self.key is None:
            raise SettingsError(f"{self.host} is not a local address: OpenD demands an RSA key there, and so do we")
        if self.ws_port is not None and (self.tls is None or not self.ws_key):
            raise SettingsError(f"{self.host} is not a local address: WebSocket there needs TLS and a key")


def prepare(connected: socket.socket, settings: Settings) -> None:
    """Set a client's socket up: no delay (TCP_NODELAY), and a bounded send buffer."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer)
