"""Mutations of a frame by name: each changes what its name says and nothing else."""

from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import AesEcb
from ftwire.errors import DigestError
from ftwire.frame import Frame, Role
from ftwire.frame_mutations import FRAME_MUTATIONS, MutationKind, NamedMutation, flip_bit, mutate_frame
from ftwire.header import Header
from ftwire.stream import FrameDecoder

CIPHER = AesEcb("0" * 16)
FRAME = Frame.build(3008, 5, b"some body", sender=Role.CLIENT, cipher=CIPHER).encode()
EMPTY = Frame.build(1004, 1, b"", sender=Role.CLIENT).encode()
HEADER, PAYLOAD = Header.decode(FRAME[:44]), FRAME[44:]
OF_THE_PAYLOAD = {"flip payload", "cut payload", "payload tail"}
"""Mutations that leave a frame without a body as it is."""
AS_IN_EMPTY = {("protocol", 1004), ("serial", 1), ("length", 0), ("big-endian", 4)}
"""Mutations to what ``EMPTY`` has already; the last one swaps the bytes of its length, 0."""


def values(kind: MutationKind) -> list[int | str]:
    return [value.hex() if isinstance(value, bytes) else value for value in kind.values]


def test_without_mutations_of_frames_nothing_changes() -> None:
    assert mutate_frame(FRAME, []) == FRAME
    assert mutate_frame(FRAME, [NamedMutation("empty body"), NamedMutation("text", 3)]) == FRAME


@pytest.mark.parametrize("name", FRAME_MUTATIONS)
def test_every_value_changes_a_frame(name: str) -> None:
    kind = FRAME_MUTATIONS[name]
    most = kind.random_bytes[1] if kind.random_bytes else 0
    for value in [*values(kind), "01" * most if most else 1]:
        if value != {"protocol": HEADER.proto_id, "serial": HEADER.serial}.get(name):
            assert mutate_frame(FRAME, [NamedMutation(name, value)]) != FRAME
        is_same = name in OF_THE_PAYLOAD or (name, value) in AS_IN_EMPTY
        assert (mutate_frame(EMPTY, [NamedMutation(name, value)]) == EMPTY) is is_same


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("protocol", "proto_id", 999), ("serial", "serial", 7), ("format", "body_format", 3), ("version", "version", 9)],
)
def test_a_field_of_the_header_is_set_alone(name: str, field: str, value: int) -> None:
    changed = mutate_frame(FRAME, [NamedMutation(name, value)])
    header = Header.decode(changed[:44])
    assert getattr(header, field) == value
    others = [each for each in ("proto_id", "serial", "body_format", "version", "body_length", "sha1") if each != field]
    assert [getattr(header, each) for each in others] == [getattr(HEADER, each) for each in others]
    assert changed[44:] == PAYLOAD


def test_damage_to_the_payload_leaves_whole_frames_with_a_wrong_digest() -> None:
    for name in ("flip payload", "cut payload", "digest of payload"):
        (frame,) = FrameDecoder(Role.CLIENT).feed(mutate_frame(FRAME, [NamedMutation(name, 3)]))
        assert isinstance(frame.error, DigestError), name
    changed = mutate_frame(FRAME, [NamedMutation("digest of payload")])
    zeros = FRAME[:16] + bytes(20) + FRAME[36:]
    assert Header.decode(changed[:44]).sha1 == sha1(zeros, usedforsecurity=False).digest()


@pytest.mark.parametrize(("value", "places"), [(1, [2]), (2, [8]), (4, [12]), (0, [2, 8, 12]), (6, [8, 12])])
def test_big_endian_swaps_the_fields_of_its_bits(value: int, places: list[int]) -> None:
    changed = mutate_frame(FRAME, [NamedMutation("big-endian", value)])
    for at in (2, 8, 12):
        field = FRAME[at : at + 4]
        assert changed[at : at + 4] == (field[::-1] if at in places else field)


def test_what_is_around_the_frame_comes_last() -> None:
    around = [NamedMutation("twice"), NamedMutation("bytes behind", "bb"), NamedMutation("bytes before", "aa")]
    assert mutate_frame(FRAME, around) == (b"\xaa" + FRAME + b"\xbb") * 2
    assert mutate_frame(FRAME, [NamedMutation("cut frame", 50)]) == FRAME[:50]
    assert mutate_frame(FRAME, [NamedMutation("length off", -2)])[12:16] == (len(PAYLOAD) - 2).to_bytes(4, "little")


@given(st.binary(min_size=1, max_size=20), st.integers(0, 1000))
def test_a_bit_flipped_twice_is_as_it_was(data: bytes, bit: int) -> None:
    flipped = flip_bit(data, bit)
    assert flipped != data
    assert flip_bit(flipped, bit) == data
    assert flip_bit(b"", bit) == b""
