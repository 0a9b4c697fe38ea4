"""``ftwire schema template``: write a request to fill in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire_tools.commands._completion import complete_protocols
from ftwire_tools.commands._options import schema_of, schema_option
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated, is_required
from ftwire_tools.messages.enums import enum_of
from ftwire_tools.schemas.lookup import NotFoundError, look_up
from ftwire_tools.terminal.output import write

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["command"]

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


def filled(message: Descriptor, *, everything: bool, depth: int = DEPTH) -> dict[str, Any]:
    """Return the fields that a request needs, or all of them, with values of the right type."""
    return {
        field.name: value_of(field, everything=everything, depth=depth)
        for field in message.fields
        if (is_required(field) and (everything or not is_packet_id(field)))
        or ((everything or is_needed(field)) and (depth > 0 or field.message_type is None))
    }


def is_needed(field: FieldDescriptor) -> bool:
    """Return whether a request is useless without this list, which a ``.proto`` file cannot require."""
    is_security = field.message_type is not None and field.message_type.full_name == SECURITY
    return is_repeated(field) and (is_security or field.name in EXAMPLES)


def is_packet_id(field: FieldDescriptor) -> bool:
    """Return whether a field is the replay protection, which the connection fills in."""
    return field.message_type is not None and field.message_type.full_name == PACKET_ID


def value_of(field: FieldDescriptor, *, everything: bool, depth: int) -> Any:
    """Return a value for a field: an example, its default, or the smallest one."""
    one: Any
    example = EXAMPLES.get(field.full_name, EXAMPLES.get(field.name))
    if example is not None and _fits(example, field):
        return example
    if field.message_type is not None:
        one = filled(field.message_type, everything=everything, depth=depth - 1)
    elif field.has_default_value:
        one = field.default_value
    elif field.enum_type is None and (enum := enum_of(field)) is not None:
        # 0 is mostly "unknown", which a server refuses.
        one = next((value.number for value in enum.values if value.number > 0), 0)
    elif field.enum_type is not None:
        one = next((value.name for value in field.enum_type.values if value.number), field.enum_type.values[0].name)
    elif field.cpp_type == field.CPPTYPE_STRING:
        one = ""
    elif field.cpp_type == field.CPPTYPE_BOOL:
        one = False
    elif field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64}:
        one = "0"
    else:
        one = 0
    return [one] if is_repeated(field) else one


def _fits(example: Any, field: FieldDescriptor) -> bool:
    if isinstance(example, list) != is_repeated(field) or field.message_type is not None:
        return False
    inner = example[0] if isinstance(example, list) else example
    kind = {str: field.CPPTYPE_STRING, bool: field.CPPTYPE_BOOL, int: field.CPPTYPE_INT32}[type(inner)]
    return bool(field.cpp_type == kind)


@click.command()
@click.argument("name", metavar="PROTOCOL|ID|MESSAGE", shell_complete=complete_protocols)
@click.option("--all", "everything", is_flag=True, help="Optional fields too.")
@click.option("--compact", is_flag=True, help="On one line.")
@schema_option
def command(name: str, everything: bool, compact: bool, schema: str | None) -> None:
    """Write a minimal request as JSON: every required field, and lists of securities, with example values.

    It is a JSON body as on the wire; "ftwire call" accepts it. A packetID is left for the client to fill
    in, except with --all.

    \b
    Examples:
      ftwire schema template Qot_GetRT
      ftwire schema template Trd_PlaceOrder --all > order.json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    definitions, registry = schema_of(schema)
    try:
        found = look_up(name, definitions, registry)
    except NotFoundError as error:
        raise click.ClickException(str(error)) from None
    if found.protocol is not None:
        if found.protocol.request is None:
            raise click.ClickException(f"{found.protocol.name} is a push: it has no request")
        root = descriptor_of(found.protocol.request)
    elif len(found.messages) == 1:
        root = found.messages[0]
    else:
        raise click.ClickException(f"{name} is neither a protocol nor a message")
    write(f"{json.dumps(filled(root, everything=everything), indent=None if compact else 2)}\n")
