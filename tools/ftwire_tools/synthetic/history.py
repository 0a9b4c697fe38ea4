"""K-lines of the made-up market: bars of minutes and of days, adjusted for corporate actions or not.

Bars of minutes are stamped with their end, those of days with the midnight of the day, those of weeks and more with
that of their last day. Bars of minutes do not reach over a break, a day's last one may be shorter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from ftwire_tools.markets.sessions import Hours, Session
from ftwire_tools.synthetic.corporate_actions import Adjustment, backward_factors, forward_factors
from ftwire_tools.synthetic.prices import UNIT, Days, PriceBar
from ftwire_tools.synthetic.trading_session import REGULAR, SessionMinutes, SessionTotals

__all__ = [
    "BACKWARD",
    "FORWARD",
    "PERIODS",
    "UNADJUSTED",
    "Bar",
    "Instrument",
    "daily_bars",
    "minute_bars",
    "period_bars",
]

UNADJUSTED, FORWARD, BACKWARD = 0, 1, 2
"""``Qot_Common.RehabType``."""
PERIODS: Final[dict[str, tuple[Callable[[date], tuple[int, ...]], Callable[[date], date]]]] = {
    "week": (lambda day: day.isocalendar()[:2], lambda day: day - timedelta(days=day.weekday())),
    "month": (lambda day: (day.year, day.month), lambda day: day.replace(day=1)),
    "quarter": (
        lambda day: (day.year, (day.month - 1) // 3),
        lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    ),
    "year": (lambda day: (day.year,), lambda day: day.replace(month=1, day=1)),
}
"""Periods longer than a day: the key that all days of one share, and the first day of that of a day."""


class Bar(NamedTuple):
    """One candle."""

    time: datetime
    """Exchange-local."""
    open: float
    high: float
    low: float
    close: float
    last_close: float
    volume: int
    turnover: float


class Instrument(Protocol):
    """An instrument at a moment, as far as its K-lines need it: ``trading_day.StockDay``."""

    @property
    def hours(self) -> Hours:
        """When it trades."""
        ...

    @property
    def days_of(self) -> Days:
        """Its days."""
        ...

    def day(self, sessions: frozenset[Session] = REGULAR) -> date:
        """Return the last trading day that has begun to trade in some sessions."""
        ...

    def time(self, second: int | None = None) -> datetime:
        """Return what the exchange's clock shows."""
        ...

    def summary(self, sessions: frozenset[Session] = REGULAR) -> SessionTotals:
        """Return what has been traded so far."""
        ...

    def sessions_of(self, day: date, sessions: frozenset[Session]) -> list[SessionMinutes]:
        """Return those of some sessions that a trading day has."""
        ...

    def progress(self, found: SessionMinutes) -> tuple[int, PriceBar | None]:
        """Return how many minutes of a session are over, and the running one."""
        ...

    def adjustments(self, begin: date, end: date) -> list[Adjustment]:
        """Return the corporate actions in a span."""
        ...


class _Adjuster:
    """Adjusts the prices of a day for corporate actions."""

    def __init__(self, stock: Instrument, rehab: int) -> None:
        self._stock: Final = stock
        self._rehab: Final = rehab
        self._today: Final = stock.day()
        self._known: Final[dict[date, tuple[float, float]]] = {}

    def factors(self, day: date) -> tuple[float, float]:
        """Return A and B, so that a price of the day becomes price times A plus B."""
        if self._rehab not in {FORWARD, BACKWARD}:
            return 1.0, 0.0
        if day not in self._known:
            if self._rehab == FORWARD:
                found = forward_factors(self._stock.adjustments(day + timedelta(days=1), self._today))
            else:
                found = backward_factors(self._stock.adjustments(date.min, day))
            self._known[day] = found
        return self._known[day]

    def price(self, day: date, units: int) -> float:
        """Return an adjusted price."""
        a, b = self.factors(day)
        return round(units / UNIT * a + b, 5)


def daily_bars(stock: Instrument, begin: date, end: date, rehab: int = UNADJUSTED) -> Iterator[Bar]:
    """Yield the bars of days from ``begin`` to ``end``, as far as they have begun; that of today is what it is now."""
    days, adjuster, today = stock.days_of, _Adjuster(stock, rehab), stock.day()
    last: float | None = None
    known = [day for day in stock.hours.between(max(begin, days.first), min(end, today)) if days.is_known(day)]
    for day in known or ([today] if begin <= today <= end else []):
        if day == today:
            now = stock.summary()
            units = [round(price * UNIT) for price in (now.open, now.high, now.low, now.price)]
            volume, turnover = now.volume, now.turnover
        else:
            bar = days.bar(day, Session.REGULAR)
            units, volume = [bar.open, bar.high, bar.low, bar.close], bar.volume
            turnover = round(bar.turnover / UNIT, 3)
        opened, high, low, close = (adjuster.price(day, price) for price in units)
        if last is None:
            last = _close_before(stock, adjuster, day, Session.REGULAR)
        yield Bar(datetime(day.year, day.month, day.day), opened, high, low, close, last, volume, turnover)
        last = close


def _close_before(stock: Instrument, adjuster: _Adjuster, day: date, session: Session) -> float:
    """Return the last price of a session of the day before; on the first day, what it is measured by."""
    days = stock.days_of
    if day <= days.first:
        return adjuster.price(day, days.reference(day))
    before = stock.hours.before(day)
    if session is not Session.REGULAR and not any(each.session is session for each in stock.hours.trading(before)):
        session = Session.REGULAR
    return adjuster.price(before, days.bar(before, session).close)


def period_bars(stock: Instrument, period: str, begin: date, end: date, rehab: int = UNADJUSTED) -> Iterator[Bar]:
    """Yield the bars of a period in ``PERIODS`` that end from ``begin`` to ``end``; the last one may be running."""
    key, first_of = PERIODS[period]
    # The last day of a period decides, so the days up to its end are looked at.
    days = daily_bars(stock, first_of(begin), stock.day(), rehab)
    for _, group in groupby(days, key=lambda bar: key(bar.time.date())):
        found = _joined(list(group))
        if found.time.date() > end:
            return
        if found.time.date() >= begin:
            yield found


def _joined(bars: list[Bar]) -> Bar:
    return Bar(
        bars[-1].time,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        bars[0].last_close,
        sum(bar.volume for bar in bars),
        round(sum(bar.turnover for bar in bars), 3),
    )


def minute_bars(
    stock: Instrument, width: int, begin: datetime, end: datetime, sessions: frozenset[Session], rehab: int = UNADJUSTED
) -> Iterator[Bar]:
    """Yield the bars of ``width`` minutes that end from ``begin`` to ``end``; the last one may be running.

    ``begin`` and ``end`` are on the exchange's clock.
    """
    adjuster, today = _Adjuster(stock, rehab), stock.day(sessions)
    # Nights may belong to a day whose date is up to some days later.
    first, last = max(begin.date(), stock.days_of.first), min((end + timedelta(days=7)).date(), today)
    for day in stock.hours.between(first, last):
        parts = stock.sessions_of(day, sessions)
        if not parts or stock.time(parts[0].ends[0]) > end:
            continue
        carried: float | None = None
        for part in parts:
            if stock.time(part.ends[-1]) < begin:
                continue
            if carried is None:
                carried = _carried(stock, adjuster, part, parts, sessions)
            for bar in _session_bars(stock, part, width, adjuster, carried, _first_from(stock, part, begin)):
                if bar.time > end:
                    return
                if bar.time >= begin:
                    yield bar
                carried = bar.close


def _carried(
    stock: Instrument,
    adjuster: _Adjuster,
    part: SessionMinutes,
    parts: list[SessionMinutes],
    sessions: frozenset[Session],
) -> float:
    """Return the price that a session is measured by: the last of what was traded before."""
    place = parts.index(part)
    if place:
        return adjuster.price(part.day, parts[place - 1].minutes.closes[-1])
    last = Session.AFTER if Session.AFTER in sessions else Session.REGULAR
    return _close_before(stock, adjuster, part.day, last)


def _first_from(stock: Instrument, part: SessionMinutes, begin: datetime) -> int:
    """Return the number of the first minute of a session that ends at a time or later."""
    return bisect_left(part.ends, int(begin.replace(tzinfo=stock.hours.zone).timestamp()))


def _session_bars(
    stock: Instrument, part: SessionMinutes, width: int, adjuster: _Adjuster, last_close: float, first: int
) -> Iterator[Bar]:
    """Yield the bars of a session; those that have not begun are left out, the running one is what it is now.

    Bars before that of the minute ``first`` are left out too.
    """
    over, running = stock.progress(part)
    minutes, ends, (a, b) = part.minutes, part.ends, adjuster.factors(part.day)
    total = over + (running is not None)
    begin = 0
    for trading in part.parts:
        stop = begin + (trading.end - trading.start) // 60
        skipped = max(first - begin, 0) // width * width
        if skipped and begin + skipped < total:
            last_close = round(minutes.closes[min(begin + skipped, stop) - 1] / UNIT * a + b, 5)
        for at in range(begin + skipped, min(stop, total), width):
            after = min(at + width, stop)
            whole = min(after, over)
            now = running if after > over else None
            traded = part.traded(at, whole)
            if not traded and now is None:
                continue
            if len(traded) == whole - at:
                highs, lows = list(minutes.highs[at:whole]), list(minutes.lows[at:whole])
            else:
                highs, lows = [minutes.highs[each] for each in traded], [minutes.lows[each] for each in traded]
            volume, turnover = sum(minutes.volumes[at:whole]), sum(minutes.turnovers[at:whole])
            first_price = minutes.opens[traded[0]] if traded else 0
            close = minutes.closes[whole - 1]
            if now is not None:
                highs.append(now.high)
                lows.append(now.low)
                volume, turnover, close = volume + now.volume, turnover + now.turnover, now.close
                first_price = first_price or now.open
            opened, high, low, closed = (
                round(units / UNIT * a + b, 5) for units in (first_price, max(highs), min(lows), close)
            )
            time, money = stock.time(ends[after - 1]), round(turnover / UNIT, 3)
            yield Bar(time, opened, high, low, closed, last_close, volume, money)
            last_close = closed
        begin = stop
