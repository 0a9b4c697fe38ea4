"""What the command shows at 80, 100 and 120 columns, compared with what was once looked at and approved.

``PYTHONPATH=tests python -m support.screens`` writes the goldens again.
"""

from __future__ import annotations

import shlex
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ftwire import Role
from ftwire.pcap import Endpoint
from ftwire_tools.terminal.cells import Screen, wrapped
from ftwire_tools.testing import gateway
from support.captures import Said, pcap, session
from support.command import FTWIRE
from support.places import ROOT
from support.programs import Program
from support.screens import FIXTURE, SCREENS, WIDTHS, golden, on_a_terminal, screen, within, write_capture

WHOLE = ("verbose",)
"""Screens with lines that are never cut: every field was asked for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screens")
    write_capture(folder / "names.pcap")
    return folder


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_of(name: str, width: int, folder: Path) -> None:
    shown = screen(name, width, folder)
    assert shown == golden(name, width).read_text(encoding="utf-8")
    if name not in WHOLE:
        assert max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_a_terminal_shows_the_golden(width: int, folder: Path, tmux: Program) -> None:
    """In a real terminal: no line is wrapped, and Chinese names take the columns they are given."""
    server = f"ftwire-{width}-{folder.name}"
    words = shlex.join([*FTWIRE, *SCREENS["table"]])
    plain = "env -u COLUMNS NO_COLOR=1 PYTHONUTF8=1 LC_ALL=C.UTF-8"
    program = f"{plain} {words}; echo the end; cat"
    try:
        tmux(
            "-u",
            "-L",
            server,
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            "40",
            "-c",
            folder,
            program,
        )
        for _ in range(300):
            lines = [line.rstrip() for line in tmux("-u", "-L", server, "capture-pane", "-p").splitlines()]
            if "the end" in lines:
                break
            time.sleep(0.1)
    finally:
        tmux("-L", server, "kill-server")
    shown = lines[: lines.index("the end")]
    assert shown == golden("table", width).read_text(encoding="utf-8").splitlines()


def test_a_file_gets_whole_lines(folder: Path) -> None:
    """Of the shell inside a terminal that is 80 columns wide, too."""
    words = shlex.join([*FTWIRE, *SCREENS["dump"]])
    on_a_terminal(program=within(folder, ("sh", "-c", f"{words} > whole.txt")), COLUMNS="80")
    lines = (folder / "whole.txt").read_text(encoding="utf-8").splitlines()
    assert "bid=600.0x900 ask=601.0x901 name=腾讯控股" in lines[10]
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) > 120


def test_an_encoding_without_an_ellipsis_gets_another_mark(folder: Path) -> None:
    ascii_only = {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "ascii"}
    shown = on_a_terminal(*SCREENS["dump"], program=within(folder), **ascii_only).decode()
    assert any(line.endswith(">") and len(line) == 80 for line in shown.splitlines())
    assert "\\u2026" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "--brief", str(ROOT / "fixtures/captures/faults/native-5.1-bad-sha1.pcapng")),
        ("doctor", "GATEWAY"),
        ("replay", "--topspeed", str(ROOT / "fixtures/captures/futu-api-9.6-quotes.pcapng"), "--to", "GATEWAY"),
    ],
    ids=lambda words: words[0],
)
def test_what_has_no_room_in_a_line_goes_on_in_the_next(words: tuple[str, ...]) -> None:
    with gateway(FIXTURE) as opend:
        address = f"127.0.0.1:{opend.port}"
        there = [address if word == "GATEWAY" else word for word in words]
        shown = on_a_terminal(*there, COLUMNS="60", NO_COLOR="1").decode().splitlines()
    assert len(shown) > 5
    assert max(map(len, shown)) <= 60


def test_declarations_stay_in_sight_beside_long_names() -> None:
    shown = on_a_terminal("schema", "find", "highPrice", COLUMNS="80").decode().splitlines()
    assert "field     Qot_Common.KLine.highPrice    optional double highPrice = 3" in shown


def test_long_addresses_go_on_in_the_next_line(tmp_path: Path) -> None:
    ends = [Endpoint(bytes.fromhex("fd00123456789abcdef0123456789abc"), port) for port in (54321, 11111)]
    (tmp_path / "session.pcap").write_bytes(pcap(session(), *ends))
    environment = {"COLUMNS": "80", "NO_COLOR": "1"}
    shown = on_a_terminal("dump", "session.pcap", program=within(tmp_path), **environment).decode().splitlines()
    assert max(map(len, shown)) <= 80
    assert " ".join(each.strip() for each in shown[1:3]) == f"--- 1: client {ends[0]}, server {ends[1]}, tcp"


def test_bytes_in_no_frame_fit_a_terminal(tmp_path: Path) -> None:
    said = [*session(), Said(Role.SERVER, b"no frame" * 9), *session()]
    (tmp_path / "session.pcap").write_bytes(pcap(said))
    words = ("dump", "--stats", "session.pcap")
    shown = on_a_terminal(*words, program=within(tmp_path), COLUMNS="60", NO_COLOR="1").decode().splitlines()
    assert max(map(len, shown)) <= 60
    at = next(at for at, line in enumerate(shown) if line.endswith(" gap"))
    assert shown[at + 1].startswith("       72 bytes at stream offset")
    assert "1 gap, 72 bytes in no frame" in shown


TEXTS = st.text(st.sampled_from("ab 腾控é\u0301あ"), max_size=60)


@given(st.lists(TEXTS, max_size=5), st.integers(2, 90))
def test_what_fits_is_left_and_what_does_not_is_cut(texts: list[str], columns: int) -> None:
    coloured = "".join(f"\x1b[1;31m{text}\x1b[0m" for text in texts)
    plain = "".join(texts)
    cut = Screen(columns).cut(coloured)
    shown = cut.replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert cut.count("\x1b") == coloured.count("\x1b")
    if cell_len(plain) <= columns:
        assert cut == coloured
    else:
        assert cell_len(shown) <= columns
        assert shown.endswith("…")
        assert plain.startswith(shown[:-1])
        # A character that takes two columns may leave one empty.
        assert cell_len(shown) >= columns - 1


@given(TEXTS, st.integers(2, 90))
def test_wrapped_lines_fit_and_lose_nothing(text: str, room: int) -> None:
    lines = wrapped(text, 7, Screen(7 + room))
    assert max(map(cell_len, lines)) <= room
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert (lines == [text]) is (cell_len(text) <= room)
    # A line is ended where the next word, or the next character of a long one, has no room.
    assert all(cell_len(f"{line} {rest.split()[0]}") > room for line, rest in pairwise(lines))
    assert wrapped(text, 7, None) == [text]
