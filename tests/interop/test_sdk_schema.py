"""Our schema against the vendor's own classes, and in one process with them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings

from ftwire.body import decode_body, encode_body, to_dict
from ftwire.protocols import registry
from ftwire.schema import schema
from ftwire.strategies import messages
from ftwire_tools.prototree import proto_tree
from ftwire_tools.sdk import read_sdk

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("sdk_schema.py")
NEWEST = {"futu-api-10.11": "futu", "moomoo-api-10.11": "moomoo"}
OLDER = {"futu-api-9.6": "futu", "futu-api-6.2": "futu"}
EACH = 8
"""Messages made of every class."""


@pytest.fixture
def sdk() -> Callable[[str], tuple[str, Path]]:
    """``sdk(name)``: Python and site-packages of an SDK below .peers; without it the test skips by name."""

    def find(name: str) -> tuple[str, Path]:
        folder = ROOT / ".peers" / name
        found = sorted(folder.glob("**/site-packages/*/common/constant.py"))
        pythons = sorted(folder.glob("**/bin/python"))
        if not found or not pythons:
            reason = f"{name} is not installed below .peers (make peers)"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        return str(pythons[0]), found[0].parents[2]

    return find


def run(python: str, home: Path, *arguments: str, stdin: str = "", path: tuple[Path, ...] = ()) -> str:
    environment = {
        **os.environ,
        "HOME": str(home),  # where an SDK writes its log
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }
    done = subprocess.run(
        [python, *arguments], input=stdin, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


USES = {
    "ftwire": "from ftwire.messages import Qot_GetRT as a, Trd_Common; "
    "assert a.Request.DESCRIPTOR.full_name == 'Qot_GetRT.Request'; "
    "from ftwire.protocols import registry; assert all(e.response for e in registry)",
    "futu": "import futu; from futu.common.pb import Qot_GetRT_pb2 as b; assert b.Request()",
    "moomoo": "import moomoo; from moomoo.common.pb import Qot_GetRT_pb2 as c; assert c.Response()",
}


@pytest.mark.parametrize("order", list(itertools.permutations(USES)), ids="-".join)
def test_ftwire_and_both_sdks_share_a_process(
    order: tuple[str, ...], sdk: Callable[[str], tuple[str, Path]], tmp_path: Path
) -> None:
    python, _ = sdk("futu-api-10.11")
    _, moomoo = sdk("moomoo-api-10.11")
    code = "; ".join(["import sys", f"sys.path.append({str(moomoo)!r})", *(USES[name] for name in order)])
    assert "done" in run(python, tmp_path, "-c", f"{code}; print('done')", path=(ROOT / "codec",))


def every_message(prefix: str, found: DescriptorProto) -> list[str]:
    name = f"{prefix}.{found.name}"
    return [name, *(inner for nested in found.nested_type for inner in every_message(name, nested))]


def made(message_class: type[Message]) -> list[Message]:
    found: list[Message] = []

    @settings(
        max_examples=EACH, derandomize=True, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(messages(message_class))
    def collect(message: Message) -> None:
        found.append(message)

    collect()
    return found


@pytest.mark.parametrize("name", NEWEST)
def test_every_class_of_the_newest_sdk_reads_and_writes_what_ours_do(
    name: str, sdk: Callable[[str], tuple[str, Path]], tmp_path: Path
) -> None:
    python, _ = sdk(name)
    listed: list[str] = json.loads(run(python, tmp_path, str(PROGRAM), NEWEST[name], "--list"))
    assert len(listed) > 700
    ours = [message for full_name in listed for message in made(schema.message(full_name))]
    assert len(ours) >= 3 * len(listed)
    lines = [json.dumps([message.DESCRIPTOR.full_name, encode_body(message).hex()]) for message in ours]
    answers = run(python, tmp_path, str(PROGRAM), NEWEST[name], stdin="\n".join(lines)).splitlines()
    # An SDK may greet on standard output when it is imported.
    answers = answers[-len(ours) :]
    assert len(answers) == len(ours)
    for message, answer in zip(ours, answers, strict=True):
        written, rendered = json.loads(answer)
        again = decode_body(bytes.fromhex(written), type(message))
        assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
        assert bytes.fromhex(written) == message.SerializeToString(deterministic=True)
        assert rendered == json.loads(json.dumps(to_dict(message)))


@pytest.mark.parametrize("name", OLDER)
def test_ids_and_classes_of_older_sdks_are_ours_too(name: str, sdk: Callable[[str], tuple[str, Path]]) -> None:
    _, packages = sdk(name)
    release = read_sdk(packages / OLDER[name])
    for proto_id, known_as in release.ids.items():
        assert known_as in (registry[proto_id].name, *registry[proto_id].former_names)
    for proto_id in release.pushes - {1004}:  # up to 9.4 the SDK listed KeepAlive among its pushes
        assert registry[proto_id].is_push
    for file in release.files.values():
        for message in file.message_type:
            for full_name in every_message(file.package, message):
                schema.message(full_name)


def facts(message: DescriptorProto) -> dict[str, Any]:
    """What a message says about the wire."""
    return {
        "fields": [
            (
                (field.number, field.name, field.label, field.type),
                (field.type_name.lstrip("."), field.default_value, field.options.packed),
            )
            for field in message.field
        ],
        "enums": {
            enum.name: [(value.name, value.number) for value in enum.value] for enum in message.enum_type
        },
        "nested": {nested.name: facts(nested) for nested in message.nested_type},
    }  # fmt: skip


@pytest.mark.parametrize("name", NEWEST)
def test_every_fact_of_the_newest_sdk_is_in_our_files(name: str, sdk: Callable[[str], tuple[str, Path]]) -> None:
    _, packages = sdk(name)
    release = read_sdk(packages / NEWEST[name])
    assert len(release.files) > 180
    for file_name, file in release.files.items():
        ours = FileDescriptorProto.FromString(schema.serialized_file(file_name))
        assert ours.package == file.package
        kept = {message.name: facts(message) for message in ours.message_type}
        assert {message.name: facts(message) for message in file.message_type}.items() <= kept.items()
        enums = {enum.name: [(value.name, value.number) for value in enum.value] for enum in ours.enum_type}
        for enum in file.enum_type:
            assert enums[enum.name] == [(value.name, value.number) for value in enum.value]
    assert {proto_id: registry[proto_id].name for proto_id in release.ids} == release.ids


def test_the_files_are_made_again_from_the_releases() -> None:
    folder = os.environ.get("FTWIRE_SDK_RELEASES")
    if not folder:
        pytest.skip("FTWIRE_SDK_RELEASES names no directory of futu-api releases (proto/generate.py --download)")
    tree = proto_tree([read_sdk(path) for path in sorted(Path(folder).iterdir())])
    for name, text in tree.items():
        assert (ROOT / "proto" / name).read_text() == text, name
