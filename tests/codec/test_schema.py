from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any, assert_type
from zipfile import ZipFile

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import Default
from hypothesis import given
from hypothesis import strategies as st

import ftwire
import ftwire.messages
from ftwire.errors import DescriptorError
from ftwire.messages import Qot_Common, Qot_GetRT, Trd_Common
from ftwire.protocols import Registry, registry
from ftwire.schema import Schema, schema
from support.places import ROOT

PROTO = ROOT / "proto"


def descriptor_set(*names: str) -> descriptor_pb2.FileDescriptorSet:
    found = descriptor_pb2.FileDescriptorSet()
    for name in names:
        found.file.add().MergeFromString(schema.serialized_file(name))
    return found


def own_file(package: str = "Own", name: str = "Own.proto") -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package)
    file.message_type.add(name="Request").field.add(name="code", number=1, type=9, label=2)
    file.message_type.add(name="Response").field.add(name="retType", number=1, type=5, label=2)
    return file


def serialized(*files: descriptor_pb2.FileDescriptorProto) -> bytes:
    return descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()


def test_every_file_under_proto_is_in_the_schema_and_nothing_else() -> None:
    assert set(schema.file_names) == {path.relative_to(PROTO).as_posix() for path in PROTO.glob("**/*.proto")}


def test_every_protocol_file_names_its_protocols() -> None:
    stated = {entry.file for entry in registry}
    without = {path.name for path in PROTO.glob("*.proto")} - stated
    assert without == {
        "Common.proto",
        "Qot_Common.proto",
        "Qot_OptionCommon.proto",
        "Trd_Common.proto",
        "Trd_ReconfirmOrder.proto",  # in every SDK, with no ID in any
        "UsedQuota.proto",  # likewise, since 7.2
    }


def test_only_what_is_used_is_loaded() -> None:
    code = (
        "import sys\n"
        "reads = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and reads.append(str(args[0])))\n"
        "from ftwire.protocols import registry\n"
        "file = registry[3008].response.DESCRIPTOR.file\n"
        "print(sum(name.endswith('schema.binpb') for name in reads))\n"
        "print(file.name, *(each.name for each in file.dependencies))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # One read for each file that is loaded: all at once would be a single one.
    assert result.stdout.split() == ["2", "Qot_GetRT.proto", "Qot_Common.proto"]


def test_the_default_pool_is_left_alone() -> None:
    assert Qot_GetRT.Request.DESCRIPTOR.full_name == "Qot_GetRT.Request"
    with pytest.raises(KeyError):
        Default().FindFileByName("Qot_GetRT.proto")


def test_messages_are_the_classes_of_the_registry() -> None:
    assert Qot_GetRT.Response is registry[3008].response
    assert schema.message("Qot_Common.Security") is Qot_Common.Security


def test_messages_have_types_that_mypy_knows() -> None:
    request = Qot_GetRT.Request()
    assert_type(request.c2s.security.code, str)
    assert_type(request.c2s.security.market, int)
    assert_type(Qot_GetRT.Response().s2c.rtList[:][0:0], list[Qot_Common.TimeShare])
    request.c2s.security.code = "00700"
    assert request.HasField("c2s")
    assert Trd_Common.TrdEnv.Name(Trd_Common.TrdEnv_Real) == "TrdEnv_Real"
    assert Qot_Common.QotMarket.Value("QotMarket_HK_Security") == Qot_Common.QotMarket_HK_Security == 1


def test_every_module_of_messages_imports_and_can_be_listed() -> None:
    names = {module.name for module in pkgutil.iter_modules(ftwire.messages.__path__)}
    assert names == {path.stem for path in PROTO.glob("*.proto")}
    for name in names:
        module = importlib.import_module(f"ftwire.messages.{name}")
        assert module.DESCRIPTOR.name == f"{name}.proto"
        assert getattr(ftwire.messages, name) is module


def test_a_module_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Qot_Nothing"):
        ftwire.messages.Qot_Nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from ftwire.messages import Qot_Nothing  # type: ignore[attr-defined]  # noqa: F401


@pytest.mark.parametrize("name", ["", "Qot_GetRT", "Nothing.proto", "../Qot_GetRT.proto"])
def test_an_unknown_file_is_a_descriptor_error(name: str) -> None:
    for ask in (schema.file, schema.namespace, schema.serialized_file):
        with pytest.raises(DescriptorError, match="no file"):
            ask(name)


@pytest.mark.parametrize("name", ["", "Qot_GetRT", "Qot_GetRT.Nothing", "Nothing.Request"])
def test_an_unknown_message_is_a_descriptor_error(name: str) -> None:
    with pytest.raises(DescriptorError, match="no message"):
        schema.message(name)


def test_threads_may_meet_a_protocol_at_once() -> None:
    # In a process of its own, in which nothing is loaded yet.
    code = """
import threading
from ftwire.schema import schema
found = []
barrier = threading.Barrier(8)
def use():
    barrier.wait()
    found.extend(schema.message(row.response) for row in schema.protocols[:40])
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), len(set(found)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == f"{8 * 40} 40\n"


def test_a_users_file_of_a_known_name_takes_its_ids_from_ours() -> None:
    data = descriptor_set("Common.proto", "Qot_Common.proto", "Qot_GetRT.proto").SerializeToString()
    theirs = Schema.from_descriptor_set(data)
    assert [row.proto_id for row in theirs.protocols] == [3008]
    both = registry.beside(theirs)
    assert both[3008].response is theirs.message("Qot_GetRT.Response")
    assert both[3008].response is not registry[3008].response
    assert [entry.name for entry in both.all(3008)] == ["Qot_GetRT", "Qot_GetRT"]
    assert both[3009].response is registry[3009].response
    assert set(both.ids) == set(registry.ids)


def test_a_users_file_may_be_given_its_id() -> None:
    theirs = Schema.from_descriptor_set(serialized(own_file()), {9001: "Own"})
    entry = Registry(theirs)[9001]
    assert (entry.name, entry.request_name, entry.is_push) == ("Own", "Own.Request", False)
    assert 9001 in registry.beside(theirs)
    assert registry.beside(theirs).beside(theirs)["Own"].file == "Own.proto"
    assert 9001 not in registry


def test_a_users_file_may_state_its_id_with_our_option() -> None:
    file = own_file()
    file.dependency.append("ftwire/options.proto")
    # (ftwire.protocol) = { id: 9002 name: "Mine" push: true since: "10.12" }: field 51008, length-delimited.
    option = bytes.fromhex("08aa46 1204") + b"Mine" + bytes.fromhex("1801 3205") + b"10.12"
    file.options.MergeFromString(bytes.fromhex("82f418") + bytes([len(option)]) + option)
    theirs = Schema.from_descriptor_set(serialized(file))
    entry = Registry(theirs)["Mine"]
    assert (entry.proto_id, entry.is_push, entry.since) == (9002, True, "10.12")
    assert entry.response_name == "Own.Response"


def broken(change: str) -> bytes:
    file = own_file()
    if change == "missing import":
        file.dependency.append("Other.proto")
    elif change == "circle":
        file.dependency.append("B.proto")
        other = own_file("B", "B.proto")
        other.dependency.append("Own.proto")
        return serialized(file, other)
    elif change == "two of one name":
        return serialized(file, own_file("Another"))
    elif change == "two of one symbol":
        return serialized(file, own_file("Own", "B.proto"))
    elif change == "number used twice":
        file.message_type[0].field.add(name="again", number=1, type=9, label=1)
    elif change == "unknown type":
        file.message_type[0].field.add(name="what", number=2, type=11, label=1, type_name=".Own.What")
    elif change == "no name":
        file.ClearField("name")
    elif change == "option without id":
        file.dependency.append("ftwire/options.proto")
        file.options.MergeFromString(bytes.fromhex("82f41803120141"))
    elif change == "enum without a type":
        file.message_type[0].field.add(name="kind", number=2, type=14, label=1)
    elif change == "oneof that is not there":
        file.message_type[0].field[0].oneof_index = 1
    elif change == "zero byte in a name":
        file.message_type[0].name = "Req\0uest"
    elif change == "option that does not parse":
        file.dependency.append("ftwire/options.proto")
        file.options.MergeFromString(bytes.fromhex("82f4180108"))
    elif change == "option names no message":
        file.dependency.append("ftwire/options.proto")
        file.options.MergeFromString(bytes.fromhex("82f418080801120141220142"))
    elif change == "empty":
        return b""
    elif change == "no set":
        return b"\x0a\xff"
    elif change == "text":
        return b'syntax = "proto2";'
    return serialized(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("missing import", "imports Other.proto"),
        ("circle", "circle"),
        ("two of one name", "two different files"),
        ("two of one symbol", "Own.Re"),
        ("number used twice", "Own.proto"),
        ("unknown type", "Own.proto"),
        ("enum without a type", "Own.proto"),
        ("oneof that is not there", "Own.proto"),
        ("zero byte in a name", "Own.proto"),
        ("no name", "no name"),
        ("option without id", "lacks an id"),
        ("option that does not parse", "does not parse"),
        ("option names no message", "no message 'Own.B'"),
        ("empty", "holds no file"),
        ("no set", "not a FileDescriptorSet"),
        ("text", "not a FileDescriptorSet"),
    ],
)
def test_a_bad_descriptor_set_is_refused_with_its_reason(change: str, reason: str) -> None:
    with pytest.raises(DescriptorError, match=reason):
        Schema.from_descriptor_set(broken(change))


@pytest.mark.parametrize("package", ["Other", "", "Own.Request"])
def test_an_id_for_a_package_that_is_not_there_is_refused(package: str) -> None:
    with pytest.raises(DescriptorError, match="protocol 9001"):
        Schema.from_descriptor_set(serialized(own_file()), {9001: package})


WHOLE = descriptor_set("Qot_Common.proto", "Qot_GetRT.proto").SerializeToString()


@given(st.data())
def test_a_damaged_descriptor_set_gives_a_schema_or_a_descriptor_error(data: st.DataObject) -> None:
    small = serialized(own_file())
    raw = bytearray(data.draw(st.sampled_from([small, WHOLE])))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Schema.from_descriptor_set(bytes(raw[: data.draw(st.just(len(raw)) | st.integers(0, len(raw)))]))
    except DescriptorError as error:
        assert str(error)
    else:
        names: Any = [found.file(name).name for name in found.file_names]
        assert names


def test_every_file_that_is_listed_loads() -> None:
    for name in schema.file_names:
        assert schema.file(name).name == name


def test_the_schema_is_found_in_a_zip(tmp_path: Path) -> None:
    """As where a program is one file (``zipapp``), in which nothing can be read by itself."""
    package = Path(str(ftwire.__file__)).parent
    archive = tmp_path / "library.zip"
    with ZipFile(archive, "w") as library:
        for path in package.rglob("*"):
            if path.suffix in {".py", ".txt", ".binpb"}:
                library.write(path, f"ftwire/{path.relative_to(package)}")
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); import ftwire, ftwire.schema;"
        "print(ftwire.__file__); print(ftwire.registry[3008].response.DESCRIPTOR.full_name)\n"
        "for name in ftwire.schema.schema.file_names: ftwire.schema.schema.file(name)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert said == [f"{archive}/ftwire/__init__.py", "Qot_GetRT.Response"]
