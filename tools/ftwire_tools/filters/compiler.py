"""From an expression to a function of a frame.

Every condition becomes one function; those of the header read the header alone, and in ``and`` and ``or`` they are
asked first, so that few bodies are read. A second function, for what is no frame, knows a conversation and a time
alone and returns ``None`` where these do not decide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire import errors
from ftwire.frame import Kind
from ftwire.protocols import Registry
from ftwire_tools.captures.request_numbers import RequestNumbers
from ftwire_tools.filters import literals
from ftwire_tools.filters.body_paths import BodyPath, classes_of, known_paths
from ftwire_tools.filters.conditions import (
    MOST_NAMED,
    OPERATORS,
    Test,
    end_test,
    flag,
    is_integer,
    literals_of,
    not_among,
    same,
    text_value,
    time_test,
    value_test,
)
from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.expression import (
    And,
    Comparison,
    Expression,
    IsIn,
    Literal,
    Matches,
    Not,
    Or,
    Pattern,
    Presence,
    simplified,
    text_of,
)
from ftwire_tools.filters.header_fields import (
    ALIASES,
    HEADER_FIELDS,
    WIRESHARK_NAMES,
    HeaderField,
    code_key,
    codes_of,
    is_code,
)
from ftwire_tools.filters.protocol_names import protocol_ids
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.enums import enum_names, enum_number
from ftwire_tools.messages.securities import security_finder
from ftwire_tools.messages.sensitive_fields import is_secret

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.protocols import Protocol
    from ftwire_tools.filters.body_paths import PathEnd

__all__ = ["MAX_DEPTH", "MOST_CODES", "Filter"]

MAX_DEPTH: Final = 100
"""Levels of nesting in a filter."""
MOST_CODES: Final = 10_000
"""Securities that are remembered for suggestions."""

PlaceTest = Callable[[Any], bool | None]
"""Takes a ``_Place``; returns ``None`` where the condition is on something that only a frame has."""

_ERRORS: Final = tuple(name for name in errors.__all__ if name.endswith("Error"))
_ON_WIRE: Final = frozenset({"body_length", "encryption"})
_MAX_PATH: Final = 200
_GLOB: Final = frozenset("*?[")


class _Place(NamedTuple):
    """What is known of something that is no frame."""

    conversation: Conversation
    time: int


class _PushType:
    """Stands for all pushes of a protocol, as far as ``is_type`` fields of ``HEADER_FIELDS`` are read of them."""

    kind: Final = Kind.PUSH

    def __init__(self, protocol: Protocol) -> None:
        self.protocol: Final = protocol
        self.proto_id: Final = protocol.proto_id
        self.observation = self.frame = self


class _Compiled(NamedTuple):
    """What a part of an expression has become."""

    test: Test
    place: PlaceTest
    needs_body: bool


class Filter:
    """Which frames are shown: ``matches``. Made by ``ftwire_tools.filters.parse``, or of an expression."""

    def __init__(
        self, expression: Expression | None, *, registry: Registry, show_secrets: bool = False, text: str | None = None
    ) -> None:
        """``expression``: ``None`` for all frames; ``text`` is where its positions are, for errors.

        ``show_secrets`` allows conditions on fields that are hidden otherwise. Raises ``FilterError``.
        """
        self.expression: Final = expression
        self.unanswered: frozenset[int] | None = None
        """Numbers of the requests without a response, to be set before ``matches`` where ``needs_unanswered``."""
        self.needs_unanswered = False
        """Whether frames that come later decide: ``unanswered`` is in it."""
        self.codes: set[str] | None = None
        """Takes the securities that are found in bodies, if it is a set."""
        self._pairs: RequestNumbers | None = None
        self._request: int | None = None
        self._registry: Final = registry
        self._shows_secrets: Final = show_secrets
        self._text: Final = text if text is not None else "" if expression is None else text_of(expression)
        self.needs_body = False
        """Whether bodies are read. Where it is false, no body is ever touched."""
        if expression is None:
            self._test: Test = lambda _: True
            self._place: PlaceTest = lambda _: True
        else:
            self._test, self._place, self.needs_body = self._compile(expression, MAX_DEPTH)

    def __str__(self) -> str:
        return "" if self.expression is None else text_of(self.expression)

    def matches(self, frame: DissectedFrame) -> bool:
        """Return whether a frame is shown. All frames of a capture are to be passed, in their order."""
        if self._pairs is not None:
            self._request = self._pairs.add(frame)
        return self._test(frame)

    def may_match(self, conversation: Conversation, time: int) -> bool:
        """Return whether what is no frame is shown: bytes in no frame, for example.

        It is, unless its conversation and time rule it out.
        """
        return self._place(_Place(conversation, time)) is not False

    @property
    def needs_frame(self) -> bool:
        """Whether it takes the frame itself to decide: where it is false, ``may_match`` is exact."""
        names = () if self.expression is None else _names(self.expression)
        return any((field := HEADER_FIELDS.get(name)) is None or not field.is_place for name in names)

    def for_pushes(self, protocol: Protocol, message: Descriptor) -> Expression | bool:
        """Return what is left to decide of pushes of a protocol with bodies of one class that are in order.

        A boolean where they are all shown, or none is; otherwise the expression without those conditions that are
        decided: on the protocol, the kind, and fields that the class does not have.
        """
        push = _PushType(protocol)

        def decide(condition: Any) -> bool | None:
            name = ALIASES.get(condition.name, condition.name)
            field = HEADER_FIELDS.get(name)
            if field is None:
                return False if BodyPath(name).end_in(message) is None else None
            if name == "code" and security_finder(message) is None:
                return False
            return self._of_header(condition, name, field)(push) if field.is_type else None

        return True if self.expression is None else simplified(self.expression, decide)

    @property
    def texts(self) -> tuple[str, ...] | None:
        """Texts one of which, in capital or small letters, is in the bytes of every push in protobuf that is shown.

        ``None`` where that is not known of any.
        """
        return None if self.expression is None else self._texts(self.expression)

    @property
    def needs_wire(self) -> bool:
        """Whether it asks how a body was sent: it cannot be decided of the plain body then."""
        return self.expression is not None and not _ON_WIRE.isdisjoint(_names(self.expression))

    def forget(self, conversation: Conversation) -> None:
        """Take note that a conversation has ended."""
        if self._pairs is not None:
            self._pairs.forget(conversation)

    def _compile(self, expression: Expression, depth: int) -> _Compiled:
        if not depth:
            raise FilterError(f"nested more than {MAX_DEPTH} levels deep", self._text, 0)
        if isinstance(expression, Not):
            inner = self._compile(expression.operand, depth - 1)
            return _negated(inner)
        if isinstance(expression, And | Or):
            parts = [self._compile(each, depth - 1) for each in expression.operands]
            return _joined(parts, is_and=isinstance(expression, And))
        name = ALIASES.get(expression.name, expression.name)
        field = HEADER_FIELDS.get(name)
        if field is None:
            return self._of_body(expression, name)
        if name == "unanswered":
            self.needs_unanswered = True
            field = field._replace(read=self._is_unanswered)
        elif name == "request":
            self._pairs = self._pairs or RequestNumbers()
            field = field._replace(read=lambda _: self._request)
        test = self._of_header(expression, name, field)
        return _Compiled(test, test if field.is_place else _unknown, field.needs_body)

    def _is_unanswered(self, frame: DissectedFrame) -> bool:
        if self.unanswered is None:
            raise ValueError("unanswered is not known before the capture was read")
        return frame.number in self.unanswered

    # The header.

    def _of_header(self, expression: Any, name: str, field: HeaderField) -> Test:
        read = field.read
        if field.type == "code":
            return self._of_code(expression)
        if isinstance(expression, Presence):
            if field.is_always_set:
                raise self._error(f"{name} is set in every frame: compare it with a value", expression.at)
            if field.type == "flag":
                return lambda frame: read(frame) is True
            return lambda frame: read(frame) is not None
        if field.type == "proto":
            return self._of_protocol(expression)
        if field.type == "end":
            for literal in () if isinstance(expression, Matches) else literals_of(expression):
                if literal.text.isdecimal():
                    raise self._error(f"expected HOST, HOST:PORT or :PORT; not {literal.text!r}", literal.at)
            return end_test(expression, read, lambda pattern: self._searcher(pattern))
        if isinstance(expression, Matches):
            if field.type != "word":
                raise self._error(f"~ is for texts, and {name} is none", expression.at)
            search = self._searcher(expression.pattern)
            return lambda frame: (value := read(frame)) is not None and search(value)
        if isinstance(expression, Comparison) and field.type in ("word", "flag"):
            self._only_equality(expression)
        if field.type == "time":
            return self._of_time(expression, read)
        values = [self._header_value(name, field, each) for each in literals_of(expression)]
        return value_test(read, expression, values, is_always_set=field.is_always_set)

    def _header_value(self, name: str, field: HeaderField, literal: Literal) -> Any:
        text = literal.text
        if field.type == "word":
            words = _ERRORS if name == "error" else field.words
            folded = {word.casefold(): word for word in words}
            if words and text.casefold() not in folded:
                raise self._error(not_among(name, text, words), literal.at)
            return folded.get(text.casefold(), text)
        convert = {"number": literals.number, "size": literals.size, "duration": literals.duration, "flag": flag}
        return self._converted(convert[field.type], literal)

    def _of_time(self, expression: Any, read: Callable[[Any], int | None]) -> Test:
        tests: list[Test] = []
        name = expression.operator if isinstance(expression, Comparison) else "=="
        compare = OPERATORS[name]
        for literal in literals_of(expression):
            of_day = literals.time_of_day(literal.text)
            value = self._converted(literals.time, literal) if of_day is None else of_day
            tests.append(time_test(read, compare, value, of_day=of_day is not None))
        return tests[0] if len(tests) == 1 else lambda frame: any(test(frame) for test in tests)

    def _of_protocol(self, expression: Any) -> Test:
        registry = self._registry
        if isinstance(expression, Comparison):
            self._only_equality(expression)
        if isinstance(expression, Matches):
            ids = self._matching_protocols(expression.pattern)
        else:
            ids = frozenset()
            for literal in literals_of(expression):
                if _GLOB & set(literal.text):
                    raise self._error("a pattern is written with ~: proto ~ Qot_Get*", literal.at)
                ids |= self._converted(lambda text: protocol_ids([text], registry), literal, whole=True)
        if isinstance(expression, Comparison) and expression.operator == "!=":
            return lambda frame: (found := frame.observation.frame).proto_id not in ids and found.protocol is not None
        return lambda frame: frame.observation.frame.proto_id in ids

    def _matching_protocols(self, pattern: Pattern) -> frozenset[int]:
        search = self._searcher(pattern)
        found = frozenset(
            entry.proto_id for entry in self._registry if any(map(search, (entry.name, *entry.former_names)))
        )
        if not found and not pattern.is_regex:
            self._converted(lambda text: protocol_ids([text], self._registry), pattern, whole=True)
        if not found:
            raise self._error(f"no protocol's name matches {pattern.text!r}", pattern.at)
        return found

    def _of_code(self, expression: Any) -> Test:
        if isinstance(expression, Presence):
            return lambda frame: bool(self._codes(frame.frame)) or bool(self._codes(frame.request))
        if isinstance(expression, Matches):
            matches: Callable[[str], bool] = self._searcher(expression.pattern)
        else:
            if isinstance(expression, Comparison):
                self._only_equality(expression)
            wanted = [code_key(literal.text) for literal in literals_of(expression)]
            for literal in literals_of(expression):
                if "*" in literal.text:
                    raise self._error("a pattern is written with ~: code ~ US.*", literal.at)

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

    def _codes(self, frame: Any) -> list[str]:
        names = codes_of(frame)
        if self.codes is not None and len(self.codes) < MOST_CODES:
            self.codes.update(names)
        return names

    # Bodies.

    def _of_body(self, expression: Any, name: str) -> _Compiled:
        if len(name) > _MAX_PATH:
            raise self._error(f"a name has at most {_MAX_PATH} characters", expression.at)
        path = BodyPath(name)
        ends = [end for each in classes_of(self._registry) if (end := path.end_in(each)) is not None]
        if not ends:
            raise self._error(self._unknown_name(expression.name), expression.at)
        if isinstance(expression, Presence):
            is_flag = all(end.field.cpp_type == end.field.CPPTYPE_BOOL for end in ends)
            if is_flag:
                return _Compiled(lambda frame: True in path.values(frame.frame)[1], _unknown, True)
            return _Compiled(lambda frame: bool(path.values(frame.frame)[1]), _unknown, True)
        if not self._shows_secrets and any(is_secret(end.field) for end in ends):
            raise self._error(
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

        return _Compiled(test, _unknown, True)

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
            raise self._error(f"{name} has fields of its own, name one of them: {inner}", expression.at)
        if field.type == field.TYPE_BYTES:
            raise self._error(f"{name} holds bytes, which cannot be compared", expression.at)
        is_text = field.cpp_type == field.CPPTYPE_STRING
        if isinstance(expression, Matches):
            search, names = self._searcher(expression.pattern), enum_names(field)
            if names is not None:
                numbers = {number for number, text in names.items() if search(text)}
                return lambda values: any(value in numbers for value in values)
            if not is_text:
                raise self._error(f"~ is for texts, and {name} is none", expression.at)
            return lambda values: any(search(text_value(value)) for value in values)
        if isinstance(expression, Comparison):
            is_name = enum_names(field) is not None and not is_integer(expression.value.text)
            if is_name or field.cpp_type == field.CPPTYPE_BOOL:
                self._only_equality(expression)
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
            return self._converted(flag, literal)
        names = enum_names(field)
        if names is not None and not is_integer(literal.text):
            number = enum_number(names, literal.text)
            if number is None:
                raise self._error(not_among(name, literal.text, list(names.values())), literal.at)
            return number
        value = self._converted(literals.number, literal)
        if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
            try:
                value = float(value)
                return (
                    value if field.cpp_type == field.CPPTYPE_DOUBLE else struct.unpack("f", struct.pack("f", value))[0]
                )
            except OverflowError:
                raise self._error("a number that a field can hold", literal.at) from None
        return value

    def _texts(self, expression: Expression) -> tuple[str, ...] | None:
        if isinstance(expression, And):
            return next((found for each in expression.operands if (found := self._texts(each)) is not None), None)
        if isinstance(expression, Or):
            parts = [self._texts(each) for each in expression.operands]
            return None if None in parts else tuple(text for part in parts for text in part or ())
        if not (isinstance(expression, IsIn) or (isinstance(expression, Comparison) and expression.operator == "==")):
            return None
        texts = tuple(literal.text for literal in literals_of(expression))
        if expression.name == "code":
            texts = tuple(text.rpartition(".")[2] for text in texts)
        elif expression.name in HEADER_FIELDS or expression.name in ALIASES:
            return None
        else:
            path = BodyPath(expression.name)
            ends = [end for each in classes_of(self._registry) if (end := path.end_in(each)) is not None]
            if any(end.field.type != end.field.TYPE_STRING for end in ends):
                return None
        # Other signs may be written for bytes that are no UTF-8.
        return texts if all(map(str.isalnum, texts)) else None

    # Errors.

    def _error(self, problem: str, at: int) -> FilterError:
        return FilterError(problem, self._text, min(at, len(self._text)))

    def _converted(self, convert: Callable[[str], Any], literal: Literal | Pattern, *, whole: bool = False) -> Any:
        """Return what a value means. ``whole``: the converter's error is a sentence, not what is expected."""
        try:
            return convert(literal.text)
        except ValueError as error:
            problem = str(error) if whole else f"expected {error}; not {literal.text!r}"
            if ".." in literal.text:
                problem += " (a range is two conditions: number >= 5 and number <= 8)"
            raise self._error(problem, literal.at) from None

    def _searcher(self, pattern: Pattern) -> Callable[[str], bool]:
        try:
            return literals.searcher(pattern)
        except ValueError as error:
            raise self._error(f"expected {error}", pattern.at) from None

    def _only_equality(self, expression: Comparison) -> None:
        if expression.operator not in ("==", "!="):
            raise self._error(f"{expression.name} has no order: only == and !=", expression.at)

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


def _unknown(_: Any) -> None:
    return None


def _negated(inner: _Compiled) -> _Compiled:
    test, place = inner.test, inner.place

    def not_place(of: Any) -> bool | None:
        found = place(of)
        return None if found is None else not found

    return _Compiled(lambda frame: not test(frame), not_place, inner.needs_body)


def _joined(parts: list[_Compiled], *, is_and: bool) -> _Compiled:
    tests = [part.test for part in sorted(parts, key=lambda part: part.needs_body)]
    places = [part.place for part in parts]

    def place(of: Any) -> bool | None:
        found = [each(of) for each in places]
        if (not is_and) in found:
            return not is_and
        return None if None in found else is_and

    test: Test
    if len(tests) == 2:
        # The usual number, and for each frame a generator would take longer than both tests.
        first, second = tests
        test = (
            (lambda frame: first(frame) and second(frame)) if is_and else (lambda frame: first(frame) or second(frame))
        )
    elif is_and:
        test = lambda frame: all(each(frame) for each in tests)  # noqa: E731 - one of several
    else:
        test = lambda frame: any(each(frame) for each in tests)  # noqa: E731
    return _Compiled(test, place, any(part.needs_body for part in parts))


def _names(expression: Expression) -> Iterator[str]:
    """Return the names in an expression, those of ``ALIASES`` replaced."""
    if isinstance(expression, Not):
        yield from _names(expression.operand)
    elif isinstance(expression, And | Or):
        for each in expression.operands:
            yield from _names(each)
    else:
        yield ALIASES.get(expression.name, expression.name)
