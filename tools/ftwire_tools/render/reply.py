"""Replies and pushes of a live gateway as text: ``ftwire call``'s three forms."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from ftwire_tools.render.table import table_text, tables_of
from ftwire_tools.terminal.json_text import readable_json

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire_tools.messages.masking import MessageView
    from ftwire_tools.terminal.cells import Screen

__all__ = ["AnswerRenderer"]


class AnswerRenderer:
    """Writes frames: as an indented body, as one JSON object a line, or as a table."""

    def __init__(self, *, as_json: bool = False, table: bool = False, screen: Screen | None = None) -> None:
        """``screen`` is the terminal that rows of tables are cut to."""
        self._screen: Final = screen
        self._as_json: Final = as_json
        self._table: Final = table
        self._headed: tuple[str, ...] | None = None

    def frame(self, frame: Frame, message: MessageView, latency: int | None = None) -> str:
        """Return the text of a reply (with its ``latency`` in nanoseconds) or push that holds ``message``."""
        if self._table:
            text = self._rows(message)
            if text is not None:
                return text
        body = message.to_dict()
        if not self._as_json:
            return f"{readable_json(body, indent=2)}\n"
        protocol = frame.protocol
        line = {
            "time": str(time.time_ns()),
            "kind": frame.kind,
            "proto_id": frame.proto_id,
            "proto": None if protocol is None else protocol.name,
            "serial": frame.serial,
            "latency_ns": None if latency is None else str(latency),
            "body": body,
        }
        return f"{json.dumps(line)}\n"

    def _rows(self, message: MessageView) -> str | None:
        tables = tables_of(message)
        if not tables:
            return None
        text = ""
        for table in tables:
            if self._as_json:
                lead = {} if len(tables) == 1 else {"list": table.name}
                rows = (lead | dict(zip(table.columns, row, strict=True)) for row in table.rows)
                text += "".join(f"{json.dumps(row)}\n" for row in rows)
                continue
            head, _, rest = table_text(table, indent="", screen=self._screen).partition("\n")
            if len(tables) > 1:
                text += f"{table.name}\n"
            # A stream of pushes has its column names at the top and wherever they change.
            if len(tables) > 1 or self._headed != table.columns:
                text += f"{head}\n"
            self._headed = table.columns
            text += rest
        return text
