"""Our decoders and the vendor SDK's on the same damaged bytes: what one takes, the other takes the same way.

Known differences, each counted below:

- FTAES_ECB: the SDK strips by the tail byte without looking at its size or at what stands before it; we refuse a
  tail above 15 and a tail without a block in front of it. Fewer than 16 bytes are an empty body to the SDK.
- PKCS#7: the SDK takes the last byte for a count and cuts that many bytes off; we look at all of the padding.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import CipherError
from ftwire.strategies import Mutation, mutations
from interop.peers import Peer, environment, python

PROGRAM = Path(__file__).with_name("sdk_vectors.py")
KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
CIPHERS: dict[str, Cipher] = {"ftaes_ecb": FtAesEcb(KEY), "aes_ecb": AesEcb(KEY), "aes_cbc": AesCbc(KEY, IV)}


def damaged(mode: str, count: int = 150) -> list[bytes]:
    """Payloads of bodies of many lengths, some of them damaged; the same in every run."""
    found: list[bytes] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.binary(max_size=70).map(CIPHERS[mode].encrypt).flatmap(mutations))
    def collect(mutation: Mutation) -> None:
        found.append(mutation.data)

    collect()
    return found


def ours(mode: str, payload: bytes) -> bytes | None:
    try:
        return CIPHERS[mode].decrypt(payload)
    except CipherError:
        return None


@pytest.mark.parametrize("mode", CIPHERS)
@pytest.mark.parametrize("name", ["futu-api-10.11", "futu-api-6.2"])
def test_damaged_payloads(name: str, mode: str, peer: Callable[[str], Peer]) -> None:
    payloads = damaged(mode)
    given_ = {"vectors": [{"mode": mode, "payload": payload.hex()} for payload in payloads]}
    words = [str(python(name)), str(PROGRAM), "decrypt", "--key", str(TEST_KEY), "--package", peer(name).module]
    done = subprocess.run(
        words, input=json.dumps(given_), env=environment(name), capture_output=True, text=True, check=True
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)["vectors"]
    both = refused = stricter = 0
    for payload, answer in zip(payloads, answers, strict=True):
        mine = ours(mode, payload)
        theirs = None if answer["body"] is None else bytes.fromhex(answer["body"])
        if mine is not None:
            assert theirs == mine, payload.hex()
            both += 1
        elif theirs is None:
            refused += 1
        else:
            # We refuse what they take: only for a tail or a padding that no sender makes.
            assert len(payload) < 16 or len(payload) % 16 == 0, payload.hex()
            stricter += 1
    assert both > 20
    assert both + refused + stricter == len(payloads)
