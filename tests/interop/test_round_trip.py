"""Record a vendor's SDK, serve the recording to the same SDK, record that: the two recordings are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire_tools.testing import gateway
from interop.peers import Peer
from interop.test_sdk_sessions import assert_example, run
from support.recording import ftwire, recording

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
ORIGINAL = Path(__file__).parents[2] / "fixtures/captures/futu-api-10.11-plain.pcap"

CONNECTION = {"connID", "loginUserID", "connAESKey", "aesCBCiv", "keepAliveInterval", "serverVer"}
"""What the handshake gives to one connection."""


def said(path: Path, *options: str | Path) -> list[str]:
    """Every body of a recording that is not its connection's own; in any order, since pushes and replies race."""
    frames: list[dict[str, Any]] = [
        json.loads(line) for line in ftwire("dump", "--json", *options, path).stdout.splitlines()
    ]
    assert frames
    found = []
    for frame in frames:
        if frame["proto"] == "KeepAlive":  # however many there were time for
            continue
        body = frame["body"]
        if frame["proto"] == "InitConnect":
            for part in body.values():
                if isinstance(part, dict):
                    for name in CONNECTION & part.keys():
                        del part[name]
        found.append(json.dumps([frame["kind"], frame["proto"], frame["format"], body], sort_keys=True))
    return sorted(found)


@pytest.mark.parametrize("name", ["futu-api-10.11", "moomoo-api-10.11", "futu-api-6.2"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_recording_of_a_replay_is_the_recording(
    name: str, encrypted: bool, peer: Callable[[str], Peer], tmp_path: Path
) -> None:
    peer(name)
    key = KEY if encrypted else None
    encrypt = ["--encrypt", str(TEST_KEY)] if encrypted else []
    keys: list[str | Path] = ["--key", TEST_KEY] if encrypted else []
    source = ORIGINAL
    recordings = []
    for path in (tmp_path / "first.pcapng", tmp_path / "second.pcapng"):
        with gateway(source, key=key) as opend, recording(opend.port, "-w", path) as record:
            assert_example(run(name, record.ports[0], *encrypt))
            record.stop()
        recordings.append(said(path, *keys))
        source = path
    first, second = recordings
    assert any("Qot_UpdateRT" in line for line in first)
    assert second == first
