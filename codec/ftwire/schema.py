"""Message definitions, in a descriptor pool of their own.

The vendor's SDKs register files of the same names (``Common.proto``, package ``Common``) in protobuf's
default pool, where a second copy raises ``TypeError``. Ours never go there, so ftwire, ``futu`` and
``moomoo`` can be imported in one process, in any order.

Definitions are loaded on first use: the built-in ones are one descriptor set (250 KB) with an index of the offset of
each file, and using one protocol parses its file and the files that it imports.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import DescriptorPool

from ftwire._message_classes import message_class
from ftwire._protobuf import is_repeated, is_required, unknown_field_set
from ftwire._protocol_row import ProtocolRow
from ftwire.errors import DescriptorError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
    from google.protobuf.message import Message

__all__ = [
    "ProtocolRow",
    "Schema",
    "is_64_bit",
    "is_repeated",
    "is_required",
    "message_class",
    "schema",
    "unknown_field_set",
]

_FEW = 8
"""Up to this number of files, each is read by itself; beyond it, all at once."""


def is_64_bit(field: FieldDescriptor) -> bool:
    """Return whether a field holds 64-bit integers: in JSON they are strings, since its readers round large numbers."""
    return field.cpp_type in (2, 4)  # CPPTYPE_INT64, CPPTYPE_UINT64


class Schema:
    """A set of message definitions, loaded file by file as they are used."""

    _modules = ""
    """The package whose modules have the messages, if there is one."""

    def __init__(
        self,
        data: bytes,
        files: Mapping[str, tuple[int, int, tuple[str, ...]]],
        protocols: Iterable[ProtocolRow],
    ) -> None:
        """``files`` maps a name to offset and length of its descriptor in ``data``, and its imports.

        ``protocols`` come by ID, and of one ID the newest first.

        To load a descriptor set from elsewhere, use ``from_descriptor_set``.
        """
        self._data = data
        self._files = files
        self._pool = DescriptorPool()
        self._loaded: set[str] = set()
        self._classes: dict[str, type[Message]] = {}
        self._rows = tuple(protocols)
        self._lock = RLock()  # the pool of protobuf 3.20, which is written in Python, has none
        self._rows_by_id: dict[int, list[ProtocolRow]] = {}

    def __reduce__(self) -> str | tuple[type[Schema], tuple[object, ...]]:
        return Schema, (self._data, self._files, self._rows)

    @classmethod
    def from_descriptor_set(cls, data: bytes, ids: Mapping[int, str] | None = None) -> Schema:
        """Load a serialized ``FileDescriptorSet``, e.g. ``protoc --include_imports --descriptor_set_out``.

        Its protocols are taken from ``ids``, protocol ID to the package that holds ``Request`` and
        ``Response`` (``{3008: "Qot_GetRT"}``); then from the option ``(ftwire.protocol)`` where files carry
        it; then, for files that do not, from the built-in file of the same name. Files without any
        are loaded all the same.

        Every file is checked at once. Raises ``DescriptorError`` when the bytes are no descriptor set, a file
        contradicts itself, an import is missing, or ``ids`` names a package without a ``Response``.
        """
        from ftwire._descriptor_set import first_line, parse

        builtin = _builtin()
        found = cls(*parse(data, ids or {}, builtin.protocols, builtin.serialized_file))
        for name in found.file_names:
            try:
                found.namespace(name)
            except Exception as error:
                # What protobuf raises for a contradiction is nowhere documented. 3.20, which is written in Python, has
                # AttributeError for an enum field without a type, IndexError for a oneof that is not there.
                raise DescriptorError(f"{name}: {first_line(error)}") from error
        for row in found.protocols:
            for message in filter(None, (row.request, row.response)):
                found.message(message)
        return found

    @property
    def protocols(self) -> tuple[ProtocolRow, ...]:
        """Every protocol these definitions declare, by ID; of one ID the newest first."""
        return self._rows

    def protocols_of(self, proto_id: int) -> tuple[ProtocolRow, ...]:
        """Return the protocols that these definitions have under one ID, newest first; none for an unknown one."""
        if not self._rows_by_id:
            for row in self.protocols:
                self._rows_by_id.setdefault(row.proto_id, []).append(row)
        return tuple(self._rows_by_id.get(proto_id, ()))

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of all files, loaded or not, each after those it imports."""
        return tuple(self._files)

    def serialized_file(self, name: str) -> bytes:
        """The ``FileDescriptorProto`` of a file, as bytes. Raises ``DescriptorError`` for an unknown name."""
        if name not in self._files:
            raise DescriptorError(f"the schema has no file {name!r}")
        offset, length, _ = self._files[name]
        return self._slice(offset, length)

    def _slice(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def file(self, name: str) -> FileDescriptor:
        """The descriptor of a file, e.g. ``Qot_GetRT.proto``.

        Raises ``DescriptorError`` when there is no such file.
        """
        if name not in self._files:
            raise DescriptorError(f"the schema has no file {name!r}")
        with self._lock:
            self._load(name)
            found: FileDescriptor = self._pool.FindFileByName(name)
        return found

    def message(self, full_name: str) -> type[Message]:
        """The class of a message, e.g. ``Qot_GetRT.Response`` or ``Qot_Common.Security``.

        Raises ``DescriptorError`` when there is no such message.
        """
        found = self._classes.get(full_name)
        if found is None:
            with self._lock:
                found = message_class(self._descriptor(full_name))
                if self._modules:
                    # Where it can be imported from: its repr says so, and its messages can be pickled.
                    found.__module__ = f"{self._modules}.{full_name.partition('.')[0]}"
                self._classes[full_name] = found
        return found

    def namespace(self, file_name: str) -> dict[str, Any]:
        """Return the names that protoc's module of this file would have: messages, enums and enum values.

        Raises ``DescriptorError`` for an unknown file.
        """
        from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

        file = self.file(file_name)
        names: dict[str, Any] = {"DESCRIPTOR": file}
        for name, enum in file.enum_types_by_name.items():
            names[name] = EnumTypeWrapper(enum)
            names.update((value.name, value.number) for value in enum.values)
        for name, message in file.message_types_by_name.items():
            names[name] = self.message(message.full_name)
        return names

    def _descriptor(self, full_name: str) -> Descriptor:
        # A package has the name of its file throughout the vendor's schema; anything else was loaded whole.
        home = full_name.partition(".")[0] + ".proto"
        if home in self._files:
            self._load(home)
        try:
            found: Descriptor = self._pool.FindMessageTypeByName(full_name)
        except KeyError:
            raise DescriptorError(f"the schema has no message {full_name!r}") from None
        return found

    def _load(self, name: str) -> None:
        if name in self._loaded:
            return
        for imported in self._files[name][2]:
            if imported in self._files:
                self._load(imported)
            elif imported not in self._loaded:
                # Only options.proto of the built-in set imports a file that is not in the set: protobuf's own.
                from google.protobuf import descriptor_pb2

                self._pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
                self._loaded.add(imported)
        self._pool.AddSerializedFile(self.serialized_file(name))
        self._loaded.add(name)


class _Builtin(Schema):
    """The built-in definitions.

    The index is read line by line as needed, and only those definitions that are used, as long as they are few:
    reading all of them would take half of the time of a first use.
    """

    _modules = "ftwire.messages"

    def __init__(self, path: str, get_data: Callable[[str], bytes], index: str) -> None:
        """``get_data`` reads package data, ``path`` that of the definitions; a file, unless it is in a zip."""
        protocols, _, files = index.partition("\n\n")
        super().__init__(b"", _Files(f"\n{files}\n"), ())
        self._text = f"\n{protocols}\n"
        self._path = path
        self._get_data = get_data
        self._slices = 0
        self._ids: frozenset[int] = frozenset()
        """Every protocol ID, once one was asked for that is not among them."""

    def __reduce__(self) -> str:
        return "schema"

    def _slice(self, offset: int, length: int) -> bytes:
        self._slices += 1
        if not self._data and self._slices <= _FEW:
            try:
                with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123
                    file.seek(offset)
                    part = file.read(length)
                if len(part) == length:
                    return part
            except OSError:
                pass  # in a zip, so whole or not at all
        self._data = self._data or self._get_data(self._path)
        return super()._slice(offset, length)

    @property
    def protocols(self) -> tuple[ProtocolRow, ...]:
        """Every protocol these definitions declare, by ID; of one ID the newest first."""
        if not self._rows:
            self._rows = tuple(map(_row, self._text.split("\n")[1:-1]))
        return self._rows

    def protocols_of(self, proto_id: int) -> tuple[ProtocolRow, ...]:
        """What these definitions declare of one ID, the newest first."""
        if self._ids and proto_id not in self._ids:
            return ()  # the search below would read all of the index, for each frame with an ID that is not known
        start, rows = f"\n{proto_id}\t", []
        at = self._text.find(start)
        while at >= 0:
            end = self._text.index("\n", at + 1)
            rows.append(_row(self._text[at + 1 : end]))
            at = self._text.find(start, end)
        if not rows:
            self._ids = frozenset(int(line.partition("\t")[0]) for line in self._text.split("\n")[1:-1])
        return tuple(rows)


class _Files(Mapping[str, "tuple[int, int, tuple[str, ...]]"]):
    """The part of the index with offset, length and imports of each file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, name: str) -> tuple[int, int, tuple[str, ...]]:
        at = self._text.find(f"\n{name}\t")
        if at < 0 or "\n" in name or "\t" in name:
            raise KeyError(name)
        _, offset, length, imports = self._text[at + 1 : self._text.index("\n", at + 1)].split("\t")
        return int(offset), int(length), tuple(imports.split(",")) if imports else ()

    def __iter__(self) -> Iterator[str]:
        return (line.partition("\t")[0] for line in self._text.split("\n")[1:-1])

    def __len__(self) -> int:
        return self._text.count("\n") - 1


def _row(line: str) -> ProtocolRow:
    proto_id, name, file, request, response, since, last, websocket, formerly = line.split("\t")
    return ProtocolRow(
        int(proto_id),
        name,
        file,
        request or None,
        response,
        since or None,
        last or None,
        bool(websocket),
        tuple(formerly.split(",")) if formerly else (),
    )


@cache
def _builtin() -> Schema:
    import ftwire

    # The import system reads package data too, from a directory or a zip; importlib.resources would take
    # longer to import than everything here takes to run.
    made = os.path.join(os.path.dirname(ftwire.__file__), "_schema")  # noqa: PTH118, PTH120
    loader: Any = ftwire.__loader__
    index: bytes = loader.get_data(os.path.join(made, "index.txt"))  # noqa: PTH118
    return _Builtin(os.path.join(made, "schema.binpb"), loader.get_data, index.decode())  # noqa: PTH118


def __getattr__(name: str) -> Schema:
    # The built-in definitions are read on first use and kept.
    if name == "schema":
        built = globals()["schema"] = _builtin()
        return built
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    schema: Schema
    """The built-in definitions: every protocol of the vendor's SDKs, old ones included."""
