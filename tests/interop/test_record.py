"""Vendors' SDKs through the recording proxy: it changes nothing, and records all that they send and receive."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.gateway import running
from fixtures.make_keys import KEYS, TEST_KEY
from fixtures.scenario import RT
from ftwire.cipher import RsaKey
from interop.peers import Peer
from interop.test_sdk_sessions import assert_example, points, run
from support.programs import Program, complaints
from support.recording import ftwire, recording

Shares = list[dict[str, Any]]


def bodies(path: Path, *options: str | Path) -> list[dict[str, Any]]:
    """The frames of a recording, as ``ftwire dump`` decodes them."""
    return [json.loads(line) for line in ftwire("dump", "--json", *options, path).stdout.splitlines()]


def replies(frames: list[dict[str, Any]]) -> list[Shares]:
    """The points of each Qot_GetRT reply."""
    found = [frame for frame in frames if frame["proto"] == "Qot_GetRT" and frame["kind"] == "response"]
    return [frame["body"]["s2c"]["rtList"] for frame in found]


@pytest.mark.parametrize("name", ["futu-api-10.11", "moomoo-api-10.11", "java-futu-api"])
def test_an_encrypted_sdk_session(tshark: Program, name: str, peer: Callable[[str], Peer], tmp_path: Path) -> None:
    peer(name)
    path = tmp_path / "out.pcapng"
    key = RsaKey.from_pem(TEST_KEY.read_bytes())
    with (
        running(key=key) as (port, _),
        recording(port, "-w", path, "--key", TEST_KEY, "--embed-key") as record,
    ):
        lines = run(name, record.ports[0], "--encrypt", str(TEST_KEY))
        record.stop()
    assert_example(lines)
    # What the SDK made of the session, what the gateway said, and what was recorded, are the same.
    frames = bodies(path)
    assert {frame["encryption"] for frame in frames} == {"rsa", "aes_cbc"}
    heard = [points(line["rows"]) for line in lines if line["event"] == "reply" and "code" in line]
    recorded = replies(frames)
    assert recorded == [RT["AAPL"], RT["00700"]]
    names = ("time", "isBlank", "minute", "price", "lastClosePrice", "avgPrice", "volume", "turnover")
    assert heard == [
        [tuple(int(share[name]) if name == "volume" else share[name] for name in names) for share in shares]
        for shares in recorded
    ]
    pushes = [frame for frame in frames if frame["proto"] == "Qot_UpdateRT"]
    assert len(pushes) >= sum(line["event"] == "push" for line in lines) >= 4
    assert complaints(tshark, path) == []
    # Shared, it is redacted: the same market data under another key, the old one nowhere.
    out = tmp_path / "redacted.pcapng"
    other = KEYS / "TEST-ONLY-other-1024.pem"
    ftwire("redact", path, "-w", out, "--encrypt-with", other)
    assert replies(bodies(out, "--key", other)) == recorded
    assert b"PRIVATE KEY" not in out.read_bytes()
    ftwire("dump", "--key", TEST_KEY, out, status=3)


@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "uncompressed"])
def test_a_websocket_sdk_session(tshark: Program, deflate: bool, peer: Callable[[str], Peer], tmp_path: Path) -> None:
    peer("npm-futu-api")
    path = tmp_path / "out.pcapng"
    with (
        running(ws_key="secret", deflate=deflate) as (_, port),
        recording(port, "-w", path) as record,
    ):
        lines = run("npm-futu-api", record.ports[0], "--key", "secret")
        record.stop()
    heard = [line["body"]["s2c"]["rtList"] for line in lines if line.get("call") == "GetRT"]
    assert replies(bodies(path)) == heard == [RT["AAPL"], RT["00700"]]
    out = tmp_path / "redacted.pcapng"
    ftwire("redact", path, "-w", out)
    assert replies(bodies(out)) == heard
    assert complaints(tshark, path) == complaints(tshark, out) == []
