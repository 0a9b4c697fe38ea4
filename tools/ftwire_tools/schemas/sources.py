"""Open message definitions: ours, those of an SDK release, ``.proto`` files, or a descriptor set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from ftwire.errors import DescriptorError
from ftwire.protocols import Registry
from ftwire.schema import Schema
from ftwire_tools.schemas.protoc import ProtocError, compile_directory
from ftwire_tools.schemas.sdk import Release, SdkError, read_sdk
from ftwire_tools.schemas.sdk_download import PackageError, locate_package, parse_requirement

if TYPE_CHECKING:
    from ftwire.schema import ProtocolRow

__all__ = [
    "FORMS",
    "OURS",
    "Definitions",
    "DefinitionsError",
    "of_release",
    "of_set",
    "open_definitions",
    "ours",
    "read_release",
]

OURS: Final = "ours"
"""Name of the built-in definitions."""

FORMS: Final = (
    "ours, futu-api[==VERSION|==latest] (or moomoo-api), a wheel, a source archive, a directory with an SDK or "
    "with .proto files, or a descriptor set"
)
"""The inputs of ``open_definitions``, for help texts."""

_ARCHIVES: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_LANGUAGE: Final = {"ftwire/options.proto", "google/protobuf/descriptor.proto"}
"""Files that define options of ``.proto`` files, and no messages of the wire."""


class DefinitionsError(Exception):
    """A source of definitions that cannot be read; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """One schema, to be shown, compared or decoded with."""

    label: str
    """Its name, e.g. ``futu-api 9.6.5608``."""
    files: Mapping[str, FileDescriptorProto]
    """File name to descriptor, in name order."""
    schema: Schema = field(repr=False, compare=False)
    """The same, ready to decode with."""
    ids: Mapping[int, str]
    """Protocol ID to name; for an SDK its own list of IDs, with or without files for them."""
    is_release: bool = False
    """Whether this is an SDK release, which keeps nothing of older ones."""

    @property
    def registry(self) -> Registry:
        """The protocols of these definitions only."""
        return Registry(self.schema)

    @property
    def rows(self) -> tuple[ProtocolRow, ...]:
        """The protocols that the files declare."""
        return self.schema.protocols


def open_definitions(text: str) -> Definitions:
    """Open the definitions that ``text`` names; see ``FORMS``. A bare version is one of ``futu-api``.

    Raises ``DefinitionsError``.
    """
    if text == OURS:
        return ours()
    path = Path(text)
    try:
        if path.is_dir():
            if any(path.glob("*.proto")):
                return of_set(compile_directory(path), text)
            return of_release(read_sdk(path), text)
        if path.exists():
            if path.name.endswith(_ARCHIVES):
                return of_release(read_sdk(path), text)
            return of_set(path.read_bytes(), text)
        package = parse_requirement(text)
        if package is None:
            raise DefinitionsError(f"{text}: no such file or directory, nor a version of an SDK ({FORMS})")
        place, version = locate_package(*package)
        return of_release(read_sdk(place), f"{package[0]} {version}")
    except (SdkError, ProtocError, PackageError) as error:
        raise DefinitionsError(str(error)) from None
    except DescriptorError as error:
        raise DefinitionsError(f"{text}: {error}") from None
    except OSError as error:
        raise DefinitionsError(f"{text}: {error.strerror or error}") from None


def read_release(text: str) -> Release:
    """Read the SDK release that ``text`` names. Raises ``SdkError``, ``PackageError`` and ``OSError``."""
    path = Path(text)
    package = None if path.exists() else parse_requirement(text)
    if package is not None:
        path, _ = locate_package(*package)
    elif not path.exists():
        raise SdkError(f"{text}: no such file or directory, nor a version of an SDK such as futu-api==9.6.5608")
    return read_sdk(path)


def ours() -> Definitions:
    """Return the built-in definitions."""
    from ftwire.schema import schema

    files = {
        name: FileDescriptorProto.FromString(schema.serialized_file(name))
        for name in sorted(schema.file_names)
        if name not in _LANGUAGE
    }
    return Definitions(OURS, files, schema, _listed(schema))


def of_set(data: bytes, label: str) -> Definitions:
    """Return the definitions in a serialized ``FileDescriptorSet``. Raises ``DescriptorError``."""
    schema = Schema.from_descriptor_set(data)
    files = {file.name: file for file in FileDescriptorSet.FromString(data).file if file.name not in _LANGUAGE}
    return Definitions(label, dict(sorted(files.items())), schema, _listed(schema))


def of_release(release: Release, label: str) -> Definitions:
    """Return the definitions in an SDK release. Raises ``DescriptorError``."""
    files = release.own_files
    answering = {
        file.package
        for file in files.values()
        if any(message.name == "Response" for message in file.message_type)
    }  # fmt: skip
    spoken = {proto_id: name for proto_id, name in release.ids.items() if name in answering}
    data = FileDescriptorSet(file=files.values()).SerializeToString()
    schema = Schema.from_descriptor_set(data, spoken)
    return Definitions(label, files, schema, release.ids, is_release=True)


def _listed(schema: Schema) -> dict[int, str]:
    # The newest protocol of an ID comes first.
    names: dict[int, str] = {}
    for row in schema.protocols:
        if not row.websocket:
            names.setdefault(row.proto_id, row.name)
    return names
