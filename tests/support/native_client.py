"""A scripted client that does on the wire what the vendor's native channel (C++, and C# on it) does, version 5.1.

It is made after the recordings ``fixtures/captures/native-5.1-*`` and ``csharp-5.1-*``, and tested to send the very
bytes that are in them. Unlike the Python SDK it does not go by the reply: with a key it asks for AES_ECB, and keeps to
that whatever the gateway grants.
"""

from __future__ import annotations

from typing import Any, Final

from ftwire.cipher import NONE, AesEcb, Cipher, PacketEncAlgo, Rsa, RsaKey
from ftwire.frame import BadFrame, Frame, Kind, Role, encode_frame
from ftwire.messages import InitConnect, KeepAlive
from ftwire.stream import FrameDecoder

INIT_CONNECT, KEEP_ALIVE = 1001, 1004
MARGIN: Final = 3
"""Seconds before the end of ``keepAliveInterval`` at which it sends KeepAlive."""
KEY_REFUSED, REFUSED = 100 << 32 | 4, 100 << 32 | 5
"""Its error codes for a key that it does not take, and for a refused InitConnect."""


class NativeError(Exception):
    """The connection has failed: an error code, and the gateway's text where there is one."""


class NativeClient:
    """One connection, without a socket: bytes in, bytes out. ``key`` is None for no encryption."""

    def __init__(self, key: RsaKey | None = None, *, client_id: str = "ftwire-native", language: str = "C#") -> None:
        if key is not None and key.size != 128:
            raise NativeError(KEY_REFUSED)
        self.keep_alive = 0
        """Seconds between two KeepAlive requests."""
        self.replies: list[Frame] = []
        """Replies that reached the program, those to InitConnect and KeepAlive included."""
        self.pushes: list[Frame] = []
        self._is_encrypted: Final = key is not None
        self._cipher: Cipher = NONE if key is None else Rsa(key)
        self._decoder: Final = FrameDecoder(Role.SERVER, cipher=self._cipher)
        self._serial = 0
        self._waiting: Final[set[tuple[int, int]]] = set()
        request = InitConnect.Request()
        request.c2s.clientVer = 1
        request.c2s.clientID = client_id
        request.c2s.recvNotify = True
        request.c2s.packetEncAlgo = PacketEncAlgo.NONE if key is None else PacketEncAlgo.AES_ECB
        request.c2s.pushProtoFmt = 0
        request.c2s.programmingLanguage = language
        self.init: Final = request.SerializeToString()
        """The body of its InitConnect."""

    def open(self) -> bytes:
        """Return its first bytes."""
        return self.request(INIT_CONNECT, self.init)

    def request(self, proto_id: int, body: bytes) -> bytes:
        """Return the bytes of a request."""
        self._serial += 1
        self._waiting.add((proto_id, self._serial))
        return encode_frame(proto_id, self._serial, body, cipher=self._cipher)

    def keep_alive_at(self, seconds: int) -> bytes:
        """Return the bytes of a KeepAlive with this time."""
        request = KeepAlive.Request()
        request.c2s.time = seconds
        return self.request(KEEP_ALIVE, request.SerializeToString())

    def receive(self, data: bytes, now: int = 0) -> bytes:
        """Take bytes of the gateway; return those to send at once. Raises ``NativeError`` where it is refused.

        ``now`` is the time in seconds since 1970.
        """
        out = b""
        for frame in self._decoder.feed(data):
            if isinstance(frame, BadFrame):
                continue  # a damaged push is dropped; a damaged reply too, and its request times out
            if frame.kind is Kind.PUSH:
                self.pushes.append(frame)
            elif (frame.proto_id, frame.serial) in self._waiting:
                self._waiting.discard((frame.proto_id, frame.serial))
                self.replies.append(frame)
                if frame.proto_id == INIT_CONNECT:
                    self._opened(frame.message)
                    out += self.keep_alive_at(now)
        return out

    def _opened(self, response: Any) -> None:
        if response.retType:
            raise NativeError(REFUSED, response.retMsg)
        self.keep_alive = response.s2c.keepAliveInterval - MARGIN
        if self._is_encrypted:
            self._cipher = self._decoder.cipher = AesEcb(response.s2c.connAESKey)
