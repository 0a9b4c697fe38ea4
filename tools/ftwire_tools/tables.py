"""The rows of captures, or of what was exported of them, as one table of Arrow or pandas, in memory.

::

    from ftwire_tools.tables import to_pandas

    frame = to_pandas("session.pcapng", "time_share", columns="sdk")
    bars = to_pandas("tables", "kline_day_forward")

For captures that do not fit there, ``ftwire export`` writes the same tables to files, and
``ftwire_tools.export.tables`` returns them in batches. Needs the extra ``export``; ``to_pandas`` needs pandas too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["to_arrow", "to_pandas"]

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]
"""One capture or export, or several."""


def to_arrow(paths: Paths, table: str, *, keys: Sequence[RsaKey] = (), **options: Any) -> Any:
    """Return all rows of one table, e.g. ``time_share`` or ``ticker``, as a ``pyarrow.Table``.

    A path is a capture, or a directory of ``ftwire export``, of any release, whose rows come under today's names.
    ``keys`` and ``options`` are for captures: those of ``ftwire_tools.export.tables``, and so are the errors. Raises
    ``KeyError``, which names the tables that there are, where there is no row for this one, and ``ValueError`` for an
    export in another format than Parquet.
    """
    from ftwire_tools.export import tables
    from ftwire_tools.export.stored import is_export, stored_tables

    given = [fspath(path) for path in ([paths] if isinstance(paths, str | PathLike) else paths)]
    batches, names = [], set()
    for path in given:
        for found in stored_tables(path) if is_export(path) else tables([path], keys=keys, **options):
            names.add(found.table)
            if found.table == table:
                batches.append(found.batch)
    if not batches:
        raise KeyError(f"no rows of {table!r}; there are: {', '.join(sorted(names)) or 'none'}")
    import pyarrow

    return pyarrow.Table.from_batches(batches)


def to_pandas(paths: Paths, table: str, *, keys: Sequence[RsaKey] = (), **options: Any) -> Any:
    """Return all rows of one table as a pandas ``DataFrame``; arguments and errors are those of ``to_arrow``."""
    return to_arrow(paths, table, keys=keys, **options).to_pandas()
