"""No damage of a frame makes a command show a secret: what cannot be told from one is hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.body import to_json
from ftwire.body_mutations import encode_varint
from ftwire.cipher import AesCbc
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.websocket import Envelope
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.masking import is_secret, may_hold_secrets
from support.captures import Said, pcap
from support.frames import websocket_frame
from support.planted import fill

TEXT = "Qz7x!Kw9v@Jh5g#Bt3y$Nm8c%Lp4r^Fd"
"""The secret in texts: 32 characters, as a password's hash has. No window of it occurs anywhere else."""
NUMBER = 281_739_517_264_835_917
"""The secret in numbers."""

HOLDERS: list[tuple[int, Role, Any]] = [
    (entry.proto_id, sender, message_class)
    for entry in registry
    for sender, message_class in ((Role.CLIENT, entry.request), (Role.SERVER, entry.response))
    if message_class is not None and may_hold_secrets(descriptor_of(message_class))
]
MESSAGES = [each for each in HOLDERS if not registry[each[0]].is_websocket_only]
SINGLE = [each for each in MESSAGES if each[0] < 2101 or each[0] in (2207, 2226)]
"""The services of OpenD itself, and of trading those whose messages have secrets in more than their header."""


def value_of(field: Any) -> Any:
    secret = is_secret(field)
    if field.cpp_type == field.CPPTYPE_STRING:
        text = TEXT if secret else "open"
        return text.encode() if field.type == field.TYPE_BYTES else text
    if field.cpp_type == field.CPPTYPE_BOOL:
        return True
    if field.cpp_type == field.CPPTYPE_ENUM:
        return field.enum_type.values[0].number
    return NUMBER if secret else 1


@cache
def planted(message_class: Any) -> Any:
    message = message_class()
    fill(message, value_of)
    return message


def plain(proto_id: int, body: bytes, body_format: BodyFormat = BodyFormat.PROTOBUF) -> bytes:
    return encode_frame(proto_id, 7, body, body_format=body_format)


def json_of(message: Any) -> bytes:
    return to_json(message, lower_camel=True).encode()


def renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """JSON whose members that hold a secret have another name."""
    if isinstance(value, dict):
        return {
            rename(name) if TEXT in str(item) or str(NUMBER) in str(item) else name: renamed(item, rename)
            for name, item in value.items()
        }
    return [renamed(item, rename) for item in value] if isinstance(value, list) else value


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def wrong_wire_types(message: Any) -> bytes:
    """The body with each secret in a field of another wire type: numbers as text, texts as groups of numbers."""
    body = b""
    for field, value in message.ListFields():
        items = value if is_repeated(field) else [value]
        for item in items:
            if field.message_type is not None:
                inner = wrong_wire_types(item)
                body += encode_varint(field.number << 3 | 2) + encode_varint(len(inner)) + inner
            elif not is_secret(field):
                body += encode_varint(field.number << 3) + b"\1" if isinstance(item, int) else b""
            elif isinstance(item, int):
                # The length of a text that is not there, which an error may quote.
                body += encode_varint(field.number << 3 | 2) + encode_varint(item)
            else:
                body += encode_varint(field.number << 3 | 3) + item.encode() + encode_varint(field.number << 3 | 4)
    return body


def moved(message: Any, by: int) -> bytes:
    """The body with all its secrets in fields of other numbers."""
    body = b""
    for field, value in message.ListFields():
        for item in value if is_repeated(field) else [value]:
            if field.message_type is not None:
                inner = moved(item, by)
                body += encode_varint(field.number << 3 | 2) + encode_varint(len(inner)) + inner
            elif is_secret(field):
                number = field.number + by
                if isinstance(item, int):
                    body += encode_varint(number << 3) + encode_varint(item)
                    text = str(item).encode()
                    body += encode_varint(number + 1 << 3 | 2) + encode_varint(len(text)) + text
                else:
                    raw = item.encode()
                    body += encode_varint(number << 3 | 2) + encode_varint(len(raw)) + raw
    return body


def cut_inside(body: bytes) -> Iterator[bytes]:
    """The body cut within each kind of secret, its rest, and what is in front of it missing."""
    for secret in (TEXT.encode(), encode_varint(NUMBER), str(NUMBER).encode()):
        at = body.find(secret)
        if at >= 0:
            yield body[: at + len(secret)]
            yield body[at:]
            yield body[: at + len(secret) - 1]
    yield body[: len(body) // 2]


def damaged(proto_id: int, sender: Role, message: Any) -> Iterator[tuple[str, bytes]]:
    """Frames with this message, each with what is wrong with it."""
    body, text = message.SerializePartialToString(), json_of(message)
    value = json.loads(text)
    for body_format, each in ((BodyFormat.PROTOBUF, body), (BodyFormat.JSON, text)):
        good = plain(proto_id, each, body_format)
        yield "nothing", good
        yield "digest", good[:16] + bytes(20) + good[36:]
        yield "trailing", plain(proto_id, each + b" x", body_format)
        for part in cut_inside(each):
            yield "cut", plain(proto_id, part, body_format)
        yield "other format", plain(proto_id, each, BodyFormat(1 - body_format))
        yield "unknown protocol", plain(proto_id + 0x7000, each, body_format)
        raw = bytearray(good)
        raw[6] = 7
        yield "unknown format", bytes(raw)
        # Swallowed by a frame of quotes whose length is wrong.
        quote = bytearray(plain(3008, b""))
        quote[12:16] = len(good).to_bytes(4, "little")
        yield "swallowed", bytes(quote) + good
        padded = each + bytes(-len(each) % 16)
        blocks = bytearray(plain(proto_id, padded, body_format))
        blocks[16:36] = bytes(20)
        yield "looks encrypted", bytes(blocks)
        yield (
            "twice encrypted",
            encode_frame(
                proto_id, 7, each, body_format=body_format, cipher=AesCbc("0123456789abcdef", "0123456789abcdef")
            ),
        )
    yield "wire types", plain(proto_id, wrong_wire_types(message))
    yield "moved", plain(proto_id, moved(message, 40))
    for rename in (snake, str.upper, lambda name: name + "x", lambda name: f"x{name}"):
        yield "renamed", plain(proto_id, json.dumps(renamed(value, rename)).encode(), BodyFormat.JSON)
    side = "c2s" if sender is Role.CLIENT else "s2c"
    inner = json.dumps(value[side])
    for wrong in (
        {side: inner},
        {side: [value[side]]},
        {side: {"header": TEXT, "unlock": TEXT, "trdEnv": TEXT, "accList": [TEXT, str(NUMBER)]}},
        {side: {str(NUMBER): 1, TEXT: 1, "accounts": {str(NUMBER): TEXT}}},
        {side: {**value[side], "accID": None, "pwdMD5": TEXT, "trdEnv": str(NUMBER)}},
        [value],
        inner,
    ):
        yield "misplaced", plain(proto_id, json.dumps(wrong).encode(), BodyFormat.JSON)
    twice = json.dumps({**value[side], "unlock": True})
    name = next(iter(value[side]))
    yield "earlier", plain(proto_id, f'{{"{side}": {twice}, "{side}": {{"{name}": null}}}}'.encode(), BodyFormat.JSON)


def windows(secret: bytes, size: int) -> set[bytes]:
    return {secret[at : at + size] for at in range(len(secret) - size + 1)}


HIDDEN_TEXT = {each.decode() for each in windows(TEXT.encode(), 8)}
HIDDEN_DIGITS = {each.decode() for each in windows(str(NUMBER).encode(), 8)}
HIDDEN_HEX = {
    each.hex(between)
    for between in (" ", "\0")
    for secret in (TEXT.encode(), str(NUMBER).encode(), encode_varint(NUMBER), NUMBER.to_bytes(8, "little"))
    for each in windows(secret, 5)
}
PATTERN = re.compile(
    "|".join(sorted({re.escape(each.replace("\0", "")) for each in HIDDEN_TEXT | HIDDEN_DIGITS | HIDDEN_HEX}))
)


def found_in(text: str) -> str | None:
    """The first part of a secret in an output, as text, digits or hexadecimal, in however many rows."""
    found = PATTERN.search(text) or PATTERN.search(re.sub(r"(?<=[0-9a-f])  (?=[0-9a-f])", " ", text))
    return found[0] if found else None


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(ftwire, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.output


DUMPS = [
    ["dump"],
    ["dump", "-v"],
    ["dump", "--hex"],
    ["dump", "--table"],
    ["dump", "--json"],
    ["dump", "--json", "--hex"],
    ["dump", "--json", "--table"],
    ["dump", "--fields", "c2s,s2c,accID,pwdMD5,s2c.accList"],
    ["dump", "--json", "--fields", "c2s,s2c,accID,pwdMD5,s2c.accList"],
]
EXPLAINS = [["explain"], ["explain", "--all"], ["explain", "--json", "--all"], ["explain", "--brief"]]


@pytest.mark.sampled(12)
@pytest.mark.parametrize(("proto_id", "sender", "message_class"), MESSAGES, ids=lambda value: str(value)[:40])
def test_no_damage_makes_a_capture_show_a_secret(
    proto_id: int, sender: Role, message_class: Any, tmp_path: Path
) -> None:
    cases = list(damaged(proto_id, sender, planted(message_class)))
    for number, side in enumerate((sender, sender.peer)):
        path = tmp_path / f"{number}.pcap"
        path.write_bytes(pcap([Said(side, raw) for _, raw in cases]))
        for words in (*DUMPS, *EXPLAINS):
            assert found_in(run(*words, path)) is None, (words, side)
            # Summaries and tables have no place for most of them, and messages of the other side none for any.
            if side is sender and words[1:] not in ([], ["--table"], ["--json", "--table"], ["--brief"]):
                assert found_in(run(*words, "--show-secrets", path)) is not None, (words, side)


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("proto_id", "sender", "message_class"), SINGLE, ids=lambda value: str(value)[:40])
def test_no_damage_makes_a_single_frame_show_a_secret(
    proto_id: int, sender: Role, message_class: Any, tmp_path: Path
) -> None:
    path = tmp_path / "frame.bin"
    for what, raw in damaged(proto_id, sender, planted(message_class)):
        for start in (0, 20, 44):
            path.write_bytes(raw[start:])
            for options in ([], ["--from", "client"], ["--from", "server"]):
                for words in (["explain", "--all"], ["explain", "--json"], ["dump", "--hex", "--from", "client"]):
                    if words[0] == "dump" and (options or start):
                        continue
                    assert found_in(run(*words, *options, path)) is None, (what, words, options, start)
    path.write_bytes(plain(proto_id, planted(message_class).SerializePartialToString()))
    assert found_in(run("explain", "--show-secrets", path)) is not None


def envelopes(proto_id: int, sender: Role, message: Any) -> Iterator[tuple[str, bytes]]:
    body = message.SerializePartialToString()
    for what, each in (
        ("nothing", body),
        ("json", json_of(message)),
        ("wire types", wrong_wire_types(message)),
        ("moved", moved(message, 40)),
        *(("cut", part) for part in cut_inside(body)),
    ):
        yield what, Envelope.build(proto_id, 7, each, sender=sender).encode()
    good = Envelope.build(proto_id, 7, body, sender=sender).encode()
    yield "unknown", Envelope.build(proto_id + 0x7000, 7, body, sender=sender).encode()
    yield "no envelope", body
    yield "from a secret on", TEXT.encode() + body
    yield "little-endian", good[:8] + good[11:7:-1] + good[19:11:-1] + good[20:]
    yield "a frame", plain(proto_id, body)
    yield "glued", good + good
    yield "secret at once", good[:20] + TEXT.encode() + body


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("proto_id", "sender", "message_class"), HOLDERS, ids=lambda value: str(value)[:40])
def test_no_damage_makes_an_envelope_show_a_secret(
    proto_id: int, sender: Role, message_class: Any, tmp_path: Path
) -> None:
    cases = list(envelopes(proto_id, sender, planted(message_class)))
    start = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    accepted = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    for number, side in enumerate((sender, sender.peer)):
        mask = b"mask" if side is Role.CLIENT else b""
        said = [Said(side, websocket_frame(raw, mask=mask)) for _, raw in cases]
        path = tmp_path / f"{number}.pcap"
        path.write_bytes(pcap([Said(Role.CLIENT, start), Said(Role.SERVER, accepted), *said]))
        for words in (*DUMPS, *EXPLAINS):
            assert found_in(run(*words, path)) is None, (words, side)
        assert found_in(run("dump", "--hex", "--show-secrets", path)) is not None
    for what, raw in cases:
        path = tmp_path / "message.bin"
        path.write_bytes(raw)
        for options in ([], ["--from", "client"], ["--from", "server"]):
            for form in ([], ["--json"]):
                assert found_in(run("explain", *form, *options, path)) is None, (what, options, form)


def test_no_damage_makes_a_table_show_a_secret(tmp_path: Path) -> None:
    said = [
        Said(side, raw)
        for proto_id, sender, message_class in MESSAGES
        for side in (sender, sender.peer)
        for _, raw in damaged(proto_id, sender, planted(message_class))
    ]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))

    def texts(*, show_secrets: bool) -> Iterator[str]:
        for _, batch in tables([str(path)], show_secrets=show_secrets):
            for row in batch.to_pylist():
                yield json.dumps(
                    row,
                    default=lambda value: f"{value.hex()} {value!r}" if isinstance(value, bytes) else str(value),
                )

    assert [text for text in texts(show_secrets=False) if found_in(text)] == []
    assert any(map(found_in, texts(show_secrets=True)))
