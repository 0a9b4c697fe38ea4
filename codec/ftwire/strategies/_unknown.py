"""Fields that a message class does not have, as a newer release or another program might send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ftwire.body_mutations import encode_varint
from ftwire.strategies._values import TYPE_ENUM

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["unknown_fields"]

_HIGHEST_NUMBER = (1 << 29) - 1
_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5


def unknown_fields(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """Bytes of one to three fields that a message of this class keeps as unknown fields."""
    taken = {field.number for field in descriptor.fields}
    numbers = [number for number in (*range(1, 40), 100, 1000, 20_000, _HIGHEST_NUMBER) if number not in taken]
    fields = st.builds(_field, st.sampled_from(numbers), _CONTENT)
    # proto2 keeps a number that the enum does not have among the unknown fields.
    strangers = [
        encode_varint(field.number << 3) + encode_varint(max(value.number for value in enum.values) + 1)
        for field in descriptor.fields
        if field.type == TYPE_ENUM and (enum := field.enum_type) is not None
    ]
    if strangers:
        fields = st.sampled_from(strangers) | fields
    return st.lists(fields, min_size=1, max_size=3).map(b"".join)


_CONTENT: st.SearchStrategy[tuple[int, bytes]] = st.one_of(
    st.tuples(st.just(_VARINT), st.integers(0, (1 << 64) - 1).map(encode_varint)),
    st.tuples(st.just(_LEN), st.binary(max_size=12).map(lambda data: encode_varint(len(data)) + data)),
    st.tuples(st.just(_I32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(_I64), st.binary(min_size=8, max_size=8)),
)


def _field(number: int, content: tuple[int, bytes]) -> bytes:
    wire_type, value = content
    return encode_varint(number << 3 | wire_type) + value
