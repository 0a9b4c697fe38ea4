"""The compiled core against the Python code: the same events for every stream, chunk for chunk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from hashlib import sha1
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ftwire.framing
from ftwire.cipher import KEY_UNKNOWN, NONE, Cipher, FtAesEcb, NoCipher, codec_of
from ftwire.connection import Connection
from ftwire.errors import HeaderError, WireError
from ftwire.frame import Frame, Role, encode_frame
from ftwire.header import MAGIC, pack_header
from ftwire.observer import Observer
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.strategies import Session, chunkings, ciphers, conversations, mutations
from ftwire.stream import FrameDecoder
from support.cores import MAKERS, Reversing, needs_core, pure, streams
from support.frames import rt_response
from support.places import ROOT

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"


def error_facts(error: BaseException | None) -> object:
    """An error as a value: what it is, and the facts it carries."""
    if error is None:
        return None
    facts = (
        {name: value for name, value in vars(error).items() if name != "frame"} if hasattr(error, "__dict__") else {}
    )
    return type(error), str(error), facts


def comparable(item: Any) -> object:
    """A frame, undecoded bytes or an event as a value, with everything in it."""
    if isinstance(item, Frame):
        body = item.body if item.error is None else None
        return type(item), item.header, item.payload, body, item.sender, item.kind, error_facts(item.error)
    if isinstance(item, UndecodedBytes):
        return (*item[:4], error_facts(item.error))
    if isinstance(item, tuple):
        return (type(item), *map(comparable, item))
    return error_facts(item) if isinstance(item, BaseException) else item


def decoded(chunks: list[bytes], cipher: Cipher, max_body: int, changes: dict[int, str], start: type) -> list[object]:
    """Everything that a decoder reports, and its state after each chunk.

    ``changes`` are ciphers to set behind the handshake that is so many frames from the start.
    """
    reader = start(cipher=cipher, max_body=max_body)
    log: list[object] = []
    count = 0
    for chunk in chunks:
        try:
            for item in reader.feed(chunk):
                log.append(comparable(item))
                count += isinstance(item, Frame)
                if isinstance(item, Frame) and item.proto_id == 1001 and count in changes:
                    reader.cipher = MAKERS[changes.pop(count)]()
            log.append((reader.offset, reader.pending))
        except HeaderError as error:
            log.append(error_facts(error))
    try:
        log += map(comparable, reader.close() or ())
    except WireError as error:
        log.append(error_facts(error))
    return log


@needs_core
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@given(streams(), st.data())
def test_every_stream_gives_the_same(start: type, stream: tuple[bytes, str], source: st.DataObject) -> None:
    data, name = stream
    chunks = source.draw(chunkings(data))
    max_body = source.draw(st.sampled_from([1 << 26, 64, 16, 0]))
    changes = source.draw(st.dictionaries(st.integers(1, 6), st.sampled_from(sorted(MAKERS)), max_size=6))
    arguments = chunks, MAKERS[name](), max_body
    compiled = decoded(*arguments, dict(changes), start)
    with pure():
        assert decoded(*arguments, dict(changes), start) == compiled


@needs_core
@given(conversations(), st.data())
def test_every_conversation_gives_the_same(session: Session, source: st.DataObject) -> None:
    parts = {
        side: list(source.draw(chunkings(source.draw(mutations(session.stream(side), max_changes=2)).data)))
        for side in Role
    }

    def observed() -> list[object]:
        observer = Observer()
        log: list[object] = []
        for side, chunks in parts.items():
            for chunk in chunks:
                log += map(comparable, observer.receive(side, chunk))
        return [*log, *map(comparable, observer.close())]

    def connected() -> list[object]:
        connection = Connection(Role.SERVER)
        log: list[object] = []
        try:
            for chunk in parts[Role.CLIENT]:
                log += map(comparable, connection.receive_data(chunk, 1))
        except WireError as error:
            log.append(error_facts(error))
        return log

    compiled = observed(), connected()
    with pure():
        assert (observed(), connected()) == compiled


@needs_core
@given(st.integers(-1, 1 << 33), st.integers(-1, 300), st.integers(-1, 1 << 33), st.binary(max_size=70), ciphers())
@example(3009, 0, 1, b"", NONE)
def test_every_frame_is_encoded_the_same(proto_id: int, form: int, serial: int, body: bytes, cipher: Cipher) -> None:
    def made() -> object:
        try:
            return encode_frame(proto_id, serial, body, body_format=form, cipher=cipher)
        except Exception as error:
            return error_facts(error)

    compiled = made()
    with pure():
        assert made() == compiled


@needs_core
@pytest.mark.parametrize("name", MAKERS)
def test_the_core_is_really_what_makes_frames_and_json(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = rt_response().SerializeToString()
    encoded = encode_frame(3008, 7, body, body_format=0, cipher=MAKERS[name]())
    (frame,) = FrameDecoder(cipher=MAKERS[name]()).feed(encoded)
    text = frame.to_json()
    for unused in ("pack_header", "to_json"):
        monkeypatch.setattr(f"ftwire.frame.{unused}", None)
    again = encode_frame(3008, 7, body, body_format=0, cipher=MAKERS[name]())
    assert again == encoded
    (frame,) = FrameDecoder(cipher=MAKERS[name]()).feed(again)
    assert frame.to_json() == text


@needs_core
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "none"])
def test_every_last_byte_of_a_payload(name: str) -> None:
    cipher = MAKERS[name]()
    for blocks, last in product(range(4), range(256)):
        payload = bytes(16 * blocks - 1 if blocks else 0) + bytes((last,))
        for body in (b"", bytes(16), cipher.decrypt(payload) if _opens(cipher, payload) else b""):
            frame = pack_header(MAGIC, 3009, 0, 0, 1, len(payload), sha1(body).digest(), bytes(8)) + payload  # noqa: S324
            compiled = list(map(comparable, FrameDecoder(cipher=cipher).feed(frame)))
            with pure():
                assert list(map(comparable, FrameDecoder(cipher=cipher).feed(frame))) == compiled


@needs_core
@pytest.mark.parametrize("name", ["aes_ecb", "aes_cbc"])
def test_padding_is_looked_at_in_full(name: str) -> None:
    iv = IV.encode() if name == "aes_cbc" else bytes(16)
    for count, wrong in product(range(2, 17), range(16)):
        padded = bytearray(16 - count) + bytes((count,)) * count
        padded[wrong] ^= 1
        # FTAES_ECB makes of whole blocks what AES does with them, and its own last one.
        payload = FtAesEcb(KEY).encrypt(bytes(a ^ b for a, b in zip(padded, iv, strict=True)))[:16]
        digest = sha1(padded[: 16 - count]).digest()  # noqa: S324 - the protocol's digest
        frame = pack_header(MAGIC, 3009, 0, 0, 1, 16, digest, bytes(8)) + payload
        compiled = [comparable(item) for item in FrameDecoder(cipher=MAKERS[name]()).feed(frame)]
        with pure():
            assert [comparable(item) for item in FrameDecoder(cipher=MAKERS[name]()).feed(frame)] == compiled


def _opens(cipher: Cipher, payload: bytes) -> bool:
    try:
        cipher.decrypt(payload)
    except WireError:
        return False
    return True


@needs_core
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@pytest.mark.parametrize("name", MAKERS)
def test_the_core_is_really_what_takes_frames(start: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of any size, also behind a frame that is not in order, and with another cipher behind a handshake."""
    assert ftwire.framing.take is not ftwire.framing.python_take
    body = rt_response().SerializeToString()
    raw = [encode_frame(3008, at, body, cipher=MAKERS[name if at <= 20 else "ftaes_ecb"]()) for at in range(40)]
    raw[20] = encode_frame(1001, 20, body, cipher=MAKERS[name]())
    raw[30] = raw[30][:20] + bytes(4) + raw[30][24:]

    def taken(chunks: list[bytes]) -> list[object]:
        reader = start(cipher=MAKERS[name]())
        found: list[object] = []
        for chunk in chunks:
            for frame in reader.feed(chunk):
                found.append(comparable(frame))
                if frame.serial == 20:
                    reader.cipher = MAKERS["ftaes_ecb"]()
        return found

    with pure():
        expected = taken(raw)
    # Without the core, this would be needed.
    monkeypatch.setattr("ftwire.framing.unpack_packed_header", None)
    stream = b"".join(raw)
    for chunks in ([stream], raw, [stream[at : at + 1000] for at in range(0, len(stream), 1000)]):
        assert taken(chunks) == expected
    assert len(expected) == 40
    with pytest.raises(TypeError), pure():
        taken(raw)


@needs_core
def test_the_core_knows_our_ciphers_and_nobody_elses() -> None:
    for made in (NoCipher(), *(make() for make in MAKERS.values())):
        codec = codec_of(made)
        assert codec is not None
        frame = encode_frame(3009, 5, b"abc", cipher=made)
        assert codec.encode(3009, 0, 5, b"abc") == frame
        with pure():
            assert encode_frame(3009, 5, b"abc", cipher=made) == frame
    for other in (KEY_UNKNOWN, Reversing()):
        assert codec_of(other) is None


def test_somebody_elses_cipher_is_asked() -> None:
    data = encode_frame(3009, 1, b"abc", cipher=Reversing())
    assert data.endswith(FtAesEcb(KEY).encrypt(b"cba"))
    (frame,) = FrameDecoder(cipher=Reversing()).feed(data)
    assert frame.error is None
    assert frame.body == b"abc"


@needs_core
def test_a_core_shows_nothing_of_its_key() -> None:
    import ftwire_core

    codec = ftwire_core.Codec("aes_cbc", KEY.encode(), IV.encode())
    assert KEY not in repr(codec)
    assert not [name for name in dir(codec) if name not in dir(object()) and name not in {"encode", "__module__"}]
    for wrong in (("aes_cbc", KEY.encode()), ("aes_ecb", b"short"), ("rot13", KEY.encode())):
        with pytest.raises(ValueError, match="16 bytes") as caught:
            ftwire_core.Codec(*wrong)
        assert KEY not in str(caught.value)


def run(program: str, core: str | None) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "FTWIRE_CORE"}
    if core is not None:
        variables["FTWIRE_CORE"] = core
    return subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)


INTERFACE = int(re.findall(r"const INTERFACE: u32 = (\d+);", (ROOT / "codec/core/src/lib.rs").read_text("utf-8"))[0])
"""Number of the core's interface, from its source: ``ftwire`` needs the same."""

MISSING = "import sys; sys.modules['ftwire_core'] = None"
OTHER = (
    "import sys, types; core = sys.modules['ftwire_core'] = types.ModuleType('ftwire_core'); core.__version__ = '0.0.1'"
)
"""Beginnings of programs for which there is no core, or only one of another interface."""


@pytest.mark.parametrize("start", [MISSING, OTHER, f"{OTHER}; core.INTERFACE = {INTERFACE + 1}"])
def test_a_core_that_is_missing_or_does_not_fit_is_not_used_and_can_be_required(start: str) -> None:
    asked = f"{start}\nimport ftwire; print(ftwire.compiled)"
    assert run(asked, None).stdout == "False\n"
    off = run(asked, "off")
    assert (off.stdout, off.stderr) == ("False\n", "")
    required = run(asked, "required")
    assert required.returncode == 1
    assert required.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "ftwire" in required.stderr.splitlines()[-1]


@pytest.mark.parametrize("announced", [None, INTERFACE - 1, INTERFACE + 1])
def test_a_core_that_does_not_fit_is_named(announced: int | None) -> None:
    start = OTHER if announced is None else f"{OTHER}; core.INTERFACE = {announced}"
    program = f"{start}\nimport ftwire.stream; print(ftwire.compiled)"
    reason = f"ftwire-core 0.0.1 does not fit and is not used: its interface is {announced}, {INTERFACE} is needed"
    done = run(program, None)
    assert done.stdout == "False\n"
    assert done.stderr.count(f"RuntimeWarning: {reason}\n") == 1
    assert run(program, "required").stderr.splitlines()[-1] == f"ImportError: {reason}"


def test_a_core_of_another_version_fits_if_its_interface_does() -> None:
    start = f"{OTHER}; core.INTERFACE = {INTERFACE}; core.Codec = core.take = lambda *_: None"
    done = run(f"{start}\nimport ftwire.stream; print(ftwire.compiled)", "required")
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_variable_has_three_values() -> None:
    assert "'off', 'required' or unset, not 'on'" in run("import ftwire.stream", "on").stderr


@needs_core
def test_an_installed_core_is_used_unless_told_otherwise() -> None:
    asked = "import ftwire; print(ftwire.compiled)"
    assert [run(asked, core).stdout for core in (None, "required", "off")] == ["True\n", "True\n", "False\n"]


def test_importing_the_package_imports_no_core() -> None:
    program = "import sys, ftwire; print('ftwire_core' in sys.modules)"
    assert run(program, None).stdout == "False\n"
    assert ftwire.__version__
