"""Timetables: the hours of each market, and the ``QotMarketState`` that it shows at each time of a trading day.

A timetable is a list of windows, in minutes of the exchange's clock on a trading day; before its midnight they are
negative. The hours are those of the vendor's questions and answers on quotes ("the state of each market by time").
What is not there is a guess: SG and MY (their exchanges' hours), and all futures but those of JP. The same table for
users is in ``docs/market.md``.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["MarketState", "Session", "Timetable", "Window", "timetable_of"]


class MarketState(IntEnum):
    """``Qot_Common.QotMarketState``, as far as it is used."""

    NONE = 0
    AUCTION = 1
    WAITING_OPEN = 2
    MORNING = 3
    REST = 4
    AFTERNOON = 5
    CLOSED = 6
    PRE_MARKET = 8
    AFTER_HOURS = 10
    AFTER_HOURS_END = 11
    NIGHT_OPEN = 13
    NIGHT_END = 14
    FUTURE_DAY_OPEN = 15
    FUTURE_DAY_BREAK = 16
    FUTURE_DAY_CLOSE = 17
    FUTURE_DAY_WAIT = 18
    HK_CLOSING_AUCTION = 19
    FUTURE_OPEN = 23
    FUTURE_BREAK = 24
    FUTURE_CLOSE = 26
    CLOSE_AUCTION = 30
    TRADE_AT_LAST = 35
    TRADE_AUCTION = 36
    OVERNIGHT = 37


class Session(IntEnum):
    """The part of a trading day that a trade belongs to."""

    REGULAR = 0
    PRE = 1
    AFTER = 2
    OVERNIGHT = 3


class Window(NamedTuple):
    """A part of the day with one state."""

    state: MarketState
    start: int
    """Minutes after midnight of the trading day; negative on the evening before."""
    end: int
    session: Session | None = None
    """The trading session that it is part of, ``None`` where nothing trades."""
    is_night_before: bool = False
    """Whether it belongs to the night after the trading day before, whose midnight it is counted from."""


class Timetable(NamedTuple):
    """The windows of a market's trading day."""

    windows: tuple[Window, ...]
    half: tuple[Window, ...] = ()
    """Those of a half day; empty where there are none."""
    outside: MarketState = MarketState.CLOSED
    """State outside all windows."""
    opens_with_auction: bool = True
    """Whether the first minute of ``Qot_GetRT`` is that of the opening auction."""
    earlier: tuple[date, tuple[Window, ...]] | None = None
    """Windows that counted before a day."""


_S = MarketState
_REGULAR: Final = Session.REGULAR
_HK_OPENING: Final = (
    Window(_S.NONE, 535, 540),
    Window(_S.AUCTION, 540, 560),
    Window(_S.WAITING_OPEN, 560, 570),
    Window(_S.MORNING, 570, 720, _REGULAR),
)
_HK: Final = Timetable(
    (
        *_HK_OPENING,
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 960, _REGULAR),
        Window(_S.HK_CLOSING_AUCTION, 960, 968),
    ),
    half=(*_HK_OPENING, Window(_S.HK_CLOSING_AUCTION, 720, 728)),
)
_HK_DERIVATIVE: Final = Timetable(
    (
        Window(_S.NONE, 535, 570),
        Window(_S.MORNING, 570, 720, _REGULAR),
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 960, _REGULAR),
    ),
    half=(Window(_S.NONE, 535, 570), Window(_S.MORNING, 570, 720, _REGULAR)),
    opens_with_auction=False,
)
_HK_NIGHT: Final = Window(_S.NIGHT_OPEN, 1035, 1620, _REGULAR, is_night_before=True)
_HK_FUTURE: Final = Timetable(
    (
        _HK_NIGHT,
        Window(_S.FUTURE_DAY_WAIT, 525, 555),
        Window(_S.FUTURE_DAY_OPEN, 555, 720, _REGULAR),
        Window(_S.FUTURE_DAY_BREAK, 720, 780),
        Window(_S.FUTURE_DAY_OPEN, 780, 990, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 990, 1035),
    ),
    half=(
        _HK_NIGHT,
        Window(_S.FUTURE_DAY_WAIT, 525, 555),
        Window(_S.FUTURE_DAY_OPEN, 555, 720, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 720, 780),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_US_BEFORE: Final = (
    Window(_S.OVERNIGHT, -240, 240, Session.OVERNIGHT),
    Window(_S.PRE_MARKET, 240, 570, Session.PRE),
)
_US: Final = Timetable(
    (
        *_US_BEFORE,
        Window(_S.AFTERNOON, 570, 960, _REGULAR),
        Window(_S.AFTER_HOURS, 960, 1200, Session.AFTER),
    ),
    half=(
        *_US_BEFORE,
        Window(_S.AFTERNOON, 570, 780, _REGULAR),
        Window(_S.AFTER_HOURS, 780, 1020, Session.AFTER),
    ),
    outside=_S.AFTER_HOURS_END,
    opens_with_auction=False,
)


def _without_extended(timetable: Timetable) -> Timetable:
    """Return a timetable with the same states, but trading in regular hours only: that of an index."""

    def changed(windows: tuple[Window, ...]) -> tuple[Window, ...]:
        return tuple(window if not window.session else window._replace(session=None) for window in windows)

    return timetable._replace(windows=changed(timetable.windows), half=changed(timetable.half))


_US_OPTION: Final = Timetable(
    (Window(_S.NONE, 535, 570), Window(_S.AFTERNOON, 570, 960, _REGULAR)),
    half=(Window(_S.NONE, 535, 570), Window(_S.AFTERNOON, 570, 780, _REGULAR)),
    opens_with_auction=False,
)
_US_FUTURE: Final = Timetable(
    (Window(_S.FUTURE_OPEN, -420, 960, _REGULAR), Window(_S.FUTURE_BREAK, 960, 1020)),
    half=(Window(_S.FUTURE_OPEN, -420, 735, _REGULAR), Window(_S.FUTURE_BREAK, 735, 1020)),
    outside=_S.FUTURE_CLOSE,
    opens_with_auction=False,
)
"""On the clock of Chicago; Globex hours of index futures."""
_CN: Final = Timetable(
    (
        Window(_S.NONE, 535, 555),
        Window(_S.AUCTION, 555, 565),
        Window(_S.WAITING_OPEN, 565, 570),
        Window(_S.MORNING, 570, 690, _REGULAR),
        Window(_S.REST, 690, 780),
        Window(_S.AFTERNOON, 780, 900, _REGULAR),
    )
)
_SG_MORNING: Final = (Window(_S.AUCTION, 510, 540), Window(_S.MORNING, 540, 720, _REGULAR))
_SG: Final = Timetable(
    (
        *_SG_MORNING,
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 1020, _REGULAR),
        Window(_S.CLOSE_AUCTION, 1020, 1026),
        Window(_S.TRADE_AUCTION, 1026, 1036),
    ),
    half=(*_SG_MORNING, Window(_S.CLOSE_AUCTION, 720, 726), Window(_S.TRADE_AUCTION, 726, 736)),
)
_SG_FUTURE: Final = Timetable(
    (
        Window(_S.NIGHT_OPEN, 1020, 1755, _REGULAR, is_night_before=True),
        Window(_S.FUTURE_DAY_WAIT, 525, 540),
        Window(_S.FUTURE_DAY_OPEN, 540, 990, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 990, 1020),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_JP_MORNING: Final = (Window(_S.MORNING, 540, 690, _REGULAR), Window(_S.REST, 690, 750))
_JP: Final = Timetable(
    (*_JP_MORNING, Window(_S.AFTERNOON, 750, 930, _REGULAR)),
    earlier=(date(2024, 11, 5), (*_JP_MORNING, Window(_S.AFTERNOON, 750, 900, _REGULAR))),
)
_JP_FUTURE: Final = Timetable(
    (
        Window(_S.FUTURE_DAY_WAIT, 985, 990, is_night_before=True),
        Window(_S.NIGHT_OPEN, 990, 1770, _REGULAR, is_night_before=True),
        Window(_S.NIGHT_END, 330, 525),
        Window(_S.FUTURE_DAY_OPEN, 525, 915, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 915, 985),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_MY_MORNING: Final = (Window(_S.AUCTION, 510, 540), Window(_S.MORNING, 540, 750, _REGULAR))
_MY: Final = Timetable(
    (
        *_MY_MORNING,
        Window(_S.REST, 750, 870),
        Window(_S.AFTERNOON, 870, 1005, _REGULAR),
        Window(_S.CLOSE_AUCTION, 1005, 1010),
        Window(_S.TRADE_AT_LAST, 1010, 1020),
    ),
    half=_MY_MORNING,
)
_ALL_DAY: Final = Timetable((Window(_S.MORNING, -300, 1140, _REGULAR),), opens_with_auction=False)
"""From 19:00 to 19:00; the vendor has two seconds with another state there."""

_STOCK: Final = 0
_INDEX: Final = 6
_OPTION: Final = 8
_FUTURE: Final = 10
_TIMETABLES: Final[dict[tuple[str, int], Timetable]] = {
    ("HK", _STOCK): _HK,
    ("HK", _OPTION): _HK_DERIVATIVE,
    ("HK", _FUTURE): _HK_FUTURE,
    ("US", _STOCK): _US,
    ("US", _INDEX): _without_extended(_US),
    ("US", _OPTION): _US_OPTION,
    ("US", _FUTURE): _US_FUTURE,
    ("SH", _STOCK): _CN,
    ("SZ", _STOCK): _CN,
    ("SG", _STOCK): _SG,
    ("SG", _FUTURE): _SG_FUTURE,
    ("JP", _STOCK): _JP,
    ("JP", _FUTURE): _JP_FUTURE,
    ("MY", _STOCK): _MY,
    ("CC", _STOCK): _ALL_DAY,
    ("EC", _STOCK): _ALL_DAY,
}
"""Prefix of a market and ``Qot_Common.SecurityType`` (0 for all others) to the timetable."""


def timetable_of(prefix: str, sec_type: int) -> Timetable:
    """Return the timetable of a market and a ``Qot_Common.SecurityType``. Raises ``KeyError``."""
    return _TIMETABLES.get((prefix, sec_type)) or _TIMETABLES[prefix, _STOCK]
