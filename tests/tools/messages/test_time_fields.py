"""The table of times: complete, without leftovers, and in agreement with what names suggest."""

import re
from typing import Any

import pytest

from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.time_fields import (
    NOT_TIMES,
    TIMES,
    TimeKind,
    has_instant,
    is_text,
    stamp_of,
    time_kind,
)
from support.vendor_fields import vendor_fields

TEXT, BYTES, BOOL, ENUM = 9, 12, 8, 14
"""``FieldDescriptor.TYPE_*``."""
SOUNDS_LIKE_A_TIME = re.compile(
    r"(?<!sen)time|(?<!up)date|stamp|day(str)?$|minute$|expir|maturity|_ts$|clock", re.IGNORECASE
)


def field_of(full_name: str) -> Any:
    return next(field for field in vendor_fields() if field.full_name == full_name)


def test_all_protocols_are_searched() -> None:
    searched = {field.containing_type.full_name.partition(".")[0] for field in vendor_fields()}
    packages = {descriptor_of(entry.response).full_name.partition(".")[0] for entry in registry}
    assert len(list(registry)) == 185
    assert len(packages) == 183  # three protocols share one
    assert packages - searched == {"InitQuantMode"}  # whose messages have no fields


def test_every_field_that_sounds_like_a_time_is_reviewed() -> None:
    sounding = [
        field
        for field in vendor_fields()
        if field.message_type is None
        and field.type not in {BYTES, BOOL, ENUM}
        and SOUNDS_LIKE_A_TIME.search(field.name)
    ]
    assert len(sounding) > 350
    reviewed = {*TIMES, *NOT_TIMES}
    assert [field.full_name for field in sounding if not {field.name, field.full_name} & reviewed] == []


def test_nothing_is_reviewed_twice_or_for_nothing() -> None:
    assert not set(TIMES) & NOT_TIMES
    found = {field.name for field in vendor_fields()} | {field.full_name for field in vendor_fields()}
    assert {*TIMES, *NOT_TIMES} - found == set()


def test_a_name_that_two_kinds_share_is_told_apart_in_full() -> None:
    """A full name that says the same as the name alone is one too many."""
    assert [name for name, kind in TIMES.items() if "." in name and TIMES.get(name.rpartition(".")[2]) is kind] == []


def test_what_pushes_and_quotes_hold_moves() -> None:
    moving = {field.full_name for field in vendor_fields() if time_kind(field) is TimeKind.MOMENT}
    for name in ("TimeShare.time", "TimeShare.timestamp", "Ticker.time", "Ticker.recvTime", "KLine.timestamp"):
        assert f"Qot_Common.{name}" in moving
    assert {"Trd_Common.Order.createTime", "Trd_Common.OrderFill.createTimestamp"} <= moving
    # Integers as well as doubles.
    assert {"GetGlobalState.S2C.time", "Qot_GetTopTenBuySellBrokers.S2C.dataTime"} <= moving
    assert time_kind(field_of("Qot_Common.TimeShare.minute")) is TimeKind.MINUTE


@pytest.mark.parametrize(
    "name",
    [
        "Qot_Common.SecurityStaticBasic.listTime",
        "Qot_Common.SecurityStaticBasic.listTimestamp",
        "Qot_Common.OptionStaticExData.strikeTime",
        "Qot_Common.OptionStaticExData.strikeTimestamp",
        "Qot_GetOptionZeroDteScreener.ZeroDteScreenerItem.lastTradingTime",
        "Qot_OptionScreen.OptionScreenItem.strikeDate",
        "Qot_RequestTradeDate.TradeDate.time",
        "Qot_RequestTradeDate.TradeDate.timestamp",
        "Qot_Common.Rehab.time",
        "Trd_Common.Order.expireTime",
    ],
)
def test_days_and_terms_of_contracts_stay(name: str) -> None:
    assert time_kind(field_of(name)) is TimeKind.DAY


@pytest.mark.parametrize(
    "name",
    [
        "Qot_Common.KLine.volume",
        "Qot_Common.Ticker.sequence",
        "Trd_Common.Order.orderID",
        "Trd_Common.Order.timeInForce",
        "Qot_Common.KLine.closePrice",
        "Qot_Sub.C2S.extendedTime",
        "Qot_GetSecuritySnapshot.SnapshotBasicData.closePrice5Minute",
        "Qot_GetFutureInfo.FutureInfo.timeZone",
    ],
)
def test_what_is_no_time(name: str) -> None:
    assert time_kind(field_of(name)) is None


def test_requests_ask_for_ranges() -> None:
    """Nothing in a request is moved but what it reports of itself."""
    requests = {each.full_name for each in vendor_fields() if each.containing_type.name == "C2S" and time_kind(each)}
    moving = {name for name in requests if time_kind(field_of(name)) is TimeKind.MOMENT}
    assert moving == {"KeepAlive.C2S.time"}


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("Qot_Common.KLine.time", "timestamp"),
        ("Qot_Common.BasicQot.updateTime", "updateTimestamp"),
        ("Qot_Common.BasicQot.listTime", "listTimestamp"),
        ("Qot_UpdateOrderBook.S2C.svrRecvTimeBid", "svrRecvTimeBidTimestamp"),
        ("Qot_RequestHistoryKLQuota.DetailItem.requestTime", "requestTimeStamp"),
        ("Qot_GetTopTenBuySellBrokers.S2C.dataTimeStr", "dataTime"),
        ("Qot_GetShortInterest.UsShortInterestItem.timestampStr", "timestamp"),
        ("Qot_GetOptionRank.S2C.tradingDate", "tradingTimestamp"),
        ("Trd_Common.Order.updateTime", "updateTimestamp"),
        ("Qot_PushIndicatorCalc.IndicatorOutputRow.time", None),
        ("Qot_GetHistoryKLPoints.HistoryPointsKL.reqTime", None),
    ],
)
def test_the_number_beside_a_text(text: str, stamp: str | None) -> None:
    found = stamp_of(field_of(text))
    assert (found and found.name) == stamp


def test_every_number_called_a_timestamp_belongs_to_a_text_or_stands_alone() -> None:
    paired = {found.full_name for field in vendor_fields() if (found := stamp_of(field)) is not None}
    stamps = {
        field.full_name
        for field in vendor_fields()
        if field.name.lower().endswith("timestamp") and not is_text(field) and time_kind(field)
    }
    alone = stamps - paired
    # A message without the text: seen by its fields, so that a new pair under another name does not go unseen.
    for name in alone:
        message = field_of(name).containing_type
        base = name.rpartition(".")[2].lower().removesuffix("timestamp")
        texts = {field.name.lower() for field in message.fields if is_text(field)}
        assert not {text for text in texts if base and text.startswith(base)}, name
    assert len(paired) > 90


def test_instants_are_of_single_and_listed_texts_called_times() -> None:
    for field in vendor_fields():
        if has_instant(field):
            assert field.type == TEXT
            assert time_kind(field) is not None
        elif field.type == TEXT and "time" in field.name.lower():
            assert field.name in NOT_TIMES
    assert has_instant(field_of("Qot_Common.KLine.time"))
    assert not has_instant(field_of("Qot_GetFutureInfo.FutureInfo.timeZone"))
    assert not has_instant(field_of("Qot_GetCorporateActionsDividends.DividendItem.exDate"))
    assert is_repeated(field_of("Qot_GetHistoryKLPoints.C2S.timeList"))
    assert stamp_of(field_of("Qot_GetHistoryKLPoints.C2S.timeList")) is None


def test_times_of_a_newer_schema_are_guessed_by_their_names() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

    from ftwire.schema import Schema

    file = FileDescriptorProto(name="Qot_New.proto", package="Qot_New", syntax="proto2")
    message = file.message_type.add(name="S2C")
    kinds = {"quietTime": 9, "quietTimestamp": 1, "bigTimestamp": 3, "count": 3, "isTime": 8, "quietNote": 9}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        message.field.add(name=name, number=number, type=kind, label=1)
    loaded = Schema.from_descriptor_set(FileDescriptorSet(file=[file]).SerializeToString())
    found: Any = loaded.message("Qot_New.S2C").DESCRIPTOR
    moving = [field.name for field in found.fields if time_kind(field) is TimeKind.MOMENT]
    assert moving == ["quietTime", "quietTimestamp", "bigTimestamp"]
    stamp = stamp_of(found.fields_by_name["quietTime"])
    assert stamp is not None
    assert stamp.name == "quietTimestamp"
