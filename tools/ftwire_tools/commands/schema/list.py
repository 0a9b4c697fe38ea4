"""``ftwire schema list``: every protocol, one line each."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._completion import complete_protocols
from ftwire_tools.commands._options import registry_of, schema_option
from ftwire_tools.schemas.outline import kind_of, protocol_facts
from ftwire_tools.terminal.output import write

if TYPE_CHECKING:
    from ftwire.protocols import Protocol

__all__ = ["command"]


def as_line(protocol: Protocol, width: int) -> str:
    """Return a protocol as a line of text."""
    notes = []
    if protocol.since:
        notes.append(f"since {protocol.since}")
    if protocol.last:
        notes.append(f"last in {protocol.last}")
    if protocol.is_websocket_only:
        notes.append("WebSocket only")
    if protocol.former_names:
        notes.append(f"formerly {', '.join(protocol.former_names)}")
    line = f"{protocol.proto_id:5}  {protocol.name:{width}}  {kind_of(protocol):7}  {', '.join(notes)}"
    return line.rstrip()


def wanted(protocol: Protocol, patterns: tuple[str, ...]) -> bool:
    """Return whether a protocol's ID, or one of its names, past ones included, matches one of the globs."""
    names = [str(protocol.proto_id), *(name.casefold() for name in (protocol.name, *protocol.former_names))]
    return not patterns or any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)


@click.command()
@click.argument("patterns", nargs=-1, metavar="[NAME|ID|GLOB]...", shell_complete=complete_protocols)
@click.option("--kind", type=click.Choice(["request", "push"]), help="Only what is asked for, or only pushes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and protocol.")
@schema_option
def command(patterns: tuple[str, ...], kind: str | None, as_json: bool, schema: str | None) -> None:
    """List protocols: ID, name, kind, and the SDK releases that have them.

    A protocol without "since" is in the oldest release published (3.6.3) already. Exits with 1 when nothing
    matches.

    \b
    Examples:
      ftwire schema list 'Qot_Update*'
      ftwire schema list --kind push --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    found = [
        protocol
        for protocol in registry_of(schema)
        if wanted(protocol, patterns) and kind in (None, kind_of(protocol))
    ]  # fmt: skip
    if not found:
        raise click.ClickException(f"no protocol matches {' '.join(patterns) or kind}")
    width = max(len(protocol.name) for protocol in found)
    lines = (json.dumps(protocol_facts(protocol)) if as_json else as_line(protocol, width) for protocol in found)
    write("".join(f"{line}\n" for line in lines))
