"""What a capture lacks, or what could not be read of it, is said by every command that reads captures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftwire.pcap.writer import PcapWriter
from ftwire_tools.commands import ftwire
from support import captures

SNAP_LENGTH = 120
FRAMES = captures.packets(captures.session())
REQUEST = next(number for number, (_, data) in enumerate(FRAMES) if b"FT\xc0\x0b" in data)


def file_of(frames: list[tuple[int, bytes]], *, link_type: int = 1, snap_length: int = 1 << 16) -> bytes:
    writer = PcapWriter(snap_length=snap_length, link_type=link_type)
    return writer.header() + b"".join(writer.packet(time, each[:snap_length], len(each)) for time, each in frames)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(ftwire, [*map(str, words)])


COMMANDS: dict[str, Callable[[Path, Path], Result]] = {
    "dump": lambda path, _: run("dump", path),
    "explain": lambda path, _: run("explain", "--brief", path),
    "export": lambda path, out: run("export", path, "-o", out / "tables"),
    "redact": lambda path, out: run("redact", path, "-w", out / "new.pcapng"),
    "report": lambda path, out: run("report", path, "-o", out / "page.html"),
}

LACKING = {
    "a segment that was not captured": (file_of(FRAMES[:REQUEST] + FRAMES[REQUEST + 1 :]), ""),
    "the end of packets": (file_of(FRAMES, snap_length=SNAP_LENGTH), "packets cut to the capture's snapshot length"),
    "a link type that is not taken apart": (file_of(FRAMES, link_type=105), "link type 105 (802.11)"),
    "the end of the file": (file_of(FRAMES)[:-30], "the file ends inside a record"),
}


@pytest.mark.parametrize("what", LACKING)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_lacks(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    data, sentence = LACKING[what]
    path.write_bytes(data)
    result = COMMANDS[name](path, tmp_path)
    assert result.exit_code == 3, result.output
    said = {
        "dump": "bytes at stream offset",
        "export": "1 not decoded",
        "report": "not decoded: 1 ",
    }.get(name, "bytes of conversations are not in the capture")
    assert (sentence or said) in result.output


def test_a_whole_capture_lacks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(file_of(FRAMES))
    for name, command in COMMANDS.items():
        result = command(path, tmp_path)
        assert result.exit_code == 0, name
        assert " bytes of conversations" not in result.output


def test_explain_says_that_it_begins_within_a_frame(tmp_path: Path) -> None:
    path, (first, *others) = tmp_path / "capture.pcap", captures.session()
    handshake = 3
    path.write_bytes(file_of(captures.packets([captures.Said(first.sender, first.data[6:]), *others])[handshake:]))
    result = run("explain", "--brief", path)
    assert result.exit_code == 3
    assert " bytes of conversations are in no frame\n" in result.output


def test_the_list_of_redact_has_it(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(LACKING["the end of packets"][0])
    result = run("redact", path, "--json", "-w", tmp_path / "new.pcapng")
    assert "packets cut to the capture's snapshot length" in " ".join(json.loads(result.stdout)["not_read"])


@pytest.mark.parametrize("what", ["the end of packets", "a link type that is not taken apart"])
def test_serve_says_why_there_is_nothing_to_replay(what: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    data, sentence = LACKING[what]
    path.write_bytes(data)
    result = run("serve", path, "--port", "0")
    assert result.exit_code == 1
    assert sentence in result.stderr
