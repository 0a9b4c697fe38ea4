"""Frames and conversations have the same numbers in every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import ftwire
from ftwire.pcap import Direction, Endpoint, TcpConversation
from ftwire_tools.captures.capture_writer import CaptureFiles
from ftwire_tools.captures.input_files import open_input
from ftwire_tools.captures.traffic import Closed, Opened, Received, Traffic
from ftwire_tools.commands import ftwire as command_line
from ftwire_tools.dumping.dumper import Dump, DumpForm
from ftwire_tools.export import tables
from ftwire_tools.filters.frame_filter import FrameFilter
from ftwire_tools.recording.live_dump import LiveDump
from ftwire_tools.recording.recorder import Recorder
from ftwire_tools.replaying.capture_script import read_script
from support.captures import CLIENT, MILLISECOND, SERVER, START, Said, asked, packets, pcap_of, session
from support.frames import rt_request

WEB = Endpoint(b"\x7f\x00\x00\x01", 80)
LATE = CLIENT._replace(port=50500)
JUNK = Said(session()[0].sender, b"\xee" * 100)
MIXED = [*session()[:2], JUNK, *session()[2:]]
"""A conversation with bytes that are no frame."""


def capture() -> bytes:
    """A web page, then two conversations: the one that opens first sends its first frame last."""
    page = TcpConversation(CLIENT, WEB).frames([(Direction.A_TO_B, b"GET / HTTP/1.1\r\n\r\n", START)])
    opening, rest = packets(MIXED)[:3], packets(MIXED)[3:]
    later = [(time + 10 * MILLISECOND, packet) for time, packet in rest]
    return pcap_of([*page, *opening, *packets(session(), client=LATE), *later])


def run(*words: str | Path) -> list[dict[str, object]]:
    output = CliRunner().invoke(command_line, [*map(str, words)]).stdout
    return [json.loads(line) for line in output.splitlines()]


Numbers = list[tuple[object, object]]
"""Frame and conversation."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture())
    return path


@pytest.fixture
def dumped(path: Path) -> Numbers:
    found: Numbers = [(line["number"], line["conversation"]) for line in run("dump", "--json", path)]
    assert found == [(number, 1 if number <= 5 else 2) for number in range(1, 11)]
    return found


def test_read(path: Path, dumped: Numbers) -> None:
    assert [(frame.number, frame.conversation.number) for frame in ftwire.read(path)] == dumped


def test_export(path: Path, dumped: Numbers) -> None:
    rows = [row for batch in tables([str(path)]) for row in batch.batch.to_pylist()]
    assert {(row["number"], row["conversation"]) for row in rows if row["number"] is not None} == set(dumped)


def test_explain(path: Path, dumped: Numbers) -> None:
    (report,) = run("explain", "--json", "--all", path)
    frames = report["frames"]
    assert isinstance(frames, list)
    assert [(frame["frame"], frame["conversation"]) for frame in frames if frame["frame"]] == dumped
    assert [frame["conversation"] for frame in frames if not frame["frame"]] == [2], "the bytes in no frame"


def test_replay(path: Path, dumped: Numbers) -> None:
    with open_input(str(path)) as source:
        parts = read_script(source).parts
    assert {part.conversation.number for part in parts} == {conversation for _, conversation in dumped}
    by_client = {part.conversation.client: part.conversation.number for part in parts}
    assert by_client == {str(LATE): 1, str(CLIENT): 2}


def test_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = DumpForm(as_json=True, tree=False, with_hex=False, table=False, fields=(), show_secrets=False)
    path = tmp_path / "recorded.pcapng"
    recorder = Recorder(
        CaptureFiles(str(path), max_size=0, max_age=0, keep=0, overwrite=False),
        print,
        print,
        live=LiveDump(Dump(form, FrameFilter(), None, file=None)),
    )
    recorder.start(START)
    for traffic in recorded():
        recorder.take(traffic)
    recorder.close()
    shown = capsys.readouterr().out
    assert [json.loads(line)["conversation"] for line in shown.splitlines()] == [1, 2, 1]
    assert shown == CliRunner().invoke(command_line, ["dump", "--json", str(path)]).stdout


def recorded() -> list[Traffic]:
    """Connections as a proxy passes them: another protocol first, then two clients whose first frames cross."""
    clients = [CLIENT._replace(port=port) for port in (1, 2, 3)]
    opened: list[Traffic] = [Opened(number, START, client, SERVER) for number, client in enumerate(clients, 1)]
    said = [
        (1, b"GET / HTTP/1.1\r\n\r\n"),
        (3, asked(3008, 1, rt_request()).data),
        (2, asked(3008, 1, rt_request()).data),
    ]
    said.append((3, asked(3008, 2, rt_request()).data))
    times = range(START, START + len(said) * MILLISECOND, MILLISECOND)
    received: list[Traffic] = [
        Received(number, time, Direction.A_TO_B, data) for (number, data), time in zip(said, times, strict=True)
    ]
    closed: list[Traffic] = [Closed(number, times[-1], side) for number in (1, 2, 3) for side in Direction]
    return [*opened, *received, *closed]
