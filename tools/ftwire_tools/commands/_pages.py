"""What ``ftwire report`` and ``ftwire view`` have in common: what their page hides, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire_tools.messages.sensitive_fields import SECRET, Category
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire_tools.session_report.shown_bodies import ShownBodies

__all__ = ["about_page", "keep_option", "max_frames_option", "page_secrets_option", "shown_bodies"]

MOST_FRAMES: Final = 370_000
"""A row has up to 48 pixels, and Firefox shows no element that is higher than 17.8 million."""

keep_option: Final[Callable[[Any], Any]] = click.option(
    "--keep",
    multiple=True,
    type=click.Choice([str(each) for each in Category if each not in SECRET and each is not Category.AMOUNT]),
    help="Show these as they are; repeatable.",
)

page_secrets_option: Final[Callable[[Any], Any]] = click.option(
    "--show-secrets", is_flag=True, help="Hide nothing: the page has keys, passwords and accounts in it."
)


def max_frames_option(least: int, *, until: str = "") -> Callable[[Any], Any]:
    """Return ``--max-frames`` of a page that lists at least ``least``; ``until`` is what ends its limit."""
    return click.option(
        "--max-frames",
        type=click.IntRange(least, MOST_FRAMES),
        default=200_000,
        show_default=True,
        metavar="N",
        help=f"Frames that are listed; later ones count in the overview only{until}.",
    )


def shown_bodies(keep: Sequence[str], *, show_secrets: bool) -> ShownBodies:
    """Return what decides how much of a body the page shows, from these options."""
    from ftwire_tools.session_report.shown_bodies import ShownBodies

    return ShownBodies(show_secrets=show_secrets, keep=[Category(name) for name in keep])


def about_page(
    title: str, inputs: Sequence[str], shown: ShownBodies, *, chosen: str = "", show_secrets: bool
) -> dict[str, Any]:
    """Return what the page says of itself; ``chosen`` is the filter that it was made with."""
    return {
        # A name of a file may hold bytes that are no text.
        "title": printable(title),
        "inputs": list(map(printable, inputs)),
        "filter": chosen,
        "secrets": show_secrets,
        "hidden": sorted(map(str, shown.categories)),
    }
