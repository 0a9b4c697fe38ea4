"""Answers about instruments: static data, options, flows, filters, the user's lists, and what is made up by rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, seed, settings

from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.gateway.protocol_table import HANDLING, MADE_UP, REFUSED, protocol_table
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.synthetic.trading_session import REGULAR

DAYS = {"beginTime": "2024-05-01", "endTime": "2024-06-12", "date": "2024-06-12", "beginDate": "2024-06-12"}
IDS = {"institutionId": 1, "indicatorId": 1, "plateId": 1, "chainId": 1, "optionMarket": 1, "marketType": 1}
HK, US = 1, 11
EMPTY = {"Qot_GetSuspend", "Qot_GetCorporateActionsBuybacks"}
"""No stock is suspended, and buybacks are of Hong Kong and China."""
MADE_UP_NAMES = sorted(Synthetic().made_up)


class Client:
    """A client that keeps its pushes, and has subscribed to everything."""

    number = 1
    conn_id = 1
    push_format = BodyFormat.PROTOBUF

    def __init__(self) -> None:
        self.subscriptions = SimpleNamespace(has=lambda _: True, pushed={}, sessions_of=lambda _: REGULAR)
        self.pushes: list[Any] = []

    def push(self, push: Any) -> bool:
        self.pushes.append(push)
        return True


def security(code: str) -> dict[str, Any]:
    market, rest = parse_security(code)
    return {"market": market, "code": rest}


def ask(source: Synthetic, name: str, client: Any = None, **fields: Any) -> Any:
    """Return the response to a request."""
    entry: Any = registry[name]
    request = entry.request(c2s=fields)
    assert request.IsInitialized(), request.FindInitializationErrors()
    asking: Any = client or Client()
    return source.answer(asking, entry, request).message


def given(source: Synthetic, name: str, client: Any = None, **fields: Any) -> Any:
    """Return the ``s2c`` of a request that succeeds."""
    response = ask(source, name, client, **fields)
    assert response.retType == 0, response.retMsg
    assert response.IsInitialized(), response.FindInitializationErrors()
    return response.s2c


def sensible(name: str) -> dict[str, Any]:
    """Return fields for a request about Apple, the US, and the days up to the market's."""
    entry: Any = registry[name]
    found: dict[str, Any] = {}
    for field in entry.request().c2s.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name == "Qot_Common.Security":
            if field.name in {"security", "owner"} and not is_repeated(field):
                found[field.name] = security("US.AAPL")
            elif field.name in {"securityList", "ownerList"}:
                found[field.name] = [security("US.AAPL"), security("US.TSLA")]
        elif field.name in DAYS and field.cpp_type == field.CPPTYPE_STRING:
            found[field.name] = DAYS[field.name]
        elif field.name in IDS:
            found[field.name] = IDS[field.name]
        elif field.name == "market":
            found[field.name] = US
        elif field.is_required and field.cpp_type == field.CPPTYPE_INT32:
            found[field.name] = 1
        elif field.is_required and field.cpp_type == field.CPPTYPE_INT64:
            found[field.name] = 1_718_928_000
        elif field.is_required and field.message_type is not None:
            found[field.name] = {}
    return found


def parts(message: Any) -> Iterator[Any]:
    """Return a message and all inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if is_repeated(field) else [value]:
                yield from parts(each)


@pytest.fixture(scope="module")
def source() -> Synthetic:
    """A market whose clock stands still, and which tests do not change."""
    return Synthetic()


@pytest.fixture(scope="module")
def changed() -> Synthetic:
    """A market whose user's lists change."""
    return Synthetic()


# What is made up by rule


@pytest.mark.parametrize("name", MADE_UP_NAMES)
def test_made_up_answers_are_whole_and_know_the_market(name: str, source: Synthetic) -> None:
    s2c = given(source, name, **sensible(name))
    assert s2c.ListFields() or name in EMPTY
    for message in parts(s2c):
        if message.DESCRIPTOR.full_name == "Qot_Common.Security":
            assert source.market.listing(message.market, message.code) is not None, message
        for field, value in message.ListFields():
            if field.enum_type is not None:
                known = set(field.enum_type.values_by_number)
                assert set(value if is_repeated(field) else [value]) <= known, field.full_name
            elif field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT) and not is_repeated(field):
                assert abs(value) < 1e15, field.full_name


def test_a_seed_makes_one_answer(source: Synthetic) -> None:
    same = Synthetic()
    for name in MADE_UP_NAMES[::-1]:  # in another order than that of the other tests
        one, other = (ask(each, name, **sensible(name)) for each in (source, same))
        assert one == other, name


def test_another_seed_makes_other_answers() -> None:
    names = ["Qot_GetHotList", "Qot_GetInstitutionList", "Qot_GetCompanyExecutives"]
    one, other = ([ask(Synthetic(seed=seed), name, **sensible(name)) for name in names] for seed in (1, 2))
    assert all(first != second for first, second in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("code", "part", "fields"),
    [
        ("US.AAPL240621C210000", "optionExData", ("strikePrice", "delta", "impliedVolatility", "openInterest")),
        ("HK.HSI240627C18000000", "optionExData", ("strikePrice", "gamma", "contractMultiplier", "indexOptionType")),
        ("HK.HSImain", "futureExData", ("lastSettlePrice", "position", "positionChange")),
        ("HK.13456", "warrantExData", ("delta", "impliedVolatility", "premium")),
    ],
)
def test_quotes_of_derivatives_have_the_details_of_their_snapshots(
    source: Synthetic, code: str, part: str, fields: tuple[str, ...]
) -> None:
    asked = [security(code)]
    snapshot = getattr(given(source, "Qot_GetSecuritySnapshot", securityList=asked).snapshotList[0], part)
    quote = getattr(given(source, "Qot_GetBasicQot", securityList=asked).basicQotList[0], part)
    assert {name: getattr(quote, name) for name in fields} == {name: getattr(snapshot, name) for name in fields}
    assert all(quote.HasField(name) for name in fields)
    if part == "futureExData":
        assert quote.expiryDateDistance == 15  # 27 June, seen from the 12th


def test_quotes_of_stocks_have_no_details(source: Synthetic) -> None:
    quote = given(source, "Qot_GetBasicQot", securityList=[security("HK.00700")]).basicQotList[0]
    assert not any(quote.HasField(part) for part in ("optionExData", "futureExData", "warrantExData"))


def test_answers_agree_with_each_other(source: Synthetic) -> None:
    (overview,) = given(source, "Qot_GetOptionUnderlyingOverview", ownerList=[security("US.AAPL")]).underlyingDataList
    rank = given(source, "Qot_GetOptionUnderlyingRank", optionMarket=1, sortType=1, count=100).rankList
    (ranked,) = [row for row in rank if row.owner.code == "AAPL"]
    earnings = given(source, "Qot_GetOptionEarningsScreener", optionMarket=1, count=100).itemList
    (screened,) = [row for row in earnings if row.owner.code == "AAPL"]
    snapshot = given(source, "Qot_GetSecuritySnapshot", securityList=[security("US.AAPL")]).snapshotList[0]
    assert overview.iv == ranked.iv == screened.iv
    assert overview.ivRank == ranked.ivRank == screened.ivRank
    assert ranked.price == screened.price == snapshot.basic.curPrice
    assert ranked.totalVolume == overview.callVolume + overview.putVolume
    profile = given(source, "Qot_GetInstitutionProfile", market=US, institutionId=3)
    listed = given(source, "Qot_GetInstitutionList", market=US, count=50).dataList
    (row,) = [each for each in listed if each.institutionId == 3]
    assert (row.institutionName, row.positionValue) == (profile.institutionName, profile.positionValue)


def test_shares_of_a_whole_add_up(source: Synthetic) -> None:
    for meeting in given(source, "Qot_GetFedWatchTargetRate").meetingList:
        assert sum(rate.probability for rate in meeting.targetRateList) == pytest.approx(100, abs=0.01)
    found = given(source, "Qot_GetResearchAnalystConsensus", security=security("US.AAPL"))
    assert found.lowest < found.average < found.highest
    shares = (found.buy, found.hold, found.sell, found.strongBuy, found.underperform)
    assert sum(shares) == pytest.approx(100, abs=0.05)
    holdings = given(source, "Qot_GetInstitutionHoldingList", market=US, institutionId=2, count=500)
    whole = given(source, "Qot_GetInstitutionProfile", market=US, institutionId=2).positionValue
    assert sum(row.holdingValue for row in holdings.dataList) == pytest.approx(whole, rel=1e-4)
    for row in given(source, "Qot_GetOptionMarketStatistic", optionMarket=1, dataType=0, **dates()).statisticList:
        assert row.totalValue == row.callValue + row.putValue


def dates() -> dict[str, str]:
    return {"beginTime": "2024-05-01", "endTime": "2024-06-12"}


@pytest.mark.parametrize(
    ("name", "fields", "rows", "key"),
    [
        ("Qot_GetTopMoversRank", {"market": US}, "dataList", lambda row: -row.changeRatio),
        ("Qot_GetTopMoversRank", {"market": US, "sortDir": 1}, "dataList", lambda row: row.changeRatio),
        ("Qot_GetPeriodChangeRank", {"market": HK, "periodType": 3}, "dataList", lambda row: -row.changeRate5D),
        ("Qot_GetHotList", {"market": US, "sortField": 3}, "dataList", lambda row: -row.newsHeat),
        ("Qot_GetOptionUnderlyingRank", {"optionMarket": 1, "sortType": 7}, "rankList", lambda row: -row.iv),
        (
            "Qot_GetOptionRank",
            {"optionMarket": 1, "sortType": 3, "isAsc": True},
            "rankList",
            lambda row: row.openInterest,
        ),
        ("Qot_GetInstitutionList", {"market": US, "sortField": 1}, "dataList", lambda row: -row.positionValue),
        ("Qot_GetHeatMapData", {"market": US, "sortField": 1}, "plateDataList", lambda row: -row.changeRate),
    ],
)
def test_rankings_are_in_order(name: str, fields: dict[str, Any], rows: str, key: Any, source: Synthetic) -> None:
    found = list(getattr(given(source, name, **fields), rows))
    assert len(found) > 3
    assert found == sorted(found, key=key)


def test_filters_of_screens_filter(source: Synthetic) -> None:
    bounds = {"filterMin": {"value": 0.2, "includes": True}, "filterMax": {"value": 0.5, "includes": True}}
    delta = {"indicatorType": 14, "indicatorValue": {"valueInterval": bounds}}
    calls = {"indicatorType": 9, "indicatorValue": {"valueList": [1]}}
    found = given(source, "Qot_GetOptionRank", optionMarket=1, sortType=1, count=100, filterList=[delta, calls])
    assert found.rankList
    assert all(0.2 <= row.delta <= 0.5 and row.optionType == 1 for row in found.rankList)
    owner = {"indicatorType": 3, "indicatorValue": {"securityList": [security("US.TSLA")]}}
    owned = given(source, "Qot_GetOptionRank", optionMarket=1, sortType=1, filterList=[owner]).rankList
    assert owned
    assert all(row.option.code.startswith("TSLA") for row in owned)


def test_option_and_warrant_screens_filter_and_sort(source: Synthetic) -> None:
    near = {"filterMin": {"value": 0.3, "includes": True}, "filterMax": {"value": 0.6, "includes": False}}
    group = {"optionList": [{"indicatorType": 3004, "indicatorValue": {"valueInterval": near}}]}
    order = {"indicatorType": 2011, "direction": 1}
    options = given(
        source, "Qot_OptionScreen", marketCategoryList=[0], filterList=[group], sortList=[order], pageCount=50
    ).dataList
    assert options
    assert all(0.3 <= row.delta < 0.6 for row in options)
    volumes = [row.volume for row in options]
    assert volumes == sorted(volumes, reverse=True)
    bulls = {"fieldId": 6, "choices": [{"value": 3}]}
    found = given(source, "Qot_WarrantScreen", marketType=1, filterList=[bulls]).warrants
    assert {row.warrantType for row in found} == {3}
    cheap = {"fieldId": 8, "interval": {"filterMax": {"value": 0.2, "includes": True}}}
    sort = {"sortFieldId": 8, "direction": 0}
    prices = [row.currentPrice for row in given(
        source, "Qot_WarrantScreen", marketType=1, filterList=[cheap], sortList=[sort]
    ).warrants]  # fmt: skip
    assert prices == sorted(prices)
    assert all(price <= 0.2 for price in prices)


REQUESTED = [name for name in Synthetic().handlers if not name.startswith("Trd_") and name != "GetUserInfo"]


@pytest.mark.parametrize("name", REQUESTED)
@seed(1)
@settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@hypothesis.given(data=hypothesis.strategies.data())
def test_every_request_that_can_be_made_gets_a_reply(name: str, changed: Synthetic, data: Any) -> None:
    entry: Any = registry[name]
    request = data.draw(messages(entry.request))
    if request.IsInitialized():
        client: Any = Client()
        answer: Any = changed.answer(client, entry, request)
        assert answer.message.retType in {0, -1}
        for part in parts(request):
            if part.DESCRIPTOR.full_name == "Qot_Common.Security":
                part.market, part.code = US, "AAPL"
        answer = changed.answer(client, entry, request)
        assert answer.message.retType in {0, -1}


def test_lists_come_in_pages(source: Synthetic) -> None:
    whole = given(source, "Qot_GetInstitutionList", market=US, count=50)
    assert not whole.HasField("nextPage")
    rows, page = [], ""
    for _ in range(10):
        found = given(source, "Qot_GetInstitutionList", market=US, count=7, **({"page": page} if page else {}))
        assert found.allCount == len(whole.dataList)
        rows += found.dataList
        page = found.nextPage
        if not page:
            break
    assert rows == list(whole.dataList)
    refused = ask(source, "Qot_GetInstitutionList", market=US, page="x")
    assert (refused.retType, refused.retMsg) == (-1, "page is not one of ours")


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("Qot_GetCompanyProfile", {"security": {"market": US, "code": "NOPE"}}, "未知股票 NOPE"),
        ("Qot_GetInstitutionProfile", {"market": US, "institutionId": 99}, "unknown institution 99"),
        ("Qot_GetMacroIndicatorHistory", {"indicatorId": 99}, "unknown indicator 99"),
        ("Qot_GetIndustrialPlateInfo", {"plateId": 9999}, "unknown plateId 9999"),
        ("Qot_GetOptionUnderlyingHisStatistic", {"owner": {"market": US, "code": "AAPL"}, "beginTime": "x",
                                                 "endTime": "2024-06-12"}, "'x' is no date"),
        ("Qot_GetOptionChain", {"owner": {"market": US, "code": "AAPL"}, "beginTime": "2024-06-12",
                                "endTime": "2024-08-12"}, "获取期权链接口，请求的时间跨度不能超过30天"),  # noqa: RUF001
        ("Qot_GetOptionChain", {"owner": {"market": US, "code": "KO"}, "beginTime": "2024-06-12",
                                "endTime": "2024-06-30"}, "期权标的仅支持港美正股ETF以及港指美指"),
        ("Qot_GetCapitalFlow", {"security": {"market": HK, "code": "800000"}}, "capital flow is of stocks"),
        ("Qot_GetFutureInfo", {"securityList": [{"market": US, "code": "AAPL"}]}, "US.AAPL is no future"),
        ("Qot_GetHoldingChangeList", {"security": {"market": HK, "code": "00700"}, "holderCategory": 1},
         "holding changes are of stocks of the US"),
        ("Qot_GetHotList", {"market": 999}, "there is nothing in market 999"),
        ("Qot_GetHotList", {"market": 51}, "there is nothing in market 51"),
        ("Qot_GetUserSecurityGroup", {"groupType": 9}, "unknown type of groups 9"),
        ("Qot_SetPriceReminder", {"security": {"market": HK, "code": "00700"}, "op": 1, "type": 1, "freq": 1,
                                  "value": float("nan")}, "a reminder needs a value"),
        ("Verification", {"type": 1, "op": 2, "code": "123456"}, "no code was requested"),
        ("Qot_RequestIndicatorCalc", {"shortName": "X", "langType": 1,
                                      "data": {"security": {"market": US, "code": "AAPL"}, "klType": 2}},
         "unknown indicator X"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(name: str, fields: dict[str, Any], said: str, source: Synthetic) -> None:
    response = ask(source, name, **fields)
    assert response.retType == -1
    assert said in response.retMsg


# What has logic of its own


def test_plates_have_their_members_and_members_their_plates(source: Synthetic) -> None:
    plates = given(source, "Qot_GetPlateSet", market=HK, plateSetType=0).plateInfoList
    assert len(plates) > 3
    for info in plates:
        plate = {"market": info.plate.market, "code": info.plate.code}
        members = given(source, "Qot_GetPlateSecurity", plate=plate).staticInfoList
        asked = [{"market": each.basic.security.market, "code": each.basic.security.code} for each in members]
        owners = given(source, "Qot_GetOwnerPlate", securityList=asked).ownerPlateList
        assert len(owners) == len(members) > 0
        for owned in owners:
            assert info.plate.code in {each.plate.code for each in owned.plateInfoList}


def test_static_information_has_the_part_of_its_kind(source: Synthetic) -> None:
    codes = ["US.AAPL", "HK.52345", "HK.HSImain", "US.AAPL240621C210000", "HK.800000", "CC.BTC"]
    found = given(source, "Qot_GetStaticInfo", securityList=[security(code) for code in codes]).staticInfoList
    assert [each.basic.secType for each in found] == [3, 5, 10, 8, 6, 12]
    assert [each.HasField("warrantExData") for each in found] == [False, True, False, False, False, False]
    assert (found[3].optionExData.strikeTime, found[3].optionExData.strikePrice) == ("2024-06-21", 210.0)
    assert found[2].futureExData.isMainContract
    assert len({each.basic.id for each in found}) == len(found)


def test_a_chain_has_what_its_filters_leave(source: Synthetic) -> None:
    chain = {"owner": security("US.AAPL"), "beginTime": "2024-06-12", "endTime": "2024-07-12"}
    whole = given(source, "Qot_GetOptionChain", **chain).optionChain
    expiries = [each.strikeTime for each in given(
        source, "Qot_GetOptionExpirationDate", owner=security("US.AAPL")
    ).dateList]  # fmt: skip
    assert [each.strikeTime for each in whole] == [day for day in expiries if day <= "2024-07-12"]
    calls = given(source, "Qot_GetOptionChain", type=1, **chain).optionChain
    assert all(item.HasField("call") and not item.HasField("put") for each in calls for item in each.option)
    near = given(source, "Qot_GetOptionChain", dataFilter={"deltaMin": 0.4, "deltaMax": 0.6}, **chain).optionChain
    assert 0 < sum(len(each.option) for each in near) < sum(len(each.option) for each in whole)
    codes = [item.call.basic.security.code for each in near for item in each.option][:20]
    asked = [{"market": US, "code": code} for code in codes]
    for each in given(source, "Qot_GetSecuritySnapshot", securityList=asked).snapshotList:
        assert 0.35 < each.optionExData.delta < 0.65


def test_an_options_snapshot_follows_its_underlying(source: Synthetic) -> None:
    call, put, stock = given(
        source,
        "Qot_GetSecuritySnapshot",
        securityList=[security(f"US.{code}") for code in ("AAPL240621C210000", "AAPL240621P210000", "AAPL")],
    ).snapshotList
    assert call.optionExData.delta - put.optionExData.delta == pytest.approx(1, abs=1e-3)
    parity = call.basic.curPrice - put.basic.curPrice
    assert parity == pytest.approx(stock.basic.curPrice - 210.0, abs=0.8)


def test_the_year_in_snapshots_is_that_of_the_adjusted_bars() -> None:
    """Nvidia was split in this year; a second later only the running day has changed."""
    source = Synthetic()
    nvidia = security("US.NVDA")
    field = {"fieldName": 5, "isNoFilter": True}
    for _ in range(2):
        bars = given(
            source, "Qot_RequestHistoryKL", security=nvidia, rehabType=1, klType=2, beginTime="2023-06-14",
            endTime="2024-06-12",
        ).klList  # fmt: skip
        basic = given(source, "Qot_GetSecuritySnapshot", securityList=[nvidia]).snapshotList[0].basic
        assert basic.highest52WeeksPrice == max(bar.highPrice for bar in bars)
        assert basic.lowest52WeeksPrice == min(bar.lowPrice for bar in bars)
        rows = given(source, "Qot_StockFilter", market=US, begin=0, num=200, baseFilterList=[field]).dataList
        fresh = Synthetic(now=source.now() * 10**9)
        assert rows == given(fresh, "Qot_StockFilter", market=US, begin=0, num=200, baseFilterList=[field]).dataList
        source.advance(60)


def test_flow_and_distribution_agree(source: Synthetic) -> None:
    flow = given(source, "Qot_GetCapitalFlow", security=security("US.AAPL"))
    spread = given(source, "Qot_GetCapitalDistribution", security=security("US.AAPL"))
    last = flow.flowItemList[-1]
    assert len(flow.flowItemList) > 10
    for size, field in (("Super", "super"), ("Big", "big"), ("Mid", "mid"), ("Small", "sml")):
        net = getattr(spread, f"capitalIn{size}") - getattr(spread, f"capitalOut{size}")
        assert net == pytest.approx(getattr(last, f"{field}InFlow"), abs=0.5)
    for row in flow.flowItemList:
        assert row.inFlow == pytest.approx(row.superInFlow + row.bigInFlow + row.midInFlow + row.smlInFlow, abs=0.01)
        assert row.mainInFlow == pytest.approx(row.superInFlow + row.bigInFlow, abs=0.01)
    turnover = given(source, "Qot_GetSecuritySnapshot", securityList=[security("US.AAPL")]).snapshotList[0]
    sides = sum(value for field, value in spread.ListFields() if field.name.startswith("capital"))
    assert sides == pytest.approx(turnover.basic.turnover, rel=0.01)
    days = given(source, "Qot_GetCapitalFlow", security=security("US.AAPL"), periodType=2).flowItemList
    months = given(source, "Qot_GetCapitalFlow", security=security("US.AAPL"), periodType=4).flowItemList
    assert sum(day.inFlow for day in days) == pytest.approx(sum(month.inFlow for month in months), rel=1e-6)
    assert days[-1].inFlow == pytest.approx(last.inFlow, abs=0.5)


def test_the_flow_of_a_day_begins_with_its_auction(source: Synthetic) -> None:
    """The vendor's sample for Hong Kong has 331 rows from 09:30 to 16:00, as Qot_GetRT."""
    rows = given(source, "Qot_GetCapitalFlow", security=security("HK.00700"), periodType=1).flowItemList
    assert (len(rows), rows[0].time[11:], rows[-1].time[11:]) == (331, "09:30:00", "16:00:00")
    assert rows[0].inFlow


def test_holders_have_shares_of_the_company(source: Synthetic) -> None:
    apple = security("US.AAPL")
    issued = given(source, "Qot_GetSecuritySnapshot", securityList=[apple]).snapshotList[0].equityExData.issuedShares
    found = given(source, "Qot_GetHoldingChangeList", security=apple, holderCategory=1).holdingChangeList
    assert sum(row.holdingRatio for row in found) < 100
    assert all(row.holdingQty == int(issued * row.holdingRatio / 100) for row in found)
    assert all(abs(row.changeQty) <= row.holdingQty for row in found)


def test_warrants_are_filtered_and_in_order(source: Synthetic) -> None:
    page = {"begin": 0, "num": 100, "sortField": 2, "ascend": True}
    whole = given(source, "Qot_GetWarrant", **page)
    prices = [each.curPrice for each in whole.warrantDataList]
    assert prices == sorted(prices)
    assert (whole.lastPage, whole.allCount) == (True, len(prices))
    bulls = given(source, "Qot_GetWarrant", owner=security("HK.00700"), typeList=[3], **page).warrantDataList
    assert [each.type for each in bulls] == [3]
    cheap = given(source, "Qot_GetWarrant", **{**page, "num": 2}, curPriceMax=0.2)
    assert len(cheap.warrantDataList) == 2
    assert not cheap.lastPage
    assert all(each.curPrice <= 0.2 for each in cheap.warrantDataList)


def test_the_stock_filter_filters_and_sorts(source: Synthetic) -> None:
    price = {"fieldName": 3, "filterMin": 50.0, "filterMax": 200.0, "sortDir": 2}
    found = given(source, "Qot_StockFilter", begin=0, num=100, market=US, baseFilterList=[price])
    values = [each.baseDataList[0].value for each in found.dataList]
    assert values == sorted(values, reverse=True)
    assert all(50 <= value <= 200 for value in values)
    snapshots = given(
        source,
        "Qot_GetSecuritySnapshot",
        securityList=[{"market": each.security.market, "code": each.security.code} for each in found.dataList],
    ).snapshotList
    assert [each.basic.curPrice for each in snapshots] == pytest.approx(values)
    above = {"firstFieldName": 2, "secondFieldName": 7, "klType": 2}
    both = [
        given(
            source, "Qot_StockFilter", begin=0, num=100, market=US,
            customIndicatorFilterList=[{**above, "relativePosition": position}],
        ).allCount
        for position in (1, 2)
    ]  # fmt: skip
    assert sum(both) == len([each for each in source.market.universe if each.market == US and each.sec_type == 3])


def test_watchlists_change() -> None:
    source = Synthetic()

    def codes(group: str) -> list[str]:
        found = given(source, "Qot_GetUserSecurity", groupName=group).staticInfoList
        return [each.basic.security.code for each in found]

    before = codes("mine")
    given(source, "Qot_ModifyUserSecurity", groupName="mine", op=1, securityList=[security("SG.D05")])
    assert codes("mine") == ["D05", *before]
    assert "D05" in codes("All")
    given(source, "Qot_ModifyUserSecurity", groupName="mine", op=3, securityList=[security("SG.D05")])
    assert codes("mine") == before
    (found,) = given(source, "Qot_GetSearchQuote", keyword="苹果").search_quote_list
    assert (found.code, found.name) == ("AAPL", "Apple")


def reminder(**fields: Any) -> dict[str, Any]:
    return {"security": security("US.AAPL"), "op": 1, "type": 1, "freq": 1, "value": 1.0, **fields}


def test_reminders_fire_when_their_condition_is_met() -> None:
    source, client = Synthetic(), Client()
    source.join(client)  # type: ignore[arg-type]
    key = given(source, "Qot_SetPriceReminder", **reminder(note="now")).key
    given(source, "Qot_SetPriceReminder", **reminder(value=1e6))
    once = given(source, "Qot_SetPriceReminder", **reminder(type=2, value=1e6, freq=3)).key
    for _ in range(5):
        source.step()
    fired = [push.message.s2c for push in client.pushes if push.proto_id == 3019]
    assert [(each.key, each.note, each.type) for each in fired] == [(key, "now", 1), (once, "", 2)]
    assert fired[0].price == fired[0].curValue
    items = {
        item.key: item.isEnable
        for each in given(source, "Qot_GetPriceReminder", market=US).priceReminderList
        for item in each.itemList
    }
    assert items == {key: True, key + 1: True, once: False}
    given(source, "Qot_SetPriceReminder", security=security("US.AAPL"), op=2, key=key)
    given(source, "Qot_SetPriceReminder", security=security("US.AAPL"), op=6)
    assert not given(source, "Qot_GetPriceReminder", market=US).priceReminderList
    for _ in range(10):
        given(source, "Qot_SetPriceReminder", **reminder())
    refused = ask(source, "Qot_SetPriceReminder", **reminder())
    assert "has 10 reminders of this type" in refused.retMsg


def test_event_contracts_have_two_sides_and_push() -> None:
    source, client = Synthetic(), Client()
    source.join(client)  # type: ignore[arg-type]
    contract = security("EC.X")
    given_or_ok = ask(
        source, "Qot_SubEventContract", client, securityList=[contract], subTypeList=[2, 4, 11],
        isSubOrUnSub=True, isRegOrUnRegPush=True,
    )  # fmt: skip
    assert given_or_ok.retType == 0
    (book,) = given(source, "Qot_GetEventContractOrderBook", client, security=contract, num=5).orderBookList
    for yes, no in zip(book.yesAsks, book.noBids, strict=True):
        assert yes.price + no.price == pytest.approx(1)
    assert book.yesBids[0].price < book.yesAsks[0].price
    for _ in range(300):
        source.step()
    assert {push.proto_id for push in client.pushes} >= {3450, 3451, 3452}
    source.leave(client)  # type: ignore[arg-type]
    pushed = len(client.pushes)
    for _ in range(100):
        source.step()
    assert len(client.pushes) == pushed


def test_rehab_and_corporate_actions_are_of_one_table(source: Synthetic) -> None:
    rehab = given(source, "Qot_RequestRehab", security=security("US.NVDA")).rehabList
    splits = given(source, "Qot_GetCorporateActionsStockSplits", security=security("US.NVDA")).splitItemList
    assert [each.time for each in rehab if each.companyActFlag & 1] == [each.exDateStr for each in splits]
    assert (rehab[0].time, rehab[0].splitBase, rehab[0].splitErt) == ("2024-06-10", 1, 10)
    assert all(first.time > second.time for first, second in itertools.pairwise(rehab))


# The table of what is done


def test_every_request_is_answered_or_refused_on_purpose() -> None:
    rows = protocol_table()
    assert [row.proto_id for row in rows] == sorted(each.proto_id for each in registry if not each.is_push)
    assert {row.handling for row in rows} <= set(HANDLING)
    assert all(row.answer for row in rows)
    assert sum(row.handling == MADE_UP for row in rows) == len(MADE_UP_NAMES)
    quotes = [row for row in rows if row.protocol.startswith(("Qot_", "SkillWrap_", "Get"))]
    refused = [row.protocol for row in quotes if row.handling == REFUSED]
    assert all(registry[name].is_retired for name in refused)
