"""The protocols of trading, at the messages: filters and dates, currencies, unlocking, what paper accounts refuse."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest

from ftwire.protocols import registry
from ftwire_tools.gateway.trading.accounts import ACCOUNTS
from ftwire_tools.gateway.trading.requests import TradeRequests
from ftwire_tools.gateway.trading.texts import TradeError
from support.gateways import fill
from support.steered_venue import APPLE, HSI, MOUTAI, TENCENT, D, Desk

FUTURES, CRYPTO = 281756400001000001, 281756400001000002


class Asker:
    """A desk, and requests to it."""

    def __init__(self, acc_id: int = 9_001_001, **more: Any) -> None:
        self.desk = Desk(acc_id)
        self.requests = TradeRequests(self.desk.broker, **more)

    def ask(self, protocol: str, *, market: Any = 0, **fields: Any) -> Any:
        entry: Any = registry[protocol]
        request, response = entry.request(), entry.response()
        terms = self.desk.account.terms
        header = {"trdEnv": terms.environment, "accID": terms.acc_id, "trdMarket": market or terms.markets[0]}
        if "header" in request.c2s.DESCRIPTOR.fields_by_name:
            fields = {"header": header, **fields}
        if "packetID" in request.c2s.DESCRIPTOR.fields_by_name:
            fields = {"packetID": {"connID": 1, "serialNo": 1}, **fields}
        fill(request.c2s, fields)
        if not request.c2s.IsInitialized():
            raise AssertionError(request.c2s.FindInitializationErrors())
        self.requests.answers[protocol](request.c2s, response.s2c)
        self.desk.settle()
        return response.s2c

    def refusal(self, protocol: str, **fields: Any) -> str:
        with pytest.raises(TradeError) as refused:
            self.ask(protocol, **fields)
        return str(refused.value)


@pytest.fixture
def asker() -> Asker:
    return Asker()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_everything_that_was_placed_comes_back(asker: Asker) -> None:
    sent = {
        "trdSide": 2, "orderType": 15, "code": "AAPL", "secMarket": 2, "qty": 10.0, "price": 1.0, "trailType": 2,
        "trailValue": 3.5, "trailSpread": 0.25, "timeInForce": 3, "expireTime": "2024-07-01", "session": 2,
        "fillOutsideRTH": True, "remark": "mine",
    }  # fmt: skip
    asker.desk.place(APPLE, 10)
    placed = asker.ask("Trd_PlaceOrder", **sent)
    order = asker.ask("Trd_GetOrderList", filterConditions={"orderIDExList": [placed.orderIDEx]}).orderList[0]
    for name, value in sent.items():
        assert getattr(order, name) == value, name
    stop = {
        "trdSide": 2,
        "orderType": 11,
        "code": "AAPL",
        "secMarket": 2,
        "qty": 1.0,
        "price": 180.0,
        "auxPrice": 190.5,
    }
    placed = asker.ask("Trd_PlaceOrder", **stop)
    order = asker.ask("Trd_GetOrderList", filterConditions={"idList": [placed.orderID]}).orderList[0]
    assert (order.auxPrice, order.price, order.orderStatus) == (190.5, 180.0, 1)
    assert not order.HasField("trailType")


class TestLists:
    @pytest.fixture
    def full(self) -> Asker:
        """Orders of three markets on three days, the last one of which is today."""
        asker = Asker()
        asker.desk.account.ledger.cash[3] = D(1_000_000)
        for day, instrument, price in ((10, TENCENT, 390.0), (11, APPLE, 150.0), (12, MOUTAI, 1610.0)):
            asker.desk.venue.time = datetime(2024, 6, day, 10, 0)
            asker.desk.step()
            asker.desk.place(instrument, float(instrument.lot), price)
        return asker

    @pytest.mark.parametrize(
        ("conditions", "codes"),
        [
            ({}, ["600519", "AAPL", "00700"]),
            ({"codeList": ["AAPL", "00700"]}, ["AAPL", "00700"]),
            ({"filterMarket": 1}, ["00700"]),
            ({"filterMarket": 2}, ["AAPL"]),
            ({"filterMarket": 4}, ["600519"]),
            ({"filterMarket": 3}, []),
            ({"beginTime": "2024-06-11"}, ["600519", "AAPL"]),
            ({"endTime": "2024-06-11"}, ["AAPL", "00700"]),
            ({"beginTime": "2024-06-11 09:00:00", "endTime": "2024-06-11 10:00:01"}, ["AAPL"]),
            ({"beginTime": "2024-06-11 10:00:02", "endTime": "2024-06-11 11:00:00"}, []),
            ({"beginTime": "1999-01-01", "endTime": "1999-01-02"}, []),
            ({"orderIDExList": ["FTWIRE7000000002"]}, ["AAPL"]),
            ({"idList": [7000000001, 7000000003]}, ["600519", "00700"]),
            ({"idList": [1]}, []),
        ],
    )
    def test_filters_of_history(self, full: Asker, conditions: dict[str, Any], codes: list[str]) -> None:
        listed = full.ask("Trd_GetHistoryOrderList", filterConditions=conditions).orderList
        assert [order.code for order in listed] == codes

    def test_states(self, full: Asker) -> None:
        def codes(*states: int) -> list[str]:
            return [
                each.code
                for each in full.ask("Trd_GetHistoryOrderList", filterConditions={}, filterStatusList=states).orderList
            ]

        assert codes(11) == ["600519", "00700"]
        assert codes(15) == ["AAPL"]  # it was for its day
        assert codes(5, 11) == ["600519", "00700"]

    def test_the_list_of_orders_is_that_of_a_day(self, full: Asker) -> None:
        assert [each.code for each in full.ask("Trd_GetOrderList").orderList] == ["600519", "AAPL"]
        full.desk.venue.time += timedelta(hours=25)
        assert [each.code for each in full.ask("Trd_GetOrderList").orderList] == []
        assert len(full.ask("Trd_GetHistoryOrderList", filterConditions={}).orderList) == 3

    def test_history_is_that_of_ninety_days(self, full: Asker) -> None:
        full.desk.venue.time = datetime(2024, 9, 9, 9, 0)
        assert [each.code for each in full.ask("Trd_GetHistoryOrderList", filterConditions={}).orderList] == [
            "600519",
            "AAPL",
        ]

    def test_fills(self, full: Asker) -> None:
        history = full.ask("Trd_GetHistoryOrderFillList", filterConditions={}).orderFillList
        assert [(each.code, each.trdMarket) for each in history] == [("600519", 4), ("00700", 1)]
        assert [each.code for each in full.ask("Trd_GetOrderFillList").orderFillList] == ["600519"]
        only = full.ask("Trd_GetHistoryOrderFillList", filterConditions={"filterMarket": 1}).orderFillList
        assert [each.code for each in only] == ["00700"]

    def test_positions(self, full: Asker) -> None:
        def codes(**fields: Any) -> list[str]:
            return [each.code for each in full.ask("Trd_GetPositionList", **fields).positionList]

        full.desk.step((TENCENT, "400"))
        position = full.ask("Trd_GetPositionList").positionList[0]
        assert position.plRatio == pytest.approx(400 / 380.2 - 1)
        assert codes() == ["00700", "600519"]
        assert codes(filterConditions={"filterMarket": 4}) == ["600519"]
        assert codes(filterConditions={"codeList": ["00700"]}) == ["00700"]
        assert codes(filterPLRatioMin=0.05) == ["00700"]
        assert codes(filterPLRatioMax=0.05) == ["600519"]

    @pytest.mark.parametrize(
        ("conditions", "reason"),
        [
            ({"beginTime": "soon"}, "soon is neither yyyy-MM-dd nor yyyy-MM-dd HH:mm:ss"),
            ({"endTime": "2024-06-31"}, "2024-06-31 is neither"),
            ({"beginTime": "2024-06-12T10:00:00+08:00"}, "2024-06-12T10:00:00+08:00 is neither"),
            ({"beginTime": "2024-06-12", "endTime": "2024-06-11"}, "the begin is after the end"),
        ],
    )
    def test_times_that_are_none(self, asker: Asker, conditions: dict[str, str], reason: str) -> None:
        for protocol in ("Trd_GetHistoryOrderList", "Trd_GetOrderList", "Trd_GetHistoryOrderFillList"):
            assert asker.refusal(protocol, filterConditions=conditions).startswith(reason)


class TestMoney:
    def test_funds_in_the_currency_that_is_asked_for(self, asker: Asker) -> None:
        hkd, usd = (asker.ask("Trd_GetFunds", currency=number).funds for number in (1, 2))
        assert (hkd.currency, usd.currency) == (1, 2)
        assert hkd.totalAssets == 1_781_000
        assert usd.totalAssets == pytest.approx(1_781_000 / 7.81, abs=0.01)
        own = {each.currency: each.cash for each in hkd.cashInfoList}
        assert own == {each.currency: each.cash for each in usd.cashInfoList} == {1: 1_000_000, 2: 100_000, 3: 0}
        assert hkd.power == 2 * hkd.availableFunds
        assert asker.refusal("Trd_GetFunds") == "an account in several currencies needs the request's currency"
        assert asker.refusal("Trd_GetFunds", currency=9) == "there is no rate of currency 9"

    def test_an_account_in_one_currency_ignores_it(self) -> None:
        for fields in ({}, {"currency": 2}, {"currency": 99}):
            funds = Asker(1_001_001).ask("Trd_GetFunds", **fields).funds
            assert (funds.currency, funds.cash) == (1, 1_000_000)
            assert not funds.HasField("initialMargin")

    def test_funds_with_positions(self, asker: Asker) -> None:
        asker.desk.place(APPLE, 100)
        asker.desk.place(TENCENT, 100, 390.0)
        funds = asker.ask("Trd_GetFunds", currency=1).funds
        assert funds.marketVal == pytest.approx(100 * 200 * 7.81 + 100 * 380)
        assert {each.trdMarket: each.assets for each in funds.marketInfoList if each.assets} == {
            1: 38_000, 2: pytest.approx(156_200),
        }  # fmt: skip
        assert funds.initialMargin == pytest.approx(funds.marketVal * 0.35, abs=0.02)
        assert funds.riskStatus == 2

    def test_an_order_freezes_what_it_may_need(self) -> None:
        asker = Asker(1_001_001)
        asker.desk.place(TENCENT, 100, 370.0)
        funds = asker.ask("Trd_GetFunds").funds
        assert (funds.cash, funds.frozenCash, funds.power) == (1_000_000, 37_000, 963_000)

    def test_cash_flow_of_a_day_and_what_it_sums_to(self, asker: Asker) -> None:
        order = asker.desk.place(APPLE, 10, 201.0)
        asker.desk.sell(APPLE, 10)
        flows = asker.ask("Trd_FlowSummary", clearingDate="2024-06-12").flowSummaryInfoList
        assert [each.cashFlowType for each in flows] == ["Buy", "Fee", "Sell", "Fee"]
        assert [each.cashFlowDirection for each in flows] == [2, 2, 1, 2]
        assert sum(each.cashFlowAmount for each in flows) == pytest.approx(float(asker.desk.cash(2)) - 100_000)
        assert {each.settlementDate for each in flows} == {"2024-06-13"}
        assert flows[0].cashFlowRemark == order.order_id_ex
        into = asker.ask("Trd_FlowSummary", clearingDate="2024-06-12", cashFlowDirection=1).flowSummaryInfoList
        assert [each.cashFlowType for each in into] == ["Sell"]
        assert not asker.ask("Trd_FlowSummary", clearingDate="2024-06-11").flowSummaryInfoList
        assert asker.refusal("Trd_FlowSummary", clearingDate="june") == "june is not a day (yyyy-MM-dd)"
        assert "by clearingDate only" in asker.refusal(
            "Trd_FlowSummary", clearingDate="", startCreateDate="2024-06-12", endCreateDate="2024-06-12"
        )
        assert "by startCreateDate/endCreateDate only" in Asker(CRYPTO).refusal(
            "Trd_FlowSummary", clearingDate="2024-06-12"
        )

    def test_order_fees(self, asker: Asker) -> None:
        order, waits = asker.desk.place(APPLE, 100, 201.0), asker.desk.place(APPLE, 1, 150.0)
        names = [order.order_id_ex, waits.order_id_ex]
        filled, open_ = asker.ask("Trd_GetOrderFee", orderIdExList=names).orderFeeList
        assert (filled.feeAmount, open_.feeAmount) == (2.29, 0)
        assert sum(each.value for each in filled.feeList) == pytest.approx(2.29)
        assert asker.refusal("Trd_GetOrderFee", orderIdExList=["FTWIRE1"]) == "no such order"
        assert asker.refusal("Trd_GetOrderFee", orderIdExList=names * 201) == "at most 400 orders in a request"

    def test_margin_ratios(self, asker: Asker) -> None:
        codes = [{"market": 1, "code": "00700"}, {"market": 11, "code": "AAPL"}]
        found = asker.ask("Trd_GetMarginRatio", securityList=codes).marginRatioInfoList
        # The vendor's example: 35/60, 32/53, 25/40.
        assert [(each.imLongRatio, each.imShortRatio, each.mcmLongRatio, each.mcmShortRatio) for each in found] == [
            (35, 60, 32, 53)
        ] * 2
        assert found[0].isShortPermit
        assert "stocks of Hong Kong" in asker.refusal(
            "Trd_GetMarginRatio", securityList=[{"market": 91, "code": "BTCUSD"}]
        )
        assert asker.refusal("Trd_GetMarginRatio", securityList=codes * 51) == "at most 100 securities in a request"

    def test_the_margin_of_futures(self) -> None:
        asker = Asker(FUTURES)
        found = asker.ask("Trd_GetMaxTrdQtys", orderType=1, code="HSI2406", secMarket=1, price=18_000.0).maxTrdQtys
        assert (found.maxCashBuy, found.maxCashAndMarginBuy) == (0, 0)
        assert (found.longRequiredIM, found.shortRequiredIM) == (90_000, 90_000)
        asker.desk.place(HSI, 1)
        after = asker.ask("Trd_GetMaxTrdQtys", orderType=1, code="HSI2406", secMarket=1, price=18_000.0).maxTrdQtys
        assert (after.maxPositionSell, after.longRequiredIM, after.shortRequiredIM) == (1, 90_000, -90_000)


class TestUnlocking:
    def test_a_password_for_all_firms(self) -> None:
        asker = Asker()
        broker = asker.desk.broker
        broker.unlocked.clear()
        assert asker.refusal("Trd_UnlockTrade", unlock=True, pwdMD5=md5("guess")) == "unlock failed: wrong password"
        assert asker.refusal("Trd_UnlockTrade", unlock=True) == "unlock failed: wrong password"
        assert not broker.unlocked
        asker.ask("Trd_UnlockTrade", unlock=True, pwdMD5=md5("123456"))
        assert broker.unlocked == set(range(8))
        asker.ask("Trd_UnlockTrade", unlock=False)
        assert not broker.unlocked

    def test_a_password_for_each_firm(self) -> None:
        asker = Asker(password="common", passwords={2: "american"})  # noqa: S106
        broker = asker.desk.broker
        broker.unlocked.clear()
        asker.refusal("Trd_UnlockTrade", unlock=True, pwdMD5=md5("common"), securityFirm=2)
        asker.ask("Trd_UnlockTrade", unlock=True, pwdMD5=md5("american"), securityFirm=2)
        assert broker.unlocked == {2}
        asker.ask("Trd_UnlockTrade", unlock=True, pwdMD5=md5("common"), securityFirm=1)
        asker.ask("Trd_UnlockTrade", unlock=False, securityFirm=2)
        assert broker.unlocked == {1}
        asker.refusal("Trd_UnlockTrade", unlock=True, pwdMD5=md5("common"), securityFirm=99)

    def test_capitals_are_another_digest(self) -> None:
        """The vendor's schema: the MD5 is in lower case."""
        asker = Asker()
        assert asker.refusal("Trd_UnlockTrade", unlock=True, pwdMD5=md5("123456").upper())


@pytest.mark.parametrize(
    ("protocol", "fields", "chinese"),
    [
        ("Trd_GetOrderFillList", {}, "模拟交易不支持成交数据"),
        ("Trd_GetHistoryOrderFillList", {"filterConditions": {}}, "模拟交易不支持成交数据"),
        ("Trd_GetOrderFee", {"orderIdExList": []}, "暂时不支持模拟交易"),
        ("Trd_FlowSummary", {"clearingDate": "2024-06-12"}, "模拟账户不支持查询现金流水"),
        ("Trd_GetMarginRatio", {"securityList": []}, "模拟账户不支持"),
        ("Trd_PlaceComboOrder", {"qty": 1.0, "orderType": 1}, "模拟账户不支持组合订单"),
    ],
)
def test_what_a_paper_account_refuses(protocol: str, fields: dict[str, Any], chinese: str) -> None:
    """The vendor's question Q1, in the words that client authors have seen."""
    with pytest.raises(TradeError) as refused:
        Asker(1_001_001).ask(protocol, **fields)
    assert refused.value.text("chs") == chinese


def test_the_list_of_accounts() -> None:
    asker = Asker()
    everyone = asker.ask("Trd_GetAccList", userID=0).accList
    assert [each.accID for each in everyone] == [each.acc_id for each in ACCOUNTS]
    for each in everyone:
        assert each.HasField("securityFirm") == each.HasField("cardNum") == (each.trdEnv == 1)
        assert each.HasField("simAccType") == (each.trdEnv == 0)
    futures = asker.ask("Trd_GetAccList", userID=0, trdCategory=2).accList
    assert {tuple(each.trdMarketAuthList) for each in futures} == {(5,), (10,), (11,), (12,), (13,)}
    assert len({each.accID for each in everyone if each.accStatus == 1}) == 1
    assert [each.accRole for each in everyone].count(2) == 1


def test_markets_of_an_account(asker: Asker) -> None:
    assert asker.refusal("Trd_GetFunds", market=7, currency=1) == "the account does not trade in market 7"
    assert asker.ask("Trd_GetFunds", market=2, currency=1).header.trdMarket == 2
    assert asker.refusal("Trd_ModifyOrder", orderID=5, modifyOrderOp=2) == "no such order"
    assert (
        asker.refusal("Trd_ModifyOrder", orderID=0, orderIDEx="FTWIRE" + "9" * 50, modifyOrderOp=2) == "no such order"
    )
    order = asker.desk.place(APPLE, 1, 150.0)
    for op in (0, 6, 99):
        assert asker.refusal("Trd_ModifyOrder", orderID=order.order_id, modifyOrderOp=op).startswith("an order cannot")
    assert (
        asker.refusal("Trd_ModifyOrder", orderID=0, modifyOrderOp=1, forAll=True) == "all orders can only be cancelled"
    )
