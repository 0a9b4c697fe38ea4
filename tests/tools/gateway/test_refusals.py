"""What the made-up market refuses, in OpenD's words where these are known, and what it leaves out."""

# ruff: noqa: RUF001 - OpenD's Chinese texts have the punctuation of Chinese

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.testing import gateway, gateway_fixture
from support.gateways import PlainClient, security

PASSWORD = hashlib.md5(b"123456", usedforsecurity=False).hexdigest()
ALL_SUBSCRIPTIONS = (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)
TENCENT = security("HK.00700")
KLINE = {"security": TENCENT, "rehabType": 1, "reqNum": 5}
REAL = {"trdEnv": 1, "accID": 9_001_001, "trdMarket": 1}
REVERSED = {"beginTime": "2024-06-12", "endTime": "2024-06-01"}
AFTER_THE_END = "the begin is after the end", "开始时间晚于结束时间"
AN_EVENT = {"security": {"market": 101, "code": "X"}}
OPTION = security("US.AAPL240621C210000")
OF_OPTIONS = (
    "options have K-lines of 1, 5, 15, 30 and 60 minutes and of days",
    "期权K线仅支持1分K、5分K、15分K、30分K、60分K和日K",
)

english = gateway_fixture(scope="module", synthetic=True, always_open=True, limits="off")
chinese = gateway_fixture(scope="module", synthetic=True, always_open=True, limits="off", language="chs")


@pytest.fixture
def client(english: Any) -> Any:
    with PlainClient(english.port) as found:
        yield found


@pytest.mark.parametrize(
    ("protocol", "fields", "texts"),
    [
        ("Qot_GetBasicQot", {"securityList": [TENCENT]},
         ("Before calling the Get Real-time Quotes interface, please subscribe to Basic data first.",
          "请求获取实时报价接口前，请先订阅Basic数据")),
        ("Qot_GetKL", {**KLINE, "klType": 1},
         ("Before calling the Get Real-time Candlestick interface, please subscribe to KL_1Min data first.",
          "请求获取实时K线接口前，请先订阅KL_1Min数据")),
        ("Qot_GetKL", {**KLINE, "klType": 6},
         ("Before calling the Get Real-time Candlestick interface, please subscribe to KL_5Min data first.",
          "请求获取实时K线接口前，请先订阅KL_5Min数据")),
        ("Qot_GetRT", {"security": TENCENT}, ("please subscribe to RT data first.", "请先订阅RT数据")),
        ("Qot_GetTicker", {"security": TENCENT, "maxRetNum": 1}, ("subscribe to Ticker data", "请先订阅Ticker数据")),
        ("Qot_GetOrderBook", {"security": TENCENT, "num": 1}, ("to OrderBook data", "请先订阅OrderBook数据")),
        ("Qot_GetBroker", {"security": TENCENT}, ("to Broker data first.", "请先订阅Broker数据")),
        ("Qot_GetEventContractTicker", AN_EVENT,
         ("please subscribe to Ticker data first.", "请求获取事件合约逐笔接口前，请先订阅Ticker数据")),
        ("Qot_GetEventContractOrderBook", {**AN_EVENT, "num": 1},
         ("please subscribe to OrderBook data first.", "请求获取事件合约摆盘接口前，请先订阅OrderBook数据")),
        ("Qot_StockFilter", {"market": 11, "begin": 0, "num": 9, "baseFilterList": [{"fieldName": 3}]},
         ("The filter field needs to set the range", "没有给需要筛选的字段进行区间赋值")),
        ("Qot_GetUserSecurity", {"groupName": "nobody's"}, ("Unknown watchlists", "未知自选股分组")),
        ("Qot_ModifyUserSecurity", {"groupName": "All", "op": 1},
         ("The System grouping is not supported", "不支持系统分组")),
        ("Qot_RequestHistoryKL", {"security": TENCENT, "rehabType": 1, "klType": 2, **REVERSED}, AFTER_THE_END),
        ("Qot_RequestTradeDate", {"market": 1, **REVERSED}, AFTER_THE_END),
        ("Qot_GetCapitalFlow", {"security": TENCENT, "periodType": 2, **REVERSED}, AFTER_THE_END),
        ("Qot_GetOptionChain", {"owner": TENCENT, **REVERSED}, AFTER_THE_END),
        ("Qot_GetSecuritySnapshot", {"securityList": [TENCENT] * 401},
         ("at most 400 securities in a request", "单次请求最多400个标的")),
        ("Qot_GetMarketState", {"securityList": [TENCENT] * 401}, ("at most 400 securities", "最多400个标的")),
        ("Qot_GetOwnerPlate", {"securityList": [TENCENT] * 201}, ("at most 200 securities", "最多200个标的")),
        ("Qot_GetFutureInfo", {"securityList": [security("HK.HSImain")] * 201},
         ("at most 200 securities", "最多200个标的")),
        ("Qot_Sub", {"securityList": [TENCENT], "subTypeList": [3], "isSubOrUnSub": True},
         ("unknown subscription type 3", "未知的订阅类型3")),
        ("Qot_GetOptionQuote", {"multi_legs": [{"security": security("US.AAPL"), "qtyRatio": float("nan")}]},
         ("the qtyRatio of a leg is above 0", "the qtyRatio of a leg is above 0")),
        ("Trd_GetPositionList", {"header": REAL, "filterPLRatioMin": float("nan")},
         ("filterPLRatioMin is not a number", "filterPLRatioMin不是有效数字")),
        ("Trd_PlaceOrder", {"header": REAL, "packetID": {"connID": 0, "serialNo": 0}, "trdSide": 1, "orderType": 1,
                            "code": "00700", "qty": 100, "price": 1.0, "secMarket": 1},
         ("outside the limits of ", "价格超出涨跌停限制 ")),
        ("Qot_RequestHistoryKL", {"security": OPTION, "rehabType": 1, "klType": 10,
                                  "beginTime": "2024-06-11", "endTime": "2024-06-12"}, OF_OPTIONS),
        ("Qot_Sub", {"securityList": [TENCENT, OPTION], "subTypeList": [11, 12], "isSubOrUnSub": True}, OF_OPTIONS),
        ("Trd_UnlockTrade", {"unlock": True, "pwdMD5": "", "securityFirm": 99},
         ("unknown security firm 99", "未知的券商99")),
    ],
)  # fmt: skip
def test_texts_in_both_languages(
    protocol: str, fields: dict[str, Any], texts: tuple[str, str], english: Any, chinese: Any
) -> None:
    for opend, text in zip((english, chinese), texts, strict=True):
        with PlainClient(opend.port) as client:
            client.ask("Trd_UnlockTrade", unlock=True, pwdMD5=PASSWORD)
            refused = client.ask(protocol, **fields)
            assert refused.retType == -1
            assert text in refused.retMsg
            assert not re.search(r"\d\.\d{4}", refused.retMsg), "limits are prices on a tick"


@pytest.mark.parametrize("code", ["HK.800000", "HK.BK1001", "US..DJI", "CC.BTC"])
def test_what_nobody_trades_has_no_order_book(code: str) -> None:
    prefix, _, rest = code.partition(".")
    stock = Synthetic().market.stock({"HK": 1, "US": 11, "CC": 91}[prefix], rest)
    assert stock is not None
    assert stock.depth == 0


def test_an_index_has_no_orders_in_messages(client: PlainClient) -> None:
    index = security("HK.800000")
    client.subscribe("HK.800000", sub_types=(2, 14))
    book = client.ask("Qot_GetOrderBook", security=index, num=10)
    assert (book.retType, len(book.s2c.orderBookAskList), len(book.s2c.orderBookBidList)) == (0, 0, 0)
    brokers = client.ask("Qot_GetBroker", security=index)
    assert (brokers.retType, len(brokers.s2c.brokerAskList)) == (0, 0)
    basic = client.ask("Qot_GetSecuritySnapshot", securityList=[index]).s2c.snapshotList[0].basic
    assert not basic.HasField("askPrice")
    assert basic.curPrice > 0
    assert {frame.proto_id for frame in client.pushes} <= {3015}


def test_options_have_no_average_price(client: PlainClient) -> None:
    """The vendor's page on Qot_GetRT; turnover rates are of stocks alone."""
    apple = security("US.AAPL")
    chain = client.ask("Qot_GetOptionChain", owner=apple, beginTime="2024-06-12", endTime="2024-06-21").s2c.optionChain
    code = f"US.{chain[0].option[0].call.basic.security.code}"
    client.subscribe(code, "US.AAPL", "HK.02800", sub_types=(5, 6), isRegOrUnRegPush=False)
    for each, is_stock in ((code, False), ("US.AAPL", True)):
        assert {row.HasField("avgPrice") for row in client.ask("Qot_GetRT", security=security(each)).s2c.rtList} == {
            is_stock
        }
    for each, is_stock in ((code, False), ("US.AAPL", True), ("HK.02800", False)):
        bars = client.ask("Qot_GetKL", security=security(each), rehabType=1, klType=2, reqNum=5).s2c.klList
        assert {bar.turnoverRate > 0 for bar in bars} == {is_stock}


def test_rights_fit_what_is_given(client: PlainClient) -> None:
    """Nothing may be subscribed to with the right BMP (1); 2 and 3 are level 1 and 2."""
    found = client.ask("GetUserInfo").s2c
    rights = [value for field, value in found.ListFields() if field.name.endswith("QotRight") and value is not True]
    assert (found.hkQotRight, found.usQotRight, found.cnQotRight, found.usOptionQotRight) == (3, 3, 2, 2)
    assert 1 not in rights
    assert found.HasField("isNeedAgreeDisclaimer")
    basic = client.ask("GetUserInfo", flag=1).s2c
    assert (basic.nickName, basic.HasField("hkQotRight"), basic.HasField("subQuota")) == ("ftwire", False, False)
    quota = client.ask("GetUserInfo", flag=2 | 4).s2c
    assert (quota.subQuota, quota.hkQotRight, quota.HasField("nickName")) == (1000, 3, False)


@pytest.mark.parametrize("sub_type", ALL_SUBSCRIPTIONS)
def test_every_known_type_can_be_subscribed_to(client: PlainClient, sub_type: int) -> None:
    assert client.subscribe("US.AAPL", sub_types=(sub_type,)).retType == 0


def test_an_order_that_is_sent_twice_is_placed_once() -> None:
    """``Common.PacketID`` guards against a request that is sent again: its serial has to increase."""
    header = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
    order = {"header": header, "trdSide": 1, "orderType": 1, "code": "00700", "qty": 100, "price": 300.0}
    with gateway(synthetic=True, always_open=True) as opend, PlainClient(opend.port) as one:
        conn_id = one.ask("GetGlobalState", userID=0).s2c.connID

        def answer(client: PlainClient, conn: int, serial: int, **more: Any) -> tuple[int, bool]:
            packet = {"connID": conn, "serialNo": serial}
            found = client.ask("Trd_PlaceOrder", packetID=packet, **{**order, **more})
            return found.retType, "received before" in found.retMsg

        assert answer(one, conn_id, 5) == (0, False)
        assert answer(one, conn_id, 5) == (-1, True)
        assert answer(one, conn_id, 4) == (-1, True)
        assert answer(one, conn_id, 6, qty=1) == (-1, False)
        assert answer(one, conn_id, 6) == (0, False), "what was refused has not been placed, and may be sent again"
        assert answer(one, 0, 0) == answer(one, 0, 0) == (0, False), "clients that leave it empty are not guarded"
        with PlainClient(opend.port) as other:
            assert answer(other, other.ask("GetGlobalState", userID=0).s2c.connID, 1) == (0, False)
        assert len(one.ask("Trd_GetOrderList", header=header).s2c.orderList) == 5
