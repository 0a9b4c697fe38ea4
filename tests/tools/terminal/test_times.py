"""Times of captures that no calendar has: every command writes what it can of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ftwire.pcap import PcapngWriter
from ftwire_tools.commands import ftwire
from ftwire_tools.terminal.times import NO_TIME, SECOND, Clock, day_text
from support.captures import START, packets, session

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds since 1970 of the first second of the year 1 and of the year 10000.
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800
# What a pcapng interface can add to its times, and coarse clocks: seconds in steps of 1 and of 2**-1.
OFFSETS = (YEAR_1 - START // SECOND - DAY, YEAR_10000 - START // SECOND, 2**63 - 1, -(2**63), -START // SECOND - 1)
COMMANDS = (
    ("dump",),
    ("dump", "-v"),
    ("dump", "--table"),
    ("dump", "--hex"),
    ("dump", "--json"),
    ("dump", "--stats"),
    ("dump", "--since", "2021-01-01"),
    ("explain", "--all"),
    ("explain", "--json"),
)


def capture_at(path: Path, offset_s: int) -> Path:
    """A session with OpenD, so many seconds later than it was."""
    writer = PcapngWriter()
    blocks = [writer.section(), writer.interface(offset_s=offset_s)]
    blocks += [writer.packet(time + offset_s * SECOND, data) for time, data in packets(session())]
    path.write_bytes(b"".join(blocks))
    return path


@given(st.integers(-(2**94), 2**94))
def test_any_time_is_written(nanoseconds: int) -> None:
    clock = Clock()
    text, day = clock.time(nanoseconds), clock.new_day(nanoseconds)
    assert day is not None
    second, rest = divmod(nanoseconds, SECOND)
    if nanoseconds:
        expected = EPOCH + timedelta(seconds=second % DAY)
        assert text == f"{expected:%H:%M:%S}.{rest // 1000:06}"
    else:
        assert text == NO_TIME
    if YEAR_1 <= second < YEAR_10000:
        assert day == f"{(EPOCH + timedelta(seconds=second)).date().isoformat()} UTC"
    else:
        # Nothing is lost: the second is that of the day's begin, and the time of day.
        found = re.fullmatch(r"([+-]\d+) s from 1970-01-01 UTC", day)
        assert found is not None
        assert int(found[1]) + second % DAY == second
    assert clock.new_day(nanoseconds) is None


@given(st.integers(-(10**6), 10**6))
def test_the_second_before_1970_is_one_like_others(microseconds: int) -> None:
    nanoseconds = microseconds * 1000 or -1000
    expected = EPOCH + timedelta(microseconds=nanoseconds // 1000)
    assert Clock().time(nanoseconds) == f"{expected:%H:%M:%S.%f}"
    assert Clock().new_day(nanoseconds) == f"{expected:%Y-%m-%d} UTC"


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (0, "1970-01-01"),
        (YEAR_1 // DAY, "0001-01-01"),
        (YEAR_1 // DAY - 1, f"{YEAR_1 - DAY} s from 1970-01-01"),
        (YEAR_10000 // DAY - 1, "9999-12-31"),
        (YEAR_10000 // DAY, f"+{YEAR_10000} s from 1970-01-01"),
    ],
)
def test_days_at_the_ends_of_the_calendar(day: int, text: str) -> None:
    assert day_text(day) == text


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_show_captures_of_any_time(command: tuple[str, ...], offset: int, tmp_path: Path) -> None:
    path, usual = capture_at(tmp_path / "a.pcapng", offset), capture_at(tmp_path / "b.pcapng", 0)
    runner = CliRunner()
    result = runner.invoke(ftwire, [*command, str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if "--since" in command:
        # All of it is before or after this day.
        shown = runner.invoke(ftwire, ["dump", str(path if offset > 0 else usual)]).stdout if offset > 0 else ""
        assert result.stdout == shown
        return
    expected = runner.invoke(ftwire, [*command, str(usual)])
    assert result.exit_code == expected.exit_code
    # The same but for dates, times and the file's name.
    assert _without_times(result.stdout) == _without_times(expected.stdout)


def _without_times(text: str) -> str:
    text = re.sub(r"--- (\d{4}-\d\d-\d\d|[+-]\d+ s from 1970-01-01) UTC", "DAY", text)
    text = re.sub(r'"time": "-?\d+"', "TIME", re.sub(r"[ab]\.pcapng", "FILE", text))
    return re.sub(r"\d\d:\d\d:\d\d\.\d{6}", "TIME", text)


@pytest.mark.parametrize("offset", OFFSETS)
def test_redact_keeps_any_time(offset: int, tmp_path: Path) -> None:
    path, out = capture_at(tmp_path / "a.pcapng", offset), tmp_path / "out.pcapng"
    runner = CliRunner()
    assert runner.invoke(ftwire, ["redact", str(path), "-w", str(out)]).exit_code == 0
    before, after = (runner.invoke(ftwire, ["dump", "--json", str(each)]).stdout for each in (path, out))
    times = [[int(json.loads(line)["time"]) for line in text.splitlines()] for text in (before, after)]
    # Behind the largest offset that an interface can have there are whole seconds.
    step = 1 if offset < 2**63 - 1 else SECOND
    assert [time // step * step for time in times[0]] == times[1] != []


def test_redact_keeps_times_that_are_ages_apart(tmp_path: Path) -> None:
    """More of them than one section has interfaces for."""
    path, out = tmp_path / "a.pcapng", tmp_path / "out.pcapng"
    writer = PcapngWriter()
    blocks = [writer.section()]
    for number, (_, data) in enumerate(packets(session() * 20)):
        begin = number << 34
        blocks.append(writer.interface(offset_s=begin))
        blocks.append(writer.packet(begin * SECOND + 5, data, interface=number))
    path.write_bytes(b"".join(blocks))
    runner = CliRunner()
    assert runner.invoke(ftwire, ["redact", str(path), "-w", str(out)]).exit_code == 0
    before, after = (runner.invoke(ftwire, ["dump", "--json", str(each)]).stdout for each in (path, out))
    times = [[json.loads(line)["time"] for line in text.splitlines()] for text in (before, after)]
    assert times[0] == times[1]
    assert len(times[0]) == 100


@pytest.mark.parametrize("offset", OFFSETS)
def test_export_keeps_the_rows_and_says_which_times_it_cannot_hold(offset: int, tmp_path: Path) -> None:
    path, out = capture_at(tmp_path / "a.pcapng", offset), tmp_path / "out"
    result = CliRunner().invoke(ftwire, ["export", str(path), "-o", str(out), "--format", "jsonl"])
    rows = [json.loads(line) for each in out.glob("time_share/**/*.jsonl") for line in each.open()]
    assert len(rows) == 3
    if abs(START + offset * SECOND) < 2**63:
        assert result.exit_code == 0
        assert all(row.get("time") is not None for row in rows)
    else:
        assert result.exit_code == 3
        assert "5 capture times outside 1678 to 2261 are null" in result.stderr
        assert all(row.get("time") is None for row in rows)
