"""``ftwire schema find``: find definitions by a part of their name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from ftwire_tools.commands._options import schema_of, schema_option
from ftwire_tools.schemas.lookup import all_types
from ftwire_tools.schemas.outline import field_line
from ftwire_tools.terminal.cells import screen_of
from ftwire_tools.terminal.output import write

if TYPE_CHECKING:
    from ftwire.protocols import Registry
    from ftwire.schema import Schema

__all__ = ["command"]


class Hit(NamedTuple):
    """A definition whose name contains the text."""

    kind: str
    """``protocol``, ``message``, ``field``, ``enum`` or ``value``."""
    name: str
    """Full name."""
    text: str
    """Its declaration, or its number."""
    file: str


def hits(folded: str, schema: Schema, registry: Registry) -> Iterator[Hit]:
    """Yield every definition whose name contains ``folded``, which is in lower case."""
    for protocol in registry:
        if any(folded in name.casefold() for name in (protocol.name, *protocol.former_names)):
            former = f" (formerly {', '.join(protocol.former_names)})" if protocol.former_names else ""
            yield Hit("protocol", protocol.name, f"{protocol.proto_id}{former}", protocol.file)
    for file, messages, enums in all_types(schema):
        for message in messages:
            if folded in message.name.casefold():
                yield Hit("message", message.full_name, f"{len(message.fields)} fields", file)
            for field in message.fields:
                if folded in field.name.casefold():
                    yield Hit("field", field.full_name, " ".join(field_line(field).split()), file)
        for enum in enums:
            if folded in enum.name.casefold():
                yield Hit("enum", enum.full_name, f"{len(enum.values)} values", file)
            for value in enum.values:
                if folded in value.name.casefold():
                    yield Hit("value", f"{enum.full_name}.{value.name}", str(value.number), file)


@click.command()
@click.argument("text")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["protocol", "message", "field", "enum", "value"]),
    help="Only names of this kind; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and name.")
@schema_option
def command(text: str, kinds: tuple[str, ...], as_json: bool, schema: str | None) -> None:
    """Find messages, fields, enums and enum values by a part of their name, letter case aside.

    Exits with 1 when nothing is found.

    \b
    Examples:
      ftwire schema find turnover
      ftwire schema find overnight --kind value --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if not text:
        raise click.UsageError("nothing to look for")
    found = [hit for hit in hits(text.casefold(), *schema_of(schema)) if not kinds or hit.kind in kinds]
    if not found:
        raise click.ClickException(f"no name holds {text!r}")
    width, screen = max(len(hit.name) for hit in found), screen_of(sys.stdout)
    if screen is not None and 12 + width + max(len(hit.text) for hit in found) > screen.columns:
        width = screen.columns // 2 - 12
    lines = (json.dumps(hit._asdict()) if as_json else f"{hit.kind:8}  {hit.name:{width}}  {hit.text}" for hit in found)
    write("".join(f"{line}\n" for line in lines))
