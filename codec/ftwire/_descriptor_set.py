"""Read a descriptor set of the user's: its files, and the protocols that they declare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from ftwire._message_classes import message_class, register_extension
from ftwire._protocol_row import ProtocolRow
from ftwire.errors import DescriptorError

__all__ = ["first_line", "parse"]

_OPTIONS_FILE = "ftwire/options.proto"
_DESCRIPTOR_FILE = "google/protobuf/descriptor.proto"

Files = dict[str, descriptor_pb2.FileDescriptorProto]
Index = dict[str, tuple[int, int, tuple[str, ...]]]
"""File to offset and length of its descriptor, and the names of the files it imports."""


def parse(
    data: bytes,
    ids: Mapping[int, str],
    builtin: Iterable[ProtocolRow],
    builtin_file: Callable[[str], bytes],
) -> tuple[bytes, Index, list[ProtocolRow]]:
    """Return the descriptors of all files one after the other, their index in the order of imports, and protocols.

    ``ids`` is as for ``Schema.from_descriptor_set``; ``builtin`` are the protocols of the built-in definitions, and
    ``builtin_file`` returns one of their files by name. Raises ``DescriptorError``.
    """
    try:
        parsed = descriptor_pb2.FileDescriptorSet.FromString(bytes(data))
    except (DecodeError, UnicodeDecodeError) as error:  # the latter of protobuf 3.20
        raise DescriptorError("not a FileDescriptorSet: its bytes do not parse") from error
    files: Files = {}
    for file in parsed.file:
        # protobuf returns bytes for a proto2 string that is not UTF-8.
        if not isinstance(file.name, str) or not file.name:
            raise DescriptorError("a file of the descriptor set has no name")
        if file.name in files and file != files[file.name]:
            raise DescriptorError(f"the descriptor set holds two different files named {file.name}")
        files[file.name] = file
    if not files:
        raise DescriptorError("the descriptor set holds no file")
    ordered = [files[name] for name in _order(files, builtin_file)]
    for file in ordered:
        _check_numbers(file.name, file.message_type)

    chunks: list[bytes] = []
    index: Index = {}
    offset = 0
    for file in ordered:
        raw = file.SerializeToString()
        index[file.name] = (offset, len(raw), tuple(file.dependency))
        chunks.append(raw)
        offset += len(raw)
    options = builtin_file(_OPTIONS_FILE)
    return b"".join(chunks), index, list(_rows(files, ids, builtin, options))


def _check_numbers(file: str, messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    # The pool of protobuf 3.20 does not.
    for message in messages:
        for number, count in Counter(field.number for field in message.field).items():
            if count > 1:
                raise DescriptorError(f"{file}: {message.name} has {count} fields with number {number}")
        _check_numbers(file, message.nested_type)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]


def _order(files: Files, builtin_file: Callable[[str], bytes]) -> list[str]:
    """Return file names, imports first; imports that ship with protobuf or ftwire are added if missing."""
    pending = list(files)
    while pending:
        name = pending.pop()
        for imported in files[name].dependency:
            if imported in files:
                continue
            files[imported] = _common_file(imported, name, builtin_file)
            pending.append(imported)
    try:
        return list(TopologicalSorter({name: file.dependency for name, file in files.items()}).static_order())
    except CycleError as error:
        raise DescriptorError(f"files import each other in a circle: {', '.join(error.args[1])}") from error


def _common_file(name: str, wanted_by: str, builtin_file: Callable[[str], bytes]) -> descriptor_pb2.FileDescriptorProto:
    if name == _DESCRIPTOR_FILE:
        return descriptor_pb2.FileDescriptorProto.FromString(descriptor_pb2.DESCRIPTOR.serialized_pb)
    if name == _OPTIONS_FILE:
        return descriptor_pb2.FileDescriptorProto.FromString(builtin_file(_OPTIONS_FILE))
    raise DescriptorError(f"{wanted_by} imports {name}, which the set does not hold (protoc --include_imports adds it)")


def _rows(
    files: Files, ids: Mapping[int, str], builtin: Iterable[ProtocolRow], options: bytes
) -> Iterator[ProtocolRow]:
    by_package: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for file in files.values():
        by_package.setdefault(file.package, file)
    for proto_id, package in ids.items():
        owner = by_package.get(package)
        messages = {message.name for message in owner.message_type} if owner else set()
        if owner is None or "Response" not in messages:
            raise DescriptorError(f"protocol {proto_id}: the descriptor set has no message {package}.Response")
        request = f"{package}.Request" if "Request" in messages else None
        yield ProtocolRow(proto_id, package, owner.name, request, f"{package}.Response", None, None, False, ())
    builtin_rows: dict[str, list[ProtocolRow]] = {}
    for row in builtin:
        builtin_rows.setdefault(row.file, []).append(row)
    declared = _declared(files, options)
    for name, file in files.items():
        known = {f"{file.package}.{message.name}" for message in file.message_type}
        if name in declared:
            rows: Iterable[ProtocolRow] = declared[name]
        else:
            # A file of an older SDK may lack messages of the newest: then it does not have that protocol.
            rows = (row for row in builtin_rows.get(name, ()) if {row.request or row.response, row.response} <= known)
        yield from (row for row in rows if row.proto_id not in ids)


def _declared(files: Files, options_file: bytes) -> dict[str, list[ProtocolRow]]:
    pool = DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(options_file)
    file_options: Any = message_class(pool.FindMessageTypeByName("google.protobuf.FileOptions"))
    extension = pool.FindExtensionByName("ftwire.protocol")
    message_class(extension.message_type)
    register_extension(file_options, extension)
    declared: dict[str, list[ProtocolRow]] = {}
    for name, file in files.items():
        if not file.HasField("options"):
            continue
        try:
            options = file_options.FromString(file.options.SerializeToString()).Extensions[extension]
        except DecodeError as error:
            raise DescriptorError(f"{name}: its (ftwire.protocol) option does not parse") from error
        rows = [_row(option, file) for option in options]
        if rows:
            declared[name] = rows
    return declared


def _row(option: Any, file: descriptor_pb2.FileDescriptorProto) -> ProtocolRow:
    if not option.IsInitialized():
        raise DescriptorError(f"{file.name}: its (ftwire.protocol) option lacks an id or a name")
    scope = f"{file.package}." if file.package else ""
    return ProtocolRow(
        option.id,
        option.name,
        file.name,
        None if option.push else f"{scope}{option.request or 'Request'}",
        f"{scope}{option.response or 'Response'}",
        option.since or None,
        option.last or None,
        option.websocket,
        tuple(option.formerly),
    )
