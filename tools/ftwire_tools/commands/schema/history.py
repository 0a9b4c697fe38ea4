"""``ftwire schema history``: the changes of each SDK release."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._options import colour_option
from ftwire_tools.schemas.changelog import built_in_changes, built_in_history
from ftwire_tools.schemas.drift import change_lines, tally
from ftwire_tools.schemas.sdk import version_key
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import paint_for

if TYPE_CHECKING:
    from ftwire_tools.schemas.schema_diff import Change

__all__ = ["command"]


def _version(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return version_key(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no version such as 10.9.6908", param=parameter) from None


def _is_within(version: str, since: tuple[int, ...] | None, until: tuple[int, ...] | None) -> bool:
    key = version_key(version)
    # "until 9" means every release of 9.
    return (since is None or key >= since) and (until is None or key[: len(until)] <= until)


@click.command()
@click.argument("versions", nargs=-1, metavar="[VERSION]...")
@click.option("--since", callback=_version, metavar="VERSION", help="Only from this release on.")
@click.option("--until", callback=_version, metavar="VERSION", help="Only up to this release; 9 means all of 9.")
@click.option("--about", metavar="GLOB", help="Only changes to names like this, each in full, e.g. 'Qot_GetRT.*'.")
@click.option("--breaking", is_flag=True, help="Only what breaks the wire, each in full.")
@click.option("--full", is_flag=True, help="Every change; otherwise only for releases that are named.")
@colour_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and release, every change in it.")
def command(
    versions: tuple[str, ...],
    since: tuple[int, ...] | None,
    until: tuple[int, ...] | None,
    about: str | None,
    breaking: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Show what each release of the vendor's Python SDK changed, from 3.6.3 to the one that ours is made from.

    Without options, one line a release. Names of protocols start with their ID: --about '* Trd_*'. Exits with 1
    when nothing matches.

    \b
    Examples:
      ftwire schema history --since 10
      ftwire schema history 10.9.6908
      ftwire schema history --about 'Qot_Common.QotHeader*'
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    log, ids = built_in_changes().releases, built_in_history().releases
    if unknown := [version for version in versions if version not in log]:
        raise click.UsageError(f"no release {unknown[0]} (ftwire schema history lists them)")
    filtered = breaking or about is not None
    paint = paint_for(sys.stdout)
    lines: list[str] = []
    for version, all_changes in log.items():
        if (versions and version not in versions) or not _is_within(version, since, until):
            continue
        changes: list[Change] = [
            change
            for change in all_changes
            if (change.is_breaking or not breaking) and (about is None or fnmatchcase(change.name, about))
        ]
        if filtered and not changes:
            continue
        if as_json:
            facts = {"version": version, "protocols": len(ids[version]), "changes": [one.facts() for one in changes]}
            lines.append(json.dumps(facts))
            continue
        summary = _summary(version, changes, first=next(iter(log)))
        lines.append(f"{version:12} {len(ids[version]):4} protocols  {summary}")
        if full or filtered or versions:
            lines += (f"  {line}" for line in change_lines(changes, paint))
    if not lines:
        raise click.ClickException("nothing matches")
    write("".join(f"{line}\n" for line in lines))


def _summary(version: str, changes: list[Change], *, first: str) -> str:
    return "the oldest release published" if version == first else tally(changes)
