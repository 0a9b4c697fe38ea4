"""Write the files for Wireshark into its folders, and remove them again; never touch what others wrote."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.wireshark.extcap import program
from ftwire_tools.wireshark.generated import MARK, dissector, plain_protos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftwire_tools.schemas.sources import Definitions
    from ftwire_tools.wireshark.folders import Folders

__all__ = [
    "DISSECTOR",
    "KEYS_FILE",
    "PROFILE",
    "PROTOS",
    "SETTINGS",
    "Changes",
    "File",
    "OccupiedError",
    "exported_files",
    "installed_files",
    "remove",
    "search_path",
    "write_files",
]

DISSECTOR: Final = "opend.lua"
KEYS_FILE: Final = "opend_keys.log"
"""The file with session keys, in the configuration folder, that the dissector reads unless told otherwise."""
PROFILE: Final = "OpenD"
"""Wireshark's profile with the columns and the preferences."""
PROTOS: Final = "opend_protos"
"""Folder of the ``.proto`` files in the configuration folder."""
SETTINGS: Final = (
    "protobuf.pbf_as_hf:TRUE",
    "protobuf.preload_protos:TRUE",
    "tcp.try_heuristic_first:TRUE",
)
"""Preferences: each field of a body is a filter, loaded first, so that filters can name them; and content decides on
ports that Wireshark takes for another protocol's."""
_HEAD: Final = 200
"""Bytes in which a file that we wrote has the mark."""

_COLUMNS: Final = (
    ("No.", "%m"),
    ("Time", "%t"),
    ("Source", "%s"),
    ("Destination", "%d"),
    ("Protocol", "%p"),
    ("Kind", "%Cus:opend.kind:0:R"),
    ("Name", "%Cus:opend.proto:0:R"),
    ("Serial", "%Cus:opend.serial:0:R"),
    ("Latency", "%Cus:opend.latency:0:R"),
    ("Info", "%i"),
)


class OccupiedError(Exception):
    """A file that ftwire did not write stands where one is to be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path: Final = path

    def __str__(self) -> str:
        return f"{self.path} was not written by ftwire: move it away first"


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written."""

    path: Path
    text: str
    is_settings: bool = False
    """Wireshark writes such a file too, for the user: one that is there stays."""
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What was done."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Files that were there already, with this content."""
    kept: list[Path] = field(default_factory=list)
    """Settings of the user, which were left as they are."""
    removed: list[Path] = field(default_factory=list)


def installed_files(definitions: Definitions, folders: Folders) -> list[File]:
    """Return the files for these folders of a user. Raises ``UnsupportedFeatureError``."""
    protos = folders.configuration / PROTOS
    profile = folders.configuration / "profiles" / PROFILE
    paths = f"# {MARK}\n{search_path(protos)}\n"
    files = [
        File(folders.plugins / DISSECTOR, dissector(definitions.registry)),
        *(File(protos / name, text) for name, text in plain_protos(definitions.files)),
        # Without a profile bodies are shown with their names, too.
        File(folders.configuration / "protobuf_search_paths", paths, is_settings=True),
        File(profile / "protobuf_search_paths", paths, is_settings=True),
        File(profile / "preferences", _preferences(), is_settings=True),
    ]
    if folders.extcap is not None:
        files.append(_program_in(folders.extcap))
    return files


def exported_files(definitions: Definitions, directory: Path) -> list[File]:
    """Return the files for one directory, to be used from there. Raises ``UnsupportedFeatureError``."""
    return [
        File(directory / DISSECTOR, dissector(definitions.registry)),
        *(File(directory / "protos" / name, text) for name, text in plain_protos(definitions.files)),
        _program_in(directory / "extcap"),
    ]


def search_path(protos: Path) -> str:
    """Return the entry of Wireshark's table ``protobuf_search_paths`` that loads all files of a folder."""
    # Escaped as Wireshark's tables are (UAT, epan/uat.c): what is special inside quotes as hexadecimal bytes.
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in os.fsencode(protos.absolute())
    )
    return f'"{escaped}","TRUE"'


def write_files(files: Iterable[File]) -> Changes:
    """Write the files, and remove ``.proto`` files that an earlier release wrote beside them.

    Raises ``OccupiedError`` before anything is written, and ``OSError``.
    """
    planned = list(files)
    for file in planned:
        if not file.is_settings and _exists(file.path) and not _is_ours(file.path):
            raise OccupiedError(file.path)
    changes = Changes()
    for file in planned:
        if file.is_settings and _exists(file.path) and not _is_ours(file.path):
            changes.kept.append(file.path)
        elif _content(file.path) == file.text:
            changes.unchanged.append(file.path)
        else:
            _write(file)
            changes.written.append(file.path)
    wanted = {file.path for file in planned}
    for folder in {file.path.parent for file in planned if file.path.suffix == ".proto"}:
        for path in sorted(folder.glob("*.proto")):
            if path not in wanted and _is_ours(path):
                path.unlink()
                changes.removed.append(path)
    return changes


def remove(files: Iterable[File]) -> Changes:
    """Remove those of the files that ftwire wrote, and folders that are empty then. Raises ``OSError``."""
    changes = Changes()
    planned = list(files)
    folders = {file.path.parent for file in planned if file.path.parent.name in {PROTOS, PROFILE}}
    paths = {file.path for file in planned}
    for folder in folders:
        paths.update(folder.glob("*.proto"))
    for path in sorted(paths):
        if not _exists(path):
            continue
        if _is_ours(path):
            path.unlink()
            changes.removed.append(path)
        else:
            changes.kept.append(path)
    for folder in folders:
        with suppress(OSError):  # not empty: Wireshark has put something there for the user
            folder.rmdir()
    return changes


def _preferences() -> str:
    columns = ",\n".join(f'\t"{title}", "{content}"' for title, content in _COLUMNS)
    settings = "".join(f"{setting.replace(':', ': ')}\n" for setting in SETTINGS)
    return f"# {MARK}\ngui.column.format:\n{columns}\n{settings}"


def _program_in(folder: Path) -> File:
    name, text = program()
    return File(folder / name, text, is_program=True)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.read(_HEAD)
    except OSError:
        return False


def _content(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _write(file: File) -> None:
    """Write a file, in a folder that is made where it is missing."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    write_file(file.path, file.text.encode(), overwrite=True)
    if file.is_program:
        file.path.chmod(0o755)
