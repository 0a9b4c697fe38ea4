"""``--json --table``: one JSON object a row, its keys the frame's number and the columns of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.render.jsonlines import dump_json
from ftwire_tools.render.table import table_of

if TYPE_CHECKING:
    from ftwire_tools.sighting import Sighting

__all__ = ["RowsRenderer"]


class RowsRenderer:
    """Rows of the lists in bodies; frames without a list give none."""

    def __init__(self, *, fields: tuple[tuple[str, ...], ...] = (), show_secrets: bool = False) -> None:
        self._fields: Final = fields
        self._show_secrets: Final = show_secrets

    def frame(self, sighting: Sighting) -> str:
        """Return the lines of one frame."""
        message = sighting.message
        table = None if message is None else table_of(message, show_secrets=self._show_secrets, fields=self._fields)
        if table is None:
            return ""
        columns = ("number", *table.columns)
        rows = (dict(zip(columns, (sighting.number, *row), strict=True)) for row in table.rows)
        return "".join(f"{dump_json(row)}\n" for row in rows)
