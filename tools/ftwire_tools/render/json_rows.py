"""``--json --table``: one JSON object a row; its keys are the frame's number and the columns of the table.

A body with several lists has a key ``list`` too, with the name of the row's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.render.jsonlines import dump_json
from ftwire_tools.render.table import tables_of

if TYPE_CHECKING:
    from ftwire_tools.render.frame_view import FrameView

__all__ = ["RowsRenderer"]


class RowsRenderer:
    """Rows of the lists in bodies; frames without a list give none."""

    def __init__(self, *, fields: tuple[tuple[str, ...], ...] = ()) -> None:
        self._fields: Final = fields

    def frame(self, view: FrameView) -> str:
        """Return the lines of one frame."""
        message = view.message
        if message is None:
            return ""
        tables = tables_of(message, fields=self._fields)
        lines = []
        for table in tables:
            # Of an order book's two sides a reader must know which is which.
            first = {"number": view.number} | ({"list": table.name} if len(tables) > 1 else {})
            lines += [dump_json(first | dict(zip(table.columns, row, strict=True))) for row in table.rows]
        return "".join(f"{line}\n" for line in lines)
