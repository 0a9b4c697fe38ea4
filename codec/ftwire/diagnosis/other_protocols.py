"""What other protocols begin with, of those that arrive at a port of OpenD, or answer in its place."""

from __future__ import annotations

from typing import Final

from ftwire.resemblance import TLS

__all__ = ["protocol_of"]

_BEGINNINGS: Final[tuple[tuple[tuple[bytes, ...], str], ...]] = (
    ((TLS,), "TLS, which OpenD speaks on the WebSocket port alone (wss)"),
    ((b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT "), "an HTTP request, which a browser sends"),
    ((b"HTTP/1.", b"HTTP/2"), "an HTTP response: a web server or an HTTP proxy listens there"),
    # https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
    ((b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"), "the PROXY protocol, which a load balancer adds and OpenD does not take"),
    ((b"SSH-",), "SSH: another server listens there"),
    ((b"8=FIX",), "FIX, another protocol of brokers"),
    # RFC 1928, 3: version 5, and how many ways to log in follow, from 0 (without) to 2 (with a password).
    ((b"\x05\x01\x00", b"\x05\x02\x00\x01", b"\x05\x02\x00\x02"), "SOCKS, as of a client that was given a proxy"),
)


def protocol_of(data: bytes) -> str | None:
    """Return which other protocol these bytes begin, in words that end a sentence; ``None`` if it is none of these."""
    return next((name for beginnings, name in _BEGINNINGS if data.startswith(beginnings)), None)
