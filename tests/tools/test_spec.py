"""The specification: what is filled in is up to date, and the numbers in its sentences are those of the code."""

import re
import runpy
from pathlib import Path

import pytest

from ftwire.cipher import BLOCK, RSA_CHUNK, RSA_PADDING, Rsa, RsaKey
from ftwire.connection import CLIENT_SILENCE, REQUEST_TIMEOUT, SECOND, SERVER_SILENCE
from ftwire.header import HEADER_SIZE
from ftwire.layout import CLIENT_ENVELOPE, SERVER_ENVELOPE
from ftwire.messages import Common, Qot_GetRT
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import DISCONNECTED, INIT
from ftwire_tools.gateway.responder import BAD_DIGEST, NOT_PARSED
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.gateway.synthetic import UNKNOWN_PROTOCOL
from support.native_client import MARGIN
from support.places import ROOT

SPEC = ROOT / "docs" / "spec"
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
