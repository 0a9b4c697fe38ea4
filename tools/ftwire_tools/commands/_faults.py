"""The options ``--fault`` and ``--list-faults``, which commands that can do something wrong on purpose share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ftwire_tools.gateway.faults import NAMES, FaultError, Rule, parse_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["fault_options", "read_rules"]


def fault_options(what: str) -> Callable[[Any], Any]:
    """Return the option for faults, ``faults``, and the one that lists them; ``what`` begins the help of the first."""
    one = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME[:p=,n=,every=,proto=,client=]",
        help=f"{what}; repeatable. --list-faults shows the names, docs/faults.md has the rest.",
    )
    listed = click.option(
        "--list-faults",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list,
        help="Show what can go wrong, and exit.",
    )
    return lambda function: one(listed(function))


def _list(ctx: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        for name, meaning in NAMES.items():
            click.echo(f"{name:18}{meaning}")
        ctx.exit()


def read_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that are written. Raises ``click.BadParameter``."""
    try:
        return tuple(parse_rule(text) for text in texts)
    except FaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
