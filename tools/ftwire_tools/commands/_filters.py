"""The option ``-Y``: which frames are shown, as an expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from ftwire_tools.filters.compiler import Filter

__all__ = ["UNANSWERED", "filter_of", "filter_option"]

UNANSWERED: Final = (
    "unanswered is known when a capture has been read to its end: it works with ftwire dump of files only, not of "
    "standard input and pipes, and in no other command"
)
"""Why a filter with ``unanswered`` is refused."""
_HINT: Final = "-Y"


def filter_option(what: str) -> Callable[[Any], Any]:
    """Return the option ``-Y``; ``what`` begins its help. Its value goes to ``filter_of``."""
    return click.option(
        "-Y",
        "--filter",
        "expression",
        metavar="EXPRESSION",
        help=f"{what}: 'proto ~ Qot_Get* and latency > 50ms'. docs/filters.md has the language.",
    )


def filter_of(
    expression: str | None,
    *,
    registry: Registry = registry,
    show_secrets: bool = False,
    whole_files: bool = False,
) -> Filter | None:
    """Return the filter of ``-Y``. Raises ``click.BadParameter``.

    ``whole_files``: the input can be read twice, so that what comes later may decide.
    """
    if expression is None:
        return None
    # Imported late: most runs have no filter, and it brings a parser.
    from ftwire_tools.filters import parse
    from ftwire_tools.filters.errors import FilterError

    try:
        found = parse(expression, registry=registry, show_secrets=show_secrets)
    except FilterError as error:
        raise click.BadParameter(str(error), param_hint=_HINT) from None
    except ImportError as error:
        raise click.ClickException(f"-Y: {error.name} is not installed: pip install ftwire") from None
    if found.needs_unanswered and not whole_files:
        raise click.BadParameter(UNANSWERED, param_hint=_HINT)
    return found
