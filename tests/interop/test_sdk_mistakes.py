"""The diagnoses, on frames that the vendor's SDK packed while it was set up wrongly."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.faulty import AES_IV, frame, init_reply, init_request, rsa
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.diagnosis import ConversationChecker
from ftwire.frame import Role
from interop.peers import Peer, environment, python

PROGRAM = Path(__file__).with_name("sdk_mistakes.py")
OTHER_KEY = TEST_KEY.with_name("TEST-ONLY-other-1024.pem")
SDKS = ["futu-api-10.11", "moomoo-api-10.11", "futu-api-6.2"]
AGREED = {"ftaes_ecb": (0, None), "aes_ecb": (1, ""), "aes_cbc": (2, AES_IV)}
NAMED = {
    ("ftaes_ecb", "aes_ecb"): "pkcs7_for_ftaes",
    ("aes_ecb", "ftaes_ecb"): "ftaes_for_pkcs7",
    ("aes_cbc", "ftaes_ecb"): "ftaes_for_pkcs7",
    ("aes_cbc", "aes_ecb"): "ecb_for_cbc",
    ("ftaes_ecb", "plain"): "encryption_one_sided",
    ("aes_cbc", "plain"): "encryption_one_sided",
    ("aes_ecb", "plain"): "packet_enc_algo_sint32",  # -1 as sint32 is AES_ECB's 1
    ("aes_cbc", "big_endian"): "big_endian_header",
}


@pytest.fixture(scope="module", params=SDKS)
def made(request: pytest.FixtureRequest, peer: Callable[[str], Peer]) -> dict[str, bytes]:
    name: str = request.param
    peer(name)
    words = [str(python(name)), str(PROGRAM), "--key", str(TEST_KEY), "--other-key", str(OTHER_KEY)]
    words += ["--package", name.partition("-")[0]]
    done = subprocess.run(words, env=environment(name), capture_output=True, text=True, check=True)
    return {what: bytes.fromhex(text) for what, text in json.loads(done.stdout).items()}


def found(*steps: tuple[Role, bytes]) -> list[str]:
    session = ConversationChecker(keys=[RsaKey.from_pem(TEST_KEY.read_bytes())])
    pieces = [piece for sender, data in steps for piece in session.read(data, sender)]
    late = [finding for _, finding in session.close()]
    return [finding.mistake.id for piece in pieces for finding in piece.findings] + [one.mistake.id for one in late]


def handshake(mode: str) -> list[tuple[Role, bytes]]:
    algorithm, iv = AGREED[mode]
    asks, gives = init_request(algorithm), init_reply(iv)
    return [
        (Role.CLIENT, frame(1001, 1, rsa(asks), plain=asks)),
        (Role.SERVER, frame(1001, 1, rsa(gives), plain=gives)),
    ]


def test_the_sdk_as_it_should_be_is_without_findings(made: dict[str, bytes]) -> None:
    for mode in AGREED:
        assert found(*handshake(mode), (Role.CLIENT, made[mode])) == []
    assert found((Role.CLIENT, made["init"]), handshake("aes_cbc")[1], (Role.CLIENT, made["aes_cbc"])) == []


@pytest.mark.parametrize(("agreed", "used"), NAMED)
def test_the_sdk_set_up_wrongly_is_told_why(made: dict[str, bytes], agreed: str, used: str) -> None:
    assert found(*handshake(agreed), (Role.CLIENT, made[used])) == [NAMED[agreed, used]]


def test_the_sdk_with_another_key_is_told_so(made: dict[str, bytes]) -> None:
    assert found((Role.CLIENT, made["init_other_key"])) == ["rsa_wrong_key"]
