"""What the shell offers as values of arguments and options: files, protocols, securities, gateways.

Each function is a ``shell_complete`` of click. Everything is imported where it is needed: help needs none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["complete_codes", "complete_files", "complete_names", "complete_protocols"]


def complete_files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file's name, as it does for other programs."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_protocols(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name or the ID of a protocol, the last one of a list with commas."""
    from ftwire.protocols import registry

    named = [(each.name, str(each.proto_id)) for each in registry]
    return _beginning(incomplete, [*named, *((number, name) for name, number in named)])


def complete_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name or the ID of a protocol, or the name of a file of definitions."""
    from ftwire.protocols import registry
    from ftwire.schema import schema

    found = [(each.name, str(each.proto_id)) for each in registry]
    found += [(number, name) for name, number in found]
    found += [(name, "") for name in schema.file_names]
    return _beginning(incomplete, found)


def complete_codes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a security: those that the made-up market has, and the prefixes of markets."""
    from ftwire_tools.markets.codes import security_name
    from ftwire_tools.markets.exchanges import QOT_PREFIXES
    from ftwire_tools.synthetic.universe import default_universe

    known = [(security_name(each.market, each.code), each.name) for each in default_universe()]
    prefixes = [(f"{prefix}.", "") for prefix in dict.fromkeys(QOT_PREFIXES.values())]
    return _beginning(incomplete, [*known, *prefixes])


def _beginning(incomplete: str, known: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    """Return what begins with the last part of a list with commas, in either case."""
    from click.shell_completion import CompletionItem

    before, comma, last = incomplete.rpartition(",")
    start = last.lower()
    return [
        CompletionItem(f"{before}{comma}{value}", help=line or None)
        for value, line in known
        if value.lower().startswith(start)
    ]
