"""Each verb, from Python, in a script and over HTTP: what a client sees of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ftwire.messages import Notify
from ftwire_tools.gateway.hooks import RequestEvent
from ftwire_tools.gateway.steering import VERBS, Steering, SteeringError
from ftwire_tools.testing import RunningGateway, Script, gateway
from support.control import ControlClient, steerable
from support.gateways import CAPTURES, PlainClient, security

TENCENT = security("HK.00700")
PAPER = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
BASIC, TICKER = 1, 4
SUBMITTING, SUBMITTED, FILLED_PART, FILLED_ALL, FAILED = 2, 5, 10, 11, 21

Call = Callable[..., Any]
"""``call("market.set_price", code="HK.00700", price=400)``."""


class Driver:
    """One way to call verbs of one gateway."""

    def __init__(self, port: int, call: Call) -> None:
        self.port = port
        self.call = call


@pytest.fixture(scope="module")
def in_python() -> Iterator[Driver]:
    with gateway(synthetic=True, always_open=True) as opend:

        def call(path: str, **arguments: object) -> object:
            group, _, name = path.rpartition(".")
            found: object = getattr(getattr(opend, group) if group else opend, name)(**arguments)
            return found

        yield Driver(opend.port, call)


@pytest.fixture(scope="module")
def in_a_script() -> Iterator[Driver]:
    """The verb is called by a hook, with the next request of a client that sends nothing else."""
    waiting: list[tuple[str, dict[str, object]]] = []
    results: list[object] = []

    def on_request(event: RequestEvent) -> None:
        while waiting:
            path, arguments = waiting.pop()
            group, _, name = path.rpartition(".")
            found: Any = getattr(event.gateway, group) if group else event.gateway
            results.append(getattr(found, name)(**arguments))

    with gateway(synthetic=True, always_open=True, script=Script(on_request=on_request)) as opend:

        def call(path: str, **arguments: object) -> object:
            with PlainClient(opend.port) as client, suppress(ConnectionError):  # the verb may cut it
                waiting.append((path, arguments))
                client.ask("KeepAlive", time=1)
            return results.pop()

        yield Driver(opend.port, call)


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with steerable(tmp_path_factory.mktemp("control"), "--synthetic", "--hours", "always") as control:
        yield Driver(control.port, control.call)


@pytest.fixture(params=["in_python", "in_a_script", "over_http"])
def driver(request: pytest.FixtureRequest) -> Driver:
    found: Driver = request.getfixturevalue(request.param)
    found.call("reset")
    found.call("clock.stop")
    return found


@pytest.fixture
def client(driver: Driver) -> Iterator[PlainClient]:
    with PlainClient(driver.port, recv_notify=True) as found:
        found.subscribe("HK.00700", sub_types=(BASIC, TICKER), isFirstPush=False)
        found.ask("Trd_SubAccPush", accIDList=[PAPER["accID"]])
        yield found


def quote(client: PlainClient) -> Any:
    return client.ask("Qot_GetBasicQot", securityList=[TENCENT]).s2c.basicQotList[0]


def place(client: PlainClient, qty: float = 1000.0, price: float = 400.0) -> Any:
    order = {"trdSide": 1, "orderType": 1, "code": "00700", "secMarket": 1}
    return client.ask("Trd_PlaceOrder", header=PAPER, qty=qty, price=price, **order)


def orders(client: PlainClient) -> list[Any]:
    return list(client.ask("Trd_GetOrderList", header=PAPER).s2c.orderList)


def pushed(client: PlainClient, proto_id: int) -> list[Any]:
    """Pushes of a protocol that have come so far; a request makes sure that those before it have."""
    client.ask("KeepAlive", time=1)
    return [frame.message.s2c for frame in client.pushes if frame.proto_id == proto_id]  # type: ignore[union-attr]


def test_a_price_is_seen_in_the_quote_and_pushed_at_once(driver: Driver, client: PlainClient) -> None:
    driver.call("market.set_price", code="HK.00700", price=401.2)
    found = quote(client)
    assert found.curPrice == pytest.approx(401.2)
    assert found.highPrice >= 401.2
    assert [push.basicQotList[0].curPrice for push in pushed(client, 3005)] == [pytest.approx(401.2)]
    assert [push.tickerList[0].price for push in pushed(client, 3011)] == [pytest.approx(401.2)]


def test_a_price_is_held_until_it_is_released(driver: Driver, client: PlainClient) -> None:
    driver.call("market.set_price", code="HK.00700", price=300)
    driver.call("clock.advance", seconds=100)
    assert quote(client).curPrice == pytest.approx(300)
    driver.call("market.release", code="HK.00700")
    assert quote(client).curPrice == pytest.approx(300), "it goes on from where it is"
    found = set()
    for _ in range(5):
        driver.call("clock.advance", seconds=20)
        found.add(quote(client).curPrice)
    assert len(found) > 1
    assert all(280 < price < 320 for price in found)


def test_a_gap_moves_the_price_for_good(driver: Driver, client: PlainClient) -> None:
    before = quote(client).curPrice
    driver.call("market.gap", code="HK.00700", percent=-10)
    assert quote(client).curPrice == pytest.approx(before * 0.9, abs=0.2)
    driver.call("clock.advance", seconds=50)
    assert quote(client).curPrice == pytest.approx(before * 0.9, rel=0.05)


def test_orders_before_and_after_a_gap_in_one_second_have_different_prices(driver: Driver, client: PlainClient) -> None:
    driver.call("clock.stop")
    before = quote(client).curPrice
    place(client, qty=100)
    driver.call("market.gap", code="HK.00700", percent=-10)
    place(client, qty=100)
    second, first = sorted(orders(client), key=lambda order: -order.orderID)
    assert first.fillAvgPrice == pytest.approx(before, abs=1)
    assert second.fillAvgPrice == pytest.approx(before * 0.9, abs=1)


def test_a_spike_is_over_after_its_seconds(driver: Driver, client: PlainClient) -> None:
    before = quote(client).curPrice
    driver.call("market.spike", code="HK.00700", percent=50, seconds=3)
    driver.call("clock.advance", seconds=2)
    assert quote(client).curPrice == pytest.approx(before * 1.5, rel=0.02)
    driver.call("clock.advance", seconds=1)
    assert quote(client).curPrice == pytest.approx(before, rel=0.02)
    assert quote(client).highPrice > before * 1.45


def test_a_halted_stock_does_not_trade(driver: Driver, client: PlainClient) -> None:
    driver.call("market.halt", code="HK.00700")
    before = quote(client)
    assert before.isSuspended
    place(client)
    driver.call("clock.advance", seconds=30)
    after = quote(client)
    assert (after.curPrice, after.volume) == (before.curPrice, before.volume)
    assert orders(client)[0].orderStatus == SUBMITTED
    driver.call("market.resume", code="HK.00700")
    driver.call("clock.advance", seconds=30)
    assert not quote(client).isSuspended
    assert quote(client).volume > before.volume
    assert orders(client)[0].orderStatus == FILLED_ALL


def test_the_next_order_is_rejected_and_the_one_after_it_is_not(driver: Driver, client: PlainClient) -> None:
    driver.call("orders.reject_next", reason="outside trading hours")
    assert place(client).retType == 0
    assert place(client).retType == 0
    driver.call("clock.advance", seconds=30)
    second, first = sorted(orders(client), key=lambda order: -order.orderID)
    assert (first.orderStatus, first.lastErrMsg) == (FAILED, "outside trading hours")
    assert second.orderStatus == FILLED_ALL
    failed = [push.order for push in pushed(client, 2208) if push.order.orderID == first.orderID]
    assert [order.orderStatus for order in failed] == [SUBMITTING, FAILED]


def test_the_next_order_is_filled_in_part(driver: Driver, client: PlainClient) -> None:
    driver.call("orders.fill_next", share=0.35)
    place(client, qty=1000.0, price=200.0)  # far below the market
    driver.call("clock.advance", seconds=60)
    (order,) = orders(client)
    assert (order.orderStatus, order.fillQty) == (FILLED_PART, 300), "whole lots of 100"
    assert order.fillAvgPrice == pytest.approx(200.0)


def test_a_stopped_clock_stands_still(driver: Driver, client: PlainClient) -> None:
    before = quote(client).updateTimestamp
    driver.call("clock.advance", seconds=90)
    assert quote(client).updateTimestamp == before + 90
    driver.call("clock.start")
    client.wait_for_pushes(len(client.pushes) + 1)
    driver.call("clock.stop")
    assert quote(client).updateTimestamp > before + 90


def test_requests_of_a_protocol_are_refused(driver: Driver, client: PlainClient) -> None:
    refusal = {"protocol": "Qot_GetBasicQot", "reason": "busy", "ret_type": -100, "err_code": 7}
    driver.call("replies.refuse_next", count=2, **refusal)
    for _ in range(2):
        found = client.ask("Qot_GetBasicQot", securityList=[TENCENT])
        assert (found.retType, found.retMsg, found.errCode) == (-100, "busy", 7)
    assert client.ask("Qot_GetBasicQot", securityList=[TENCENT]).retType == 0


def test_faults_are_switched(driver: Driver, client: PlainClient) -> None:
    driver.call("faults.add", rule="refuse:proto=Qot_GetBasicQot,ret_type=-9,ret_msg=on demand")
    found = client.ask("Qot_GetBasicQot", securityList=[TENCENT])
    assert (found.retType, found.retMsg) == (-9, "on demand")
    driver.call("faults.clear")
    assert quote(client).curPrice > 0


def test_a_script_is_switched() -> None:
    def refuse(event: RequestEvent) -> Any:
        return event.refused("not today") if event.name == "Qot_GetBasicQot" else None

    with (
        gateway(synthetic=True, always_open=True, script=Script(path="scenario/refuse.py", on_request=refuse)) as opend,
        PlainClient(opend.port) as client,
    ):
        client.subscribe("HK.00700", sub_types=(BASIC,))

        def answer() -> int:
            found: int = client.ask("Qot_GetBasicQot", securityList=[TENCENT]).retType
            return found

        seen = []
        for verb in (None, "script.switch_off", "script.switch_on", "script.switch_off", "reset"):
            if verb is not None:
                opend.call(verb, {})
            seen.append((answer(), opend.state()["script"]))
    on, off = ({"name": "refuse.py", "on": is_on} for is_on in (True, False))
    assert seen == [(-1, on), (0, off), (-1, on), (0, off), (-1, on)]


def test_a_fault_is_removed_by_its_number(driver: Driver, client: PlainClient) -> None:
    number = driver.call("faults.add", rule="refuse:proto=Qot_GetBasicQot")
    driver.call("faults.remove", number=number)
    assert quote(client).curPrice > 0


def test_quotas_run_out(driver: Driver, client: PlainClient) -> None:
    driver.call("limits.set_subscription_quota", quota=2)
    assert "2/2" in client.subscribe("US.AAPL").retMsg
    driver.call("limits.set_history_quota", quota=0)
    asked = {"rehabType": 0, "klType": 2, "security": TENCENT, "beginTime": "2024-06-01", "endTime": "2024-06-10"}
    assert "0/0" in client.ask("Qot_RequestHistoryKL", **asked).retMsg
    driver.call("limits.set_subscription_quota", quota=3)
    driver.call("limits.set_history_quota", quota=1)
    assert client.subscribe("US.AAPL").retType == 0
    assert client.ask("Qot_RequestHistoryKL", **asked).retType == 0


def test_any_limit_is_set_and_what_was_used_is_forgotten(driver: Driver, client: PlainClient) -> None:
    driver.call("limits.set", limit="Qot_GetSecuritySnapshot", value="1")
    asked = [client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retType for _ in range(2)]
    assert asked == [0, -1]
    driver.call("limits.forget")
    assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retType == 0


def test_a_gateway_that_is_logged_out_says_so_and_answers_no_quotes(driver: Driver, client: PlainClient) -> None:
    driver.call("login.log_out")
    state = client.ask("GetGlobalState", userID=0).s2c
    assert (state.qotLogined, state.trdLogined) == (False, False)
    assert client.ask("Qot_GetBasicQot", securityList=[TENCENT]).retType == -1
    assert client.ask("Trd_GetAccList", userID=0).retType == -1
    driver.call("market.set_price", code="HK.00700", price=400)
    driver.call("login.log_in")
    assert client.ask("GetGlobalState", userID=0).s2c.qotLogined
    assert quote(client).curPrice == 400
    assert pushed(client, 3005) == []
    notices = [push.connectStatus for push in pushed(client, 1003)]
    assert [(notice.qotLogined, notice.trdLogined) for notice in notices] == [(False, False), (True, True)]


def test_notices_are_pushed(driver: Driver, client: PlainClient) -> None:
    with PlainClient(driver.port, recv_notify=False) as deaf:
        driver.call("notices.send_event", event="KickedOut", text="logged in elsewhere")
        driver.call("notices.send_quota", subscriptions=300, history=30)
        first, second = pushed(client, 1003)
        assert (first.event.eventType, first.event.desc) == (Notify.GtwEventType_KickedOut, "logged in elsewhere")
        assert (second.apiQuota.subQuota, second.apiQuota.historyKLQuota) == (300, 30)
        assert pushed(deaf, 1003) == []


def test_connections_are_cut(driver: Driver, client: PlainClient) -> None:
    driver.call("connections.close")
    client.wait_for_end()
    client.connection.close()


def test_a_reset_undoes_all(driver: Driver, client: PlainClient) -> None:
    driver.call("reset")
    fresh = quote(client)
    driver.call("market.set_price", code="HK.00700", price=777)
    driver.call("clock.advance", seconds=5)
    driver.call("orders.reject_next", count=5)
    driver.call("replies.refuse_next", protocol="3004")
    place(client)
    driver.call("login.log_out")
    driver.call("reset")
    assert quote(client) == fresh
    assert orders(client) == []
    place(client)
    driver.call("clock.advance", seconds=1)
    assert orders(client)[0].orderStatus != FAILED


def test_no_verb_is_without_a_test() -> None:
    source = Path(__file__).read_text()
    assert [path for path in VERBS if f'"{path}"' not in source] == []


# Arguments


@pytest.fixture(scope="module")
def still() -> Iterator[RunningGateway]:
    with gateway(synthetic=True, always_open=True) as opend:
        opend.clock.stop()
        yield opend


@pytest.mark.parametrize(
    ("path", "arguments", "reason"),
    [
        ("market.set_price", {"code": "HK.00700"}, "market.set_price needs price"),
        ("market.set_price", {"code": "HK.00700", "price": "400"}, "price is a number, not '400'"),
        ("market.set_price", {"code": "HK.00700", "price": True}, "price is a number, not True"),
        ("market.set_price", {"code": "HK.00700", "price": float("nan")}, "price is between 0.001 and 1e+07, not nan"),
        ("market.set_price", {"code": 700, "price": 1}, "code is a text, not 700"),
        ("market.set_price", {"code": "00700", "price": 1}, "'00700' is no security: it is PREFIX.CODE"),
        ("market.set_price", {"code": "HK.\ud800", "price": 1}, "code holds half a character"),
        ("market.set_price", {"code": "US.NONE", "price": 1}, "the made-up market has no US.NONE"),
        ("market.set_price", {"code": "H" * 81, "price": 1}, "code has at most 80 characters, not 81"),
        ("market.halt", {"code": "HK.00700", "x": 1}, "market.halt has no argument 'x'; it takes code"),
        ("clock.stop", {"x": 1}, "clock.stop has no argument 'x'; it takes none"),
        ("clock.advance", {"seconds": 1.5}, "seconds is a whole number, not 1.5"),
        ("clock.advance", {"seconds": 10**400}, "seconds is between 1 and 86400"),
        ("orders.fill_next", {"share": 1.01}, "share is between 0 and 1, not 1.01"),
        ("replies.refuse_next", {"protocol": "Qot_Nothing"}, "there is no request 'Qot_Nothing'"),
        ("replies.refuse_next", {"protocol": "Qot_UpdateRT"}, "there is no request 'Qot_UpdateRT'"),
        ("replies.refuse_next", {"protocol": "1001"}, "a verb cannot refuse the handshake"),
        ("faults.add", {"rule": "drop:p=2"}, "drop: p is 0 to 1"),
        ("faults.remove", {"number": 77}, "there is no rule 77"),
        ("script.switch_off", {}, "there is no script here to switch"),
        ("limits.set", {"limit": "x", "value": "1"}, "'x=1': no limit 'x'"),
        ("notices.send_event", {"event": "Party"}, "event is one of None, LocalCfgLoadFailed"),
        ("connections.close", {"client": 99}, "there is no client 99"),
        ("market.explode", {}, "there is no verb 'market.explode'"),
        ("__init__", {}, "there is no verb '__init__'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    still: RunningGateway, path: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SteeringError) as refused:
        still.call(path, arguments)
    assert str(refused.value).startswith(reason)


def test_wrong_calls_in_python_are_refused_in_the_same_way(still: RunningGateway) -> None:
    with pytest.raises(SteeringError, match="price is a number"):
        still.market.set_price("HK.00700", "400")  # type: ignore[arg-type]
    with pytest.raises(SteeringError, match="missing a required argument: 'price'"):
        still.market.set_price("HK.00700")  # type: ignore[call-arg]


def test_no_price_is_set_where_nothing_trades() -> None:
    with gateway(synthetic=True, clock="us-open") as opend:
        opend.market.gap("US.AAPL", 5)
        with pytest.raises(SteeringError, match=r"HK\.00700 is not traded now, at 2024-06-12 22:00 of its exchange"):
            opend.market.set_price("HK.00700", 400)
        opend.market.halt("US.AAPL")
        with pytest.raises(SteeringError, match=r"US\.AAPL is halted"):
            opend.market.gap("US.AAPL", 5)


def bars(client: PlainClient, kline: int, sub_type: int, count: int) -> list[Any]:
    client.subscribe("HK.00700", sub_types=(sub_type,))
    return list(client.ask("Qot_GetKL", rehabType=0, klType=kline, security=TENCENT, reqNum=count).s2c.klList)


def test_what_was_before_a_change_stays_and_bars_add_up() -> None:
    """One minute before, and two minutes after."""
    with gateway(synthetic=True, always_open=True) as opend, PlainClient(opend.port) as client:
        opend.clock.stop()
        before = bars(client, 1, 11, 30)
        opend.clock.advance(60 - opend.state()["market"]["now"] % 60 + 20)
        opend.market.set_price("HK.00700", 500)
        opend.clock.advance(20)
        opend.market.gap("HK.00700", 10)
        opend.clock.advance(80)
        after = bars(client, 1, 11, 32)
        known = {bar.time: bar for bar in after}
        assert all(known[bar.time] == bar for bar in before[2:-1])
        minute = after[-2]
        assert (minute.highPrice, minute.closePrice) == (pytest.approx(550, abs=5), pytest.approx(550, abs=5))
        assert after[-3].highPrice >= 550
        assert after[-3].lowPrice < 450
        (day,) = bars(client, 2, 6, 1)
        assert day.highPrice == max(max(bar.highPrice for bar in after), day.highPrice)
        assert day.closePrice == after[-1].closePrice
        client.subscribe("HK.00700", sub_types=(BASIC, 4))
        found = quote(client)
        assert (found.curPrice, found.volume) == (day.closePrice, day.volume)
        ticks = client.ask("Qot_GetTicker", security=TENCENT, maxRetNum=1000).s2c.tickerList
        assert {tick.price for tick in ticks} >= {500.0, 550.0}
        numbers = [tick.sequence for tick in ticks]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        in_minute = [tick for tick in ticks if tick.time[:16] == ticks[-1].time[:16]]
        assert sum(tick.volume for tick in in_minute) == after[-1].volume


def test_a_gateway_that_answers_from_a_capture_has_no_market_to_steer() -> None:
    with gateway(CAPTURES / "futu-api-10.11-plain.pcap", match="security") as opend:
        with pytest.raises(SteeringError, match="no made-up market here to steer"):
            opend.market.halt("HK.00700")
        assert opend.state()["market"] is None
        opend.replies.refuse_next("Qot_GetRT")
        with PlainClient(opend.port) as client:
            assert [client.ask("Qot_GetRT", security=TENCENT).retType for _ in range(2)] == [-1, 0]


def test_the_state_is_listed(still: RunningGateway) -> None:
    still.reset()
    still.market.set_price("HK.00700", 400)
    still.market.halt("US.AAPL")
    still.orders.reject_next(reason="no")
    still.orders.fill_next(0.5)
    still.replies.refuse_next("Qot_GetRT", count=3)
    still.faults.add("drop:proto=Qot_GetKL")
    with PlainClient(still.port) as client:
        client.subscribe("HK.00700")
        found = still.state()
    (connected,) = found.pop("clients")
    limits = found.pop("limits")
    assert (limits["subscription_quota"], limits["subscriptions_used"]) == (1000, 1)
    assert connected["subscriptions"] == 1
    apple = found["market"]["steered"].pop("US.AAPL")
    assert found["market"].pop("now") == 1718200800
    assert apple["halted"]
    assert found == {
        "logged_in": True,
        "refusals": {"Qot_GetRT": 3},
        "faults": {"1": "drop:proto=Qot_GetKL"},
        "script": None,
        "market": {
            "stopped": True,
            "steered": {"HK.00700": {"price": 400.0, "held": True, "halted": False}},
            "next_orders": [{"reject": "no"}, {"fill": 0.5}],
        },
    }
    still.reset()
    assert still.state()["market"]["steered"] == {}
    assert still.state()["market"]["next_orders"] == []


def test_verbs_of_many_threads_do_not_meet(still: RunningGateway) -> None:
    """Each runs in the gateway's thread: two that come at once do not see each other's half."""
    still.reset()
    threads = [threading.Thread(target=still.orders.fill_next, args=(1.0, 50)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(still.state()["market"]["next_orders"]) == 400


def test_a_script_sees_the_same_type() -> None:
    seen: list[object] = []
    with gateway(synthetic=True, always_open=True, script=Script(on_start=seen.append)):
        pass
    assert [type(one) for one in seen] == [Steering]


def test_the_requests_of_clients_are_listed_without_secrets(tmp_path: Path) -> None:
    with steerable(tmp_path, "--synthetic", "--hours", "always") as control, PlainClient(control.port) as client:
        assert isinstance(control, ControlClient)
        client.ask("Trd_UnlockTrade", unlock=True, pwdMD5="0123456789abcdef0123456789abcdef")
        found = control.get("requests")
        assert found["count"] == 2
        assert [one["proto"] for one in found["requests"]] == ["InitConnect", "Trd_UnlockTrade"]
        assert found["requests"][1]["message"]["c2s"]["pwdMD5"] == "***"
        control.call("reset")
        assert control.get("requests") == {"count": 0, "requests": []}
