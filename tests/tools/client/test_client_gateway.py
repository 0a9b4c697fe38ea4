"""The client and ``ftwire serve``'s gateway, with each of its faults; captures served and replayed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.cipher import RsaKey
from ftwire_tools.client import Client
from ftwire_tools.client.errors import (
    ClientError,
    ConnectionLostError,
    RefusedError,
    ReplyDamagedError,
    RequestTimeoutError,
)
from ftwire_tools.commands import ftwire
from ftwire_tools.gateway.faults import NAMES
from ftwire_tools.testing import RunningGateway, gateway
from support.places import ROOT

CAPTURES = ROOT / "fixtures" / "captures"
KEYS = ROOT / "fixtures" / "keys"
ALL = sorted(path for path in CAPTURES.iterdir() if path.suffix in {".pcap", ".pcapng"})
RT = {"security": "HK.00700"}


async def ask_twice(opend: RunningGateway) -> list[str]:
    """What becomes of two requests, one after the other."""
    said = []
    async with asyncio.timeout(60), Client(opend.host, opend.port, timeout=2, reconnect=0.05) as client:
        await client.subscribe("HK.00700", "RT")
        for _ in range(2):
            try:
                reply = await client.request("Qot_GetRT", RT)
                said.append("answered" if reply.s2c.security.code == "00700" else "wrong")
            except ClientError as error:
                said.append(type(error).__name__)
    return said


LOST, LATE, DAMAGED = (each.__name__ for each in (ConnectionLostError, RequestTimeoutError, ReplyDamagedError))

EXPECTED: dict[str, tuple[str, list[str]]] = {
    # Fault, with when it strikes: what becomes of the request that is struck and of the next one.
    "delay": ("ms=100,proto=Qot_GetRT", ["answered", "answered"]),
    "jitter": ("ms=100,proto=Qot_GetRT", ["answered", "answered"]),
    "drop": ("proto=Qot_GetRT,n=1", [LATE, "answered"]),
    "lose": ("proto=Qot_GetRT,n=1", [LATE, "answered"]),
    "duplicate": ("proto=Qot_GetRT", ["answered", "answered"]),
    "reorder": ("proto=Qot_UpdateRT", ["answered", "answered"]),
    "bad-sha1": ("proto=Qot_GetRT,n=1", [DAMAGED, "answered"]),
    "bad-body": ("proto=Qot_GetRT,n=1", [DAMAGED, "answered"]),
    "bad-format": ("proto=Qot_GetRT,n=1", [DAMAGED, "answered"]),
    "garbage": ("proto=Qot_GetRT,n=1,client=1", [LOST, "answered"]),
    "close": ("proto=Qot_GetRT,n=1,client=1", [LOST, "answered"]),
    "cut": ("proto=Qot_GetRT,n=1", [LOST, LOST]),  # n counts for each client: the new connection is cut too
    "split": ("proto=Qot_GetRT", ["answered", "answered"]),
    "wrong-serial": ("proto=Qot_GetRT,n=1", [LATE, "answered"]),
    "unknown-protocol": ("proto=Qot_GetRT", ["answered", "answered"]),
    "silent": ("proto=Qot_GetRT,n=1", [LATE, LATE]),
}


def test_every_fault_is_tried() -> None:
    assert set(EXPECTED) | {"refuse", "merge"} == set(NAMES)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_recovered_from_or_is_the_documented_error(fault: str) -> None:
    when, expected = EXPECTED[fault]
    with gateway(synthetic=True, faults=[f"{fault}:{when}"]) as opend:
        assert asyncio.run(ask_twice(opend)) == expected


def test_replies_that_come_in_one_piece() -> None:
    async def ask(opend: RunningGateway) -> None:
        async with asyncio.timeout(60), Client(opend.host, opend.port) as client:
            await client.subscribe("HK.00700", "RT", push=False)
            replies = await asyncio.gather(*(client.request("Qot_GetRT", RT) for _ in range(2)))
            assert [reply.s2c.security.code for reply in replies] == ["00700", "00700"]

    with gateway(synthetic=True, faults=["merge:proto=Qot_GetRT,n=1"]) as opend:
        asyncio.run(ask(opend))


def test_a_gateway_that_refuses() -> None:
    with gateway(synthetic=True, faults=["refuse"]) as opend, pytest.raises(RefusedError):
        asyncio.run(ask_twice(opend))


@pytest.mark.parametrize(
    "fault", ["duplicate", "reorder", "split", "merge", "bad-sha1:p=0.3", "drop:p=0.3", "jitter:ms=20"]
)
def test_pushes_keep_coming_through_faults(fault: str) -> None:
    async def watch(opend: RunningGateway) -> int:
        seen = 0
        async with (
            asyncio.timeout(60),
            Client(opend.host, opend.port) as client,
            client.pushes("Qot_UpdateBasicQot", "Qot_UpdateRT", "Qot_UpdateTicker") as pushes,
        ):
            await client.subscribe(["HK.00700", "US.AAPL"], ["Basic", "RT", "Ticker"], isFirstPush=True)
            async for frame in pushes:
                assert frame.message.s2c  # type: ignore[union-attr]  # a known protocol
                seen += 1
                if seen == 20:
                    return seen
        return seen

    name, _, rest = fault.partition(":")
    rules = [
        f"{name}:{','.join(filter(None, (rest, f'proto={proto}')))}"
        for proto in ("Qot_UpdateBasicQot", "Qot_UpdateRT", "Qot_UpdateTicker")
    ]
    with gateway(synthetic=True, speed=20, always_open=True, faults=rules) as opend:
        assert asyncio.run(watch(opend)) == 20


@pytest.mark.parametrize("capture", ALL, ids=lambda path: path.name)
def test_a_capture_that_is_served_and_replayed_agrees_with_itself(capture: Path) -> None:
    facts: dict[str, Any] = json.loads(Path(f"{capture}.json").read_text())
    pem = KEYS / Path(facts["key"]).name if facts["key"] else None
    key = None if pem is None else RsaKey.from_pem(pem.read_bytes())
    with gateway(capture, key=key, capture_keys=[] if key is None else [key], speed=None) as opend:
        words: Sequence[object] = ["--key", pem] if pem else []
        command = ["replay", capture, "--to", f":{opend.port}", "--topspeed", "--allow-trading", "--json", *words]
        result = CliRunner().invoke(ftwire, list(map(str, command)))
    *steps, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert [step for step in steps if step["status"] != "same"] == []
    assert result.exit_code == 0, result.output
    assert summary["summary"] == {"same": len(steps)}
