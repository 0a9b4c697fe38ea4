"""Options that belong together, which a command gets as one record."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["option_group"]


def option_group(name: str, record: Any, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds options to a command, which gets their values as one record, its argument ``name``.

    ``record`` is a ``NamedTuple`` whose fields have the names that the options have for their values.
    """

    def decorate(function: Any) -> Any:
        @wraps(function)
        def call(**values: Any) -> Any:
            values[name] = record(**{field: values.pop(field) for field in record._fields})
            return function(**values)

        found: Any = call
        for option in reversed(options):
            found = option(found)
        return found

    return decorate
