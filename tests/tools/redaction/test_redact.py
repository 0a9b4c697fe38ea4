"""``ftwire redact``: planted secrets are gone from every byte, and what is left is a capture as good as before."""

import json
import re
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.make_keys import KEYS, TEST_KEY
from ftwire.body import to_json
from ftwire.cipher import AesCbc, Rsa, RsaKey
from ftwire.errors import CaptureError
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.messages import InitConnect
from ftwire.pcap import (
    Direction,
    Dissector,
    Endpoint,
    PacketSkipped,
    PcapngWriter,
    TcpConversation,
    ip_packet,
    link_frame,
)
from ftwire.protocols import registry
from ftwire.websocket import Envelope
from ftwire_tools.messages.sensitive_fields import Category
from ftwire_tools.redaction.capture_rewriter import Rewriter
from ftwire_tools.redaction.pseudonyms import Pseudonyms
from ftwire_tools.redaction.redactor import Redaction
from support.command import FTWIRE
from support.frames import init_response, rt_request, websocket_frame
from support.hostile import bodies, frames_of
from support.places import ROOT
from support.planted import Planted, fill
from support.programs import Program, complaints
from support.recording import ftwire, streams
from tools.recording.test_record import noise

CAPTURES = ROOT / "fixtures" / "captures"
FIXTURES = sorted(path for path in CAPTURES.iterdir() if path.suffix in (".pcap", ".pcapng"))
OTHER_KEY = KEYS / "TEST-ONLY-other-1024.pem"

C, S = Direction.A_TO_B, Direction.B_TO_A
CLIENT = Endpoint(bytes((203, 0, 113, 200)), 50_000)
SERVER = Endpoint(bytes((203, 0, 113, 201)), 11111)
START = 1_623_202_200_000_000_000


def capture(path: Path, said: Sequence[tuple[Direction, bytes]], *, before: bytes = b"") -> Path:
    """A capture of one connection, a millisecond between its pieces."""
    writer = PcapngWriter()
    talk = TcpConversation(CLIENT, SERVER)
    times = [(direction, data, START + number * 1_000_000) for number, (direction, data) in enumerate(said)]
    head = writer.section() + writer.interface()
    path.write_bytes(head + before + b"".join(writer.packet(time, frame) for time, frame in talk.frames(times)))
    return path


def frames(path: Path, *options: str | Path, status: int = 0) -> list[dict[str, Any]]:
    done = ftwire("dump", "--json", "--show-secrets", *options, path, status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def redact(source: Path, *options: str | Path, status: int = 0) -> Path:
    out = source.with_name(f"redacted-{source.name}.pcapng")
    ftwire("redact", source, "-w", out, "--overwrite", *options, status=status)
    return out


def default_of(field: Any) -> Any:
    if field.type == 14:
        return field.enum_type.values[0].number
    return {9: "text", 12: b"bytes", 8: True, 1: 1.5, 2: 1.5}.get(field.type, 1)


def encrypted_session(planted: Planted) -> list[tuple[Direction, bytes]]:
    key, iv = planted.text(), planted.text()
    planted.texts[-2:] = [key := "S3cret-AES-key!!", iv := "S3cret-AES-iv???"]
    rsa = Rsa(RsaKey.from_pem(TEST_KEY.read_bytes()))
    request = InitConnect.Request()
    request.c2s.clientVer = 1
    request.c2s.clientID = planted.text()
    request.c2s.packetEncAlgo = 2
    response = init_response(key, iv)
    response.s2c.connID, response.s2c.loginUserID = planted.number(), planted.number()
    said = [
        (C, encode_frame(1001, 1, request.SerializeToString(), cipher=rsa)),
        (S, encode_frame(1001, 1, response.SerializeToString(), cipher=rsa)),
    ]
    ciphers = {C: AesCbc(key, iv), S: AesCbc(key, iv)}
    for serial, (proto_id, direction, message) in enumerate(bodies(planted), 10):
        if proto_id != 1001:
            body = message.SerializeToString()
            said.append((direction, encode_frame(proto_id, serial, body, cipher=ciphers[direction])))
    return said


def websocket_session(planted: Planted) -> list[tuple[Direction, bytes]]:
    mask = b"\x11\x22\x33\x44"
    upgrade = (
        f"GET /{planted.text()} HTTP/1.1\r\nHost: {planted.text()}\r\nCookie: {planted.text()}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    said = [
        (C, upgrade.encode()),
        (S, f"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nServer: {planted.text()}\r\n\r\n".encode()),
        (C, websocket_frame(b"Planted-ping", 9, mask)),
    ]
    planted.texts.append("Planted-ping")
    for section, (proto_id, direction, message) in enumerate(bodies(planted), 2):
        sender = Role.CLIENT if direction is C else Role.SERVER
        envelope = Envelope.build(proto_id, section, message.SerializeToString(), sender=sender)
        said.append((direction, websocket_frame(envelope.encode(), mask=mask if direction is C else b"")))
    for command, direction in ((1, C), (1, S)):
        protocol = registry["InitWebSocket"]
        found: Any = protocol.request if direction is C else protocol.response
        message = found()
        planted.fill(message)
        sender = Role.CLIENT if direction is C else Role.SERVER
        envelope = Envelope.build(command, 9000, message.SerializeToString(), sender=sender)
        said.append((direction, websocket_frame(envelope.encode(), mask=mask if direction is C else b"")))
    failed = Envelope.build(3008, 9001, b"", sender=Role.SERVER, error_code=1, error_text="Planted-error-text")
    planted.texts.append("Planted-error-text")
    return [*said, (S, websocket_frame(failed.encode()))]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", ["protobuf", "json", "encrypted", "encrypted again", "websocket"])
def test_no_planted_secret_is_left(tshark: Program, kind: str, tmp_path: Path) -> None:
    again = kind == "encrypted again"
    planted = Planted()
    said = {
        "protobuf": lambda: frames_of(planted, BodyFormat.PROTOBUF),
        "json": lambda: frames_of(planted, BodyFormat.JSON),
        "encrypted": lambda: encrypted_session(planted),
        "websocket": lambda: websocket_session(planted),
    }[kind.removesuffix(" again")]()
    source = capture(tmp_path / "source", said)
    read = ["--key", str(TEST_KEY)] if kind.startswith("encrypted") else []
    before = frames(source, *read)
    assert all(frame["error"] is None for frame in before)
    assert len(planted.texts) > 300
    assert len(planted.numbers) > 60
    shown = json.dumps([frame["body"] for frame in before], ensure_ascii=False)
    assert sum(str(secret) in shown for secret in [*planted.texts, *planted.numbers]) > 400, "they were there"
    out = redact(source, *read, *(["--encrypt-with", str(OTHER_KEY)] if again else []))
    after = frames(out, *(["--key", str(OTHER_KEY)] if again else []))
    assert [(f["proto"], f["kind"], f["serial"], f["time"]) for f in before] == [
        (f["proto"], f["kind"], f["serial"], f["time"]) for f in after
    ]
    assert all(frame["error"] is None and frame["sha1_ok"] in (True, None) for frame in after)
    assert {frame["encryption"] for frame in after} == ({"rsa", "aes_cbc"} if again else {"none"})
    # The bytes of the file, its reassembled streams, its plain bodies, and what is shown of it.
    assert planted.left_in(out.read_bytes()) == []
    for stream in streams(out):
        assert planted.left_in(bytes(stream.sent) + bytes(stream.received)) == []
    opened = frames(out, "--hex", *(["--key", str(OTHER_KEY)] if again else []))
    assert planted.left_in(b"\0".join(bytes.fromhex(frame["body_hex"] or "") for frame in opened)) == []
    assert planted.left_in(json.dumps(after, ensure_ascii=False).encode()) == []
    for address in (CLIENT, SERVER):
        assert address.packed not in out.read_bytes()
    assert complaints(tshark, out) == []


def test_secrets_where_no_field_is(tshark: Program, tmp_path: Path) -> None:
    planted = Planted()
    hidden = [planted.text() for _ in range(12)]
    raw = iter(text.encode() for text in hidden)
    request = rt_request().SerializeToString()
    said = [
        (C, encode_frame(3008, 1, request + b"\xfa\x7f" + bytes((len(hidden[0].encode()),)) + next(raw))),
        (C, encode_frame(3008, 2, to_json(rt_request()).encode()[:-1] + b', "x": "%s"}' % next(raw), body_format=1)),
        (C, encode_frame(4242, 3, next(raw))),  # a protocol nobody knows
        (C, encode_frame(3008, 4, b"\xff" + next(raw))),  # a body that is none
        (C, _damaged(encode_frame(3008, 5, next(raw)))),  # a digest that does not agree
        (C, encode_frame(3008, 6, next(raw), body_format=9)),  # a format nobody knows
        (C, _reserved(encode_frame(3008, 7, request), b"Plntd-77")),
        (C, next(raw) + b"garbage between frames"),
        (C, encode_frame(3008, 8, request)),
    ]
    planted.texts.append("Plntd-77")
    writer = PcapngWriter()
    writer.section()
    writer.interface()
    other = TcpConversation(Endpoint(b"\x08\x08\x08\x08", 443), Endpoint(b"\x09\x09\x09\x09", 443))
    datagram = link_frame(1, ip_packet(CLIENT.packed, SERVER.packed, next(raw), protocol=17))
    extra = writer.packet(START, datagram) + writer.secrets(1, next(raw))
    extra += b"".join(writer.packet(*packet) for packet in other.frames([(C, next(raw), START)]))
    extra += writer.packet(START, datagram, options=writer.option(1, next(raw)) + writer.option(0, b""))
    source = capture(tmp_path / "source", said, before=extra)
    out = redact(source, status=3)
    assert planted.left_in(out.read_bytes()) == []
    for stream in streams(out):
        assert planted.left_in(bytes(stream.sent)) == []
    after = frames(out, status=3)
    assert [frame["serial"] for frame in after] == [frame["serial"] for frame in frames(source, status=3)]
    assert [frame["sha1_ok"] for frame in after if frame["serial"] == 5] == [False]
    assert len(streams(out)) == 1, "the other connection is left out"
    assert complaints(tshark, out) == []


def _damaged(frame: bytes) -> bytes:
    return frame[:16] + bytes(20) + frame[36:]


def _reserved(frame: bytes, reserved: bytes) -> bytes:
    return frame[:36] + reserved + frame[44:]


def test_what_cannot_be_decrypted_is_blank(tmp_path: Path) -> None:
    source = capture(tmp_path / "source", encrypted_session(Planted()))
    original = source.read_bytes()
    out = redact(source, status=3)
    (before,), (after,) = streams(source), streams(out)
    assert len(after.sent) == len(before.sent)
    data = bytes(after.sent)
    while data:
        length = int.from_bytes(data[12:16], "little")
        assert data[44 : 44 + length] == bytes(length)
        assert data[16:36] not in original, "nor the digest, by which candidates could be tried"
        data = data[44 + length :]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_recorded_sessions_stay_what_they_were(tshark: Program, path: Path, tmp_path: Path) -> None:
    before = frames(path, "--key", TEST_KEY)
    source = tmp_path / path.name
    source.write_bytes(path.read_bytes())
    out = redact(source, "--key", TEST_KEY)
    after = frames(out)
    facts = ("time", "proto", "serial", "kind", "format", "transport", "latency_ns", "error")
    assert [[frame[fact] for fact in facts] for frame in after] == [[frame[fact] for fact in facts] for frame in before]
    market = {"Qot_GetRT", "Qot_UpdateRT", "Qot_GetKL", "Qot_GetTicker", "Qot_GetOrderBook"}
    assert [f["body"]["s2c"] for f in after if f["proto"] in market and f["kind"] != "request"] == [
        f["body"]["s2c"] for f in before if f["proto"] in market and f["kind"] != "request"
    ]
    assert complaints(tshark, out) == []
    assert tshark("-r", out, "-Y", "tcp.analysis.flags") == ""


def test_pseudonyms_are_consistent_and_seeded(tmp_path: Path) -> None:
    source = CAPTURES / "futu-api-10.11-trade.pcap"
    made = {}
    for name, seed in (("one", "a"), ("same", "a"), ("other", "b")):
        made[name] = tmp_path / name
        ftwire("redact", source, "-w", made[name], "--seed", seed)
    assert made["one"].read_bytes() == made["same"].read_bytes()
    assert made["one"].read_bytes() != made["other"].read_bytes()

    def accounts(path: Path) -> list[str]:
        found = []
        for frame in frames(path):
            for side in ("c2s", "s2c"):
                header = (frame["body"].get(side) or {}).get("header")
                if header and "accID" in header:
                    found.append(header["accID"])
        return found

    before, after = accounts(source), accounts(made["one"])
    assert len(before) > 10
    assert dict(zip(before, after, strict=True)).keys() == set(before)
    assert len(set(zip(before, after, strict=True))) == len(set(before)), "one pseudonym for each"
    assert not set(before) & set(after)


def test_amounts_only_when_asked(tmp_path: Path) -> None:
    source = CAPTURES / "futu-api-10.11-trade.pcap"

    def orders(path: Path) -> list[tuple[float, float]]:
        return [
            (frame["body"]["s2c"]["order"]["qty"], frame["body"]["s2c"]["order"]["price"])
            for frame in frames(path)
            if frame["proto"] == "Trd_UpdateOrder"
        ]

    ftwire("redact", source, "-w", tmp_path / "without")
    ftwire("redact", source, "-w", tmp_path / "with", "--amounts")
    before, without, scaled = orders(source), orders(tmp_path / "without"), orders(tmp_path / "with")
    assert without == before
    assert [price for _, price in scaled] == [price for _, price in before]
    assert all(new != old for (new, _), (old, _) in zip(scaled, before, strict=True))


def test_what_was_changed_is_listed_by_field(tmp_path: Path) -> None:
    source = CAPTURES / "futu-api-10.11-trade.pcap"
    done = ftwire("redact", source, "-w", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    changed = {entry["field"]: entry for entry in report["changed"]}
    assert changed["Trd_UnlockTrade.C2S.pwdMD5"] == {
        "field": "Trd_UnlockTrade.C2S.pwdMD5",
        "category": "password",
        "count": 1,
    }
    assert report["frames"] == 38
    assert report["unreadable"] == {}
    lines = ftwire("redact", source, "-w", tmp_path / "again").stderr.decode()
    assert "       1  password  Trd_UnlockTrade.C2S.pwdMD5\n" in lines
    assert f"38 frames, {sum(entry['count'] for entry in report['changed'])} values replaced\n" in lines
    kept = ftwire("redact", source, "-w", tmp_path / "kept", "--keep", "order", "--json")
    assert {entry["category"] for entry in json.loads(kept.stdout)["changed"]} == {
        "account", "device", "key", "password", "user",
    } - ({"key"} if "InitConnect.S2C.connAESKey" not in changed else set())  # fmt: skip


def test_only_the_key_is_stripped(tmp_path: Path) -> None:
    writer = PcapngWriter()
    head = writer.section() + writer.interface()
    packets = b"".join(writer.packet(START, frame) for frame in TcpConversation(CLIENT, SERVER).open())
    comment = writer.block(0xBAD, b"whatever")
    source = tmp_path / "source"
    source.write_bytes(head + writer.secrets(0x4F504E44, TEST_KEY.read_bytes()) + packets + comment)
    done = ftwire("redact", "--strip-key", source, "-w", tmp_path / "out")
    assert done.stderr == b"1 blocks of secrets taken out\n"
    assert (tmp_path / "out").read_bytes() == head + packets + comment
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    big = PcapngWriter(big_endian=True)
    source.write_bytes(big.section() + big.interface() + big.secrets(1, b"x"))
    ftwire("redact", "--strip-key", source, "-w", tmp_path / "out", "--overwrite")
    assert (tmp_path / "out").read_bytes() == big.section() + big.interface()


def test_a_cut_capture_is_redacted_as_far_as_it_goes(tmp_path: Path) -> None:
    source = capture(
        tmp_path / "source", [(C, encode_frame(3008, n, rt_request().SerializeToString())) for n in range(9)]
    )
    source.write_bytes(source.read_bytes()[:-100])
    done = ftwire("redact", source, "-w", tmp_path / "out", status=3)
    assert b"the capture is damaged: the file ends inside a record" in done.stderr
    assert len(frames(tmp_path / "out")) == 9


def test_from_and_to_a_pipe(tmp_path: Path) -> None:
    source = CAPTURES / "futu-api-10.11-plain.pcap"
    done = ftwire("redact", "-", "-w", "-", "--seed", "x", stdin=source.read_bytes())
    ftwire("redact", source, "-w", tmp_path / "out", "--seed", "x")
    assert done.stdout == (tmp_path / "out").read_bytes()


def test_a_clock_that_is_put_back_does_not_put_a_frame_before_the_handshake() -> None:
    damaged = bytearray((CAPTURES / "futu-api-10.11-aes_cbc.pcapng").read_bytes())
    damaged[964] = 0  # of the time of the server's first packet with data: five minutes earlier
    rewriter = Rewriter(Redaction(Pseudonyms(b"seed"), set(Category)), keys=[RsaKey.from_pem(TEST_KEY.read_bytes())])
    parts = [rewriter.header(), *rewriter.feed(bytes(damaged)), *rewriter.close()]
    dissector = Dissector()
    events = [*dissector.feed(b"".join(parts)), *dissector.close()]
    assert not any(isinstance(event, PacketSkipped) for event in events)


@pytest.mark.parametrize("name", ["futu-api-10.11-aes_cbc.pcapng", "npm-futu-api-10.11-websocket.pcapng"])
@given(data=st.data())
def test_a_damaged_capture_gives_a_sound_one_or_a_documented_error(name: str, data: st.DataObject) -> None:
    damaged = bytearray((CAPTURES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    keys = [RsaKey.from_pem(TEST_KEY.read_bytes())]
    rewriter = Rewriter(
        Redaction(Pseudonyms(b"seed"), set(Category)), keys=keys, new_key=data.draw(st.sampled_from([None, *keys]))
    )
    parts = [rewriter.header()]
    with suppress(CaptureError):
        parts.extend(rewriter.feed(bytes(damaged)))
    with suppress(CaptureError):
        parts.extend(rewriter.close())
    dissector = Dissector()
    events = [*dissector.feed(b"".join(parts)), *dissector.close()]
    assert not any(isinstance(event, PacketSkipped) for event in events)


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["none", "-w", "x"], 1, "none: No such file or directory"),
        (["junk", "-w", "x"], 1, "junk: neither pcap nor pcapng"),
        (["junk", "-w", "junk"], 1, "junk exists (--overwrite)"),
        (["junk", "-w", "/nowhere/x"], 1, "/nowhere/x: No such file or directory"),
        (["junk", "-w", "x", "--key", "junk"], 1, "junk: not an RSA private key"),
        (["junk", "-w", "x", "--strip-key"], 1, "junk: not a pcapng file"),
        (["junk", "-w", "x", "--strip-key", "--seed", "a"], 2, "--strip-key copies"),
        (["junk", "-w", "-", "--json"], 2, "standard output cannot take both"),
        (["junk"], 2, "Missing option '-w'"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(words: list[str], status: int, reason: str, tmp_path: Path) -> None:
    junk = noise(4000)
    (tmp_path / "junk").write_bytes(junk)
    done = subprocess.run([*FTWIRE, "redact", *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == status, done.stderr
    assert reason in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["junk"], "nothing half-done stays"
    assert (tmp_path / "junk").read_bytes() == junk


def test_help_has_an_example() -> None:
    assert "\n    ftwire redact session.pcapng -w shareable.pcapng\n" in ftwire("redact", "--help").stdout.decode()


def test_a_message_that_lacks_required_fields_is_redacted() -> None:
    message = InitConnect.Response.FromString(b"\x22\x05\x22\x03abc\xc0\x3e\x05")
    redaction = Redaction(Pseudonyms(b"seed"), set(Category))
    redaction.message(message)
    assert b"abc" not in message.SerializePartialToString()
    assert sum(redaction.changed.values()) == 2


@pytest.mark.parametrize("number", ["7" * 5000, "\u0663" * 12, "\u0663" * 12 + "7" * 12, "\u00b2" * 20])
def test_identifiers_of_any_digits_are_redacted(tmp_path: Path, number: str) -> None:
    message_class: Any = registry[2205].request
    request = message_class()
    fill(request, lambda field: number if field.name == "orderIDEx" else default_of(field))
    source = capture(tmp_path / "source", [(C, encode_frame(2205, 1, request.SerializePartialToString()))])
    (frame,) = frames(redact(source))
    made = frame["body"]["c2s"]["orderIDEx"]
    assert len(made) == len(number)
    assert not set(re.findall(r"\w{5,}", number)) & set(re.findall(r"\w{5,}", made))


@pytest.mark.parametrize("text", [b"\xff\xfe broken \x80", b"\xff" * 20, b"kept\0hidden"])
def test_the_text_of_an_envelope_is_kept_byte_by_byte(tmp_path: Path, text: bytes) -> None:
    raw = bytearray(Envelope.build(2001, 3, b"", sender=Role.SERVER, error_code=1).encode())
    raw[24 : 24 + len(text)] = text
    said = websocket_session(Planted())[:2]
    source = capture(tmp_path / "source", [*said, (S, websocket_frame(bytes(raw)))])
    assert text.partition(b"\0")[0] in redact(source, "--keep", "text").read_bytes()
    assert b"hidden" not in redact(source, "--keep", "text").read_bytes()
    assert text.partition(b"\0")[0] not in redact(source).read_bytes()
