"""Which tables the messages of a class fill.

Every message becomes at least one row. Each list in the payload of a response or push has a table, with one row for
each item; the fields beside the list are repeated in these rows. A message without an item in any list, a failed
reply for instance, becomes one row in the table of its protocol. A request becomes one row, with its lists in it.

A table that several protocols fill, with replies and pushes of the same thing, is named in ``SHARED``. Any other is
named after protocol and list: ``qot_get_trade_date_trade_date_list``. K-lines have a table for each period and
adjustment, see ``KINDS``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire_tools.messages.descriptors import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["KINDS", "SHARED", "WIDE", "Layout", "ListTable", "layout_of", "snake_case"]

SHARED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "time_share": {"Qot_GetRT": ("rtList",), "Qot_UpdateRT": ("rtList",)},
    "ticker": {"Qot_GetTicker": ("tickerList",), "Qot_UpdateTicker": ("tickerList",)},
    "kline": {
        "Qot_GetKL": ("klList",),
        "Qot_UpdateKL": ("klList",),
        "Qot_RequestHistoryKL": ("klList",),
        "Qot_GetHistoryKL": ("klList",),
    },
    "order_book": {
        "Qot_GetOrderBook": ("orderBookAskList", "orderBookBidList"),
        "Qot_UpdateOrderBook": ("orderBookAskList", "orderBookBidList"),
    },
    "broker_queue": {
        "Qot_GetBroker": ("brokerAskList", "brokerBidList"),
        "Qot_UpdateBroker": ("brokerAskList", "brokerBidList"),
    },
    "basic_quote": {"Qot_GetBasicQot": ("basicQotList",), "Qot_UpdateBasicQot": ("basicQotList",)},
    "snapshot": {"Qot_GetSecuritySnapshot": ("snapshotList",)},
    "orders": {
        "Trd_GetOrderList": ("orderList",),
        "Trd_GetHistoryOrderList": ("orderList",),
        "Trd_UpdateOrder": ("order",),
    },
    "fills": {
        "Trd_GetOrderFillList": ("orderFillList",),
        "Trd_GetHistoryOrderFillList": ("orderFillList",),
        "Trd_UpdateOrderFill": ("orderFill",),
    },
    "positions": {"Trd_GetPositionList": ("positionList",)},
}
"""Table to the packages that fill it, with the names of the payload's lists (or of one message) that do."""

WIDE: Final = {"order_book": "order_book_wide"}
"""Tables with two sides, to the tables of the same with a column for each level of each side."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "kline": ("klType", "rehabType"),
    "qot_get_history_kl_points_kl_point_list": ("klType", "rehabType"),
    "qot_request_history_event_contract_kl_kline_list": ("klType",),
}
"""Tables whose rows are of several kinds that do not belong into one chart, to the columns with the kind.

Rows of each kind have a table of their own: ``kline_day_forward``. A kind that is not known is ``unknown``.
"""

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")

_shared_lists: Final = {
    (package, field): table
    for table, packages in SHARED.items()
    for package, fields in packages.items()
    for field in fields
}


class ListTable(NamedTuple):
    """A list of the payload, and the table in which its items are rows."""

    table: str
    field: str
    side: str | None
    """``ask`` or ``bid`` where two lists share a table."""


class Layout(NamedTuple):
    """The tables of one message class."""

    own: str
    """Table of messages without an item in any list."""
    payload: str | None
    """``s2c`` or ``c2s``: the field whose own fields become columns without its name in front."""
    lists: tuple[ListTable, ...]
    wide: str | None
    """Table with one row for both sides, see ``WIDE``."""


_layouts: dict[Descriptor, Layout] = {}


def snake_case(name: str) -> str:
    """Return ``qot_get_rt`` for ``Qot_GetRT``."""
    return "_".join(part for part in _WORD.split(name) if part).lower()


def layout_of(message: Descriptor) -> Layout:
    """Return the tables of a request or response class."""
    found = _layouts.get(message)
    if found is None:
        found = _layouts[message] = _make_layout(message)
    return found


def _make_layout(message: Descriptor) -> Layout:
    package, _, name = message.full_name.partition(".")
    fields = message.fields_by_name
    payload = next((each for each in ("s2c", "c2s") if each in fields and fields[each].message_type), None)
    # A file of several protocols names its messages after them: SkillWrapAPI.TechnicalUnusualRequest.
    stem = snake_case(package)
    kind = snake_case(name)
    own = stem if kind == "response" else f"{stem}_{kind}"
    inner = None if payload is None else fields[payload].message_type
    if payload != "s2c" or inner is None:
        return Layout(own, payload, (), None)
    lists = []
    for field in inner.fields:
        table = _shared_lists.get((package, field.name))
        if table is None and (not is_repeated(field) or field.message_type is None):
            continue
        side = "ask" if "Ask" in field.name else "bid" if "Bid" in field.name else None
        lists.append(ListTable(table or f"{own}_{snake_case(field.name)}", field.name, side if table else None))
    tables = {each.table for each in lists}
    wide = next((WIDE[table] for table in tables if table in WIDE), None)
    return Layout(own, payload, tuple(lists), wide)
