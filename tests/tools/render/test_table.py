"""The declarative tables of the tools, held to the schema they speak of, and the small helpers around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.messages import Qot_Common, Qot_Sub, Trd_Common, Trd_PlaceOrder
from ftwire.schema import schema
from ftwire_tools.markets.exchanges import QOT_PREFIXES, TRADE_PREFIXES
from ftwire_tools.messages.enums import FIELD_ENUMS, enum_name, enum_names
from ftwire_tools.messages.masking import SECRET_FIELDS, has_secrets, may_hold_secrets
from ftwire_tools.messages.securities import securities_of
from ftwire_tools.messages.summary import summary_of
from ftwire_tools.render.stats import Latencies, duration
from ftwire_tools.render.table import NAMED_COLUMNS, Table, table_text
from ftwire_tools.terminal.times import Clock, parse_time
from support.frames import rt_response


def messages() -> Iterator[Any]:
    """The descriptor of every message there is."""
    for name in schema.file_names:
        if "/" in name:
            continue  # the option that protocols are declared with
        todo = list(schema.file(name).message_types_by_name.values())
        for message in todo:
            todo.extend(message.nested_types)
            yield message


FIELDS = {field.full_name: field for message in messages() for field in message.fields}
NAMES = {field.name for field in FIELDS.values()}


@pytest.mark.parametrize(("name", "enum"), FIELD_ENUMS.items())
def test_fields_and_their_enums_exist(name: str, enum: str) -> None:
    package, _, short = enum.partition(".")
    assert short in schema.file(f"{package}.proto").enum_types_by_name
    named = [field for field in FIELDS.values() if name in (field.full_name, field.name)]
    assert named
    narrower = [field for field in named if field.full_name != name and field.full_name in FIELD_ENUMS]
    for field in named:
        if field not in narrower and field.cpp_type == field.CPPTYPE_INT32:
            expected = {value.name for value in schema.file(f"{package}.proto").enum_types_by_name[short].values}
            assert set((enum_names(field) or {}).values()) <= expected


@pytest.mark.parametrize(
    ("field", "number", "name"),
    [
        ("Qot_Common.Security.market", 11, "QotMarket_US_Security"),
        ("Qot_Sub.C2S.subTypeList", 5, "SubType_RT"),
        ("Qot_GetKL.C2S.klType", 2, "KLType_Day"),
        ("Qot_GetRT.Response.retType", -1, "RetType_Failed"),
        ("Trd_Common.TrdHeader.trdMarket", 1, "TrdMarket_HK"),
        ("Trd_Common.Order.orderStatus", 11, "OrderStatus_Filled_All"),
        ("Trd_Common.Order.secMarket", 2, "TrdSecMarket_US"),
        ("InitConnect.C2S.packetEncAlgo", -1, "PacketEncAlgo_None"),
        ("Qot_Common.Ticker.dir", 1, "TickerDirection_Bid"),
        ("Qot_StockFilter.BaseFilter.fieldName", 1, None),
        ("Qot_GetRT.Response.errCode", 1, None),
        ("Qot_Common.Security.market", 12345, None),
    ],
)
def test_numbers_have_the_names_of_the_schema(field: str, number: int, name: str | None) -> None:
    assert enum_name(FIELDS[field], number) == name


def test_secrets_exist() -> None:
    assert {name for name in SECRET_FIELDS if name not in NAMES and name not in FIELDS} == set()


def test_what_reads_like_a_secret_is_one_or_is_known_not_to_be() -> None:
    """A new SDK release may bring new fields: look at them here before they are shown."""
    innocent = {
        *("nextKey", "nextPageKey", "nextReqKey", "key", "keyword", "searchKey", "time_key"),  # places in lists
        *("uid", "institutionUid", "analystUid"),  # public persons and bodies
        *("meetPassDate", "meetPassDateStr"),  # of a general meeting
    }
    marks = ("key", "pwd", "password", "secret", "token", "userid", "accid", "cardnum", "uid", "pass")
    suspects = {name for name in NAMES if any(mark in name.casefold() for mark in marks)}
    assert suspects - SECRET_FIELDS == innocent


def test_secrets_are_found_at_any_depth() -> None:
    order = Trd_PlaceOrder.Request()
    assert may_hold_secrets(order.DESCRIPTOR)
    assert not has_secrets(order)
    order.c2s.header.accID = 1
    assert has_secrets(order)
    assert not may_hold_secrets(rt_response().DESCRIPTOR)


def test_every_market_has_a_prefix() -> None:
    assert set(QOT_PREFIXES) == set(Qot_Common.QotMarket.values()) - {0}
    assert set(TRADE_PREFIXES) == set(Trd_Common.TrdSecMarket.values()) - {0}
    assert set(TRADE_PREFIXES.values()) <= set(QOT_PREFIXES.values())


def test_named_columns_are_fields() -> None:
    for message, columns in NAMED_COLUMNS.items():
        assert set(columns.values()) <= set(schema.message(message).DESCRIPTOR.fields_by_name)


def test_a_summary_has_few_securities() -> None:
    request = Qot_Sub.Request()
    for code in ("1", "2", "2", "3", "4", "5"):
        request.c2s.securityList.add(market=1, code=code)
    assert list(securities_of(request)) == ["HK.1", "HK.2", "HK.2", "HK.3", "HK.4", "HK.5"]
    assert summary_of(request) == "HK.1,HK.2,HK.3,..."


def test_an_unknown_market_keeps_its_number() -> None:
    request = Qot_Sub.Request()
    request.c2s.securityList.add(market=77, code="X")
    assert list(securities_of(request)) == ["77.X"]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1623202200", 1_623_202_200_000_000_000),
        ("1623202200.5", 1_623_202_200_500_000_000),
        ("1623202200.123456789", 1_623_202_200_123_456_789),
        ("1623202200123456789", 1_623_202_200_123_456_789),
        ("2021-06-09T01:30:00", 1_623_202_200_000_000_000),
        ("2021-06-09 09:30+08:00", 1_623_202_200_000_000_000),
        ("2021-06-09T01:30:00.000001Z", 1_623_202_200_000_001_000),
        ("2021-06-09", 1_623_196_800_000_000_000),
    ],
)
def test_times_are_read(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "now", "1.2.3", "-1", "2021-13-01", "12:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - three different parsers refuse, each in its own words
        parse_time(text)


def test_the_clock_tells_a_new_day_once() -> None:
    clock = Clock()
    noon, day = 1_623_240_000_000_000_000, 86_400_000_000_000
    assert [clock.new_day(time) for time in (noon, noon + 1, noon + day, noon)] == [
        "2021-06-09 UTC",
        None,
        "2021-06-10 UTC",
        "2021-06-09 UTC",
    ]
    assert clock.time(noon + 1_234_567_890) == "12:00:01.234567"
    assert clock.time(noon) == "12:00:00.000000"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0ns"), (999, "999ns"), (1_000, "1us"), (1_545_000, "1.545ms"), (12_345_678_901, "12.35s"), (-5, "-5ns")],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_exact_to_three_digits(spans: list[int], share: float) -> None:
    latencies = Latencies()
    for span in spans:
        latencies.add(span)
    found = latencies.quantile(share)
    # The smallest of all spans that at least this share of them does not exceed.
    exact = next(span for span in sorted(spans) if sum(each <= span for each in spans) >= share * len(spans) - 1e-9)
    assert found <= exact
    assert exact - found <= exact / 100


def test_columns_are_aligned_whatever_the_width_of_a_character() -> None:
    table = Table(
        "list", ("name", "price"), [("腾讯控股", "1.5"), ("é", "22.5"), ("e\u0301", "3"), ("AAPL", "-")], is_fixed=True
    )
    assert table_text(table, indent="") == (
        "name      price\n腾讯控股    1.5\né          22.5\ne\u0301             3\nAAPL          -\n"
    )
