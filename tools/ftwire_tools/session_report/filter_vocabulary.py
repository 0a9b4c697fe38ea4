"""The names and types of filters, as plain values: what the page needs to read an expression as ``-Y`` does.

Grammar, names of the header, protocols, fields and enums come from where ``ftwire_tools.filters`` has them. The page
adds what a condition means, and nothing that is a list here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire import errors
from ftwire_tools.filters.body_paths import classes_of
from ftwire_tools.filters.compiler import MAX_DEPTH
from ftwire_tools.filters.grammar import parser_tables
from ftwire_tools.filters.header_fields import ALIASES, HEADER_FIELDS, WIRESHARK_NAMES
from ftwire_tools.filters.literals import MAX_MATCHED, MAX_PATTERN
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.enums import enum_names
from ftwire_tools.messages.sensitive_fields import is_secret

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from ftwire.protocols import Registry

__all__ = ["vocabulary"]

# FieldDescriptor.TYPE_* -> how values are written in JSON and in bytes.
_KINDS: Final = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    10: "group",
    11: "message",
    12: "bytes",
    13: "uint32",
    14: "enum",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}


def vocabulary(registry: Registry, *, show_secrets: bool) -> dict[str, Any]:
    """Return what filters in the page are read with.

    ``classes`` maps full names to fields: name, name in JSON, number, type, whether repeated, whether conditions on it
    are refused, and the class or the index of the enum.
    """
    classes: dict[str, list[list[Any]]] = {}
    enums: dict[tuple[tuple[int, str], ...], int] = {}
    roots = [descriptor.full_name for descriptor in dict.fromkeys(classes_of(registry))]
    waiting: list[Descriptor] = list(dict.fromkeys(classes_of(registry)))
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name in classes:
            continue
        classes[descriptor.full_name] = [
            _field(field, enums, hides=is_secret(field) and not show_secrets) for field in descriptor.fields
        ]
        waiting += [field.message_type for field in descriptor.fields if field.message_type is not None]
    error_names = [name for name in errors.__all__ if name.endswith("Error")]
    return {
        "grammar": parser_tables(),
        "header": {
            name: {
                "type": field.type,
                "always": field.is_always_set,
                "words": error_names if name == "error" else field.words,
                "about": field.about,
            }
            for name, field in HEADER_FIELDS.items()
        },
        "aliases": ALIASES,
        "wireshark": WIRESHARK_NAMES,
        "protocols": [[entry.proto_id, entry.name, list(entry.former_names)] for entry in registry],
        "roots": roots,
        "classes": classes,
        "enums": [dict(names) for names in enums],
        "limits": {"depth": MAX_DEPTH, "pattern": MAX_PATTERN, "matched": MAX_MATCHED},
    }


def _field(field: FieldDescriptor, enums: dict[tuple[tuple[int, str], ...], int], *, hides: bool) -> list[Any]:
    inner: Any = None
    if field.message_type is not None:
        inner = field.message_type.full_name
    elif (names := enum_names(field)) is not None:
        inner = enums.setdefault(tuple(names.items()), len(enums))
    return [field.name, field.json_name, field.number, _KINDS[field.type], is_repeated(field), hides, inner]
