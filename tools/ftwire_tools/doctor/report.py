"""Checks as lines of text, and as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ftwire_tools.doctor.checks import Check, Status
from ftwire_tools.terminal.cells import screen_of, wrapped
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import paint_for, printable

if TYPE_CHECKING:
    from ftwire_tools.terminal.addresses import Address

__all__ = ["print_check", "print_end", "print_json"]

WIDTH: Final = 20
"""Columns of the name of a check."""


def print_check(check: Check) -> None:
    """Print one check, with its remedy on a line of its own. Raises ``OutputError``."""
    paint = paint_for(sys.stdout)
    colour = {Status.OK: paint.response, Status.WARNING: paint.push, Status.FAILED: paint.bad}[check.status]
    name = check.name.replace("_", " ")
    screen, margin = screen_of(sys.stdout), " " * (8 + WIDTH)
    text, remedy = (
        f"\n{margin}".join(wrapped(each, len(margin), screen)) for each in map(printable, (check.text, check.remedy))
    )
    out = f"{colour}{check.status.value:<8}{paint.reset}{name:<{WIDTH}}{text}\n"
    if remedy:
        out += f"{margin}{paint.faint}{remedy}{paint.reset}\n"
    write(out)


def print_end(checks: Sequence[Check]) -> None:
    """Print how many checks failed. Raises ``OutputError``."""
    failed = sum(check.status is Status.FAILED for check in checks)
    warned = sum(check.status is Status.WARNING for check in checks)
    if failed:
        text = f"{failed} of {len(checks)} checks failed."
    else:
        text = f"{len(checks)} checks, none failed" + (f", {warned} with a warning." if warned else ".")
    write(f"{text}\n")


def print_json(address: Address, checks: Sequence[Check]) -> None:
    """Print all checks as one JSON object. Raises ``OutputError``."""
    found = {
        "address": str(address),
        "ok": all(check.status is not Status.FAILED for check in checks),
        "checks": [
            {
                "check": check.name,
                "status": check.status.value,
                "text": check.text,
                "remedy": check.remedy or None,
                "facts": check.facts,
            }
            for check in checks
        ],
    }
    write(json.dumps(found) + "\n")
