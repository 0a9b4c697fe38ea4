"""``ftwire schema diff``: the changes from one schema to another."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase

import click

from ftwire_tools.commands._options import colour_option, definitions_of
from ftwire_tools.schemas.drift import change_lines, drift_between, tally
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import paint_for

__all__ = ["command"]


@click.command(epilog="Exit codes: 0 no difference, 1 they differ or one of them cannot be read, 2 wrong usage.")
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@colour_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--breaking", is_flag=True, help="Only what breaks the wire; exit with 1 only for that.")
@click.option("--about", metavar="GLOB", help="Only changes to names like this, e.g. 'Qot_GetRT.*'.")
@click.pass_context
def command(ctx: click.Context, old: str, new: str, as_json: bool, breaking: bool, about: str | None) -> None:
    """Compare schema A, the older one, with schema B: what was added, removed and changed.

    Each is one of: ours; futu-api or moomoo-api, as installed or else the newest published; futu-api==VERSION,
    downloaded with pip unless it is installed; futu-api==latest; a wheel or source archive; a directory with an
    SDK or with .proto files; a descriptor set as protoc writes it.

    A change breaks the wire when bodies written with one schema are not read the same with the other; "old to new"
    means only bodies of A read with B. Fields and enum values that a reader does not have are ignored and break
    nothing, unless they are required. Names break JSON bodies only.

    Definitions of old SDKs, which ours keeps for old captures, are no difference.

    \b
    Examples:
      ftwire schema diff futu-api==9.6.5608 ours
      ftwire schema diff ours futu-api==latest --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    one, other = definitions_of(old), definitions_of(new)
    drift = drift_between(one, other)
    changes = [
        change
        for change in drift.changes
        if (change.is_breaking or not breaking) and (about is None or fnmatchcase(change.name, about))
    ]
    if as_json:
        facts = {
            "old": one.label,
            "new": other.label,
            "breaking": any(change.is_breaking for change in changes),
            "changes": [change.facts() for change in changes],
            "kept": drift.kept,
        }
        write(f"{json.dumps(facts)}\n")
    else:
        paint = paint_for(sys.stdout)
        kept = f" (kept of old releases: {len(drift.kept)})" if drift.kept else ""
        lines = [*change_lines(changes, paint), f"{one.label} -> {other.label}: {tally(changes)}{kept}"]
        write("".join(f"{line}\n" for line in lines))
    ctx.exit(1 if changes else 0)
