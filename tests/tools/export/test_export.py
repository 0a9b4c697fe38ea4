"""Captures to tables, checked against ``ftwire dump --json`` and against the messages themselves."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from click.testing import CliRunner
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import RsaKey
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.convert import Converter
from ftwire_tools.export.layout import SHARED, layout_of, snake_case
from ftwire_tools.export.masked_columns import mask_struct
from ftwire_tools.export.rows import META, PARTITIONS, RowBuilder, empty_meta, row_sets_of
from ftwire_tools.export.types import struct_of
from ftwire_tools.markets.exchanges import ZONES
from ftwire_tools.markets.zones import instants
from ftwire_tools.messages.descriptors import is_repeated
from support.captures import START, pcap, session
from support.places import ROOT
from support.rebuilding import RESERVED, rebuilt, without_hollow

FIXTURES = ROOT / "fixtures"
CAPTURES = sorted(path for path in (FIXTURES / "captures").iterdir() if path.suffix in {".pcap", ".pcapng"})
KEYS = sorted((FIXTURES / "keys").glob("*.pem"))
KEY_OPTIONS = [part for path in KEYS for part in ("--key", str(path))]


def keys() -> list[RsaKey]:
    return [RsaKey.from_pem(path.read_bytes()) for path in KEYS]


def collected(path: Path, **options: Any) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, as Python values."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table, batch in tables([str(path)], keys=keys(), show_secrets=True, **options):
        found.setdefault(table, []).extend(_plain(batch))
    return found


def _plain(batch: Any) -> list[dict[str, Any]]:
    # Nanoseconds do not fit datetime.
    at = batch.schema.get_field_index("time")
    plain = batch.set_column(at, "time", batch.column(at).cast(pa.int64()))
    rows: list[dict[str, Any]] = plain.to_pylist()
    return rows


def dumped(path: Path) -> list[dict[str, Any]]:
    """What ``ftwire dump --json`` says of a capture."""
    result = CliRunner().invoke(ftwire, ["dump", "--json", "--show-secrets", *KEY_OPTIONS, str(path)])
    return [json.loads(line) for line in result.stdout.splitlines()]


def wanted_rows(body: dict[str, Any], field: str) -> list[dict[str, Any]]:
    found: Any = body.get("s2c", {}).get(field, [])
    return found if isinstance(found, list) else [found]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_rows_are_those_of_the_dump(capture: Path) -> None:
    """Counts, sums, first and last rows of every list of every frame, computed from dump's JSON."""
    rows = collected(capture)
    split = [rows.pop(table) for table in list(rows) if table.startswith("kline_")]
    if split:  # by period and adjustment
        rows["kline"] = sorted(chain(*split), key=itemgetter("number"))
    frames = dumped(capture)
    named = {
        (package, field): table
        for table, filling in SHARED.items()
        for package, names in filling.items()
        for field in names
    }
    expected: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for frame in frames:
        if frame["kind"] == "request" or frame["body"] is None:
            continue
        for field, value in frame["body"].get("s2c", {}).items():
            table = named.get((frame["proto"], field))
            if table is None and isinstance(value, list) and value and isinstance(value[0], dict):
                table = snake_case(frame["proto"]) + "_" + snake_case(field)
            if table is not None:
                items = value if isinstance(value, list) else [value]
                expected.setdefault(table, []).extend((frame["number"], item) for item in items)
    for table, items in expected.items():
        got = rows[table]
        assert [row["number"] for row in got] == [number for number, _ in items], table
        for index in (0, -1):
            assert_says(got[index], items[index][1])
        names = {name for _, item in items for name, value in item.items() if type(value) in (int, float)}
        for name in names:
            ours = math.fsum(row[name] for row in got if row[name] is not None)
            assert ours == pytest.approx(math.fsum(item[name] for _, item in items if name in item))
    listed = {number for items in expected.values() for number, _ in items}
    alone = Counter(
        row["number"]
        for table, found in rows.items()
        if table not in expected and table != "order_book_wide"
        for row in found
    )
    assert alone == {frame["number"]: 1 for frame in frames if frame["number"] not in listed}
    everything = {row["number"]: row for found in rows.values() for row in found}
    for frame in frames:
        row = everything[frame["number"]]
        assert (row["serial"], row["conversation"], row["kind"]) == (
            frame["serial"],
            frame["conversation"],
            frame["kind"],
        )
        assert row["proto"] == frame["proto"]
        assert str(row["time"]) == frame["time"]
        assert (row["src"], row["dst"], row["proto_id"]) == (frame["src"], frame["dst"], frame["proto_id"])
        assert (None if row["latency_ns"] is None else str(row["latency_ns"])) == frame["latency_ns"]
        assert (row["request"] is None) == (frame["latency_ns"] is None)
        if row["request"] is not None:
            request = everything[row["request"]]
            assert request["kind"] == "request"
            assert all(request[name] == row[name] for name in ("conversation", "proto_id", "serial"))
            assert row["time"] - request["time"] == row["latency_ns"]


def assert_says(row: dict[str, Any], item: dict[str, Any], prefix: str = "") -> None:
    """Every value of an item of dump's JSON stands in a row."""
    for name, value in item.items():
        if isinstance(value, dict):
            assert_says(row, value, f"{prefix}{name}_")
        elif not isinstance(value, list):
            column = f"{prefix}{name}"
            column += "_" if column in RESERVED else ""
            ours = row.get(f"{column}_raw", row[column])
            assert (str(ours) if isinstance(value, str) else ours) == value, column


def test_known_points_come_out_as_published(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(session()))
    (first, second, third) = collected(tmp_path / "a.pcap")["time_share"]
    assert first["code"] == "HK.00700"
    assert first["time_"] == "2021-06-09 09:30:00"
    assert first["time_utc"] == datetime(2021, 6, 9, 1, 30, tzinfo=UTC)
    assert (first["price"], first["volume"], first["minute"]) == (600.0, 255100, 570)
    assert first["retType_name"] == "Succeed"
    assert (first["direction"], first["kind"], first["proto"]) == ("from_opend", "response", "Qot_GetRT")
    assert [row["row"] for row in (first, second, third)] == [0, 1, 0]
    assert third["kind"] == "push"
    assert first["time"] == START + 3_000_000
    assert (first["market"], str(first["date"])) == ("HK", "2021-06-09")


# Properties: what was in a message is in its rows.

_SOME = [
    registry[name]
    for name in (
        "Qot_GetRT",
        "Qot_GetOrderBook",
        "Qot_GetSecuritySnapshot",
        "Trd_GetOrderList",
        "Trd_UpdateOrder",
        "Qot_GetKL",
        "GetGlobalState",
        "Qot_GetOptionChain",
        "Trd_GetFunds",
        "Qot_GetTradeDate",
        "InitConnect",
        "Qot_StockFilter",
        "Qot_GetCompanyProfile",
        "Qot_RequestIndicatorCalc",
    )
]
CLASSES = [found for entry in _SOME for found in (entry.request, entry.response) if found is not None]


try:
    import ptars  # noqa: F401 - whether it can be
except ImportError:
    HAS_PTARS = False
else:
    HAS_PTARS = True

needs_ptars = pytest.mark.skipif(not HAS_PTARS, reason="ptars cannot be imported: it needs protobuf 4 or newer")


@given(st.data())
def test_a_message_can_be_made_again_from_its_rows(data: st.DataObject) -> None:
    message_class: Any = data.draw(st.sampled_from(CLASSES))
    message = message_class.FromString(data.draw(messages(message_class)).SerializePartialToString())
    message.DiscardUnknownFields()  # there is no column for what the schema does not know
    body = message.SerializePartialToString()
    found: dict[str, list[dict[str, Any]]] = {}
    converted = Converter().convert([body], message_class)
    assert not converted.refusals
    meta = pa.RecordBatch.from_arrays(
        [pa.nulls(1, kind) for _, kind in META[:-1]], names=[name for name, _ in META[:-1]]
    )
    for table, rows in row_sets_of(message_class.DESCRIPTOR, converted.array, meta, explode=False, levels=3):
        found.setdefault(table, []).extend(_plain(rows.batch()))
    again = rebuilt(message_class, found)
    wanted = without_hollow(message_class.FromString(body))
    assert without_hollow(again).SerializePartialToString(deterministic=True) == wanted.SerializePartialToString(
        deterministic=True
    )


def without_ptars() -> Converter:
    """The converter of an installation without ptars."""
    with mock.patch.dict(sys.modules, {"ptars": None}):
        return Converter()


def values_of(message: Any) -> dict[str, Any]:
    """What a struct should hold of a message, written against protobuf's own interface alone: the oracle."""
    return {
        field.name: [value_of(field, each) for each in getattr(message, field.name)]
        if is_repeated(field)
        else value_of(field, getattr(message, field.name))
        if message.HasField(field.name)
        else None
        for field in message.DESCRIPTOR.fields
    }


def value_of(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return values_of(value)
    is_broken_text = field.type == field.TYPE_STRING and isinstance(value, bytes)
    return value.decode(errors="backslashreplace") if is_broken_text else value


@given(st.data())
def test_columns_hold_what_protobuf_reads(data: st.DataObject) -> None:
    """With ptars and without, and of spoilt bodies too: protobuf's parser decides which of them are messages."""
    message_class: Any = data.draw(st.sampled_from(CLASSES))
    bodies = []
    for message in data.draw(st.lists(messages(message_class), min_size=1, max_size=4)):
        body = bytearray(message.SerializePartialToString())
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2)):
            if body:
                body[at % len(body)] = value
        bodies.append(bytes(body))
    wanted = {}
    for place, each in enumerate(bodies):
        with suppress(DecodeError):
            wanted[place] = values_of(message_class.FromString(each))
    for converter in (Converter(), without_ptars()):
        found = converter.convert(bodies, message_class)
        assert list(found.kept) == list(wanted)
        assert repr(found.array.to_pylist()) == repr(list(wanted.values()))
        assert found.array.type == struct_of(message_class.DESCRIPTOR)
        assert {each.place for each in found.refusals if each.is_lost} == set(range(len(bodies))) - set(wanted)


@needs_ptars
def test_a_text_that_is_not_utf8_is_shown_with_its_bytes_and_reported() -> None:
    """protobuf accepts it and ptars does not, so the body is in its table and in that of errors."""
    response: Any = registry["Qot_GetRT"].response
    good, bad = response(retType=0).SerializePartialToString(), b"\x08\x00\x12\x02\xff\xfe"
    found = Converter().convert([good, bad, good, bad], response)
    assert [row["retMsg"] for row in found.array.to_pylist()] == [None, "\\xff\\xfe", None, "\\xff\\xfe"]
    assert [(each.place, each.is_lost) for each in found.refusals] == [(1, False), (3, False)]


def test_a_number_that_an_enum_does_not_define_is_no_value() -> None:
    """protobuf keeps it among the unknown fields; ptars would give it as the field's value."""
    request: Any = registry["Qot_RequestIndicatorCalc"].request
    body = b"\x0a\x03\x10\xe8\x07"  # c2s.langType = 1000
    (row,) = Converter().convert([body], request).array.to_pylist()
    assert row["c2s"]["langType"] is None


SHAPE = r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{1,6})?)?"
EVERY = [found for entry in registry for found in (entry.request, entry.response) if found is not None]


def meta_of(count: int) -> Any:
    columns = [pa.array([None] * count, kind) for _, kind in META[:-1]]
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in META[:-1]])


@pytest.mark.parametrize("explode", [False, True])
def test_every_class_has_tables(explode: bool) -> None:
    """No column twice, ours at both ends; and no two classes fill one table but those that are to."""
    owners: dict[str, set[str]] = {}
    for message_class in EVERY:
        descriptor: Any = message_class.DESCRIPTOR
        rows = RowBuilder(descriptor, explode=explode, levels=2)
        for table, batch in rows.tables(pa.array([], struct_of(descriptor)), empty_meta()):
            names = batch.schema.names
            assert len(set(names)) == len(names)
            assert names[: len(META)] == [name for name, _ in META]
            assert names[-2:] == [name for name, _ in PARTITIONS]
            owners.setdefault(table, set()).add(descriptor.full_name)
    shared = {table for table, by in owners.items() if len(by) > 1}
    assert {table for table in shared if not any(table.startswith(name) for name in SHARED)} == set()


@given(st.data())
def test_any_messages_become_rows_masked_and_exploded(data: st.DataObject) -> None:
    message_class: Any = data.draw(st.sampled_from(EVERY))
    several = data.draw(st.lists(messages(message_class), min_size=1, max_size=5))
    bodies = [message.SerializePartialToString() for message in several]
    converted = Converter().convert(bodies, message_class)
    schemas: dict[tuple[bool, bool, str], Any] = {}
    layout = layout_of(message_class.DESCRIPTOR)
    for explode in (False, True):
        for array in (mask_struct(converted.array, message_class.DESCRIPTOR), converted.array):
            array.validate(full=True)
            assert array.type == converted.array.type
            meta = meta_of(len(bodies))
            sets = row_sets_of(message_class.DESCRIPTOR, array, meta, explode=explode, levels=3)
            found = [(table, rows.batch()) for table, rows in sets]
            for table, batch in found:
                batch.validate(full=True)
                assert schemas.setdefault((explode, False, table), batch.schema) == batch.schema
            # A row an item, and one for each message without any.
            items = {plan.field: 0 for plan in layout.lists}
            alone = 0
            for message in several:
                filled = [
                    plan for plan in layout.lists if message.HasField("s2c") and items_in(message.s2c, plan.field)
                ]
                alone += not filled
                for plan in filled:
                    items[plan.field] += items_in(message.s2c, plan.field)
            counts = Counter[str]()
            for table, batch in found:
                counts[table] += len(batch)
            wanted = Counter({layout.own: alone})
            for plan in layout.lists:
                wanted[plan.table] += items[plan.field]
            assert {table: counts[table] for table in wanted} == dict(wanted)


def items_in(payload: Any, field: str) -> int:
    value = getattr(payload, field)
    return len(value) if hasattr(value, "__len__") else int(payload.HasField(field))


@given(st.lists(st.one_of(st.none(), st.text(max_size=25), st.datetimes().map(str)), max_size=8), st.data())
def test_any_text_is_an_instant_or_none(texts: list[str | None], data: st.DataObject) -> None:
    """Against zoneinfo, which knows nothing of Arrow."""
    markets = [data.draw(st.sampled_from([*ZONES, "FX", None])) for _ in texts]
    found = instants(pa.array(texts, pa.string()), pa.array(markets, pa.string())).cast(pa.int64()).to_pylist()
    for text, market, instant in zip(texts, markets, found, strict=True):
        try:
            local = datetime.fromisoformat(text) if text and re.fullmatch(SHAPE, text) else None
        except ValueError:
            local = None
        if local is None or market not in ZONES:
            assert instant is None or re.fullmatch(r"[\d :.TZ+-]+", text or "")
            continue
        zoned = local.replace(tzinfo=ZoneInfo(ZONES[market]))
        if 1970 < local.year < 2037 and zoned.astimezone(UTC).astimezone(zoned.tzinfo).replace(tzinfo=None) == local:
            assert instant == round((zoned - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def test_tables_are_the_same_without_ptars(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(session()))
    with_ptars = collected(path)
    with mock.patch.dict(sys.modules, {"ptars": None}):
        assert collected(path) == with_ptars


def test_the_former_choice_of_a_converter_warns(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(session()))
    with pytest.warns(DeprecationWarning, match="converter has no effect"):
        found = list(tables([str(path)], converter="own"))
    assert [name for name, _ in found] == [name for name, _ in tables([str(path)])]
