"""``--stats``: requests that were refused or not answered, and rates over time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

import ftwire
from ftwire.messages import Qot_GetRT
from ftwire_tools.commands import ftwire as cli
from ftwire_tools.render.stats import MAX_SLOTS, Latencies, Rates, Stats
from ftwire_tools.terminal.cells import Screen
from ftwire_tools.terminal.times import SECOND
from support.captures import Said, answered, asked, packets, pcap, pcap_of, push, session
from support.frames import rt_request, rt_response
from support.places import ROOT


def stats_of(path: Path, said: list[Said], *options: str) -> Any:
    path.write_bytes(pcap(said))
    done = CliRunner().invoke(cli, ["dump", "--json", "--stats", *options, str(path)])
    assert done.exit_code == 0
    return json.loads(done.stderr)


@pytest.mark.parametrize("options", [(), ("--kind", "request"), ("--proto", "Qot_GetRT")])
def test_requests_without_an_answer_are_counted(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Answers count where they are not shown, too."""
    said = [
        *session(),
        asked(3008, 5, rt_request()),
        asked(3008, 6, rt_request()),
        asked(3008, 6, rt_request()),
        answered(3008, 6, rt_response()),
        # Nobody asked for it.
        answered(3008, 9, rt_response()),
    ]
    stats = stats_of(tmp_path / "session.pcap", said, *options)
    (found,) = (each for each in stats["protocols"] if each["proto_id"] == 3008)
    assert found["unanswered"] == 2
    assert stats["all"]["unanswered"] == 2


@pytest.mark.parametrize("ret_type", [-1, -100, 1])
def test_responses_that_refuse_are_counted(tmp_path: Path, ret_type: int) -> None:
    refused = Qot_GetRT.Response(retType=ret_type, retMsg="no")
    said = [*session(), asked(3008, 5, rt_request()), answered(3008, 5, refused)]
    stats = stats_of(tmp_path / "session.pcap", said)
    assert {each["proto_id"]: each["failed"] for each in stats["protocols"]} == {1001: 0, 3008: 1, 3009: 0}


def test_rates_are_a_table_with_bars(tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    sent = packets([*session(), *[answered(3009, 0, push())] * 104])
    late = len(sent) - 10
    path.write_bytes(pcap_of((time + 2 * SECOND * (at >= late), packet) for at, (time, packet) in enumerate(sent)))
    frames = [json.loads(line) for line in CliRunner().invoke(cli, ["dump", "--json", str(path)]).stdout.splitlines()]
    first, last = Counter(int(each["time"]) // SECOND for each in frames).values()
    assert first > 20 * last > 20
    done = CliRunner().invoke(cli, ["dump", "--stats", str(path)])
    lines = [line.split() for line in done.stderr.splitlines()]
    table = lines[lines.index([]) + 1 :]
    assert table[0] == ["every", "1", "s", "frames/s", "bytes/s"]
    assert table[1][:3] == ["2021-06-09", "01:30:00", f"{first}.0"]
    assert table[2] == ["01:30:01", "0.0", "0"]
    assert table[3] == ["01:30:02", f"{last}.0", str(100 * last), "#"]
    assert table[1][-1] == "#" * 20


TIMES = st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 100), min_size=1, max_size=40)


@example(times=[0, 115], rest=0)
@given(TIMES, st.integers(0, SECOND - 1))
def test_every_frame_is_in_the_slot_of_its_time(times: list[int], rest: int) -> None:
    rates = Rates()
    for time in times:
        rates.add(time * SECOND + rest, 10)
    slots = list(rates.slots())
    assert 1 <= len(slots) <= MAX_SLOTS
    begins = [begin for begin, _, _ in slots]
    assert begins == list(range(begins[0], begins[0] + rates.seconds * len(begins), rates.seconds))
    expected = Counter(time // rates.seconds * rates.seconds for time in times)
    assert {begin: frames for begin, frames, _ in slots if frames} == expected
    assert all(size == frames * 10 for _, frames, size in slots)


def test_a_quantile_of_one_span_is_that_span() -> None:
    latencies = Latencies()
    latencies.add(2_515_999)
    assert {latencies.quantile(share) for share in (0.5, 0.9, 0.99, 1.0)} == {2_515_999}


@pytest.mark.parametrize("columns", [50, 60, 80, 100])
def test_a_narrow_terminal_has_fewer_columns_and_whole_numbers(columns: int) -> None:
    stats = Stats()
    for frame in ftwire.read(ROOT / "fixtures/captures/futu-api-9.6-quotes.pcapng"):
        stats.frame(frame, frame.error)
    head, *whole = (line.split() for line in stats.lines())
    lines = list(stats.lines(screen=Screen(columns)))
    assert max(map(len, lines)) <= columns
    kept, *found = map(str.split, lines)
    assert {"frames", "errors", "failed", "unanswered"} <= set(kept)
    assert len(found) == len(whole)
    for short, long in zip(found, whole, strict=True):
        at = 1 if short[0] == "all" else 2
        assert (
            dict(zip(kept[1:], short[at:], strict=False)).items()
            <= dict(zip(head[1:], long[at:], strict=False)).items()
        )
