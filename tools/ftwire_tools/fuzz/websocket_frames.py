"""The messages and the WebSocket frames (RFC 6455, 5.2) of a step, correct and wrong ones.

Written here since no library writes wrong ones, and with one mask for all, so that the same steps make the same bytes.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from ftwire.frame import Role
from ftwire.frame_mutations import flip_bit
from ftwire.header import ENVELOPE_MAGIC
from ftwire_tools.fuzz.bodies import message_class_of, mutate_body
from ftwire_tools.fuzz.steps import FuzzStep

__all__ = ["BETWEEN", "CONTROLS", "asked_in", "control_frame", "frames_of", "is_legal_close", "messages_of"]

_CLIENT: Final = struct.Struct(">8sIQ")
_GATEWAY: Final = struct.Struct(">8sIQi20s")
CONTINUATION, TEXT, BINARY, PING = 0, 1, 2, 9
CONTROLS: Final = {"ping": PING, "pong": 10, "bye": 8}
"""Opcodes of the control frames, by the steps that send them."""
FIN: Final = 0x80
MASK: Final = b"\x37\xfa\x21\x3d"
"""The mask of RFC 6455's examples."""
BETWEEN: Final = b"between"
"""Content of a ping between the fragments of a message."""
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))
"""Codes that may stand in a close frame (RFC 6455, 7.4)."""


def messages_of(step: FuzzStep, body: bytes, section: int, role: Role) -> list[bytes]:
    """Return the messages of a step: one envelope, but for its mutations."""
    values: dict[str, Any] = dict(step.mutations)
    message_class = message_class_of(step.proto, of_gateway=role is Role.SERVER)
    message = _header(step, values, section, role) + mutate_body(body, step.mutations, 0, message_class)
    if "cut envelope" in values:
        message = message[: values["cut envelope"] % len(message)]
    message = bytes.fromhex(values.get("bytes before", "")) + message + bytes.fromhex(values.get("bytes behind", ""))
    if "joined" in values:
        message *= 2
    messages = [message]
    if "split" in values and message:
        at = values["split"] % len(message)
        messages = [message[:at], message[at:]]
    if "empty message" in values:
        messages.insert(0, b"")
    return messages * 2 if "twice" in values else messages


def _header(step: FuzzStep, values: dict[str, Any], section: int, role: Role) -> bytes:
    magic = bytes.fromhex(values["magic"]) if "magic" in values else ENVELOPE_MAGIC
    numbers: list[Any] = [values.get("protocol", step.proto), values.get("serial", section)]
    header = _GATEWAY if (role is Role.SERVER) != ("other header" in values) else _CLIENT
    if header is _GATEWAY:
        numbers += [values.get("error code", 0), bytes.fromhex(values.get("error text", ""))]
    order = "<" if "little-endian" in values else ">"
    made = struct.pack(order + header.format[1:], magic, *numbers)
    return flip_bit(made, values["flip header"]) if "flip header" in values else made


def asked_in(step: FuzzStep, messages: list[bytes], section: int) -> tuple[tuple[int, int], ...]:
    """Return (command, section) of everything that a gateway may read in a client's messages, strict or not."""
    values: dict[str, Any] = dict(step.mutations)
    found = {(int(values.get("protocol", step.proto)), int(values.get("serial", section)))}
    for message in messages:
        # A message that is cut short, as a reader sees it that does not look at its length.
        _, command, number = _CLIENT.unpack_from(message.ljust(_CLIENT.size, b"\0"))
        found.add((command, number))
    return tuple(sorted(found))


def frames_of(step: FuzzStep, messages: list[bytes], role: Role) -> bytes:
    """Return the WebSocket frames of a step's messages, in as many fragments as it says, with its mutations."""
    values: dict[str, Any] = dict(step.mutations)
    masked = (role is Role.CLIENT) != ("mask" in values)
    data = b""
    if "long ping" in values:
        data += _frame(FIN | PING, bytes(126 + values["long ping"] % 1000), masked=masked)
    if "split ping" in values:
        data += _frame(PING, b"split", masked=masked)
    first = TEXT if "text" in values else BINARY
    first = CONTINUATION if "continuation" in values else values.get("reserved opcode", first) & 15
    first |= values.get("reserved bits", 0) << 4 & 0x70
    *_, last = messages
    for number, message in enumerate(messages):
        if "unfinished" in values:
            data += _frame(BINARY, message[: len(message) // 2], masked=masked)
        if "frame length" in values and number == len(messages) - 1:
            announced = len(last) + values["frame length"]
            data += _frame(FIN | first, message, masked=masked, announced=announced)
        else:
            data += _fragments(step, first, message, masked=masked)
    return data[: values["cut frame"] % len(data)] if "cut frame" in values else data


def _fragments(step: FuzzStep, first: int, message: bytes, *, masked: bool) -> bytes:
    count = min(max(step.fragments, 1), 100)
    size = -(-len(message) // count) or 1
    parts = [
        _frame(
            (first if number == 0 else CONTINUATION) | (FIN if number == count - 1 else 0),
            message[number * size : (number + 1) * size],
            masked=masked,
        )
        for number in range(count)
    ]
    if step.ping and count > 1:
        parts.insert(1, _frame(FIN | PING, BETWEEN, masked=masked))
    return b"".join(parts)


def _frame(first: int, data: bytes, *, masked: bool, announced: int | None = None) -> bytes:
    """Return one frame. ``first`` is its first byte, ``announced`` the length in its header."""
    length = len(data) if announced is None else announced
    mark = 0x80 if masked else 0
    if length < 126:
        head = bytes((first, mark | length))
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, mark | 126, length)
    else:
        head = struct.pack(">BBQ", first, mark | 127, length & 0xFFFF_FFFF_FFFF_FFFF)
    if not masked:
        return head + data
    # As two long numbers: Python has no faster way, and messages have megabytes.
    mask = (MASK * (len(data) // 4 + 1))[: len(data)]
    return head + MASK + (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(len(data))


def control_frame(name: str, data: bytes, role: Role) -> bytes:
    """Return one of ``CONTROLS``."""
    return _frame(FIN | CONTROLS[name], data, masked=role is Role.CLIENT)


def is_legal_close(content: bytes) -> bool:
    """Return whether a close frame may have this content (RFC 6455, 5.5.1 and 7.4)."""
    try:
        content[2:].decode()
    except UnicodeDecodeError:
        return False
    return not content or (len(content) >= 2 and int.from_bytes(content[:2]) in _CLOSE_CODES)
