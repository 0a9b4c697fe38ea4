"""From captures to typed columns: ``ftwire export``, and the same as a library.

::

    from ftwire_tools.export import tables

    for table, batch in tables(["session.pcap"]):
        ...  # table is a name such as "time_share", batch a pyarrow.RecordBatch

The modules, in the order in which a capture passes them::

    store            files and directories, here or anywhere that fsspec can open
    frame_columns    observations of a capture, collected by message class; what cannot be decoded
    types            a message class as an Arrow type
    convert          bodies of one class to an Arrow array
    layout           which tables a message class fills
    flatten          nested columns to flat ones; names, codes and instants beside numbers and texts
    rows             an array of messages to the rows of their tables
    row_sets         rows before their columns are made: each is repeated and put in order once
    request_columns  what rows of a reply show of its request
    sdk_columns      rows in the columns of the vendor's Python SDK
    table_builder    collected frames to batches of all tables
    ahead            an iterator in a thread of its own
    pipeline         a capture to batches of all tables, in bounded memory
    column_facts     what columns hold, in which unit, and which are never null
    formats          batches to Parquet, Arrow, CSV or JSON lines
    manifest         what became of each input, so that it is not exported twice
    lock             one export at a time in a directory
    task             one input to its files: all of them or none
    engines          tasks in this process, in several, on a Ray or Dask cluster
    progress_report  how far an export is, on a terminal
    runner           a whole export: inputs, engine, outcomes
    compaction       many small files to few
    stored           tables of an export read again
    database         all tables in one DuckDB file

The extra ``export`` installs what it needs: pyarrow; ptars, for speed, on CPython.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ftwire_tools.export.pipeline import TableBatch, tables

__all__ = ["TableBatch", "tables"]

_HOME: Final = {"TableBatch": "pipeline", "tables": "pipeline"}


def __getattr__(name: str) -> Any:
    # Arrow takes 100 ms to import, and help texts must be printed without it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ModuleNotFoundError(
            "ftwire_tools.export needs the package \"pyarrow\": pip install 'ftwire[export]'", name="pyarrow"
        ) from None
