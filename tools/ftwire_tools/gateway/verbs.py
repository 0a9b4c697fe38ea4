"""Verbs: methods whose arguments are described well enough to be called with plain data.

A verb is declared once, as a method with annotated arguments::

    @verb
    def set_price(self, code: Code, price: Price) -> None:
        \"\"\"Hold a stock at a price.\"\"\"

Scripts and tests in Python call the method, other programs give its arguments as JSON. Both ways check the arguments
in the same way, and run it in the thread of the gateway's event loop.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, NamedTuple, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["Flag", "Number", "Parameter", "SteeringError", "Text", "Verb", "VerbGroup", "verb", "verbs_of"]

P = ParamSpec("P")
R = TypeVar("R")
_MARK: Final = "is_verb"


class SteeringError(ValueError):
    """A verb that cannot be carried out: unknown, with wrong arguments, or of no use for what the gateway answers from.

    Its text says what is wrong.
    """


class Number(NamedTuple):
    """A number: what it means, and between which limits it must be, both included."""

    about: str
    minimum: float
    maximum: float


class Text(NamedTuple):
    """A text: what it means, the most characters it may have, and which texts there are where not any is allowed."""

    about: str
    longest: int = 64
    choices: tuple[str, ...] = ()


class Flag(NamedTuple):
    """A choice between true and false: what it means."""

    about: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a verb."""

    name: str
    type: type
    """``str``, ``int``, ``float`` or ``bool``."""
    rule: Number | Text | Flag
    is_required: bool
    default: Any = None

    def checked(self, value: object) -> Any:
        """Return a value as this argument's type. Raises ``SteeringError``."""
        if value is None and not self.is_required and self.default is None:
            return None
        if isinstance(self.rule, Text):
            return self._text(value, self.rule)
        if isinstance(self.rule, Flag):
            if not isinstance(value, bool):
                raise SteeringError(f"{self.name} is true or false, not {_shown(value)}")
            return value
        return self._number(value, self.rule)

    def _text(self, value: object, rule: Text) -> str:
        if not isinstance(value, str):
            raise SteeringError(f"{self.name} is a text, not {_shown(value)}")
        if rule.choices and value not in rule.choices:
            raise SteeringError(f"{self.name} is one of {', '.join(rule.choices)}, not {_shown(value)}")
        if len(value) > rule.longest:
            raise SteeringError(f"{self.name} has at most {rule.longest} characters, not {len(value)}")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SteeringError(f"{self.name} holds half a character, which has no place in UTF-8") from None
        return value

    def _number(self, value: object, rule: Number) -> float:
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.type is int and not is_whole):
            kind = "a whole number" if self.type is int else "a number"
            raise SteeringError(f"{self.name} is {kind}, not {_shown(value)}")
        if not rule.minimum <= value <= rule.maximum:  # neither is a number that is none
            raise SteeringError(f"{self.name} is between {rule.minimum:g} and {rule.maximum:g}, not {_shown(value)}")
        return self.type(value)  # type: ignore[no-any-return]  # int or float

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        found: dict[str, Any] = {"description": self.rule.about}
        if isinstance(self.rule, Text):
            found |= {"type": "string", "maxLength": self.rule.longest}
            if self.rule.choices:
                found["enum"] = list(self.rule.choices)
        elif isinstance(self.rule, Flag):
            found["type"] = "boolean"
        else:
            found["type"] = "integer" if self.type is int else "number"
            found |= {"minimum": _plain(self.rule.minimum), "maximum": _plain(self.rule.maximum)}
        if not self.is_required:
            found["default"] = self.default
            if self.default is None:
                found["type"] = [found["type"], "null"]
        return found


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: what it is called, what it does, what it is given."""

    group: str
    """The thing that it is about, such as ``market``; empty for a verb of the gateway as a whole."""
    name: str
    about: str
    """What it does: its docstring."""
    parameters: tuple[Parameter, ...]

    @property
    def path(self) -> str:
        """Where it is found: ``market.set_price``, ``reset``."""
        return f"{self.group}.{self.name}" if self.group else self.name

    def checked(self, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Return all arguments, checked and completed. Raises ``SteeringError``."""
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := [name for name in arguments if name not in known]:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise SteeringError(f"{self.path} has no argument {_shown(unknown[0])}; {takes}")
        if lacking := [name for name, one in known.items() if one.is_required and name not in arguments]:
            raise SteeringError(f"{self.path} needs {', '.join(lacking)}")
        return {name: one.checked(arguments.get(name, one.default)) for name, one in known.items()}


class VerbGroup:
    """What verbs are methods of; ``run`` calls a function in the thread of the gateway's event loop."""

    group: ClassVar[str] = ""
    """What it is called: the first part of its verbs' paths."""

    def __init__(self, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._run: Final = run


def verb(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method of a ``VerbGroup`` a verb: its arguments are checked, and it runs in the gateway's thread."""
    signature = inspect.signature(method)

    @wraps(method)
    def call(*values: P.args, **named: P.kwargs) -> R:
        group: Any = values[0]
        try:
            bound = signature.bind(*values, **named).arguments
        except TypeError as error:
            raise SteeringError(f"{method.__name__}: {error}") from None
        bound.pop("self")
        checked = verbs_of(type(group))[method.__name__].checked(bound)
        found: R = group._run(lambda: method(group, **checked))
        return found

    setattr(call, _MARK, True)
    return call


_TABLES: Final[dict[type[VerbGroup], dict[str, Verb]]] = {}


def verbs_of(group: type[VerbGroup]) -> dict[str, Verb]:
    """Return the verbs of a class by name, in the order of their definition."""
    found = _TABLES.get(group)
    if found is None:
        found = _TABLES[group] = {
            name: Verb(group.group, name, inspect.cleandoc(function.__doc__ or ""), _parameters(function))
            for name, function in vars(group).items()
            if getattr(function, _MARK, False)
        }
    return found


def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    found: list[Parameter] = []
    for one in list(inspect.signature(function).parameters.values())[1:]:
        is_required = one.default is inspect.Parameter.empty
        hint, rule = _rule(hints[one.name])
        found.append(Parameter(one.name, hint, rule, is_required, None if is_required else one.default))
    return tuple(found)


def _rule(hint: Any) -> tuple[type, Number | Text | Flag]:
    """Return type and rule of an annotation ``Annotated[type, rule]``, or of one that may be ``None`` too."""
    if get_origin(hint) is not Annotated:
        (hint,) = [one for one in get_args(hint) if one is not NoneType]
    kind, rule = get_args(hint)
    return kind, rule


def _plain(limit: float) -> float | int:
    return int(limit) if math.isfinite(limit) and limit == int(limit) else limit


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
