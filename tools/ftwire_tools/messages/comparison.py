"""Two messages of one class, compared field by field.

Paths are written as the fields are called, lists with their index: ``s2c.rtList[3].price``. A pattern names the
same without indices, and may leave its beginning out: ``price`` is every field of that name, ``rtList.*`` all
that is in the points. Ignoring a field ignores what is in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.messages.descriptors import is_repeated, plain_value
from ftwire_tools.messages.masking import Hidden, MessageView

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["CONNECTION_BOUND", "Comparison", "Difference", "Tolerance", "parse_tolerance"]

CONNECTION_BOUND: Final = ("connID", "loginUserID", "userID", "packetID")
"""Fields that differ between any two connections."""

NUMBERS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10})
"""``FieldDescriptor.cpp_type`` of what may be a number; text and bytes are not."""

_STEP: Final = re.compile(r"\[\d+\]")
_TOLERANCE: Final = re.compile(r"(?:(?P<path>[^=]+)=)?(?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)(?P<unit>%?)")


class Difference(NamedTuple):
    """One place where two messages are not the same."""

    path: str
    expected: Any
    """As JSON has it; ``None`` where there is nothing. A length where ``is_length``."""
    actual: Any
    is_length: bool = False
    """The two are lists of different length."""

    def __str__(self) -> str:
        if self.is_length:
            return f"{self.path}: {self.expected} items -> {self.actual} items"
        return f"{self.path}: {_shown(self.expected)} -> {_shown(self.actual)}"


class Tolerance(NamedTuple):
    """How far two numbers may be apart to count as equal."""

    pattern: re.Pattern[str] | None
    """Which fields it holds for, all if ``None``."""
    absolute: float
    relative: float

    def allows(self, expected: float, actual: float) -> bool:
        """Return whether two numbers are close enough."""
        return math.isclose(expected, actual, abs_tol=self.absolute, rel_tol=self.relative)


def parse_tolerance(text: str) -> Tolerance:
    """Read ``0.01``, ``0.5%``, ``price=0.01`` or ``s2c.rtList.volume=1%``. Raises ``ValueError``."""
    found = _TOLERANCE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no tolerance: NUMBER, NUMBER%, or PATH=NUMBER")
    number = float(found["number"])
    relative = number / 100 if found["unit"] else 0.0
    pattern = None if found["path"] is None else _pattern(found["path"])
    return Tolerance(pattern, 0.0 if found["unit"] else number, relative)


class Comparison:
    """Compares messages, with fields to ignore and tolerances for numbers."""

    def __init__(
        self,
        *,
        ignore: Sequence[str] = CONNECTION_BOUND,
        tolerances: Sequence[Tolerance] = (),
        show_secrets: bool = False,
    ) -> None:
        self._ignore: Final = [_pattern(path) for path in ignore]
        self._tolerances: Final = tolerances
        self._show_secrets: Final = show_secrets
        # What holds for a path without its indices holds for every point of a list.
        self._ignored: Final[dict[str, bool]] = {}
        self._allowed: Final[dict[str, list[Tolerance]]] = {}

    def differences(self, expected: Any, actual: Any) -> Iterator[Difference]:
        """Give what differs, in the order of the fields."""
        before, now = (MessageView(message, show_secrets=self._show_secrets) for message in (expected, actual))
        return self._messages(before, now, "", "")

    def _messages(self, expected: MessageView, actual: MessageView, path: str, plain: str) -> Iterator[Difference]:
        for field in expected.descriptor.fields:
            name = field.name
            here = f"{plain}.{name}" if plain else name
            if self._is_ignored(here):
                continue
            where = f"{path}.{name}" if path else name
            before, now = expected.get(name), actual.get(name)
            if is_repeated(field):
                yield from self._lists(field, before, now, where, here)
            elif before is not None and now is not None:
                yield from self._values(field, before, now, where, here)
            elif before is not None or now is not None:
                yield Difference(where, _plain(field, before), _plain(field, now))

    def _lists(self, field: FieldDescriptor, expected: Any, actual: Any, path: str, plain: str) -> Iterator[Difference]:
        if len(expected) != len(actual):
            yield Difference(path, len(expected), len(actual), is_length=True)
        for index, (before, now) in enumerate(zip(expected, actual, strict=False)):
            yield from self._values(field, before, now, f"{path}[{index}]", plain)

    def _values(
        self, field: FieldDescriptor, expected: Any, actual: Any, path: str, plain: str
    ) -> Iterator[Difference]:
        if field.message_type is not None:
            yield from self._messages(expected, actual, path, plain)
        elif expected != actual and not self._is_close(field, expected, actual, plain):
            yield Difference(path, _plain(field, expected), _plain(field, actual))

    def _is_close(self, field: FieldDescriptor, expected: Any, actual: Any, plain: str) -> bool:
        if field.cpp_type not in NUMBERS or isinstance(expected, str | bytes | bool):
            return False
        if expected != expected and actual != actual:  # NaN is not equal to itself
            return True
        allowed = self._allowed.get(plain)
        if allowed is None:
            allowed = self._allowed[plain] = [
                tolerance
                for tolerance in self._tolerances
                if tolerance.pattern is None or tolerance.pattern.fullmatch(plain)
            ]
        return any(tolerance.allows(expected, actual) for tolerance in allowed)

    def _is_ignored(self, plain: str) -> bool:
        found = self._ignored.get(plain)
        if found is None:
            found = self._ignored[plain] = any(pattern.fullmatch(plain) for pattern in self._ignore)
        return found


def _plain(field: FieldDescriptor, value: Any) -> Any:
    """Return a value as JSON has it, a message in short."""
    if value is None or isinstance(value, Hidden):
        return value
    return "{...}" if isinstance(value, MessageView) else plain_value(field, value)


def _pattern(path: str) -> re.Pattern[str]:
    """Return what matches paths without indices; ``*`` is any field, ``**`` any number of them."""
    bare = _STEP.sub("", path.strip())
    if not bare:
        raise ValueError("an empty path names nothing")
    parts = [{"**": r".*", "*": r"[^.]*"}.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", bare)]
    return re.compile(rf"(?:.*\.)?{''.join(parts)}")


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    # 64-bit integers are text in JSON; numbers need no quotes.
    return repr(value) if isinstance(value, str) and not value.lstrip("-").isdecimal() else str(value)
