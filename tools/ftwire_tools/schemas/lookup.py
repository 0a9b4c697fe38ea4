"""Find a protocol, message, enum or file of a schema by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from ftwire.errors import DescriptorError
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.enums import enum_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor

    from ftwire.protocols import Protocol, Registry
    from ftwire.schema import Schema

__all__ = ["LookupResult", "NotFoundError", "all_types", "look_up", "reachable"]


class NotFoundError(Exception):
    """Nothing has that name; the message lists similar names."""


class LookupResult(NamedTuple):
    """Result of a look-up: one protocol, or messages and enums."""

    protocol: Protocol | None
    file: str
    messages: list[Descriptor]
    enums: list[EnumDescriptor]


def look_up(name: str, schema: Schema, registry: Registry) -> LookupResult:
    """Find a protocol by ID or name, a message or enum by full name, or a file; upper and lower case are the same.

    Raises ``NotFoundError``.
    """
    # An ID is a 32-bit number: of ten digits at most.
    is_number = name.isascii() and name.isdecimal() and len(name) <= 10
    protocol = registry.get(int(name)) if is_number else registry.get(name)
    if protocol is None and (matching := [entry for entry in registry.find(name) if not set(name) & set("*?[")]):
        protocol = matching[0]
    if protocol is not None:
        names = [found for found in (protocol.request_name, protocol.response_name) if found]
        return LookupResult(protocol, protocol.file, [descriptor_of(schema.message(found)) for found in names], [])
    folded = name.casefold().removesuffix(".proto")
    known: list[str] = list(registry.names)
    for file_name in _wire_files(schema):
        file = schema.file(file_name)
        if file_name.casefold().removesuffix(".proto") == folded:
            messages, enums = file.message_types_by_name, file.enum_types_by_name
            return LookupResult(None, file_name, list(messages.values()), list(enums.values()))
        messages_here, enums_here = _types_of(file.message_types_by_name.values())
        enums_here = [*file.enum_types_by_name.values(), *enums_here]
        for message in messages_here:
            if message.full_name.casefold() == folded:
                return LookupResult(None, file_name, [message], [])
        for enum in enums_here:
            if enum.full_name.casefold() == folded:
                return LookupResult(None, file_name, [], [enum])
        known += [found.full_name for found in (*messages_here, *enums_here)]
    by_folded = {known_name.casefold(): known_name for known_name in known}
    near = [by_folded[found] for found in get_close_matches(folded, by_folded, n=3, cutoff=0.6)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise NotFoundError(f"no protocol, message, enum or file is called {name}{hint}")


def all_types(schema: Schema) -> Iterator[tuple[str, list[Descriptor], list[EnumDescriptor]]]:
    """Yield every file with its messages and enums, nested ones included, in the order of the file."""
    for file_name in _wire_files(schema):
        file = schema.file(file_name)
        messages, enums = _types_of(file.message_types_by_name.values())
        yield file_name, messages, [*file.enum_types_by_name.values(), *enums]


def reachable(messages: Iterable[Descriptor], schema: Schema) -> tuple[list[Descriptor], list[EnumDescriptor]]:
    """Return these messages with every message and enum they can hold, in the order found."""
    found = list(dict.fromkeys(messages))
    enums: dict[str, EnumDescriptor] = {}
    for message in found:  # grows during the loop
        for field in message.fields:
            if field.message_type is not None and field.message_type not in found:
                found.append(field.message_type)
            enum = enum_of(field)
            if enum is not None and (own := _own(enum, schema)) is not None:
                enums.setdefault(own.full_name, own)
    return found, list(enums.values())


def _wire_files(schema: Schema) -> list[str]:
    """Return the files that define messages of the wire."""
    return sorted(name for name in schema.file_names if not name.startswith(("ftwire/", "google/protobuf/")))


def _own(enum: EnumDescriptor, schema: Schema) -> EnumDescriptor | None:
    """Return this schema's version of an enum that is known from the built-in schema."""
    try:
        file = schema.file(enum.file.name)
    except DescriptorError:
        return None
    return enum if file is enum.file else file.enum_types_by_name.get(enum.name)


def _types_of(messages: Iterable[Descriptor]) -> tuple[list[Descriptor], list[EnumDescriptor]]:
    found = list(messages)
    enums: list[EnumDescriptor] = []
    for message in found:  # grows during the loop
        enums += message.enum_types
        found += message.nested_types
    return found, enums
