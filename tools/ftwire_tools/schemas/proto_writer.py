"""Write a file descriptor as ``.proto`` text.

Covers what a proto2 schema of plain messages uses: messages, nested types, enums with aliases, defaults,
``packed`` and ``deprecated``. Services, extensions, oneofs, groups and reserved ranges are refused by name, not
dropped silently: no SDK release has had one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

__all__ = ["OPTIONS_FILE", "ProtocolOption", "UnsupportedFeatureError", "proto_text"]

OPTIONS_FILE = "ftwire/options.proto"
"""Where the option ``(ftwire.protocol)`` is defined."""

_SCALARS = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_LABELS = {number: name.removeprefix("LABEL_").lower() for name, number in FieldDescriptorProto.Label.items()}


class UnsupportedFeatureError(Exception):
    """A descriptor that uses a part of protobuf that this writer does not support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolOption:
    """One ``(ftwire.protocol)`` of a file; its fields are documented in ``proto/ftwire/options.proto``."""

    id: int
    name: str
    push: bool = False
    request: str = ""
    response: str = ""
    since: str = ""
    last: str = ""
    websocket: bool = False
    formerly: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the option as a line of ``.proto`` text."""
        parts = [f"id: {self.id}", f'name: "{self.name}"']
        if self.push:
            parts.append("push: true")
        if self.websocket:
            parts.append("websocket: true")
        keys = ("request", "response", "since", "last")
        parts += [f'{key}: "{getattr(self, key)}"' for key in keys if getattr(self, key)]
        parts += [f'formerly: "{name}"' for name in self.formerly]
        return f"option (ftwire.protocol) = {{ {' '.join(parts)} }};"


def proto_text(file: FileDescriptorProto, protocols: Iterable[ProtocolOption] = (), note: str = "") -> str:
    """Return the text of ``file``, with its protocols and an optional comment at the top.

    Language options (``java_package`` and the like) are left out: they do not affect the wire.
    Raises ``UnsupportedFeatureError`` for anything else that would be lost.
    """
    _refuse(file.name, service=file.service, extension=file.extension, weak_dependency=file.weak_dependency)
    options = [option.text() for option in protocols]
    imports = [*file.dependency, *([OPTIONS_FILE] if options else ())]
    public = {file.dependency[index] for index in file.public_dependency}
    names = _Names(file)
    blocks = [
        "\n".join(f"// {line}".rstrip() for line in note.splitlines()),
        f'syntax = "{file.syntax or "proto2"}";',
        f"package {file.package};",
        "\n".join(f'import {"public " if name in public else ""}"{name}";' for name in sorted(imports)),
        "\n".join(options),
        *("\n".join(_enum(enum, "")) for enum in file.enum_type),
        *("\n".join(_message(message, "", file.package, names)) for message in file.message_type),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _refuse(where: str, **features: object) -> None:
    for name, value in features.items():
        if value:
            raise UnsupportedFeatureError(f"{where}: {name} is not written")


class _Names:
    """Shortens absolute type names as a person would, where protoc reads both the same."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._package = file.package
        self._types: set[str] = set()
        for enum in file.enum_type:
            self._types.add(f"{file.package}.{enum.name}")
        for message in file.message_type:
            self._add(message, file.package)

    def _add(self, message: DescriptorProto, scope: str) -> None:
        full = f"{scope}.{message.name}"
        self._types.add(full)
        self._types.update(f"{full}.{enum.name}" for enum in message.enum_type)
        for nested in message.nested_type:
            self._add(nested, full)

    def shorten(self, absolute: str, scope: str) -> str:
        full = absolute.removeprefix(".")
        own = full.removeprefix(f"{self._package}.")
        for candidate in (own, full):
            if self._resolve(candidate, scope) == full:
                return candidate
        return absolute

    def _resolve(self, name: str, scope: str) -> str:
        # protoc looks for the first part only, from the innermost scope outwards, and stays with it.
        first, dot, rest = name.partition(".")
        while scope:
            if f"{scope}.{first}" in self._types:
                return f"{scope}.{first}{dot}{rest}"
            scope = scope.rpartition(".")[0]
        return name


def _message(message: DescriptorProto, indent: str, scope: str, names: _Names) -> Iterator[str]:
    full = f"{scope}.{message.name}"
    _refuse(
        full,
        oneof_decl=message.oneof_decl,
        extension=message.extension,
        extension_range=message.extension_range,
        reserved_range=message.reserved_range,
        reserved_name=message.reserved_name,
        options=message.options.ByteSize(),
    )
    if not (message.field or message.nested_type or message.enum_type):
        yield f"{indent}message {message.name} {{}}"
        return
    yield f"{indent}message {message.name} {{"
    inner = indent + "  "
    for enum in message.enum_type:
        yield from _enum(enum, inner)
    for nested in message.nested_type:
        yield from _message(nested, inner, full, names)
    for field in message.field:
        yield f"{inner}{_field(field, full, names)}"
    yield f"{indent}}}"


def _field(field: FieldDescriptorProto, scope: str, names: _Names) -> str:
    if field.type == FieldDescriptorProto.TYPE_GROUP or field.extendee:
        raise UnsupportedFeatureError(f"{scope}.{field.name}: groups and extensions are not written")
    kind = names.shorten(field.type_name, scope) if field.type_name else _SCALARS[field.type]
    options = []
    if field.HasField("default_value"):
        options.append(f"default = {_default(field)}")
    if field.options.HasField("packed"):
        options.append(f"packed = {str(field.options.packed).lower()}")
    if field.options.deprecated:
        options.append("deprecated = true")
    suffix = f" [{', '.join(options)}]" if options else ""
    return f"{_LABELS[field.label]} {kind} {field.name} = {field.number}{suffix};"


def _default(field: FieldDescriptorProto) -> str:
    if field.type not in {FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES}:
        return field.default_value
    if field.type == FieldDescriptorProto.TYPE_BYTES:
        return f'"{field.default_value}"'  # a descriptor keeps bytes C-escaped already
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in field.default_value.encode()
    )
    return f'"{escaped}"'


def _enum(enum: EnumDescriptorProto, indent: str) -> Iterator[str]:
    _refuse(enum.name, reserved_range=enum.reserved_range, reserved_name=enum.reserved_name)
    yield f"{indent}enum {enum.name} {{"
    if enum.options.allow_alias:
        yield f"{indent}  option allow_alias = true;"
    for value in enum.value:
        suffix = " [deprecated = true]" if value.options.deprecated else ""
        yield f"{indent}  {value.name} = {value.number}{suffix};"
    yield f"{indent}}}"
