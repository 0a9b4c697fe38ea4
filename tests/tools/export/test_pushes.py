"""Pushes, which go from packets into columns: the same rows as their messages have, whatever comes between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.export import tables
from ftwire_tools.export.convert import Converter
from ftwire_tools.export.rows import META, row_sets_of
from support.captures import answered, pcap, session

PUSHES = [entry for entry in registry if entry.is_push and not registry.all(entry.proto_id)[1:]]
OURS = {name for name, _ in META} | {"date"}


def values(batch: Any) -> list[str]:
    """The rows without where they were captured."""
    kept = batch.select([name for name in batch.schema.names if name not in OURS])
    return [repr(row) for row in kept.to_pylist()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pushes")


@settings(max_examples=30)
@given(data=st.data())
def test_rows_of_pushes_are_those_of_their_messages(folder: Path, data: st.DataObject) -> None:
    entries = data.draw(st.lists(st.sampled_from(PUSHES), min_size=1, max_size=2, unique=True))
    bodies: dict[int, list[bytes]] = {entry.proto_id: [] for entry in entries}
    said = session()[:2]
    for serial in range(data.draw(st.integers(1, 6))):
        entry = data.draw(st.sampled_from(entries))
        response: Any = entry.response
        body = data.draw(messages(response)).SerializePartialToString()
        if not body:
            continue
        bodies[entry.proto_id].append(body)
        said.append(answered(entry.proto_id, serial, body))
        if data.draw(st.booleans()):
            # A reply between two pushes, without its request.
            said.append(answered(1004, serial, b"\x08\x00"))
    path = folder / "a.pcap"
    path.write_bytes(pcap(said))
    found: dict[str, list[str]] = {}
    for table, batch in tables([str(path)], show_secrets=True):
        if table != "errors" and set(batch["proto"].to_pylist()) <= {entry.name for entry in entries}:
            found.setdefault(table, []).extend(values(batch))
    wanted: dict[str, list[str]] = {}
    for entry in entries:
        response = entry.response
        converted = Converter().convert(bodies[entry.proto_id], response)
        count = len(converted.array)
        names = [name for name, _ in META[:-1]]
        meta = pa.RecordBatch.from_arrays([pa.nulls(count, kind) for _, kind in META[:-1]], names=names)
        for table, rows in row_sets_of(response.DESCRIPTOR, converted.array, meta, explode=False, levels=10):
            wanted.setdefault(table, []).extend(values(rows.batch()))
    assert {table: sorted(rows) for table, rows in found.items()} == {
        table: sorted(rows) for table, rows in wanted.items()
    }
