"""How the made-up market of ``serve`` trades, and when it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource

from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._option_group import option_group
from ftwire_tools.gateway.push_scheduler import SECOND
from ftwire_tools.markets.clocks import at_second

if TYPE_CHECKING:
    from ftwire_tools.gateway.limits import Language
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.push_scheduler import Pace
    from ftwire_tools.gateway.replay import Replay
    from ftwire_tools.gateway.synthetic import Synthetic
    from ftwire_tools.gateway.trading.fill_model import FillModel
    from ftwire_tools.synthetic.recordings import Recordings
    from ftwire_tools.synthetic.universe import Universe

__all__ = ["MarketOptions", "make_market", "market_options"]


class MarketOptions(NamedTuple):
    """How the made-up market trades."""

    fills: str
    trade_passwords: tuple[str, ...]
    clock: str | None
    hours: str
    data_paths: tuple[str, ...]

    def check(self, *, synthetic: bool, shift_time: str | None) -> None:
        """Raise ``click.UsageError`` where an option has no use: without such a market, or beside ``--shift-time``."""
        if not synthetic:
            context = click.get_current_context()
            for name, option in (("fills", "--fills"), ("trade_passwords", "--trade-password")):
                if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                    raise click.UsageError(f"{option} is for --synthetic")
        if self.clock is not None and shift_time is not None:
            raise click.UsageError("--clock or --shift-time, not both: each says when the market begins")
        if not synthetic and (self.clock is not None or self.hours != "exchange"):
            raise click.UsageError("--clock and --hours are for --synthetic")
        if not synthetic and self.data_paths:
            raise click.UsageError("--data is for --synthetic")
        if self.data_paths and shift_time is not None:
            raise click.UsageError("--data or --shift-time, not both: data are played at the times that they have")


market_options: Final = option_group(
    "trading",
    MarketOptions,
    click.option(
        "--fills",
        default="book",
        show_default=True,
        metavar="MODEL[:share=,slippage=,latency=]",
        help="How orders are filled: book (against the made-up order book), instant, or half (in halves, each second).",
    ),
    click.option(
        "--trade-password",
        "trade_passwords",
        multiple=True,
        envvar="FTWIRE_TRADE_PASSWORD",
        show_envvar=True,
        metavar="[FIRM=]TEXT",
        help="Password that unlocks trading, of one firm (FUTUINC=...) or of all; repeatable. Without: 123456.",
    ),
    click.option(
        "--clock",
        metavar="us-open|hk-open|TIME",
        help="When the made-up market begins: half an hour after New York (the default) or Hong Kong has opened on"
        " 2024-06-12, or a time in ISO 8601 such as 2024-07-03T12:55:00-04:00.",
    ),
    click.option(
        "--hours",
        type=click.Choice(["exchange", "always"]),
        default="exchange",
        show_default=True,
        help="When the made-up market trades: in the hours of each exchange, or always, as in its regular session.",
    ),
    click.option(
        "--data",
        "data_paths",
        multiple=True,
        metavar="PATH",
        shell_complete=complete_files,
        help="Play your own bars and trades in the made-up market, which begins where they do: Parquet, CSV, or a"
        " directory of them or of ftwire export; repeatable.",
    ),
)
"""Options whose values a command gets as ``trading``."""


def make_market(
    options: MarketOptions,
    universe_path: str | None,
    replay: Replay | None,
    *,
    seed: int,
    pace: Pace,
    now: int | None,
    language: Language,
    log: Log,
) -> Synthetic:
    """Return the answers of the made-up market, with its accounts, behind those of captures if there are some.

    Raises ``click.ClickException``.
    """
    # Imported late: captures are served without it.
    from ftwire_tools.gateway.captured_first import CapturedFirst
    from ftwire_tools.gateway.synthetic import Synthetic
    from ftwire_tools.gateway.trading.requests import DEFAULT_PASSWORD
    from ftwire_tools.synthetic.trading_day import ClockError, start_time

    try:
        if options.clock is not None:
            now = start_time(options.clock) * SECOND
    except ClockError as error:
        raise click.BadParameter(str(error), param_hint="--clock") from None
    password, passwords = _passwords(options.trade_passwords)
    universe = _universe(universe_path)
    arguments: dict[str, Any] = {
        "seed": seed,
        "pace": pace,
        "now": now,
        "universe": universe,
        "always_open": options.hours == "always",
        "fills": _fills(options.fills),
        "password": DEFAULT_PASSWORD if password is None else password,
        "passwords": passwords,
        "language": language,
        "recordings": _recordings(options.data_paths, universe, log),
    }
    try:
        made = Synthetic(**arguments) if replay is None else CapturedFirst(replay, **arguments)
    except ClockError as error:
        raise click.UsageError(f"{error}; with --hours always none are needed") from None
    for code, count in made.market.outside_hours().items():
        log("left-out", code=code, rows=count, reason="not in the trading hours of its exchange")
    return made


def _recordings(paths: Sequence[str], universe: Universe, log: Log) -> Recordings | None:
    """Return the user's own market data; ``None`` without any."""
    if not paths:
        return None
    from ftwire_tools.synthetic.recordings import RecordingError, load_recordings

    try:
        found = load_recordings(paths, universe)
    except (RecordingError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None
    log("data", instruments=len(found.found), begin=at_second(found.start, ZoneInfo("UTC")).isoformat(" "))
    if found.skipped:
        log("left-out", rows=found.skipped, reason="bars of other widths than a minute or a day, or adjusted backward")
    return found


def _universe(path: str | None) -> Universe:
    from ftwire_tools.synthetic.universe import UniverseError, default_universe, load_universe, read_universe

    if path is None:
        return default_universe()
    try:
        with file_errors(path):
            if path == "-":
                with click.open_file("-", encoding="utf-8") as lines:
                    return read_universe(lines, "standard input")
            return load_universe(path)
    except UniverseError as error:
        raise click.ClickException(str(error)) from None


def _fills(text: str) -> FillModel:
    from ftwire_tools.gateway.trading.fill_model import FillModelError, parse_fills

    try:
        return parse_fills(text)
    except FillModelError as error:
        raise click.BadParameter(str(error), param_hint="--fills") from None


def _passwords(texts: Sequence[str]) -> tuple[str | None, dict[int, str]]:
    """Return the password of all firms, ``None`` where none was given, and those of single ones."""
    from ftwire_tools.gateway.trading.order_types import SecurityFirm

    common, own = None, {}
    for text in texts:
        firm, separator, password = text.partition("=")
        if separator and firm in SecurityFirm.__members__:
            own[int(SecurityFirm[firm])] = password
        else:
            common = text
    return common, own
