"""Nested columns to flat ones, with columns added that explain them.

The column of an inner message's field has the names of both: ``preMarket_price``. All columns are kept. Added are

- to a security (``market`` and ``code``) its code as users write it, ``HK.00700``: in the column ``code`` for a field
  ``security``, in one with the field's name for any other (``owner``, beside ``owner_market`` and ``owner_code``).
  Where a message itself has a field ``code``, that one is called ``code_raw``;
- to a list of securities the list of their codes, with ``_codes`` after its name;
- to an enum's number its name, as in lines and rows of ``dump``, in a dictionary column with ``_name`` after its name;
- to an exchange-local time the instant, with ``_utc`` after its name (by ``finish``): that of the timestamp beside it,
  or, without one, of the text on the clock of the row's security.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.export.request_columns import SECURITY
from ftwire_tools.export.row_sets import RowColumn, repeated
from ftwire_tools.markets.exchanges import QOT_PREFIXES, TRADE_MARKETS, TRADE_PREFIXES
from ftwire_tools.markets.zones import ReadTimes, clocks_of, instants, read_times
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.enums import enum_names, short_enum_name
from ftwire_tools.messages.securities import market_of
from ftwire_tools.messages.time_fields import has_instant, stamp_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["FlatColumn", "LocalTimes", "beside", "clocks_in", "code_column", "finish", "flatten", "market_in"]

MAX_SPREAD: Final = 64 << 20
"""Bytes that one column may take in a batch whose values are repeated for each item of a list."""

UNKNOWN_MARKET: Final = "unknown"
"""Market of a security whose number is that of no market known here, or 0: it is not another security's."""


class FlatColumn(NamedTuple):
    """A flat column."""

    name: str
    values: Any
    """A ``pyarrow.Array``."""
    is_time: bool = False
    """It holds exchange-local times; ``finish`` adds their instants."""
    stamps: Any = None
    """The same times in seconds since 1970, where there are any."""
    markets: Any = None
    """Market prefixes of the values, where these are codes of securities or numbers of trading markets."""
    clocks: Any = None
    """Names of the clocks that their times are on, where some are not ``markets``."""
    is_asked: bool = False
    """It is a parameter of the request that the message answers."""
    of_messages: bool = False
    """It has a value for each message and not for each row: it stands beside the list whose items are rows."""

    def of_rows(self, parents: Any) -> FlatColumn:
        """Return a column of messages with the values of rows: ``parents`` has each row's message."""
        if not self.of_messages:
            return self
        stamps, markets, clocks = (
            None if each is None else repeated(each, parents) for each in (self.stamps, self.markets, self.clocks)
        )
        values = repeated(self.values, parents)
        return self._replace(values=values, stamps=stamps, markets=markets, clocks=clocks, of_messages=False)


class LocalTimes:
    """Reads the local times of one batch of messages: those of a column that stands beside several lists once."""

    def __init__(self) -> None:
        self._read: Final[dict[tuple[int, ...], tuple[ReadTimes, tuple[Any, ...]]]] = {}

    def read(self, texts: Any, clocks: Any, stamps: Any) -> ReadTimes:
        """Return what ``zones.read_times`` does; without ``stamps`` no time differs."""
        arrays = texts, clocks, stamps
        key = tuple(map(id, arrays))
        if key not in self._read:
            found = ReadTimes(instants(texts, clocks), None) if stamps is None else read_times(*arrays)
            # An identity is that of an array for as long as the array is kept.
            self._read[key] = found, arrays
        return self._read[key][0]


def flatten(
    struct: Any,
    message: Descriptor,
    *,
    prefix: str = "",
    without: Iterable[str] = (),
) -> list[FlatColumn]:
    """Return the columns of a struct array of this class, except those of the fields ``without``."""
    left_out = frozenset(without)
    own = market_of(message)
    fields = message.fields
    arrays = dict(zip((field.name for field in fields), struct.flatten(), strict=True))
    columns: list[FlatColumn] = []
    for field in fields:
        name, values = prefix + field.name, arrays[field.name]
        if field.name in left_out:
            continue
        if is_repeated(field):
            columns += _repeated(name, values, field)
        elif field.message_type is not None:
            if field.message_type.full_name == SECURITY:
                market, code = values.flatten()
                shown = "code" if field.name == "security" and not prefix else name
                columns.append(code_column(shown, market, code, values.is_valid()))
            columns += flatten(values, field.message_type, prefix=f"{name}_")
        elif own is not None and field.name == "code" and message.full_name != SECURITY:
            columns.append(code_column(name, arrays[own[0]], values, values.is_valid(), own[1]))
            columns.append(FlatColumn(f"{name}_raw", values))
        else:
            stamp = stamp_of(field)
            columns += _scalar(name, values, field, None if stamp is None else arrays[stamp.name])
    return columns


def finish(
    columns: list[FlatColumn],
    clocks: Any,
    count_differing: Callable[[int], None] | None = None,
    parents: Any = None,
    clocks_of_messages: Any = None,
    times: LocalTimes | None = None,
) -> list[RowColumn]:
    """Return the columns, with an instant added to each local time; ``clocks`` has a clock's name for each row.

    ``count_differing`` is called with the number of rows in which a text and its timestamp are two different times.
    Where some columns are of messages, ``parents`` has each row's message, and ``clocks_of_messages`` a clock's name
    for each message. ``times`` is what has read those of other tables of the same messages.
    """
    done: list[RowColumn] = []
    differ = None
    times = times or LocalTimes()
    for column in columns:
        name, of_messages = column.name, column.of_messages
        done.append(RowColumn(name, column.values, of_messages))
        if not column.is_time:
            continue
        read = times.read(column.values, clocks_of_messages if of_messages else clocks, column.stamps)
        done.append(RowColumn(f"{name}_utc", read.instants, of_messages))
        if read.differ is None:
            continue
        differing = repeated(read.differ, parents) if of_messages else read.differ
        differ = differing if differ is None else pc.or_(differ, differing)
    if differ is not None and count_differing is not None:
        count_differing(pc.sum(differ).as_py() or 0)
    return done


def beside(column: FlatColumn, parents: Any) -> FlatColumn:
    """Return a column of messages, to be repeated for the items of their lists: ``parents`` has each item's message.

    A message of 64 MiB can hold a text of half that size and millions of empty items; the repeated text would take
    terabytes. Where the repetitions would take more than ``MAX_SPREAD``, texts are shortened until they do not, and
    lists and bytes are replaced by nulls.
    """
    values, rows = column.values, len(parents)
    kind = values.type
    is_text, is_list = pa.types.is_string(kind), pa.types.is_list(kind)
    if is_text or is_list or pa.types.is_binary(kind):
        lengths = pc.list_value_length(values) if is_list else pc.binary_length(values)
        each = values.values.nbytes // max(len(values.values), 1) + 1 if is_list else 1
        if (pc.max(lengths).as_py() or 0) * each * rows > MAX_SPREAD:
            spread = (pc.sum(lengths.take(parents)).as_py() or 0) * each
            if spread > MAX_SPREAD and is_text:
                # A code unit takes up to four bytes.
                column = column._replace(values=pc.utf8_slice_codeunits(values, 0, MAX_SPREAD // (4 * rows)))
            elif spread > MAX_SPREAD:
                column = column._replace(values=pa.nulls(len(values), kind))
    return column._replace(of_messages=True)


def market_in(columns: list[FlatColumn], length: int) -> Any:
    """Return the prefix of each row's market, from the first column that has one for it; null where none has.

    ``UNKNOWN_MARKET`` is one: a security with an unknown number is not in the market of another one beside it.
    """
    known = [column.markets for column in columns if column.markets is not None]
    if len(known) == 1:
        return known[0]
    return pc.coalesce(*known) if known else pa.nulls(length, pa.string())


def clocks_in(columns: list[FlatColumn], markets: Any) -> Any:
    """Return the name of the clock that each row's times are on; ``markets`` is what ``market_in`` returned."""
    if all(column.clocks is None for column in columns):
        return markets
    named = (column.markets if column.clocks is None else column.clocks for column in columns)
    return pc.coalesce(*(clocks for clocks in named if clocks is not None))


def _repeated(name: str, values: Any, field: FieldDescriptor) -> list[FlatColumn]:
    inner = field.message_type
    columns = [FlatColumn(name, values)]
    if inner is not None and inner.full_name == SECURITY:
        items = values.values
        market, code = items.flatten()
        codes = code_column(name, market, code, items.is_valid()).values
        listed = pa.ListArray.from_arrays(values.offsets, codes, mask=values.is_null())
        columns.append(FlatColumn(f"{name}_codes", listed))
    return columns


def _scalar(name: str, values: Any, field: FieldDescriptor, stamps: Any) -> list[FlatColumn]:
    names = enum_names(field)
    if names is not None:
        numbers = pa.array(list(names), values.type)
        indices = pc.index_in(values, value_set=numbers)
        short = [short_enum_name(each) for each in names.values()]
        named = pa.DictionaryArray.from_arrays(indices, pa.array(short, pa.string()))
        prefixes = _prefixes(values, TRADE_MARKETS) if field.name == "trdMarket" else None
        return [FlatColumn(name, values, markets=prefixes), FlatColumn(f"{name}_name", named)]
    return [FlatColumn(name, values, is_time=True, stamps=stamps) if has_instant(field) else FlatColumn(name, values)]


def code_column(name: str, market: Any, code: Any, present: Any, prefixes: dict[int, str] = QOT_PREFIXES) -> FlatColumn:
    """Return market and code joined as by ``securities.security_name``: an absent market counts as 0."""
    numbers = pc.fill_null(market, 0)
    known = _prefixes(numbers, prefixes)
    front = pc.coalesce(known, numbers.cast(pa.string()))
    joined = pc.binary_join_element_wise(front, pc.fill_null(code, ""), ".")
    # A code without a market beside it (``secMarket`` of older orders) leaves that to the message: ``trdMarket``.
    stated = market.is_valid() if prefixes is not QOT_PREFIXES else present
    markets = _where(pc.and_(present, stated), pc.coalesce(known, pa.scalar(UNKNOWN_MARKET)))
    clocks = clocks_of(known, code, trading=prefixes is TRADE_PREFIXES)
    return FlatColumn(
        name,
        _where(present, joined),
        markets=markets,
        clocks=None if clocks is known else _where(present, clocks),
    )


def _prefixes(numbers: Any, prefixes: dict[int, str]) -> Any:
    known = pa.array(list(prefixes), numbers.type)
    return pa.array(list(prefixes.values()), pa.string()).take(pc.index_in(numbers, value_set=known))


def _where(present: Any, texts: Any) -> Any:
    return pc.if_else(present, texts, pa.scalar(None, pa.string()))
