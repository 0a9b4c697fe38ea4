"""What is wrong with a filter expression, and where."""

from __future__ import annotations

from ftwire_tools.terminal.cells import cell_width

__all__ = ["FilterError"]


class FilterError(ValueError):
    """A filter expression that cannot be used; its text has the expression, with a caret under the place."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        """``at`` is the position in ``text``, from 0, where the problem is."""
        super().__init__(problem, text, at)
        self.problem = problem
        self.text = text
        self.column = at + 1
        """Character of the expression, from 1."""

    def __str__(self) -> str:
        # One line, whatever was typed: the caret belongs under the place.
        line = "".join(character if character.isprintable() else " " for character in self.text)
        pad = " " * cell_width(line[: self.column - 1])
        return f"{self.problem} (column {self.column})\n  {line}\n  {pad}^"
