"""Which captured replies ``serve`` gives, and what becomes of requests without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import click
from click.core import ParameterSource

from ftwire_tools.commands._addresses import ADDRESS
from ftwire_tools.commands._keys import read_key
from ftwire_tools.commands._option_group import option_group
from ftwire_tools.gateway.load import LoadError, load
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.matching import Match
from ftwire_tools.gateway.push_scheduler import Pace
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.terminal.addresses import Address

__all__ = ["CaptureOptions", "capture_options", "read_captures"]


class CaptureOptions(NamedTuple):
    """How requests are answered from captures."""

    capture_keys: tuple[str, ...]
    match: str
    on_miss: str
    forward: Address | None
    forward_key: str | None
    allow_trading: bool
    reuse: bool

    def check(self, *, synthetic: bool) -> None:
        """Raise ``click.UsageError`` where one option lacks another, or has no use beside a market."""
        given = click.get_current_context().get_parameter_source("on_miss") is ParameterSource.COMMANDLINE
        if synthetic and given:
            raise click.UsageError("--on-miss or --synthetic, not both: the market answers what was not captured")
        if (self.on_miss == OnMiss.FORWARD) != (self.forward is not None):
            raise click.UsageError("--on-miss forward and --forward HOST:PORT need each other")


capture_options: Final = option_group(
    "answering",
    CaptureOptions,
    click.option(
        "--capture-key",
        "capture_keys",
        multiple=True,
        metavar="PEM",
        help="RSA private key to decrypt captures with; repeatable. --key is tried too.",
    ),
    click.option(
        "--match",
        type=click.Choice([one.value for one in Match]),
        default=Match.EXACT.value,
        show_default=True,
        help="What of a request must agree with a captured one: the whole body, else its securities, else its"
        " protocol.",
    ),
    click.option(
        "--on-miss",
        type=click.Choice([one.value for one in OnMiss]),
        default=OnMiss.ERROR.value,
        show_default=True,
        help="What a request without captured reply gets.",
    ),
    click.option("--forward", type=ADDRESS, metavar="HOST:PORT", help="The real gateway for --on-miss forward."),
    click.option("--forward-key", metavar="PEM", help="RSA private key of that gateway."),
    click.option("--allow-trading", is_flag=True, help="Forward requests that place, change or unlock too."),
    click.option(
        "--reuse/--no-reuse",
        default=True,
        show_default=True,
        help="Whether the last captured reply to a request is given again.",
    ),
)
"""Options whose values a command gets as ``answering``."""


def read_captures(
    captures: Sequence[str], options: CaptureOptions, key_path: str | None, *, pace: Pace, now: int | None, log: Log
) -> Replay:
    """Return the answers of captures; ``key_path`` names a further key to decrypt them with.

    Raises ``click.ClickException``.
    """
    forwarding = None
    if options.forward is not None:
        from ftwire_tools.gateway.forward import Forward

        key = read_key(options.forward_key)
        forwarding = Forward(*options.forward, key=key, allow_trading=options.allow_trading, log=log)
    replay = Replay(
        match=Match(options.match),
        on_miss=OnMiss(options.on_miss),
        reuse=options.reuse,
        pace=pace,
        now=now,
        forward=forwarding,
        log=log,
    )
    keys = [found for found in map(read_key, (*options.capture_keys, key_path)) if found is not None]
    try:
        load(replay, captures, keys, log)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None
    except LoadError as error:
        raise click.ClickException(str(error)) from None
    return replay
