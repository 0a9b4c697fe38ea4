"""``ftwire serve --synthetic --data`` and captures with a market behind them, over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.protocols import registry
from ftwire_tools.commands.export import command as export
from ftwire_tools.commands.serve import command as serve
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.synthetic.recordings import load_recordings
from ftwire_tools.synthetic.universe import default_universe
from ftwire_tools.testing import gateway
from support.gateways import CAPTURES, PlainClient, security

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
BARS = """code,time,open,high,low,close,volume,turnover
HK.00700,2024-06-12 10:01:00,350.2,351.4,349.8,350.6,1300,455780
HK.00700,2024-06-12 10:02:00,350.6,350.8,350.2,350.2,700,245420
HK.00700,2024-06-12 10:05:00,355,356,354,355.5,100,35550
"""
TRADES = """code,time,price,volume
US.OWN,2024-06-12T02:00:01Z,12.34,7
US.OWN,2024-06-12T02:00:01Z,12.35,8
US.OWN,2024-06-12T02:00:02Z,12.36,9
"""
BASIC, BOOK, TICKER, RT = 1, 2, 4, 5


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "bars.csv").write_text(BARS, encoding="utf-8")
    (folder / "trades.csv").write_text(TRADES, encoding="utf-8")
    return folder


def subscribe(client: PlainClient, code: str, sub_type: int, **more: Any) -> None:
    fields = {"securityList": [security(code)], "subTypeList": [sub_type], "isSubOrUnSub": True, **more}
    answer = client.ask("Qot_Sub", **fields)
    assert answer.retType == 0, answer.retMsg


def pushed(client: PlainClient, protocol: str) -> list[Any]:
    """The ``s2c`` of the pushes of a protocol so far."""
    return [frame.message.s2c for frame in client.pushes if frame.proto_id == registry[protocol].proto_id]  # type: ignore[union-attr]


def test_clients_get_the_data(data: Path) -> None:
    with (
        gateway(synthetic=True, data=[data], clock="2024-06-12T10:10:00+08:00", speed=0.001) as opend,
        PlainClient(opend.port) as client,
    ):
        tencent = security("HK.00700")
        subscribe(client, "HK.00700", RT)
        rows = client.ask("Qot_GetRT", security=tencent).s2c.rtList
        assert [(row.time[11:], row.price, row.volume) for row in rows if not row.isBlank and row.volume] == [
            ("10:01:00", 350.6, 1300), ("10:02:00", 350.2, 700), ("10:05:00", 355.5, 100)
        ]  # fmt: skip
        history = client.ask(
            "Qot_RequestHistoryKL",
            security=tencent,
            klType=6,
            rehabType=1,
            beginTime="2024-06-12",
            endTime="2024-06-12",
        )
        (bar,) = history.s2c.klList
        assert (bar.time, bar.openPrice, bar.highPrice, bar.lowPrice, bar.closePrice, bar.volume, bar.turnover) == (
            "2024-06-12 10:05:00", 350.2, 356, 349.8, 355.5, 2100, 736_750
        )  # fmt: skip
        (snapshot,) = client.ask("Qot_GetSecuritySnapshot", securityList=[tencent]).s2c.snapshotList
        basic = snapshot.basic
        assert (basic.curPrice, basic.volume, basic.highPrice, basic.lotSize) == (355.5, 2100, 356, 100)
        (info,) = client.ask("Qot_GetStaticInfo", securityList=[security("US.OWN")]).s2c.staticInfoList
        assert (info.basic.secType, info.basic.listTime) == (3, "2024-06-11")


def test_trades_are_pushed_when_the_clock_comes_to_them(data: Path) -> None:
    with (
        gateway(synthetic=True, data=[data], always_open=True, speed=20) as opend,
        PlainClient(opend.port) as client,
    ):
        subscribe(client, "US.OWN", TICKER, isRegOrUnRegPush=True, isFirstPush=False)
        client.wait_for_pushes(2)
        trades = [[(one.price, one.volume) for one in push.tickerList] for push in pushed(client, "Qot_UpdateTicker")]
        assert trades[:2] == [[(12.34, 7), (12.35, 8)], [(12.36, 9)]]


def test_tables_of_an_export_are_played(tmp_path: Path) -> None:
    done = CliRunner().invoke(export, [str(PLAIN), "-j", "1", "-o", str(tmp_path / "tables")])
    assert done.exit_code == 0, done.output
    with (
        gateway(PLAIN, match="security") as captured,
        PlainClient(captured.port) as client,
    ):
        client.subscribe("HK.00700")
        shown = client.ask("Qot_GetRT", security=security("HK.00700")).s2c.rtList
    end = "2021-06-09T18:00:00+08:00"
    with (
        gateway(synthetic=True, data=[tmp_path / "tables"], clock=end, speed=0.001) as played,
        PlainClient(played.port) as client,
    ):
        subscribe(client, "HK.00700", RT)
        rows = client.ask("Qot_GetRT", security=security("HK.00700")).s2c.rtList
    wanted = {row.time: (row.price, row.volume) for row in shown}
    found = {row.time: (row.price, row.volume) for row in rows if not row.isBlank}
    assert len(wanted) > 1
    del wanted["2021-06-09 09:30:00"]  # the opening, which is not a minute of trading
    assert {time: found.get(time) for time in wanted} == wanted


QUOTES = [name for name in Synthetic().handlers if name.startswith("Qot_")]


@pytest.mark.parametrize("clock", ["before", "during", "after"])
def test_all_answer_about_an_instrument_with_hardly_any_data(data: Path, clock: str) -> None:
    """None fails with an error of its own, whatever a request about it is refused for."""
    found = load_recordings([str(data)], default_universe())
    source = Synthetic(
        recordings=found, now=(found.start + {"before": -90, "during": 1, "after": 9}[clock] * 86_400) * 10**9
    )
    answered = set()
    with gateway(source=lambda: source) as opend, PlainClient(opend.port) as client:
        for code in ("HK.00700", "US.OWN"):
            for sub_type in (BASIC, BOOK, TICKER, RT, 11):
                subscribe(client, code, sub_type, isFirstPush=True, isRegOrUnRegPush=True)
            for name in QUOTES:
                entry: Any = registry[name]
                fields = entry.request.DESCRIPTOR.fields_by_name["c2s"].message_type.fields_by_name
                about: dict[str, Any] = {
                    "security": security(code), "securityList": [security(code)], "maxRetNum": 10, "num": 10,
                    "reqNum": 10, "klType": 1, "rehabType": 0, "beginTime": "2024-06-01", "endTime": "2024-06-14",
                }  # fmt: skip
                request = entry.request(c2s={key: value for key, value in about.items() if key in fields})
                is_about_it = not {"security", "securityList"}.isdisjoint(fields)
                if request.IsInitialized() and is_about_it and name not in {"Qot_Sub", "Qot_RegQotPush"}:
                    answered.add((name, client.ask(name, **{k: v for k, v in about.items() if k in fields}).retType))
    assert {name for name, kind in answered if kind == 0} >= {
        "Qot_GetRT", "Qot_GetTicker", "Qot_GetKL", "Qot_RequestHistoryKL", "Qot_GetBasicQot", "Qot_GetOrderBook",
        "Qot_GetSecuritySnapshot", "Qot_GetCapitalFlow", "Qot_GetCapitalDistribution", "Qot_RequestRehab",
    }  # fmt: skip


def test_captured_answers_come_first_then_those_of_the_market() -> None:
    with (
        gateway(PLAIN, synthetic=True, match="security", clock="hk-open", speed=20) as opend,
        PlainClient(opend.port) as client,
    ):
        client.subscribe("HK.00700")
        captured = client.ask("Qot_GetRT", security=security("HK.00700")).s2c.rtList
        assert {row.time[:10] for row in captured} == {"2021-06-09"}
        subscribe(client, "HK.00005", RT, isRegOrUnRegPush=True, isFirstPush=True)
        made_up = client.ask("Qot_GetRT", security=security("HK.00005")).s2c.rtList
        assert {row.time[:10] for row in made_up} == {"2024-06-12"}
        account = client.ask("Trd_GetAccList", userID=0)
        assert account.retType == 0
        assert len(account.s2c.accList) > 1
        seen: set[tuple[str, str]] = set()
        while len(seen) < 2:
            client.wait_for_pushes(len(client.pushes) + 1)
            seen = {(push.security.code, push.rtList[0].time[:10]) for push in pushed(client, "Qot_UpdateRT")}
        assert seen == {("00700", "2021-06-09"), ("00005", "2024-06-12")}


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--data", "x.csv", str(PLAIN)], 2, "--data is for --synthetic"),
        (["--synthetic", "--data", "x.csv", "--shift-time", "now"], 2, "--data or --shift-time, not both"),
        (["--synthetic", "--data", "no.csv"], 1, "no.csv: No such file or directory"),
        (["--synthetic", "--data", "empty.csv"], 1, "empty.csv: empty"),
        ([str(PLAIN), "--synthetic", "--on-miss", "empty"], 2, "--on-miss or --synthetic, not both"),
        ([], 2, "give captures, or --synthetic, or both"),
    ],
)
def test_wrong_usage(words: list[str], code: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").touch()
    done = CliRunner().invoke(serve, ["--port", "0", *words])
    assert done.exit_code == code
    assert reason in done.output
