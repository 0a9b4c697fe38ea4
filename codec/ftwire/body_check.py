"""Which of many bodies are no messages of their class, without making a message of each."""

from __future__ import annotations

from array import array
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from ftwire._core import core
from ftwire._fields import describe_messages
from ftwire.body import decode_body
from ftwire.errors import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

__all__ = ["refused_bodies"]


def refused_bodies(bodies: bytes, offsets: bytes, message_class: type[Message]) -> dict[int, BodyError]:
    """Return the bodies that protobuf's parser refuses, by index, with the error; required fields may be missing.

    ``offsets`` are 32 bits each in the machine's byte order: where each of ``bodies`` begins, and where the last one
    ends. With the compiled core, only bodies are parsed of which it is not certain that protobuf takes them.
    """
    checker = _checker(message_class.DESCRIPTOR)
    places = array("i")
    places.frombytes(offsets)
    uncertain: Iterable[int] = range(len(places) - 1) if checker is None else checker.uncertain(bodies, offsets)
    parse: Any = message_class.FromString
    refused: dict[int, BodyError] = {}
    for at in uncertain:
        body = bodies[places[at] : places[at + 1]]
        try:
            parse(body)
        except DecodeError:
            try:
                decode_body(body, message_class, check_required=False)
            except BodyError as error:
                refused[at] = error
    return refused


@cache
def _checker(descriptor: Any) -> Any:
    messages = None if core is None else describe_messages(descriptor)
    return None if core is None or messages is None else core.BodyCheck(messages)
