"""``--table``: the list in a body as rows and columns.

A point of Qot_GetRT and Qot_UpdateRT gets the columns that users of the vendor's Python SDK know. For every
other list they come from the descriptor of its items: a column for each scalar, those of inner messages by
their path, securities as one column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.markets.codes import security_name
from ftwire_tools.messages.descriptors import is_repeated, plain_value
from ftwire_tools.messages.enums import enum_names, short_enum_name
from ftwire_tools.messages.masking import MASK
from ftwire_tools.messages.securities import market_of
from ftwire_tools.terminal.cells import cell_width, pad_right
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from ftwire_tools.messages.masking import MessageView
    from ftwire_tools.terminal.cells import Screen

__all__ = ["Table", "table_text", "tables_of"]

NAMED_COLUMNS: Final = {
    "Qot_Common.TimeShare": {
        "time": "time",
        "is_blank": "isBlank",
        "opened_mins": "minute",
        "cur_price": "price",
        "last_close": "lastClosePrice",
        "avg_price": "avgPrice",
        "volume": "volume",
        "turnover": "turnover",
    },
}
"""Item message to the columns of its table: their name, and the field that fills them."""

SECURITY: Final = "Qot_Common.Security"
MAX_DEPTH: Final = 3

Cell = Callable[[Any], object]


class Table(NamedTuple):
    """A list, as rows of plain values."""

    name: str
    """Name of the list's field."""
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    is_fixed: bool
    """The columns are those that were promised, empty or not."""


_cells: dict[Descriptor, dict[str, Cell]] = {}


def tables_of(message: MessageView, *, fields: tuple[tuple[str, ...], ...] = ()) -> list[Table]:
    """Return the lists of messages in a body, each as a table.

    ``fields`` are the columns to have instead, as paths in an item.
    """
    payload = next((inner for name in ("s2c", "c2s") if (inner := message.get(name)) is not None), None)
    if payload is None:
        return []
    common = _common(payload)
    return [
        _picked(field.name, items, common, fields) if fields else _table(field.name, inner, items, common)
        for field, items in payload.fields()
        if is_repeated(field) and (inner := field.message_type) is not None
    ]


def _table(name: str, item: Descriptor, items: Any, common: dict[str, object]) -> Table:
    cells = _cells.get(item)
    if cells is None:
        cells = _cells[item] = _make_cells(item)
    common = {column: value for column, value in common.items() if column not in cells}
    head = tuple(common.values())
    readers = tuple(cells.values())
    rows = [(*head, *(read(each) for read in readers)) for each in items]
    return Table(name, (*common, *cells), rows, is_fixed=item.full_name in NAMED_COLUMNS)


def _picked(name: str, items: Any, common: dict[str, object], fields: tuple[tuple[str, ...], ...]) -> Table:
    columns = (*common, *(".".join(path) for path in fields))
    head = tuple(common.values())
    rows = [(*head, *(item.at(path) for path in fields)) for item in items]
    return Table(name, columns, rows, is_fixed=True)


def table_text(table: Table, *, indent: str = " " * 7, screen: Screen | None = None) -> str:
    """Return a table in aligned columns, text to the left and numbers to the right.

    Columns that nothing stands in are left out, unless they were promised. Columns that do not fit ``screen`` are
    named in a line below.
    """
    shown = [
        index
        for index in range(len(table.columns))
        if table.is_fixed or any(row[index] is not None for row in table.rows)
    ]
    columns = [table.columns[index] for index in shown]
    rows = [[_text(row[index]) for index in shown] for row in table.rows]
    widths = [max(map(cell_width, column)) for column in zip(columns, *rows, strict=True)]
    left = [not all(_is_number(row[index]) for row in rows) for index in range(len(widths))]
    fitting = len(widths) if screen is None else _fitting(widths, screen.columns - cell_width(indent))
    lines = [
        indent
        + "  ".join(
            pad_right(cell, width) if is_text else cell.rjust(width)
            for cell, width, is_text in zip(cells[:fitting], widths, left, strict=False)
        ).rstrip()
        for cells in (columns, *rows)
    ]
    if fitting < len(widths):
        lines.append(f"{indent}(no room for {len(columns) - fitting} more: {', '.join(columns[fitting:])})")
    return "".join(f"{line if screen is None else screen.cut(line)}\n" for line in lines)


def _fitting(widths: list[int], columns: int) -> int:
    """Return how many columns of a table, from the first one on, a screen of so many columns has room for."""
    used = 0
    for count, width in enumerate(widths):
        used += width + (2 if count else 0)
        if used > columns:
            return max(count, 1)
    return len(widths)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def _text(value: object) -> str:
    return "-" if value is None else printable(str(value))


def _common(payload: MessageView) -> dict[str, object]:
    """Return what is the same in every row: the security and its name, where the list is that of one security."""
    fields = payload.descriptor.fields_by_name
    found: dict[str, object] = {}
    security = fields.get("security")
    if security is None or is_repeated(security) or security.message_type is None:
        return found
    found["code"] = _security(payload.get("security"))
    if "name" in fields and not is_repeated(fields["name"]):
        found["name"] = payload.get("name")
    return found


def _security(security: MessageView | None) -> str | None:
    if security is None:
        return None
    return security_name(security.get("market"), security.get("code"))


def _make_cells(item: Descriptor) -> dict[str, Cell]:
    named = NAMED_COLUMNS.get(item.full_name)
    if named is not None:
        return {column: _scalar(item.fields_by_name[name]) for column, name in named.items()}
    return dict(_columns(item, "", lambda message: message, MAX_DEPTH))


def _columns(descriptor: Descriptor, prefix: str, reach: Cell, depth: int) -> Iterator[tuple[str, Cell]]:
    market = market_of(descriptor)
    for field in descriptor.fields:
        name = prefix + field.name
        inner = field.message_type
        if is_repeated(field):
            yield name, _through(reach, _length(field))
        elif inner is None:
            yield name, _through(reach, _own_code(*market) if market and field.name == "code" else _scalar(field))
        elif inner.full_name == SECURITY:
            column = "code" if field.name == "security" else name
            yield column, _through(reach, _security_in(field.name))
        elif depth:
            yield from _columns(inner, f"{name}.", _through(reach, _inner(field.name)), depth - 1)


def _through(outer: Cell, inner: Cell) -> Cell:
    def read(message: Any) -> object:
        found = outer(message)
        return None if found is None else inner(found)

    return read


def _inner(name: str) -> Cell:
    return lambda message: message.get(name)


def _length(field: FieldDescriptor) -> Cell:
    name = field.name
    return lambda message: MASK if message.hides(field) else len(message.get(name))


def _security_in(name: str) -> Cell:
    return lambda message: _security(message.get(name))


def _own_code(market: str, prefixes: dict[int, str]) -> Cell:
    def read(message: MessageView) -> object:
        number, code = message.get(market), message.get("code")
        return code if number is None else security_name(number, code, prefixes)

    return read


def _scalar(field: FieldDescriptor) -> Cell:
    name = field.name
    names = enum_names(field)

    def read(message: MessageView) -> object:
        if message.hides(field):
            # Whether it is set is hidden, too.
            return MASK
        value = message.get(name)
        if value is None:
            return None
        if names is not None:
            known = names.get(value)
            return value if known is None else short_enum_name(known)
        return plain_value(field, value)

    return read
