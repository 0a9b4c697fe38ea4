"""What users' programs depend on: names, commands, exit codes and JSON members that stay as they are."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import ftwire
from ftwire.messages import Qot_GetRT
from ftwire_tools.commands import ftwire as cli
from support.command import FTWIRE
from support.places import ROOT

CAPTURES = sorted(path for path in (ROOT / "fixtures/captures").iterdir() if path.suffix in {".pcap", ".pcapng"})
KEYS = [word for path in sorted((ROOT / "fixtures/keys").glob("*.pem")) for word in ("--key", str(path))]

MEMBERS = {
    "number": int,
    "time": str,
    "src": str,
    "dst": str,
    "transport": str,
    "kind": str,
    "proto_id": int,
    "proto": str,
    "serial": int,
    "format": str,
    "encryption": str,
    "body_length": int,
    "sha1_ok": bool,
    "body": dict,
    "error": str,
}
"""Members of every object of ``ftwire dump --json`` to their type; ``NULLABLE`` ones may be null."""
NULLABLE = {"sha1_ok", "body", "error"}


def rows(path: Path, *options: str, by: str) -> tuple[int, list[dict[str, object]]]:
    given = path.read_bytes() if by == "-" else None
    done = CliRunner().invoke(cli, ["dump", "--json", *options, by], input=given)
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_frame_has_the_members_promised(path: Path) -> None:
    code, read = rows(path, *KEYS, by=str(path))
    assert code == 0
    assert rows(path, *KEYS, by="-") == (code, read)
    assert all(row["error"] is None and row["sha1_ok"] is not False for row in read)
    without_key, locked = rows(path, by=str(path))
    encrypted = any(row["encryption"] != "none" for row in read)
    assert without_key == (3 if encrypted else 0)
    assert encrypted is any(row["error"] is not None for row in locked)
    for row in [*read, *locked]:
        assert set(row) >= set(MEMBERS)
        for name, kind in MEMBERS.items():
            value = row[name]
            assert isinstance(value, kind) or (name in NULLABLE and value is None), (name, value)
        assert str(row["time"]).isdigit()
        assert row["transport"] in {"tcp", "websocket"}
        assert row["kind"] in {"request", "response", "push"}


def test_a_protocol_goes_by_name_and_by_id() -> None:
    path = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"
    by_id = rows(path, "--proto", "3009", by=str(path))
    assert by_id == rows(path, "--proto", "Qot_UpdateRT", by=str(path))
    assert [row["number"] for row in by_id[1]] == [9, 10, 11, 12]


@pytest.mark.parametrize("name", ["dump", "serve", "replay", "record", "call", "schema", "explain"])
def test_commands_that_stay(name: str) -> None:
    done = subprocess.run([*FTWIRE, name, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: ftwire {name} ")


NAMES = """
Header Frame FrameDecoder ResyncDecoder UndecodedBytes Connection Observer ConversationObserver Envelope registry
read CaptureReader cipher_for RsaKey Role Kind BodyFormat decode_body encode_body messages pcap strategies
"""
ERRORS = """
HeaderError BodyError CipherError DigestError EnvelopeError CaptureError SchemaError UnknownProtocolError
ProtocolError LocalProtocolError RemoteProtocolError
"""
STRATEGIES = "headers frames messages bodies ciphers conversations chunkings mutations segment_schedules"


def test_names_that_stay() -> None:
    assert set(NAMES.split()) <= set(ftwire.__all__)
    for name in ERRORS.split():
        assert issubclass(getattr(ftwire, name), ftwire.WireError)
    for name in STRATEGIES.split():
        assert callable(getattr(ftwire.strategies, name))


def test_what_a_protocol_is_asked_for() -> None:
    entry = ftwire.registry[3008]
    assert (entry.proto_id, entry.name, entry.is_push) == (3008, "Qot_GetRT", False)
    assert (entry.request, entry.response) == (Qot_GetRT.Request, Qot_GetRT.Response)
    assert ftwire.registry[3009].is_push
    assert ftwire.registry[3009].request is None
