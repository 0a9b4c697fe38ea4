"""The text of a filter expression, for errors that show the place in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ftwire_tools.filters import literals
from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.expression import Comparison, Literal, Pattern

__all__ = ["FilterText"]


class FilterText:
    """Reads the values of conditions; what does not fit is a ``FilterError`` with its place in the text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def error(self, problem: str, at: int) -> FilterError:
        """Return the error that something is wrong at a position."""
        return FilterError(problem, self._text, min(at, len(self._text)))

    def converted(self, convert: Callable[[str], Any], literal: Literal | Pattern, *, whole: bool = False) -> Any:
        """Return what a value means. ``whole``: the converter's error is a sentence, not what is expected.

        Raises ``FilterError`` where ``convert`` raises ``ValueError``.
        """
        try:
            return convert(literal.text)
        except ValueError as error:
            problem = str(error) if whole else f"expected {error}; not {literal.text!r}"
            if ".." in literal.text:
                problem += " (a range is two conditions: number >= 5 and number <= 8)"
            raise self.error(problem, literal.at) from None

    def searcher(self, pattern: Pattern) -> Callable[[str], bool]:
        """Return what searches texts for a pattern. Raises ``FilterError``."""
        try:
            return literals.searcher(pattern)
        except ValueError as error:
            raise self.error(f"expected {error}", pattern.at) from None

    def check_equality(self, expression: Comparison) -> None:
        """Raise ``FilterError`` for a comparison other than ``==`` and ``!=``."""
        if expression.operator not in ("==", "!="):
            raise self.error(f"{expression.name} has no order: only == and !=", expression.at)
