"""The dissector in tshark: what it shows is what ``ftwire dump`` shows."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_goldens import captures
from fixtures.make_keys import TEST_KEY
from ftwire import Frame, Role
from ftwire.cipher import RsaKey
from ftwire.header import BodyFormat
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation
from support.captures import CLIENT, SERVER, START, Said, answered, asked, pcap, push, session
from support.frames import rt_request, rt_response
from support.hostile import Hostile, damaged, frames_of
from support.pdml import Shown, shown
from support.programs import Program
from support.recording import ftwire

FIXTURES = list(captures())
PROFILE = ("-C", "OpenD")
C, S = Direction.A_TO_B, Direction.B_TO_A


@pytest.fixture(scope="module")
def home(tshark: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - skipped without it
    """The home directory of a user for whom the dissector was installed."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        _live_in(folder, patch)
        ftwire("wireshark", "install")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _live_in(home, monkeypatch)
    (home / ".config/wireshark/opend_keys.log").unlink(missing_ok=True)


def _live_in(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "WIRESHARK_CONFIG_DIR"):
        patch.delenv(name, raising=False)


def dumped(path: Path, *options: str, status: int = 0) -> list[dict[str, Any]]:
    done = ftwire("dump", "--json", "--show-secrets", *options, path, status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def decrypts(tshark: Program) -> bool:
    """Whether this tshark has a cipher for dissectors in Lua, as those from 4.6 on."""
    major, minor = tshark("-v").split("(Wireshark) ")[1].split(".")[:2]
    return (int(major), int(minor)) >= (4, 6)


def facts(frame: Shown) -> dict[str, Any]:
    """What tshark shows of a frame, as a row of ``ftwire dump --json``."""
    latency, verified = frame.get("latency"), frame.get("sha1_ok")
    return {
        "packet": frame.packet,
        "kind": frame["kind"],
        "proto_id": int(frame["proto_id"]),
        "proto": frame.get("proto"),
        "serial": int(frame["serial"]),
        "body_length": int(frame["body_length"]),
        "encryption": frame["encryption"],
        "sha1_ok": None if verified is None else verified in {"1", "True"},
        "latency_ns": None if latency is None else latency.replace(".", "").lstrip("0") or "0",
    }


def same(theirs: list[Shown], ours: list[dict[str, Any]]) -> None:
    """Check that two views of a capture agree in all that both have."""
    assert len(theirs) == len(ours)
    for frame, row in zip(theirs, ours, strict=True):
        found = facts(frame)
        assert found == {name: row[name] for name in found}
        text = frame.text
        assert (None if text is None else json.loads(text)) == row["body"]
        assert row["format"] == BodyFormat(int(frame.get("format") or 0)).name.lower()


def frames_at(said: Iterable[Said], sizes: Iterable[int]) -> bytes:
    """Return a capture in which what each side says is cut into segments of these sizes, in turn."""
    talk, writer, rest = TcpConversation(CLIENT, SERVER), PcapWriter(), list(sizes)
    pieces, at = [], 0
    for number, each in enumerate(said):
        start = 0
        while start < len(each.data):
            size = rest[at % len(rest)]
            at += 1
            direction = C if each.sender is Role.CLIENT else S
            pieces.append((direction, each.data[start : start + size], START + (number * 1000 + at) * 1000))
            start += size
    return writer.header() + b"".join(writer.packet(time, data) for time, data in talk.frames(pieces))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("path", "key"), FIXTURES, ids=[path.name for path, _ in FIXTURES])
def test_a_capture_is_shown_as_dump_shows_it(tshark: Program, path: Path, key: Path | None) -> None:
    if key is None:
        same(shown(tshark, path, *PROFILE), dumped(path))
        return
    frames = shown(tshark, path, *PROFILE)
    same(frames, dumped(path, status=3))
    # One line about it a conversation.
    assert sum("opend.expert.encrypted" in frame.experts for frame in frames) == 1
    ftwire("wireshark", "keylog", "--key", key, path)
    frames, rows = shown(tshark, path, *PROFILE), dumped(path, "--key", str(key))
    if decrypts(tshark):
        same(frames, rows)
        return
    # The handshake, whose bodies are in the file of keys, and the rest without its bodies.
    same(frames[:2], rows[:2])
    same(frames[2:], dumped(path, status=3)[2:])
    assert sum("opend.expert.encrypted" in frame.experts for frame in frames) == 1


@pytest.mark.parametrize("path", [path for path, key in FIXTURES if key is None], ids=lambda path: path.name)
def test_requests_and_responses_are_linked_both_ways(tshark: Program, path: Path) -> None:
    # In the second pass packets are dissected again, as in the graphical program.
    frames = shown(tshark, path, *PROFILE, "-2")
    same(frames, dumped(path))
    asked_in = {frame.packet: frame.get("request_in") for frame in frames if frame["kind"] == "response"}
    answered_in = {frame.get("response_in"): frame.packet for frame in frames if frame["kind"] == "request"}
    assert asked_in
    assert {str(packet): int(request or 0) for packet, request in asked_in.items()} == answered_in


def test_filters_by_frame_and_by_field_of_a_body(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    rows = dumped(path)

    def packets(text: str) -> list[int]:
        listed = tshark("-r", path, *PROFILE, "-Y", text, "-T", "fields", "-e", "frame.number")
        return [int(line) for line in listed.split()]

    def ours(**facts: object) -> list[int]:
        return [row["packet"] for row in rows if all(row[name] == value for name, value in facts.items())]

    (answer,) = (row for row in rows if row["proto_id"] == 3008 and row["kind"] == "response")
    price = max(point["price"] for point in answer["body"]["s2c"]["rtList"])
    by_price = 'opend.proto == "Qot_GetRT" && pbf.Qot_Common.TimeShare.price > {}'
    assert packets(by_price.format(price - 0.01)) == [answer["packet"]]
    assert packets(by_price.format(price)) == []
    assert packets("opend.proto_id == 3008") == ours(proto_id=3008)
    assert packets('opend.kind == "push"') == ours(kind="push") != []
    assert packets("opend.serial == 2") == ours(serial=2)
    assert packets("opend.sha1_ok == 1") == ours(sha1_ok=True)
    assert packets("opend.latency > 0.0005") == ours(kind="response")
    assert packets("opend.request_in") == ours(kind="response")
    assert packets(f"opend.body_length == {rows[2]['body_length']}")[0] == rows[2]["packet"]


def test_columns_of_the_profile(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    lines = tshark("-r", path, *PROFILE, "-Y", "opend.proto_id == 3008").splitlines()
    assert len(lines) == 2
    assert "OpenD request Qot_GetRT 2" in lines[0]
    assert "OpenD response Qot_GetRT 2 0.001000000" in lines[1]


FIELD_BY_FIELD = [2, 4, 1, 1, 4, 4, 20, 8, 1000]


@pytest.mark.parametrize(
    "sizes", [[1], FIELD_BY_FIELD, [8, 1], [8, 2, 3], [43], [44], [45], [16, 7, 1, 100], [1460]], ids=str
)
def test_any_segments_carry_the_same_frames(tshark: Program, tmp_path: Path, sizes: list[int]) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(frames_at(session(), sizes))
    same(shown(tshark, path, *PROFILE), dumped(path))


@pytest.mark.parametrize("port", [443, 8080])
def test_content_decides_on_ports_of_other_protocols(tshark: Program, tmp_path: Path, port: int) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session(), server=Endpoint(SERVER.packed, port)))
    same(shown(tshark, path, *PROFILE), dumped(path))


def test_fewer_bytes_than_an_identifier_are_believed_on_its_port_only(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    talk, writer = TcpConversation(CLIENT, Endpoint(SERVER.packed, 4000)), PcapWriter()
    path.write_bytes(
        writer.header()
        + b"".join(writer.packet(time, data) for time, data in talk.frames([(C, b"FT", START), (C, b"P!\r\n", START)]))
    )
    assert not tshark("-r", path, *PROFILE, "-Y", "opend")


def test_many_frames_in_one_segment(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "many.pcap"
    requests = b"".join(asked(3008, serial, rt_request()).data for serial in range(1, 31))
    responses = b"".join(answered(3008, serial, rt_response([570])).data for serial in range(1, 11))
    path.write_bytes(pcap([Said(Role.CLIENT, requests), Said(Role.SERVER, responses)]))
    for options in ((), ("-2",)):
        same(shown(tshark, path, *PROFILE, *options), dumped(path))


def test_an_encrypted_session_on_another_port(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "encrypted.pcap"
    key = RsaKey.from_pem(TEST_KEY.read_bytes())
    path.write_bytes(pcap(session(key), SERVER._replace(port=4000), CLIENT._replace(port=5000)))
    same(shown(tshark, path, *PROFILE), dumped(path, status=3))


def test_the_client_is_known_without_the_beginning_of_the_connection(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "joined.pcap"
    writer, talk = PcapWriter(), TcpConversation(CLIENT._replace(port=700), SERVER._replace(port=800))
    said = session()[1:]  # a response comes first
    pieces = [(C if each.sender is Role.CLIENT else S, each.data, START + at) for at, each in enumerate(said)]
    packets = [packet for packet in talk.frames(pieces) if len(packet[1]) > 80]  # those with data
    path.write_bytes(writer.header() + b"".join(writer.packet(time, data) for time, data in packets))
    frames = shown(tshark, path, *PROFILE)
    same(frames, dumped(path))
    assert "opend.expert.unpaired" in frames[0].experts


def test_damage_is_expert_information(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "damaged.pcap"
    response = bytearray(answered(3008, 2, rt_response()).data)
    response[-1] ^= 1
    unknown = Frame.build(9999, 3, b"\x0a\x00", sender=Role.CLIENT).encode()
    reserved = bytearray(asked(3008, 4, rt_request()).data)
    reserved[40] = 1
    junk = b"junk that is no frame" + answered(3009, 0, push()).data
    said = [
        *session()[:2],
        asked(3008, 2, rt_request()),
        Said(Role.SERVER, bytes(response)),
        answered(3009, 0, push()),
        Said(Role.CLIENT, unknown),
        Said(Role.CLIENT, bytes(reserved)),
        Said(Role.SERVER, junk),
    ]
    path.write_bytes(pcap(said))
    frames = shown(tshark, path, *PROFILE)
    assert [frame.experts for frame in frames] == [
        (),
        (),
        (),
        ("opend.expert.digest",),
        (),
        ("opend.expert.unknown",),
        ("opend.expert.header",),
        ("opend.expert.undecoded",),
        (),
    ]
    assert facts(frames[3])["sha1_ok"] is False
    rows = dumped(path, status=3)
    found = [facts(frame) for frame in frames if frame.get("kind")]
    # dump waits for the frame after a damaged one before it believes in it.
    for each in (found[3], rows[3]):
        del each["packet"], each["latency_ns"]
    assert found == [{name: row[name] for name in fact} for fact, row in zip(found, rows, strict=True)]
    assert bytes.fromhex((frames[7].get("undecoded") or "").replace(":", "")) == b"junk that is no frame"
    line = tshark("-r", path, *PROFILE, "-Y", "opend.undecoded")
    assert "21 bytes in no frame | Qot_UpdateRT push #0, 56 bytes" in line


def test_a_body_that_is_no_such_message_is_malformed(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "body.pcap"
    bad = Frame.build(3008, 2, b"\x08\x00\x22\xff\xff", sender=Role.SERVER).encode()
    bad_json = Frame.build(3008, 3, b'{"retType": [', sender=Role.SERVER, body_format=BodyFormat.JSON).encode()
    path.write_bytes(pcap([*session()[:2], Said(Role.SERVER, bad), Said(Role.SERVER, bad_json)]))
    text = tshark("-r", path, *PROFILE, "-V")
    assert "Lua Error" not in text
    assert "#2, 5 bytes" in text
    assert "#3, 13 bytes" in text


def test_a_snapshot_length_cuts_frames(tshark: Program, editcap: Program, tmp_path: Path) -> None:
    path, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    path.write_bytes(pcap(session()))
    editcap("-s", "110", path, cut)
    text = tshark("-r", cut, *PROFILE, "-V")
    assert "Lua Error" not in text
    assert "opend.expert.cut" in tshark("-r", cut, *PROFILE, "-T", "pdml", "-Y", "opend.expert.cut")
    lines = tshark("-r", cut, *PROFILE, "-Y", "opend.expert.cut").splitlines()
    assert lines
    assert all("frame cut short" in line for line in lines)


def test_without_digests(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    frames = shown(tshark, path, *PROFILE, "-o", "opend.check_sha1:FALSE")
    rows = dumped(path)
    assert [frame.get("sha1_ok") for frame in frames[2:]] == [None] * 3
    assert [frame.text for frame in frames] != [None] * 5
    assert [json.loads(frame.text or "") for frame in frames] == [row["body"] for row in rows]


def test_a_longer_body_than_the_preference_is_no_frame(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "long.pcap"
    path.write_bytes(pcap([Said(Role.CLIENT, asked(3008, 1, rt_request()).data[:12] + b"\xff" * 60)]))
    assert shown(tshark, path, *PROFILE) == []


@pytest.mark.parametrize("how", ["digest", "half", "unknown"])
def test_hostile_frames_raise_no_error_of_lua(tshark: Program, tmp_path: Path, how: str) -> None:
    path = tmp_path / "hostile.pcap"
    said = [
        Said(Role.CLIENT if direction is C else Role.SERVER, data)
        for direction, data in damaged(frames_of(Hostile()), how)
    ]
    path.write_bytes(pcap(said))
    text = _all_text(tshark, path)
    assert "Lua Error" not in text
    if how == "digest":
        assert text.count("SHA-1 does not agree with the body") >= len(said)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_captures_raise_no_error_of_lua(tshark: Program, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test's choice
    path = tmp_path / "damaged.pcap"
    key = RsaKey.from_pem(TEST_KEY.read_bytes()) if seed % 2 else None
    said = []
    for each in session(key) * 4:
        data = bytearray(each.data)
        for _ in range(rng.randrange(4)):
            how, at = rng.randrange(4), rng.randrange(len(data) or 1)
            if how == 0 and data:
                data[at] ^= 1 << rng.randrange(8)
            elif how == 1:
                del data[at : at + rng.randrange(60)]
            elif how == 2:
                data[at:at] = rng.choice([b"FT", rng.randbytes(30), bytes(data[:50]), b"ft-v1.0\0"])
            else:
                data[12:16] = rng.choice([b"\xff" * 4, bytes(4), rng.randbytes(4), b"\x00\x00\x10\x00"])
        said.append(Said(each.sender, bytes(data)))
    path.write_bytes(frames_at(said, [rng.randrange(1, 300) for _ in range(20)]))
    for options in ((), ("-2",), ("-o", "tcp.desegment_tcp_streams:FALSE"), ("-o", "opend.check_sha1:FALSE")):
        assert "Lua Error" not in _all_text(tshark, path, *options)


def _all_text(tshark: Program, path: Path, *options: str) -> str:
    """Everything that tshark shows of a capture, hostile text included."""
    words = [tshark.path, "-r", str(path), *PROFILE, *options, "-V"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=True)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_large_capture_loses_no_frame(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "large.pcap"
    ftwire("synth", path, "--size", "100M")
    rows = [json.loads(line) for line in ftwire("dump", "--json", "--fields", "retType", path).stdout.splitlines()]
    fields = ("proto_id", "serial", "body_length", "kind")
    words = [tshark.path, "-r", str(path), *PROFILE, "-Y", "opend", "-T", "fields", "-E", "separator=;"]
    done = subprocess.run(
        [*words, *(word for name in fields for word in ("-e", f"opend.{name}"))],
        capture_output=True,
        text=True,
        timeout=800,
        check=True,
    )
    theirs = [
        values
        for line in done.stdout.splitlines()
        for values in zip(*(column.split(",") for column in line.split(";")), strict=True)
    ]
    assert theirs == [tuple(str(row[name]) for name in fields) for row in rows]
