"""``ftwire schema show``: one protocol, message, enum or file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._completion import complete_names
from ftwire_tools.commands._options import schema_of, schema_option
from ftwire_tools.schemas.lookup import NotFoundError, look_up, reachable
from ftwire_tools.schemas.outline import enum_facts, message_facts, outline, protocol_facts
from ftwire_tools.terminal.output import write

if TYPE_CHECKING:
    from ftwire.schema import Schema

__all__ = ["command"]


def proto_of(schema: Schema, file: str) -> str:
    """Return a file as ``.proto`` text, with nothing in it that protoc does not read."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from ftwire_tools.schemas.proto_writer import UnsupportedFeatureError, proto_text

    try:
        return proto_text(FileDescriptorProto.FromString(schema.serialized_file(file)))
    except UnsupportedFeatureError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("name", metavar="PROTOCOL|ID|MESSAGE|ENUM|FILE", shell_complete=complete_names)
@click.option("--proto", "form", flag_value="proto", help="The file as .proto text.")
@click.option("--json", "form", flag_value="json", help="One JSON object.")
@click.option("--json-schema", "form", flag_value="json-schema", help="JSON Schema of the JSON bodies.")
@click.option("--strict", is_flag=True, help="With --json-schema: refuse members that the messages do not have.")
@schema_option
def command(name: str, form: str | None, strict: bool, schema: str | None) -> None:
    """Show a protocol, a message, an enum or a file, with every type it refers to.

    Behind an integer is the enum that its values are of, where that is known.

    \b
    Examples:
      ftwire schema show Qot_GetRT
      ftwire schema show 3008 --schema futu-api==6.2.2708
      ftwire schema show Qot_GetRT.Response --json-schema > reply.json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if strict and form != "json-schema":
        raise click.UsageError("--strict goes with --json-schema")
    definitions, registry = schema_of(schema)
    try:
        found = look_up(name, definitions, registry)
    except NotFoundError as error:
        raise click.ClickException(str(error)) from None
    if form == "proto":
        write(proto_of(definitions, found.file))
        return
    messages, enums = reachable(found.messages, definitions)
    enums = [*found.enums, *(enum for enum in enums if enum not in found.enums)]
    if form == "json-schema":
        from ftwire_tools.schemas.json_schemas import json_schema

        if not found.messages:
            raise click.UsageError(f"{name} is no message: JSON Schema describes bodies")
        write(f"{json.dumps(json_schema(found.messages, messages, strict=strict), indent=1)}\n")
    elif form == "json":
        facts = {
            "protocol": protocol_facts(found.protocol) if found.protocol is not None else None,
            "file": found.file,
            "messages": [message_facts(message) for message in messages],
            "enums": [enum_facts(enum) for enum in enums],
        }
        write(f"{json.dumps(facts)}\n")
    else:
        write(f"{outline(found.protocol, messages, enums)}\n")
