"""What a message says, in a few words: securities, list lengths, short scalars, and what went wrong.

How to say it is worked out once a class from its descriptor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.descriptors import is_repeated
from ftwire_tools.enums import enum_name, enum_names
from ftwire_tools.mask import is_secret
from ftwire_tools.securities import securities_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["facts_of", "short_enum_name"]

MAX_SECURITIES: Final = 3
MAX_SCALARS: Final = 6
MAX_TEXT: Final = 32

Sayer = Callable[[Any], "str | None"]

_sayers: dict[Descriptor, dict[int, Sayer]] = {}


def facts_of(message: Message) -> str:
    """Say what is in a request, a response or a push."""
    parts: list[str] = []
    body: Any = message
    payload: Any = None
    for field, value in body.ListFields():
        name = field.name
        if name in {"c2s", "s2c"}:
            payload = value
        elif name == "retType":
            if value:
                parts.append(f"retType={enum_name(field, value) or value}({value})")
        elif name == "retMsg" and value and body.retType:
            parts.append(_quoted(value))
        elif name == "errCode" and value:
            parts.append(f"errCode={value}")
    if payload is not None:
        _add_payload(payload, parts)
    return " ".join(parts)


def _add_payload(payload: Any, parts: list[str]) -> None:
    descriptor = payload.DESCRIPTOR
    names: list[str] = []
    for name in securities_of(payload):
        if name not in names:
            if len(names) == MAX_SECURITIES:
                names.append("...")
                break
            names.append(name)
    if names:
        parts.append(",".join(names))
    sayers = _sayers.get(descriptor)
    if sayers is None:
        sayers = _sayers[descriptor] = _make_sayers(descriptor)
    left = MAX_SCALARS
    for field, value in payload.ListFields():
        sayer = sayers.get(field.number)
        if sayer is not None and left:
            said = sayer(value)
            if said:
                parts.append(said)
                left -= 1


def _make_sayers(descriptor: Descriptor) -> dict[int, Sayer]:
    made: dict[int, Sayer] = {}
    for field in descriptor.fields:
        if is_secret(field) or (field.name == "code" and field.message_type is None):
            continue
        inner = field.message_type
        if inner is None:
            made[field.number] = _list_sayer(field) if is_repeated(field) else _scalar_sayer(field)
        elif is_repeated(field):
            if inner.full_name != "Qot_Common.Security":
                made[field.number] = _count_sayer(field.name)
        elif inner.name == "TrdHeader":
            made[field.number] = _message_sayer(inner)
    return made


def _count_sayer(name: str) -> Sayer:
    return lambda items: f"{name}[{len(items)}]"


def _scalar_sayer(field: FieldDescriptor) -> Sayer:
    name = field.name
    names = enum_names(field)
    if names is not None:
        return lambda value: f"{name}={_short(names.get(value)) or value}"
    if field.cpp_type == field.CPPTYPE_STRING:
        return lambda value: f"{name}={_quoted(value)}"
    if field.cpp_type == field.CPPTYPE_BOOL:
        return lambda value: f"{name}={'true' if value else 'false'}"
    return lambda value: f"{name}={value}"


def _list_sayer(field: FieldDescriptor) -> Sayer:
    name = field.name
    names = enum_names(field)
    if names is None:
        return _count_sayer(name)
    return lambda values: f"{name}={','.join(_short(names.get(value)) or str(value) for value in values)}"


def _message_sayer(descriptor: Descriptor) -> Sayer:
    def say(message: Any) -> str | None:
        sayers = _sayers.get(descriptor)
        if sayers is None:
            sayers = _sayers[descriptor] = _make_sayers(descriptor)
        found = (sayers[field.number](value) for field, value in message.ListFields() if field.number in sayers)
        return " ".join(filter(None, found)) or None

    return say


def short_enum_name(name: str) -> str:
    """Leave out the enum's own name, which the vendor puts in front: ``SubType_RT`` is ``RT``."""
    return name.partition("_")[2] or name


def _short(name: str | None) -> str | None:
    return None if name is None else short_enum_name(name)


def _quoted(value: str | bytes) -> str:
    """Write text on one line; quoted where it would otherwise run into its neighbours."""
    text = value if isinstance(value, str) else value.decode(errors="backslashreplace")
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 3] + "..."
    return text if text.isalnum() else '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'
