"""``ftwire schema`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftwire.body import decode_body, encode_body, missing_fields
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.schema import schema
from ftwire.strategies import messages
from ftwire_tools.commands import ftwire
from ftwire_tools.commands.schema import COMMANDS
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.request_builder import build_request
from ftwire_tools.schemas import sdk_download as packages
from ftwire_tools.schemas.changelog import ChangeLog, built_in_changes, built_in_history
from ftwire_tools.schemas.json_schemas import json_schema
from ftwire_tools.schemas.lookup import reachable
from ftwire_tools.schemas.protoc import compile_directory
from ftwire_tools.schemas.sources import open_definitions
from support.captures import pcap, session
from support.places import ROOT

BUILT_IN = ROOT / "codec" / "ftwire" / "_schema" / "schema.binpb"
ANSWERED = [each.response_name for each in registry if "retType" in each.response.DESCRIPTOR.fields_by_name]
WIRE_FILES = [name for name in schema.file_names if name != "ftwire/options.proto"]


def run(*words: object) -> Result:
    return CliRunner().invoke(ftwire, ["schema", *map(str, words)])


def lines(*words: object) -> list[str]:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def objects(*words: object) -> list[Any]:
    return [json.loads(line) for line in lines(*words, "--json")]


def refusal(*words: object) -> str:
    """The one line that says why."""
    done = run(*words)
    assert done.exit_code in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def described(*files: FileDescriptorProto) -> bytes:
    return FileDescriptorSet(file=files).SerializeToString()


def small(**fields: tuple[int, int, int]) -> FileDescriptorProto:
    """A file ``Qot_GetRT`` whose reply has these fields: number, label, type."""
    file = FileDescriptorProto(name="Qot_GetRT.proto", package="Qot_GetRT")
    file.message_type.add(name="Request")
    reply = file.message_type.add(name="Response")
    for name, (number, label, kind) in fields.items():
        reply.field.add(name=name, number=number, label=label, type=kind)
    return file


def test_every_subcommand_has_a_line_and_an_example() -> None:
    for name, line in COMMANDS.items():
        done = run(name, "--help")
        assert done.exit_code == 0
        assert line.endswith(".")
        assert f"ftwire schema {name}" in done.stdout


# list


def test_list_has_every_protocol_with_its_kind_and_since_when() -> None:
    found = {each["name"]: each for each in objects("list")}
    assert set(found) == set(registry.names)
    for entry in registry:
        facts = found[entry.name]
        assert (facts["id"], facts["since"], facts["last"]) == (entry.proto_id, entry.since, entry.last)
        assert facts["kind"] == ("push" if entry.is_push else "request")
    # The two tables have different origins: options in the files, and the list of IDs of each release.
    history = built_in_history()
    for proto_id in history.ids:
        first, last = history.span(proto_id)
        facts = found[registry[proto_id].name]
        assert (facts["since"] or history.oldest, facts["last"] or history.newest) == (first, last)


def test_list_by_glob_id_former_name_and_kind() -> None:
    assert lines("list", "qot_getrt") == [" 3008  Qot_GetRT  request"]
    assert [each["id"] for each in objects("list", "300[89]")] == [3008, 3009]
    assert lines("list", "Trd_GetAccTradingInfo")[0].endswith("formerly Trd_GetAccTradingInfo")
    assert {each["kind"] for each in objects("list", "--kind", "push")} == {"push"}
    assert "last in 5.4.1608" in lines("list", "3200")[0]
    assert refusal("list", "nothing*") == "Error: no protocol matches nothing*"


# show


def test_show_says_types_labels_defaults_and_enum_values() -> None:
    found = [line.split() for line in lines("show", "Qot_GetRT")]
    assert found[0][:3] == ["protocol", "3008", "Qot_GetRT,"]
    assert ["required", "int32", "retType", "=", "1", "[default", "=", "-400]", "Common.RetType"] in found
    assert ["repeated", "Qot_Common.TimeShare", "rtList", "=", "2"] in found
    assert ["QotMarket_HK_Security", "=", "1"] in found


@pytest.mark.parametrize("name", registry.names)
def test_show_has_every_field_of_every_protocol(name: str) -> None:
    facts = objects("show", name)[0]
    shown = {message["name"]: message["fields"] for message in facts["messages"]}
    enums = {enum["name"]: enum["values"] for enum in facts["enums"]}
    for full_name, fields in shown.items():
        descriptor = schema.message(full_name).DESCRIPTOR
        assert [(each["name"], each["number"]) for each in fields] == [(f.name, f.number) for f in descriptor.fields]
        for each in fields:
            assert each["type"] in shown or each["type"] in enums or each["type"].islower()
            assert each.get("enum") in {None, *enums}
    entry = registry[name]
    assert entry.response_name in shown
    assert entry.request_name in {None, *shown}


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("3009", "protocol 3009 Qot_UpdateRT, push, since SDK 3.6.3"),
        ("QOT_GETRT", "protocol 3008 Qot_GetRT, request, since SDK 3.6.3"),
        ("2111", "protocol 2111 Trd_GetMaxTrdQtys, request, since SDK 3.6.3, formerly Trd_GetAccTradingInfo"),
        ("3200", "protocol 3200 Qot_GetTradeDate, request, since SDK 3.6.3, last in 5.4.1608"),
        ("Qot_Common.Security", "message Qot_Common.Security"),
        ("qot_common.qotmarket", "enum Qot_Common.QotMarket"),
        ("Qot_Common.proto", "message Qot_Common.QotHeader"),
    ],
)
def test_show_takes_every_name(name: str, first: str) -> None:
    assert lines("show", name)[0] == first


def test_show_proto_compiles_to_the_same_descriptors(tmp_path: Path) -> None:
    for name in WIRE_FILES:
        (tmp_path / name).write_text(run("show", name, "--proto").stdout)
    compiled = {file.name: file for file in FileDescriptorSet.FromString(compile_directory(tmp_path)).file}
    assert set(compiled) == set(WIRE_FILES)
    for name, file in compiled.items():
        for message in file.message_type:
            check_json_names(message, schema.file(name).message_types_by_name[message.name])
        assert file == FileDescriptorProto.FromString(schema.serialized_file(name))


def check_json_names(message: DescriptorProto, built: Descriptor) -> None:
    """The names that the compiler wrote down are those that protobuf made, ours being left to protobuf."""
    for field in message.field:
        assert field.json_name == built.fields_by_name[field.name].json_name
        field.ClearField("json_name")
    for nested in message.nested_type:
        check_json_names(nested, built.nested_types_by_name[nested.name])


def test_show_what_is_not_there_offers_what_is() -> None:
    assert refusal("show", "Qot_GetRTT").startswith(
        "Error: no protocol, message, enum or file is called Qot_GetRTT; did you mean Qot_GetRT"
    )
    assert "no protocol, message" in refusal("show", "99999")
    assert "--strict goes with" in refusal("show", "3008", "--strict")
    assert "is no message" in refusal("show", "Qot_Common.QotMarket", "--json-schema")


def validator(name: str, *, strict: bool = False) -> Any:
    found = json.loads(run("show", name, "--json-schema", *(["--strict"] if strict else [])).stdout)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@settings(max_examples=settings().max_examples * 3 // 2, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_json_bodies_of_every_message_are_valid_and_damaged_ones_are_not(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(ANSWERED))
    message_class = schema.message(name)
    body: Any = json.loads(encode_body(data.draw(messages(message_class)), BodyFormat.JSON))
    parts, _ = reachable([descriptor_of(message_class)], schema)
    for strict in (False, True):
        check = jsonschema.Draft202012Validator(json_schema([descriptor_of(message_class)], parts, strict=strict))
        assert list(check.iter_errors(body)) == []
        assert not check.is_valid({**body, "retType": "no number"})
        assert not check.is_valid({**body, "retType": 2**31})
        assert not check.is_valid({**body, "retMsg": 5})
        assert not check.is_valid({key: value for key, value in body.items() if key != "retType"})
        assert not check.is_valid([body])
        assert check.is_valid({**body, "mistyped": 1}) is not strict


def test_a_json_schema_takes_what_a_reader_takes() -> None:
    body = {"retType": 0, "s2c": {"security": {"market": 1, "code": "00700"}, "rtList": None}}
    assert validator("Qot_GetRT").is_valid(body)
    assert validator("Qot_GetRT").is_valid({"c2s": {"security": {"market": 1, "code": "00700"}}})
    assert not validator("Qot_GetRT").is_valid({"c2s": {"security": {"market": 1}}})
    assert not validator("Qot_GetRT.Request").is_valid(body)
    point = {"time": "a", "minute": 1, "isBlank": False, "volume": "431600", "price": "NaN"}
    assert validator("Qot_Common.TimeShare", strict=True).is_valid(point)
    assert validator("Qot_Common.TimeShare").is_valid({**point, "volume": 431600})
    assert not validator("Qot_Common.TimeShare").is_valid({**point, "volume": "many"})
    assert not validator("Qot_Common.TimeShare").is_valid({**point, "isBlank": 1})
    assert not validator("Qot_Common.TimeShare", strict=True).is_valid({**point, "Minute": 1})


# find


def test_find_meets_every_kind_of_name() -> None:
    found = {(each["kind"], each["name"]) for each in objects("find", "GetRT")}
    assert ("protocol", "Qot_GetRT") in found
    found = {(each["kind"], each["name"]) for each in objects("find", "security")}
    assert ("message", "Qot_Common.Security") in found
    assert ("field", "Qot_GetRT.C2S.security") in found
    assert ("enum", "Qot_Common.SecurityType") in found
    assert ("value", "Qot_Common.SecurityType.SecurityType_Bond") in found
    assert {each["kind"] for each in objects("find", "security", "--kind", "enum")} == {"enum"}
    assert lines("find", "AccTradingInfo") == ["protocol  Trd_GetMaxTrdQtys  2111 (formerly Trd_GetAccTradingInfo)"]


def test_find_nothing() -> None:
    assert refusal("find", "no such name") == "Error: no name holds 'no such name'"
    assert "nothing to look for" in refusal("find", "")


# template


@pytest.mark.parametrize("name", [entry.name for entry in registry if not entry.is_push])
def test_a_template_is_a_request(name: str) -> None:
    message_class = registry[name].request
    assert message_class is not None
    for options in ((), ("--all",)):
        text = run("template", name, "--compact", *options).stdout
        strict = validator(registry[name].request_name or "", strict=True)
        message = decode_body(text.encode(), message_class, BodyFormat.JSON, check_required=False)
        # The connection fills in the packetID.
        missing = [path for path in missing_fields(message) if not path.startswith("c2s.packetID")]
        assert missing == []
        inner = json.loads(text).get("c2s", {})
        if "packetID" in inner or not missing_fields(message):
            assert message_class.FromString(encode_body(message)) == message
            assert list(strict.iter_errors(json.loads(text))) == []
        else:
            assert options == ()


@pytest.mark.parametrize("name", [entry.name for entry in registry if not entry.is_push])
def test_call_takes_a_template(name: str) -> None:
    request = build_request(registry[name], json.loads(run("template", name).stdout))
    assert all(path.startswith("c2s.packetID") for path in missing_fields(request))


def test_a_template_orders_nothing_for_real() -> None:
    for name in ("Trd_PlaceOrder", "Trd_ModifyOrder", "Trd_PlaceComboOrder"):
        for options in ((), ("--all",)):
            assert json.loads(run("template", name, *options).stdout)["c2s"]["header"]["trdEnv"] == 0


def test_a_template_of_a_push_or_an_enum_is_refused() -> None:
    assert "Qot_UpdateRT is a push" in refusal("template", "3009")
    assert "neither a protocol nor a message" in refusal("template", "Qot_Common.QotMarket")
    assert "did you mean" in refusal("template", "Qot_GetRt2")


# diff


def test_ours_differs_from_itself_in_nothing() -> None:
    for other in ("ours", BUILT_IN, ROOT / "proto"):
        assert run("diff", "ours", other).stdout == f"ours -> {other}: no change\n"


def test_a_difference_is_told_and_is_exit_code_1(tmp_path: Path) -> None:
    old, new = tmp_path / "old.binpb", tmp_path / "new.binpb"
    old.write_bytes(described(small(a=(1, 1, 5), b=(2, 1, 9), c=(3, 1, 5))))
    new.write_bytes(described(small(a=(1, 1, 3), b=(7, 1, 9), d=(4, 1, 5))))
    done = run("diff", old, new)
    assert done.exit_code == 1
    told = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [(sign, rest) for sign, _, rest in told[:-1]] == [
        ("~", "Qot_GetRT.Response.a  type: int32 -> int64  breaks protobuf and JSON (new to old)"),
        ("~", "Qot_GetRT.Response.b  number: 2 -> 7  breaks protobuf"),
        ("-", "Qot_GetRT.Response.c  optional int32 c = 3"),
        ("+", "Qot_GetRT.Response.d  optional int32 d = 4"),
    ]
    assert done.stdout.endswith("1 added, 1 removed, 2 changed; 2 wire-breaking\n")
    facts = json.loads(run("diff", old, new, "--json").stdout)
    assert facts["breaking"] is True
    assert [each["name"].rpartition(".")[2] for each in facts["changes"] if each["breaking"]] == ["a", "b"]
    assert len(run("diff", old, new, "--breaking").stdout.splitlines()) == 3
    assert run("diff", old, new, "--about", "*.d", "--breaking").exit_code == 0


def test_definitions_that_cannot_be_read_are_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"\xff\xff")
    (tmp_path / "junk.whl").write_bytes(b"no zip")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "A.proto").write_text("message {")
    (tmp_path / "empty").mkdir()
    (tmp_path / "alone.binpb").write_bytes(described(FileDescriptorProto(name="a", dependency=["b"])))
    for name, reason in [
        ("junk", "not a FileDescriptorSet"),
        ("junk.whl", "not a zip"),
        ("bad", "A.proto:1:9"),
        ("empty", "holds no generated modules"),
        ("alone.binpb", "a imports b, which the set does not hold"),
        ("nowhere", "no such file or directory, nor a version of an SDK"),
    ]:
        assert reason in refusal("diff", "ours", tmp_path / name)
        assert reason in refusal("show", "3008", "--schema", tmp_path / name)


def test_a_version_is_had_from_the_cache_or_pip_and_pip_s_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked: list[tuple[str, ...]] = []

    def pip(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(tuple(words[words.index("pip") + 3 :]))
        if "index" in words:
            return subprocess.CompletedProcess(words, 0, "futu-api (10.12.1)\nAvailable versions: 10.12.1, 9", "")
        if words[-1].endswith("==1.2.3"):
            return subprocess.CompletedProcess(words, 1, "", "WARNING: x\nERROR: No matching distribution found\n")
        package, version = words[-1].split("==")
        Path(words[words.index("--dest") + 1], f"{package.replace('-', '_')}-{version}.tar.gz").write_bytes(b"")
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr("ftwire_tools.schemas.sdk_download.subprocess.run", pip)
    for requirement, name in [
        ("futu-api==latest", "futu_api-10.12.1"),
        ("9.6.5608", "futu_api-9.6.5608"),
        ("moomoo-api==9.1", "moomoo_api-9.1"),
        ("futu-api", "futu_api-10.12.1"),
    ]:
        parsed = packages.parse_requirement(requirement)
        assert parsed is not None
        path, version = packages.locate_package(*parsed)
        assert path == tmp_path / "ftwire" / "sdk" / f"{name}.tar.gz"
        assert version == name.partition("-")[2]
    # What is there is not asked for again, but which the newest is.
    assert [words[0] for words in asked] == ["index", "download", "download", "download", "index"]
    reason = "No matching distribution found (ftwire schema history lists the releases)"
    assert refusal("diff", "ours", "1.2.3") == f"Error: futu-api==1.2.3: {reason}"
    for requirement in ("", "requests==2", "futu-api9", "futu-api==", "../x", "9.x"):
        assert packages.parse_requirement(requirement) is None


# history


def test_the_history_is_the_difference_between_any_two_of_its_releases() -> None:
    log = built_in_changes()
    assert list(log.releases) == list(built_in_history().releases)
    assert ChangeLog.from_json(log.to_json()) == log
    assert (ROOT / "proto" / "changes.json").read_text() == log.to_json()
    before: dict[int, str] = {}
    for version, ids in built_in_history().releases.items():
        told = {change.name: change.kind for change in log.releases[version] if change.subject == "protocol"}
        if before:
            assert {
                int(name.split()[0]) for name, kind in told.items() if kind == "added"
            } == ids.keys() - before.keys()
            assert {
                int(name.split()[0]) for name, kind in told.items() if kind == "removed"
            } == before.keys() - ids.keys()
        before = dict(ids)


def test_history_by_release_range_name_and_breaking() -> None:
    assert lines("history")[0].split() == ["3.6.3", "49", "protocols", "the", "oldest", "release", "published"]
    assert len(lines("history")) == len(built_in_history().releases)
    assert lines("history", "--about", "Qot_GetRT.*") == [
        "7.2.3408       67 protocols  1 added; none wire-breaking",
        "  + field     Qot_GetRT.S2C.name  optional string name = 3",
        "10.5.6508      72 protocols  1 added; none wire-breaking",
        "  + field     Qot_GetRT.C2S.header  optional Qot_Common.QotHeader header = 100",
    ]
    assert [each["version"] for each in objects("history", "--since", "10.8", "--until", "10.9")] == [
        "10.8.6808",
        "10.9.6908",
    ]
    assert all(each["breaking"] for one in objects("history", "--breaking") for each in one["changes"])
    assert len(lines("history", "10.7.6708")) == 67
    assert "no release 10.7" in refusal("history", "10.7")
    assert "is no version" in refusal("history", "--since", "x")
    assert "nothing matches" in refusal("history", "--about", "nothing")


# --schema


def test_a_schema_of_ones_own_is_listed_shown_and_decoded_with(tmp_path: Path) -> None:
    path = tmp_path / "own.binpb"
    file = small(retType=(1, 1, 5), inAnotherVersion=(4, 1, 12))
    path.write_bytes(described(file))
    assert lines("list", "--schema", path) == [" 3008  Qot_GetRT  request"]
    assert any("inAnotherVersion" in line for line in lines("show", "3008", "--schema", path))
    assert lines("find", "another", "--schema", path)[0].split()[:2] == ["field", "Qot_GetRT.Response.inAnotherVersion"]
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session()))
    for options, is_there in ((["--schema", str(path)], True), ([], False)):
        done = CliRunner().invoke(ftwire, ["dump", "--json", *options, str(capture)])
        replies = [json.loads(line) for line in done.stdout.splitlines()]
        bodies = [json.dumps(each) for each in replies if each["proto_id"] == 3008 and each["kind"] == "response"]
        assert bodies
        assert all(("inAnotherVersion" in body) is is_there for body in bodies)
        # What that schema does not have is still decoded with ours.
        assert any(each["proto"] == "InitConnect" and each["body"] for each in replies)


def test_a_dump_with_a_schema_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(ftwire, ["dump", "--schema", str(tmp_path / "none"), "x.pcap"])
    assert done.exit_code == 1
    assert "no such file or directory, nor a version of an SDK" in done.stderr


def test_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m ftwire_tools.cli schema history --full | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def test_definitions_know_what_they_are_called() -> None:
    assert open_definitions("ours").label == "ours"
    assert open_definitions(str(BUILT_IN)).ids == open_definitions("ours").ids
