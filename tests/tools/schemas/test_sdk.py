"""Reading SDK packages, and writing what they say as .proto text."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from ftwire.protocols import registry
from ftwire_tools.schemas.proto_tree import HISTORY_FILE, History, proto_tree
from ftwire_tools.schemas.proto_writer import ProtocolOption, UnsupportedFeatureError, proto_text
from ftwire_tools.schemas.sdk import Release, SdkError, read_sdk, version_key
from support.places import ROOT

PROTO = ROOT / "proto"
BY_HAND = {"InitWebSocket.proto"}


def file(package: str, *messages: str) -> descriptor_pb2.FileDescriptorProto:
    found = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    for name in messages:
        found.message_type.add(name=name)
    return found


def early_module(serialized: bytes) -> str:
    literal = repr(serialized.decode("latin-1"))
    return (
        "_b=sys.version_info[0]<3 and (lambda x:x) or (lambda x:x.encode('latin1'))\n"
        f"DESCRIPTOR = _descriptor.FileDescriptor(name='x', serialized_pb=_b({literal}))\n"
    )


def late_module(serialized: bytes) -> str:
    return f"DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile({serialized!r})\n"


CONSTANT = """
import nothing_that_exists
raise SystemExit("an SDK's code must not run")
class ProtoId(object):
    Push = 5
    Ask = 4  # a comment
    All_PushId = [Push]
    @classmethod
    def is_proto_id_push(cls, proto_id):
        return proto_id in ProtoId.All_PushId
"""


def package(module: str, name: str = "futu") -> dict[str, str]:
    return {
        f"{name}/common/constant.py": CONSTANT,
        f"{name}/common/pb/Ask_pb2.py": module,
        f"{name}/common/utils.py": "raise SystemExit",
        f"{name}/VERSION.txt": "9.8.7654\n",
    }


@pytest.mark.parametrize("module", [early_module, late_module])
@pytest.mark.parametrize("form", ["directory", "site-packages", "wheel", "source archive"])
def test_every_form_of_release_is_read_without_running_it(tmp_path: Path, module: object, form: str) -> None:
    ask = file("Ask", "Request", "Response")
    ask.message_type[0].field.add(name="text", number=1, type=9, label=1, default_value='"\\\u00e9\x00')
    files = package(module(ask.SerializeToString()))  # type: ignore[operator]
    path = tmp_path / "futu_api-9.8.7654-py3-none-any.whl"
    if form == "wheel":
        with zipfile.ZipFile(path, "w") as wheel:
            for name, text in files.items():
                wheel.writestr(name, text)
    elif form == "source archive":
        path = tmp_path / "futu-api-9.8.7654.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(f"futu-api-9.8.7654/{name}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    else:
        path = tmp_path / "somewhere"
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        if form == "directory":
            path /= "futu"
    release = read_sdk(path)
    assert release.version == "9.8.7654"
    assert release.ids == {4: "Ask", 5: "Push"}
    assert release.pushes == {5}
    assert release.files == {"Ask.proto": ask}


def test_a_path_that_holds_no_sdk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SdkError, match="holds no generated modules"):
        read_sdk(tmp_path)
    for name in ("x.whl", "x.tar.gz"):
        (tmp_path / name).write_text("not an archive")
        with pytest.raises(SdkError, match="x"):
            read_sdk(tmp_path / name)
    with pytest.raises(OSError, match="nowhere"):
        read_sdk(tmp_path / "nowhere.whl")


def test_two_sdks_in_one_place_are_refused(tmp_path: Path) -> None:
    for brand in ("futu", "moomoo"):
        for name, text in package(late_module(file("Ask").SerializeToString()), brand).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    with pytest.raises(SdkError, match="both futu and moomoo"):
        read_sdk(tmp_path)
    assert read_sdk(tmp_path / "moomoo").ids


@pytest.mark.parametrize("module", ["x = 1", "D = AddSerializedFile(b'')", "p.AddSerializedFile(b'\\xff')", "("])
def test_a_module_that_is_not_generated_code_is_refused(tmp_path: Path, module: str) -> None:
    for name, text in package(module).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(SdkError):
        read_sdk(tmp_path)


def test_versions_order_by_number() -> None:
    assert sorted(["10.0.6008", "3.27.2", "9.6.5608", "3.6.3"], key=version_key) == [
        "3.6.3", "3.27.2", "9.6.5608", "10.0.6008",
    ]  # fmt: skip


def protoc(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("protoc")), *arguments], check=True)


def descriptors(folder: Path, out: Path) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    names = sorted(path.name for path in folder.glob("*.proto"))
    protoc(f"--proto_path={folder}", "--include_imports", f"--descriptor_set_out={out}", *names)
    compiled = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in compiled.file if "/" not in file.name}


def test_the_files_under_proto_are_what_the_writer_makes_of_their_own_descriptors(tmp_path: Path) -> None:
    compiled = descriptors(PROTO, tmp_path / "set")
    assert len(compiled) > 180
    for name, found in compiled.items():
        if name in BY_HAND:
            continue
        found.dependency[:] = [item for item in found.dependency if item != "ftwire/options.proto"]
        options = []
        for entry in registry:
            if entry.file != name:
                continue
            scope = f"{found.package}."
            request = (entry.request_name or "").removeprefix(scope)
            response = entry.response_name.removeprefix(scope)
            options.append(
                ProtocolOption(
                    id=entry.proto_id,
                    name=entry.name,
                    push=entry.is_push,
                    request="" if request == "Request" else request,
                    response="" if response == "Response" else response,
                    since=entry.since or "",
                    last=entry.last or "",
                    formerly=entry.former_names,
                )
            )
        text = (PROTO / name).read_text()
        notes = [line.removeprefix("// ") for line in text.splitlines() if line.startswith("//")]
        assert proto_text(found, options, "\n".join(notes)) == text


def test_the_history_is_what_it_is_read_as() -> None:
    text = (PROTO / HISTORY_FILE).read_text()
    history = History.from_json(text)
    assert history.to_json() == text
    assert history.oldest == "3.6.3"
    assert version_key(history.newest) >= version_key("10.11.7108")
    assert history.names(3210) == ["Qot_GetWarrantData", "Qot_GetWarrant"]
    assert history.span(3016) == ("3.6.3", "5.4.1608")


def odd_file() -> descriptor_pb2.FileDescriptorProto:
    """Every construct that the writer knows, and names that only an absolute name tells apart."""
    found = file("Odd", "Odd", "Inner", "Outer")
    found.dependency.append("Other.proto")
    outer = found.message_type[2]
    outer.nested_type.add(name="Inner").nested_type.add(name="Odd")
    outer.enum_type.add(name="Kind").value.add(name="A", number=0)
    outer.enum_type[0].value.add(name="B", number=0).options.deprecated = True
    outer.enum_type[0].options.allow_alias = True
    for number, name in enumerate((".Odd.Outer.Inner", ".Odd.Inner", ".Odd.Odd", ".Other.Inner"), 1):
        outer.field.add(name=f"m{number}", number=number, type=11, label=3, type_name=name)
    outer.nested_type[0].field.add(name="deep", number=1, type=11, label=1, type_name=".Odd.Odd")
    outer.field.add(name="kind", number=10, type=14, label=1, type_name=".Odd.Outer.Kind", default_value="B")
    outer.field.add(name="text", number=11, type=9, label=1, default_value='a"\\\n\u00e9')
    outer.field.add(name="raw", number=12, type=12, label=1, default_value='\\000\\"\\377')
    outer.field.add(name="number", number=13, type=1, label=1, default_value="-inf")
    outer.field.add(name="flag", number=14, type=8, label=2, default_value="true").options.deprecated = True
    outer.field.add(name="list", number=536870911, type=5, label=3).options.packed = True
    for field in (*outer.field, *outer.nested_type[0].field):
        field.json_name = field.name  # protoc always fills it in
    return found


def test_every_construct_survives_text_and_compiler(tmp_path: Path) -> None:
    odd = odd_file()
    (tmp_path / "Odd.proto").write_text(proto_text(odd, note="A note.\n\nOf two paragraphs."))
    (tmp_path / "Other.proto").write_text(proto_text(file("Other", "Inner")))
    assert descriptors(tmp_path, tmp_path / "set")["Odd.proto"] == odd


@pytest.mark.parametrize("change", ["service", "extension", "group", "oneof", "reserved"])
def test_what_the_writer_does_not_know_is_refused(change: str) -> None:
    odd = file("Odd", "M")
    if change == "service":
        odd.service.add(name="S")
    elif change == "extension":
        odd.extension.add(name="e")
    elif change == "group":
        odd.message_type[0].field.add(name="g", number=1, type=10, label=1, type_name=".Odd.M.G")
    elif change == "oneof":
        odd.message_type[0].oneof_decl.add(name="o")
    else:
        odd.message_type[0].reserved_name.append("old")
    with pytest.raises(UnsupportedFeatureError, match="Odd"):
        proto_text(odd)


def release(version: str, ids: dict[int, str], *files: descriptor_pb2.FileDescriptorProto) -> Release:
    pushes = frozenset(
        number
        for number, name in ids.items()
        for found in files
        if found.package == name and "Request" not in [message.name for message in found.message_type]
    )
    return Release(version, ids, pushes, {found.name: found for found in files})


def test_the_tree_keeps_what_was_dropped_and_says_until_when() -> None:
    trd_notify = file("Trd_Notify", "Response")
    common = file("Qot_Common", "Old", "Kept", "Unused")
    old = file("Qot_Gone", "Request", "Response")
    old.dependency.append("Qot_Common.proto")
    old.message_type[0].field.add(name="x", number=1, type=11, label=1, type_name=".Qot_Common.Old")
    asked, pushed = file("Qot_Ask", "Request", "Response"), file("Qot_Push", "Response")
    asked.dependency.append("Qot_Common.proto")
    leftover = file("Qot_Ask")
    leftover.name = "Temp.proto"
    shared = file("Shared", "OneReq", "OneRsp")
    first = release("1.0", {1: "Qot_Gone", 2: "Qot_Query"}, common, old, asked, leftover, trd_notify)
    second = release(
        "2.0",
        {2: "Qot_Ask", 3: "Qot_Push", 4: "Wrap_One", 5: "Bare"},
        file("Qot_Common", "Kept"), asked, pushed, shared, trd_notify,
    )  # fmt: skip
    tree = proto_tree([second, first])
    assert set(tree) == {
        "Qot_Common.proto", "Qot_Gone.proto", "Qot_Ask.proto", "Qot_Push.proto", "Shared.proto", "Bare.proto",
        "Trd_Notify.proto", HISTORY_FILE,
    }  # fmt: skip
    assert '{ id: 1 name: "Qot_Gone" last: "1.0" }' in tree["Qot_Gone.proto"]
    assert '{ id: 2 name: "Qot_Ask" formerly: "Qot_Query" }' in tree["Qot_Ask.proto"]
    assert '{ id: 3 name: "Qot_Push" push: true since: "2.0" }' in tree["Qot_Push.proto"]
    assert 'name: "Wrap_One" request: "OneReq" response: "OneRsp"' in tree["Shared.proto"]
    assert "ships no message" in tree["Bare.proto"]
    assert "message Old {}" in tree["Qot_Common.proto"]
    assert "Unused" not in tree["Qot_Common.proto"]
    assert "Qot_Common.proto" not in tree["Qot_Ask.proto"]
    assert "Qot_Common.proto" in tree["Qot_Gone.proto"]


def test_a_push_that_the_release_does_not_list_is_refused() -> None:
    odd = Release("1.0", {1: "A"}, frozenset({1}), {"A.proto": file("A", "Request", "Response"),
                  "Trd_Notify.proto": file("Trd_Notify", "Response")})  # fmt: skip
    with pytest.raises(SdkError, match=r"push or not\? \[1\]"):
        proto_tree([odd])
