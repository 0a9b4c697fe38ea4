"""Frames on TCP, wrong in the ways that steps say. Copied into saved tests, see ``steps``."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha1
from typing import Any, Final

from ftwire.cipher import NONE, Cipher, Rsa, RsaKey
from ftwire.connection import negotiated_cipher
from ftwire.frame import Frame, Role
from ftwire.header import HEADER_SIZE, MAGIC
from ftwire.stream import FrameDecoder
from ftwire_tools.fuzz.bodies import flip, message_class_of, spoil_body, stamp_packet_id
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.valid_messages import hello
from ftwire_tools.fuzz.wire_format import Rendered, Wire

__all__ = ["FrameWire", "boundaries", "render_frame"]

HEADER: Final = struct.Struct("<2sIBBII20s8s")
BIG_ENDIAN: Final = struct.Struct(">2sIBBII20s8s")
MAX_BODY: Final = {Role.CLIENT: 64 << 20, Role.SERVER: 16 << 20}
"""Largest body that is read as one, by whom."""


def boundaries(data: bytes) -> list[tuple[int, int]] | None:
    """Return protocol ID and serial of each frame, or ``None`` where the bytes are not whole frames."""
    found = []
    at = 0
    while at < len(data):
        if len(data) - at < HEADER_SIZE:
            return None
        magic, proto_id, _, _, serial, length, _, _ = HEADER.unpack_from(data, at)
        at += HEADER_SIZE + length
        if magic != MAGIC or at > len(data):
            return None
        found.append((proto_id, serial))
    return found


def render_frame(step: Step, body: bytes, serial: int, cipher: Cipher, message_class: Any) -> bytes:
    """Return the bytes of a frame with this plain body, wrong in the ways that the step says.

    ``message_class`` is that of the body, ``None`` where there is none.
    """
    done = step.wrong
    for name, value in done.items():
        body = spoil_body(name, value, body, step.format, message_class)
    payload = cipher.encrypt(body)
    if "flip payload" in done:
        payload = flip(payload, int(done["flip payload"]))
    if "cut payload" in done and payload:
        payload = payload[: -(int(done["cut payload"]) % len(payload)) or None]
    if "payload tail" in done and payload:
        payload = payload[:-1] + bytes((int(done["payload tail"]) & 0xFF,))
    digest = sha1(body, usedforsecurity=False).digest()
    length = len(payload)
    reserved = bytes.fromhex(str(done["reserved"])) if "reserved" in done else bytes(8)
    numbers = [
        int(done.get("protocol", step.proto)),
        int(done.get("format", step.format)),
        int(done.get("version", 0)),
        int(done.get("serial", serial)),
    ]
    if "digest of payload" in done:
        head = HEADER.pack(MAGIC, *numbers, length, bytes(20), reserved)
        digest = sha1(head + payload, usedforsecurity=False).digest()
    if "digest" in done:
        digest = bytes.fromhex(str(done["digest"]))
    length = int(done.get("length", length + int(done.get("length off", 0)))) % (1 << 32)
    magic = bytes.fromhex(str(done["magic"])) if "magic" in done else MAGIC
    head = (BIG_ENDIAN if "big-endian" in done else HEADER).pack(magic, *numbers, length, digest, reserved)
    if "flip header" in done:
        head = flip(head, int(done["flip header"]))
    data = head + payload
    if "cut frame" in done:
        data = data[: int(done["cut frame"]) % len(data)]
    data = bytes.fromhex(str(done.get("bytes before", ""))) + data + bytes.fromhex(str(done.get("bytes behind", "")))
    return data * 2 if "twice" in done else data


class FrameWire(Wire):
    """One TCP connection, from ``us``."""

    init = 1001
    init_name = "InitConnect"
    first_serial = 1
    speaks_alone = True

    def __init__(self, us: Role, key: RsaKey | None = None) -> None:
        self.us: Final = us
        self.is_encrypted = key is not None
        self.cipher: Cipher = NONE if key is None else Rsa(key)
        peer = Role.SERVER if us is Role.CLIENT else Role.CLIENT
        self.decoder: Final = FrameDecoder(peer, cipher=self.cipher, max_body=MAX_BODY[us])

    def hello(self) -> Any:
        """See ``Wire``."""
        return hello(encrypted=self.is_encrypted)

    def stamped(self, step: Step, body: bytes, conn_id: int, serial: int) -> bytes:
        """Put the connection's ID and the serial into what has a place for them."""
        return body if step.format else stamp_packet_id(step.proto, body, conn_id, serial)

    def render(self, step: Step, body: bytes, serial: int) -> Rendered:
        """See ``Wire``."""
        message_class = message_class_of(step.proto, of_gateway=self.us is Role.SERVER)
        return self._rendered(render_frame(step, body, serial, self.cipher, message_class))

    def raw(self, step: Step) -> Rendered:
        """See ``Wire``."""
        return self._rendered(bytes.fromhex(step.data))

    @staticmethod
    def _rendered(data: bytes) -> Rendered:
        asks = boundaries(data)
        return Rendered(data, None if asks is None else tuple(asks))

    def feed(self, data: bytes) -> Iterable[Frame]:
        """See ``Wire``."""
        return self.decoder.feed(data)

    def agree(self, request: Any, response: Any) -> None:
        """See ``Wire``."""
        if self.is_encrypted:
            self.cipher = self.decoder.cipher = negotiated_cipher(request, response)
