"""Every table of an export, read by four programs that do not use ftwire: the same types, instants, values and nulls.

What they read is compared with the rows as they are in memory before any file is written.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.layout import SHARED, WIDE
from ftwire_tools.messages.descriptors import is_repeated
from interop.clients.read_tables import plain
from interop.peers import Peer, environment, python
from support.captures import Said, answered, asked, pcap, session

pytestmark = pytest.mark.timeout(900)  # Spark is slow to start

CLIENT = Path(__file__).with_name("clients") / "read_tables.py"

KINDS = {
    "instant": r"datetime64\[us, UTC\]|Datetime\(time_unit='us', time_zone='UTC'\)|TIMESTAMP WITH TIME ZONE|timestamp",
    "integer": r"U?[Ii]nt(32|64)?|U?(INTEGER|BIGINT)|bigint|decimal\(20,0\)",
    "float": r"Float(32|64)|FLOAT|DOUBLE|float|double",
    "bool": r"boolean|Boolean|BOOLEAN",
    "text": r"string|str|String|Categorical|VARCHAR",
    "bytes": r"bytes|Binary|BLOB|binary",
    "list": r"(?s)list|ndarray|List\(.*\)|.*\[\]|array<.*>",
    "date": r"Date|DATE|date|str",
}
"""Types of columns, to what the programs call them. pandas reads the date in a path as text."""

VALUES: dict[int, tuple[Any, ...]] = {
    1: (0.0, -0.1, 388.2, 1e300, 5e-324, float("inf")),
    2: (0.0, -0.5, 1.5),
    3: (0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1),
    4: (0, 1, 2**64 - 1, 2**53 + 1),
    5: (0, 1, 2, 3, 2**31 - 1, -(2**31)),
    8: (True, False),
    9: ("", "HK", "腾讯控股", "a'b\"c\\", "tab\tand\nline", "\N{GRINNING FACE}"),
    12: (b"", b"\x00\xff"),
    13: (0, 1, 2**32 - 1),
}
"""Values by ``FieldDescriptor.type``: the ends of each range, and what readers take for something else."""


def fill(message: Any, random: Random, unset: float) -> Any:
    """Set all fields of a message but for a share; lists have one or two items."""
    for field in message.DESCRIPTOR.fields:
        if random.random() < unset:
            continue
        for _ in range(random.randrange(1, 3) if is_repeated(field) else 1):
            if field.message_type is not None:
                inner = getattr(message, field.name)
                fill(inner.add() if is_repeated(field) else inner, random, unset)
                continue
            if field.enum_type is not None:
                value: Any = random.choice(field.enum_type.values).number
            elif field.name.lower().endswith("time") and field.type == field.TYPE_STRING:
                value = random.choice(("2024-07-01 09:30:00", "2024-01-02 16:00:00.123", "2024-01-02", ""))
            elif field.name == "market" and field.type == field.TYPE_INT32:
                value = random.choice((1, 11, 21))
            elif field.name.lower().endswith("timestamp") and field.type == field.TYPE_DOUBLE:
                value = 1_704_159_000.25
            else:
                value = random.choice(VALUES[field.type])
            if is_repeated(field):
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three requests, replies or pushes of every protocol, filled, and a frame that cannot be decoded."""
    random = Random(24)  # noqa: S311 - no secret
    said: list[Said] = session()[:2]
    for number, entry in enumerate(registry):
        if entry.is_websocket_only:
            continue
        for serial, unset in enumerate((0, 0.25, 0.5), 10 + 3 * number):
            if entry.request is not None:
                request = fill(entry.request(), random, unset)
                said.append(asked(entry.proto_id, serial, request.SerializePartialToString()))
            response = fill(entry.response(), random, unset)
            said.append(answered(entry.proto_id, serial, response.SerializePartialToString()))
    path = tmp_path_factory.mktemp("readers") / "a.pcap"
    path.write_bytes(pcap([*said, answered(3009, 0, b"\xff")]))
    return path


@pytest.fixture(scope="module")
def expected(capture: Path) -> dict[str, tuple[dict[str, str], list[str]]]:
    """Types and rows of each table, in memory."""
    found: dict[str, tuple[dict[str, str], list[str]]] = {}
    for table, batch in tables([str(capture)], show_secrets=True):
        nanoseconds = batch["time"].cast(pa.int64())
        columns = {"time": [time // 1000 for time in nanoseconds.to_pylist()], "time_ns": nanoseconds.to_pylist()}
        kinds = {"time": "instant", "time_ns": "integer"}
        for field in batch.schema:
            if field.name != "time":
                values = batch[field.name]
                kinds[field.name] = kind_of(field.type)
                columns[field.name] = (
                    values.cast(pa.int64()) if kinds[field.name] == "instant" else values
                ).to_pylist()
        # In paths there are no nulls.
        columns["market"] = [market or "none" for market in columns["market"]]
        columns["date"] = [date or "1970-01-01" for date in columns["date"]]
        rows = found.setdefault(table, (kinds, []))[1]
        rows += [canonical(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found


def canonical(row: Any) -> str:
    return json.dumps({name: plain(value) for name, value in row}, sort_keys=True)


def kind_of(kind: Any) -> str:
    kinds = {"float": pa.types.is_floating, "bool": pa.types.is_boolean, "bytes": pa.types.is_binary}
    kinds |= {"instant": pa.types.is_timestamp, "list": pa.types.is_list, "integer": pa.types.is_integer}
    kinds |= {"date": pa.types.is_date}
    return next((name for name, is_it in kinds.items() if is_it(kind)), "text")


@pytest.fixture(scope="module")
def folder(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables") / "out"
    done = CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(out), "--show-secrets", "-j", "1"])
    assert done.exit_code == 3, done.stderr  # one frame is damaged
    return out


def test_all_tables_of_several_protocols_are_there(expected: dict[str, Any]) -> None:
    shared = {name for name in expected if name.startswith("kline_")}
    assert shared
    assert {*SHARED, *WIDE.values(), "errors"} - {"kline"} <= expected.keys()
    assert len(expected) > 300


def some_of_each(expected: dict[str, tuple[dict[str, str], list[str]]]) -> list[str]:
    """Tables of several protocols, and of the others one for each set of types: Spark takes a second for each."""
    shared = {*SHARED, *WIDE.values(), "errors"}
    chosen = {frozenset(kinds.values()): table for table, (kinds, _) in expected.items()}
    return sorted({*chosen.values(), *(table for table in expected if table in shared or table.startswith("kline_"))})


@pytest.mark.parametrize("name", ["pandas", "polars", "duckdb", "spark"])
def test_everybody_reads_the_same(
    name: str, folder: Path, expected: dict[str, tuple[dict[str, str], list[str]]], peer: Callable[[str], Peer]
) -> None:
    peer(name)
    chosen = some_of_each(expected) if name == "spark" else sorted(expected)
    done = subprocess.run(
        [str(python(name)), str(CLIENT), name, str(folder), *chosen],
        # An instant is one whatever the zone of the machine.
        env=environment(name) | {"TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = set()
    for line in done.stdout.splitlines():
        read = json.loads(line)
        table, kinds = read["table"], read["kinds"]
        wanted, rows = expected[table]
        seen.add(table)
        assert kinds.keys() == wanted.keys(), table
        for column, kind in kinds.items():
            is_all_null = not kind
            assert is_all_null or re.fullmatch(KINDS[wanted[column]], kind), (table, column, kind)
        assert sorted(canonical(zip(kinds, row, strict=True)) for row in read["rows"]) == sorted(rows), table
    assert seen == set(chosen)
