"""JSON for people: text in any script as it is, control characters escaped."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["readable_json"]


def readable_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON text in which only characters are escaped that a terminal would interpret instead of show.

    ``json`` has no such option: with ``ensure_ascii=False`` it leaves the control characters above U+007F (ISO 6429)
    and those that change the direction of writing; with ``ensure_ascii=True`` it escapes all but ASCII.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )
