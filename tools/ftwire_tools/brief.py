"""What a frame says, in a few words, without a message of its body: what ``ftwire_tools.facts`` says of that.

This goes for protocols whose facts are a security, scalars and how long lists are, as those of most pushes.
"""

from __future__ import annotations

from collections.abc import Callable
from string import Template
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ftwire
from ftwire.picker import Picker
from ftwire_tools.descriptors import descriptor_of, is_repeated
from ftwire_tools.enums import enum_names
from ftwire_tools.facts import MAX_FACTS, MAX_TEXT, PRICES, SECURITY, payload_of, says_inner, scalar_sayer
from ftwire_tools.mask import is_secret
from ftwire_tools.securities import QOT_PREFIXES, may_name_securities, security_name

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["brief_of"]

PickedSayer = Callable[[Any, tuple[Any, ...]], "str | None"]
"""Says the value of one field; takes it and all that was picked."""


# Expressions for most values, see _Fact.
_COUNT: Final = Template("f'{$name}[{$value}]'")
_ITEMS: Final = Template("$value != 1 and f'{$name}[{$value}]'")
_TEXT: Final = Template(f"len($value) <= {MAX_TEXT} and $value.isalnum() and f'{{$name}}={{$value}}'")
_SECURITY: Final = Template("$first and $second and f'{prefixes.get($first) or $first}.{$second}'")


class _Fact(NamedTuple):
    """What is said of one field."""

    below: tuple[str, ...]
    """Paths below the field, to what is to be picked too."""
    say: PickedSayer | None
    """``None``: nothing is said."""
    quick: Template | None = None
    """An expression that does the same for most values, or is false: of ``$value``, ``$name``, and what is picked
    below it, ``$first`` and ``$second``."""


class _Brief(NamedTuple):
    """How to say what is in the bodies of one message class."""

    picker: Picker
    is_response: bool
    """The first value picked is ``retType``."""
    say: Callable[[tuple[Any, ...]], str]
    """Says all that was picked."""


class _Briefs(dict["type[Message] | None", "_Brief | None"]):
    def __missing__(self, message_class: type[Message] | None) -> _Brief | None:
        # Where Python does the picking, asking the message for all its facts takes no longer.
        found = self[message_class] = _make(message_class) if ftwire.compiled and message_class is not None else None
        return found


_briefs: Final = _Briefs()


def brief_of(frame: Frame | Envelope) -> str | None:
    """Say what is in a frame whose body can be had; ``None`` where that takes a message.

    Raises what ``frame.message`` raises.
    """
    brief = _briefs[frame.body_class]
    if brief is None:
        return None
    picker, is_response, say = brief
    values = picker.decode(frame.body)
    # Refused, or without the field that says so: there is more to say.
    return None if is_response and values[0] != 0 else say(values)


def _make(message_class: type[Message]) -> _Brief | None:
    descriptor = descriptor_of(message_class)
    payload, is_response = payload_of(descriptor)
    inner, prefix = (descriptor, "") if payload is None else (payload.message_type, f"{payload.name}.")
    paths = ["retType"] if is_response else []
    facts: list[tuple[int, str, _Fact]] = []
    for field in sorted(inner.fields, key=lambda field: field.number) if inner is not None else ():
        if is_secret(field):
            continue
        fact = _fact(field, len(paths))
        if fact is None:
            return None
        if fact.say is not None:
            facts.append((len(paths), field.name, fact))
            paths += [f"{prefix}{field.name}{step}" for step in ("", *fact.below)]
    return _Brief(Picker(message_class, paths), is_response, _sayer(len(paths), facts))


def _sayer(slots: int, facts: list[tuple[int, str, _Fact]]) -> Callable[[tuple[Any, ...]], str]:
    """Return what says these facts, of values picked in so many slots.

    It is written out as a function, as ``namedtuple`` does it: a loop over the facts takes twice the time.
    """
    known: dict[str, Any] = {"prefixes": QOT_PREFIXES}
    lines = ["def say(values):", " said = []", " add = said.append"]
    if slots:
        lines.append(f" {', '.join(f'value{slot}' for slot in range(slots))}, = values")
    for slot, name, fact in facts:
        value, first, second = (f"value{at}" for at in range(slot, slot + 3))
        known[f"name{slot}"], known[f"say{slot}"] = name, fact.say
        told = f"say{slot}({value}, values)"
        if fact.quick is not None:
            told = f"{fact.quick.substitute(name=f'name{slot}', value=value, first=first, second=second)} or {told}"
        lines.append(f" if {value} is not None and (told := {told}): add(told)")
    lines.append(f" return ' '.join(said if len(said) <= {MAX_FACTS} else said[:{MAX_FACTS}])")
    exec("\n".join(lines), known)  # noqa: S102 - nothing of a descriptor is in the text, only slot numbers
    say: Callable[[tuple[Any, ...]], str] = known["say"]
    return say


def _fact(field: FieldDescriptor, slot: int) -> _Fact | None:
    """Return how to say a field, whose value is picked into ``slot``; ``None`` where picking is not enough."""
    name, inner = field.name, field.message_type
    if inner is None:
        if not is_repeated(field):
            say = scalar_sayer(field)
            return _Fact((), lambda value, _: say(value), _TEXT if field.type == field.TYPE_STRING else None)
        return None if enum_names(field) else _Fact((), lambda count, _: f"{name}[{count}]", _COUNT)
    if inner.full_name == SECURITY and not is_repeated(field):
        return _Fact(
            (".market", ".code"),
            lambda _, values: security_name(values[slot + 1] or 0, values[slot + 2] or ""),
            _SECURITY,
        )
    if is_repeated(field) and not may_name_securities(inner):
        price = next((price for price in PRICES if price in inner.fields_by_name), None)
        if price is None:
            return _Fact((), lambda count, _: f"{name}[{count}]", _COUNT)

        def say_items(count: int, values: tuple[Any, ...]) -> str:
            said = f"{name}[{count}]"
            if count == 1 and values[slot + 1] is not None:
                said += f" {price}={values[slot + 1]}"
            return said

        return _Fact((f".{price}",), say_items, _ITEMS)
    return None if says_inner(field) else _Fact((), None)
