"""Ciphers against fresh contexts, known layouts, and what wrong keys do."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from fixtures.other_aes import OtherAes
from ftwire.cipher import (
    KEY_UNKNOWN,
    NONE,
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
    assert cipher.encrypt(body) == OtherAes("aes_cbc", KEY, IV).encrypt(body)


@pytest.mark.parametrize("size", range(66))
def test_the_ftaes_layout(size: int) -> None:
    body = bytes(range(size))
    payload = aes("ftaes_ecb").encrypt(body)
    assert len(payload) == -(-size // 16) * 16 + 16
    assert payload[-16:] == bytes(15) + bytes([size % 16])
    assert OtherAes("aes_ecb", KEY).decrypt_blocks(payload[:-16]) == body + bytes(-size % 16)


def test_the_empty_ftaes_body_is_16_zero_bytes() -> None:
    assert aes("ftaes_ecb").encrypt(b"") == bytes(16)
    assert aes("ftaes_ecb").decrypt(bytes(16)) == b""


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "blocks of 16"),
        (bytes(17), "blocks of 16"),
        (bytes(31) + b"\x10", "last byte says 16 bytes in the last of 1 blocks"),
        (bytes(15) + b"\x01", "last byte says 1 bytes in the last of 0 blocks"),
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
    with pytest.raises(KeyFormatError, match=r"[Pp]assword was not given"):
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


def test_no_encryption_and_an_unknown_key() -> None:
    assert NONE.decrypt(NONE.encrypt(b"x")) == b"x"
    for act in (KEY_UNKNOWN.encrypt, KEY_UNKNOWN.decrypt):
        with pytest.raises(KeyRequiredError) as caught:
            act(b"x")
        assert isinstance(caught.value, CipherError)


@ALL
@pytest.mark.parametrize("size", range(34))
def test_what_others_pad_and_encrypt_is_read_and_the_reverse(name: str, size: int) -> None:
    """Every length up to two blocks and beyond, against an AES of another library and padding written out."""
    body = bytes(range(1, size + 1))
    payload = OtherAes(name, KEY, IV).encrypt(body)
    assert aes(name).encrypt(body) == payload
    assert aes(name).decrypt(payload) == body


@ALL
@pytest.mark.parametrize("size", [0, 1, 15, 17, 40])
def test_a_payload_of_no_whole_blocks(name: str, size: int) -> None:
    with pytest.raises(DecryptionError) as caught:
        aes(name).decrypt(bytes(size))
    assert str(caught.value) == f"{name}: a payload is blocks of 16 bytes, here are {size} bytes"


@pytest.mark.parametrize("name", ["aes_ecb", "aes_cbc"])
@pytest.mark.parametrize("end", [b"\0", b"\x11", b"\x02", b"\x01\x02", b"\xff"])
def test_pkcs7_that_cannot_be(name: str, end: bytes) -> None:
    """No count, one above a block, and counts that are not repeated."""
    payload = OtherAes(name, KEY, IV).encrypt_blocks(bytes(range(100, 116 - len(end))) + end)
    with pytest.raises(DecryptionError) as caught:
        aes(name).decrypt(payload)
    assert (caught.value.cipher, caught.value.reason) == (name, "the decrypted body does not end in PKCS#7 padding")


@pytest.mark.parametrize("make", [FtAesEcb, AesEcb, lambda key: AesCbc(key, IV), lambda key: AesCbc(key, IV.encode())])
def test_keys_are_16_characters_or_bytes_and_errors_say_which_are_not(make: Callable[[str | bytes], Cipher]) -> None:
    assert make(KEY.encode()).encrypt(b"body") == make(KEY).encrypt(b"body")
    with pytest.raises(KeyFormatError, match=r"^the AES key is 16 bytes, not 15$"):
        make(KEY[1:])
    with pytest.raises(KeyFormatError, match=r"^the AES key is not ASCII$"):
        make("é" * 8)


def test_an_iv_is_16_characters_or_bytes_and_errors_say_when_it_is_not() -> None:
    with pytest.raises(KeyFormatError, match=r"^the AES IV is 16 bytes, not 17$"):
        AesCbc(KEY, IV + "0")
    with pytest.raises(KeyFormatError, match=r"^the AES IV is not ASCII$"):
        AesCbc(KEY, "é" * 16)


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_block_unlocked_shows_its_padding(bits: int) -> None:
    """RFC 8017, 7.2.1: 00 02, at least eight bytes that are not zero, 00, the message."""
    key = RsaKey(PRIVATE[bits])
    assert key.size == bits // 8
    assert repr(key) == f"<RsaKey {bits} bits>"
    shown = key.unlock(PRIVATE[bits].public_key().encrypt(b"message", padding.PKCS1v15()))
    assert len(shown) == key.size
    assert shown.startswith(b"\0\2")
    assert shown.endswith(b"\0message")
    assert 0 not in shown[2:-8]
    assert Rsa(key).decrypt(Rsa(key).encrypt(b"message")) == b"message"


def test_what_cannot_be_unlocked() -> None:
    key = RsaKey(PRIVATE[1024])
    modulus = PRIVATE[1024].public_key().public_numbers().n
    for block, why in (
        (bytes(127), "a block is 128 bytes, not 127"),
        (modulus.to_bytes(128), "the block is a larger number than this key's modulus"),
    ):
        with pytest.raises(DecryptionError) as caught:
            key.unlock(block)
        assert (caught.value.cipher, caught.value.reason) == ("rsa", why)
    # -1 to an odd power is -1.
    assert key.unlock((modulus - 1).to_bytes(128)) == (modulus - 1).to_bytes(128)


def test_errors_of_rsa_say_what_is_wrong() -> None:
    key = RsaKey(PRIVATE[1024])
    modulus = PRIVATE[1024].public_key().public_numbers().n
    for payload, why in (
        (bytes(200), "a payload is blocks of 128 bytes for this key, here are 200 bytes"),
        # No implementation computes with a number above the modulus, implicit rejection or not.
        (modulus.to_bytes(128), "a block does not decrypt with this key"),
    ):
        with pytest.raises(DecryptionError) as caught:
            Rsa(key).decrypt(payload)
        assert (caught.value.cipher, caught.value.reason) == ("rsa", why)


def test_errors_of_keys_say_what_is_wrong() -> None:
    public = PRIVATE[1024].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private = PRIVATE[1024].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for pem, why in (
        (public, "the PEM holds a public key; OpenD's clients need the private one"),
        (curve, "the key is not an RSA private key"),
        (b"nothing", "not an RSA private key in PEM (PKCS#1 or PKCS#8)"),
    ):
        with pytest.raises(KeyFormatError) as caught:
            RsaKey.from_pem(pem)
        assert caught.value.reason == why
    # Some tools write both halves into one file.
    assert RsaKey.from_pem(private + public).size == 128


def test_a_key_that_is_too_short() -> None:
    p, q = 2**255 - 19, 2**521 - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    private = rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()
    with pytest.raises(KeyFormatError, match=r"^an RSA key of 776 bits is too short, 1024 are needed$"):
        RsaKey(private)
