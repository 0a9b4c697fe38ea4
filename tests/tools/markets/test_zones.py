"""Columns of local times and timestamps as instants, against zoneinfo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftwire_tools.markets.clocks import CLOCKS, clock_of
from ftwire_tools.markets.exchanges import QOT_PREFIXES
from ftwire_tools.markets.zones import clocks_of, instants, read_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_NAMES = sorted(CLOCKS)
SECONDS = st.integers(DAY := 86_400, 2_145_916_800)
AROUND_CHANGES = st.sampled_from(
    # Of New York, Chicago and Sydney, in spring and in autumn.
    [1_710_054_000, 1_710_057_600, 1_730_613_600, 1_730_617_200, 1_712_419_200, 1_728_144_000]
).flatmap(lambda change: st.integers(change - 7200, change + 7200))


def text_of(second: int, clock: str) -> str:
    local = (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(CLOCKS[clock]))
    return f"{local:%Y-%m-%d %H:%M:%S}"


def column(values: Sequence[Any], kind: Any) -> Any:
    return pa.array(values, kind)


def read(
    texts: Sequence[str | None], clocks: Sequence[str | None], stamps: Sequence[float | None]
) -> tuple[list[Any], list[Any]]:
    found = read_times(column(texts, pa.string()), column(clocks, pa.string()), column(stamps, pa.float64()))
    seconds = [None if each is None else each / 1e6 for each in found.instants.cast(pa.int64()).to_pylist()]
    return seconds, found.differ.to_pylist()


@given(st.lists(st.tuples(SECONDS | AROUND_CHANGES, st.sampled_from(CLOCK_NAMES), st.integers(0, 999)), max_size=8))
@example([(1_730_611_800, "US", 0), (1_730_615_400, "US", 0), (1_730_615_400, "US futures", 500)])
def test_text_and_timestamp_of_one_moment_agree(rows: list[tuple[int, str, int]]) -> None:
    texts = [text_of(second, clock) for second, clock, _ in rows]
    stamps = [second + milli / 1000 for second, _, milli in rows]
    seconds, differ = read(texts, [clock for _, clock, _ in rows], stamps)
    assert seconds == pytest.approx(stamps, abs=1e-6, rel=0)
    assert not any(differ)


@given(
    st.lists(
        st.tuples(SECONDS, st.sampled_from(CLOCK_NAMES), st.sampled_from([-DAY, -7200, -61, -1, 1, 90, 7200])),
        min_size=1,
        max_size=8,
    )
)
def test_the_timestamp_is_right_and_the_difference_counted(rows: list[tuple[int, str, int]]) -> None:
    texts = [text_of(second + off, clock) for second, clock, off in rows]
    seconds, differ = read(texts, [clock for _, clock, _ in rows], [second for second, _, _ in rows])
    assert seconds == [second for second, _, _ in rows]
    for (second, clock, off), found in zip(rows, differ, strict=True):
        # An hour that occurs twice, or not at all, is a reason for another distance.
        zone = ZoneInfo(CLOCKS[clock])
        offsets = {(EPOCH + timedelta(seconds=second + each)).astimezone(zone).utcoffset() for each in (0, off, -off)}
        assert found or len(offsets) > 1


@pytest.mark.parametrize("stamp", [None, 0.0, float("nan"), float("inf"), -1e300, 1e18, 253_402_300_800.0])
def test_without_a_timestamp_the_text_decides(stamp: float | None) -> None:
    seconds, differ = read(["2024-01-10 09:30:00", "2024-07-10 09:30:00"], ["US", "US futures"], [stamp, stamp])
    assert seconds == [1_704_897_000, 1_720_621_800]
    assert differ == [False, False]


@pytest.mark.parametrize("text", [None, "", "soon", "24:00:00", "2024-13-01 00:00:00"])
def test_without_a_text_the_timestamp_decides(text: str | None) -> None:
    assert read([text], ["US"], [1_704_897_000.25]) == ([1_704_897_000.25], [False])


def test_on_a_clock_without_a_zone_only_the_timestamp_is_an_instant() -> None:
    clocks = [None, "", "CC", "nowhere"]
    assert read(["2024-01-10 09:30:00"] * 4, clocks, [None, 1.5, 2.5, None]) == ([None, 1.5, 2.5, None], [False] * 4)


def test_a_date_is_its_midnight_and_agrees_with_its_whole_day() -> None:
    midnight = 1_704_862_800  # 2024-01-10 in New York
    stamps = [None, midnight, midnight + 23 * 3600, midnight - 1, midnight + 26 * 3600]
    seconds, differ = read(["2024-01-10"] * 5, ["US"] * 5, stamps)
    assert seconds == [midnight, *stamps[1:]]
    assert differ == [False, False, False, True, True]


def test_what_a_text_means_does_not_depend_on_the_others() -> None:
    texts = ["2024-01-10", "2024-01-10 09:30:00", "2024-01-10 09:30", "2024-01-10 09:30:00.250", "", "2024-01-10 9:30"]
    alone = [instants(pa.array([text]), pa.array(["US"])).to_pylist()[0] for text in texts]
    together = instants(pa.array([*texts, "soon"]), pa.array(["US"] * 7)).to_pylist()
    assert together == [*alone, None]
    assert alone[0] is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*QOT_PREFIXES.values(), None]),
            st.sampled_from(["AAPL", "ES2606", "ESmain", "00700", "HSI2606", "", None]) | st.text(max_size=8),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_columns_have_the_clocks_that_single_securities_have(
    rows: list[tuple[str | None, str | None]], trading: bool
) -> None:
    prefixes, codes = [prefix for prefix, _ in rows], [code for _, code in rows]
    found = clocks_of(column(prefixes, pa.string()), column(codes, pa.string()), trading=trading).to_pylist()
    for prefix, code, clock in zip(prefixes, codes, found, strict=True):
        assert CLOCKS.get(clock) == CLOCKS.get(clock_of(prefix or "", code or "", trading=trading))


LOCAL_TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2037, 12, 30)) | AROUND_CHANGES.flatmap(
    # On the clocks of New York, Chicago and Sydney.
    lambda second: st.sampled_from([-4, -5, -6, 10, 11]).map(
        lambda hours: datetime(1970, 1, 1) + timedelta(seconds=second, hours=hours)
    )
)


@given(st.lists(LOCAL_TIMES, min_size=1, max_size=8), st.sampled_from(CLOCK_NAMES))
@example([datetime(2024, 3, 10, 2, 30), datetime(2024, 11, 3, 1, 30)], "US")
@example([datetime(2024, 10, 6, 2, 59, 59), datetime(2024, 4, 7, 2, 30)], "AU")
def test_texts_mean_what_arrow_takes_them_for(times: list[datetime], clock: str) -> None:
    """Arrow has rules and code of its own: the first of two hours, and of skipped times the end of the gap."""
    texts = [f"{time:%Y-%m-%d %H:%M:%S.%f}" for time in times]
    found = instants(pa.array(texts), pa.array([clock] * len(texts)))
    local = pa.array(times, pa.timestamp("us"))
    expected = pc.assume_timezone(local, CLOCKS[clock], ambiguous="earliest", nonexistent="latest")
    assert found.cast(pa.int64()).to_pylist() == expected.cast(pa.int64()).to_pylist()


@pytest.mark.parametrize("text", ["0000-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"])
def test_ends_of_the_calendar(text: str) -> None:
    for clock in CLOCK_NAMES:
        (found,) = instants(pa.array([text]), pa.array([clock])).cast(pa.int64()).to_pylist()
        if text[0] == "0" and text[3] == "0":
            assert found is None
        else:
            local = (datetime.fromisoformat(text) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
            assert abs(found - local) < 15 * 3_600_000_000
