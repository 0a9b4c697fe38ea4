"""Make the tree of ``.proto`` files under ``proto/``, and the history of protocol IDs, from SDK releases.

The rules, in one place:

- a file's text comes from the newest release that ships it, so a dropped file is kept in its last form;
- a protocol belongs to the file of its name; to the file of the name it was given later, when it was renamed;
  or to the file with the messages ``<Name>Req`` and ``<Name>Rsp`` (``SkillWrapAPI`` holds three like that);
- a protocol whose file has no request message is a push;
- a message or enum that the newest release dropped is kept if a kept file still needs it;
- a file imports only what it needs (a dozen of the vendor's files import ``Common.proto`` without use: without it,
  decoding one protocol loads one file less);
- a leftover file that declares another file's package (three early releases shipped such copies) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from ftwire_tools.schemas.proto_writer import ProtocolOption, proto_text
from ftwire_tools.schemas.sdk import Release, SdkError, version_key

__all__ = ["HISTORY_FILE", "History", "proto_tree"]

HISTORY_FILE = "history.json"
"""Name, under ``proto/``, of the file that ``History`` reads and writes."""

_NO_MESSAGES = """\
The SDK lists this protocol ID and ships no message for it, nor a caller. The two messages here are empty
so that a body of it decodes: all it carries stays as unknown fields."""

# Documented on the vendor's protocol pages, in no release's ProtoId.
_BESIDE_THE_SDK = {2207: "Trd_Notify"}


@dataclass(frozen=True, slots=True)
class History:
    """The protocol IDs that each SDK release listed, with their names, oldest release first."""

    releases: Mapping[str, Mapping[int, str]]

    @classmethod
    def of(cls, releases: Sequence[Release]) -> History:
        """Return the history of these releases, given in any order."""
        ordered = sorted(releases, key=lambda release: version_key(release.version))
        return cls({release.version: release.ids for release in ordered})

    @classmethod
    def from_json(cls, text: str) -> History:
        """Read the text that ``to_json`` wrote."""
        releases: dict[str, Mapping[int, str]] = {}
        current: dict[int, str] = {}
        for version, change in json.loads(text).items():
            current = {i: name for i, name in current.items() if str(i) not in change.get("removed", {})}
            current |= {int(i): name for i, name in change.get("added", {}).items()}
            releases[version] = dict(sorted(current.items()))
        return cls(releases)

    def to_json(self) -> str:
        """Return each release with the IDs it added and removed, as JSON; a renamed ID is in both."""
        changes: dict[str, dict[str, dict[str, str]]] = {}
        before: Mapping[int, str] = {}
        for version, ids in self.releases.items():
            added = {str(i): name for i, name in ids.items() if before.get(i) != name}
            removed = {str(i): name for i, name in before.items() if ids.get(i) != name}
            changes[version] = {key: value for key, value in (("added", added), ("removed", removed)) if value}
            before = ids
        return json.dumps(changes, indent=1) + "\n"

    def names(self, proto_id: int) -> list[str]:
        """Return the names of one ID, oldest first."""
        return list(dict.fromkeys(ids[proto_id] for ids in self.releases.values() if proto_id in ids))

    def span(self, proto_id: int) -> tuple[str, str]:
        """Return the first and last release that list an ID."""
        versions = [version for version, ids in self.releases.items() if proto_id in ids]
        return versions[0], versions[-1]

    @property
    def ids(self) -> list[int]:
        """Every ID there ever was, in order."""
        return sorted({proto_id for ids in self.releases.values() for proto_id in ids})

    @property
    def oldest(self) -> str:
        """The oldest release."""
        return next(iter(self.releases))

    @property
    def newest(self) -> str:
        """The newest release."""
        return list(self.releases)[-1]


def proto_tree(releases: Sequence[Release], history: History | None = None) -> dict[str, str]:
    """Return the files under ``proto/`` that are made from releases, history included: file name to text.

    ``history`` covers earlier releases where ``releases`` are not all: the tree so far, taken as one release, and
    the next one.

    Raises ``SdkError`` when a protocol has no file, or the pushes differ from the newest release's list.
    """
    ordered = sorted(releases, key=lambda release: version_key(release.version))
    history = History({**(history.releases if history else {}), **History.of(ordered).releases})
    files: dict[str, FileDescriptorProto] = {}
    for release in ordered:
        for name, file in release.own_files.items():
            files[name] = FileDescriptorProto()
            files[name].CopyFrom(file)
    newest = ordered[-1]
    for name, file in list(files.items()):
        if name not in newest.files and file.package != name.removesuffix(".proto"):
            del files[name]
    _keep_needed_types(files, ordered)
    for file in files.values():
        _import_what_is_used(file, files)
    protocols: dict[str, list[ProtocolOption]] = {name: [] for name in files}
    notes: dict[str, str] = {}
    for proto_id in history.ids:
        name, option = _protocol(proto_id, history, files)
        if name not in files:
            files[name] = _empty_protocol(name)
            protocols[name] = []
            notes[name] = _NO_MESSAGES
        protocols[name].append(option)
    for proto_id, name in _BESIDE_THE_SDK.items():
        if not protocols[f"{name}.proto"]:
            protocols[f"{name}.proto"].append(_described(ProtocolOption(id=proto_id, name=name), files))
    pushes = {option.id for options in protocols.values() for option in options if option.push}
    if missed := (pushes & newest.ids.keys()) ^ newest.pushes:
        raise SdkError(f"{newest.version}: push or not? {sorted(missed)}")
    tree = {name: proto_text(file, protocols[name], notes.get(name, "")) for name, file in sorted(files.items())}
    tree[HISTORY_FILE] = history.to_json()
    return tree


def _references(messages: Iterable[DescriptorProto]) -> Iterator[str]:
    for message in messages:
        yield from (field.type_name.removeprefix(".") for field in message.field if field.type_name)
        yield from _references(message.nested_type)


def _top_level(file: FileDescriptorProto) -> set[str]:
    names = [message.name for message in file.message_type] + [enum.name for enum in file.enum_type]
    return {f"{file.package}.{name}" for name in names}


def _package(name: str) -> str:
    # Every package of this schema is one word, and every file has a package of its own.
    return name.partition(".")[0]


def _keep_needed_types(files: Mapping[str, FileDescriptorProto], ordered: Sequence[Release]) -> None:
    by_package = {file.package: file for file in files.values()}
    known = {name for file in files.values() for name in _top_level(file)}
    wanted = [name for file in files.values() for name in _references(file.message_type)]
    while wanted:
        name = ".".join(wanted.pop().split(".")[:2])
        if name in known:
            continue
        known.add(name)
        target = by_package[_package(name)]
        for release in reversed(ordered):
            old = release.files.get(target.name)
            if old is None or name not in _top_level(old):
                continue
            messages = [message for message in old.message_type if f"{old.package}.{message.name}" == name]
            target.message_type.extend(messages)
            target.enum_type.extend(enum for enum in old.enum_type if f"{old.package}.{enum.name}" == name)
            wanted += _references(messages)
            break
        else:
            raise SdkError(f"no release defines {name}")


def _import_what_is_used(file: FileDescriptorProto, files: Mapping[str, FileDescriptorProto]) -> None:
    packages = {_package(name) for name in _references(file.message_type)}
    used = [name for name in file.dependency if files[name].package in packages]
    del file.dependency[:]
    file.dependency.extend(used)


def _protocol(proto_id: int, history: History, files: Mapping[str, FileDescriptorProto]) -> tuple[str, ProtocolOption]:
    *formerly, name = history.names(proto_id)
    since, last = history.span(proto_id)
    option = ProtocolOption(
        id=proto_id,
        name=name,
        since="" if since == history.oldest else since,
        last="" if last == history.newest else last,
        formerly=tuple(formerly),
    )
    file_name = f"{name}.proto"
    if file_name in files:
        return file_name, _described(option, files)
    stem = name.rpartition("_")[2]
    for found, file in files.items():
        messages = {message.name for message in file.message_type}
        if {f"{stem}Req", f"{stem}Rsp"} <= messages:
            return found, replace(option, request=f"{stem}Req", response=f"{stem}Rsp")
    return file_name, option


def _described(option: ProtocolOption, files: Mapping[str, FileDescriptorProto]) -> ProtocolOption:
    messages = {message.name for message in files[f"{option.name}.proto"].message_type}
    if "Response" not in messages:
        raise SdkError(f"{option.name}.proto has no message Response")
    return replace(option, push="Request" not in messages)


def _empty_protocol(name: str) -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, package=name.removesuffix(".proto"))
    file.message_type.add(name="Request")
    file.message_type.add(name="Response")
    return file
