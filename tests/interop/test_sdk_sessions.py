"""The library's server side against real SDKs: each plays the documented example on the gateway of the fixtures."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.gateway import running
from fixtures.make_keys import KEYS, TEST_KEY
from fixtures.scenario import RT, RT_PUSHES
from ftwire.cipher import PacketEncAlgo, RsaKey
from interop.peers import Peer, command, environment

PYTHON = ["futu-api-10.11", "moomoo-api-10.11", "futu-api-9.6", "futu-api-6.2"]
JSON = ["futu-api-10.11-json", "futu-api-9.6", "futu-api-6.2"]
NODE = ["npm-futu-api", "npm-moomoo-api"]


def run(name: str, port: int, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    words = command(name, "--port", str(port), *arguments)
    done = subprocess.run(words, env=environment(name), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def session(name: str, *arguments: str, encrypted: bool = False) -> list[dict[str, Any]]:
    key = RsaKey.from_pem(TEST_KEY.read_bytes()) if encrypted else None
    with running(key=key) as (port, _):
        return run(name, port, *arguments, *(["--encrypt", str(TEST_KEY)] if encrypted else []))


def points(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The table's rows, in the scenario's terms."""
    names = ("time", "is_blank", "opened_mins", "cur_price", "last_close", "avg_price", "volume", "turnover")
    return [tuple(row[name] for name in names) for row in rows]


def expected(shares: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("time", "isBlank", "minute", "price", "lastClosePrice", "avgPrice", "volume", "turnover")
    return [tuple(int(share[name]) if name == "volume" else share[name] for name in names) for share in shares]


def assert_example(lines: list[dict[str, Any]]) -> None:
    """Both replies and the first pushes, to the last digit."""
    replies = [line for line in lines if line["event"] == "reply" and "code" in line]
    for code, reply in zip(("AAPL", "00700"), replies, strict=True):
        assert reply["code"].endswith(code)
        assert points(reply["rows"]) == expected(RT[code])
    pushed = [points(line["rows"]) for line in lines if line["event"] == "push"]
    wanted = [expected([RT_PUSHES[code][number]]) for number in range(2) for code in ("AAPL", "00700")]
    assert pushed[:4] == wanted
    assert lines[-1] == {"event": "closed"}


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_python_sdk(name: str, encrypted: bool, peer: Callable[[str], Peer]) -> None:
    peer(name)
    assert_example(session(name, encrypted=encrypted))


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("algo", [PacketEncAlgo.FTAES_ECB, PacketEncAlgo.AES_ECB])
def test_python_sdk_speaks_the_cipher_that_the_reply_implies(
    name: str, algo: PacketEncAlgo, peer: Callable[[str], Peer]
) -> None:
    peer(name)
    key = RsaKey.from_pem(TEST_KEY.read_bytes())
    with running(key=key, grant=algo) as (port, _):
        assert_example(run(name, port, "--encrypt", str(TEST_KEY)))


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_python_sdk_in_json(name: str, encrypted: bool, peer: Callable[[str], Peer]) -> None:
    peer(name)
    assert_example(session(name, "--json", encrypted=encrypted))


@pytest.mark.parametrize("name", PYTHON)
def test_python_sdk_asks_for_everything_else(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    calls = ["state", "quote", "snapshot", "kline", "order-book", "ticker", "history-kline"]
    lines = session(name, "--pushes", "8", *calls)
    assert {line["call"] for line in lines if line["event"] == "reply"} == {
        "get_global_state",
        "get_stock_quote",
        "get_market_snapshot",
        "get_cur_kline",
        "get_order_book",
        "get_rt_ticker",
        "request_history_kline",
    }


@pytest.mark.parametrize("name", PYTHON)
def test_python_sdk_trades(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    lines = session(name, "trade")
    states = [line["rows"][0]["order_status"] for line in lines if line.get("handler") == "TradeOrderHandlerBase"]
    assert states == ["SUBMITTED", "FILLED_PART", "CANCELLED_PART"]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_java_sdk(encrypted: bool, peer: Callable[[str], Peer]) -> None:
    peer("java-futu-api")
    assert_example(session("java-futu-api", encrypted=encrypted))


def test_rust_crate(peer: Callable[[str], Peer]) -> None:
    peer("rust-futu-rs")
    assert_example(session("rust-futu-rs"))


@pytest.mark.parametrize("name", NODE)
@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "uncompressed"])
def test_javascript_sdk(name: str, deflate: bool, peer: Callable[[str], Peer]) -> None:
    peer(name)
    with running(ws_key="secret", deflate=deflate) as (_, port):
        lines = run(name, port, "--key", "secret")
    replies = [line["body"]["s2c"] for line in lines if line.get("call") == "GetRT"]
    assert [reply["rtList"] for reply in replies] == [RT["AAPL"], RT["00700"]]
    assert sum(line["event"] == "push" for line in lines) >= 4


@pytest.mark.parametrize("name", NODE)
def test_javascript_sdk_with_a_wrong_key(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    with running(ws_key="secret") as (_, port):
        lines = run(name, port, "--key", "other", status=1)
    assert lines[0]["ok"] is False


def test_pkcs8_and_pkcs1_are_the_same_key(peer: Callable[[str], Peer]) -> None:
    peer("futu-api-10.11")
    key = RsaKey.from_pem((KEYS / "TEST-ONLY-1024.pkcs8.pem").read_bytes())
    with running(key=key) as (port, _):
        assert_example(run("futu-api-10.11", port, "--encrypt", str(TEST_KEY)))
