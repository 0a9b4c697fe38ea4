"""The vendors' SDKs against the gateway of ``ftwire serve``.

A capture that an SDK made is served to the same SDK with the same arguments: what the SDK then says is, line for
line, what it said when the capture was made. On the made-up market, every SDK makes every call that it can.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_captures import CAPTURES, FOLDER, CaptureRecipe
from fixtures.make_keys import TEST_KEY
from fixtures.scenario import RT
from ftwire.cipher import RsaKey
from ftwire_tools.testing import RunningGateway, gateway
from interop.peers import PEERS, Peer, command, environment
from support.programs import Program

PYTHON = ["futu-api-10.11", "moomoo-api-10.11", "futu-api-9.6", "futu-api-6.2"]
NODE = ["npm-futu-api", "npm-moomoo-api"]
QUOTES = FOLDER / "futu-api-9.6-quotes.pcapng"
TRADE = FOLDER / "futu-api-10.11-trade.pcap"
PLAIN = FOLDER / "futu-api-10.11-plain.pcap"
KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
ALL_CALLS = ["state", "rt", "quote", "snapshot", "kline", "order-book", "ticker", "history-kline"]

Line = dict[str, Any]


def run(name: str, opend: RunningGateway, *arguments: str, status: int = 0, seconds: float = 60) -> list[Line]:
    """Run an SDK's client program and return its output."""
    port = opend.ws_port if PEERS[name].kind == "node" else opend.port
    words = command(name, "--port", str(port), *arguments)
    done = subprocess.run(words, env=environment(name), capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def comparable(lines: list[Line]) -> list[str]:
    """Lines without what belongs to one connection; in any order, since pushes and replies race."""
    found = []
    for line in lines:
        one = json.loads(json.dumps(line))
        one.pop("connID", None)
        if isinstance(one.get("rows"), dict):
            one["rows"].pop("conn_id", None)
        found.append(json.dumps(one, sort_keys=True))
    return sorted(found)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.file)
def test_an_sdk_says_of_the_replay_what_it_said_of_the_original(
    capture: CaptureRecipe, peer: Callable[[str], Peer]
) -> None:
    peer(capture.peer)
    path = FOLDER / capture.file
    said = path.with_name(f"{capture.file}.client.jsonl").read_text(encoding="utf-8")
    key = KEY if capture.encrypted else None
    with gateway(path, key=key, websocket=capture.web_socket, ws_key=capture.gateway.get("ws_key", "")) as opend:
        encrypt = ["--encrypt", str(TEST_KEY)] if capture.encrypted else []
        lines = run(capture.peer, opend, *encrypt, *capture.arguments)
    assert comparable(lines) == comparable([json.loads(line) for line in said.splitlines()])


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_one_sdks_capture_serves_all_others(name: str, encrypted: bool, peer: Callable[[str], Peer]) -> None:
    """Releases ask the same in slightly different words."""
    peer(name)
    recorded = [json.loads(line) for line in Path(f"{QUOTES}.client.jsonl").read_text(encoding="utf-8").splitlines()]
    with gateway(QUOTES, key=KEY if encrypted else None, match="security", speed=None) as opend:
        lines = run(name, opend, *(["--encrypt", str(TEST_KEY)] if encrypted else []), "--pushes", "12", *ALL_CALLS)

    def replies(of: list[Line]) -> list[tuple[str, str]]:
        return [(line["call"], line.get("code", "")) for line in of if line["event"] == "reply"]

    assert replies(lines) == replies(recorded)
    rows = {(line["call"], line.get("code", "")): line["rows"] for line in lines if line["event"] == "reply"}
    for line in recorded:
        if line["event"] != "reply" or line["call"] == "get_global_state":
            continue
        got, wanted = rows[line["call"], line.get("code", "")], line["rows"]
        for one, other in zip(as_list(got), as_list(wanted), strict=True):
            # Columns differ between releases; those that both have must hold the same.
            common = {column for column in one.keys() & other.keys() if other[column] not in (None, "N/A")}
            differing = {column for column in common if one[column] != other[column]}
            assert not {column for column in differing if one[column] not in (None, "N/A")}
            assert len(common) > 3
    assert sum(line["event"] == "push" for line in lines) >= 12


def as_list(rows: Any) -> list[dict[str, Any]]:
    return [rows] if isinstance(rows, dict) else rows


class TestMadeUpMarket:
    @pytest.mark.parametrize("name", PYTHON)
    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
    def test_every_call_shows_one_market(self, name: str, encrypted: bool, peer: Callable[[str], Peer]) -> None:
        peer(name)
        with gateway(synthetic=True, key=KEY if encrypted else None, speed=0.001) as opend:
            encrypt = ["--encrypt", str(TEST_KEY)] if encrypted else []
            lines = run(name, opend, *encrypt, "--pushes", "10", "--codes", "HK.00700", "US.AAPL", "--", *ALL_CALLS)
        answers = {(line["call"], line.get("code", "")): line["rows"] for line in lines if line["event"] == "reply"}
        quotes = {row["code"]: row for row in answers["get_stock_quote", ""]}
        for code, quote in quotes.items():
            price, volume = quote["last_price"], quote["volume"]
            shares = answers["get_rt_data", code]
            assert shares[-1]["cur_price"] == price
            assert sum(share["volume"] for share in shares) == volume
            assert answers["get_rt_ticker", code][-1]["price"] == price
            assert answers["get_cur_kline", code][-1]["close"] == price
            assert answers["get_cur_kline", code][-1]["volume"] == volume
            book = answers["get_order_book", code]
            assert book["Bid"][0][0] < price < book["Ask"][0][0]
        for row in answers["get_market_snapshot", ""]:
            assert row["last_price"] == quotes[row["code"]]["last_price"]
        pushed = {line["handler"] for line in lines if line["event"] == "push"}
        assert pushed == {
            "RTDataHandlerBase",
            "StockQuoteHandlerBase",
            "OrderBookHandlerBase",
            "TickerHandlerBase",
            "CurKlineHandlerBase",
        }

    @pytest.mark.parametrize("name", PYTHON)
    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
    def test_an_order_is_placed_listed_and_cancelled(
        self, name: str, encrypted: bool, peer: Callable[[str], Peer]
    ) -> None:
        peer(name)
        with gateway(
            synthetic=True, key=KEY if encrypted else None, speed=0.001, clock="hk-open", fills="half"
        ) as opend:
            lines = run(name, opend, *(["--encrypt", str(TEST_KEY)] if encrypted else []), "--pushes", "3", "trade")
        states = [line["rows"][0]["order_status"] for line in lines if line.get("handler") == "TradeOrderHandlerBase"]
        assert states == ["SUBMITTING", "SUBMITTED", "CANCELLED_ALL"]
        (listed,) = next(line["rows"] for line in lines if line.get("call") == "order_list_query")
        assert (listed["code"], listed["qty"], listed["price"]) == ("HK.00700", 200.0, 600.5)

    @pytest.mark.parametrize("name", PYTHON)
    def test_json(self, name: str, peer: Callable[[str], Peer]) -> None:
        if name.endswith("10.11"):
            name = "futu-api-10.11-json"
        peer(name)
        with gateway(synthetic=True, speed=0.001) as opend:
            lines = run(name, opend, "--json", "--pushes", "10", *ALL_CALLS)
        assert {line["event"] for line in lines} == {"reply", "push", "closed"}

    @pytest.mark.parametrize("name", ["java-futu-api", "rust-futu-rs", *NODE])
    def test_other_languages(self, name: str, peer: Callable[[str], Peer]) -> None:
        peer(name)
        with gateway(synthetic=True, websocket=True, speed=20.0, always_open=True) as opend:
            lines = run(name, opend)
        assert sum(line["event"] == "push" for line in lines) >= 4
        assert [line.get("code") for line in lines if line.get("call") == "GetRT"] == ["US.AAPL", "HK.00700"]

    @pytest.mark.parametrize("script", ["quote", "trade"])
    @pytest.mark.parametrize("name", PYTHON)
    def test_the_quick_starts(self, name: str, script: str, peer: Callable[[str], Peer]) -> None:
        """The two programs that the vendor's documentation begins with, against the address they have in them."""
        from interop.peers import python

        peer(name)
        program = Path(__file__).with_name("clients") / "quickstart.py"
        with gateway(synthetic=True, speed=20.0, clock="hk-open", fills="half") as opend:
            words = [str(python(name)), str(program), PEERS[name].module, script, str(opend.port)]
            done = subprocess.run(words, env=environment(name), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "finished" in done.stdout


@pytest.mark.parametrize("name", ["npm-futu-api", "java-futu-api"])
def test_the_documented_example_of_time_share_data(
    name: str, peer: Callable[[str], Peer], openssl: Program, tmp_path: Path
) -> None:
    """Subscribe and ask for the points of the day: in JavaScript with ``enable_ssl``, and in Java."""
    peer(name)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    openssl(*words, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert))
    is_node = PEERS[name].kind == "node"
    tls = None
    if is_node:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
    with gateway(synthetic=True, always_open=True, websocket=is_node, tls=tls) as opend:
        port = opend.ws_port if is_node else opend.port
        trust = {"NODE_EXTRA_CA_CERTS": str(cert)} if is_node else {}
        done = subprocess.run(
            command(name, "--port", str(port), "--codes", "US.AAPL", "--pushes", "1", *(["--ssl"] if is_node else [])),
            env=environment(name) | trust,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (reply,) = (line for line in lines if line["event"] == "reply" and line["call"] == "GetRT")
    points = reply["body"]["s2c"]["rtList"] if is_node else reply["rows"]
    assert len(points) > 300
    assert all(point["time"].endswith(":00") for point in points)
    assert all(point["price" if is_node else "cur_price"] > 0 for point in points)


@pytest.mark.parametrize("name", NODE)
@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "uncompressed"])
def test_javascript_with_the_right_key(name: str, deflate: bool, peer: Callable[[str], Peer]) -> None:
    peer(name)
    with gateway(PLAIN, match="security", websocket=True, ws_key="secret", deflate=deflate) as opend:
        lines = run(name, opend, "--key", "secret")
    replies = [line["body"]["s2c"] for line in lines if line.get("call") == "GetRT"]
    assert [reply["rtList"] for reply in replies] == [RT["AAPL"], RT["00700"]]
    assert sum(line["event"] == "push" for line in lines) == 4


@pytest.mark.parametrize("name", NODE)
def test_javascript_with_a_wrong_key(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    with gateway(PLAIN, websocket=True, ws_key="secret") as opend:
        lines = run(name, opend, "--key", "other", status=1)
        assert opend.named("wrong-key")
    assert lines[0]["ok"] is False


@pytest.mark.parametrize("name", ["futu-api-10.11", "java-futu-api"])
def test_the_wrong_rsa_key(name: str, peer: Callable[[str], Peer]) -> None:
    """As OpenD, the gateway answers under its own key, which the client cannot read; its log has the reason."""
    peer(name)
    other = TEST_KEY.with_name("TEST-ONLY-other-1024.pem")
    with gateway(PLAIN, key=KEY) as opend:
        words = command(name, "--port", str(opend.port), "--encrypt", str(other), "--timeout", "3")
        process = subprocess.Popen(words, env=environment(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            (fact, *_) = opend.wait_for("damaged", seconds=30)
            assert "is it the right key?" in str(fact["reason"])
        finally:
            process.kill()
            process.wait()
