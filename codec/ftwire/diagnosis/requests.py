"""Mistakes in what requests hold: C2S without its Request, names and numbers in JSON, codes, the key of WebSocket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.wiretree import I32, I64, Node, wire_tree
from ftwire.frame import Role
from ftwire.header import BodyFormat
from ftwire.schema import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["RET_TYPES", "content_finding", "security_finding", "websocket_key_finding"]

RET_TYPES: Final = frozenset({0, -1, -100, -200, -400, -500})
"""Values of ``retType`` (``Common.RetType``)."""
MAX_CHECKED: Final = 1 << 20
"""Largest JSON body that is looked at, in bytes."""
MAX_SECURITIES: Final = 1000
"""Securities of one request that are looked at."""

_INT64: Final = frozenset({3, 4, 6, 16, 18})  # int64, uint64, fixed64, sfixed64, sint64 of FieldDescriptor.TYPE_*
_VARINTS: Final = frozenset({3, 4, 18})
_MESSAGE: Final = 11
_PREFIX: Final = re.compile(r"(HK|US|SH|SZ|SG|JP|MY|AU|CN|CA)\.[0-9A-Z]{1,16}", re.IGNORECASE)
_SUFFIX: Final = re.compile(r"[0-9A-Z]{1,16}\.(HK|US|SH|SZ|SG|JP|MY|AU|CN|CA)", re.IGNORECASE)
_CODE_DIGITS: Final = {1: 5, 21: 6, 22: 6}
"""Digits of a code that has nothing else, by market: Hong Kong, Shanghai, Shenzhen."""
_US: Final = 11
_CHINA: Final = frozenset({21, 22})
_LETTERS: Final = re.compile(r"[A-Z]{3,5}")
_DIGITS: Final = re.compile(r"\d{5,6}")


def content_finding(body: bytes, descriptor: Descriptor, body_format: int, sender: Role) -> Finding | None:
    """Return the mistake in names and numbers of a body that otherwise is the message it should be."""
    if body_format == BodyFormat.JSON:
        return _in_json(body, descriptor, sender)
    return _float_field(body, descriptor, sender)


def _in_json(body: bytes, descriptor: Descriptor, sender: Role) -> Finding | None:
    if len(body) > MAX_CHECKED:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    snakes: list[str] = []
    capitals: list[str] = []
    for path, field, name, inner in _members(value, descriptor, ""):
        if field is None:
            known = descriptor_fields(inner)
            if "_" in name and _camel(name) in known:
                snakes.append(f"{path} for {_camel(name)}")
            elif (meant := {each.casefold(): each for each in known}.get(name.casefold())) is not None:
                capitals.append(f"{path} for {meant}")
    if snakes:
        more = f" and {len(snakes) - 3} more" if len(snakes) > 3 else ""
        proof = f"JSON has the members {', '.join(snakes[:3])}{more}; their names in snake case mean nothing to OpenD."
        return Finding(MISTAKES["json_snake_case"], proof, sender)
    if capitals:
        more = f" and {len(capitals) - 3} more" if len(capitals) > 3 else ""
        proof = f"JSON has the members {', '.join(capitals[:3])}{more}; names with other capitals are other names."
        return Finding(MISTAKES["json_other_case"], proof, sender)
    for path, field, _, number in _members(value, descriptor, ""):
        if field is not None and field.type in _INT64 and isinstance(number, float):
            proof = f"{path} is a 64-bit integer, and JSON has it with a point or an exponent."
            return Finding(MISTAKES["int64_as_float"], proof, sender)
    return None


def descriptor_fields(descriptor: Any) -> set[str]:
    """Return the names of a message's fields in JSON."""
    return {field.json_name for field in descriptor.fields} | {field.name for field in descriptor.fields}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def _members(value: object, descriptor: Any, path: str) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield path, field, name and value of all members; for a member that is no field, its message as the value.

    Does not call itself: a text may be nested as deep as its reader allows.
    """
    waiting: list[tuple[object, Any, str]] = [(value, descriptor, path)]
    while waiting:
        value, descriptor, path = waiting.pop()
        if not isinstance(value, dict):
            continue
        fields = {field.json_name: field for field in descriptor.fields} | {
            field.name: field for field in descriptor.fields
        }
        for name, inner in value.items():
            where = f"{path}.{name}" if path else name
            field = fields.get(name)
            if field is None:
                yield where, None, name, descriptor
                named = fields.get(_camel(name))
                if named is not None and named.type == _MESSAGE:
                    waiting.append((inner, named.message_type, where))
                continue
            items = inner if isinstance(inner, list) else [inner]
            for item in items:
                yield where, field, name, item
                if field.type == _MESSAGE:
                    waiting.append((item, field.message_type, where))


def _float_field(body: bytes, descriptor: Descriptor, sender: Role) -> Finding | None:
    """Return the finding for an int64 that is on the wire as a double or a float; a parser ignores it there."""
    if len(body) > MAX_CHECKED:
        return None
    waiting: list[tuple[tuple[Node, ...], Any, str]] = [(wire_tree(body, descriptor), descriptor, "")]
    while waiting:
        nodes, message, path = waiting.pop()
        for node in nodes:
            field = node.field or message.fields_by_number.get(node.number)
            if field is None:
                continue
            where = f"{path}.{field.name}" if path else field.name
            if node.field is None and node.wire in (I64, I32) and field.type in _VARINTS and not is_repeated(field):
                width = 64 if node.wire == I64 else 32
                proof = (
                    f"{where} is a 64-bit integer (a varint), and the body has a number of {width} fixed bits there."
                )
                return Finding(MISTAKES["int64_as_float"], proof, sender)
            if node.children and field.type == _MESSAGE:
                waiting.append((node.children, field.message_type, where))
    return None


def security_finding(message: Any) -> Finding | None:
    """Return the mistake in a code or a market of a request."""
    for count, security in enumerate(_securities(message)):
        if count >= MAX_SECURITIES:
            return None
        market, code = security.market, security.code
        if (order := _utf16_order(code)) is not None:
            proof = f"code has {len(code)} bytes, which are {order}-endian UTF-16 and not UTF-8."
            return Finding(MISTAKES["text_in_utf16"], proof, Role.CLIENT)
        if not isinstance(code, str):  # protobuf's parser leaves text that is no UTF-8 as bytes
            continue
        if not code or not market:
            what = "code is empty" if market else f"market is 0 (unknown), code {code or 'empty'}"
            proof = f"{what}: this names no security."
            return Finding(MISTAKES["security_unset"], proof, Role.CLIENT, proven=False)
        if _PREFIX.fullmatch(code):
            proof = f"code is {code}; its market is in market ({market}) already."
            return Finding(MISTAKES["code_with_prefix"], proof, Role.CLIENT)
        if _SUFFIX.fullmatch(code):
            proof = f"code is {code}; its market is in market ({market}) already."
            return Finding(MISTAKES["code_with_prefix"], proof, Role.CLIENT)
        if (digits := _CODE_DIGITS.get(market)) and code.isdecimal() and len(code) < digits:
            proof = f"code is {code}, and those of market {market} have {digits} digits: its leading zeros are lost."
            return Finding(MISTAKES["market_for_code"], proof, Role.CLIENT, proven=False)
        if (market == _US and _DIGITS.fullmatch(code)) or (market in _CHINA and _LETTERS.fullmatch(code)):
            proof = f"market is {market}, and code {code} is like none of that market."
            return Finding(MISTAKES["market_for_code"], proof, Role.CLIENT, proven=False)
    return None


def _utf16_order(text: str | bytes) -> str | None:
    """Return the byte order of ASCII in UTF-16 where a protobuf string has it; ``None`` for other text."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    for mark, order, high in ((b"\xff\xfe", "little", 1), (b"\xfe\xff", "big", 0)):
        bare = raw.removeprefix(mark)
        if len(bare) < 4 or len(bare) % 2 or any(bare[high::2]):
            continue
        low = bare[1 - high :: 2]
        if low.isascii() and low.decode("ascii").isprintable():
            return order
    return None


def _securities(message: Any) -> Iterator[Any]:
    waiting = [message]
    while waiting:
        one = waiting.pop()
        if one.DESCRIPTOR.full_name == "Qot_Common.Security":
            yield one
            continue
        for field, value in one.ListFields():
            if field.type == _MESSAGE:
                waiting.extend(value if is_repeated(field) else [value])


def websocket_key_finding(message: Any) -> Finding | None:
    """Return the mistake in the key of an InitWebSocket request."""
    key = getattr(getattr(message, "c2s", None), "websocketKey", "")
    if not key or not isinstance(key, str):
        return None
    if not re.fullmatch(r"[0-9A-Fa-f]{32}", key):
        proof = f"websocketKey has {len(key)} characters that are not 32 hexadecimal digits."
        return Finding(MISTAKES["websocket_key_not_md5"], proof, Role.CLIENT)
    if key != key.lower():
        proof = "websocketKey has 32 hexadecimal digits with capitals among them."
        return Finding(MISTAKES["websocket_key_upper_case"], proof, Role.CLIENT)
    return None
