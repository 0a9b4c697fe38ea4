"""From an expression to a function of a frame.

Every condition becomes one function of a frame. Conditions on the header read the header alone, and come first in
``and`` and ``or``, so that few bodies are read. A second function is for bytes in no frame and the like: it takes their
conversation and time, and returns ``None`` where these do not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.frame import Kind
from ftwire_tools.captures.request_numbers import RequestNumbers
from ftwire_tools.filters.body_conditions import BodyConditions
from ftwire_tools.filters.body_paths import BodyPath
from ftwire_tools.filters.conditions import Test, literals_of
from ftwire_tools.filters.expression import And, Comparison, Expression, IsIn, Not, Or, simplified, text_of
from ftwire_tools.filters.filter_text import FilterText
from ftwire_tools.filters.header_conditions import HeaderConditions
from ftwire_tools.filters.header_fields import ALIASES, HEADER_FIELDS, codes_of
from ftwire_tools.messages.securities import security_finder

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.protocols import Protocol, Registry

__all__ = ["MAX_DEPTH", "MOST_CODES", "Filter"]

MAX_DEPTH: Final = 100
"""Levels of nesting in a filter."""
MOST_CODES: Final = 10_000
"""Securities that are remembered for suggestions."""

PlaceTest = Callable[[Any], bool | None]
"""Takes a ``_Place``; returns ``None`` where the condition is on something that only a frame has."""

_ON_WIRE: Final = frozenset({"body_length", "encryption"})


class _Place(NamedTuple):
    """What is known of bytes in no frame, and of other things that are none."""

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
    """Decides which frames are shown (``matches``). Made by ``ftwire_tools.filters.parse``, or from an expression."""

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
        self._text: Final = FilterText(text if text is not None else str(self))
        self._of_header: Final = HeaderConditions(self._text, registry, self._codes)
        self._of_body: Final = BodyConditions(self._text, registry, show_secrets=show_secrets)
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
        """Whether conversation and time are not enough to decide; where they are, ``may_match`` is exact."""
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
            return self._of_header.test(condition, name, field)(push) if field.is_type else None

        return True if self.expression is None else simplified(self.expression, decide)

    @property
    def texts(self) -> tuple[str, ...] | None:
        """Texts of which every push that is shown has at least one in its protobuf bytes, whatever the letters' case.

        ``None`` where there are no such texts.
        """
        return None if self.expression is None else self._texts(self.expression)

    @property
    def needs_wire(self) -> bool:
        """Whether a condition is on the body as it was sent, so that the plain body is not enough to decide."""
        return self.expression is not None and not _ON_WIRE.isdisjoint(_names(self.expression))

    def forget(self, conversation: Conversation) -> None:
        """Take note that a conversation has ended."""
        if self._pairs is not None:
            self._pairs.forget(conversation)

    def _compile(self, expression: Expression, depth: int) -> _Compiled:
        if not depth:
            raise self._text.error(f"nested more than {MAX_DEPTH} levels deep", 0)
        if isinstance(expression, Not):
            inner = self._compile(expression.operand, depth - 1)
            return _negated(inner)
        if isinstance(expression, And | Or):
            parts = [self._compile(each, depth - 1) for each in expression.operands]
            return _joined(parts, is_and=isinstance(expression, And))
        name = ALIASES.get(expression.name, expression.name)
        field = HEADER_FIELDS.get(name)
        if field is None:
            return _Compiled(self._of_body.test(expression, name), _unknown, True)
        if name == "unanswered":
            self.needs_unanswered = True
            field = field._replace(read=self._is_unanswered)
        elif name == "request":
            self._pairs = self._pairs or RequestNumbers()
            field = field._replace(read=lambda _: self._request)
        test = self._of_header.test(expression, name, field)
        return _Compiled(test, test if field.is_place else _unknown, field.needs_body)

    def _is_unanswered(self, frame: DissectedFrame) -> bool:
        if self.unanswered is None:
            raise ValueError("unanswered is not known before the capture was read")
        return frame.number in self.unanswered

    def _codes(self, frame: Any) -> list[str]:
        names = codes_of(frame)
        if self.codes is not None and len(self.codes) < MOST_CODES:
            self.codes.update(names)
        return names

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
            ends = BodyPath(expression.name).ends(self._registry)
            if any(end.field.type != end.field.TYPE_STRING for end in ends):
                return None
        # Other signs may be written for bytes that are no UTF-8.
        return texts if all(map(str.isalnum, texts)) else None


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
