"""OpenD's limits, errors on demand and a flaky network, as the vendor's Python SDK meets them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftwire_tools.gateway.limits import LimitSettings
from ftwire_tools.testing import gateway
from interop.peers import Peer, environment, python
from support.recording import proxied

SDK = "futu-api-10.11"
PROGRAM = Path(__file__).parent / "clients" / "limits_client.py"
SNAPSHOT = ["get_market_snapshot", ["US.AAPL"]]
ORDER = ["trade.place_order", 200, 1, "US.AAPL", "BUY", {"trd_env": "SIMULATE"}]


def outcomes(port: int, *calls: list[Any]) -> list[tuple[int, str | None]]:
    """What the SDK returned for each call: 0, or -1 and its message."""
    done = subprocess.run(
        [str(python(SDK)), str(PROGRAM), "--port", str(port)],
        input=json.dumps(calls),
        env=environment(SDK),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    found = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(found) == len(calls), done.stderr
    return found


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "en",
            (
                "Get Market Snapshot is too frequent, request failed, no more than 60 times every 30 seconds.",
                "The Basic subscription duration for US.AAPL is too short. Minimum subscription duration is 1 minute.",
            ),
        ),
        (
            "chs",
            (
                "获取市场快照频率太高，请求失败，每30秒最多60次。",  # noqa: RUF001
                "US.AAPL的Basic订阅时间过短，至少需要订阅1分钟",  # noqa: RUF001
                "订阅额度不足，订阅失败，已用订阅额度：2/2",  # noqa: RUF001
                "历史K线额度不足，请求失败（已用正股额度：1/1，期权额度：0/200）。额度会在7天后全部释放。",  # noqa: RUF001
            ),
        ),
    ],
)
def test_the_sdk_gets_the_texts_of_limits(language: str, texts: tuple[str, ...], peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    days = {"start": "2024-06-03", "end": "2024-06-12"}
    calls: list[list[Any]] = [
        *([SNAPSHOT] * 61),
        ["subscribe", ["US.AAPL", "HK.00700"], ["QUOTE"]],
        ["unsubscribe", ["US.AAPL"], ["QUOTE"]],
        ["subscribe", ["US.AAPL"], ["RT_DATA"]],
        ["request_history_kline", "US.AAPL", days],
        ["request_history_kline", "HK.00700", days],
    ]
    limits = LimitSettings(subscriptions=2, history=1)
    with gateway(synthetic=True, limits=limits, language=language) as opend:
        found = outcomes(opend.port, *calls)
    assert [code for code, _ in found] == [0] * 60 + [-1, 0, -1, -1, 0, -1]
    messages = [message or "" for code, message in found if code]
    assert all(text in message for text, message in zip(texts, messages, strict=False)), messages


def test_the_sdk_gets_errors_on_demand(peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    rules = ["refuse:proto=Trd_PlaceOrder,every=2,ret_msg=not enough power, it says", "refuse:proto=Qot_GetMarket*"]
    with gateway(synthetic=True, faults=rules) as opend:
        found = outcomes(opend.port, ORDER, ORDER, ORDER, ["get_market_state", ["US.AAPL"]], SNAPSHOT)
    assert [code for code, _ in found] == [0, -1, 0, -1, 0]
    assert found[1][1] == "not enough power, it says"
    assert found[3][1] == "the gateway refuses this request"


@pytest.mark.parametrize("place", ["gateway", "proxy"])
def test_a_flaky_network_is_the_same_for_the_same_seed(place: str, peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    rules = [
        "refuse:p=0.2,proto=Qot_GetSecuritySnapshot,ret_msg=busy",
        "bad-sha1:p=0.1,proto=Qot_GetSecuritySnapshot",
        "jitter:p=0.5,ms=20",
        "duplicate:p=0.2",
        "split:p=0.2",
        "merge:p=0.1,ms=10",
    ]
    calls = [SNAPSHOT] * 50

    def run(seed: int) -> list[tuple[int, str | None]]:
        if place == "gateway":
            with gateway(synthetic=True, faults=rules, seed=seed) as opend:
                return outcomes(opend.port, *calls)
        with gateway(synthetic=True) as opend, proxied(opend.port, faults=rules, seed=seed) as proxy:
            return outcomes(proxy.ports[0], *calls)

    def kinds(found: list[tuple[int, str | None]]) -> list[str]:
        return ["ok" if not code else "sha" if "sha" in str(message) else str(message) for code, message in found]

    first = kinds(run(7))
    assert kinds(run(7)) == first
    assert kinds(run(8)) != first
    assert set(first) == {"ok", "busy", "sha"}
    assert first.count("ok") > 25
