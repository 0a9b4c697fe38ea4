"""The made-up market at its present moment: what each instrument shows, and what it has traded.

The market is a clock and a function of time (``prices``): a step moves the clock by a second, and whatever is asked
about an instrument is computed from the time it shows. What nobody asks about costs nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.clocks import at_second
from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.exchanges import EXCHANGES, ZONES
from ftwire_tools.markets.sessions import Hours, MarketState, Session, Trading, hours_of
from ftwire_tools.markets.trading_days import calendar
from ftwire_tools.synthetic.characters import DERIVATIVES, days_of
from ftwire_tools.synthetic.corporate_actions import Adjustment, adjustment
from ftwire_tools.synthetic.history import FORWARD, Bar, daily_bars
from ftwire_tools.synthetic.market import LEVELS
from ftwire_tools.synthetic.minute_prices import ticks_of
from ftwire_tools.synthetic.options import find_option, owner_of_option
from ftwire_tools.synthetic.price_steering import PriceSteering
from ftwire_tools.synthetic.prices import UNIT, Days, PriceBar, Tick
from ftwire_tools.synthetic.random_days import RandomDays
from ftwire_tools.synthetic.recorded_days import RecordedDays
from ftwire_tools.synthetic.trading_session import (
    ALL_SESSIONS,
    EXTENDED,
    REGULAR,
    MinuteTicks,
    SessionMinutes,
    Summary,
)
from ftwire_tools.synthetic.universe import Kind, Listing, Universe, default_universe

if TYPE_CHECKING:
    from ftwire_tools.synthetic.recordings import Recordings

__all__ = [
    "ALL_SESSIONS",
    "EXTENDED",
    "REGULAR",
    "STARTS",
    "TRADES",
    "Bar",
    "ClockError",
    "Market",
    "Minute",
    "SessionMinutes",
    "StockDay",
    "Summary",
    "Trade",
    "start_time",
]

TRADES: Final = 1000
"""Most trades that a client can request."""
STARTS: Final = {
    "us-open": datetime(2024, 6, 12, 10, tzinfo=ZoneInfo("America/New_York")),
    "hk-open": datetime(2024, 6, 12, 10, tzinfo=ZoneInfo("Asia/Hong_Kong")),
}
"""Names of times at which the market may begin: half an hour after trading has begun in New York or in Hong Kong."""
_FOREVER: Final = 10**9
"""Seconds that a market without calendars goes on."""
_DAYS_BEFORE: Final = 60
"""Days of history that the market has at least."""
_DEPTHS: Final = {
    ("HK", 0): 10,
    ("US", 0): 60,
    ("US", 8): 1,
    ("US", 10): 40,
    ("SH", 0): 5,
    ("SZ", 0): 5,
    ("CC", 0): 40,
}
"""Prefix and ``SecurityType`` (0 for all others) to levels of an order book. Other markets: a guess."""
_WITHOUT_BOOK: Final = frozenset({Kind.INDEX, Kind.PLATE})
"""What nobody trades has no order book."""
_KEPT_SESSIONS: Final = 1024
_KEPT_MINUTES: Final = 1024
_MOST_OPTIONS: Final = 512
"""Options that are kept, of hundreds of thousands that clients can request; each takes some 100 KB."""


class ClockError(ValueError):
    """A time at which the market cannot begin."""


class Trade(NamedTuple):
    """One trade."""

    sequence: int
    """Grows from trade to trade, by one within a trading session."""
    second: int
    """Seconds since 1970."""
    price: float
    volume: int
    direction: int
    """``Qot_Common.TickerDirection``: 1 bought, 2 sold, 3 neither."""


class Minute(NamedTuple):
    """One minute of the day."""

    end: int
    """Its end, in seconds since 1970."""
    open: float
    high: float
    low: float
    close: float
    volume: int
    turnover: float
    average: float
    """Average price of its trading session up to this minute."""
    is_blank: bool = False
    """Whether nothing was traded in it, so that its prices are the last before."""


class StockDay:
    """An instrument at the present moment of the market."""

    def __init__(self, listing: Listing, market: Market, days: Days) -> None:
        self.listing: Final = listing
        self.days_of: Final = days
        """Its days, from which everything else follows."""
        self.hours: Final = days.hours
        self._market: Final = market
        self._ladder: Final = days.ladder
        self._key: Final = listing.market, listing.code
        self._sessions: Final = frozenset(
            window.session for window in self.hours.timetable.windows if window.session is not None
        )
        self._current: Final[dict[frozenset[Session], tuple[int, SessionMinutes]]] = {}
        self._summarized: tuple[int, SessionMinutes, Summary] | None = None
        self._adjustments: dict[date, Adjustment] = {}
        self._year: tuple[date, float, float] | None = None
        self._steering: Final = PriceSteering(days, market.seed)

    @property
    def _now(self) -> int:
        """The present second; for a halted instrument, that at which it was halted."""
        halted_at = self._steering.halted_at
        return self._market.now if halted_at is None else halted_at

    # The clock

    def time(self, second: int | None = None) -> datetime:
        """Return what the exchange's clock shows at a second since 1970, by default at the present one.

        Its ``fold`` is set in the second of two hours that clocks show twice.
        """
        return at_second(self._market.now if second is None else second, self.hours.zone).replace(tzinfo=None)

    def stamp(self, time: datetime) -> float:
        """Return exchange-local time as seconds since 1970."""
        return time.replace(tzinfo=self.hours.zone).timestamp()

    @property
    def state(self) -> MarketState:
        """The state of its market."""
        return self.hours.state(self._now)

    @property
    def is_open(self) -> bool:
        """Whether it is traded now, in any session."""
        return self.hours.open_at(self._now) is not None

    @property
    def session(self) -> Session | None:
        """The trading session that runs now; ``None`` where nothing trades."""
        found = self.hours.open_at(self._now)
        return None if found is None else found.session

    def day(self, sessions: frozenset[Session] = REGULAR) -> date:
        """Return the present trading day: the last one that has begun to trade in some sessions."""
        return self.hours.day_at(self._now, sessions)

    # What it shows

    def summary(self, sessions: frozenset[Session] = REGULAR) -> Summary:
        """Return what has been traded in that of some sessions which has begun last."""
        return self._summarize(self.current(sessions))

    def current(self, sessions: frozenset[Session] = REGULAR) -> SessionMinutes:
        """Return that of some sessions which has begun last."""
        now = self._now
        known = self._current.get(sessions)
        if known is None or known[0] != now // 60:
            known = self._current[sessions] = now // 60, self._find_current((sessions & self._sessions) or REGULAR)
        return known[1]

    def _find_current(self, sessions: frozenset[Session]) -> SessionMinutes:
        now = self._now
        day = self.hours.day_at(now, sessions)
        begun = [each for each in self.hours.trading(day) if each.session in sessions and each.start <= now]
        return self.minutes_of(day, begun[-1].session)

    def of_session(self, session: Session) -> Summary | None:
        """Return what was traded in a session of the present day, ``None`` where it has not begun."""
        if session not in self._sessions:
            return None
        now = self._now
        day = self.hours.day_at(now)
        found = self.minutes_of(day, session)
        if not found.parts or found.parts[0].start > now:
            return None
        return self._summarize(found)

    def _summarize(self, found: SessionMinutes) -> Summary:
        now, known = self._now, self._summarized
        if known is None or known[0] != now or known[1] is not found:
            known = self._summarized = now, found, self._totals(found, now)
        return known[2]

    def _totals(self, found: SessionMinutes, now: int) -> Summary:
        over, age = found.place(now)
        running = None if age < 0 else self._running(found, over, age)
        last = found.last_traded(over - 1) if over else None
        high, low, volume, turnover = 0, 1 << 62, 0, 0
        if last is not None:
            high, low, volume, turnover = (
                found.highs[last],
                found.lows[last],
                found.volumes[last],
                found.turnovers[last],
            )
        if running is not None:
            bar, tick = running
            high, low = max(high, bar.high), min(low, bar.low)
            volume, turnover = volume + bar.volume, turnover + bar.turnover
            second = found.ends[over] - 60 + tick.second
        elif last is not None:
            tick = self._ticks(found, last).ticks[-1]
            second = found.ends[last] - 60 + tick.second
        else:
            price = self._price_before(found) / UNIT
            return Summary(price, price, price, price, 0, 0.0, found.parts[0].start - 1)
        return Summary(
            found.minutes.opens[found.first_traded] / UNIT,
            high / UNIT,
            low / UNIT,
            tick.price / UNIT,
            volume,
            _money(turnover),
            second,
        )

    def _price_before(self, found: SessionMinutes) -> int:
        """Return the price that counts in a session until something is traded."""
        if found.session is Session.AFTER:
            return self.days_of.bar(found.day, Session.REGULAR).close
        return self.days_of.reference(found.day)

    def _running(self, found: SessionMinutes, number: int, age: int) -> tuple[PriceBar, Tick] | None:
        """Return the minute that is running, so far, and its last trade; ``None`` where it has none yet."""
        made = self._ticks(found, number)
        last = bisect_right(made.seconds, age) - 1
        if last < 0:
            return None
        tick, volume = made.ticks[last], made.volumes[last]
        turnover = found.minutes.turnovers[number] * volume // (found.minutes.volumes[number] or 1)
        bar = PriceBar(made.ticks[0].price, made.highs[last], made.lows[last], tick.price, volume, turnover)
        return bar, tick

    def _ticks(self, found: SessionMinutes, number: int) -> MinuteTicks:
        if self._steering.is_untouched:
            return self._market.ticks(self._key, found.day, found.session, number)
        return self._steering.ticks(self._market.minutes(self._key, found.day, found.session), number)

    def minutes_of(self, day: date, session: Session) -> SessionMinutes:
        """Return the minutes of a session of a trading day, whether they are over or not."""
        found = self._market.minutes(self._key, day, session)
        return found if self._steering.is_untouched else self._steering.minutes(found)

    @property
    def price(self) -> float:
        """Price of the last trade in regular hours."""
        return self.summary().price

    @property
    def open(self) -> float:
        """First price of the day's regular hours, as the following are about them."""
        return self.summary().open

    @property
    def high(self) -> float:
        """Highest price of the day."""
        return self.summary().high

    @property
    def low(self) -> float:
        """Lowest price of the day."""
        return self.summary().low

    @property
    def volume(self) -> int:
        """Shares traded today."""
        return self.summary().volume

    @property
    def turnover(self) -> float:
        """Money paid for them."""
        return self.summary().turnover

    @property
    def last_close(self) -> float:
        """Close of the day before, adjusted where there was a corporate action since."""
        return self.reference()

    def extended_reference(self, session: Session) -> float:
        """Return the regular close that prices of a session outside regular hours are compared with."""
        day = self.hours.day_at(self._now)
        if session is Session.AFTER:
            return self.days_of.bar(day, Session.REGULAR).close / UNIT
        return self.days_of.reference(day) / UNIT

    def reference(self, sessions: frozenset[Session] = REGULAR) -> float:
        """Return the close that prices of the present day of some sessions are compared with."""
        return self.days_of.reference(self.day(sessions)) / UNIT

    @property
    def depth(self) -> int:
        """Most levels on each side of its order book: those of the vendor's best quotes for it."""
        prefix, sec_type = self.listing.exchange.prefix, self.listing.sec_type
        if sec_type in _WITHOUT_BOOK or self.listing.kind == "index":  # the latter: indices of crypto
            return 0
        return _DEPTHS.get((prefix, sec_type)) or _DEPTHS.get((prefix, 0), LEVELS)

    @property
    def latest(self) -> float:
        """Price of the last trade in any session."""
        return self.summary(ALL_SESSIONS).price

    @property
    def tick(self) -> float:
        """Smallest difference of two prices, at the present one."""
        return self._ladder.tick(round(self.latest * UNIT)) / UNIT

    @property
    def traded_at(self) -> int:
        """Second of the last trade in any session, since 1970."""
        return self.summary(ALL_SESSIONS).second

    def has_traded(self, sessions: frozenset[Session] = ALL_SESSIONS) -> bool:
        """Return whether there is a trade in this very second, in some sessions."""
        return self.summary(sessions).second == self._market.now

    @property
    def ask(self) -> float:
        """Lowest price of sellers."""
        return self._ladder.up(round(self.latest * UNIT)) / UNIT

    @property
    def bid(self) -> float:
        """Highest price of buyers; 0 where the price is the lowest that there is."""
        return self._ladder.down(round(self.latest * UNIT)) / UNIT

    def book(self, levels: int = LEVELS) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]]:
        """Return asks and bids as price, volume and number of orders, the best first.

        It changes with each trade, and stands while there is none.
        """
        last = self.summary(ALL_SESSIONS)
        draw = Random(f"{self._market.seed}/{self._key}/{last.second}").getrandbits  # noqa: S311 - as above
        lot, price = self.listing.lot, round(last.price * UNIT)
        asks, bids = [], []
        above = below = price
        for _ in range(levels):
            above, below = self._ladder.up(above), self._ladder.down(below)
            roll = draw(30)
            asks.append((above / UNIT, lot * (1 + roll % 90), 1 + (roll >> 7) % 30))
            if below > 0:
                bids.append((below / UNIT, lot * (1 + (roll >> 12) % 90), 1 + (roll >> 19) % 30))
        return asks, bids

    # Steered from outside

    @property
    def name(self) -> str:
        """Its code with the prefix of its market."""
        return security_name(*self._key)

    @property
    def is_steered(self) -> bool:
        """Whether its price was changed, or it is suspended."""
        return self.is_halted or not self._steering.is_untouched

    @property
    def is_halted(self) -> bool:
        """Whether it is suspended: nothing is traded."""
        return self._steering.halted_at is not None

    def halt(self) -> None:
        """Suspend it."""
        self._steering.halt(self._market.now, round(self.latest * UNIT))
        self._look_again()

    def resume(self) -> None:
        """Trade it again after a halt."""
        if self.is_halted:
            self._steering.resume(self._market.now, self._unsteered(self._market.now))
            self._look_again()

    def hold(self, price: float) -> None:
        """Trade at a price now, and hold it there. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        self._steering.hold(self._now, self._ladder.legal(price * UNIT))
        self._look_again()

    def gap(self, share: float) -> None:
        """Let the price jump by a share of it, and move on from there. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        price = self._ladder.legal(self.latest * (1 + share) * UNIT)
        self._steering.move(self._now, self._unsteered(self._now), price)
        self._look_again()

    def spike(self, share: float, seconds: int) -> None:
        """Let the price jump by a share of it, for some seconds. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        price = self._ladder.legal(self.latest * (1 + share) * UNIT)
        self._steering.spike(self._now, self._unsteered(self._now), price, seconds)
        self._look_again()

    def release(self) -> None:
        """Let a price that is held move again, from where it is."""
        self._steering.release(self._now, self._unsteered(self._now))
        self._look_again()

    @property
    def steered(self) -> dict[str, object]:
        """What is done to its price, as plain data; empty where nothing is."""
        if self._steering.is_untouched:
            return {}
        held = self._steering.held_at(self._now) is not None
        return {"price": self.latest, "held": held, "halted": self.is_halted}

    def _check_open(self) -> None:
        if self.is_halted:
            raise ValueError(f"{self.name} is halted: nothing sets its price until it is resumed")
        if not self.is_open:
            at = self.time().isoformat(" ", "minutes")
            raise ValueError(
                f"{self.name} is not traded now, at {at} of its exchange: no price is made until its market opens "
                "(--hours always keeps all markets open)"
            )

    def _unsteered(self, now: int) -> int:
        """Return the last price in any session, as it would be by itself."""
        day = self.hours.day_at(now, ALL_SESSIONS & self._sessions)
        begun = [each for each in self.hours.trading(day) if each.start <= now]
        base = self._market.minutes(self._key, day, begun[-1].session)
        over, age = base.place(now)
        made = self._market.ticks(self._key, day, base.session, over) if age >= 0 else MinuteTicks([])
        if (upto := bisect_right(made.seconds, age)) > 0:
            return made.ticks[upto - 1].price
        last = base.last_traded(over - 1) if over else None
        if last is None:
            return self._price_before(base)
        return self._market.ticks(self._key, day, base.session, last).ticks[-1].price

    def _look_again(self) -> None:
        """Forget what was shown so far."""
        self._current.clear()
        self._summarized = None

    # What was traded

    def progress(self, found: SessionMinutes) -> tuple[int, PriceBar | None]:
        """Return how many minutes of a session are over, and the running one so far, ``None`` where none runs."""
        over, age = found.place(self._now)
        running = None if age < 0 else self._running(found, over, age)
        return over, None if running is None else running[0]

    def traded_minutes(self, sessions: frozenset[Session] = REGULAR) -> list[Minute]:
        """Return the minutes of the present day's sessions, the running one included."""
        found = []
        for each in self.sessions_of(self.day(sessions), sessions):
            over, running = self.progress(each)
            found += [_minute(each, number) for number in range(over)]
            if running is not None:
                found.append(_minute(each, over, running))
        return found

    def time_shares(self, sessions: frozenset[Session] = REGULAR) -> list[Minute]:
        """Return what ``Qot_GetRT`` has: the traded minutes, and before them that of the opening auction, if any."""
        found = self.traded_minutes(sessions)
        if found and self.hours.timetable.opens_with_auction:
            start, opened = found[0].end - 60, found[0].open
            return [Minute(start, opened, opened, opened, opened, 0, 0.0, opened), *found]
        return found

    def begin_of_minutes(self, count: int, sessions: frozenset[Session], most_days: int) -> datetime:
        """Return the end, on the exchange's clock, of the minute since which there were ``count``.

        It is at most ``most_days`` trading days ago.
        """
        now, day, left, begin = self._now, self.day(sessions), count, 0
        for _ in range(most_days):
            for each in reversed(self.sessions_of_hours(day, sessions)):
                begun = -((each.start - 1 - min(each.end - 1, now)) // 60) if each.start <= now else 0
                if begun >= left:
                    return self.time(each.start + (begun - left + 1) * 60)
                left -= begun
                begin = each.start + 60
            if day <= self.days_of.first:
                break
            day = self.hours.before(day)
        return self.time(begin)

    def sessions_of_hours(self, day: date, sessions: frozenset[Session]) -> list[Trading]:
        """Return the times of trading that a day has in some sessions."""
        return [each for each in self.hours.trading(day) if each.session in sessions]

    @property
    def minutes(self) -> list[Minute]:
        """The minutes of the present day's regular hours."""
        return self.traded_minutes()

    def last_minute(self, sessions: frozenset[Session] = REGULAR) -> Minute:
        """Return the last of ``traded_minutes``."""
        found = self.current(sessions)
        over, running = self.progress(found)
        if not over and running is None:
            price = self._price_before(found)
            running = PriceBar(price, price, price, price, 0, 0)
        return _minute(found, over - 1 if running is None else over, running)

    def sessions_of(self, day: date, sessions: frozenset[Session]) -> list[SessionMinutes]:
        """Return those of some sessions that a trading day has, in their order."""
        order = dict.fromkeys(each.session for each in self.hours.trading(day) if each.session in sessions)
        return [self.minutes_of(day, session) for session in order]

    def last_trades(self, count: int = TRADES, sessions: frozenset[Session] = REGULAR) -> list[Trade]:
        """Return the last trades of the present day, the newest last."""
        if count <= 0:
            return []
        now, found = self._now, list[tuple[int, int, Tick]]()
        wanted = count + 1  # one more, since the direction of a trade follows from the one before
        for each in reversed(self.sessions_of(self.day(sessions), sessions)):
            over, age = each.place(now)
            for number in range(over if age >= 0 else over - 1, -1, -1):
                start, made = each.ends[number] - 60, self._ticks(each, number)
                upto = bisect_right(made.seconds, now - start)
                first = max(0, upto - wanted + len(found))
                sequence = each.sequence(number)
                found += [
                    (sequence + place, start + made.seconds[place], made.ticks[place])
                    for place in range(upto - 1, first - 1, -1)
                ]
                if len(found) >= wanted:
                    break
            if len(found) >= wanted:
                break
        found.reverse()
        trades, before = [], found[0][2].price if found else 0
        for sequence, second, tick in found:
            change = tick.price - before
            before = tick.price
            direction = 1 if change > 0 else 2 if change < 0 else 3
            trades.append(Trade(sequence, second, tick.price / UNIT, tick.volume, direction))
        return trades[-count:]

    def newest_trades(self, sessions: frozenset[Session] = REGULAR) -> list[Trade]:
        """Return the trades of the present day's last second that has some: one, unless they were recorded."""
        count = 1
        while True:
            found = self.last_trades(count, sessions)
            newest = [trade for trade in found if trade.second == found[-1].second]
            # There is none before them in that second, or there are more than anybody wants.
            if (
                len(newest) < count
                or len(found) < count
                or count > TRADES
                or not isinstance(self.days_of, RecordedDays)
            ):
                return newest
            count *= 4

    @property
    def trades(self) -> list[Trade]:
        """The last trades of regular hours."""
        return self.last_trades()

    def days(self, count: int = 520) -> list[Bar]:
        """Return the bars of the last days, today's last, without adjustment."""
        today = self.day()
        return list(daily_bars(self, today - timedelta(days=count * 3 // 2 + 10), today))[-count:]

    def range_of_year(self) -> tuple[float, float]:
        """Return the highest and the lowest price of the last 52 weeks, those before corporate actions adjusted."""
        today = self.day()
        if self._year is None or self._year[0] != today:
            bars = list(daily_bars(self, today - timedelta(weeks=52), today - timedelta(days=1), FORWARD))
            high, low = max((bar.high for bar in bars), default=0.0), min((bar.low for bar in bars), default=math.inf)
            self._year = today, high, low
        return max(self._year[1], self.high), min(self._year[2], self.low)

    # Corporate actions

    def adjustments(self, begin: date, end: date) -> list[Adjustment]:
        """Return the corporate actions that count from a day in a span on, with their factors, the earliest first."""
        days = self.days_of
        if not isinstance(days, RandomDays):
            return []
        found = []
        for day, action in sorted(days.actions.items()):
            if begin <= day <= end:
                if day not in self._adjustments:
                    close = days.close(self.hours.before(day)) / UNIT
                    by_factor = self.listing.exchange.prefix == "US"
                    self._adjustments[day] = adjustment(action._replace(day=day), close, by_factor=by_factor)
                found.append(self._adjustments[day])
        return found


def _money(turnover: int) -> float:
    return round(turnover / UNIT, 3)


def _minute(found: SessionMinutes, number: int, running: PriceBar | None = None) -> Minute:
    """Return a minute of a session; ``running`` is what it is so far, where it is not over."""
    bar = running or found.minutes.bar(number)
    before = number - 1
    volume = bar.volume + (found.volumes[before] if number else 0)
    turnover = bar.turnover + (found.turnovers[before] if number else 0)
    return Minute(
        found.ends[number],
        bar.open / UNIT,
        bar.high / UNIT,
        bar.low / UNIT,
        bar.close / UNIT,
        bar.volume,
        _money(bar.turnover),
        round((turnover / volume if volume else bar.close) / UNIT, 5),
        is_blank=running is None and not found.is_traded(number),
    )


def start_time(text: str) -> int:
    """Return the second since 1970 of a name in ``STARTS`` or of a time in ISO 8601. Raises ``ClockError``."""
    if text in STARTS:
        return int(STARTS[text].timestamp())
    names = ", ".join(STARTS)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ClockError(f"{text!r} is none of {names}, nor a time such as 2024-06-12T10:00:00-04:00") from None
    if time.tzinfo is None:
        raise ClockError(f"{text} does not say on which clock: add an offset, as in {text}+08:00, or Z for UTC")
    try:
        return int(time.astimezone(UTC).timestamp())
    except OverflowError:
        raise ClockError(f"{text} is no time that can be shown") from None


class Market:
    """A clock, and all instruments. An instrument is made when it is first wanted."""

    def __init__(
        self,
        seed: int,
        now: float | None = None,
        universe: Universe | None = None,
        *,
        always_open: bool = False,
        recordings: Recordings | None = None,
    ) -> None:
        """``now`` is the present time of the market, in seconds since 1970; by default it is that of ``us-open``.

        ``recordings`` are what instruments were traded at, in place of what follows from the seed, and ``universe``
        has these instruments.
        With ``always_open`` every market is in its regular session from the day of ``now`` on. Raises ``ClockError``
        where the calendars of the instruments do not reach.
        """
        self.universe: Final = universe or default_universe()
        self._recordings: Final = recordings
        self.seed: Final = seed
        self.now = start_time("us-open") if now is None else int(now)
        """The present second, since 1970."""
        self.stocks: Final[dict[tuple[int, str], StockDay]] = {}
        """The instruments that were wanted so far."""
        self._open_from: Final = (
            at_second(self.now, ZoneInfo("UTC")).date() - timedelta(days=1) if always_open else None
        )
        self.minutes: Final = lru_cache(_KEPT_SESSIONS)(self._minutes)
        """Returns the minutes of a session: instrument, trading day, session."""
        self.ticks: Final = lru_cache(_KEPT_MINUTES)(self._ticks)
        """Returns the trades of a minute: instrument, trading day, session, number of the minute."""
        self._end = self._last_second()

    def _last_second(self) -> int:
        """Return the second at which the clock stops, since no calendar is known from there on."""
        calendars = {self.hours(listing).calendar for listing in self.universe}
        first = max(each.first for each in calendars) + timedelta(days=_DAYS_BEFORE)
        last = min(each.last for each in calendars)
        today = at_second(self.now, ZoneInfo("UTC")).date()
        if today < first or (today >= last and self._open_from is None):
            raise ClockError(
                f"the market cannot be at {today}: trading days of all its exchanges, and some before, are known "
                f"from {first} to {last}"
            )
        if self._open_from is not None:
            return self.now + _FOREVER
        return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp())

    def hours(self, listing: Listing) -> Hours:
        """Return when an instrument trades."""
        code = listing.code if listing.sec_type == 10 else ""
        return hours_of(listing.exchange.prefix, listing.sec_type, code, self._open_from)

    def state(self, prefix: str, sec_type: int = 0, code: str = "") -> MarketState:
        """Return the present state of a market: prefix, ``SecurityType``, and the code of a future."""
        return hours_of(prefix, sec_type, code, self._open_from).state(self.now)

    def trading_days(self, name: str, begin: date, end: date) -> list[tuple[date, bool]]:
        """Return the trading days of a calendar from ``begin`` to ``end``, each with whether it is a half day.

        Raises ``CalendarRangeError``.
        """
        days = calendar(name)
        if self._open_from is None or end < self._open_from or name not in ZONES:
            return [(day, day in days.half_days) for day in days.between(begin, end)]
        hours = hours_of(name, open_from=self._open_from)
        return [(day, hours.is_half_day(day)) for day in hours.between(begin, end)]

    def outside_hours(self) -> dict[str, int]:
        """Return how many recorded minutes and days are not in the hours of their instrument, where there are some."""
        found = {}
        for market, code in () if self._recordings is None else self._recordings.found:
            stock = self.stock(market, code)
            if stock is not None and isinstance(stock.days_of, RecordedDays) and stock.days_of.left_out:
                found[stock.name] = stock.days_of.left_out
        return found

    def step(self) -> None:
        """Advance the clock by a second."""
        self.now = min(self.now + 1, self._end)

    @property
    def first(self) -> StockDay:
        """The first instrument."""
        return self._made(self.universe.listings[0])

    def today(self, listing: Listing) -> date:
        """Return the present date on the clock of an instrument's exchange."""
        return at_second(self.now, listing.zone).date()

    def find(self, security: object) -> StockDay | None:
        """Return the stock of a ``Qot_Common.Security``, ``None`` for an unknown one."""
        return self.stock(security.market, security.code)  # type: ignore[attr-defined]  # a message

    def stock(self, market: int, code: str) -> StockDay | None:
        """Return the stock of a ``QotMarket`` and a code, ``None`` for an unknown one."""
        known = self.stocks.get((market, code))
        if known is not None:
            return known
        listing = self.listing(market, code)
        return None if listing is None else self._made(listing)

    def _made(self, listing: Listing) -> StockDay:
        key = listing.market, listing.code
        found = self.stocks.get(key)
        if found is None:
            found = self.stocks[key] = StockDay(listing, self, self._days(listing))
            if listing.sec_type == Kind.OPTION and len(self.stocks) > _MOST_OPTIONS:
                self._drop_options()
        return found

    def _drop_options(self) -> None:
        """Drop the oldest options of very many: they can be made again, unless their prices were steered."""
        options = [key for key, stock in self.stocks.items() if stock.listing.sec_type == Kind.OPTION]
        for key in options[: _MOST_OPTIONS // 4] if len(options) > _MOST_OPTIONS else ():
            if not self.stocks[key].is_steered:
                del self.stocks[key]

    def _known(self, key: tuple[int, str]) -> StockDay:
        """Return an instrument that was wanted before. Raises ``KeyError``."""
        found = self.stock(*key)
        if found is None:
            raise KeyError(key)
        return found

    def _days(self, listing: Listing) -> Days:
        owner = self.universe.named(listing.owner) if listing.sec_type in DERIVATIVES else None
        if owner is not None and owner.sec_type in DERIVATIVES:
            owner = None
        base = None if owner is None else self._made(owner).days_of
        made = days_of(self.seed, listing, self.hours(listing), owner, base)
        recorded = None if self._recordings is None else self._recordings.found.get((listing.market, listing.code))
        if recorded is None:
            return made
        return RecordedDays(recorded, made.hours, made.ladder, made.character, made.hours.day_at(self.now))

    def _minutes(self, key: tuple[int, str], day: date, session: Session) -> SessionMinutes:
        return SessionMinutes(self._known(key).days_of, self.seed, day, session)

    def _ticks(self, key: tuple[int, str], day: date, session: Session, number: int) -> MinuteTicks:
        bar = self.minutes(key, day, session).minutes.bar(number)
        return MinuteTicks(ticks_of(self._known(key).days_of, self.seed, day, session, number, bar))

    def listing(self, market: int, code: str) -> Listing | None:
        """Return what is fixed about an instrument, options included; ``None`` for an unknown one."""
        found = self.universe.find(market, code)
        if found is None and (owner := owner_of_option(self.universe, market, code)) is not None:
            return find_option(self.universe, market, code, self.today(owner))
        return found

    def traded(self, sec_market: int, code: str) -> StockDay | None:
        """Return the stock of a code in a ``TrdSecMarket``; where that is 0, the first stock with this code."""
        for exchange in EXCHANGES:
            if (exchange.sec_market == sec_market or not sec_market) and (
                found := self.stock(exchange.qot_market, code)
            ):
                return found
        return None
