"""Conditions on what is known of a frame without its fields: header, place in the capture, exchange, securities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire import errors
from ftwire_tools.filters import literals
from ftwire_tools.filters.conditions import (
    OPERATORS,
    Test,
    end_test,
    flag,
    literals_of,
    not_among,
    time_test,
    value_test,
)
from ftwire_tools.filters.expression import Comparison, Literal, Matches, Pattern, Presence
from ftwire_tools.filters.header_fields import HeaderField, code_key, is_code
from ftwire_tools.filters.protocol_names import protocol_ids

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.protocols import Registry
    from ftwire_tools.filters.filter_text import FilterText

__all__ = ["HeaderConditions"]

_ERRORS: Final = tuple(name for name in errors.__all__ if name.endswith("Error"))
_GLOB: Final = frozenset("*?[")


class HeaderConditions:
    """Makes tests of conditions on ``HEADER_FIELDS``; ``codes`` returns the securities of a frame or a request."""

    def __init__(self, text: FilterText, registry: Registry, codes: Callable[[Any], list[str]]) -> None:
        self._text: Final = text
        self._registry: Final = registry
        self._codes: Final = codes

    def test(self, expression: Any, name: str, field: HeaderField) -> Test:
        """Return the test of a condition on the field of that name. Raises ``FilterError``."""
        read = field.read
        if field.type == "code":
            return self._of_code(expression)
        if isinstance(expression, Presence):
            if field.is_always_set:
                raise self._text.error(f"{name} is set in every frame: compare it with a value", expression.at)
            if field.type == "flag":
                return lambda frame: read(frame) is True
            return lambda frame: read(frame) is not None
        if field.type == "proto":
            return self._of_protocol(expression)
        if field.type == "end":
            for literal in () if isinstance(expression, Matches) else literals_of(expression):
                if literal.text.isdecimal():
                    raise self._text.error(f"expected HOST, HOST:PORT or :PORT; not {literal.text!r}", literal.at)
            return end_test(expression, read, self._text.searcher)
        if isinstance(expression, Matches):
            if field.type != "word":
                raise self._text.error(f"~ is for texts, and {name} is none", expression.at)
            search = self._text.searcher(expression.pattern)
            return lambda frame: (value := read(frame)) is not None and search(value)
        if isinstance(expression, Comparison) and field.type in ("word", "flag"):
            self._text.check_equality(expression)
        if field.type == "time":
            return self._of_time(expression, read)
        values = [self._value(name, field, each) for each in literals_of(expression)]
        return value_test(read, expression, values, is_always_set=field.is_always_set)

    def _value(self, name: str, field: HeaderField, literal: Literal) -> Any:
        text = literal.text
        if field.type == "word":
            words = _ERRORS if name == "error" else field.words
            folded = {word.casefold(): word for word in words}
            if words and text.casefold() not in folded:
                raise self._text.error(not_among(name, text, words), literal.at)
            return folded.get(text.casefold(), text)
        convert = {"number": literals.number, "size": literals.size, "duration": literals.duration, "flag": flag}
        return self._text.converted(convert[field.type], literal)

    def _of_time(self, expression: Any, read: Callable[[Any], int | None]) -> Test:
        tests: list[Test] = []
        name = expression.operator if isinstance(expression, Comparison) else "=="
        compare = OPERATORS[name]
        for literal in literals_of(expression):
            of_day = literals.time_of_day(literal.text)
            value = self._text.converted(literals.time, literal) if of_day is None else of_day
            tests.append(time_test(read, compare, value, of_day=of_day is not None))
        return tests[0] if len(tests) == 1 else lambda frame: any(test(frame) for test in tests)

    def _of_protocol(self, expression: Any) -> Test:
        registry = self._registry
        if isinstance(expression, Comparison):
            self._text.check_equality(expression)
        if isinstance(expression, Matches):
            ids = self._matching_protocols(expression.pattern)
        else:
            ids = frozenset()
            for literal in literals_of(expression):
                if _GLOB & set(literal.text):
                    raise self._text.error("a pattern is written with ~: proto ~ Qot_Get*", literal.at)
                ids |= self._text.converted(lambda text: protocol_ids([text], registry), literal, whole=True)
        if isinstance(expression, Comparison) and expression.operator == "!=":
            return lambda frame: (found := frame.observation.frame).proto_id not in ids and found.protocol is not None
        return lambda frame: frame.observation.frame.proto_id in ids

    def _matching_protocols(self, pattern: Pattern) -> frozenset[int]:
        search = self._text.searcher(pattern)
        found = frozenset(
            entry.proto_id for entry in self._registry if any(map(search, (entry.name, *entry.former_names)))
        )
        if not found and not pattern.is_regex:
            self._text.converted(lambda text: protocol_ids([text], self._registry), pattern, whole=True)
        if not found:
            raise self._text.error(f"no protocol's name matches {pattern.text!r}", pattern.at)
        return found

    def _of_code(self, expression: Any) -> Test:
        if isinstance(expression, Presence):
            return lambda frame: bool(self._codes(frame.frame)) or bool(self._codes(frame.request))
        if isinstance(expression, Matches):
            matches: Callable[[str], bool] = self._text.searcher(expression.pattern)
        else:
            if isinstance(expression, Comparison):
                self._text.check_equality(expression)
            wanted = [code_key(literal.text) for literal in literals_of(expression)]
            for literal in literals_of(expression):
                if "*" in literal.text:
                    raise self._text.error("a pattern is written with ~: code ~ US.*", literal.at)

            def matches(name: str) -> bool:
                return any(is_code(name, each) for each in wanted)

            if isinstance(expression, Comparison) and expression.operator == "!=":

                def differs(frame: DissectedFrame) -> bool:
                    names = [*self._codes(frame.frame), *self._codes(frame.request)]
                    return bool(names) and not any(map(matches, names))

                return differs
        # A reply often does not repeat the securities of its request.
        return lambda frame: (
            any(map(matches, self._codes(frame.frame))) or any(map(matches, self._codes(frame.request)))
        )
