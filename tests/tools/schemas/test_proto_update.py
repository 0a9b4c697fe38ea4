"""Growing the tree by one release, against making it again from all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from ftwire_tools.commands import ftwire
from ftwire_tools.schemas.changelog import CHANGES_FILE, ChangeLog
from ftwire_tools.schemas.proto_tree import HISTORY_FILE, proto_tree
from ftwire_tools.schemas.proto_update import grown, read_tree
from ftwire_tools.schemas.sdk import Release, SdkError, read_sdk
from ftwire_tools.schemas.sources import DefinitionsError
from support.places import ROOT

PROTO = ROOT / "proto"


def file(package: str, *names: str, refers: Sequence[str] = ()) -> FileDescriptorProto:
    found = FileDescriptorProto(name=f"{package}.proto", package=package)
    for name in names:
        message = found.message_type.add(name=name)
        message.field.add(name="number", number=1, label=1, type=5)
        if name == "Request":
            for number, full in enumerate(refers, 2):
                message.field.add(name=f"m{number}", number=number, label=1, type=11, type_name=f".{full}")
                if (other := f"{full.partition('.')[0]}.proto") != found.name:
                    found.dependency.append(other)
    return found


def releases() -> list[Release]:
    """Three: a protocol goes whose type stays, one is renamed, one has no file, one is new, a push comes."""
    ask = file("Ask", "Request", "Response")
    changed = file("Ask", "Request", "Response", "Extra")
    changed.message_type[0].field[0].type = FieldDescriptorProto.TYPE_INT64
    notify = file("Trd_Notify", "Response")
    old = file("Gone", "Request", "Response", refers=["Common.Old"])
    query, renamed = file("Query", "Request", "Response"), file("Question", "Request", "Response")
    shapes = [
        ("1.0", {1: "Gone", 2: "Ask", 4: "Query"}, [], [file("Common", "Old", "Kept"), old, ask, query, notify]),
        ("1.10", {2: "Ask", 4: "Query", 6: "Bare"}, [], [file("Common", "Kept"), ask, query, notify]),
        ("2.0", {2: "Ask", 4: "Question", 5: "Push", 6: "Bare"}, [5],
         [file("Common", "Kept", "More"), changed, renamed, file("Push", "Response"), notify]),
    ]  # fmt: skip
    return [
        Release(version, ids, frozenset(pushes), {each.name: each for each in sorted(files, key=lambda one: one.name)})
        for version, ids, pushes, files in shapes
    ]


def made(found: Sequence[Release]) -> dict[str, str]:
    return {**proto_tree(found), CHANGES_FILE: ChangeLog.of(found).to_json()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The tree of the first two releases, beside what is written by hand."""
    folder = tmp_path / "proto"
    shutil.copytree(PROTO / "ftwire", folder / "ftwire")
    shutil.copy(PROTO / "InitWebSocket.proto", folder)
    for name, text in made(releases()[:2]).items():
        (folder / name).write_text(text)
    return folder


def test_a_tree_grown_release_by_release_is_the_one_made_from_all(tree: Path) -> None:
    texts, changes = grown(read_tree(tree), releases()[2])
    assert texts == made(releases())
    assert {(one.kind, one.subject, one.name) for one in changes} == {
        ("changed", "protocol", "4 Question"),
        ("added", "protocol", "5 Push"),
        ("changed", "file", "Question.proto"),
        ("added", "file", "Push.proto"),
        ("added", "message", "Ask.Extra"),
        ("added", "message", "Common.More"),
        ("changed", "field", "Ask.Request.number"),
    }


def test_a_release_that_is_not_newer_is_refused(tree: Path) -> None:
    with pytest.raises(SdkError, match=r"1\.10 is not newer than 1\.10"):
        grown(read_tree(tree), releases()[1])
    with pytest.raises(SdkError, match="has no usable version but ''"):
        grown(read_tree(tree), Release("", {}, frozenset(), {}))


def test_a_damaged_tree_is_refused(tree: Path) -> None:
    (tree / HISTORY_FILE).write_text("{")
    with pytest.raises(DefinitionsError, match="is damaged"):
        read_tree(tree)


def package(folder: Path, release: Release) -> Path:
    """A release as it is installed."""
    ids = "".join(f"    {name} = {proto_id}\n" for proto_id, name in release.ids.items())
    pushes = ", ".join(release.ids[proto_id] for proto_id in release.pushes)
    sources = {
        "common/constant.py": f"class ProtoId:\n{ids}    All_PushId = [{pushes}]\n",
        "VERSION.txt": release.version,
    }
    for name, found in release.files.items():
        text = f"D = pool.Default().AddSerializedFile({found.SerializeToString()!r})\n"
        sources[f"common/pb/{name.removesuffix('.proto')}_pb2.py"] = text
    for name, text in sources.items():
        path = folder / "futu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "futu"


def run(*words: object) -> Result:
    return CliRunner().invoke(ftwire, ["schema", "update", *map(str, words)])


def test_update_writes_the_tree_and_tells_what_changed(tree: Path, tmp_path: Path) -> None:
    sdk = package(tmp_path / "sdk", releases()[2])
    assert read_sdk(sdk).version == "2.0"
    before = {path.name: path.read_text() for path in tree.glob("*.*")}
    dry = run(sdk, "--proto", tree, "--dry-run")
    assert {path.name: path.read_text() for path in tree.glob("*.*")} == before
    done = run(sdk, "--proto", tree)
    assert done.exit_code == 0, done.output
    assert dry.stdout == done.stdout.replace("files written", "files would be written")
    assert "~ field     Ask.Request.number  type: int32 -> int64  breaks protobuf and JSON (new to old)" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("1.10 -> 2.0: 4 added, 3 changed; 1 wire-breaking; ")
    want = made(releases())
    assert {path.name: path.read_text() for path in tree.glob("*.*") if path.name != "InitWebSocket.proto"} == want
    again = run(sdk, "--proto", tree)
    assert again.stdout.endswith(f"2.0 is what {tree} is made from; nothing to do\n")
    facts = json.loads(run(package(tmp_path / "old", releases()[0]), "--proto", tree, "--json").stdout)
    assert (facts["new"], facts["files"], facts["written"]) == ("1.0", [], False)


def test_update_without_a_checkout_or_an_sdk_is_refused_in_a_line(tree: Path, tmp_path: Path) -> None:
    for words, reason in [
        ((tmp_path / "none", "--proto", tree), "no such file or directory, nor a version of an SDK"),
        ((tmp_path, "--proto", tmp_path), "no source checkout"),
        ((tree, "--proto", tree), "holds no generated modules"),
    ]:
        done = run(*words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_our_own_tree_is_read_as_its_newest_release() -> None:
    found = read_tree(PROTO)
    assert found.release.version == found.history.newest == list(found.log.releases)[-1]
    kept, left_out = found.log.without_dropped(found.release.files.values())
    assert "Qot_Common.OrderDetail" in left_out
    assert "Qot_GetTradeDate.proto" in left_out
    assert len(kept) > 180
