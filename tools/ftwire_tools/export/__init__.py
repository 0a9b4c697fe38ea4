"""From captures to typed columns: ``ftwire export``, and the same as a library.

::

    from ftwire_tools.export import tables

    for table, batch in tables(["session.pcap"]):
        ...  # table is a name such as "time_share", batch a pyarrow.RecordBatch

A map, in the order of the work::

    layout    which tables a message class fills
    types     a message class as an Arrow type
    convert   bodies -> Arrow, by ptars or by our own converter
    zones     exchange-local times -> instants
    flatten   nested columns -> flat ones, with names, codes and instants beside numbers and texts
    rows      one batch of messages of a class -> rows of its tables
    sift      observations of a capture -> what becomes rows, and faults
    gather    what was sifted -> batches of all tables
    collect   a capture -> batches of all tables, in bounded memory
    store     where files go: a directory, or anything fsspec knows
    formats   Parquet, Arrow, CSV, JSON lines
    task      one input -> its files, whole or not at all
    manifest  what was done, so that it need not be done again
    report    how far it has come
    spool     what was sifted, written down where a capture is split
    steps     one input in steps that several processes can take
    work      these steps, done
    agenda    which steps are next
    engines   tasks on one core or on all of them; on_ray, on_dask: on a cluster
    runner    a whole export
    database  all of it into one DuckDB file

Needs the extra ``export``: pyarrow, and ptars for speed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ftwire_tools.export.pipeline import TableBatch, tables

__all__ = ["TableBatch", "tables"]

_HOME: Final = {"TableBatch": "pipeline", "tables": "pipeline"}


def __getattr__(name: str) -> Any:
    # The command line asks for help texts without pyarrow, and Arrow costs 100 ms to import.
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
