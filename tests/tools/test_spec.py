"""The specification: what is filled in is up to date, and the numbers in its sentences are those of the code."""

import dataclasses
import hashlib
import re
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest

from ftwire import FrameDecoder, Role
from ftwire.cipher import BLOCK, RSA_CHUNK, RSA_PADDING, Rsa, RsaKey
from ftwire.connection import CLIENT_SILENCE, REQUEST_TIMEOUT, SECOND, SERVER_SILENCE
from ftwire.header import HEADER_SIZE, Header
from ftwire.layout import CLIENT_ENVELOPE, SERVER_ENVELOPE
from ftwire.messages import Common, InitConnect, KeepAlive, Qot_GetRT
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import DISCONNECTED, INIT
from ftwire_tools.gateway.answer_source import UNKNOWN_PROTOCOL
from ftwire_tools.gateway.responder import BAD_DIGEST, NOT_PARSED
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.testing import RunningGateway
from support.native_client import MARGIN
from support.places import ROOT

SPEC = ROOT / "docs" / "spec"
INIT_CONNECT_BODY = InitConnect.Request(c2s=InitConnect.C2S(clientVer=300, clientID="spec")).SerializeToString()
KEEP_ALIVE_BODY = KeepAlive.Request(c2s=KeepAlive.C2S(time=1_623_202_200)).SerializeToString()
PAGES = sorted(SPEC.glob("*.md"))


MAKE_SPEC = runpy.run_path(str(ROOT / "docs" / "make_spec.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_and_examples_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert MAKE_SPEC["filled"](text) == text, "python docs/make_spec.py"


def test_every_table_stands_in_a_page() -> None:
    used = {name for page in PAGES for name in re.findall(r"make_spec: (\w+)", page.read_text("utf-8"))}
    assert used == set(MAKE_SPEC["MAKERS"])


def test_kaitai_descriptions_are_up_to_date() -> None:
    for name, make in MAKE_SPEC["DESCRIPTIONS"].items():
        assert make() == (SPEC / name).read_text("utf-8"), "python docs/make_spec.py"


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("README", f"Read {HEADER_SIZE} bytes; read as many more"),
        ("header", f"a header of {HEADER_SIZE} bytes"),
        ("header", f"ftwire's default limit is\n  {DEFAULT_MAX_BODY >> 20} MiB"),
        ("bodies", "absent is its default, -400"),
        ("connection", f"received nothing for {SERVER_SILENCE // SECOND} s. [doc]"),
        (
            "connection",
            f"received nothing\n  for {CLIENT_SILENCE // SECOND} s, gives a request {REQUEST_TIMEOUT // SECOND} s",
        ),
        ("connection", f"OpenD takes up to {Settings().max_clients} connections"),
        ("encryption", f"at most k - {RSA_PADDING} bytes"),
        ("encryption", f"The Python SDK cuts at {RSA_CHUNK}, whatever the key"),
        ("encryption", f"Append one block of {BLOCK} bytes"),
        ("websocket", f"takes {SERVER_ENVELOPE.sizeof()} bytes"),
        ("websocket", f"{INIT} is Init, {DISCONNECTED} is the push"),
        ("errors", f'"{BAD_DIGEST}"'),
        ("errors", f'"{NOT_PARSED}"'),
        ("errors", f"{3 << 32} is 3 << 32"),
        ("errors", f'"{UNKNOWN_PROTOCOL}"'),
        ("errors", f"nothing received for {SERVER_SILENCE // SECOND} s"),
        ("unknown", f"takes up to {Settings().max_request >> 20} MiB, and closes"),
        ("unknown", f"decoders take up to {DEFAULT_MAX_BODY >> 20} MiB"),
        ("unknown", f"unparsable bodies | {Common.RetType_Invalid} for both"),
        ("unknown", f"What connection number {Settings().max_clients + 1} is told"),
        ("implementations", f"| gives a request up after | {REQUEST_TIMEOUT // SECOND} s |"),
        ("implementations", f"| gives silence up after | {CLIENT_SILENCE // SECOND} s |"),
        ("implementations", f"at once, then the interval less {MARGIN} s"),
    ],
)
def test_numbers_in_sentences_are_those_of_the_code(page: str, sentence: str) -> None:
    assert sentence in (SPEC / f"{page}.md").read_text("utf-8")


def test_absent_ret_type_is_unknown() -> None:
    assert Qot_GetRT.Response().retType == -400


def test_lengths_under_rsa_are_those_of_the_cipher() -> None:
    table = re.findall(
        r"^\| (\d+) \| (\d+) \| \d+ \| (\d+) \|$", (SPEC / "encryption.md").read_text("utf-8"), re.MULTILINE
    )
    keys = [
        Rsa(RsaKey.from_pem((ROOT / "fixtures" / "keys" / f"TEST-ONLY-{bits}.pem").read_bytes()))
        for bits in (1024, 2048)
    ]
    assert len(table) == 8
    for body, *lengths in table:
        assert [len(key.encrypt(bytes(int(body)))) for key in keys] == [int(length) for length in lengths]


def test_client_envelope_is_twenty_bytes() -> None:
    assert CLIENT_ENVELOPE.sizeof() == 20


def _frame(body: bytes = KEEP_ALIVE_BODY, **fields: Any) -> bytes:
    header = Header(1004, 2, len(body), hashlib.sha1(body, usedforsecurity=False).digest())
    return dataclasses.replace(header, **fields).encode() + body


@pytest.mark.parametrize(
    ("question", "sent", "ret_type"),
    [
        ("Reserved bytes, or a version,", _frame(reserved=bytes(range(8))), 0),
        ("Reserved bytes, or a version,", _frame(version=1), 0),
        ("A body format that is neither", _frame(body_format=7), -500),
        ("A second InitConnect", _frame(INIT_CONNECT_BODY, proto_id=1001), -1),
        ("A header without `FT`", b"TF" + _frame()[2:], None),
        ("Serial numbers that do not increase", _frame(serial=1), 0),
        ("Largest body that OpenD takes", _frame(body_length=(4 << 20) + 1), None),
        ("`retType` beside OpenD's texts", _frame(sha1=bytes(20)), -500),
        ("`retType` beside OpenD's texts", _frame(b"\xff"), -500),
        ("`retType` beside its text for an unknown protocol", _frame(proto_id=9999), -1),
        ("`retType` beside its text for an unknown protocol", _frame(proto_id=3009), -1),
        ("What the request of InitQuantMode", _frame(b"", proto_id=1009), 0),
        ("What the request of InitQuantMode", _frame(b"\x0a\x02\x08\x01", proto_id=1009), 0),
    ],
    ids=lambda value: None if isinstance(value, int | None) else value[:40] if isinstance(value, str) else "",
)
def test_the_gateway_does_what_the_page_of_open_questions_says(
    opend: RunningGateway, question: str, sent: bytes, ret_type: int | None
) -> None:
    """A connection that is closed has no ``retType``."""
    assert f"\n| {question}" in (SPEC / "unknown.md").read_text("utf-8")
    decoder = FrameDecoder(Role.SERVER)
    with socket.create_connection((opend.host, opend.port), timeout=10) as connection:
        replies: list[Any] = []
        for request in (_frame(INIT_CONNECT_BODY, proto_id=1001, serial=1), sent):
            connection.sendall(request)
            expected = len(replies) + 1
            while len(replies) < expected and (data := connection.recv(65536)):
                replies += decoder.feed(data)
    assert len(replies) == (1 if ret_type is None else 2)
    if ret_type is not None:
        assert KeepAlive.Response.FromString(replies[1].payload).retType == ret_type
