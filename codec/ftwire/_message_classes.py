"""Message classes from descriptors, with the same behaviour from protobuf 3.20 to 7.

The descriptors are those of a pool of our own and no generated module is used, so no release of protobuf is tied to one
of protoc. What differs is the runtime: from 4.21 on it is upb. That of 3.20 is written in Python where its extension in
C++ has no wheel, as for every Python that ftwire runs on, and there the classes are changed to read as upb does:

- a string that is not UTF-8 is read as ``bytes``, where 3.20 raises ``UnicodeDecodeError``;
- a NaN keeps its bits;
- damaged bodies and those nested more deeply than 100 messages raise ``DecodeError``;
- a message knows its length after ``DiscardUnknownFields``, where 3.20 writes the one from before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from ftwire._faults import find_fault
from ftwire._protobuf import is_repeated

__all__ = ["message_class", "register_extension"]

# FieldDescriptor.TYPE_*
_DOUBLE, _FLOAT, _STRING = 1, 2, 9

_IS_RECENT = hasattr(message_factory, "GetMessageClass")  # 4.22 or later
_adapted: set[type[Message]] = set()


def message_class(descriptor: Any) -> type[Message]:
    """Return the class of a message, the same each time."""
    if _IS_RECENT:
        return message_factory.GetMessageClass(descriptor)
    # protobuf's type stubs are those of a release that has neither of these two.
    factory = cast(Any, message_factory).MessageFactory(descriptor.file.pool)
    found: type[Message] = factory.GetPrototype(descriptor)
    if hasattr(found, "_decoders_by_tag"):  # no extension of C++ or upb, which 4.21 has
        _adapt(found)
    return found


def register_extension(message: type[Message], extension: Any) -> None:
    """Let a class read an extension of its own pool: later releases than 3.20 look it up in the pool."""
    if not _IS_RECENT:
        cast(Any, message).RegisterExtension(extension)


def _adapt(outer: Any) -> None:
    """Change the class of a message, and those of all messages in it."""
    waiting = [outer]
    for adapted in waiting:
        if adapted in _adapted:
            continue
        for field in adapted.DESCRIPTOR.fields:
            if field.message_type is not None:
                waiting.append(field.message_type._concrete_class)
            elif field.type == _STRING:
                _adapt_string(adapted, field)
            elif field.type in (_DOUBLE, _FLOAT):
                _adapt_float(adapted, field)
        adapted.FromString = staticmethod(_parser(adapted))
        adapted.DiscardUnknownFields = _discarder(adapted.DiscardUnknownFields)
        _adapted.add(adapted)


def _parser(parsed: Any) -> Callable[[bytes], Message]:
    def parse(body: bytes) -> Message:
        fault = find_fault(bytes(body), parsed.DESCRIPTOR)
        if fault is not None:
            raise DecodeError(fault.reason)
        message: Message = parsed()
        message.MergeFromString(body)
        return message

    return parse


def _discarder(discard: Callable[[Any], None]) -> Callable[[Any], None]:
    def discard_unknown_fields(message: Any) -> None:
        discard(message)
        message._Modified()

    return discard_unknown_fields


def _adapt_string(adapted: Any, field: Any) -> None:
    # Typed as a later release has them.
    from google.protobuf.internal import decoder as untyped_decoder
    from google.protobuf.internal import encoder as untyped_encoder

    decoder: Any = untyped_decoder
    encoder: Any = untyped_encoder

    def decode(buffer: memoryview, at: int, end: int, message: Message, values: dict[Any, Any]) -> int:
        size: int
        size, at = decoder._DecodeVarint(buffer, at)
        if at + size > end:
            raise DecodeError("Truncated string.")
        raw = buffer[at : at + size].tobytes()
        try:
            _store(message, values, field, raw.decode())
        except UnicodeDecodeError:
            _store(message, values, field, raw)
        return at + size

    write_bytes = encoder.BytesEncoder(field.number, is_repeated(field), False)
    size_bytes = encoder.BytesSizer(field.number, is_repeated(field), False)
    _set_decoder(adapted, field, 2, decode)
    field._encoder = lambda write, value, deterministic: write_bytes(write, _as_bytes(value), deterministic)
    field._sizer = lambda value: size_bytes(_as_bytes(value))


def _adapt_float(adapted: Any, field: Any) -> None:
    width, wire_type, unpack = (8, 1, "<d") if field.type == _DOUBLE else (4, 5, "<f")

    def decode(buffer: memoryview, at: int, end: int, message: Message, values: dict[Any, Any]) -> int:
        if at + width > end:
            raise DecodeError("Truncated message.")
        _store(message, values, field, struct.unpack(unpack, buffer[at : at + width])[0])
        return at + width

    _set_decoder(adapted, field, wire_type, decode)


def _set_decoder(adapted: Any, field: Any, wire_type: int, decode: Callable[..., int]) -> None:
    from google.protobuf.internal import encoder

    tag = encoder.TagBytes(field.number, wire_type)
    adapted._decoders_by_tag[tag] = (decode, adapted._decoders_by_tag[tag][1])


def _store(message: Message, values: dict[Any, Any], field: Any, value: object) -> None:
    if not is_repeated(field):
        values[field] = value
        return
    items = values.get(field)
    if items is None:
        items = values[field] = field._default_constructor(message)
    items._values.append(value)


def _as_bytes(value: Any) -> Any:
    """Return the bytes of a string, or of each in a list."""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else [_as_bytes(item) for item in value]
