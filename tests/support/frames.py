"""Frames and streams that several test modules use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

from ftwire.cipher import NONE, Cipher
from ftwire.frame import Frame, Kind, MessageClasses, Role, open_frame
from ftwire.header import Header, unpack_packed_header
from ftwire.messages import InitConnect, Qot_GetRT
from ftwire.strategies import chunkings, frames

T = TypeVar("T")


def rt_request(code: str = "00700") -> Qot_GetRT.Request:
    request = Qot_GetRT.Request()
    request.c2s.security.market = 1
    request.c2s.security.code = code
    return request


def rt_response(minutes: Sequence[int] = (570, 571)) -> Qot_GetRT.Response:
    """Return a reply with a point for each of these minutes, like the one that the vendor's pages show."""
    response = Qot_GetRT.Response(retType=0)
    response.s2c.security.market = 1
    response.s2c.security.code = "00700"
    for minute in minutes:
        point = response.s2c.rtList.add()
        point.time = f"2021-06-09 {minute // 60:02}:{minute % 60:02}:00"
        point.minute = minute
        point.isBlank = False
        point.price = 600.0
        point.volume = 255100
    return response


def init_response(key: str, iv: str | None) -> InitConnect.Response:
    response = InitConnect.Response(retType=0)
    s2c = response.s2c
    s2c.serverVer = 1011
    s2c.loginUserID = 77
    s2c.connID = 7262309301
    s2c.connAESKey = key
    s2c.keepAliveInterval = 10
    if iv is not None:
        s2c.aesCBCiv = iv
    return response


def request(proto_id: int = 3008, serial: int = 1, body: object = None, cipher: Cipher = NONE) -> Frame:
    return Frame.build(
        proto_id,
        serial,
        rt_request() if body is None else body,  # type: ignore[arg-type]
        sender=Role.CLIENT,
        cipher=cipher,
    )


def response(proto_id: int = 3008, serial: int = 1, body: object = None, cipher: Cipher = NONE) -> Frame:
    return Frame.build(
        proto_id,
        serial,
        rt_response() if body is None else body,  # type: ignore[arg-type]
        sender=Role.SERVER,
        cipher=cipher,
    )


def opened(header: Header, payload: bytes, classes: MessageClasses, cipher: Cipher = NONE) -> Frame:
    """Return the frame that a decoder makes of a header and a payload."""
    packed = unpack_packed_header(header.encode())
    return open_frame(packed, payload, cipher, classes.frame_types[packed[0]])


def websocket_frame(message: bytes, opcode: int = 2, mask: bytes = b"") -> bytes:
    """Return a final WebSocket frame (RFC 6455, 5.2); a client's has a mask."""
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(message)) if mask else message
    size = len(message)
    length = (
        bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 1 << 16 else b"\x7f" + size.to_bytes(8)
    )
    return bytes((0x80 | opcode, length[0] | (0x80 if mask else 0))) + length[1:] + mask + masked


def chunked(data: bytes, source: st.DataObject | None) -> list[bytes]:
    """Return ``data`` in chunks drawn from ``source``, or in one chunk if there is no source."""
    return [data] if source is None else source.draw(chunkings(data))


def fed(feed: Callable[[bytes], Iterable[T]], chunks: Iterable[bytes]) -> list[T]:
    """Return all that a decoder's ``feed`` returns for these chunks."""
    return [item for chunk in chunks for item in feed(chunk)]


FRAMES = frames(body=st.binary(max_size=300), kind=Kind.RESPONSE) | frames(99999)
"""Frames of known and unknown protocols, whose bodies are any bytes."""
