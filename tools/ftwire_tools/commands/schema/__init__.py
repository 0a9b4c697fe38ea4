"""``ftwire schema``: message definitions, ours and those of any SDK release. One module a subcommand."""

from __future__ import annotations

from typing import Final

import click

from ftwire_tools.commands._group import LazyGroup

__all__ = ["COMMANDS", "command"]

COMMANDS: Final = {
    "list": "List protocols: ID, name, kind, and the SDK releases that have them.",
    "show": "Show a protocol, message, enum or file, as text, .proto, JSON or JSON Schema.",
    "find": "Find messages, fields, enums and values by a part of their name.",
    "template": "Write a minimal request as JSON, to fill in.",
    "diff": "Compare two schemas: ours, an SDK release, .proto files, a descriptor set.",
    "history": "Say what each SDK release changed.",
    "update": "Make proto/ from a newer SDK, in a source checkout.",
}
"""Subcommand, which is also the name of its module, to its line of help."""


@click.group(cls=LazyGroup, package="ftwire_tools.commands.schema", table=COMMANDS)
def command() -> None:
    """Look up messages, and compare them between SDK versions.

    \b
    Examples:
      ftwire schema show Qot_GetRT
      ftwire schema diff futu-api==9.6.5608 ours
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
