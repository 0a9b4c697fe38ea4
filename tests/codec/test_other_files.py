"""What is given for a capture and is none: it is named, with what to do, and no frame is guessed in it."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftwire
from ftwire.capture import CaptureReader, Dissected, DissectedFrame
from ftwire.errors import NotACaptureError, TruncatedCaptureError
from support.captures import pcap, session
from support.programs import require

CAPTURE = pcap(session())
PCAPNG = bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000")
FILES = {
    "tcpdump's messages in front": (b"tcpdump: listening on lo\n" + CAPTURE, "tcpdump says on standard error"),
    "tshark's messages in front": (b"Capturing on 'lo'\n" + CAPTURE, "tshark says on standard error"),
    "ends of lines of Windows": (PCAPNG.replace(b"\n", b"\r\n"), "changed on its way"),
    "ends of lines of Unix": (PCAPNG.replace(b"\r\n", b"\n"), "changed on its way"),
    "written by PowerShell": (b"\xff\xfe" + CAPTURE.decode("cp437").encode("utf-16-le"), "in PowerShell"),
    "hexadecimal": (CAPTURE.hex().encode(), "but text: ftwire explain FILE"),
    "lines of tcpdump": (
        b"14:02:44.202345 IP 127.0.0.1.65217 > 127.0.0.1.11111: Flags [S], seq 1, length 0\n\t0x0000:  4500\n",
        "but text: ftwire explain FILE",
    ),
    "lines of tshark": (
        "    1 0.000000000    127.0.0.1 → 127.0.0.1    TCP 74".encode(),
        "but text: ftwire explain FILE",
    ),
    "JSON of tshark": (json.dumps([{"_index": "packets-2026-11-22"}]).encode(), "but text: ftwire explain FILE"),
}


def reports(file: bytes, size: int) -> list[Dissected]:
    return list(CaptureReader().read(file[at : at + size] for at in range(0, len(file), size)))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_it_is_named_in_any_chunks(name: str, size: int) -> None:
    file, said = FILES[name]
    with pytest.raises(NotACaptureError, match=said):
        reports(file, size)
    with pytest.raises(NotACaptureError, match=said):
        list(ftwire.read(BytesIO(file)))


@pytest.mark.parametrize(
    ("form", "said"),
    [("snoop", "snoop"), ("netmon2", "Network Monitor"), ("ngsniffer", "Sniffer"), ("5views", "5Views")],
)
def test_captures_of_other_formats_are_named_with_what_converts_them(form: str, said: str, tmp_path: Path) -> None:
    source = tmp_path / "session.pcap"
    source.write_bytes(CAPTURE)
    require("editcap")("-F", form, source, tmp_path / "other")
    with pytest.raises(NotACaptureError, match=f"{said}: convert it: editcap -F pcapng FILE OUT"):
        list(ftwire.read(tmp_path / "other"))
    require("editcap")("-F", "pcapng", tmp_path / "other", tmp_path / "back")
    assert len(list(ftwire.read(tmp_path / "back"))) == 5


@given(st.binary(min_size=1, max_size=100))
def test_what_binary_data_are_is_not_guessed(data: bytes) -> None:
    with pytest.raises(NotACaptureError) as caught:
        list(ftwire.read(b"\0" + data + b"\x80"))
    assert "but" not in str(caught.value)


@pytest.mark.parametrize("size", [4, 10, 23])
def test_a_capture_that_ends_in_its_first_header_is_cut(size: int, tmp_path: Path) -> None:
    """As the newest file of a capturing program that was killed, or that has not written it out yet."""
    path = tmp_path / "cut.pcap"
    path.write_bytes(CAPTURE[:size])
    with pytest.raises(TruncatedCaptureError):
        list(ftwire.read(path))

    whole = tmp_path / "whole.pcap"
    whole.write_bytes(CAPTURE)
    frames: list[DissectedFrame] = []
    with pytest.raises(TruncatedCaptureError):
        frames += ftwire.read([whole, path])
    assert len(frames) == 5
