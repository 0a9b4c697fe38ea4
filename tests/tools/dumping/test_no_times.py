"""Commands over captures whose packets have no time, all or some of them: they stay in their place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftwire.pcap import PcapngWriter
from ftwire_tools.commands import ftwire
from ftwire_tools.testing import gateway
from support.captures import packets, session
from support.scripted_gateway import serving

CASES: dict[str, Callable[[int], bool]] = {
    "all": lambda _: False,
    "the first ones": lambda at: at > 6,
    "the last ones": lambda at: at < 6,
    "one of two": lambda at: at % 2 == 0,
    "one of three": lambda at: at % 3 != 1,
}
"""Which packets have a time, by their place in the capture."""


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(ftwire, list(map(str, words)))


def dumped(path: Path) -> list[dict[str, Any]]:
    result = run("dump", "--json", path)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(params=CASES)
def capture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    writer, has_time = PcapngWriter(), CASES[request.param]
    file = writer.section() + writer.interface()
    for at, (time_ns, data) in enumerate(packets(session())):
        file += writer.packet(time_ns, data) if has_time(at) else writer.simple_packet(data)
    path = tmp_path / "capture.pcapng"
    path.write_bytes(file)
    return path


def test_only_two_times_make_a_latency(capture: Path) -> None:
    frames = dumped(capture)
    assert [each["proto_id"] for each in frames] == [1001, 1001, 3008, 3008, 3009]
    assert [each["request"] for each in frames] == [None, 1, None, 3, None]
    for each in frames:
        asked = None if each["request"] is None else frames[each["request"] - 1]["time"]
        expected = None if asked is None or each["time"] is None else str(int(each["time"]) - int(asked))
        assert each["latency_ns"] == expected
    untimed = [each["number"] for each in frames if each["time"] is None]
    late = run("dump", "--json", "-Y", "latency >= 0ms or latency < 0ms", capture).stdout
    assert not {json.loads(line)["number"] for line in late.splitlines()} & set(untimed)


@pytest.mark.parametrize("write", ["dump", "redact"])
def test_a_copy_has_the_same_frames_at_the_same_times(capture: Path, tmp_path: Path, write: str) -> None:
    copy = tmp_path / "copy.pcapng"
    result = run(write, capture, "-w", copy)
    assert result.exit_code == 0, result.output
    facts = ("number", "time", "conversation", "src", "dst", "kind", "proto_id", "serial", "request", "latency_ns")
    assert [[each[fact] for fact in facts] for each in dumped(copy)] == [
        [each[fact] for fact in facts] for each in dumped(capture)
    ]


def test_a_selection_by_time_that_nothing_meets(capture: Path) -> None:
    result = run("dump", "--since", "2099-01-01", capture)
    times = [each["time"] for each in dumped(capture) if each["time"] is not None]
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1970" not in result.stderr
    assert ("the capture has no times" in result.stderr) == (not times)


def test_captured_speed_does_not_wait_for_a_time_that_is_none(capture: Path) -> None:
    with serving() as opend:
        result = run("replay", capture, "--to", f"127.0.0.1:{opend.port}", "--json", "--timeout", "10")
    assert json.loads(result.stdout.splitlines()[-1])["summary"].keys() <= {"same", "different"}, result.output
    with gateway(capture) as opend:
        result = run("replay", capture, "--to", f"127.0.0.1:{opend.port}", "--json", "--timeout", "10")
    assert json.loads(result.stdout.splitlines()[-1])["summary"] == {"same": 1}, result.output
