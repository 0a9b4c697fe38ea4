"""``ftwire explain``, from the command line and over captures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from codec.test_diagnosis import FIXTURES, VECTORS, conversations
from fixtures.faulty import frame, init_request
from fixtures.make_goldens import captures as recorded
from ftwire.cipher import RsaKey
from ftwire.diagnosis import ConversationChecker
from ftwire.frame import Frame, Role
from ftwire.messages import Verification
from ftwire.pcap import Data, Direction, Dissector, PacketReader, TcpConversation
from ftwire.pcap.writer import PcapWriter
from ftwire_tools.commands import ftwire
from ftwire_tools.explaining.body_layout import body_json
from ftwire_tools.explaining.frame_layout import draw, title_of
from ftwire_tools.explaining.piece_view import PieceView
from ftwire_tools.terminal.hex_input import from_hex
from ftwire_tools.terminal.style import PLAIN
from support import captures
from support.command import FTWIRE
from support.frames import init_response, request, response, rt_request, rt_response, websocket_frame
from support.programs import require

KEY = FIXTURES / "keys" / "TEST-ONLY-1024.pem"
MASKS = {"client": b"\x01\x02\x03\x04", "server": b""}
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)


def run(*words: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(ftwire, ["explain", *map(str, words)], input=data)


def found_in(result: Result) -> set[tuple[str, str | None, tuple[int, ...]]]:
    assert result.exit_code in (0, 3), result.output
    return {(one["mistake"], one["sender"], tuple(one["frames"])) for one in json.loads(result.stdout)["findings"]}


def pcap_of(steps: list[tuple[str, bytes, float]]) -> bytes:
    """A capture of one connection, from its SYN to its FINs."""
    return captures.pcap_of(
        TcpConversation(captures.CLIENT, captures.SERVER).frames(
            (
                Direction.A_TO_B if sender == "client" else Direction.B_TO_A,
                data,
                captures.START + number * captures.MILLISECOND + int(at * 1e9),
            )
            for number, (sender, data, at) in enumerate(steps)
        )
    )


def capture_of(vector: Any) -> bytes:
    steps = [(step["sender"], bytes.fromhex(step["hex"]), step["time"]) for step in vector["steps"]]
    if vector["transport"] == "websocket":
        steps = [(sender, websocket_frame(data, mask=MASKS[sender]), at) for sender, data, at in steps]
        steps = [("client", UPGRADE[0], 0.0), ("server", UPGRADE[1], 0.0), *steps]
    return pcap_of(steps)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_same_is_found_in_a_capture(vector: Any, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture_of(vector))
    words: list[str | Path] = ["--json", "--brief", path]
    if vector["key"]:
        words += ["--key", FIXTURES / vector["key"]]
    result = run(*words)
    expected = {(one["mistake"], one["sender"]) for one in vector["expected"]}
    if vector["alone"]:
        # In a capture, encryption that nobody gave the key for is no mistake of its makers.
        assert found_in(result) == set()
        assert json.loads(result.stdout)["frames_sealed"]
    else:
        assert {(mistake, sender) for mistake, sender, _ in found_in(result)} == expected
    assert result.exit_code == 3


@pytest.mark.parametrize("capture", list(recorded()), ids=lambda capture: capture[0].name)
def test_nothing_is_wrong_in_what_the_vendors_sdks_sent(capture: tuple[Path, Path | None]) -> None:
    path, key = capture
    result = run(path, *(("--key", key) if key else ()))
    assert result.exit_code == 0, result.output
    assert result.output.endswith("frames, no mistake found.\n")
    if key is not None:
        result = run("--json", path)
        assert found_in(result) == set()
        assert result.exit_code == 3
        assert json.loads(result.stdout)["frames_sealed"]


def test_a_frame_is_drawn_field_by_field() -> None:
    frame = request(serial=7)
    digest = frame.header.sha1.hex()
    result = run(frame.encode().hex())
    assert result.exit_code == 0
    assert result.output == (
        "frame 1: request 3008 Qot_GetRT #7 from the client, 44 + 13 bytes\n"
        '  0000  46 54                          szHeaderFlag   "FT"\n'
        "  0002  c0 0b 00 00                    nProtoID       3008 Qot_GetRT\n"
        "  0006  00                             nProtoFmtType  0 protobuf\n"
        "  0007  00                             nProtoVer      0\n"
        "  0008  07 00 00 00                    nSerialNo      7\n"
        "  000c  0d 00 00 00                    nBodyLen       13 bytes\n"
        f"  0010  {bytes.fromhex(digest[:20]).hex(' ')}  arrBodySHA1    agrees with the plain body\n"
        f"  001a  {bytes.fromhex(digest[20:]).hex(' ')}\n"
        "  0024  00 00 00 00 00 00 00 00        arrReserved    zero\n"
        "  cipher: none, 13 bytes are the body\n"
        "  body: protobuf, Qot_GetRT.Request, 13 bytes\n"
        "  0000  0a 0b                    1 len 11     c2s: message\n"
        "  0002  0a 09                    1 len 9        security: message\n"
        "  0004  08 01                    1 varint         market: int32 = 1 (QotMarket_HK_Security)\n"
        '  0006  12 05 30 30 37 30 30     2 len 5          code: string = "00700"\n'
        "\n"
        "1 frame, no mistake found.\n"
    )


def test_a_mistake_is_named_with_its_proof_and_its_remedy() -> None:
    body = rt_request().SerializeToString()
    raw = bytearray(request(body=body).encode())
    raw[12:16] = len(body).to_bytes(4, "big")
    result = run(bytes(raw).hex())
    assert result.exit_code == 3
    assert result.output.endswith(
        "1. The header's numbers are big-endian. [big_endian_header, client, frame 1]\n"
        "   Proof: Read in big-endian nBodyLen is 13, and the SHA-1 agrees.\n"
        "   Remedy: Write and read every number of the header in little-endian byte order "
        "(struct format '<', not '>' or '!').\n"
    )
    assert "nBodyLen       218103808 bytes, 13 here" in result.output


def test_hexadecimal_is_read_in_many_forms(tmp_path: Path) -> None:
    raw = response().encode()
    plain = raw.hex()
    path = tmp_path / "frame.hex"
    path.write_text(plain.upper(), encoding="ascii")
    binary = tmp_path / "frame.bin"
    binary.write_bytes(raw)
    expected = run(plain).output
    for words, data in (
        ([" ".join(f"{byte:02x}" for byte in raw)], None),
        ([f"{byte:02x}" for byte in raw], None),
        ([path], None),
        ([binary], None),
        (["-"], raw),
        (["-"], plain.encode()),
        (["-"], ", ".join(f"0x{byte:02X}" for byte in raw).encode()),
    ):
        assert run(*words, data=data).output == expected


@pytest.mark.parametrize("program", [("xxd",), ("hexdump", "-C"), ("od", "-A", "x", "-t", "x1")])
def test_dumps_of_other_programs_are_read(program: tuple[str, ...], tmp_path: Path) -> None:
    raw = response().encode()
    path = tmp_path / "frame.bin"
    path.write_bytes(raw)
    name, *options = program
    assert from_hex(require(name)(*options, path)) == raw


def test_what_is_no_hexadecimal_is_none() -> None:
    for text in ("", "4", "46 5", "hello", "46 54 zz", "0x"):
        assert from_hex(text) is None


def test_several_inputs_are_one_conversation(tmp_path: Path) -> None:
    vector = next(each for each in VECTORS if each["id"] == "iv-carried-over")
    words = []
    for count, step in enumerate(vector["steps"]):
        if count % 2:
            words.append(step["hex"])
        else:
            path = tmp_path / f"{count}.bin"
            path.write_bytes(bytes.fromhex(step["hex"]))
            words.append(str(path))
    assert found_in(run("--key", KEY, "--json", *words)) == {("cbc_iv_carried_over", "client", (4,))}


def test_the_agreed_key_can_be_given_where_the_handshake_is_missing() -> None:
    vector = next(each for each in VECTORS if each["id"] == "tail-encrypted")
    frame = vector["steps"][-1]["hex"]
    words = ["--json", "--aes-key", "0123456789ABCDEF", "--mode", "ftaes_ecb"]
    assert found_in(run(*words, frame)) == {("ftaes_tail_encrypted", "client", (1,))}
    assert run(frame).exit_code == 3


def test_secrets_are_masked_unless_asked_for() -> None:
    key, iv = "k3yk3yk3yk3yk3y!", "iviviviviviviviv"
    for body_format in (0, 1):
        frame = Frame.build(1001, 1, init_response(key, iv), sender=Role.SERVER, body_format=body_format)
        raw = frame.encode()
        broken = raw[:16] + bytes(20) + raw[36:]
        cut = raw[:-3]
        for shown in (raw, broken, cut):
            for words in ((), ("--json",)):
                result = run(shown.hex(), *words)
                assert result.exit_code == (0 if shown is raw else 3)
                output = result.output
                for secret in (key, iv):
                    assert secret not in output
                    assert secret.encode().hex() not in output
                    assert secret.encode().hex(" ")[:20] not in output
        assert key in run(raw.hex(), "--show-secrets").output


@given(conversations(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_whatever_is_read_can_be_drawn(frames: list[Frame], changes: list[tuple[int, int]]) -> None:
    stream = bytearray(b"".join(frame.encode() for frame in frames))
    for place, byte in changes:
        stream[place % len(stream)] = byte
    for piece in ConversationChecker(keys=[RsaKey.from_pem(KEY.read_bytes())], alone=True).read(bytes(stream)):
        for show_secrets in (False, True):
            view = PieceView(piece, show_secrets=show_secrets)
            lines = [title_of(piece), *draw(view, PLAIN)]
            assert all(line.isprintable() for line in lines)
            json.dumps(body_json(view), allow_nan=False)


def test_a_verification_code_is_masked_in_either_format() -> None:
    asks = Verification.Request()
    asks.c2s.type, asks.c2s.op, asks.c2s.code = 1, 2, "s3cr3t"
    for body_format in (0, 1):
        raw = Frame.build(1006, 1, asks, sender=Role.CLIENT, body_format=body_format).encode().hex()
        for words in ((), ("--json",)):
            result = run(raw, *words)
            assert "1006" in result.output
            assert "s3cr3t" not in result.output
            assert b"s3cr3t".hex() not in result.output.replace(" ", "")


def test_no_proof_quotes_a_body_with_secrets() -> None:
    s2c = {"serverVer": 1, "loginUserID": "s3cr3t", "connID": "2", "connAESKey": "k", "keepAliveInterval": 10}
    raw = bytearray(Frame.build(1001, 1, json.dumps({"s2c": s2c}).encode(), sender=Role.SERVER).encode())
    raw[6] = 1
    for words in ((), ("--json",), ("--brief",)):
        output = run(bytes(raw).hex(), "--from", "server", *words).output
        assert "not a InitConnect.Response at offset" in output
        assert "s3cr3t" not in output
        assert "s3cr3t" in run(bytes(raw).hex(), "--from", "server", "--show-secrets", *words).output


@pytest.mark.parametrize("depth", [900, 2000])
@pytest.mark.parametrize("proto_id", [1001, 3008])
def test_json_nested_more_deeply_than_can_be_masked_is_no_json(proto_id: int, depth: int) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth
    raw = bytearray(Frame.build(proto_id, 1, body, sender=Role.SERVER).encode())
    raw[6] = 1
    for words in ((), ("--json",)):
        assert run(bytes(raw).hex(), "--from", "server", *words).exit_code == 3


def test_several_captures_are_told_apart() -> None:
    paths = [path for path, key in recorded() if key is None][:2]
    output = run(*paths).output
    assert [line for line in output.splitlines() if line.endswith(".pcap")] == [str(path) for path in paths]
    reports = [json.loads(line) for line in run("--json", *paths).stdout.splitlines()]
    assert [report["file"] for report in reports] == [str(path) for path in paths]


@pytest.mark.parametrize("name", ["ws-little-endian", "ws-little-endian-server", "ws-no-ret-type", "ws-glued"])
def test_an_envelope_is_drawn_whoever_sent_it(name: str) -> None:
    vector = next(each for each in VECTORS if each["id"] == name)
    result = run("--json", vector["steps"][-1]["hex"])
    (expected,) = vector["expected"]
    assert found_in(result) == {(expected["mistake"], expected["sender"], (1,))}
    (frame,) = json.loads(result.stdout)["frames"]
    assert frame["header"][0]["name"] == "magic"
    assert frame["proto_id"] == (3008 if name != "ws-glued" else None)
    assert (frame["body"] is not None) is (name != "ws-glued")


def sides(name: str) -> tuple[bytes, bytes]:
    """What client and server sent on the first connection of a capture."""
    said = {Direction.A_TO_B: b"", Direction.B_TO_A: b""}
    for event in Dissector().feed((FIXTURES / "captures" / name).read_bytes()):
        if isinstance(event, Data) and event.flow.index == 0:
            said[event.direction] += event.data
    return said[Direction.A_TO_B], said[Direction.B_TO_A]


@pytest.mark.parametrize("name", ["npm-futu-api-10.11-websocket.pcapng", "npm-moomoo-api-9.6-websocket-key.pcap"])
def test_what_one_side_of_a_websocket_connection_sent_is_explained(name: str, tmp_path: Path) -> None:
    for side, data in zip(("client", "server"), sides(name), strict=True):
        path = tmp_path / f"{side}.bin"
        path.write_bytes(data)
        result = run("--json", path)
        assert found_in(result) == set()
        whole = json.loads(result.stdout)
        assert whole["notes"] == []
        assert {frame["sender"] for frame in whole["frames"]} == {side}
        shown = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
        assert [frame["proto_id"] for frame in whole["frames"]] == [json.loads(line)["proto_id"] for line in shown]


def test_one_side_is_explained_from_the_middle_and_with_its_mistakes() -> None:
    vector = next(each for each in VECTORS if each["id"] == "ws-no-ret-type")
    (expected,) = vector["expected"]
    wrong = websocket_frame(bytes.fromhex(vector["steps"][-1]["hex"]), mask=MASKS[expected["sender"]])
    for words in ((), ("--from", expected["sender"])):
        result = run("--json", *words, "-", data=b"\x01" * 9 + wrong + wrong)
        assert found_in(result) == {(expected["mistake"], expected["sender"], (1, 2))}
        assert json.loads(result.stdout)["notes"] == [
            "9 bytes at offset 0 are in no WebSocket message with an envelope"
        ]


def test_one_side_of_a_websocket_connection_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "websockets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "websockets", None)
    path = FIXTURES / "captures" / "npm-futu-api-10.11-websocket.pcapng"
    for words, data in (((path,), None), (("-",), sides(path.name)[0])):
        result = run(*words, data=data)
        assert result.exit_code == 1
        assert "WebSocket traffic is read with the package" in result.stderr
        assert result.stderr.count("\n") == 1


def test_what_is_certain_only_at_the_end_has_its_place_however_long_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = tmp_path / "wrong-serial.pcap"
    said = [captures.asked(3008, 7, rt_request()), captures.answered(3008, 9, rt_response())]
    said += [captures.answered(3009, 0, captures.push())] * 3
    capture.write_bytes(captures.pcap([*captures.session(), *said]))
    whole = run("--json", "--brief", capture).stdout
    assert ("wrong_serial", [7]) in [(each["mistake"], each["frames"]) for each in json.loads(whole)["findings"]]
    monkeypatch.setattr("ftwire_tools.explaining.checked_capture.MOST_PLACES", 1)
    assert run("--json", "--brief", capture).stdout == whole


def test_json_carries_what_is_drawn() -> None:
    whole = json.loads(run("--json", response(serial=9).encode().hex()).stdout)
    assert whole["findings"] == []
    (frame,) = whole["frames"]
    assert frame["sender"] == "server"
    assert [field["name"] for field in frame["header"]] == [
        "szHeaderFlag",
        "nProtoID",
        "nProtoFmtType",
        "nProtoVer",
        "nSerialNo",
        "nBodyLen",
        "arrBodySHA1",
        "arrReserved",
    ]
    assert frame["body"][0] == {
        "offset": 0,
        "end": 2,
        "number": 1,
        "wire": "varint",
        "name": "retType",
        "type": "int32",
        "value": 0,
    }


def test_nan_is_json_too() -> None:
    answer = bytes.fromhex("0800") + b"\x22\x0b" + b"\x12\x09\x21" + bytes.fromhex("000000000000f87f")
    result = run("--json", Frame.build(3008, 1, answer, sender=Role.SERVER).encode().hex())
    assert "NaN" not in result.stdout.replace('"NaN"', "")
    assert '"NaN"' in result.stdout


def test_unknown_fields_and_protocols_are_drawn_without_a_schema() -> None:
    body = rt_request().SerializeToString() + b"\x9a\x06\x05hello"
    output = run(Frame.build(3008, 1, body, sender=Role.CLIENT).encode().hex()).output
    assert 'field 99: string? = "hello"' in output
    unknown = Frame.build(9999, 1, body, sender=Role.CLIENT).encode().hex()
    output = run("--show-secrets", unknown).output
    assert "body: protobuf, unknown message" in output
    assert 'field 99: string? = "hello"' in output
    # A protocol that nobody knows may well be one with accounts in it.
    output = run(unknown).output
    assert "field 99: string? = ***" in output
    assert b"hello".hex(" ") not in output
    body = b'{"c2s": {"account": ["hello", 1]}}'
    unknown = Frame.build(9999, 1, body, sender=Role.CLIENT, body_format=1).encode().hex()
    assert '"hello"' in run("--show-secrets", unknown).output
    assert json.loads(run("--json", unknown).stdout)["frames"][0]["body"] == {"c2s": {"account": ["***", "***"]}}


def test_a_terminal_gets_colours_and_a_pipe_none(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = request().encode().hex()
    assert "\x1b" not in run(raw).output
    program = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"]
    words = [*program, *FTWIRE, "explain", raw]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False).stdout
    assert b"\x1b[" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b[" not in subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.pcap"], 1, "'nothing.pcap' is neither a file nor whole bytes in hexadecimal"),
        (["46 5"], 1, "'46 5' is neither a file nor whole bytes in hexadecimal"),
        (["4654", "--key", "nothing.pem"], 1, "nothing.pem: No such file or directory"),
        (["4654", "--mode", "aes_ecb"], 2, "--aes-iv and --mode need --aes-key."),
        (["4654", "--aes-key", "short"], 2, "16 characters, not 5"),
        (["4654", "--aes-key", "x" * 16, "--mode", "aes_cbc"], 2, "--mode aes_cbc needs --aes-iv."),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_said_in_a_line(words: list[str], code: int, said: str) -> None:
    result = run(*words)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_empty_file_and_a_folder_are_said_in_a_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert run(empty).stderr == f"Error: {empty}: empty\n"
    assert run(tmp_path).stderr == f"Error: {tmp_path}: Is a directory\n"
    assert run("-", data=b"").exit_code == 1


def test_findings_are_ranked_and_frames_named(tmp_path: Path) -> None:
    steps = []
    for name in ("one-sided-client", "no-ret-type"):
        vector = next(each for each in VECTORS if each["id"] == name)
        steps += [(step["sender"], bytes.fromhex(step["hex"]), 0.0) for step in vector["steps"]][-2:]
        if not steps[2:]:
            steps = [(s["sender"], bytes.fromhex(s["hex"]), 0.0) for s in vector["steps"][:2]] + steps
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_of(steps))
    output = run("--key", KEY, "--brief", path).output
    places = [output.index(name) for name in ("encryption_one_sided, client", "ret_type_absent")]
    assert places == sorted(places)
    assert "encryption_one_sided, client, frames 3 (packet 8), 5 (packet 12), conversation 1" in output


def test_a_capture_without_opend_says_so(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_of([("client", b"GET / HTTP/1.1\r\n\r\n", 0.0)]))
    result = run(path)
    assert result.exit_code == 3
    assert result.output == "note: no conversation with OpenD was found\n"


def test_packets_cut_to_a_snapshot_length_are_named(tmp_path: Path) -> None:
    path, writer = tmp_path / "capture.pcap", PcapWriter(snap_length=68)
    frames = captures.packets(captures.session())
    path.write_bytes(writer.header() + b"".join(writer.packet(at, each[:68], len(each)) for at, each in frames))
    result = run("--brief", path)
    assert result.exit_code == 3
    cut = sum(len(each) > 68 for _, each in frames)
    assert result.output.splitlines() == [
        f"note: {cut} packets cut to the capture's snapshot length: what is missing is part of a conversation, or may "
        "be; capture with -s 0 (tcpdump, tshark, dumpcap)",
        "note: no conversation with OpenD was found",
    ]


@pytest.mark.parametrize("head", ["1f8b01006162636465666768", "1f8b08e06162636465666768696a6b6c"])
def test_a_damaged_head_of_gzip_is_a_note(head: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap.gz"
    path.write_bytes(bytes.fromhex(head))
    result = run(path)
    assert result.exit_code == 3
    assert "note: the capture cannot be read to its end: gzip member 1: " in result.output


def test_a_compression_that_is_not_undone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "capture.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(60))
    assert "compressed with zip: decompress it first: unzip -p FILE" in run(path).output


def test_a_cut_capture_is_explained_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes((FIXTURES / "captures" / "futu-api-10.11-plain.pcap").read_bytes()[:3000])
    result = run(path)
    assert result.exit_code == 3
    assert "note: the capture cannot be read" in result.output


@pytest.mark.sampled(4)
@pytest.mark.parametrize("capture", list(recorded()), ids=lambda capture: capture[0].name)
def test_what_a_capture_lacks_is_nobodys_mistake(capture: tuple[Path, Path | None], tmp_path: Path) -> None:
    path, key = capture
    packets = list(PacketReader().feed(path.read_bytes()))
    random = Random(path.name)  # noqa: S311 - which packets are lost
    count = len(packets)
    cases = [packets[random.randrange(count) :] for _ in range(10)]
    cases += [packets[: random.randrange(1, count)] for _ in range(10)]
    cases += [[packet for packet in packets if random.random() > 0.1] for _ in range(10)]
    for place, left in enumerate(cases):
        writer = PcapWriter(packets[0].link_type)
        lossy = tmp_path / f"{place}.pcap"
        lossy.write_bytes(writer.header() + b"".join(writer.packet(each.time_ns, each.data) for each in left))
        for words in ((), ("--key", key) if key else ()):
            assert found_in(run("--json", "--brief", lossy, *words)) == set()


@pytest.mark.parametrize(
    ("start", "mistake"),
    [(b"ft", "wrong_magic"), (b"TF", "wrong_magic"), (b"", "magic_missing"), (b"FT\0\0", "header_padded")],
)
def test_a_connection_whose_frames_all_begin_otherwise_is_explained(start: bytes, mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    raw = [start + frame(1001, serial, init_request())[2:] for serial in (1, 2)]
    path.write_bytes(pcap_of([("client", each, place / 10) for place, each in enumerate(raw, 1)]))
    found = json.loads(run("--json", "--brief", path).output)["findings"]
    assert [(each["mistake"], each["sender"], each["proven"]) for each in found] == [(mistake, "client", True)]


def test_the_body_behind_another_header_is_drawn() -> None:
    shown = run((b"FT\0\0" + frame(1001, 1, init_request())[2:]).hex()).output
    assert "1001 InitConnect from the client, another header of 46 + " in shown
    assert 'clientID: string = "faulty-client"' in shown
    bare = run(frame(1001, 1, init_request()[2:]).hex()).output
    assert 'clientID: string = "faulty-client"' in bare


def test_help_has_examples() -> None:
    assert "ftwire explain --key rsa.pem capture.pcap" in run("--help").output


@pytest.mark.parametrize("wire", [6, 7])
def test_a_wire_type_that_does_not_exist_is_drawn(wire: int) -> None:
    raw = Frame.build(3008, 1, bytes((1 << 3 | wire, 0)), sender=Role.CLIENT).encode().hex()
    for form in ([], ["--json"]):
        output = run(*form, raw).output
        assert f"there is no wire type {wire}" in output
        assert f"wire {wire}" in output


def test_a_path_that_could_be_base64_is_a_missing_file(tmp_path: Path) -> None:
    for letters in range(8):
        missing = tmp_path / "not-there" / ("a" * letters + "b")
        result = CliRunner().invoke(ftwire, ["explain", str(missing)])
        assert result.exit_code == 1
        assert "no such file" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_capture_comes_from_a_named_pipe_as_from_a_file(tmp_path: Path) -> None:
    """Such as ``<(tcpdump -w -)``: what was read to tell what it is cannot be read again."""
    capture = FIXTURES / "captures" / "futu-api-10.11-plain.pcap"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(capture.read_bytes(),))
    writer.start()
    result = run("--all", pipe)
    writer.join()
    assert result.exit_code == 0
    assert result.stdout == run("--all", capture).stdout


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (bytes.fromhex("16030100c8010000c4030341"), "TLS"),
        (b"GET / HTTP/1.1\r\nHost: localhost:11111\r\n\r\n", "an HTTP request"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP response"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 50000 11111\r\n", "the PROXY protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\x13\x88\x2b\x67", "the PROXY protocol"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        (b"8=FIX.4.2\x019=65\x0135=A\x01", "FIX"),
        (b"\x05\x01\x00", "SOCKS"),
    ],
)
def test_other_protocols_are_named(sent: bytes, name: str) -> None:
    result = run("--brief", "--", sent.hex())
    assert result.exit_code == 3
    assert f"so begins {name}" in result.output


@pytest.mark.parametrize("garbage", [b"\x17\x03\x03\0\x10", b"GETTING", b"SSH 2", b"\x05\x07\x00"])
def test_other_bytes_are_not_named(garbage: bytes) -> None:
    assert "so begins" not in run("--brief", "--", garbage.hex()).output
