"""What cannot be told from a secret is not shown either: fields nobody knows, bytes that only look encrypted."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from ftwire.body_mutations import encode_varint
from ftwire.frame import Frame, Role
from ftwire.messages import Trd_GetAccList
from ftwire_tools.commands import ftwire
from support.captures import Said, asked, pcap

NUMBER = 281_756_455_982_434_020
FIELDS = encode_varint(900 << 3) + encode_varint(NUMBER) + encode_varint(901 << 3 | 1) + NUMBER.to_bytes(8, "little")
NESTED = FIELDS + encode_varint(902 << 3 | 2) + encode_varint(len(FIELDS)) + FIELDS


def run(*words: str, data: bytes | None = None) -> Result:
    return CliRunner().invoke(ftwire, words, input=data)


def of_account() -> Frame:
    """A request for accounts, as a newer OpenD may take it."""
    body = Trd_GetAccList.Request()
    body.c2s.userID = 0
    plain = b"\x0a" + encode_varint(len(NESTED) + 2) + b"\x08\x00" + NESTED
    return Frame.build(2001, 1, plain, sender=Role.CLIENT)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_numbers_in_unknown_fields_are_not_drawn(form: list[str]) -> None:
    raw = of_account().encode().hex()
    hidden = run("explain", *form, "--from", "client", raw).output
    assert "***" in hidden
    assert str(NUMBER) not in hidden
    assert encode_varint(NUMBER).hex(" ") not in hidden
    assert str(NUMBER) in run("explain", *form, "--show-secrets", "--from", "client", raw).output


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_members_nobody_knows_are_not_drawn(form: list[str]) -> None:
    body = json.dumps({"c2s": {"userID": "1", "accountNo": NUMBER, "more": [{"id": NUMBER}]}}).encode()
    raw = Frame.build(2001, 1, body, sender=Role.CLIENT, body_format=1).encode().hex()
    assert str(NUMBER) not in run("explain", *form, "--from", "client", raw).output
    assert str(NUMBER) in run("explain", *form, "--show-secrets", "--from", "client", raw).output


def test_a_body_with_unknown_fields_is_withheld() -> None:
    body = Trd_GetAccList.Response(retType=0).SerializeToString() + NESTED
    capture = pcap([Said(Role.SERVER, Frame.build(2001, 1, body, sender=Role.SERVER).encode())])
    assert "body withheld" in run("dump", "--hex", "-", data=capture).output
    assert json.loads(run("dump", "--hex", "--json", "-", data=capture).stdout)["body_hex"] is None


def test_a_damaged_body_is_withheld_although_it_looks_encrypted() -> None:
    body = Trd_GetAccList.Request()
    body.c2s.userID = NUMBER
    body.c2s.trdCategory = 1
    body.c2s.needGeneralSecAccount = True
    raw = bytearray(asked(2001, 7, body).data)
    assert (len(raw) - 44) % 16 == 0, "as long as ciphertext"
    raw[16:36] = bytes(20)
    result = run("dump", "--hex", "--json", "-", data=pcap([Said(Role.CLIENT, bytes(raw))]))
    found = json.loads(result.stdout)
    assert (found["error_type"], found["body_hex"]) == ("KeyRequiredError", None)
