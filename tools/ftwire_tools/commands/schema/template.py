"""``ftwire schema template``: write a request to fill in."""

from __future__ import annotations

import json

import click

from ftwire_tools.commands._completion import complete_protocols
from ftwire_tools.commands._options import schema_of, schema_option
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.schemas.lookup import NotFoundError, look_up
from ftwire_tools.schemas.templates import filled
from ftwire_tools.terminal.output import write

__all__ = ["command"]


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
