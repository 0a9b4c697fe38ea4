"""What a hostile peer does, as data: steps, what is wrong with each, and the bytes that come of it.

A step names everything that was drawn, so that the same steps make the same bytes. This module is copied into
the tests that ``ftwire fuzz`` saves, and therefore needs nothing but the library.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha1
from typing import Any, Final

from ftwire.body import decode_body
from ftwire.cipher import Cipher
from ftwire.errors import WireError
from ftwire.header import HEADER_SIZE, MAGIC, BodyFormat
from ftwire.protocols import registry

__all__ = ["MUTATIONS", "Mutation", "Step", "boundaries", "render", "step_from_json", "step_to_json"]

HEADER: Final = struct.Struct("<2sIBBII20s8s")
BIG_ENDIAN: Final = struct.Struct(">2sIBBII20s8s")
UNKNOWN_FIELD: Final = 500
"""A field number that no message of the protocol has."""

MUTATIONS: Final = {
    # The body, before its digest is taken: the frame is sound, its content is not.
    "empty body": "no body at all, with the digest of nothing",
    "cut body": "the first N bytes of the body",
    "flip body": "bit N of the body inverted",
    "random body": "these bytes for a body",
    "grow body": "an unknown field of N bytes more",
    "missing field": "the Nth of the required fields left out",
    "unknown enum": "the Nth whole number set to a value that no enum has",
    "extreme number": "the Nth number set to an end of its range",
    "odd string": "the Nth string set to something long, astral or with NUL",
    # Fields of the header: the frame is sound, and says something else.
    "protocol": "another protocol ID",
    "serial": "another serial number",
    "format": "another body format",
    "version": "another protocol version",
    "reserved": "reserved bytes that are not zero",
    # The payload, after encryption: length right, digest wrong.
    "flip payload": "bit N of the payload inverted",
    "cut payload": "the payload without its last N bytes, and a length that says so",
    "payload tail": "another last byte: the padding, where there is one",
    # Lies of the header.
    "digest": "these 20 bytes for a digest",
    "digest of payload": "the digest of the payload and header, as some clients take it",
    "length": "another length",
    "length off": "a length that is N too large or too small",
    "magic": "other first bytes",
    "big-endian": "all numbers big-endian",
    # Bytes.
    "flip header": "bit N of the header inverted",
    "cut frame": "the first N bytes of the frame, and then what comes next",
    "bytes before": "these bytes in front",
    "bytes behind": "these bytes behind",
    "twice": "the frame two times",
}
"""What can be wrong with a frame, in the order in which it is done."""

_ORDER: Final = {name: number for number, name in enumerate(MUTATIONS)}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that is wrong with a frame."""

    name: str
    """One of ``MUTATIONS``."""
    value: int | str = 0
    """The number or, as hexadecimal digits, the bytes that belong to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a hostile peer does."""

    do: str
    """``send``, ``raw``, ``pause``, ``finish`` (close for writing), ``close``, ``reset``; a gateway besides
    ``reply``, ``push``, ``skip`` (leave a request unanswered) and ``late`` (answer it after the next one)."""
    proto: int = 0
    """Protocol ID of what is sent or pushed."""
    body: str = ""
    """Plain body as hexadecimal digits; empty for a gateway, which answers what it was asked."""
    format: int = 0
    """Body format: 0 protobuf, 1 JSON."""
    mutations: tuple[Mutation, ...] = ()
    chunk: int = 0
    """Bytes to write at a time, 0 for all at once."""
    hold: bool = False
    """Whether to send it together with what comes next, in one write."""
    wait: bool = True
    """Whether to wait for the reply before going on, where there must be one."""
    after: int = 0
    """A gateway's step: how many requests must have come before it is done."""
    data: str = ""
    """Bytes of ``raw``, as hexadecimal digits."""
    ms: int = 0
    """Length of ``pause``, in milliseconds."""

    @property
    def label(self) -> str:
        """What is wrong with it, in few words; empty for a legal step."""
        if self.mutations:
            return " + ".join(mutation.name for mutation in self.mutations)
        return "" if self.do in {"send", "reply", "pause"} else self.do


def step_to_json(step: Step) -> dict[str, Any]:
    """Return a step without what it leaves at its default."""
    values = {each.name: getattr(step, each.name) for each in fields(step) if getattr(step, each.name) != each.default}
    if step.mutations:
        values["mutations"] = [[mutation.name, mutation.value] for mutation in step.mutations]
    return values


def step_from_json(values: Mapping[str, Any]) -> Step:
    """Return the step of such values. Raises ``TypeError`` or ``ValueError`` for what is none."""
    given = dict(values)
    mutations = tuple(Mutation(str(name), value) for name, value in given.pop("mutations", ()))
    for mutation in mutations:
        if mutation.name not in MUTATIONS:
            raise ValueError(f"no mutation {mutation.name!r}")
    step = Step(**given, mutations=mutations)
    bytes.fromhex(step.body)
    bytes.fromhex(step.data)
    return step


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


def render(step: Step, body: bytes, serial: int, cipher: Cipher, message_class: Any) -> bytes:
    """Return the bytes of a frame with this plain body, wrong in the ways that the step says.

    ``message_class`` is that of the body, ``None`` where there is none.
    """
    done = {mutation.name: mutation.value for mutation in sorted(step.mutations, key=lambda each: _ORDER[each.name])}
    for name, value in done.items():
        body = _spoil_body(name, value, body, step.format, message_class)
    payload = cipher.encrypt(body)
    if "flip payload" in done:
        payload = _flip(payload, int(done["flip payload"]))
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
        head = _flip(head, int(done["flip header"]))
    data = head + payload
    if "cut frame" in done:
        data = data[: int(done["cut frame"]) % len(data)]
    data = bytes.fromhex(str(done.get("bytes before", ""))) + data + bytes.fromhex(str(done.get("bytes behind", "")))
    return data * 2 if "twice" in done else data


def _flip(data: bytes, bit: int) -> bytes:
    if not data:
        return data
    at, place = divmod(bit % (len(data) * 8), 8)
    return data[:at] + bytes((data[at] ^ 1 << place,)) + data[at + 1 :]


def _spoil_body(name: str, value: int | str, body: bytes, body_format: int, message_class: Any) -> bytes:
    if name == "empty body":
        return b""
    if name == "cut body":
        return body[: int(value) % len(body)] if body else body
    if name == "flip body":
        return _flip(body, int(value))
    if name == "random body":
        return bytes.fromhex(str(value))
    if name == "grow body":
        size = int(value)
        if body_format != BodyFormat.PROTOBUF:
            return body + b" " * size
        return body + _varint(UNKNOWN_FIELD << 3 | 2) + _varint(size) + bytes(size)
    if name not in {"missing field", "unknown enum", "extreme number", "odd string"}:
        return body
    if body_format != BodyFormat.PROTOBUF or message_class is None:
        return body
    try:
        message = decode_body(body, message_class, check_required=False)
    except WireError:
        return body
    places = list(_places(message, name))
    if not places:
        return body
    parent, field = places[int(value) % len(places)]
    if name == "missing field":
        parent.ClearField(field.name)
    else:
        setattr(parent, field.name, _odd_value(field, name, int(value)))
    return bytes(message.SerializePartialToString())


def _places(message: Any, name: str) -> Any:
    """Give (message, field) of every field that is set and can be spoiled in this way."""
    for field, value in message.ListFields():
        if _is_repeated(field):
            if field.cpp_type == field.CPPTYPE_MESSAGE:
                for each in value:
                    yield from _places(each, name)
            continue
        if name == "missing field" and _is_required(field):
            yield message, field
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            yield from _places(value, name)
        elif field.cpp_type == field.CPPTYPE_STRING:
            if name == "odd string" and field.type != field.TYPE_BYTES:
                yield message, field
        elif name == "extreme number" and field.cpp_type not in {field.CPPTYPE_BOOL, field.CPPTYPE_ENUM}:
            yield message, field
        elif name == "unknown enum" and field.cpp_type == field.CPPTYPE_INT32:
            # The schema has most of its enums as int32.
            yield message, field


_ENDS: Final = {
    1: (-(1 << 31), (1 << 31) - 1),  # int32
    2: (-(1 << 63), (1 << 63) - 1),  # int64
    3: (0, (1 << 32) - 1),  # uint32
    4: (0, (1 << 64) - 1),  # uint64
    5: (float("nan"), float("inf"), -1e308, 5e-324),  # double
    6: (float("nan"), float("-inf")),  # float
}
_STRINGS: Final = ("", "\0", "a" * 70_000, "\U0001f409", "../../etc/passwd", "%n%s", "' OR 1=1 --", "\ufeff\u202e")


def _odd_value(field: Any, name: str, value: int) -> Any:
    if name == "odd string":
        return _STRINGS[value % len(_STRINGS)]
    if name == "unknown enum":
        return 9999 if value % 2 else -7
    ends = _ENDS[field.cpp_type]
    return ends[value % len(ends)]


def _is_repeated(field: Any) -> bool:
    # Newer releases of protobuf have no `label`, older ones no `is_repeated`.
    known = getattr(field, "is_repeated", None)
    return bool(field.label == 3 if known is None else known)


def _is_required(field: Any) -> bool:
    known = getattr(field, "is_required", None)
    return bool(field.label == 2 if known is None else known)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message_class_of(proto_id: int, *, of_gateway: bool) -> Any:
    """Return the class of what one side sends under a protocol ID, ``None`` where there is none."""
    entry = registry.get(proto_id)
    if entry is None:
        return None
    return entry.response if of_gateway else entry.request
