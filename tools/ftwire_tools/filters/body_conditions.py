"""Conditions on the fields of bodies, whatever class a body has."""

from __future__ import annotations

import struct
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.filters import literals
from ftwire_tools.filters.body_paths import BodyPath, known_paths
from ftwire_tools.filters.conditions import (
    MOST_NAMED,
    OPERATORS,
    Test,
    flag,
    is_integer,
    literals_of,
    not_among,
    same,
    text_value,
)
from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.expression import Comparison, IsIn, Literal, Matches, Presence
from ftwire_tools.filters.header_fields import ALIASES, HEADER_FIELDS, WIRESHARK_NAMES
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.enums import enum_names, enum_number
from ftwire_tools.messages.sensitive_fields import is_secret

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.capture import DissectedFrame
    from ftwire.protocols import Registry
    from ftwire_tools.filters.body_paths import PathEnd
    from ftwire_tools.filters.filter_text import FilterText

__all__ = ["BodyConditions"]

_MAX_PATH: Final = 200


class BodyConditions:
    """Makes tests of conditions on field paths; those that are hidden take ``show_secrets``."""

    def __init__(self, text: FilterText, registry: Registry, *, show_secrets: bool) -> None:
        self._text: Final = text
        self._registry: Final = registry
        self._shows_secrets: Final = show_secrets

    def test(self, expression: Any, name: str) -> Test:
        """Return the test of a condition on the field path ``name``. Raises ``FilterError``."""
        if len(name) > _MAX_PATH:
            raise self._text.error(f"a name has at most {_MAX_PATH} characters", expression.at)
        path = BodyPath(name)
        ends = path.ends(self._registry)
        if not ends:
            raise self._text.error(self._unknown_name(expression.name), expression.at)
        if isinstance(expression, Presence):
            is_flag = all(end.field.cpp_type == end.field.CPPTYPE_BOOL for end in ends)
            if is_flag:
                return lambda frame: True in path.values(frame.frame)[1]
            return lambda frame: bool(path.values(frame.frame)[1])
        if not self._shows_secrets and any(is_secret(end.field) for end in ends):
            raise self._text.error(
                f"{expression.name} is hidden, and a filter on it would tell its value (--show-secrets)", expression.at
            )
        self._check_ends(expression, ends)
        tests: dict[type[Message], Callable[[list[Any]], bool] | None] = {}

        def test(frame: DissectedFrame) -> bool:
            message_class, values = path.values(frame.frame)
            if message_class is None or not values:
                return False
            try:
                found = tests[message_class]
            except KeyError:
                found = tests[message_class] = self._values_test(expression, path, message_class)
            return found is not None and found(values)

        return test

    def _check_ends(self, expression: Any, ends: list[PathEnd]) -> None:
        """Raise ``FilterError`` for a value that fits the field in messages of no class."""
        problem: FilterError | None = None
        seen: set[tuple[Any, ...]] = set()
        for end in ends:
            names = enum_names(end.field)
            kind = (end.field.cpp_type, end.field.type, None if names is None else tuple(names.items()))
            if kind in seen:
                continue
            seen.add(kind)
            try:
                self._field_test(expression, end.field)
            except FilterError as error:
                problem = problem or error
            else:
                return
        if problem is not None:
            raise problem

    def _values_test(
        self, expression: Any, path: BodyPath, message_class: type[Message]
    ) -> Callable[[list[Any]], bool] | None:
        end = path.end_in(descriptor_of(message_class))
        try:
            return None if end is None else self._field_test(expression, end.field)
        except FilterError:
            # The same path has a value of another type in messages of this class.
            return None

    def _field_test(self, expression: Any, field: FieldDescriptor) -> Callable[[list[Any]], bool]:
        """Return a condition on the values of a field. Raises ``FilterError`` where the value does not fit it."""
        name = expression.name
        if field.message_type is not None:
            inner = ", ".join(each.name for each in list(field.message_type.fields)[:MOST_NAMED])
            raise self._text.error(f"{name} has fields of its own, name one of them: {inner}", expression.at)
        if field.type == field.TYPE_BYTES:
            raise self._text.error(f"{name} holds bytes, which cannot be compared", expression.at)
        is_text = field.cpp_type == field.CPPTYPE_STRING
        if isinstance(expression, Matches):
            search, names = self._text.searcher(expression.pattern), enum_names(field)
            if names is not None:
                numbers = {number for number, text in names.items() if search(text)}
                return lambda values: any(value in numbers for value in values)
            if not is_text:
                raise self._text.error(f"~ is for texts, and {name} is none", expression.at)
            return lambda values: any(search(text_value(value)) for value in values)
        if isinstance(expression, Comparison):
            is_name = enum_names(field) is not None and not is_integer(expression.value.text)
            if is_name or field.cpp_type == field.CPPTYPE_BOOL:
                self._text.check_equality(expression)
        wanted = [self._field_value(field, name, each) for each in literals_of(expression)]
        clean: Callable[[Any], Any] = text_value if is_text else same
        if isinstance(expression, IsIn):
            return lambda values: any(clean(value) in wanted for value in values)
        compare, (value,) = OPERATORS[expression.operator], wanted
        if expression.operator == "!=":
            return lambda values: all(clean(each) != value for each in values)
        return lambda values: any(compare(clean(each), value) for each in values)

    def _field_value(self, field: FieldDescriptor, name: str, literal: Literal) -> Any:
        if field.cpp_type == field.CPPTYPE_STRING:
            return literal.text
        if field.cpp_type == field.CPPTYPE_BOOL:
            return self._text.converted(flag, literal)
        names = enum_names(field)
        if names is not None and not is_integer(literal.text):
            number = enum_number(names, literal.text)
            if number is None:
                raise self._text.error(not_among(name, literal.text, list(names.values())), literal.at)
            return number
        value = self._text.converted(literals.number, literal)
        if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
            try:
                value = float(value)
                return (
                    value if field.cpp_type == field.CPPTYPE_DOUBLE else struct.unpack("f", struct.pack("f", value))[0]
                )
            except OverflowError:
                raise self._text.error("expected a number that a field can hold", literal.at) from None
        return value

    def _unknown_name(self, name: str) -> str:
        own = {each.casefold(): each for each in (*HEADER_FIELDS, *ALIASES)}
        near = [own[each] for each in get_close_matches(name.casefold(), own, n=2, cutoff=0.6)]
        start, dot, rest = name.partition(".")
        is_prefixed = bool(dot) and start in ("s2c", "c2s")
        paths = known_paths(self._registry)
        bare = rest if is_prefixed else name
        # A path that ends in this name, or one that is nearly it.
        last = f".{bare.rpartition('.')[2]}"
        ends = sorted((path for path in paths if path.endswith(last)), key=lambda path: (len(path), path))
        found = [*near, *get_close_matches(bare, paths, n=2, cutoff=0.75), *ends[:2]]
        likely = list(dict.fromkeys(f"{start}.{each}" if is_prefixed and each in paths else each for each in found))
        likely = [*WIRESHARK_NAMES.get(name, likely)]
        hint = f"; did you mean {' or '.join(likely[:3])}?" if likely else ""
        return f"there is no field {name!r}{hint}"
