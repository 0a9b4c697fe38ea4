"""Filter expressions as values: what the grammar makes of a text, and the text of such a value.

``text_of`` and the grammar are inverse: what is printed is parsed to an equal expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = [
    "BARE_WORD",
    "And",
    "Comparison",
    "Expression",
    "IsIn",
    "Literal",
    "Matches",
    "Not",
    "Or",
    "Pattern",
    "Presence",
    "simplified",
    "text_of",
]

BARE_WORD: Final = r"""[^\s(){}"',&|=<>~]+"""
"""A value that needs no quotes."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written, without its quotes; what it means depends on the field it is compared with."""

    text: str
    at: int = field(default=0, compare=False)
    """Position in the text of the filter."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a value is matched with: a glob, or a regular expression."""

    text: str
    is_regex: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Presence:
    """A field alone: it is set; of a field that is true or false: it is true."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a value."""

    name: str
    operator: str
    """``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``."""
    value: Literal
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Matches:
    """A field matched with a pattern."""

    name: str
    pattern: Pattern
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class IsIn:
    """A field that has one of several values."""

    name: str
    values: tuple[Literal, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of two or more."""

    operands: tuple[Expression, ...]


Expression: TypeAlias = Presence | Comparison | Matches | IsIn | Not | And | Or


def text_of(expression: Expression) -> str:
    """Return the expression as text, with the parentheses it needs."""
    if isinstance(expression, Presence):
        return expression.name
    if isinstance(expression, Comparison):
        return f"{expression.name} {expression.operator} {_value(expression.value.text)}"
    if isinstance(expression, Matches):
        return f"{expression.name} ~ {_pattern(expression.pattern)}"
    if isinstance(expression, IsIn):
        return f"{expression.name} in {{{', '.join(_value(value.text) for value in expression.values)}}}"
    if isinstance(expression, Not):
        inner = text_of(expression.operand)
        return f"not ({inner})" if isinstance(expression.operand, And | Or) else f"not {inner}"
    if isinstance(expression, And):
        return " and ".join(_within(each, And | Or) for each in expression.operands)
    return " or ".join(_within(each, Or) for each in expression.operands)


def simplified(expression: Expression, decide: Callable[[Expression], bool | None]) -> Expression | bool:
    """Return what is left of an expression; a boolean where nothing is.

    ``decide`` takes a condition and returns what it is, ``None`` where that is not known.
    """
    if isinstance(expression, Not):
        inner = simplified(expression.operand, decide)
        return not inner if isinstance(inner, bool) else Not(inner)
    if isinstance(expression, And | Or):
        deciding = isinstance(expression, Or)
        parts = [simplified(each, decide) for each in expression.operands]
        if deciding in parts:
            return deciding
        left = tuple(each for each in parts if not isinstance(each, bool))
        if len(left) > 1:
            return type(expression)(left)
        return left[0] if left else not deciding
    found = decide(expression)
    return expression if found is None else found


def _within(expression: Expression, looser: object) -> str:
    text = text_of(expression)
    return f"({text})" if isinstance(expression, looser) else text  # type: ignore[arg-type]  # a union of classes


def _value(text: str) -> str:
    if re.fullmatch(BARE_WORD, text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(pattern: Pattern) -> str:
    if pattern.is_regex:
        return f"/{pattern.text}/"
    # A glob that begins with a slash would be read as a regular expression.
    return f'"{pattern.text}"' if re.fullmatch(r"/[^\"\\]*", pattern.text) else _value(pattern.text)
