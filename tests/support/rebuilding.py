"""Messages made again from the rows that ``ftwire export`` makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ftwire_tools.export.flatten import finish, flatten
from ftwire_tools.export.layout import layout_of
from ftwire_tools.export.request_columns import SECURITY
from ftwire_tools.export.rows import META, PARTITIONS
from ftwire_tools.export.types import struct_of

__all__ = ["RESERVED", "rebuilt", "without_hollow"]

RESERVED = {name for name, _ in (*META, *PARTITIONS)}
"""Columns of ours; a field of such a name has an underscore behind it."""


def rebuilt(message_class: Any, found: dict[str, list[dict[str, Any]]]) -> Any:
    """The message that rows came from, out of their columns: written against the documented names alone."""
    layout = layout_of(message_class.DESCRIPTOR)
    message = message_class()
    lists = {plan.field: plan for plan in layout.lists}
    rows = [row for name in {layout.own, *(plan.table for plan in layout.lists)} for row in found.get(name, [])]
    outer = rows[0]
    item_fields = {
        name
        for plan in layout.lists
        if outer in found.get(plan.table, [])
        for name in columns_of(
            message.DESCRIPTOR.fields_by_name["s2c"].message_type.fields_by_name[plan.field].message_type
        )
    }
    context = {
        name.removeprefix("s2c_")
        if name.startswith("s2c_") and name.removeprefix("s2c_") in item_fields
        else name: value
        for name, value in outer.items()
        if name not in item_fields
    }
    fill(message, message.DESCRIPTOR, context, "", skip={layout.payload or ""})
    if layout.payload:
        payload = getattr(message, layout.payload)
        fill(payload, payload.DESCRIPTOR, context, "", skip=set(lists))
        for field, plan in lists.items():
            for row in found.get(plan.table, []):
                if plan.side is not None and row["side"] != plan.side:
                    continue
                target = getattr(payload, field)
                item = target.add() if hasattr(target, "add") else target
                item.SetInParent()
                prefix = "security_" if item.DESCRIPTOR.full_name == SECURITY else ""
                fill(item, item.DESCRIPTOR, row, prefix, skip=set())
    return message


def columns_of(descriptor: Any) -> set[str]:
    table = next(iter(rows_of_nothing(descriptor)))
    return set(table.schema.names) - {name for name, _ in (*META, *PARTITIONS)}


def rows_of_nothing(descriptor: Any) -> Iterator[Any]:
    columns = finish(flatten(pa.array([], struct_of(descriptor)), descriptor), pa.array([], pa.string()))
    arrays, names = [column.values for column in columns], [column.name for column in columns]
    yield pa.RecordBatch.from_arrays(arrays, names=names)


def fill(message: Any, descriptor: Any, row: dict[str, Any], prefix: str, skip: set[str]) -> None:
    for field in descriptor.fields:
        name = prefix + field.name
        if name in RESERVED:
            name += "_"
        if field.name in skip:
            continue
        if field.message_type is not None and name not in row:
            fill(getattr(message, field.name), field.message_type, row, f"{name}_", set())
            continue
        value = row.get(f"{name}_raw", row.get(name)) if field.message_type is None else row.get(name)
        if field.message_type is not None and not isinstance(value, list):
            fill(getattr(message, field.name), field.message_type, row, f"{name}_", set())
        elif isinstance(value, list):
            for each in value:
                if field.message_type is not None:
                    fill_nested(getattr(message, field.name).add(), each)
                else:
                    getattr(message, field.name).append(each)
        elif value is not None:
            setattr(message, field.name, value)


def fill_nested(message: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            getattr(message, name).SetInParent()
            fill_nested(getattr(message, name), value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    fill_nested(getattr(message, name).add(), each)
                else:
                    getattr(message, name).append(each)
        elif value is not None:
            setattr(message, name, value)


def without_hollow(message: Any) -> Any:
    """The message without inner ones that are there but empty, which columns cannot tell from absent."""
    for field, value in message.ListFields():
        if field.message_type is not None and not hasattr(value, "ListFields"):
            for item in value:
                without_hollow(item)
        elif field.message_type is not None:
            without_hollow(value)
            if not value.SerializePartialToString():
                message.ClearField(field.name)
    return message
