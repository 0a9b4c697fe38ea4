"""``--json --table``: one JSON object a row; its keys are the frame's number and the columns of the table.

A body with several lists has a key ``list`` too, with the name of the row's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.jsonlines import dump_json
from ftwire_tools.render.table import tables_of

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.errors import WireError

__all__ = ["RowsRenderer"]


class RowsRenderer:
    """Rows of the lists in bodies; frames without a list give none."""

    def __init__(self, *, fields: tuple[tuple[str, ...], ...] = (), show_secrets: bool = False) -> None:
        self._fields: Final = fields
        self._shows_secrets: Final = show_secrets

    def frame(self, dissected: DissectedFrame) -> tuple[str, WireError | None]:
        """Return the lines of one frame, and why its body cannot be had."""
        view = FrameView(dissected.frame, show_secrets=self._shows_secrets)
        message = view.message
        if message is None:
            return "", view.error
        tables = tables_of(message, fields=self._fields)
        lines = []
        for table in tables:
            # Of an order book's two sides a reader must know which is which.
            first = {"number": dissected.number} | ({"list": table.name} if len(tables) > 1 else {})
            lines += [dump_json(first | dict(zip(table.columns, row, strict=True))) for row in table.rows]
        return "".join(f"{line}\n" for line in lines), view.error
