"""Observer: somebody else's connection, encrypted or not, whole or with holes."""

from collections.abc import Iterable
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, PacketEncAlgo, Rsa, RsaKey
from ftwire.errors import DigestError, KeyRequiredError, WireError
from ftwire.events import FrameObserved, KeyMissing, Observation, UndecodedObserved
from ftwire.frame import Frame, Kind, Role
from ftwire.messages import InitConnect
from ftwire.observer import MAX_PENDING, Observer
from support.frames import chunked, init_response, request, response, rt_request, rt_response

KEY, OTHER = (RsaKey(rsa.generate_private_key(65537, 1024)) for _ in range(2))
AES, IV = "0123456789ABCDEF", "FEDCBA9876543210"
C, S = Role.CLIENT, Role.SERVER

Step = tuple[Role, Frame]


def session(cipher: Cipher, algo: int | None, iv: str | None, *, encrypted: bool = True) -> list[Step]:
    """Handshake, one request, its reply, a push."""
    hello = InitConnect.Request()
    hello.c2s.clientVer = 100
    hello.c2s.clientID = "a client with a name that makes this body longer than one hundred bytes" * 2
    if algo is not None:
        hello.c2s.packetEncAlgo = algo
    first = Rsa(KEY) if encrypted else NONE
    return [
        (C, request(1001, 1, hello, first)),
        (S, response(1001, 1, init_response(AES, iv), first)),
        (C, request(3008, 2, cipher=cipher)),
        (S, response(3008, 2, cipher=cipher)),
        (S, response(3009, 0, cipher=cipher)),
    ]


def observe(
    observer: Observer, steps: Iterable[tuple[Role, bytes]], source: st.DataObject | None = None
) -> list[Observation]:
    seen: list[Observation] = []
    time = 0
    for sender, data in steps:
        for chunk in chunked(data, source):
            time += 1000
            seen.extend(observer.receive(sender, chunk, time, time // 1000))
    seen.extend(observer.close(time))
    return seen


def raw(steps: Iterable[Step]) -> list[tuple[Role, bytes]]:
    return [(sender, frame.encode()) for sender, frame in steps]


def frames(seen: Iterable[Observation]) -> list[FrameObserved]:
    return [event for event in seen if isinstance(event, FrameObserved)]


CASES = [
    (AesCbc(AES, IV), PacketEncAlgo.AES_CBC, IV),
    (FtAesEcb(AES), PacketEncAlgo.AES_CBC, None),
    (FtAesEcb(AES), None, None),
    (FtAesEcb(AES), PacketEncAlgo.FTAES_ECB, None),
    (AesEcb(AES), PacketEncAlgo.AES_ECB, None),
    (AesEcb(AES), PacketEncAlgo.AES_CBC, ""),
    (NONE, PacketEncAlgo.NONE, None),
]


@pytest.mark.parametrize(("cipher", "algo", "iv"), CASES)
@given(source=st.data())
def test_an_encrypted_session(cipher: Cipher, algo: int | None, iv: str | None, source: st.DataObject) -> None:
    steps = session(cipher, algo, iv)
    seen = observe(Observer(keys=[OTHER, KEY]), raw(steps), source)
    assert [event.frame for event in frames(seen)] == [frame for _, frame in steps] == [e.frame for e in seen]  # type: ignore[union-attr]
    assert [event.encryption for event in frames(seen)] == ["rsa", "rsa"] + [cipher.name] * 3
    assert [event.kind for event in frames(seen)] == [
        Kind.REQUEST,
        Kind.RESPONSE,
        Kind.REQUEST,
        Kind.RESPONSE,
        Kind.PUSH,
    ]
    assert frames(seen)[2].frame.message == rt_request()
    assert frames(seen)[3].frame.message == rt_response()


def test_replies_find_their_requests() -> None:
    seen = frames(observe(Observer(), raw(session(NONE, None, None, encrypted=False))))
    assert [event.encryption for event in seen] == ["none"] * 5
    assert [event.latency for event in seen] == [None, 1000, None, 1000, None]
    assert seen[3].request == seen[2].frame
    assert [(event.time, event.packet) for event in seen] == [(1000 * n, n) for n in range(1, 6)]


def test_a_damaged_request_comes_before_its_reply_and_with_its_own_time() -> None:
    """It is known to be whole only by what follows it; a gateway that answers has read it so."""
    steps = raw(session(NONE, None, None, encrypted=False))
    wrong = steps[2][1][:-1] + b"?"
    refused, after = (S, response(3008, 2).encode()), (C, request(1004, 3).encode())
    for follows, latency in (([refused, after], [1000]), ([after, refused], [2000]), ([], [])):
        seen = frames(observe(Observer(), [*steps[:2], (C, wrong), *follows]))
        damaged = seen[2]
        assert isinstance(damaged.frame.error, DigestError)
        assert (damaged.time, damaged.packet) == (3000, 3)
        assert [event.frame.encode() for event in seen[3:]] == [data for _, data in follows]
        answers = [event for event in seen[3:] if event.kind is Kind.RESPONSE]
        assert [(event.request, event.latency) for event in answers] == [(damaged.frame, each) for each in latency]


@given(sent=st.lists(st.tuples(st.sampled_from([C, S]), st.booleans()), max_size=12))
def test_frames_come_in_the_order_and_with_the_times_of_their_sending(sent: list[tuple[Role, bool]]) -> None:
    steps = []
    for number, (sender, damaged) in enumerate(sent):
        data = (request(3008, number) if sender is C else response(3009, 0)).encode()
        steps.append((sender, data[:-1] + bytes([data[-1] ^ damaged])))
    seen = observe(Observer(), steps)
    expected = [(sender, data, 1000 * number, number) for number, (sender, data) in enumerate(steps, 1)]
    assert [(e.sender, e.frame.encode(), e.time, e.packet) for e in frames(seen)] == expected
    assert len(seen) == len(steps)


def test_the_rest_of_a_frame_with_a_wrong_length_is_undecoded_whoever_spoke_in_between() -> None:
    whole = request(3008, 2).encode()
    short = whole[:12] + (int.from_bytes(whole[12:16], "little") - 4).to_bytes(4, "little") + whole[16:]
    seen = observe(Observer(), [(C, short[:-4]), (S, response(3009, 0).encode()), (C, short[-4:] + whole)])
    assert [type(event) for event in seen] == [FrameObserved, FrameObserved, UndecodedObserved, FrameObserved]
    assert [event.undecoded.length for event in seen if isinstance(event, UndecodedObserved)] == [4]
    assert seen[3].frame.encode() == whole  # type: ignore[union-attr]


@pytest.mark.parametrize("keys", [[], [OTHER]])
def test_without_the_key_it_says_so_once_and_lists_the_frames(keys: list[RsaKey]) -> None:
    steps = session(AesCbc(AES, IV), 2, IV)
    seen = observe(Observer(keys=keys), raw(steps))
    assert [type(event) for event in seen] == [KeyMissing, *[FrameObserved] * 5]
    for event, (_, frame) in zip(frames(seen), steps, strict=True):
        assert isinstance(event.frame.error, KeyRequiredError)
        assert event.encryption == "unknown"
        assert event.frame.encode() == frame.encode()
    (missing,) = (event for event in seen if isinstance(event, KeyMissing))
    assert ("another" in missing.reason) == bool(keys)


def test_a_plain_session_needs_no_key() -> None:
    seen = observe(Observer(keys=[KEY]), raw(session(NONE, 2, None, encrypted=False)))
    assert [event.encryption for event in frames(seen)] == ["none"] * 5


def test_the_middle_of_an_encrypted_session() -> None:
    steps = session(AesCbc(AES, IV), 2, IV)[2:]
    seen = observe(Observer(keys=[KEY]), raw(steps))
    assert isinstance(seen[0], KeyMissing)
    assert "handshake" in seen[0].reason
    assert [event.frame.proto_id for event in frames(seen)] == [3008, 3008, 3009]


def test_a_gateway_that_does_not_keep_to_the_handshake() -> None:
    """The reply promises CBC, the frames are FTAES: the digest decides."""
    steps = session(AesCbc(AES, IV), 2, IV)[:2] + session(FtAesEcb(AES), 2, None)[2:]
    seen = frames(observe(Observer(keys=[KEY]), raw(steps)))
    assert [event.frame.error for event in seen] == [None] * 5
    assert [event.encryption for event in seen][2:] == ["ftaes_ecb"] * 3


def test_a_second_handshake_on_one_stream() -> None:
    steps = session(AesCbc(AES, IV), 2, IV) + session(NONE, None, None, encrypted=False)
    seen = frames(observe(Observer(keys=[KEY]), raw(steps)))
    assert [event.frame.error for event in seen] == [None] * 10
    assert [event.encryption for event in seen][5:] == ["none"] * 5


def test_a_refused_handshake_installs_nothing() -> None:
    steps = session(AesCbc(AES, IV), 2, IV)
    refused = response(1001, 1, InitConnect.Response(retType=-1), Rsa(KEY))
    seen = frames(observe(Observer(keys=[KEY]), raw([steps[0], (S, refused), *steps])))
    assert [event.frame.error for event in seen] == [None] * 7


@given(st.integers(1, 400), st.data())
def test_missing_bytes_cost_what_they_touch(missing: int, source: st.DataObject) -> None:
    cipher = AesCbc(AES, IV)
    more = [(S, response(3009, 0, cipher=cipher))] * 4
    steps = raw(session(cipher, 2, IV))
    pushes = b"".join(data for _, data in raw(more))
    observer = Observer(keys=[KEY])
    seen = [event for sender, data in steps for event in observer.receive(sender, data)]
    seen.extend(observer.skip(S, missing))
    for chunk in chunked(pushes[missing:], source):
        seen.extend(observer.receive(S, chunk))
    seen.extend(observer.close())
    size = len(more[0][1])
    assert len(frames(seen)) == 5 + (len(pushes) - missing) // size
    assert all(event.frame.error is None for event in frames(seen))
    (hole,) = (event for event in seen if isinstance(event, UndecodedObserved))
    assert (hole.sender, hole.undecoded.missing) == (S, missing)


def test_a_corrupted_frame_is_shown_where_it_stands() -> None:
    steps = raw(session(AesCbc(AES, IV), 2, IV))
    sender, data = steps[3]
    steps[3] = sender, data[:60] + bytes([data[60] ^ 1]) + data[61:]
    seen = frames(observe(Observer(keys=[KEY]), steps))
    assert len(seen) == 5
    assert seen[3].frame.error is not None
    assert not isinstance(seen[3].frame.error, KeyRequiredError)
    assert seen[4].frame.error is None


def test_a_corrupted_frame_of_a_plain_session_is_not_called_encrypted() -> None:
    steps = raw(session(NONE, None, None, encrypted=False))
    padded = response(3008, 2, bytes(32)).encode()
    steps[3] = S, padded[:-1] + b"\x01"
    seen = frames(observe(Observer(), steps))
    assert isinstance(seen[3].frame.error, DigestError)
    assert seen[3].encryption == "none"


def test_unanswered_requests_are_not_kept_for_ever() -> None:
    observer = Observer()
    for serial in range(MAX_PENDING + 10):
        assert len(list(observer.receive(C, request(3008, serial).encode()))) == 1
    (old,) = observer.receive(S, response(3008, 0).encode())
    (new,) = observer.receive(S, response(3008, MAX_PENDING).encode())
    assert isinstance(old, FrameObserved)
    assert isinstance(new, FrameObserved)
    assert old.request is None
    assert new.request is not None


def test_a_key_that_is_no_aes_key() -> None:
    steps = session(AesCbc(AES, IV), 2, IV)
    odd = init_response("short", IV)
    steps[1] = S, response(1001, 1, odd, Rsa(KEY))
    seen = frames(observe(Observer(keys=[KEY]), raw(steps)))
    assert [event.encryption for event in seen] == ["rsa", "rsa", "unknown", "unknown", "unknown"]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 400), st.integers(1, 255)), max_size=6),
    st.lists(st.tuples(st.sampled_from(list(Role)), st.binary(max_size=60)), max_size=3),
    st.data(),
)
def test_whatever_happens_to_a_session_it_is_observed(
    damage: list[tuple[int, int, int]], extra: list[tuple[Role, bytes]], source: st.DataObject
) -> None:
    steps = raw(session(AesCbc(AES, IV), 2, IV))
    for index, where, value in damage:
        sender, data = steps[index]
        mutable = bytearray(data)
        mutable[where % len(data)] ^= value
        steps[index] = sender, bytes(mutable)
    sent = steps + extra + steps
    seen = observe(Observer(keys=[KEY]), sent, source)
    reported = dict.fromkeys(Role, 0)
    for event in seen:
        if isinstance(event, FrameObserved):
            reported[event.sender] += len(event.frame)
            with suppress(WireError):
                assert event.frame.message is not None
        elif isinstance(event, UndecodedObserved):
            reported[event.sender] += event.undecoded.length
    assert reported == {role: sum(len(data) for sender, data in sent if sender is role) for role in Role}
