"""How fast ``serve`` sends pushes or lets its market's time pass, and where that begins."""

from __future__ import annotations

import math
import time
from typing import Final, NamedTuple

import click

from ftwire_tools.commands._option_group import option_group
from ftwire_tools.gateway.push_scheduler import MAX_PAUSE, Pace

__all__ = ["PaceOptions", "pace_options"]


class PaceOptions(NamedTuple):
    """How fast pushes are sent or the market's time passes."""

    speed: float
    topspeed: bool
    max_pause: float
    looped: bool
    shift_time: str | None

    @property
    def pace(self) -> Pace:
        """The pace that the options describe."""
        return Pace(
            None if self.topspeed else self.speed,
            loop=self.looped,
            max_pause=None if math.isinf(self.max_pause) else self.max_pause,
        )

    def now(self) -> int | None:
        """Return the time at which the capture or the market is to begin, in nanoseconds; ``None`` for its own."""
        return time.time_ns() if self.shift_time == "now" else None


pace_options: Final = option_group(
    "pacing",
    PaceOptions,
    click.option(
        "--speed",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        show_default=True,
        help="Pushes at so many times their captured rhythm, or market seconds a second.",
    ),
    click.option("--topspeed", is_flag=True, help="Pushes as fast as clients read."),
    click.option(
        "--max-pause",
        type=click.FloatRange(min=0),
        default=MAX_PAUSE,
        show_default=True,
        metavar="SECONDS",
        help="Longest wait for the next captured push: longer pauses, such as a night, are shortened; inf for none.",
    ),
    click.option("--loop", "looped", is_flag=True, help="Begin captured pushes again when they are over."),
    click.option(
        "--shift-time",
        type=click.Choice(["now"]),
        help="Move times in messages so that the capture, or the market, begins now.",
    ),
)
"""Options whose values a command gets as ``pacing``."""
