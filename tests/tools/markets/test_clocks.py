"""Clocks of exchanges: zones of securities, daylight saving, times that move across a change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftwire_tools.markets.clocks import CLOCKS, at_second, clock_of, is_future, shifted, zone, zone_showing
from ftwire_tools.markets.exchanges import ZONES
from ftwire_tools.markets.local_times import local_text, parse_local

NEW_YORK, CHICAGO, SYDNEY, HONG_KONG = "America/New_York", "America/Chicago", "Australia/Sydney", "Asia/Shanghai"
SECONDS = st.integers(0, 2_145_916_800)  # until 2038
HOUR, DAY = 3600, 86_400


def second(text: str) -> int:
    """Of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("prefix", "code", "name"),
    [
        ("US", "AAPL", NEW_YORK),
        ("US", "BRK.B", NEW_YORK),
        ("US", ".SPX", NEW_YORK),
        ("US", "NVDA260330C160000", NEW_YORK),
        ("US", "F260116C12510", NEW_YORK),
        ("US", "ESmain", CHICAGO),
        ("US", "ES2606", CHICAGO),
        ("US", "MNQ2406", CHICAGO),
        ("US", "6E2609", CHICAGO),
        ("US", "ES2613", NEW_YORK),
        ("HK", "00700", HONG_KONG),
        ("HK", "02612", HONG_KONG),
        ("HK", "MHImain", HONG_KONG),
        ("HK", "HSI2606", HONG_KONG),
        ("SH", "600519", HONG_KONG),
        ("JP", "7203", "Asia/Tokyo"),
        ("JP", "NK2252606", "Asia/Tokyo"),
        ("SG", "CN2606", "Asia/Singapore"),
        ("AU", "BHP", SYDNEY),
        ("CC", "BTCUSD", None),
        ("", "AAPL", None),
    ],
)
def test_the_zone_of_a_security(prefix: str, code: str, name: str | None) -> None:
    found = zone(clock_of(prefix, code))
    assert (found and found.key) == name


def test_orders_of_futures_are_in_a_zone_of_the_users_choice() -> None:
    assert zone(clock_of("US", "ES2606", trading=True)) is None
    assert zone(clock_of("HK", "HSI2606", trading=True)) is None
    assert zone(clock_of("US", "AAPL", trading=True)) == ZoneInfo(NEW_YORK)


@pytest.mark.parametrize("code", ["", "main", "2606", "E S2606", "es2606", "ESmain2", "ES2606\n"])
def test_codes_of_no_future(code: str) -> None:
    assert not is_future(code)


@pytest.mark.parametrize(
    ("name", "local", "stamp", "seconds", "moved"),
    [
        # New York goes forward on 2024-03-10 at 07:00 UTC and back on 2024-11-03 at 06:00 UTC.
        (NEW_YORK, "2024-03-10 01:59:59", "2024-03-10 06:59:59", 1, "2024-03-10 03:00:00"),
        (NEW_YORK, "2024-03-08 16:00:00", "2024-03-08 21:00:00", 3 * DAY, "2024-03-11 17:00:00"),
        (NEW_YORK, "2024-11-03 01:30:00", "2024-11-03 05:30:00", HOUR, "2024-11-03 01:30:00"),
        (NEW_YORK, "2024-11-03 01:30:00", "2024-11-03 06:30:00", HOUR, "2024-11-03 02:30:00"),
        (NEW_YORK, "2024-07-10 10:00:00", "2024-07-10 14:00:00", 180 * DAY, "2025-01-06 09:00:00"),
        (NEW_YORK, "2024-01-10 09:00:00", "2024-01-10 14:00:00", -180 * DAY, "2023-07-14 10:00:00"),
        # Chicago does the same an hour later.
        (CHICAGO, "2024-03-10 01:59:59", "2024-03-10 07:59:59", 1, "2024-03-10 03:00:00"),
        (CHICAGO, "2024-11-03 01:30:00", "2024-11-03 06:30:00", HOUR, "2024-11-03 01:30:00"),
        # Sydney goes back on 2024-04-06 at 16:00 UTC and forward on 2024-10-05 at 16:00 UTC.
        (SYDNEY, "2024-04-07 02:59:59", "2024-04-06 15:59:59", 1, "2024-04-07 02:00:00"),
        (SYDNEY, "2024-10-06 01:59:59", "2024-10-05 15:59:59", 1, "2024-10-06 03:00:00"),
        # Hong Kong and the mainland leave their clocks alone.
        (HONG_KONG, "2024-03-10 14:59:59", "2024-03-10 06:59:59", 1, "2024-03-10 15:00:00"),
        (HONG_KONG, "2024-07-10 10:00:00", "2024-07-10 02:00:00", 180 * DAY, "2025-01-06 10:00:00"),
    ],
)
def test_times_move_with_their_clock(name: str, local: str, stamp: str, seconds: int, moved: str) -> None:
    found = shifted(parse_local(local), seconds, ZoneInfo(name), second(stamp))
    assert local_text(found) == moved
    # The zone is found by the timestamp where it is not known, or known wrongly, but for the hour in which New York's
    # clocks have been changed and Chicago's have not.
    for wrong in (None, ZoneInfo("Asia/Tokyo")) if stamp != "2024-11-03 06:30:00" else ():
        assert local_text(shifted(parse_local(local), seconds, wrong, second(stamp))) == moved


@given(SECONDS, st.integers(-(10**8), 10**8), st.sampled_from(sorted(set(CLOCKS.values()))))
@example(second("2024-11-03 05:30:00"), HOUR, NEW_YORK)
@example(second("2024-11-03 06:30:00"), -HOUR, NEW_YORK)
@example(second("2024-04-06 15:30:00"), HOUR, SYDNEY)
def test_a_moved_text_is_what_the_clock_shows_then(begin: int, seconds: int, name: str) -> None:
    where = ZoneInfo(name)
    local, wanted = (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).astimezone(where) for at in (begin, begin + seconds)
    )
    plain, shown = local.replace(tzinfo=None, fold=0), wanted.replace(tzinfo=None)
    assert shifted(plain, seconds, where, begin) == shown
    if local.replace(fold=0).timestamp() == begin:
        # A text that means one moment needs no timestamp.
        assert shifted(plain, seconds, where) == shown


@given(SECONDS, st.integers(-(10**8), 10**8))
def test_without_a_zone_the_clock_is_never_changed(begin: int, seconds: int) -> None:
    local = datetime(1970, 1, 1) + timedelta(seconds=begin)
    assert shifted(local, seconds, None) == local + timedelta(seconds=seconds)
    # Nowhere is it twenty minutes later than in UTC.
    assert shifted(local + timedelta(minutes=20), seconds, ZoneInfo(NEW_YORK), begin) == local + timedelta(
        minutes=20, seconds=seconds
    )


@given(SECONDS, st.sampled_from(sorted(ZONES.values())))
def test_the_zone_is_found_by_what_its_clock_shows(at: int, name: str) -> None:
    local = at_second(at, ZoneInfo(name)).replace(tzinfo=None)
    found = zone_showing(local, at)
    assert found is not None
    assert at_second(at, found).replace(tzinfo=None) == local
    assert zone_showing(local, at, ZoneInfo(name)) == ZoneInfo(name)


@pytest.mark.parametrize("stamp", [float("nan"), float("inf"), 1e300])
def test_what_is_no_second_is_an_error(stamp: float) -> None:
    with pytest.raises((OverflowError, ValueError)):
        shifted(datetime(2024, 1, 2), 1, ZoneInfo(NEW_YORK), stamp)


def test_years_have_four_digits() -> None:
    assert local_text(datetime(1, 2, 3, 4, 5, 6)) == "0001-02-03 04:05:06"
