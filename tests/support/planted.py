"""Secrets to plant in captures, and the search for them in every encoding."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ftwire.body_mutations import encode_varint
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.sensitive_fields import Category, category_of

STRING, BYTES, GROUP, MESSAGE, BOOL, ENUM = 9, 12, 10, 11, 8, 14
DOUBLE, FLOAT = 1, 2

ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")


def fill(message: Any, value_of: Callable[[Any], Any], depth: int = 0) -> None:
    """Set every field at every depth to what ``value_of`` gives for it; lists get one item."""
    for field in message.DESCRIPTOR.fields:
        many = is_repeated(field)
        if field.type in (MESSAGE, GROUP):
            if depth < 9:
                inner = getattr(message, field.name)
                fill(inner.add() if many else inner, value_of, depth + 1)
                if not many:
                    inner.SetInParent()
        elif many:
            getattr(message, field.name).append(value_of(field))
        else:
            setattr(message, field.name, value_of(field))


class Planted:
    """Makes secrets, all different, and keeps them for the search."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self.texts: list[str] = []
        self.numbers: list[int] = []
        self.raw: list[bytes] = []

    def text(self, category: Category | None = None) -> str:
        number = next(self._count)
        if category is Category.ADDRESS:
            made = f"203.0.{113 + number // 200}.{number % 200 + 10}"
        elif category is Category.PASSWORD:
            made = f"{0xFACADE0000000000 + number * 7919:032x}"
        elif category is Category.KEY:
            made = f"K3y{number:06}Secret!"
            assert len(made) == 16
        elif number % 3 == 0:
            made = f"秘密{number:05}плз"
        else:
            made = f"Planted-{number:05}-secret"
        self.texts.append(made)
        return made

    def number(self) -> int:
        made = 281_756_455_900_000_000 + next(self._count) * 1_000_003
        self.numbers.append(made)
        return made

    def token(self) -> bytes:
        made = b"\xfe\xed" + next(self._count).to_bytes(4) + b"\xfa\xce\xca\xfe"
        self.raw.append(made)
        return made

    def fill(self, message: Any) -> None:
        """Set every field at every depth: to a secret, unless it was reviewed and found public."""
        fill(message, self._value)

    def _value(self, field: Any) -> Any:
        category = category_of(field)
        if category is None or category is Category.AMOUNT:
            if field.type == ENUM:
                return field.enum_type.values[0].number
            return {STRING: "public", BYTES: b"public", BOOL: True, DOUBLE: 1.5, FLOAT: 1.5}.get(field.type, 7)
        if field.type == STRING:
            return self.text(category)
        return self.token() if field.type == BYTES else self.number()

    def left_in(self, data: bytes) -> list[str]:
        """Return every secret that ``data`` contains, with its encoding."""
        return [f"{secret!r} as {how}" for secret, how, encoded in self._encodings() if encoded in data]

    def _encodings(self) -> Iterator[tuple[object, str, bytes]]:
        for text in self.texts:
            yield text, "UTF-8", text.encode()
            yield text, "UTF-16LE", text.encode("utf-16-le")
            yield text, "UTF-16BE", text.encode("utf-16-be")
            yield text, "JSON", text.encode("ascii", "backslashreplace")
            yield from _wrapped(text, text.encode())
            yield text, "UTF-16 in hex", text.encode("utf-16-le").hex().encode()
        for raw in self.raw:
            yield raw, "bytes", raw
            yield from _wrapped(raw, raw)
        for number in self.numbers:
            digits = str(number).encode()
            yield number, "digits", digits
            yield number, "UTF-16LE digits", str(number).encode("utf-16-le")
            yield number, "UTF-16BE digits", str(number).encode("utf-16-be")
            yield number, "varint", encode_varint(number)
            yield number, "zigzag varint", encode_varint(number << 1)
            for order in ORDERS:
                packed = number.to_bytes(8, order)
                yield number, f"64 bits, {order}", packed
                yield from _wrapped(number, packed)
            yield number, "hexadecimal", f"{number:x}".encode()
            yield from _wrapped(number, digits)
            yield from _wrapped(number, encode_varint(number))


def _wrapped(secret: object, data: bytes) -> Iterator[tuple[object, str, bytes]]:
    yield secret, "hex", data.hex().encode()
    yield secret, "HEX", data.hex().upper().encode()
    for at in range(3):
        # Whatever surrounds it: the characters of base64 that depend on these bytes alone.
        encoded = base64.b64encode(bytes(at) + data)
        inner = encoded[4 if at else 0 : len(encoded) - (4 if (len(data) + at) % 3 else 0)]
        if len(inner) >= 8:
            yield secret, "base64", inner
            yield secret, "base64url", inner.translate(bytes.maketrans(b"+/", b"-_"))
