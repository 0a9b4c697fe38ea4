"""The compiled core against the Python code: the same events for every stream, chunk for chunk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha1
from itertools import cycle, product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ftwire
from ftwire.cipher import KEY_UNKNOWN, NONE, AesCbc, AesEcb, Cipher, FtAesEcb, NoCipher, codec_of
from ftwire.connection import Connection
from ftwire.errors import HeaderError, WireError
from ftwire.frame import Frame, Role, encode_frame
from ftwire.header import MAGIC, PackedHeader, pack_header, unpack_compact
from ftwire.observer import Observer
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.strategies import Session, chunkings, ciphers, conversations, frames, mutations
from ftwire.stream import FrameDecoder
from support.cores import needs_core, pure
from support.frames import rt_response

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
MAKERS: dict[str, Callable[[], Cipher]] = {
    "none": lambda: NONE,
    "ftaes_ecb": lambda: FtAesEcb(KEY),
    "aes_ecb": lambda: AesEcb(KEY),
    "aes_cbc": lambda: AesCbc(KEY, IV),
}


def told(error: BaseException | None) -> object:
    """An error as a value: what it is, and the facts it carries."""
    if error is None:
        return None
    facts = (
        {name: value for name, value in vars(error).items() if name != "frame"} if hasattr(error, "__dict__") else {}
    )
    return type(error), str(error), facts


def seen(item: Any) -> object:
    """A frame, gap or event as a value, all of it."""
    if isinstance(item, Frame):
        body = item.body if item.error is None else None
        return type(item), item.header, item.payload, body, item.sender, item.kind, told(item.error)
    if isinstance(item, UndecodedBytes):
        return (*item[:4], told(item.error))
    if isinstance(item, tuple):
        return (type(item), *map(seen, item))
    return told(item) if isinstance(item, BaseException) else item


def decoded(
    chunks: list[bytes], cipher: Cipher, max_body: int, taken: list[int], changes: dict[int, str], start: type
) -> list[object]:
    """Everything that a decoder or scanner tells, and where it stands after each chunk of which all was taken.

    ``taken`` is how many items of each chunk's, in turns, are taken before its iterator is dropped; ``changes`` are
    ciphers to set behind so many frames.
    """
    reader = start(cipher=cipher, max_body=max_body)
    log: list[object] = []
    count = 0
    for chunk, most in zip(chunks, cycle(taken), strict=False):
        try:
            items = reader.feed(chunk)
            for at, item in enumerate(items if most else (), 1):
                log.append(seen(item))
                count += isinstance(item, Frame)
                if isinstance(item, Frame) and count in changes:
                    reader.cipher = MAKERS[changes.pop(count)]()
                if at == most:
                    break
            else:
                if most:
                    log.append((reader.offset, reader.pending))
        except HeaderError as error:
            log.append(told(error))
    try:
        log += map(seen, reader.close() or ())
    except WireError as error:
        log.append(told(error))
    return log


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, str]:
    """Frames of one cipher or another, damaged or not, and the name of the first one's cipher."""
    names = draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=2))
    whole = b""
    for name in names:
        body = st.binary(max_size=60) | st.binary(min_size=4050, max_size=4120).map(lambda part: part * 3)
        for frame in draw(st.lists(frames(cipher=MAKERS[name](), body=body), max_size=6)):
            whole += frame.encode()
    return draw(mutations(whole, max_changes=3)).data if whole else whole, names[0]


@needs_core
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@given(streams(), st.data())
def test_every_stream_gives_the_same(start: type, stream: tuple[bytes, str], source: st.DataObject) -> None:
    data, name = stream
    chunks = source.draw(chunkings(data))
    max_body = source.draw(st.sampled_from([1 << 26, 64, 16, 0]))
    taken = source.draw(st.lists(st.sampled_from([99, 99, 0, 1, 2]), min_size=1, max_size=8))
    changes = source.draw(st.dictionaries(st.integers(1, 6), st.sampled_from(sorted(MAKERS)), max_size=2))
    arguments = chunks, MAKERS[name](), max_body, taken
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
                log += map(seen, observer.receive(side, chunk))
        return [*log, *map(seen, observer.close())]

    def connected() -> list[object]:
        connection = Connection(Role.SERVER)
        log: list[object] = []
        try:
            for chunk in parts[Role.CLIENT]:
                log += map(seen, connection.receive_data(chunk, 1))
        except WireError as error:
            log.append(told(error))
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
            return told(error)

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
            compiled = list(map(seen, FrameDecoder(cipher=cipher).feed(frame)))
            with pure():
                assert list(map(seen, FrameDecoder(cipher=cipher).feed(frame))) == compiled


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
        compiled = [seen(item) for item in FrameDecoder(cipher=MAKERS[name]()).feed(frame)]
        with pure():
            assert [seen(item) for item in FrameDecoder(cipher=MAKERS[name]()).feed(frame)] == compiled


def _opens(cipher: Cipher, payload: bytes) -> bool:
    try:
        cipher.decrypt(payload)
    except WireError:
        return False
    return True


@needs_core
@pytest.mark.parametrize("name", MAKERS)
def test_the_core_is_really_what_cuts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"".join(encode_frame(3009, at, bytes(at), cipher=MAKERS[name]()) for at in range(40))
    # Without it, this would be needed.
    monkeypatch.setattr("ftwire.stream.NOTHING_HASHED", None)
    with pytest.raises(AttributeError), pure():
        list(FrameDecoder(cipher=MAKERS[name]()).feed(stream))
    monkeypatch.setattr("ftwire.stream.NOTHING_HASHED", sha1())  # noqa: S324 - for its copy method alone
    monkeypatch.setattr("ftwire.stream.unpack_compact", None)
    assert [frame.serial for frame in FrameDecoder(cipher=MAKERS[name]()).feed(stream)] == list(range(40))


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have Python tell the offsets of the frames that it cuts by itself, of chunks large and small."""
    offsets: list[int] = []

    def told(data: bytes, at: int = 0) -> PackedHeader:
        offsets.append(at)
        return unpack_compact(data, at)

    for module in ("stream", "scan"):
        monkeypatch.setattr(f"ftwire.{module}.unpack_compact", told)
    return offsets


@needs_core
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("minutes", [0, 20, 100])
def test_the_core_cuts_all_that_is_in_order_in_chunks_of_any_size(
    start: type, name: str, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also behind a frame that is not in order, and under another cipher set in between."""
    body = rt_response(range(570, 570 + minutes)).SerializeToString()
    raw = [encode_frame(3008, at, body, cipher=MAKERS[name if at < 20 else "ftaes_ecb"]()) for at in range(40)]
    raw[30] = raw[30][:20] + bytes(4) + raw[30][24:]

    def cut(chunks: list[bytes]) -> list[object]:
        reader = start(cipher=MAKERS[name]())
        found: list[object] = []
        for chunk in chunks:
            for frame in reader.feed(chunk):
                found.append((seen(frame), None if frame.error else frame.message))
                if frame.serial == 19:
                    reader.cipher = MAKERS["ftaes_ecb"]()
        return found

    offsets = looked_at(monkeypatch)
    compiled = [cut([b"".join(raw)]), cut(raw)]
    # The one with the wrong digest, which a scanner looks at again when it knows what follows.
    assert 2 <= len(offsets) <= 3
    with pure():
        assert [cut([b"".join(raw)]), cut(raw)] == compiled
    assert len(compiled[0]) == 40


@needs_core
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
def test_the_core_cuts_small_chunks_whole(start: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one frame or of several, one cut off in between too, and under another cipher from a chunk on."""
    monkeypatch.delattr(start, "_cut")
    reader = start(cipher=MAKERS["aes_cbc"]())
    serials: list[int] = []
    for name in ("aes_cbc", "ftaes_ecb"):
        reader.cipher = MAKERS[name]()
        raw = [encode_frame(3009, at, b"body", cipher=reader.cipher) for at in range(8)]
        stream = b"".join(raw)
        for chunk in (*raw, stream, stream[:100], stream[100:330], stream[330:]):
            serials += [frame.serial for frame in reader.feed(chunk)]
    assert serials == [*range(8)] * 6


@needs_core
@pytest.mark.parametrize("name", MAKERS)
def test_the_core_cuts_a_frame_taken_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = looked_at(monkeypatch)
    scanner = ResyncDecoder(cipher=MAKERS[name]())
    frame = scanner.whole(encode_frame(3009, 7, b"abc", cipher=MAKERS[name]()))
    assert frame is not None
    assert (frame.serial, frame.body) == (7, b"abc")
    assert offsets == []


class Backwards(FtAesEcb):
    """Somebody's own cipher, made from one of ours."""

    def decrypt(self, payload: bytes, /) -> bytes:
        return super().decrypt(payload)[::-1]

    def encrypt(self, body: bytes, /) -> bytes:
        return super().encrypt(body[::-1])


@needs_core
def test_the_core_knows_our_ciphers_and_nobody_elses() -> None:
    for made in (NoCipher(), *(make() for make in MAKERS.values())):
        codec = codec_of(made)
        assert codec is not None
        frame = encode_frame(3009, 5, b"abc", cipher=made)
        assert codec.encode(3009, 0, 5, b"abc") == frame
        with pure():
            assert encode_frame(3009, 5, b"abc", cipher=made) == frame
    for other in (KEY_UNKNOWN, Backwards(KEY)):
        assert codec_of(other) is None


def test_somebody_elses_cipher_is_asked() -> None:
    data = encode_frame(3009, 1, b"abc", cipher=Backwards(KEY))
    assert data.endswith(FtAesEcb(KEY).encrypt(b"cba"))
    (frame,) = FrameDecoder(cipher=Backwards(KEY)).feed(data)
    assert frame.error is None
    assert frame.body == b"abc"


@needs_core
def test_a_core_shows_nothing_of_its_key() -> None:
    import ftwire_core

    codec = ftwire_core.Codec("aes_cbc", KEY.encode(), IV.encode())
    assert KEY not in repr(codec)
    assert not [
        name
        for name in dir(codec)
        if name not in dir(object()) and name not in {"cut", "encode", "one", "take", "__module__"}
    ]
    for wrong in (("aes_cbc", KEY.encode()), ("aes_ecb", b"short"), ("rot13", KEY.encode())):
        with pytest.raises(ValueError, match="16 bytes") as caught:
            ftwire_core.Codec(*wrong)
        assert KEY not in str(caught.value)


def run(program: str, core: str | None) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "FTWIRE_CORE"}
    if core is not None:
        variables["FTWIRE_CORE"] = core
    return subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)


ABSENT = (
    "import sys; sys.modules['ftwire_core'] = None",
    "import sys, types; m = sys.modules['ftwire_core'] = types.ModuleType('ftwire_core'); m.__version__ = '0.0.1'",
)
"""Programs' beginnings that make the core absent, or another version's."""


@pytest.mark.parametrize("start", ABSENT)
def test_what_is_absent_is_not_used_and_can_be_required(start: str) -> None:
    asked = f"{start}\nimport ftwire; print(ftwire.compiled)"
    assert run(asked, None).stdout == "False\n"
    assert run(asked, "off").stdout == "False\n"
    required = run(asked, "required")
    assert required.returncode == 1
    assert required.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "ftwire" in required.stderr.splitlines()[-1]


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
