"""Filters of an export: the same frames as the filter shows of each frame alone, however early it is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ftwire
from ftwire.capture import CaptureReader, CollectedFrames, DissectedFrame, read_body
from ftwire.cipher import RsaKey
from ftwire.frame import Kind
from ftwire_tools.export.frame_columns import FrameCollector, TableOptions
from ftwire_tools.export.pipeline import CaptureCounts, read_blocks
from ftwire_tools.filters import parse
from ftwire_tools.synthetic.day import Plan, write_capture
from support.places import ROOT

MIDDLE = "2024-01-02T04:00"

EXPRESSIONS = (
    # Decided by the protocol of pushes, by what their class has, or by conversation and time.
    "proto == Qot_UpdateKL",
    "proto != Qot_UpdateKL",
    "proto_id in {3011, 3001}",
    "kind == response",
    "kind == push",
    "not kind == push",
    "klList.closePrice",
    "conversation == 2",
    f"time < {MIDDLE}",
    f"kind == push and not proto == Qot_UpdateKL and time < {MIDDLE}",
    # Of pushes of different protocols something different is left.
    f"proto == Qot_UpdateKL or time < {MIDDLE}",
    f"proto == Qot_UpdateKL and time < {MIDDLE} or proto == Qot_UpdateTicker and time >= {MIDDLE}",
    f"proto == Qot_UpdateKL and conversation == 1 or code == HK.00003 and time < {MIDDLE}",
    # By texts that few bodies have.
    "code == HK.00003",
    "code == hk.00003",
    "code == 00003 and number > 900",
    "code in {HK.00003, HK.00002} and not conversation == 1",
    "code == HK.00003 or orderBookBidList",
    "code != HK.00003",
    "security.code == 00002",
    "security.code == 0000",
    "code == HK.00003 and security.market == 1 and kind == push",
    "code == HK.00002 and tickerList.volume > 5000",
    # Of each frame.
    "number <= 700",
    "code == HK.00003 and body_length > 300",
    "code == HK.00003 and encryption == aes_cbc",
    "tickerList.volume > 12000",
    "code ~ *.00003",
    "request > 0",
)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "encrypted"])
def capture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RsaKey]]:
    path = tmp_path_factory.mktemp("filtered") / "a.pcap"
    key = RsaKey.from_pem((ROOT / "fixtures/keys/TEST-ONLY-1024.pem").read_bytes()) if request.param else None
    with path.open("wb") as file:
        plan = Plan(400_000, symbols=3, connections=2, key=key)
        write_capture(plan, file.write, lambda _size, _frames: None)
    return path, [] if key is None else [key]


def numbers(path: Path, keys: list[RsaKey], expression: str) -> set[int]:
    """The frames in all tables of an export."""
    options = TableOptions(expression=expression, show_secrets=True)
    found: set[int] = set()
    with path.open("rb") as file:
        for _, (_, batch) in read_blocks([file], "a", keys, options, CaptureCounts()):
            found.update(batch["number"].to_pylist())
    return found


def shown(frames: list[Any], expression: str) -> set[int]:
    chosen = parse(expression, show_secrets=True)
    return {frame.number for frame in frames if chosen.matches(frame)}


def test_the_frames_of_every_filter(capture: tuple[Path, list[RsaKey]]) -> None:
    path, keys = capture
    frames = list(ftwire.read(path, keys=keys))
    for expression in EXPRESSIONS:
        wanted = shown(frames, expression)
        assert numbers(path, keys, expression) == wanted, expression
        if "encryption" not in expression and expression != "security.code == 0000":
            assert 0 < len(wanted) < len(frames), expression


@pytest.mark.parametrize(
    "name", ["futu-api-10.11-plain.pcap", "futu-api-10.11-json.pcap", "futu-api-9.6-quotes.pcapng"]
)
def test_the_frames_of_a_client(name: str) -> None:
    path = ROOT / "fixtures/captures" / name
    frames = [frame for frame in ftwire.read(path) if read_body(frame.frame)[0] is not None]
    for expression in ("code == HK.00700", "security.code == 00700", "code == us.aapl", "kind == push", "rtList"):
        assert numbers(path, [], expression) == shown(frames, expression), expression


@pytest.mark.parametrize(
    ("expression", "looks"),
    [("proto == Qot_UpdateKL", False), (f"time < {MIDDLE}", False), ("code == HK.00003", False), ("number < 9", True)],
)
def test_pushes_are_looked_at_one_by_one_only_where_they_must_be(
    capture: tuple[Path, list[RsaKey]], expression: str, *, looks: bool
) -> None:
    path, keys = capture
    columns = FrameCollector(TableOptions(expression=expression)).columns
    reports = list(CaptureReader(keys=keys, columns=columns).read([path.read_bytes()]))
    pushes = [each for each in reports if isinstance(each, DissectedFrame) and each.kind is Kind.PUSH]
    together = sum(each.frames for each in reports if isinstance(each, CollectedFrames))
    assert (len(pushes) > 1000 > together) if looks else (together > 1000 > len(pushes))
