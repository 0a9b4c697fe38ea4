"""Protocols by the names, numbers and globs that people write."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ftwire.protocols import Registry, registry

__all__ = ["protocol_ids"]


def protocol_ids(patterns: Iterable[str], registry: Registry = registry) -> frozenset[int]:
    """Return the protocol IDs that names, IDs and globs select.

    A number need not be known. Raises ``ValueError`` for a pattern that no protocol has ever matched.
    """
    found: set[int] = set()
    for pattern in (each.strip() for text in patterns for each in text.split(",")):
        if pattern.isdecimal():
            found.add(int(pattern))
            continue
        named = {entry.proto_id for entry in registry.find(pattern)}
        if not named:
            names = {name.casefold(): name for entry in registry for name in (entry.name, *entry.former_names)}
            near = [names[name] for name in get_close_matches(pattern.casefold(), names, n=3, cutoff=0.5)]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"no protocol is called {pattern!r}{hint}")
        found |= named
    return frozenset(found)
