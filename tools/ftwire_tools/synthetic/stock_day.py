"""What an instrument has traded: minutes and trades of its present day, bars and corporate actions before."""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from ftwire_tools.markets.sessions import Session, Trading
from ftwire_tools.synthetic.corporate_actions import Adjustment, adjustment
from ftwire_tools.synthetic.history import FORWARD, Bar, daily_bars
from ftwire_tools.synthetic.prices import UNIT, Days, PriceBar, Tick
from ftwire_tools.synthetic.random_days import RandomDays
from ftwire_tools.synthetic.recorded_days import RecordedDays
from ftwire_tools.synthetic.steered_stock import SteeredStock
from ftwire_tools.synthetic.stock_now import MarketClock
from ftwire_tools.synthetic.trading_session import REGULAR, SessionMinutes
from ftwire_tools.synthetic.universe import Listing

__all__ = ["TRADES", "Minute", "StockDay", "Trade"]

TRADES: Final = 1000
"""Most trades that a client can request."""


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


class StockDay(SteeredStock):
    """An instrument of the market, at its present moment and before."""

    def __init__(self, listing: Listing, market: MarketClock, days: Days) -> None:
        super().__init__(listing, market, days)
        self._adjustments: Final[dict[date, Adjustment]] = {}
        self._year: tuple[date, float, float] | None = None

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
            first = self.sessions_of(self.day(sessions), sessions)[0]
            return [*self._opening(first, found[0]), *found[1:]]
        return found

    def _opening(self, session: SessionMinutes, first: Minute) -> tuple[Minute, Minute]:
        """Return the opening auction and what is left of the first minute, whose first trade is the auction's.

        What was recorded stays as it is.
        """
        traded = 0
        if first.volume and self.days_of.given(session.day, session.session) is None:
            traded = min(self._ticks(session, 0).ticks[0].volume, first.volume)
        turnover = round(first.turnover * traded / first.volume, 3) if traded else 0.0
        opened = first.open
        auction = Minute(first.end - 60, opened, opened, opened, opened, traded, turnover, opened)
        return auction, first._replace(volume=first.volume - traded, turnover=round(first.turnover - turnover, 3))

    def last_share(self, sessions: frozenset[Session] = REGULAR) -> Minute:
        """Return the last of ``time_shares``."""
        last, session = self.last_minute(sessions), self.current(sessions)
        if self.hours.timetable.opens_with_auction and last.end == session.ends[0]:
            return self._opening(session, last)[1]
        return last

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
        round(bar.turnover / UNIT, 3),
        round((turnover / volume if volume else bar.close) / UNIT, 5),
        is_blank=running is None and not found.is_traded(number),
    )
