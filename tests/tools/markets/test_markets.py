"""Facts about markets: exchanges, local times, trading time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from ftwire_tools.markets.exchanges import EXCHANGES, QOT_PREFIXES, TRADE_MARKETS, TRADE_PREFIXES, ZONES, exchange_of
from ftwire_tools.markets.local_times import local_text, minute_of_day, parse_local
from ftwire_tools.markets.trading_clock import TradingClock


def test_an_exchange_is_listed_once() -> None:
    for values in (
        [exchange.prefix for exchange in EXCHANGES],
        [exchange.qot_market for exchange in EXCHANGES],
        [exchange.sec_market for exchange in EXCHANGES if exchange.sec_market],
    ):
        assert len(values) == len(set(values))
    assert (QOT_PREFIXES[11], TRADE_PREFIXES[2], ZONES["US"]) == ("US", "US", "America/New_York")
    assert set(TRADE_MARKETS.values()) <= set(ZONES)
    with pytest.raises(KeyError):
        exchange_of("XX")


@pytest.mark.parametrize("exchange", [each for each in EXCHANGES if each.zone], ids=lambda each: each.prefix)
def test_zones_exist(exchange: object) -> None:
    assert ZoneInfo(exchange.zone)  # type: ignore[attr-defined]


def test_local_times() -> None:
    assert parse_local("2024-01-05 09:30:00") == datetime(2024, 1, 5, 9, 30)
    assert parse_local("2024-01-05") == datetime(2024, 1, 5)
    assert parse_local("2024-01-05", end_of_day=True) == datetime(2024, 1, 5, 23, 59, 59)
    assert local_text(parse_local("2024-01-05 09:30:01")) == "2024-01-05 09:30:01"
    with pytest.raises(ValueError, match="soon"):
        parse_local("soon")


def test_trading_time_leaves_out_nights_and_weekends() -> None:
    hk = TradingClock("HK", date(2024, 1, 5))  # a Friday
    assert local_text(hk.at(0)) == "2024-01-05 09:30:00"
    assert hk.at(0).timestamp() == datetime(2024, 1, 5, 1, 30, tzinfo=UTC).timestamp()
    assert local_text(hk.at(150 * 60)) == "2024-01-05 13:00:00"
    assert local_text(hk.at(hk.seconds(1))) == "2024-01-08 09:30:00"
    assert local_text(TradingClock("HK", date(2024, 1, 6)).at(0)) == "2024-01-08 09:30:00"
    assert local_text(TradingClock("HK", date(2024, 12, 24)).at(150 * 60)) == "2024-12-27 09:30:00"  # a half day
    us = TradingClock("US", date(2024, 7, 3))
    assert us.seconds(2) == (210 + 390) * 60
    assert us.at(60).timestamp() == datetime(2024, 7, 3, 13, 31, tzinfo=UTC).timestamp()
    assert minute_of_day(us.at(60)) == 571
