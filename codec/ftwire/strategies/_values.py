"""Values of single fields: the ends of every range, numbers that no enum has, text from all of Unicode."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor, FileDescriptor

__all__ = ["MESSAGE_TYPES", "TYPE_ENUM", "values"]

# FieldDescriptor.TYPE_*: the numbers, and those of them that hold integers, with bits and sign.
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, TYPE_ENUM = 1, 2, 8, 9, 10, 11, 12, 14
MESSAGE_TYPES: Final = (_MESSAGE, _GROUP)
_INT32: Final = 5
_INTEGERS: Final = {
    3: (64, True),
    4: (64, False),
    5: (32, True),
    6: (64, False),
    7: (32, False),
    13: (32, False),
    15: (32, True),
    16: (64, True),
    17: (32, True),
    18: (64, True),
}

_TEXTS: Final = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "00700",
        "AAPL",
        "2021-06-09 09:30:00",
        "腾讯控股",
        "\0",
        "\U00020b9f\U0001f004",
        "e\u0301",
        '"\\/\n',
        "x" * 300,
    ]
)
_FINITE: Final = st.sampled_from([0.0, 600.5, 601.9411764705883, -0.0]) | st.floats(
    allow_nan=False, allow_infinity=False
)
_VALUES: Final = {
    _BOOL: st.booleans(),
    _STRING: _TEXTS,
    _BYTES: st.binary(max_size=20),
}


# Descriptors live as long as their pool. Making a strategy costs more than drawing from it.
@lru_cache(maxsize=8192)
def values(field: FieldDescriptor, finite: bool) -> st.SearchStrategy[Any]:
    """Values of one scalar field; ``finite`` leaves out NaN and the infinities."""
    kind = field.type
    if kind in _INTEGERS:
        numbers = _integers(*_INTEGERS[kind])
        named = _enum_numbers(field) if kind == _INT32 else []
        # Three of the alternatives are numbers of any kind. Hypothesis takes equal alternatives for one: the six
        # of known numbers differ in how often they list them.
        return st.one_of(*(st.sampled_from(named * times) for times in range(1, 7)), numbers) if named else numbers
    if kind == _DOUBLE:
        return _FINITE if finite else _FINITE | st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats()
    if kind == _FLOAT:
        return st.floats(width=32, allow_nan=not finite, allow_infinity=not finite)
    if kind == TYPE_ENUM:
        enum: EnumDescriptor | Any = field.enum_type
        return st.sampled_from([value.number for value in enum.values])
    return _VALUES[kind]


@lru_cache(maxsize=4)
def _integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - 1 if signed else bits)) - 1
    # Both ends of the range, and the limits of narrower and of floating types.
    edges = [0, 1, 127, 128, high, high - 1, low, low + 1, *(1 << power for power in (31, 32, 53, 63))]
    if signed:
        edges.append(-1)
    within = sorted({edge for edge in edges if low <= edge <= high}, key=lambda edge: (abs(edge), edge < 0))
    return st.integers(0, 100) | st.sampled_from(within) | st.integers(low, high)


def _enum_numbers(field: FieldDescriptor) -> list[int]:
    """Return the numbers of the enums that an ``int32`` field may hold: nearly all of the vendor's enums are sent so.

    ``klType`` is ``KLType``; ``market`` may be ``QotMarket`` or ``TrdMarket``, and takes the numbers of both.
    """
    wanted = field.name.casefold().removesuffix("list")
    owner: Any = field.containing_type
    files: list[FileDescriptor] = [owner.file]
    numbers: set[int] = set()
    for file in files:
        for name, enum in file.enum_types_by_name.items():
            folded = name.casefold()
            if folded == wanted or (len(wanted) > 4 and folded.endswith(wanted)):
                numbers |= {value.number for value in enum.values}
        files.extend(imported for imported in file.dependencies if imported not in files)
    return sorted(numbers, key=lambda number: (abs(number), number < 0))
