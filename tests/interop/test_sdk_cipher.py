"""Our ciphers against the vendor SDK's own functions: what it encrypts we decrypt to the byte, and the reverse."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from interop.peers import Peer, environment, python

PROGRAM = Path(__file__).with_name("sdk_vectors.py")
SDKS = ["futu-api-10.11", "moomoo-api-10.11", "futu-api-6.2"]


def sdk(name: str, direction: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    package = name.partition("-")[0]
    words = [str(python(name)), str(PROGRAM), direction, "--key", str(TEST_KEY), "--package", package]
    done = subprocess.run(
        words, input=json.dumps(given), env=environment(name), capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def ciphers(key: str, iv: str) -> dict[str, Cipher]:
    return {
        "rsa": Rsa(RsaKey.from_pem(TEST_KEY.read_bytes())),
        "ftaes_ecb": FtAesEcb(key),
        "aes_ecb": AesEcb(key),
        "aes_cbc": AesCbc(key, iv),
    }


@pytest.mark.parametrize("name", SDKS)
def test_we_decrypt_what_the_sdk_encrypts(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    made = sdk(name, "encrypt")
    ours = ciphers(made["key"], made["iv"])
    for vector in made["vectors"]:
        body, payload = bytes.fromhex(vector["body"]), bytes.fromhex(vector["payload"])
        cipher = ours[vector["mode"]]
        assert cipher.decrypt(payload) == body, vector
        if vector["mode"] != "rsa":  # whose padding is random
            assert cipher.encrypt(body) == payload, vector
    counts = Counter(vector["mode"] for vector in made["vectors"])
    assert set(counts) == set(ours)
    assert min(counts.values()) >= 66


@pytest.mark.parametrize("name", SDKS)
def test_the_sdk_decrypts_what_we_encrypt(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    key, iv = "0123456789ABCDEF", "FEDCBA9876543210"
    bodies = [bytes((length + 3 * index) % 256 for index in range(length)) for length in range(66)]
    given = [
        {"mode": mode, "payload": cipher.encrypt(body).hex(), "expected": body.hex()}
        for mode, cipher in ciphers(key, iv).items()
        for body in bodies
    ]
    for vector in sdk(name, "decrypt", {"vectors": given})["vectors"]:
        assert vector["body"] == vector["expected"], vector
