"""A gateway's reply held against what was asked. Copied into saved tests, see ``steps``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ftwire_tools.fuzz.judgement import Notebook

__all__ = ["judge_reply"]


def judge_reply(book: Notebook, frame: Any, asked: Iterable[int], request: Any = None) -> None:
    """Take note of a reply that answers something else.

    ``asked`` are the protocols that were sent under its serial, ``request`` the message that it answers, if any.
    """
    if request is not None:
        _compare(book, frame, request, frame.message)
    elif protocols := list(asked):
        names = ", ".join(map(str, protocols))
        book.found("wrong protocol", f"protocol {frame.proto_id} for serial {frame.serial}, sent with {names}")
    else:
        book.found("wrong serial", f"protocol {frame.proto_id} with serial {frame.serial}")


def _compare(book: Notebook, frame: Any, request: Any, response: Any) -> None:
    """Hold a reply against its request, where both name one security."""
    asked: Any = getattr(request, "c2s", None)
    answered: Any = getattr(response, "s2c", None)
    for side in (asked, answered):
        field = None if side is None else side.DESCRIPTOR.fields_by_name.get("security")
        if field is None or field.message_type is None or not side.HasField("security"):
            return
    if (asked.security.market, asked.security.code) != (answered.security.market, answered.security.code):
        book.found(
            "mixed up",
            f"protocol {frame.proto_id}, serial {frame.serial}: asked for {asked.security.code}, "
            f"answered {answered.security.code}",
        )
