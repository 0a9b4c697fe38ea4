"""Read the facts out of a vendor SDK package without running any of it.

A release of ``futu-api`` or ``moomoo-api`` carries its schema as modules that protoc generated, with each
file's descriptor as a bytes literal, and its protocol IDs as the class ``ProtoId`` of ``common/constant.py``.
Both are read from the source's syntax tree: nothing of the package is imported, so every release can be read
on any Python, whatever protobuf it was generated for. Two forms of generated module exist:

- up to 6.x: ``_descriptor.FileDescriptor(..., serialized_pb=_b('...'))`` (or ``b'...'``);
- later: ``_descriptor_pool.Default().AddSerializedFile(b'...')``.
"""

from __future__ import annotations

import ast
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

__all__ = ["Release", "SdkError", "read_sdk", "version_key"]

# futu/common/pb/X_pb2.py, moomoo/common/pb/X_pb2.py, maybe below a folder of the source archive.
_GENERATED = re.compile(r"(?:^|/)(futu|moomoo)/common/pb/\w+_pb2\.py$")
_CONSTANT = re.compile(r"(?:^|/)(futu|moomoo)/common/constant\.py$")
_VERSION = re.compile(r"(?:^|[-_/])(?:futu|moomoo)[-_]api-(\d+(?:\.\d+)+)")


class SdkError(Exception):
    """A path that is no SDK, or an SDK that is built in a way this module does not know."""


@dataclass(frozen=True, slots=True)
class Release:
    """The schema of one SDK release."""

    version: str
    """As released, e.g. ``10.11.7108``; empty when neither path nor files contain it."""
    ids: Mapping[int, str]
    """Protocol ID to the name ``ProtoId`` gives it, in ID order."""
    pushes: frozenset[int]
    """The IDs in ``ProtoId.All_PushId``."""
    files: Mapping[str, FileDescriptorProto]
    """File name, e.g. ``Qot_GetRT.proto``, to its descriptor, in name order."""

    @property
    def own_files(self) -> dict[str, FileDescriptorProto]:
        """``files`` without second copies: three early releases carry one under another name."""
        return {
            name: file
            for name, file in self.files.items()
            if name == f"{file.package}.proto" or f"{file.package}.proto" not in self.files
        }


def version_key(version: str) -> tuple[int, ...]:
    """The order of releases: ``3.27.2`` before ``10.0.6008``."""
    return tuple(int(part) for part in version.split("."))


def read_sdk(path: Path) -> Release:
    """Read a release from a wheel, a source archive, or a directory that holds an installed or unpacked one.

    Raises ``SdkError`` when the path holds no SDK, and ``OSError`` when it cannot be read.
    """
    ids: dict[int, str] = {}
    pushes: frozenset[int] = frozenset()
    files: dict[str, FileDescriptorProto] = {}
    version = _version_of(path)
    packages: set[str] = set()
    try:
        for name, source in _sources(path):
            if match := _CONSTANT.search(name):
                ids, pushes = _protocol_ids(source)
            elif match := _GENERATED.search(name):
                file = _file_descriptor(name, source)
                files[file.name] = file
            else:
                version = version or source.decode("ascii", "replace").strip()
                continue
            packages.add(match[1])
    except (tarfile.TarError, zipfile.BadZipFile, SyntaxError) as error:
        raise SdkError(f"{path}: {error}") from error
    version = version or next(filter(None, map(_version_of, path.resolve().parents)), "")
    if not ids or not files:
        raise SdkError(f"{path}: holds no generated modules and protocol IDs of futu or moomoo")
    if len(packages) > 1:
        raise SdkError(f"{path}: holds both futu and moomoo; name one of the two directories")
    return Release(version, dict(sorted(ids.items())), pushes, dict(sorted(files.items())))


def _version_of(path: Path) -> str:
    # An installed release has its version in a file; the name of its folder may be only a part of it.
    match = _VERSION.search(path.name)
    return match[1] if match else ""


def _wanted(name: str) -> bool:
    return bool(
        _GENERATED.search(name)
        or _CONSTANT.search(name)
        or PurePosixPath(name).match("futu/VERSION.txt")
        or PurePosixPath(name).match("moomoo/VERSION.txt")
    )


def _sources(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        # Given .../futu itself, keep its name in what the patterns see.
        for found in sorted(path.rglob("*")):
            name = found.relative_to(path.parent).as_posix()
            if _wanted(name):
                yield name, found.read_bytes()
    elif path.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if _wanted(name):
                    yield name, archive.read(name)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and _wanted(member.name) and (stream := tar.extractfile(member)):
                    yield member.name, stream.read()


def _protocol_ids(source: bytes) -> tuple[dict[int, str], frozenset[int]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "ProtoId":
            break
    else:
        return {}, frozenset()
    values: dict[str, int] = {}
    pushed: list[str] = []
    for statement in node.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        name = statement.targets[0].id
        if isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, int):
            values[name] = statement.value.value
        elif name == "All_PushId" and isinstance(statement.value, ast.List):
            pushed = [item.id for item in statement.value.elts if isinstance(item, ast.Name)]
    # Two names for one ID in one release: the first is kept, since ProtoId lists names by group and age.
    ids: dict[int, str] = {}
    for name, value in values.items():
        ids.setdefault(value, name)
    return ids, frozenset(values[name] for name in pushed)


def _file_descriptor(name: str, source: bytes) -> FileDescriptorProto:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        literal: ast.expr | None = None
        if isinstance(node.func, ast.Attribute) and node.func.attr == "AddSerializedFile" and node.args:
            literal = node.args[0]
        for keyword in node.keywords:
            if keyword.arg == "serialized_pb":
                literal = keyword.value
        # `_b('...')` is how protoc for Python 2 and 3 wrote bytes: latin-1 text.
        if isinstance(literal, ast.Call) and literal.args:
            literal = literal.args[0]
        if isinstance(literal, ast.Constant):
            value = literal.value
            serialized = value.encode("latin-1") if isinstance(value, str) else value
            if isinstance(serialized, bytes):
                try:
                    return FileDescriptorProto.FromString(serialized)
                except DecodeError as error:
                    raise SdkError(f"{name}: its descriptor does not parse") from error
    raise SdkError(f"{name}: no serialized descriptor found")
