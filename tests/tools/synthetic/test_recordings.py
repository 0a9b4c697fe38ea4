"""A user's own data as the market: what was recorded is shown as it is, and nothing is made up beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic import recordings as module
from ftwire_tools.synthetic.history import daily_bars, minute_bars, period_bars
from ftwire_tools.synthetic.recordings import RecordingError, Recordings, load_recordings
from ftwire_tools.synthetic.trading_day import ALL_SESSIONS, REGULAR, Market, StockDay, start_time
from ftwire_tools.synthetic.universe import Kind, default_universe

DAY = date(2024, 6, 12)
HONG_KONG = ZoneInfo("Asia/Hong_Kong")
BEGIN = datetime(2024, 6, 12, 9, 30)
BARS = "code,time,open,high,low,close,volume,turnover\n"
TRADES = "code,time,price,volume\n"


class Given(NamedTuple):
    """A bar as a user has it."""

    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    turnover: float


def minute(number: int, opened: float, close: float, volume: int, turnover: float = 1.0) -> Given:
    """A bar of the minute with a number, from 0, of a day in Hong Kong."""
    number += 60 * (number >= 150)  # the lunch break
    end = BEGIN + timedelta(minutes=number + 1)
    return Given(end, opened, max(opened, close) + 0.5, min(opened, close) - 0.5, close, volume, turnover)


SPARSE = [
    minute(3, 350.1, 351, 7, 2450.5),
    minute(4, 351.2, 349.9, 250_301, 8e7),
    minute(9, 349, 349, 1),
    minute(149, 340, 342.5, 3),
    minute(150, 343.33, 343.3333, 0, 0.0),
    minute(329, 400, 390, 900),
]
"""A day with many minutes without a bar, odd lots, a minute without volume, and prices between ticks."""


def text_of(bars: Iterable[Given], code: str = "HK.00700") -> str:
    return BARS + "".join(f"{code},{','.join(map(str, bar))}\n" for bar in bars)


def load(folder: Path, *texts: str) -> Recordings:
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.csv"
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    return load_recordings(paths, default_universe())


def market_of(found: Recordings, now: int | None = None, **options: Any) -> Market:
    return Market(1, found.start if now is None else now, found.universe, recordings=found, **options)


def stock_of(market: Market, number: int = 1, code: str = "00700") -> StockDay:
    found = market.stock(number, code)
    assert found is not None
    return found


def second(local: datetime, zone: ZoneInfo = HONG_KONG) -> int:
    return int(local.replace(tzinfo=zone).timestamp())


def candles(bars: Iterable[Any]) -> list[Given]:
    return [Given(bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover) for bar in bars]


def joined(bars: Sequence[Given], end: datetime) -> Given:
    """Some bars as one."""
    return Given(
        end,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        round(sum(bar.turnover for bar in bars), 3),
    )


def all_minutes(stock: StockDay, width: int) -> list[Given]:
    begin = datetime(2024, 6, 12)
    return candles(minute_bars(stock, width, begin, begin + timedelta(days=1), REGULAR))


def test_minutes_are_shown_as_they_are_and_longer_bars_follow_from_them(tmp_path: Path) -> None:
    found = load(tmp_path, text_of(SPARSE))
    bars = [bar._replace(close=round(bar.close, 4)) for bar in SPARSE]  # the finest price that there is
    bars[4] = bars[4]._replace(low=round(bars[4].low, 4), high=round(bars[4].high, 4))
    stock = stock_of(market_of(found, second(datetime(2024, 6, 12, 17))))
    assert all_minutes(stock, 1) == bars
    assert all_minutes(stock, 5) == [
        joined(bars[:2], datetime(2024, 6, 12, 9, 35)),
        joined(bars[2:3], datetime(2024, 6, 12, 9, 40)),
        joined(bars[3:4], datetime(2024, 6, 12, 12)),
        joined(bars[4:5], datetime(2024, 6, 12, 13, 5)),
        joined(bars[5:], datetime(2024, 6, 12, 16)),
    ]
    whole = joined(bars, datetime(2024, 6, 12))
    assert candles(daily_bars(stock, date(2024, 1, 1), DAY)) == [whole]
    assert candles(period_bars(stock, "month", date(2024, 1, 1), DAY)) == [whole]
    day = stock.summary()
    assert (day.open, day.high, day.low, day.price, day.volume) == whole[1:6]
    # Rows of Qot_GetRT are those of every minute: where nothing was recorded the price stands.
    shares = stock.traded_minutes()
    assert len(shares) == 330
    assert [share.end for share in shares if not share.is_blank] == [second(bar.end) for bar in bars]
    assert [(shares[at].close, shares[at].volume) for at in (0, 5, 10, 328)] == [
        (350.1, 0), (349.9, 0), (349, 0), (343.3333, 0)
    ]  # fmt: skip


def test_the_market_begins_with_the_data_and_plays_them(tmp_path: Path) -> None:
    found = load(tmp_path, text_of(SPARSE))
    assert found.start == second(datetime(2024, 6, 12, 9, 33))
    market = market_of(found)
    stock = stock_of(market)
    assert stock.time() == datetime(2024, 6, 12, 9, 33)
    assert (stock.price, stock.volume) == (350.1, stock.last_trades()[-1].volume)
    for _ in range(120):
        market.step()
    assert (stock.high, stock.low, stock.price, stock.volume) == (351.7, 349.4, 349.9, 250_308)
    trades = stock.last_trades()
    assert sum(trade.volume for trade in trades) == 250_308
    assert [trade.sequence for trade in trades] == list(range(trades[0].sequence, trades[0].sequence + len(trades)))
    before = stock.traded_at
    for _ in range(60):
        market.step()
        assert not stock.has_traded()
    assert (stock.price, stock.traded_at, stock.book(1)[0][0][0] > stock.price) == (349.9, before, True)


def test_nothing_is_shown_of_what_is_to_come(tmp_path: Path) -> None:
    found = load(tmp_path, text_of(SPARSE))
    stock = stock_of(market_of(found, second(datetime(2024, 6, 12, 9, 31))))
    assert set(stock.summary()[:4]) == {350.1}  # by which the first day is measured
    assert (stock.volume, stock.last_trades(), stock.newest_trades(), all_minutes(stock, 1)) == (0, [], [], [])


def test_trades_are_shown_as_they_are(tmp_path: Path) -> None:
    times = [datetime(2024, 6, 12, 13, 30, each // 3, tzinfo=UTC) for each in range(100)]
    rows = "".join(f"US.ZZZZ,{time.isoformat()},{20 + at % 7 / 100},{at + 1}\n" for at, time in enumerate(times))
    found = load(tmp_path, TRADES + rows)
    market = market_of(found)
    assert market.now == int(times[0].timestamp())
    stock = stock_of(market, 11, "ZZZZ")
    for shown in range(3, 100, 3):
        newest = stock.newest_trades()
        assert [trade.volume for trade in newest] == [shown - 2, shown - 1, shown]
        assert stock.volume == shown * (shown + 1) // 2
        market.step()
    assert [(trade.second, trade.price, trade.volume) for trade in stock.last_trades(100)] == [
        (int(time.timestamp()), 20 + at % 7 / 100, at + 1) for at, time in enumerate(times)
    ]


def test_days_are_shown_as_they_are_and_their_minutes_add_up_to_them(tmp_path: Path) -> None:
    rows = "".join(f"HK.800000,2024-06-{day},{day}00,{day}50.55,{day - 1}00,{day}20,0\n" for day in (5, 6, 7, 11, 12))
    found = load(tmp_path, "code,time,open,high,low,close,volume\n" + rows.replace("-5,", "-05,").replace("-6,", "-06,")
                 .replace("-7,", "-07,"))  # fmt: skip
    assert found.start == second(datetime(2024, 6, 5, 9, 30))
    stock = stock_of(market_of(found, second(datetime(2024, 6, 11, 18))), 1, "800000")
    days = list(daily_bars(stock, date(2024, 1, 1), DAY))
    assert [(bar.time.day, bar.open, bar.high, bar.low, bar.close, bar.last_close) for bar in days] == [
        (5, 500, 550.55, 400, 520, 500),
        (6, 600, 650.55, 500, 620, 520),
        (7, 700, 750.55, 600, 720, 620),
        (11, 1100, 1150.55, 1000, 1120, 720),
    ]
    minutes = stock.minutes_of(date(2024, 6, 7), Session.REGULAR).minutes
    assert (minutes.opens[0], max(minutes.highs), min(minutes.lows), minutes.closes[-1]) == (
        7_000_000, 7_505_500, 6_000_000, 7_200_000
    )  # fmt: skip
    assert not any(minutes.volumes)


def test_days_and_minutes_go_together(tmp_path: Path) -> None:
    days = "code,time,open,high,low,close,volume\nHK.00700,2024-06-11,300,320,290,310,9999\n"
    found = load(tmp_path, days, text_of(SPARSE))
    assert found.start == second(datetime(2024, 6, 12, 9, 33))  # minutes are what there is to play
    stock = stock_of(market_of(found))
    assert stock.last_close == 310
    assert stock.days(2)[0].volume == 9999


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ("time", "2024-06-12 09:45:00"),
        ("time", "2024-06-12T01:45Z"),
        ("time_key", "2024-06-11 21:45:00-04:00"),
        ("start", "2024-06-12 09:44"),
    ],
)
def test_times_are_local_or_have_an_offset(tmp_path: Path, header: str, time: str) -> None:
    found = load(tmp_path, f"code,{header},open,high,low,close\nHK.00001,{time},1,2,1,2\n")
    assert list(found.found[1, "00001"].ends) == [second(datetime(2024, 6, 12, 9, 45))]


@pytest.mark.parametrize(
    ("row", "is_day"),
    [
        ("HK.00001,2024-06-12,", True),
        ("HK.00001,2024-06-12 00:00:00,", True),
        ("CC.BTCUSD,2024-06-12 00:00:00,", False),  # traded at midnight
        ("CC.BTCUSD,2024-06-12 00:00:00,1d", True),
        ("HK.00001,2024-06-12 10:00:00,1m", False),
    ],
)
def test_midnight_is_a_day_where_nothing_is_traded_then(tmp_path: Path, row: str, is_day: bool) -> None:
    code, time, interval = row.split(",")
    found = load(tmp_path, f"code,time,interval,open,high,low,close\n{code},{time},{interval},1,2,1,2\n")
    (recorded,) = found.found.values()
    assert (len(recorded.days), len(recorded.ends)) == ((1, 0) if is_day else (0, 1))


def test_later_rows_of_a_minute_replace_earlier_ones_in_any_order(tmp_path: Path) -> None:
    bars = [minute(5, 350, 351, 10), minute(3, 340, 341, 20), minute(5, 350, 352, 30)]
    found = load(tmp_path, text_of(bars))
    stock = stock_of(market_of(found, second(datetime(2024, 6, 12, 17))))
    assert [(bar.close, bar.volume) for bar in all_minutes(stock, 1)] == [(341, 20), (352, 30)]


def test_what_is_outside_trading_hours_is_counted(tmp_path: Path) -> None:
    lunch = minute(3, 340, 341, 20)._replace(end=datetime(2024, 6, 12, 12, 30))
    found = load(tmp_path, text_of([*SPARSE, lunch]))
    assert market_of(found).outside_hours() == {"HK.00700": 1}
    assert market_of(found, always_open=True).outside_hours() == {}


def test_days_without_calendar_are_left_out_too(tmp_path: Path) -> None:
    days = ["1990-01-02 00:00:00", "2024-06-10 00:00:00", "2024-06-11", "2024-06-15"]
    text = "code,time,open,high,low,close\n" + "".join(f"HK.00700,{day},5,6,4,5.5\n" for day in days)
    found = load(tmp_path, text)
    assert found.start == second(datetime(2024, 6, 11, 9, 30))  # the tenth is a holiday
    assert market_of(found).outside_hours() == {"HK.00700": 3}


def test_extended_hours_are_played_too(tmp_path: Path) -> None:
    rows = [
        ("2024-06-11 20:01", 100, 101), ("2024-06-12 04:01", 102, 103), ("2024-06-12 09:31", 104, 105),
        ("2024-06-12 16:01", 106, 107),
    ]  # fmt: skip
    text = BARS + "".join(f"US.AAPL,{time},{opened},{close},{opened},{close},5,\n" for time, opened, close in rows)
    stock = stock_of(market_of(load(tmp_path, text), start_time("2024-06-12T17:00:00-04:00")), 11, "AAPL")
    begin = datetime(2024, 6, 11)
    shown = minute_bars(stock, 1, begin, begin + timedelta(days=2), ALL_SESSIONS)
    assert [(f"{bar.time:%Y-%m-%d %H:%M}", bar.open, bar.close) for bar in shown] == rows
    for session, price in ((Session.OVERNIGHT, 101), (Session.PRE, 103), (Session.AFTER, 107)):
        traded = stock.of_session(session)
        assert traded is not None
        assert (traded.price, traded.volume) == (price, 5)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("HK.09000", Kind.STOCK), ("HK.800999", Kind.INDEX), ("US..NEW", Kind.INDEX), ("US.QQ2409", Kind.FUTURE),
        ("SH.510999", Kind.ETF), ("CC.DOGE", Kind.CRYPTO), ("hk.09000", Kind.STOCK),
    ],
)  # fmt: skip
def test_codes_that_the_table_lacks_are_added(tmp_path: Path, code: str, kind: int) -> None:
    text = f"code,time,open,high,low,close,lot,name\n{code},2024-06-12,5,6,4,5.5,200,Own\n"
    found = load(tmp_path, text)
    assert len(found.universe) == len(default_universe()) + 1
    added = found.universe.named(code.upper())
    assert added is not None
    assert (added.sec_type, added.lot, added.name, added.listed) == (kind, 200, "Own", "2024-06-12")


def test_others_stay_made_up(tmp_path: Path) -> None:
    found = load(tmp_path, text_of(SPARSE))
    now = second(datetime(2024, 6, 12, 11))
    own, made = market_of(found, now), Market(1, now)
    assert stock_of(own, 1, "00005").summary() == stock_of(made, 1, "00005").summary()


HALF_HOUR = st.dictionaries(
    st.integers(0, 29), st.tuples(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(0, 400)), min_size=1
)


@settings(max_examples=15, deadline=None)
@given(bars=HALF_HOUR, age=st.integers(0, 1900))
def test_whatever_is_given_all_that_shows_it_agrees(
    tmp_path_factory: pytest.TempPathFactory, bars: dict[int, tuple[int, int, int]], age: int
) -> None:
    rows = [
        Given(BEGIN + timedelta(minutes=number + 1), opened / 1e4, max(opened, close) / 1e4, min(opened, close) / 1e4,
              close / 1e4, volume, volume * 3.0)
        for number, (opened, close, volume) in bars.items()
    ]  # fmt: skip
    found = load(tmp_path_factory.mktemp("data"), text_of(rows))
    now = second(BEGIN) + age
    stock = stock_of(market_of(found, now))
    over = sorted(row for row in rows if second(row.end) <= now)
    shown = all_minutes(stock, 1)
    assert shown[: len(over)] == over
    assert len(shown) - len(over) in {0, 1}  # the running one
    day = stock.summary()
    assert day.volume == sum(bar.volume for bar in shown) == sum(trade.volume for trade in stock.last_trades(5000))
    if shown:
        assert (day.open, day.price) == (shown[0].open, shown[-1].close)
        assert (day.high, day.low) == (max(bar.high for bar in shown), min(bar.low for bar in shown))
        assert stock.last_trades(1)[-1].price == day.price
    else:
        assert day.volume == 0
    shares = stock.traded_minutes()
    assert [share.close for share in shares if not share.is_blank] == [bar.close for bar in shown]


def test_a_price_that_is_steered_moves_among_the_data(tmp_path: Path) -> None:
    market = market_of(load(tmp_path, text_of(SPARSE)), second(datetime(2024, 6, 12, 9, 36)))
    stock = stock_of(market)
    stock.hold(500)  # in a minute without data
    assert (stock.price, stock.last_trades()[-1].price) == (500, 500)
    for _ in range(300):
        market.step()
    assert stock.price == 500
    stock.release()
    assert stock.price == 500


# Files


def test_parquet_has_typed_times(tmp_path: Path) -> None:
    times = [datetime(2024, 6, 12, 1, 45, tzinfo=UTC), datetime(2024, 6, 12, 2, tzinfo=UTC)]
    table = pa.table(
        {
            "code": ["HK.00700", "HK.00700"],
            "time": pa.array(times, pa.timestamp("ns", "UTC")),
            **{name: [300.0, 301.0] for name in ("open", "high", "low", "close")},
            "volume": pa.array([100, None], pa.int32()),
        }
    )  # fmt: skip
    days = table.drop_columns("time").append_column("time", pa.array([date(2024, 6, 10), date(2024, 6, 11)]))
    (tmp_path / "deep").mkdir()
    pq.write_table(table, tmp_path / "deep" / "minutes.parquet")
    pq.write_table(days, tmp_path / "days.parquet")
    recorded = load_recordings([str(tmp_path)], default_universe()).found[1, "00700"]
    assert list(recorded.ends) == [second(datetime(2024, 6, 12, 9, 45)), second(datetime(2024, 6, 12, 10))]
    assert list(recorded.days) == [date(2024, 6, 10), date(2024, 6, 11)]


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"x.parquet: reading Parquet needs pyarrow: pip install 'ftwire\[exp"
    ):
        load_recordings([str(tmp_path)], default_universe())
    assert load(tmp_path, text_of(SPARSE)).found


def test_tables_of_the_vendors_sdk_are_read(tmp_path: Path) -> None:
    bars = "code,name,time_key,open,close,high,low,volume,turnover,k_type,last_close\n"
    rows = [
        "HK.00700,T,2024-06-12 09:31:00,300,301,302,299,100,30100,K_1M,298",
        "HK.00700,T,2024-06-12 09:35:00,300,301,302,299,700,30100,K_5M,298",
        "HK.00700,T,2024-06-11 00:00:00,290,298,302,280,900,30100,K_DAY,291",
    ]
    shares = "code,name,time,is_blank,opened_mins,cur_price,last_close,avg_price,volume,turnover\n"
    share = "HK.00700,T,2024-06-12 09:32:00,False,572,303,298,301,50,15150\n"
    found = load(tmp_path, bars + "\n".join(rows) + "\n", shares + share)
    assert found.skipped == 1
    stock = stock_of(market_of(found, second(datetime(2024, 6, 12, 10))))
    assert [(bar.close, bar.volume) for bar in all_minutes(stock, 1)] == [(301, 100), (303, 50)]
    assert [(bar.close, bar.last_close) for bar in stock.days(2)] == [(298, 291), (303, 298)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0.csv: empty: a header is expected on line 1"),
        ("code,time,open\n1,2,3\n", "0.csv: there is no column price; bars have code, time"),
        ("code,close\n1,2\n", "0.csv: there is no column open nor high nor low nor time; bars"),
        (BARS + "HK.1,2024-06-12 09:31,1,2\n", "0.csv, line 2: not as many cells as columns"),
        (BARS + "TENCENT,2024-06-12 09:31,1,2,1,2,1,1\n", "0.csv, line 2: 'TENCENT' is no security"),
        (BARS + "AU.BHP,2024-06-12 09:31,1,2,1,2,1,1\n", "0.csv, line 2: AU.BHP: the market trades none of AU"),
        (BARS + "HK.1,noon,1,2,1,2,1,1\n", "0.csv, line 2: time 'noon' is no time such as 2024-06-12 09:31:00"),
        (BARS + "HK.1,,1,2,1,2,1,1\n", "0.csv, line 2: time is empty"),
        (BARS + ",2024-06-12 09:31,1,2,1,2,1,1\n", "0.csv, line 2: code is empty"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,many,1,1\n", "0.csv, line 2: close 'many' is no number"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,,1,1\n", "0.csv, line 2: close is empty"),
        (BARS + "HK.1,2024-06-12 09:31,0,2,1,1,1,1\n", "0.csv, line 2: open '0' is no price from 0.0001"),
        (BARS + "HK.1,2024-06-12 09:31,nan,2,1,1,1,1\n", "0.csv, line 2: open 'nan' is no price"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,inf,1,1\n", "0.csv, line 2: close 'inf' is no price"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,3,1,1\n", "0.csv, line 2: open 1, high 2, low 1, close 3: high is not"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,2,-1,1\n", "0.csv, line 2: volume '-1' is no number from 0 on"),
        (BARS + "HK.1,2024-06-12 09:31,1,2,1,2,1,1e30\n", "0.csv, line 2: turnover '1e30' is no number from 0"),
        ("code,time,price,lot\nHK.1,2024-06-12 09:31,1,0\n", "0.csv, line 2: lot '0' is no whole number from 1 on"),
        (BARS.replace("turnover", "interval") + "HK.1,2024-06-12,1,2,1,2,1,5m\n", "interval '5m' is none of 1m, 1d"),
        (TRADES + "US.NO240621C210000,2024-06-12 09:31,1,2\n", "lacks the underlying of this option"),
        (BARS, "0.csv: no bar of a minute or a day, and no trade in it"),
        (BARS + '"', "0.csv, line 1: unexpected end of data"),
    ],
)  # fmt: skip
def test_errors_name_the_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(RecordingError) as caught:
        load(tmp_path, text)
    assert reason in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").touch()
    with pytest.raises(RecordingError, match=r"no file in it ends in .csv or .parquet"):
        load_recordings([str(tmp_path)], default_universe())
    with pytest.raises(RecordingError, match=r"data.txt: not a file that ends in .csv or .parquet"):
        load_recordings([str(tmp_path / "data.txt")], default_universe())
    (tmp_path / "x.parquet").write_bytes(b"PAR0")
    with pytest.raises(RecordingError, match=r"x.parquet: not Parquet that can be read"):
        load_recordings([str(tmp_path / "x.parquet")], default_universe())
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingError, match=r"x.csv: not a text in UTF-8"):
        load_recordings([str(tmp_path / "x.csv")], default_universe())
    pq.write_table(pa.table({"code": ["HK.1"], "time": [20240612], "price": [1.0]}), tmp_path / "y.parquet")
    with pytest.raises(
        RecordingError,
        match=r"y.parquet, row 1: time 20240612 is neither a time nor a text in ISO 8601: its type is int",
    ):
        load_recordings([str(tmp_path / "y.parquet")], default_universe())


def test_rows_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 5)
    with pytest.raises(RecordingError, match=r"0.csv, line 7: more than 5 rows in all"):
        load(tmp_path, text_of(SPARSE))
