"""Requests from what people write: securities as ``HK.00700``, enum values by name, ``c2s`` left out.

::

    build_request(registry["Qot_Sub"], {"securityList": ["HK.00700"], "subTypeList": ["RT"], "isSubOrUnSub": True})

Everything else is protobuf's JSON mapping, as on the wire. What the message does not have is an error here, and
not passed over as in a frame: whoever wrote it meant something.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import decode_body, missing_fields
from ftwire.errors import BodyError
from ftwire.header import BodyFormat
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.enums import enum_names, enum_number, short_enum_name
from ftwire_tools.messages.masking import body_may_hold_secrets

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol

__all__ = ["RequestError", "build_request"]

SECURITY: Final = "Qot_Common.Security"
PACKET_ID: Final = "c2s.packetID"


class RequestError(Exception):
    """What was written is no such request; the sentence says where and why."""


def build_request(protocol: Protocol, values: Mapping[str, Any]) -> Message:
    """Return the request of ``protocol`` that ``values`` describe. Raises ``RequestError``.

    A ``PacketID`` that is left out is left out here too: the connection fills it in.
    """
    message_class = protocol.request
    if message_class is None:
        raise RequestError(f"{protocol.name} is a push: it has no request")
    descriptor: Any = message_class.DESCRIPTOR
    if "c2s" in descriptor.fields_by_name and "c2s" not in values:
        values = {"c2s": values}
    expanded = _message(values, descriptor, "")
    try:
        message = decode_body(json.dumps(expanded).encode(), message_class, BodyFormat.JSON, check_required=False)
    except BodyError as error:
        hides = body_may_hold_secrets(descriptor)
        reason = f"{error.path or 'a value'} does not fit its field" if hides else error.reason
        raise RequestError(f"{protocol.name}: {reason}") from None
    missing = [path for path in missing_fields(message) if not path.startswith(PACKET_ID)]
    if missing:
        raise RequestError(f"{protocol.name}: required fields are missing: {', '.join(missing)}")
    return message


def _message(value: Any, descriptor: Descriptor, path: str) -> dict[str, Any]:
    if descriptor.full_name == SECURITY and isinstance(value, str):
        try:
            market, code = parse_security(value)
        except ValueError as error:
            raise RequestError(f"{path}: {error}") from None
        return {"market": market, "code": code}
    if not isinstance(value, Mapping):
        shown = "something else" if body_may_hold_secrets(descriptor) else json.dumps(value)
        raise RequestError(f"{path or 'the request'}: an object is expected, here is {shown}")
    fields = {name: field for field in descriptor.fields for name in (field.json_name, field.name)}
    made = {}
    for name, item in value.items():
        field = fields.get(name)
        where = f"{path}.{name}" if path else str(name)
        if field is None:
            near = get_close_matches(str(name), fields, n=3)
            known = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"it has {', '.join(f.name for f in descriptor.fields)}"
            )
            raise RequestError(f"{where}: {descriptor.full_name} has no such field; {known}")
        if item is not None:
            made[name] = _field(item, field, where)
    return made


def _field(value: Any, field: FieldDescriptor, path: str) -> Any:
    if not is_repeated(field):
        return _single(value, field, path)
    # One security or one type need not be written as a list of one.
    items = value if isinstance(value, list) else [value]
    return [_single(item, field, f"{path}[{index}]") for index, item in enumerate(items)]


def _single(value: Any, field: FieldDescriptor, path: str) -> Any:
    if field.message_type is not None:
        return _message(value, field.message_type, path)
    if not isinstance(value, str) or field.cpp_type == field.CPPTYPE_STRING:
        return value
    names = enum_names(field)
    if names is None or value.lstrip("-").isdecimal():
        return value
    number = enum_number(names, value)
    if number is None:
        shown = ", ".join(short_enum_name(name) for _, name in sorted(names.items()))
        raise RequestError(f"{path}: {value!r} is none of {shown}")
    return number
