"""A line a frame, and under it what else was asked for: its fields, its table, its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.hexdump import hexdump_of
from ftwire_tools.render.table import table_text, tables_of
from ftwire_tools.render.tree import tree_of

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.errors import WireError
    from ftwire_tools.render.line import LineRenderer
    from ftwire_tools.terminal.cells import Screen

__all__ = ["DetailRenderer"]

HEX_WIDTH: Final = 78
"""Columns of a line of bytes: 8 of the offset, 2, 48 of the bytes, 2, 18 of the text."""


class DetailRenderer:
    """Several ways to show a frame, one after the other."""

    def __init__(
        self,
        lines: LineRenderer,
        *,
        tree: bool = False,
        with_hex: bool = False,
        table: bool = False,
        fields: tuple[tuple[str, ...], ...] = (),
        show_secrets: bool = False,
        screen: Screen | None = None,
    ) -> None:
        """``screen`` is the terminal that rows of tables are cut to and bytes have to fit."""
        self._lines: Final = lines
        self._tree: Final = tree
        self._with_hex: Final = with_hex
        self._table: Final = table
        self._fields: Final = fields
        self._shows_secrets: Final = show_secrets
        self._screen: Final = screen
        self._indent: Final = " " * (7 if screen is None or screen.columns >= HEX_WIDTH + 7 else 1)

    def frame(self, dissected: DissectedFrame) -> tuple[str, WireError | None]:
        """Return the text of one frame, and why its body cannot be had."""
        text, error = self._lines.frame(dissected)
        view = FrameView(dissected.frame, show_secrets=self._shows_secrets)
        if (self._tree or self._table) and (message := view.message) is not None:
            if self._tree:
                text += tree_of(message)
            if self._table:
                tables = tables_of(message, fields=self._fields)
                text += "".join(
                    (f"       {table.name}:\n" if len(tables) > 1 else "") + table_text(table, screen=self._screen)
                    for table in tables
                )
        if self._with_hex:
            text += hexdump_of(view, indent=self._indent)
        return text, error
