"""What is said of columns, in files and on the page: against the rows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ftwire.cipher import RsaKey
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.column_facts import facts_of
from ftwire_tools.export.table_builder import error_schema
from support.places import ROOT

CAPTURES = sorted(path for path in (ROOT / "fixtures/captures").rglob("*.pcap*") if path.suffix in {".pcap", ".pcapng"})
QUOTES = ROOT / "fixtures/captures/futu-api-9.6-quotes.pcapng"


def test_the_page_is_what_the_code_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs/make_tables.py")
    assert spec is not None
    assert spec.loader is not None
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    page = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
    assert page == made.page(), "run python docs/make_tables.py"


def test_what_is_never_null_is_never_null() -> None:
    keys = [RsaKey.from_pem(path.read_bytes()) for path in sorted((ROOT / "fixtures/keys").glob("*.pem"))]
    seen = set()
    for table, batch in tables(map(str, CAPTURES), keys=keys):
        for name, facts in facts_of(table, batch.schema).items():
            if not facts.is_nullable:
                assert not batch.column(name).null_count, (table, name)
                seen.add((table, name))
    assert {("errors", "error"), ("ticker", "number"), ("order_book", "src")} <= seen


def test_the_schema_of_errors_is_that_of_its_rows() -> None:
    capture = next(path for path in CAPTURES if "bad-sha1" in path.name)
    (batch,) = [batch for table, batch in tables([str(capture)]) if table == "errors"]
    assert batch.schema == error_schema()


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("columns", ["all", "sdk"])
def test_files_say_what_they_hold(tmp_path: Path, kind: str, columns: str) -> None:
    done = CliRunner().invoke(
        ftwire, ["export", str(QUOTES), "-o", str(tmp_path), "--format", kind, "--columns", columns]
    )
    assert done.exit_code == 0
    (path, *_) = (tmp_path / "ticker").rglob(f"*.{kind}")
    schema = pq.read_schema(path) if kind == "parquet" else pa.ipc.open_file(path).schema
    metadata = schema.metadata
    assert metadata[b"ftwire.schema"] == b"3"
    assert metadata[b"ftwire.table"] == b"ticker"
    facts = json.loads(metadata[b"ftwire.columns"])
    if columns == "sdk":
        assert not {"number", "time"} & facts.keys()
        return
    assert facts["latency_ns"] == {"about": "time since that request", "unit": "ns"}
    assert facts["time_utc"]["about"] == "instant of time_"
    assert set(facts) - {"time_ns"} <= set(schema.names)
    never = {name for name, each in facts.items() if each.get("nullable") is False}
    assert never == {field.name for field in schema if not field.nullable}
    assert {"file", "number", "kind"} <= never


def test_other_programs_read_it(tmp_path: Path) -> None:
    assert CliRunner().invoke(ftwire, ["export", str(QUOTES), "-o", str(tmp_path)]).exit_code == 0
    query = "select key::varchar, value::varchar from parquet_kv_metadata(?)"
    found = duckdb.execute(query, [f"{tmp_path}/kline_day_forward/**/*.parquet"]).fetchall()
    assert ("ftwire.table", "kline_day_forward") in found
