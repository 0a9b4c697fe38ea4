"""Ciphers against fresh contexts, known layouts, and what wrong keys do."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as Context
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import (
    NONE,
    SEALED,
    AesCbc,
    AesEcb,
    Cipher,
    FtAesEcb,
    Rsa,
    RsaKey,
    cipher_for,
)
from ftwire.errors import CipherError, DecryptionError, KeyFormatError, KeyRequiredError

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
PRIVATE = {bits: rsa.generate_private_key(65537, bits) for bits in (1024, 2048)}
OTHER = rsa.generate_private_key(65537, 1024)
KEYS = {bits: RsaKey(private) for bits, private in PRIVATE.items()}


def aes(cipher: str) -> Cipher:
    made: dict[str, Cipher] = {"ftaes_ecb": FtAesEcb(KEY), "aes_ecb": AesEcb(KEY), "aes_cbc": AesCbc(KEY, IV)}
    return made[cipher]


ALL = pytest.mark.parametrize("name", ["ftaes_ecb", "aes_ecb", "aes_cbc"])


@ALL
@given(bodies=st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_every_body_comes_back_on_one_running_cipher(name: str, bodies: list[bytes]) -> None:
    sender, receiver = aes(name), aes(name)
    assert [receiver.decrypt(sender.encrypt(body)) for body in bodies] == bodies


@ALL
@given(payload=st.binary(min_size=1, max_size=80))
def test_any_payload_gives_a_body_or_a_decryption_error(name: str, payload: bytes) -> None:
    cipher = aes(name)
    try:
        body = cipher.decrypt(payload)
    except DecryptionError as error:
        assert error.cipher == name
        return
    if name != "ftaes_ecb":  # whose padding says nothing about the bytes it fills
        assert cipher.encrypt(body) == payload


@given(body=st.binary(max_size=80))
def test_cbc_begins_every_frame_at_the_iv(body: bytes) -> None:
    cipher = aes("aes_cbc")
    cipher.encrypt(b"a frame before it")
    count = 16 - len(body) % 16
    fresh = Context(algorithms.AES(KEY.encode()), modes.CBC(IV.encode())).encryptor()
    assert cipher.encrypt(body) == fresh.update(body + bytes([count]) * count)


@pytest.mark.parametrize("size", range(66))
def test_the_ftaes_layout(size: int) -> None:
    body = bytes(range(size))
    payload = aes("ftaes_ecb").encrypt(body)
    assert len(payload) == -(-size // 16) * 16 + 16
    assert payload[-16:] == bytes(15) + bytes([size % 16])
    fresh = Context(algorithms.AES(KEY.encode()), modes.ECB()).decryptor()
    assert fresh.update(payload[:-16]) == body + bytes(-size % 16)


def test_the_empty_ftaes_body_is_16_zero_bytes() -> None:
    assert aes("ftaes_ecb").encrypt(b"") == bytes(16)
    assert aes("ftaes_ecb").decrypt(bytes(16)) == b""


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "blocks of 16"),
        (bytes(17), "blocks of 16"),
        (bytes(31) + b"\x10", "last byte says 16"),
        (bytes(15) + b"\x01", "last byte says 1 bytes in the last of 0"),
    ],
)
def test_ftaes_that_cannot_be(payload: bytes, why: str) -> None:
    with pytest.raises(DecryptionError, match=why):
        aes("ftaes_ecb").decrypt(payload)


@pytest.mark.parametrize("bits", [1024, 2048])
@given(body=st.binary(max_size=450))
def test_rsa_in_blocks(bits: int, body: bytes) -> None:
    cipher = Rsa(KEYS[bits])
    payload = cipher.encrypt(body)
    assert len(payload) == -(-len(body) // 100) * bits // 8
    assert cipher.decrypt(payload) == body


@pytest.mark.parametrize("chunk", [1, 60, 100, 117])
def test_any_cut_reads_the_same(chunk: int) -> None:
    body = bytes(range(250))
    payload = Rsa(KEYS[1024], chunk=chunk).encrypt(body)
    assert len(payload) == -(-250 // chunk) * 128
    assert Rsa(KEYS[1024]).decrypt(payload) == body


def test_rsa_blocks_are_those_of_the_library() -> None:
    public = PRIVATE[1024].public_key()
    theirs = b"".join(public.encrypt(part, padding.PKCS1v15()) for part in (bytes(100), bytes(7)))
    assert Rsa(KEYS[1024]).decrypt(theirs) == bytes(107)


@pytest.mark.parametrize("chunk", [0, 118])
def test_a_chunk_that_does_not_fit_the_key(chunk: int) -> None:
    with pytest.raises(ValueError, match="1 to 117"):
        Rsa(KEYS[1024], chunk=chunk)


def test_a_wrong_rsa_key_never_gives_the_body() -> None:
    body = bytes(100)
    payload = Rsa(RsaKey(OTHER)).encrypt(body)
    try:
        assert Rsa(KEYS[1024]).decrypt(payload) != body  # implicit rejection: random bytes
    except DecryptionError as error:
        assert error.cipher == "rsa"


def test_rsa_payload_of_no_whole_blocks() -> None:
    with pytest.raises(DecryptionError, match="blocks of 128"):
        Rsa(KEYS[1024]).decrypt(bytes(129))


@pytest.mark.parametrize("bits", [1024, 2048])
@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_both_pem_forms(bits: int, form: PrivateFormat) -> None:
    pem = PRIVATE[bits].private_bytes(Encoding.PEM, form, NoEncryption())
    assert RsaKey.from_pem(pem).size == bits // 8
    assert RsaKey.from_pem(pem.decode()).size == bits // 8


def test_a_pem_with_a_password() -> None:
    pem = PRIVATE[1024].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    assert RsaKey.from_pem(pem, b"sesame").size == 128
    with pytest.raises(KeyFormatError):
        RsaKey.from_pem(pem)
    with pytest.raises(KeyFormatError):
        RsaKey.from_pem(pem, b"wrong")


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        PRIVATE[1024].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_what_is_no_rsa_private_key(pem: bytes) -> None:
    with pytest.raises(KeyFormatError):
        RsaKey.from_pem(pem)


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(KEYS[1024]) == "<RsaKey 1024 bits>"


@pytest.mark.parametrize(
    ("asked", "iv", "name"),
    [
        (-1, None, "none"),
        (-1, IV, "none"),
        (0, None, "ftaes_ecb"),
        (0, IV, "ftaes_ecb"),
        (1, None, "aes_ecb"),
        (2, IV, "aes_cbc"),
        (2, None, "ftaes_ecb"),  # a gateway that does not know CBC
        (2, "", "aes_ecb"),
        (None, None, "ftaes_ecb"),
        (None, IV, "aes_cbc"),
        (None, "", "aes_ecb"),
    ],
)
def test_the_choice_of_cipher(asked: int | None, iv: str | None, name: str) -> None:
    assert cipher_for(asked, KEY, iv).name == name


@pytest.mark.parametrize(
    ("asked", "key", "iv"), [(3, KEY, None), (0, "short", None), (2, KEY, "short"), (0, "ключ" * 4, None)]
)
def test_a_choice_that_cannot_be(asked: int, key: str, iv: str | None) -> None:
    with pytest.raises(KeyFormatError) as caught:
        cipher_for(asked, key, iv)
    assert key not in str(caught.value)


def test_none_and_sealed() -> None:
    assert NONE.decrypt(NONE.encrypt(b"x")) == b"x"
    for act in (SEALED.encrypt, SEALED.decrypt):
        with pytest.raises(KeyRequiredError) as caught:
            act(b"x")
        assert isinstance(caught.value, CipherError)
