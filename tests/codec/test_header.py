"""The header: what construct declares and what the fast path reads are the same 44 bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftwire.header as header_module
from ftwire import layout
from ftwire.errors import BadMagicError, TruncatedHeaderError
from ftwire.header import (
    CLIENT_ENVELOPE,
    CLIENT_ENVELOPE_STRUCT,
    HEADER,
    HEADER_SIZE,
    HEADER_STRUCT,
    PACKED_HEADER_STRUCT,
    SERVER_ENVELOPE,
    SERVER_ENVELOPE_STRUCT,
    Header,
    pack_header,
    pack_packed_header,
    unpack_header,
    unpack_packed_header,
)
from ftwire.layout import compact_format, struct_format
from ftwire.strategies import headers

# InitConnect, serial 1, 33 bytes of body, byte by byte from the vendor's table of offsets.
BY_HAND = (
    b"FT"
    + bytes([0xE9, 0x03, 0, 0])  # 1001
    + bytes([0, 0])
    + bytes([1, 0, 0, 0])
    + bytes([33, 0, 0, 0])
    + bytes(range(20))
    + bytes(8)
)


def test_the_vendors_table() -> None:
    assert HEADER_SIZE == 44
    header = Header.decode(BY_HAND)
    assert (header.proto_id, header.serial, header.body_length) == (1001, 1, 33)
    assert header.sha1 == bytes(range(20))
    assert header.encode() == BY_HAND


@given(headers())
def test_decoding_what_was_encoded(header: Header) -> None:
    assert Header.decode(header.encode()) == header


@given(st.binary(min_size=42, max_size=60))
def test_nothing_is_normalised(tail: bytes) -> None:
    raw = b"FT" + tail
    assert Header.decode(raw).encode() == raw[:44]


@given(st.binary(min_size=42, max_size=42))
def test_the_fast_path_reads_what_construct_reads(tail: bytes) -> None:
    raw = b"FT" + tail
    declared = HEADER.parse(raw)
    names = [field.name for field in HEADER.subcons]
    assert tuple(declared[name] for name in names) == unpack_header(raw, 0)


@given(st.binary(min_size=44, max_size=44))
def test_a_packed_header_is_the_same_44_bytes(raw: bytes) -> None:
    packed = unpack_packed_header(raw, 0)
    _, _, _, _, serial, length, sha1, _ = unpack_header(raw, 0)
    assert packed[1:4] == (serial, length, sha1)
    assert pack_packed_header(*packed) == raw
    first = packed[0].to_bytes(8, "little")
    assert unpack_header(first + bytes(36), 0)[:4] == unpack_header(raw, 0)[:4]


def test_the_package_was_built_from_the_declarations() -> None:
    assert struct_format(HEADER) == HEADER_STRUCT.format
    assert compact_format(HEADER) == PACKED_HEADER_STRUCT.format
    assert struct_format(CLIENT_ENVELOPE) == CLIENT_ENVELOPE_STRUCT.format
    assert struct_format(SERVER_ENVELOPE) == SERVER_ENVELOPE_STRUCT.format


@given(headers())
def test_the_fast_path_writes_what_construct_writes(header: Header) -> None:
    names = [field.name for field in HEADER.subcons]
    assert pack_header(*header.fields) == HEADER.build(dict(zip(names, header.fields, strict=True)))


@given(st.binary(min_size=44, max_size=44).filter(lambda raw: raw[:2] != b"FT"))
def test_wrong_magic(raw: bytes) -> None:
    with pytest.raises(BadMagicError) as caught:
        Header.decode(raw)
    assert caught.value.actual == raw[:2]


@pytest.mark.parametrize("size", range(44))
def test_a_truncated_header(size: int) -> None:
    with pytest.raises(TruncatedHeaderError) as caught:
        Header.decode(BY_HAND[:size])
    assert (caught.value.expected, caught.value.actual) == (44, size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"proto_id": -1},
        {"proto_id": 2**32},
        {"serial": 2**32},
        {"body_length": 2**32},
        {"body_format": 256},
        {"version": -1},
        {"sha1": bytes(5)},
        {"reserved": bytes(9)},
    ],
)
def test_values_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"proto_id": 1, "serial": 1, "body_length": 1, "sha1": bytes(20)}
    with pytest.raises(ValueError, match=rf"^header field {next(iter(wrong))} "):
        Header(**(good | wrong))  # type: ignore[arg-type]


def test_the_declarations_are_there_when_they_are_asked_for() -> None:
    """Python calls the module's ``__getattr__`` only then: an import at the top of a test looks once."""
    assert header_module.HEADER is layout.HEADER
    assert header_module.CLIENT_ENVELOPE is layout.CLIENT_ENVELOPE
    assert header_module.SERVER_ENVELOPE is layout.SERVER_ENVELOPE
    with pytest.raises(AttributeError, match=r"^module 'ftwire.header' has no attribute 'struct_format'$"):
        header_module.struct_format  # noqa: B018


def test_a_memoryview_will_do() -> None:
    assert Header.decode(memoryview(BY_HAND)) == Header.decode(bytearray(BY_HAND))
