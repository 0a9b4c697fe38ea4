"""Whole streams, byte for byte the same: our FrameDecoder and the vendor SDK's receive path, frame by frame.

The SDK's side is its own connection object, from ``on_recv`` to the message handed on (``sdk_receive.py``). Streams
are legal ones of ``ftwire.strategies`` in every mode, whole and damaged, in any chunking. For every frame both must
say the same ID, serial and message, or fall into one of these classes; anything else fails:

==================  ==================================================================================================
class               why they differ
==================  ==================================================================================================
WAITS_FOR_EMPTY     the SDK takes 44 bytes for too few: a frame with no body, if it is the last thing sent, is
                    not seen before another byte comes. We give it at once.
RSA_AGAIN           1001 is RSA to the SDK whenever encryption is on; a FrameDecoder decrypts with the cipher it was
                    given, and knowing what 1001 is belongs to Connection.
HALF_A_MESSAGE      a protobuf body that breaks off or is none: the SDK prints the error and hands on what was read up
                    to there, as a good reply. We raise BodyError.
STUCK               a body format above 1, or JSON that the SDK's reader does not take (broken JSON, but also bytes
                    fields, NaN, enums by name, lists of 64-bit numbers as text, a reply without retType): it raises
                    out of the receive path, and the frame stays at the front of the buffer for ever, with all that
                    comes after it. We give the frame, its message being there, an UnknownBody or a BodyError.
JSON_NAMES          the SDK's JSON reader looks for a field's name where protobuf's JSON mapping has lowerCamel, and
                    passes over the fields where these are not the same.
LAX_JSON            the SDK's JSON reader takes what Python takes, true and false for numbers for one. We raise
                    BodyError.
NO_MAGIC            the SDK does not look at the magic. We stop: after a wrong magic nothing can be trusted.
NO_LIMIT            the SDK waits for however many bytes a header announces. We refuse what is above the limit.
PADDING             the SDK cuts off what a tail or padding says without looking at it, and the digest happens to
                    agree. We refuse a payload that no sender makes.
UNKNOWN_PROTOCOL    an ID that the SDK has no class for fails at its side, and is a good frame with an UnknownBody or
                    with the message of an older release at ours.
DROPPED_PUSH        a push that fails is dropped by the SDK without a trace; we give a BadFrame.
==================  ==================================================================================================
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import BadMagicError, BodyError, BodyTooLargeError, DecryptionError, HeaderError
from ftwire.frame import BadFrame, Frame, Kind, Role, UnknownBody
from ftwire.header import BodyFormat, Header
from ftwire.strategies import chunkings, frames, mutations
from ftwire.stream import FrameDecoder
from interop.peers import Peer, environment, python

PROGRAM = Path(__file__).with_name("sdk_receive.py")
KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
CIPHERS: dict[str, Callable[[], Cipher]] = {
    "none": lambda: NONE,
    "ftaes_ecb": lambda: FtAesEcb(KEY),
    "aes_ecb": lambda: AesEcb(KEY),
    "aes_cbc": lambda: AesCbc(KEY, IV),
}
MAX_BODY = 1 << 20
"""More than any frame here has, less than most lengths that lie."""


class Difference(Enum):
    """The classes of the table above."""

    WAITS_FOR_EMPTY = auto()
    RSA_AGAIN = auto()
    HALF_A_MESSAGE = auto()
    STUCK = auto()
    JSON_NAMES = auto()
    LAX_JSON = auto()
    NO_MAGIC = auto()
    NO_LIMIT = auto()
    PADDING = auto()
    UNKNOWN_PROTOCOL = auto()
    DROPPED_PUSH = auto()


class Stream(NamedTuple):
    mode: str
    chunks: list[bytes]


@cache
def streams(mode: str, body_format: BodyFormat, *, damaged: bool, count: int) -> list[Stream]:
    """Streams of replies and pushes; the same in every run."""
    found: list[Stream] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        kinds = st.sampled_from([Kind.RESPONSE, Kind.RESPONSE, Kind.PUSH])
        made = [
            data.draw(frames(kind=data.draw(kinds), format=body_format, cipher=CIPHERS[mode]()))
            for _ in range(data.draw(st.integers(1, 4)))
        ]
        stream = b"".join(frame.encode() for frame in made)
        if damaged:
            stream = data.draw(mutations(stream, min_changes=1)).data
        found.append(Stream(mode, data.draw(chunkings(stream))))

    collect()
    return found


class Answers(NamedTuple):
    known: frozenset[int]
    """IDs that the SDK has a class for."""
    pushes: frozenset[int]
    streams: list[dict[str, Any]]


def sdk(name: str, module: str, given_: list[Stream]) -> Answers:
    words = [str(python(name)), str(PROGRAM), "--package", module, "--key", str(TEST_KEY)]
    asked = {"streams": [{"mode": each.mode, "chunks": [chunk.hex() for chunk in each.chunks]} for each in given_]}
    done = subprocess.run(
        words, input=json.dumps(asked), env=environment(name), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    return Answers(frozenset(answer["known"]), frozenset(answer["pushes"]), answer["streams"])


class Comparison:
    """One stream at both sides: the frames of ours in order, and what the SDK handed on, taken off one by one."""

    def __init__(self, stream: Stream, answers: Answers, theirs: dict[str, Any]) -> None:
        self.stream, self.answers, self.theirs = stream, answers, theirs
        self.seen: list[dict[str, Any]] = list(theirs["frames"])
        self.encrypted = stream.mode != "none"

    def verdicts(self) -> Iterator[Difference | None]:
        """``None`` for a frame on which both agree, else the class of the difference; fails where there is none."""
        decoder = FrameDecoder(Role.SERVER, cipher=CIPHERS[self.stream.mode](), max_body=MAX_BODY)
        ours: list[Frame] = []
        failure: HeaderError | None = None
        try:
            for chunk in self.stream.chunks:
                for frame in decoder.feed(chunk):
                    ours.append(frame)  # noqa: PERF402 - what came before an error must be kept
        except HeaderError as error:
            failure = error
        left = sum(map(len, self.stream.chunks))
        for frame in ours:
            if not frame.payload and left == len(frame):
                assert not self.seen
                assert self.theirs["pending"] == left
                yield Difference.WAITS_FOR_EMPTY
                return
            verdict = self.verdict(frame)
            yield verdict
            if verdict is Difference.STUCK:
                assert not self.seen
                assert self.theirs["pending"] >= len(frame)
                return
            left -= len(frame)
        if isinstance(failure, BadMagicError):
            yield Difference.NO_MAGIC  # what the SDK takes for frames from here on is noise
            return
        assert self.theirs["raised"] is None
        assert not self.seen
        assert self.theirs["pending"] == left
        if isinstance(failure, BodyTooLargeError):
            yield Difference.NO_LIMIT

    def verdict(self, frame: Frame) -> Difference | None:
        """One frame of ours and what the SDK made of it."""
        proto_id, is_push = frame.proto_id, frame.proto_id in self.answers.pushes
        if isinstance(frame, BadFrame):
            if isinstance(frame.error, DecryptionError) and self.next_is(frame, taken=True):
                self.seen.pop(0)
                return Difference.PADDING
            return self.refused(frame, None, is_push)
        if self.encrypted and proto_id == 1001:
            return self.refused(frame, Difference.RSA_AGAIN, is_push)
        if proto_id not in self.answers.known:
            return self.refused(frame, Difference.UNKNOWN_PROTOCOL, is_push)
        try:
            message = frame.message
        except BodyError:
            if frame.body_format == BodyFormat.JSON and self.stuck():
                return Difference.STUCK
            self.taken(frame)
            return Difference.LAX_JSON if frame.body_format == BodyFormat.JSON else Difference.HALF_A_MESSAGE
        if isinstance(message, UnknownBody):
            assert frame.body_format > BodyFormat.JSON
            assert self.stuck()
            return Difference.STUCK
        if frame.body_format == BodyFormat.JSON and self.stuck():
            return Difference.STUCK
        handed = self.taken(frame)
        assert handed["name"] == message.DESCRIPTOR.full_name
        theirs = type(message).FromString(bytes.fromhex(handed["message"]))
        # Of a number that is none the sign is lost where the SDK's protobuf is in Python; its text has none.
        if _bytes(theirs) == _bytes(message) or str(theirs) == str(message):
            return None
        assert frame.body_format == BodyFormat.JSON, frame
        assert _bytes(theirs) == _bytes(_without_renamed(message)), frame
        return Difference.JSON_NAMES

    def next_is(self, frame: Frame, *, taken: bool) -> bool:
        ids = frame.proto_id, frame.serial, taken
        return bool(self.seen) and (self.seen[0]["proto"], self.seen[0]["serial"], self.seen[0]["taken"]) == ids

    def taken(self, frame: Frame) -> dict[str, Any]:
        """What the SDK handed on for this frame."""
        assert self.next_is(frame, taken=True), (frame, self.seen[:1], self.theirs["raised"])
        return self.seen.pop(0)

    def refused(self, frame: Frame, difference: Difference | None, is_push: bool) -> Difference | None:
        """The SDK did not take it: it fails the request that waits, and drops a push."""
        if is_push:
            return difference or Difference.DROPPED_PUSH
        assert self.next_is(frame, taken=False), (frame, self.seen[:1], self.theirs["raised"])
        self.seen.pop(0)
        return difference

    def stuck(self) -> bool:
        """The SDK raised, after it handed on everything before."""
        return self.theirs["raised"] is not None and not self.seen


def _without_renamed(message: Message) -> Message:
    """A copy without the fields that JSON has another name for."""
    copy = type(message).FromString(message.SerializePartialToString())
    for field, value in copy.ListFields():
        if field.json_name != field.name:
            copy.ClearField(field.name)
        elif field.message_type is not None:
            for each in list(value) if isinstance(value, Sequence) else [value]:
                each.CopyFrom(_without_renamed(each))
    return copy


def _bytes(message: Message) -> bytes:
    return message.SerializePartialToString(deterministic=True)


def counted(name: str, module: str, given_: list[Stream]) -> Counter[Difference | None]:
    answers = sdk(name, module, given_)
    assert len(answers.streams) == len(given_)
    counts: Counter[Difference | None] = Counter()
    for stream, theirs in zip(given_, answers.streams, strict=True):
        counts.update(Comparison(stream, answers, theirs).verdicts())
    return counts


SDKS = ["futu-api-10.11", "moomoo-api-10.11", "futu-api-9.6"]
JSON_SDK = "futu-api-10.11-json"
LEGAL = {None, Difference.UNKNOWN_PROTOCOL, Difference.WAITS_FOR_EMPTY}


@pytest.mark.parametrize("mode", CIPHERS)
@pytest.mark.parametrize("name", SDKS)
def test_legal_streams(name: str, mode: str, peer: Callable[[str], Peer]) -> None:
    counts = counted(name, peer(name).module, streams(mode, BodyFormat.PROTOBUF, damaged=False, count=150))
    assert set(counts) <= LEGAL | ({Difference.RSA_AGAIN} if mode != "none" else set())
    assert counts[None] > 120


@pytest.mark.parametrize("mode", CIPHERS)
@pytest.mark.parametrize("name", SDKS)
def test_damaged_streams(name: str, mode: str, peer: Callable[[str], Peer]) -> None:
    counts = counted(name, peer(name).module, streams(mode, BodyFormat.PROTOBUF, damaged=True, count=300))
    assert counts[None] > 80
    assert {Difference.NO_MAGIC, Difference.NO_LIMIT, Difference.DROPPED_PUSH} <= set(counts)


@pytest.mark.parametrize("damaged", [False, True])
def test_json_streams(damaged: bool, peer: Callable[[str], Peer]) -> None:
    given_ = streams("none", BodyFormat.JSON, damaged=damaged, count=150)
    counts = counted(JSON_SDK, peer(JSON_SDK).module, given_)
    assert counts[None] > (50 if damaged else 250)
    if not damaged:
        assert set(counts) <= LEGAL | {Difference.STUCK, Difference.JSON_NAMES}


# One stream of each class, so that none stays in the table that is not so any more.


def reply(body: bytes = b"\x08\0", proto_id: int = 3008, body_format: int = 0, cipher: Cipher = NONE) -> bytes:
    return Frame.build(proto_id, 7, body, sender=Role.SERVER, body_format=body_format, cipher=cipher).encode()


def encrypted(body: bytes, payload: bytes) -> bytes:
    """A frame with the digest of this body and this payload."""
    return Header(3008, 7, len(payload), sha1(body, usedforsecurity=False).digest()).encode() + payload


def padded_as_no_sender_does(mode: str) -> bytes:
    """Zeros in front of the count of them, where PKCS#7 repeats the count."""
    block = bytes(11) + b"\x05"
    return encrypted(b"\x08\0" + bytes(9), CIPHERS[mode]().encrypt(b"\x08\0" + bytes(2) + block)[:16])


GOOD, WRONG_DIGEST = reply(), reply()[:-1] + b"\x01"
MET: list[tuple[str, str, bytes, list[Difference | None]]] = [
    ("futu-api-10.11", "none", GOOD + WRONG_DIGEST + GOOD, [None, None, None]),
    ("futu-api-10.11", "none", reply(b"") + GOOD, [None, None]),
    ("futu-api-10.11", "none", GOOD + reply(b""), [None, Difference.WAITS_FOR_EMPTY]),
    ("futu-api-10.11", "none", GOOD + reply(b"\x08\0\x12\xff"), [None, Difference.HALF_A_MESSAGE]),
    ("futu-api-10.11", "none", reply(b"\xff") + GOOD, [Difference.HALF_A_MESSAGE, None]),
    ("futu-api-10.11", "none", reply(body_format=2) + GOOD, [Difference.STUCK]),
    ("futu-api-10.11", "none", GOOD + b"ft" + GOOD[2:], [None, Difference.NO_MAGIC]),
    ("futu-api-10.11", "none", GOOD + Header(3008, 1, MAX_BODY + 1, bytes(20)).encode(), [None, Difference.NO_LIMIT]),
    ("futu-api-10.11", "none", reply(proto_id=9999) + GOOD, [Difference.UNKNOWN_PROTOCOL, None]),
    ("futu-api-10.11", "none", Header(3009, 1, 1, bytes(20)).encode() + b"x" + GOOD, [Difference.DROPPED_PUSH, None]),
    ("futu-api-10.11", "aes_cbc", reply(b"", 1001, cipher=AesCbc(KEY, IV)), [Difference.RSA_AGAIN]),
    ("futu-api-10.11", "aes_ecb", padded_as_no_sender_does("aes_ecb"), [Difference.PADDING]),
    ("futu-api-10.11", "aes_cbc", padded_as_no_sender_does("aes_cbc"), [Difference.PADDING]),
    ("futu-api-10.11", "ftaes_ecb", encrypted(b"", b"x\0"), [Difference.PADDING]),
    (JSON_SDK, "none", reply(b'{"retType": 0}', body_format=1), [None]),
    (JSON_SDK, "none", reply(b"{", body_format=1) + GOOD, [Difference.STUCK]),
    (JSON_SDK, "none", reply(b'{"retMsg": "no retType"}', body_format=1), [Difference.STUCK]),
    (JSON_SDK, "none", reply(b'{"retType": false}', body_format=1) + GOOD, [Difference.LAX_JSON, None]),
]


@pytest.mark.parametrize(("name", "mode", "stream", "verdicts"), MET)
def test_each_difference(
    name: str, mode: str, stream: bytes, verdicts: list[Difference | None], peer: Callable[[str], Peer]
) -> None:
    whole = Stream(mode, [stream])
    answers = sdk(name, peer(name).module, [whole])
    assert list(Comparison(whole, answers, answers.streams[0]).verdicts()) == verdicts
