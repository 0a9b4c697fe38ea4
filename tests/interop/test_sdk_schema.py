"""Our schema against the vendor's own classes, and in one process with them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ftwire.body import decode_body, encode_body, to_dict
from ftwire.protocols import registry
from ftwire.schema import schema
from ftwire.strategies import messages
from ftwire_tools.commands import ftwire
from ftwire_tools.schemas.changelog import CHANGES_FILE, ChangeLog, built_in_changes
from ftwire_tools.schemas.proto_tree import proto_tree
from ftwire_tools.schemas.proto_update import grown, read_tree
from ftwire_tools.schemas.sdk import read_sdk, version_key
from interop.peers import Peer, python

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("sdk_schema.py")
NEWEST = {"futu-api-10.11": "futu", "moomoo-api-10.11": "moomoo"}
OLDER = {"futu-api-9.6": "futu", "futu-api-6.2": "futu"}
EACH = 8
"""Messages made of every class."""
AT_ONCE = 8
"""Classes in one run of Hypothesis: beginning a run takes longer than drawing a message."""


PeerOf = Callable[[str], Peer]


def packages_of(peer: Peer) -> Path:
    """The site-packages of an SDK's environment."""
    (found,) = peer.folder.glob("venv/lib/*/site-packages")
    return found


def start(peer: Peer, home: Path, *arguments: str, path: tuple[Path, ...] = ()) -> subprocess.Popen[str]:
    """Start a program in an SDK's environment."""
    environment = {
        **os.environ,
        "HOME": str(home),  # where an SDK writes its log
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }
    pipe = subprocess.PIPE
    words = [str(python(peer.name)), *arguments]
    return subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str], stdin: str = "") -> str:
    """Wait for a program that must succeed, and return its output."""
    output, errors = process.communicate(stdin)
    assert process.returncode == 0, errors[-2000:]
    return output


USES = {
    "ftwire": "from ftwire.messages import Qot_GetRT as a, Trd_Common; "
    "assert a.Request.DESCRIPTOR.full_name == 'Qot_GetRT.Request'; "
    "from ftwire.protocols import registry; assert all(e.response for e in registry)",
    "futu": "import futu; from futu.common.pb import Qot_GetRT_pb2 as b; assert b.Request()",
    "moomoo": "import moomoo; from moomoo.common.pb import Qot_GetRT_pb2 as c; assert c.Response()",
}


@pytest.mark.parametrize("order", list(itertools.permutations(USES)), ids="-".join)
def test_ftwire_and_both_sdks_share_a_process(order: tuple[str, ...], peer: PeerOf, tmp_path: Path) -> None:
    moomoo = packages_of(peer("moomoo-api-10.11"))
    code = "; ".join(["import sys", f"sys.path.append({str(moomoo)!r})", *(USES[name] for name in order)])
    process = start(peer("futu-api-10.11"), tmp_path, "-c", f"{code}; print('done')", path=(ROOT / "codec",))
    assert "done" in finish(process)


def every_message(prefix: str, found: DescriptorProto) -> list[str]:
    name = f"{prefix}.{found.name}"
    return [name, *(inner for nested in found.nested_type for inner in every_message(name, nested))]


def made(names: list[str]) -> dict[str, list[Message]]:
    """``EACH`` messages of every class, by its full name."""
    found: dict[str, list[Message]] = {name: [] for name in names}
    for start_at in range(0, len(names), AT_ONCE):
        together = names[start_at : start_at + AT_ONCE]

        @settings(
            max_examples=EACH, derandomize=True, database=None, phases=[Phase.generate], deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.tuples(*(messages(schema.message(name)) for name in together)))
        def collect(drawn: tuple[Message, ...]) -> None:
            for message in drawn:
                found[message.DESCRIPTOR.full_name].append(message)

        collect()
    return found


@pytest.mark.timeout(900)  # thousands of messages are drawn
def test_every_class_of_the_newest_sdks_reads_and_writes_what_ours_do(peer: PeerOf, tmp_path: Path) -> None:
    # Making the messages takes longest: both SDKs get the same ones, and run beside each other.
    peers = {name: peer(name) for name in NEWEST}
    listing = {name: start(peers[name], tmp_path, str(PROGRAM), NEWEST[name], "--list") for name in NEWEST}
    listed: dict[str, list[str]] = {name: json.loads(finish(process)) for name, process in listing.items()}
    ours = made(sorted(set(itertools.chain(*listed.values()))))
    assert all(len(each) >= EACH for each in ours.values())
    running = {name: start(peers[name], tmp_path, str(PROGRAM), NEWEST[name]) for name in NEWEST}
    for name, process in running.items():
        assert len(listed[name]) > 700
        sent = [message for full_name in listed[name] for message in ours[full_name]]
        lines = [json.dumps([message.DESCRIPTOR.full_name, encode_body(message).hex()]) for message in sent]
        # An SDK may greet on standard output when it is imported.
        answers = finish(process, "\n".join(lines)).splitlines()[-len(sent) :]
        for message, answer in zip(sent, answers, strict=True):
            written, rendered = json.loads(answer)
            again = decode_body(bytes.fromhex(written), type(message))
            expected = message.SerializeToString(deterministic=True)
            assert again.SerializeToString(deterministic=True) == expected
            assert bytes.fromhex(written) == expected
            assert rendered == json.loads(json.dumps(to_dict(message)))


@pytest.mark.parametrize("name", OLDER)
def test_ids_and_classes_of_older_sdks_are_ours_too(name: str, peer: PeerOf) -> None:
    release = read_sdk(packages_of(peer(name)) / OLDER[name])
    for proto_id, known_as in release.ids.items():
        assert known_as in (registry[proto_id].name, *registry[proto_id].former_names)
    for proto_id in release.pushes - {1004}:  # up to 9.4 the SDK listed KeepAlive among its pushes
        assert registry[proto_id].is_push
    for file in release.files.values():
        for message in file.message_type:
            for full_name in every_message(file.package, message):
                schema.message(full_name)


def facts(message: DescriptorProto) -> dict[str, Any]:
    """Return the facts of a message that concern the wire format."""
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
def test_every_fact_of_the_newest_sdk_is_in_our_files(name: str, peer: PeerOf) -> None:
    release = read_sdk(packages_of(peer(name)) / NEWEST[name])
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


@pytest.mark.parametrize("name", NEWEST)
def test_the_newest_sdk_has_not_drifted_from_ours(name: str, peer: PeerOf) -> None:
    folder = packages_of(peer(name)) / NEWEST[name]
    done = CliRunner().invoke(ftwire, ["schema", "diff", "ours", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["changes"] == []
    # Fields of old releases that our schema keeps, by name.
    assert {"Qot_GetTradeDate.proto", "Qot_Common.OrderDetail", "3100 Qot_GetHistoryKL"} <= set(facts["kept"])


def test_an_older_sdk_differs_by_what_the_releases_since_then_brought(peer: PeerOf) -> None:
    folder = packages_of(peer("futu-api-9.6")) / "futu"
    theirs = version_key(read_sdk(folder).version)
    done = CliRunner().invoke(ftwire, ["schema", "diff", str(folder), "ours", "--json"])
    assert done.exit_code == 1
    since = {
        (change.kind, change.name)
        for version, changes in built_in_changes().releases.items()
        if version_key(version) > theirs
        for change in changes
        if change.subject == "protocol"
    }
    found = {(one["kind"], one["name"]) for one in json.loads(done.stdout)["changes"] if one["subject"] == "protocol"}
    assert found == since
    assert len(found) > 100


def test_the_files_are_made_again_from_the_releases() -> None:
    folder = os.environ.get("FTWIRE_SDK_RELEASES")
    if not folder:
        pytest.skip("FTWIRE_SDK_RELEASES names no directory of futu-api releases (proto/generate.py --download)")
    releases = [read_sdk(path) for path in sorted(Path(folder).iterdir())]
    tree = {**proto_tree(releases), CHANGES_FILE: ChangeLog.of(releases).to_json()}
    for name, text in tree.items():
        assert (ROOT / "proto" / name).read_text() == text, name


def test_the_tree_grown_by_the_newest_releases_one_by_one_is_the_one_made_from_all(tmp_path: Path) -> None:
    folder = os.environ.get("FTWIRE_SDK_RELEASES")
    if not folder:
        pytest.skip("FTWIRE_SDK_RELEASES names no directory of futu-api releases (proto/generate.py --download)")
    releases = sorted(
        (read_sdk(path) for path in Path(folder).iterdir()), key=lambda release: version_key(release.version)
    )
    shutil.copytree(ROOT / "proto" / "ftwire", tmp_path / "ftwire")
    shutil.copy(ROOT / "proto" / "InitWebSocket.proto", tmp_path)
    begun = releases[:-8]
    texts = {**proto_tree(begun), CHANGES_FILE: ChangeLog.of(begun).to_json()}
    for release in releases[-8:]:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        texts, _ = grown(read_tree(tmp_path), release)
    for name, text in texts.items():
        assert (ROOT / "proto" / name).read_text() == text, name
