"""What lines have beside the summary: the number of a response's request, prices of quotes, and times by choice."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_Common, Qot_UpdateOrderBook
from ftwire_tools.commands import ftwire
from ftwire_tools.messages.summary import summary_of
from ftwire_tools.terminal.times import SECOND, Clock
from support.captures import answered, asked, packets, pcap, pcap_of, session
from support.frames import rt_request, rt_response
from support.screens import write_capture


def lines_of(path: Path, *options: str) -> list[str]:
    return CliRunner().invoke(ftwire, ["dump", *options, str(path)]).stdout.splitlines()


def test_a_response_names_its_request_shown_or_not(tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    said = [*session(), asked(3008, 8, rt_request()), asked(3008, 9, rt_request())]
    said += [answered(3008, 9, rt_response()), answered(3008, 8, rt_response()), answered(3008, 7, rt_response())]
    path.write_bytes(pcap(said))
    for options in ((), ("--kind", "response"), ("--fields", "retType")):
        found = [re.search(r" re (\d+)", line) for line in lines_of(path, *options) if "<- response 3008" in line]
        assert [each and int(each[1]) for each in found] == [3, 7, 6, None]


def test_prices_are_in_the_lines_of_quotes(tmp_path: Path) -> None:
    write_capture(tmp_path / "names.pcap")
    lines = [line.partition(" none ")[2].strip() for line in lines_of(tmp_path / "names.pcap", "--kind", "push")]
    assert lines[3:5] == [
        "HK.00700 bid=600.0x900 ask=601.0x901 name=腾讯控股",
        "HK.00700 tickerList[2] price=601.0x400 name=腾讯控股",
    ]


@pytest.mark.parametrize("prices", [(0.0, -0.0), (-0.0, 0.0), (600.5, 600.5), (float("nan"), 1e300)])
def test_a_price_is_written_as_it_is_whatever_came_before(prices: tuple[float, float]) -> None:
    security = Qot_Common.Security(market=1, code="00700")
    for price in prices:
        levels = [Qot_Common.OrderBook(price=price, volume=5, orederCount=1)] * 2
        sides = Qot_UpdateOrderBook.S2C(security=security, orderBookBidList=levels)
        text = summary_of(Qot_UpdateOrderBook.Response(retType=0, s2c=sides))
        assert text == f"HK.00700 bid={price}x5"


def test_differences_are_to_the_line_above(tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    sent = packets(session())
    times = [0, 1_500_000, 1_500_000, 62 * SECOND, 62 * SECOND + 1000]
    path.write_bytes(pcap_of((sent[0][0] + times[min(at // 2, 4)], packet) for at, (_, packet) in enumerate(sent)))
    shown = [line.split()[1] for line in lines_of(path, "--time", "delta") if not line.startswith("---")]
    whole = [line.split()[1] for line in lines_of(path) if not line.startswith("---")]
    seconds = [int(each[3:5]) * 60 + float(each[6:]) for each in whole]
    assert shown[0] == "+0.000000"
    assert [round(b - a, 6) for a, b in pairwise(seconds)] == [float(each) for each in shown[1:]]
    assert max(map(float, shown)) > 60


def test_local_times_follow_the_rules_of_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the begin of daylight saving in New York: 2024-03-10, 02:00 EST is 03:00 EDT."""
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        clock = Clock(local=True)
        change = 1_710_054_000 * SECOND
        assert clock.new_day(change - SECOND) == "2024-03-10 EST"
        assert (clock.time(change - SECOND), clock.time(change)) == ("01:59:59.000000", "03:00:00.000000")
        assert clock.new_day(change - 3 * 3600 * SECOND) == "2024-03-09 EST"
        # A time that no calendar has is written as UTC.
        assert clock.time(2**100) == Clock().time(2**100)
    finally:
        monkeypatch.undo()
        time.tzset()
