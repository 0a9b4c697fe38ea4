"""What a body says in a few words, without a message of it: ``HK.00700 rtList[2] name=TENCENT``.

Only the compiled core can do this, and only for plain bodies: fields in order, text that any terminal shows as it
is. For the rest a caller asks the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire._transcode import tell_messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Fact", "Phrase"]


class Fact(NamedTuple):
    """What is said of one field.

    Of a scalar ``field=value``: numbers as Python writes them, text of other than letters and digits in quotes. Of a
    list ``field[2]``, how many items it has. Of a message ``HK.00700``: a number's name and a text in it.
    """

    field: str
    inner: tuple[str, ...] = ()
    """Of a message, the fields of its number and its text. Of a list, a scalar in its items, which is said too where
    there is only one: ``field[1] price=600.5``."""
    names: Mapping[int, str] = {}
    """What to say in place of numbers: the scalar's, or that of the message."""


class Phrase:
    """Says what is in the bodies of one message class: the ``most`` first facts that are set, by field number.

    ``payload`` is the field that holds what they are about, ``None`` if the body itself does. ``zero`` is a field of
    the body without which, or with another value than 0, there is more to say.

    Raises ``ValueError`` for fields that the class does not have, or that cannot be spoken of so.
    """

    __slots__ = ("line", "text")

    def __init__(
        self,
        message_class: type[Message],
        facts: Sequence[Fact],
        *,
        payload: str | None = None,
        zero: str | None = None,
        most: int = 7,
    ) -> None:
        # Imported when the first phrase is made: most programs make none.
        from ftwire._core import core

        descriptor: Any = message_class.DESCRIPTOR
        spoken_of = descriptor if payload is None else _field(descriptor, payload).message_type
        told = []
        for name, inner, names in facts:
            field = _field(spoken_of, name)
            numbers = [_field(field.message_type, step).number for step in inner]
            told.append((field.number, name, numbers, "".join(inner[:1]), list(names.items())))
        messages = None if core is None else tell_messages(descriptor, lower_camel=False)
        places = [None if name is None else _field(descriptor, name).number for name in (payload, zero)]
        phrase = None if core is None or messages is None else core.Phrase(messages, *places, told, most)
        self.text: Final[Callable[[bytes], str | None]] = _no_text if phrase is None else phrase.text
        """Say what is in a protobuf body; ``None`` where that takes a message."""
        self.line: Final[Callable[[str, tuple[int | str, ...], bytes], str | None]] = (
            _no_line if phrase is None else phrase.line
        )
        """Say it in a line: ``line(form, values, body)`` is ``form % (*values, text(body))``, in half the time.

        ``None`` also where there is nothing to say, where it ends with a space, for a form with more in it than
        ``%d`` and ``%s`` and how wide they are at least, and for values that are neither ASCII nor u64.
        """


def _no_text(body: bytes) -> None:
    """Stand where the core is missing, or does not know the class."""


def _no_line(form: str, values: tuple[int | str, ...], body: bytes) -> None:
    """Stand there, too."""


def _field(descriptor: Any, name: str) -> Any:
    found = None if descriptor is None else descriptor.fields_by_name.get(name)
    if found is None:
        where = "a scalar" if descriptor is None else descriptor.full_name
        raise ValueError(f"{where} has no field {name!r}")
    return found
