"""Update the tree under ``proto/`` to one newer SDK release, from the tree itself and that release alone.

The result is the same as making the tree again from all releases: definitions that only older releases had are in the
tree already, and the two history files have the first and last release of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from ftwire_tools.schemas.changelog import CHANGES_FILE, ChangeLog
from ftwire_tools.schemas.proto_tree import HISTORY_FILE, History, proto_tree
from ftwire_tools.schemas.proto_writer import OPTIONS_FILE
from ftwire_tools.schemas.protoc import compile_directory
from ftwire_tools.schemas.schema_diff import Change, compare
from ftwire_tools.schemas.sdk import Release, SdkError, version_key
from ftwire_tools.schemas.sources import DefinitionsError, of_set

__all__ = ["BY_HAND", "Tree", "grown", "read_tree"]

BY_HAND: Final = {"InitWebSocket.proto"}
"""Files of protocols that are in no SDK's list of IDs."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The part of ``proto/`` that is made from releases."""

    release: Release
    """All its files, as the newest release they were made from."""
    history: History
    log: ChangeLog


def read_tree(proto: Path) -> Tree:
    """Read a tree. Raises ``DefinitionsError``, ``ProtocError``, ``DescriptorError`` and ``OSError``."""
    try:
        history = History.from_json((proto / HISTORY_FILE).read_text(encoding="utf-8"))
        log = ChangeLog.from_json((proto / CHANGES_FILE).read_text(encoding="utf-8"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DefinitionsError(f"{proto}: {HISTORY_FILE} or {CHANGES_FILE} is damaged: {error}") from None
    found = of_set(compile_directory(proto), str(proto))
    files: dict[str, FileDescriptorProto] = {}
    for name, file in found.files.items():
        # Messages without a field replace those that an SDK lists and does not ship: they are made again.
        if name in BY_HAND or not any(message.field for message in file.message_type):
            continue
        plain = FileDescriptorProto()
        plain.CopyFrom(file)
        plain.ClearField("options")
        kept = [imported for imported in file.dependency if imported != OPTIONS_FILE]
        del plain.dependency[:]
        plain.dependency.extend(kept)
        files[name] = plain
    newest = history.newest
    return Tree(Release(newest, history.releases[newest], frozenset(), files), history, log)


def grown(tree: Tree, release: Release) -> tuple[dict[str, str], list[Change]]:
    """Return the files of the tree with one newer release (name to text), and the changes of that release.

    Raises ``SdkError`` when it is not newer, or has a form that the rules for the tree do not cover.
    """
    newest = tree.history.newest
    try:
        is_newer = version_key(release.version) > version_key(newest)
    except ValueError:
        raise SdkError(f"the release has no usable version but {release.version!r}") from None
    if not is_newer:
        raise SdkError(f"release {release.version} is not newer than {newest}, which the tree is made from")
    before, _ = tree.log.without_dropped(tree.release.files.values())
    changes = compare(before, release.own_files.values(), tree.release.ids, release.ids)
    texts = proto_tree([tree.release, release], tree.history)
    texts[CHANGES_FILE] = tree.log.followed_by(release.version, changes).to_json()
    return texts, changes
