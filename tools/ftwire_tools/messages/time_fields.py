"""Which fields are times: one table, reviewed by name, for all code that moves times or turns them into instants.

Every field of the schema whose name sounds like a time is here, in ``TIMES`` or in ``NOT_TIMES``; a test checks that. A
name means the field of that name in any message, a full name overrides it. Of a newer schema, texts with ``time`` in
their name and numbers whose name ends in ``timestamp`` are taken for moments.

Texts are on the exchange's clock: ``yyyy-MM-dd HH:mm:ss``, possibly with a fraction, or a date alone. (Terms of event
contracts are ISO 8601 in UTC.) Numbers, doubles and integers alike, are seconds since 1970. That, and what is a day, is
stated in the comments of the vendor's definitions.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["NOT_TIMES", "TIMES", "TimeKind", "has_instant", "is_text", "stamp_of", "time_kind"]


class TimeKind(StrEnum):
    """What a time is of, which decides whether it moves with a capture that is shifted in time."""

    MOMENT = "moment"
    """When something happened: a trade, an update, the end of a bar. It moves."""
    DAY = "day"
    """A day, or a term agreed beforehand: listing, expiry, ex-date, publication of a report. It stays, since codes of
    contracts contain it and calendars are of days, not of seconds."""
    ASKED = "asked"
    """The bound of a range that a request asks for. It stays as the client wrote it."""
    MINUTE = "minute"
    """Minutes since the midnight before the field ``time`` beside it. It moves with that."""


_K: Final = TimeKind


def _words(text: str) -> list[str]:
    return text.split()


_MOMENTS: Final = _words("""
    analystReportUpdateTime analystReportUpdateTimeStr createTime createTimestamp dataTime dataTimeStr fillTime
    fillTimestamp lastUpdateTime lastUpdateTimeStr lastValidTime lastValidTimestamp last_trade_time localTime nextKLTime
    nextKLTimestamp publish_time recvTime reqTime requestTime requestTimeStamp serverTime starUpdateTime
    starUpdateTimeStr svrRecvTimeAsk svrRecvTimeAskTimestamp svrRecvTimeBid svrRecvTimeBidTimestamp time time_key
    timestamp updateTime updateTimeStr updateTimestamp
""")

_DAYS: Final = _words("""
    Qot_Common.Rehab.time Qot_Common.Rehab.timestamp Qot_GetCodeChange.CodeChangeInfo.endTime
    Qot_GetCorporateActionsBuybacks.ABuyBackItem.endDate Qot_GetCorporateActionsBuybacks.HKBuyBackItem.endDate
    Qot_GetDailyShortVolume.HkDailyShortVolumeItem.timestamp Qot_GetDailyShortVolume.UsDailyShortVolumeItem.timestamp
    Qot_GetEconomicCalendar.EconomicCalendarItem.timestamp Qot_GetEventContractEventList.EventItem.endDate
    Qot_GetEventContractMilestoneList.MilestoneItem.endDate Qot_GetMacroIndicatorHistory.MacroDataPoint.dataTime
    Qot_GetOptionExerciseProbability.StrikeProbabilityItem.timestamp Qot_GetOptionVolatility.VolatilityItem.timestamp
    Qot_GetShortInterest.HkShortInterestItem.timestamp Qot_GetShortInterest.UsShortInterestItem.timestamp
    Qot_GetSuspend.Suspend.time Qot_GetSuspend.Suspend.timestamp Qot_GetTradeDate.TradeDate.time
    Qot_GetTradeDate.TradeDate.timestamp Qot_GetValuationDetail.ValuationTrend.ValuationHistoricalItem.time
    Qot_RequestTradeDate.TradeDate.time Qot_RequestTradeDate.TradeDate.timestamp
    Qot_StockScreen.ResultPropertyFinancial.endTime Qot_GetFinancialsRevenueBreakdown.ScreenDate.date
    Qot_GetCompanyOperationalEfficiency.OperationalEfficiencyItem.endDate
    Qot_GetOptionMarketStatistic.StatisticItem.time Qot_GetOptionMarketStatistic.StatisticItem.timestamp
    Qot_GetOptionUnderlyingHisStatistic.DailyStatistic.time
    Qot_GetOptionUnderlyingHisStatistic.DailyStatistic.timestamp
    Qot_GetOptionUnderlyingHisVolatility.VolatilityItem.time
    Qot_GetOptionUnderlyingHisVolatility.VolatilityItem.timestamp
    actionTime actionTimestamp advanceDate advanceDateStr applyEndTime applyEndTimestamp applyStartTime
    applyStartTimestamp applyTime applyTimestamp changeDate changeDateStr changeRegDate changeRegDateStr clearingDate
    closeTime dateTime dateTimeStr determinationTime dirDeciPubDate dirDeciPubDateStr disclosureDate
    dividendPayableDate earningsDate earningsTime earningsTimestamp effectiveTime effectiveTimestamp endDateStr
    endTimestamp endTradeTime endTradeTimestamp exDate exDateStr expireTime expire_time far_expire_time holdingDate
    holdingDateStr ipoTime issueDate issueDateStr lastRecommendationDate lastTradeDate lastTradeTime lastTradeTimestamp
    lastTradingTime lastTransactionTime latestExpirationTime listTime listTimestamp maturityDate maturityTime
    maturityTimestamp maxTradeDate maxTradeDateStr meetPassDate meetPassDateStr meetingDate minTradeDate
    minTradeDateStr newTimeStr nextPayableDate openTime payDate payDateStr pubDate pubTime pubTimeStr pubTradingDay
    pubTradingDayStr publDate publDateStr publicTime publicTimestamp recommendationDate recommendationDateStr
    recordDate releaseTime releasedDate reportDate reportDateStr settledTime settlementDate simulTradeBeginDate
    simulTradeBeginDateStr simulTradeEndDate simulTradeEndDateStr smDeciDate smDeciDateStr startDate startDateStr
    staticDate staticDateStr strikeDate strikeDateTimestamp strikeTime strikeTimestamp tempTradeBeginDate
    tempTradeBeginDateStr timeStr timestampStr tradingDate tradingDay tradingDayStr tradingTimestamp winningTime
    winningTimestamp Qot_GetCompanyExecutives.DirectorInfo.beginDate beginDateStr
""")
"""``strikeDate`` alone is no number of seconds, but ``yyyyMMdd``."""

_ASKED: Final = _words("""
    Qot_GetMacroIndicatorHistory.C2S.time beginDate beginTime date earningsDateBegin earningsDateEnd endCreateDate
    endDate endTime maturityTimeMax maturityTimeMin startCreateDate timeList
""")

TIMES: Final[dict[str, TimeKind]] = {
    **dict.fromkeys(_MOMENTS, _K.MOMENT),
    **dict.fromkeys(_DAYS, _K.DAY),
    **dict.fromkeys(_ASKED, _K.ASKED),
    "Qot_Common.TimeShare.minute": _K.MINUTE,
}
"""Fields by name, or by full name where the name alone says too little."""

NOT_TIMES: Final = frozenset(
    _words("""
    closePrice5Minute days_to_expiry expirationCycle expirationType expirationValue expiryDateDistance
    extendedTime hvTimePeriod isRealTime leftDay optionExpiryDateDistance optionStrikeDateIVCrush queryTimePeriod
    timeInForce timeRange timeValuePer timeZone time_range time_value tradeDateType updateCost updateType updateWhatsNew
""")
)
"""Reviewed and found to be spans, types, prices and counts."""


@cache
def time_kind(field: FieldDescriptor) -> TimeKind | None:
    """Return what a field is the time of; ``None`` where it is no time, or holds a message."""
    if (
        field.message_type is not None
        or field.enum_type is not None
        or field.type in {field.TYPE_BOOL, field.TYPE_BYTES}
    ):
        return None
    for name in (field.full_name, field.name):
        if name in TIMES:
            return TIMES[name]
        if name in NOT_TIMES:
            return None
    folded = field.name.lower()
    if "time" in folded if is_text(field) else folded.endswith("timestamp"):
        return TimeKind.MOMENT
    return None


def is_text(field: FieldDescriptor) -> bool:
    """Return whether a field holds text."""
    return bool(field.type == field.TYPE_STRING)


def has_instant(field: FieldDescriptor) -> bool:
    """Return whether a field is text that may have a time of day, so that it may mean an instant.

    The names of those that have a date alone do not contain ``time``.
    """
    return is_text(field) and time_kind(field) is not None and "time" in field.name.lower()


@cache
def stamp_of(field: FieldDescriptor) -> FieldDescriptor | None:
    """Return the number beside a text that is the same time in seconds since 1970; ``None`` where there is none.

    It is called ``updateTimestamp`` for ``updateTime``, ``svrRecvTimeBidTimestamp`` for ``svrRecvTimeBid``,
    ``tradingDay`` for ``tradingDayStr``.
    """
    kind = time_kind(field)
    if kind is None or not is_text(field) or is_repeated(field):
        return None
    parent: Any = field.containing_type
    beside = _lower_case(parent)
    name = field.name.lower()
    if name.endswith("str"):
        names = [name.removesuffix("str")]
    else:
        names = [f"{name}timestamp", f"{name[:-4]}timestamp"] if name[-4:] in {"time", "date"} else [f"{name}timestamp"]
    for candidate in names:
        stamp = beside.get(candidate)
        if stamp is not None and not is_text(stamp) and not is_repeated(stamp) and time_kind(stamp) is kind:
            return stamp
    return None


def _lower_case(message: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.name.lower(): field for field in message.fields}
