"""Requests to start from: the fields that a message needs, with example values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import is_repeated, is_required
from ftwire_tools.messages.enums import enum_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["filled"]

EXAMPLES: Final[dict[str, Any]] = {
    # Message and field, or field alone: example values where OpenD does not accept zero or an empty text.
    "Qot_Common.Security.market": 1,
    "Trd_Common.TrdHeader.trdEnv": 0,  # the simulated account, whatever else is filled in
    "code": "00700",
    "subTypeList": [1],
    "isSubOrUnSub": True,
    "isRegOrUnReg": True,
    "num": 10,
    "count": 10,
    "maxRetNum": 10,
    "maxAckNum": 10,
    "beginTime": "2021-06-09",
    "endTime": "2021-06-10",
}
SECURITY: Final = "Qot_Common.Security"
PACKET_ID: Final = "Common.PacketID"
DEPTH: Final = 8
"""Largest nesting depth. No vendor message is nested deeper; one that contains itself would have no end."""


def filled(
    message: Descriptor, *, everything: bool = False, for_call: bool = False, depth: int = DEPTH
) -> dict[str, Any]:
    """Return the fields that a request needs, or all of them, with values of the right type.

    ``for_call`` makes what is shorter and only ``ftwire call`` takes: a security is a text such as ``HK.00700``, and
    fields that may be left out are there as ``None``.
    """
    made = {}
    for field in message.fields:
        inner = field.message_type
        if inner is not None and inner.full_name == PACKET_ID and not everything:
            # The replay protection, which the connection fills in.
            continue
        if is_required(field) or ((everything or _is_needed(field)) and (depth > 0 or inner is None)):
            one = _value(field, everything=everything, for_call=for_call, depth=depth)
            made[field.name] = [one] if is_repeated(field) else one
        elif for_call:
            made[field.name] = None
    return made


def _is_needed(field: FieldDescriptor) -> bool:
    """Return whether a request is useless without this list, which a ``.proto`` file cannot require."""
    is_security = field.message_type is not None and field.message_type.full_name == SECURITY
    return is_repeated(field) and (is_security or field.name in EXAMPLES)


def _value(field: FieldDescriptor, *, everything: bool, for_call: bool, depth: int) -> Any:
    """Return a value for a field, of a list for one item: an example, its default, or the smallest one."""
    example = EXAMPLES.get(field.full_name, EXAMPLES.get(field.name))
    if example is not None and _fits(example, field):
        return example[0] if isinstance(example, list) else example
    if field.message_type is not None:
        if for_call and field.message_type.full_name == SECURITY:
            return "HK.00700"
        return filled(field.message_type, everything=everything, for_call=for_call, depth=depth - 1)
    if field.has_default_value:
        return field.default_value
    if field.enum_type is None and (enum := enum_of(field)) is not None:
        # 0 is mostly "unknown", which a server refuses.
        return next((value.number for value in enum.values if value.number > 0), 0)
    if field.enum_type is not None:
        return next((value.name for value in field.enum_type.values if value.number), field.enum_type.values[0].name)
    if field.cpp_type == field.CPPTYPE_STRING:
        return ""
    if field.cpp_type == field.CPPTYPE_BOOL:
        return False
    return "0" if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64} else 0


def _fits(example: Any, field: FieldDescriptor) -> bool:
    if isinstance(example, list) != is_repeated(field) or field.message_type is not None:
        return False
    inner = example[0] if isinstance(example, list) else example
    kind = {str: field.CPPTYPE_STRING, bool: field.CPPTYPE_BOOL, int: field.CPPTYPE_INT32}[type(inner)]
    return bool(field.cpp_type == kind)
