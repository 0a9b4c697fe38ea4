"""JSON for people: names in any script as they are, and nothing in it that a terminal would obey."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["readable_json"]


def readable_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON text in which only that is escaped which a terminal would obey instead of show.

    ``json`` itself leaves the control characters of ISO 6429 above U+007F and those that turn the direction of
    writing as they are, unless all but ASCII is escaped.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )
