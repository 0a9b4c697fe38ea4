"""Wrong beginnings of a WebSocket connection: requests to upgrade, and answers to them."""

from typing import Final

__all__ = ["REQUESTS", "RESPONSES"]

_HEAD: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_UPGRADE: Final = _HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
_KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_VERSION: Final = b"Sec-WebSocket-Version: 13\r\n"
REQUESTS: Final = (
    _HEAD + b"\r\n",
    _UPGRADE + _VERSION + b"\r\n",
    _UPGRADE + _KEY + b"\r\n",
    _UPGRADE + _KEY + b"Sec-WebSocket-Version: 8\r\n\r\n",
    _UPGRADE + _VERSION + b"Sec-WebSocket-Key: short\r\n\r\n",
    _UPGRADE + _VERSION + _KEY * 2 + b"\r\n",
    _UPGRADE + _VERSION + _KEY,
    _UPGRADE + _VERSION + _KEY + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    _UPGRADE + _VERSION + _KEY + b"X: 1\r\n" * 2_000 + b"\r\n",
    _UPGRADE + _VERSION + _KEY + b"Content-Length: 5\r\n\r\nhello",
    _UPGRADE + _VERSION + _KEY + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\r\n",
    b"POST" + (_UPGRADE + _VERSION + _KEY)[3:] + b"\r\n",
    b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"ft-v1.0\0" + bytes(12),
    bytes(100),
)
"""What a hostile client begins with."""
_SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
_WRONG_ACCEPT: Final = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
RESPONSES: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    _SWITCHING + b"\r\n",
    _SWITCHING + _WRONG_ACCEPT + b"\r\n",
    _SWITCHING + _WRONG_ACCEPT + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    _SWITCHING + _WRONG_ACCEPT,
    _SWITCHING + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"ft-v1.0\0" + bytes(36),
    bytes(100),
)
"""What a hostile gateway answers."""
