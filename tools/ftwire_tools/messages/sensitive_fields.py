"""How sensitive each field of the schema is: one table, reviewed by name, for all code that hides or replaces values.

Every string, every identifier and every number of money in the schema is here, in ``SENSITIVE`` or in ``PUBLIC``; a
test checks that. A name means the field of that name in any message, a full name overrides it. Text of a newer schema
that is in neither is treated as sensitive.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["AMOUNTS", "PUBLIC", "SECRET", "SENSITIVE", "TRADING_PUBLIC", "Category", "category_of", "is_secret"]


class Category(StrEnum):
    """Why a field is sensitive, which decides what it is replaced with."""

    KEY = "key"
    """Opens something: AES keys and IVs, hashes of shared keys, addresses with a login in them."""
    PASSWORD = "password"  # noqa: S105 - the category's name
    """What a user types: the hash of the trading password, codes sent to a phone."""
    USER = "user"
    """Number of a user."""
    NAME = "name"
    """What a user is called, or looks like."""
    ACCOUNT = "account"
    """Number of a trading account or card."""
    ORDER = "order"
    """Number of an order, fill, position, quote or booking: the broker can tell whose it is."""
    DEVICE = "device"
    """Says which program or connection it was."""
    ADDRESS = "address"
    """Internet address or host name."""
    TOKEN = "token"  # noqa: S105 - the category's name
    """Opaque, made by OpenD or its servers, handed back in the next request."""
    TEXT = "text"
    """Free text of a user, or of OpenD, which may quote any of the above."""
    AMOUNT = "amount"
    """Money and quantities of an account."""


_K: Final = Category


def _words(text: str) -> list[str]:
    return text.split()


SENSITIVE: Final[dict[str, Category]] = {
    # Keys, passwords.
    "RSAPrivateKey": _K.KEY,
    "aesCBCiv": _K.KEY,
    "connAESKey": _K.KEY,
    "webJumpUrlHead": _K.KEY,
    "webKey": _K.KEY,
    "websocketKey": _K.KEY,
    "Verification.C2S.code": _K.PASSWORD,
    "pwdMD5": _K.PASSWORD,
    # Users. An avatar's URL holds the user's number.
    "loginUserID": _K.USER,
    "userID": _K.USER,
    "avatarUrl": _K.NAME,
    "competitionAccName": _K.NAME,
    "nickName": _K.NAME,
    # Accounts.
    "accID": _K.ACCOUNT,
    "accIDList": _K.ACCOUNT,
    "cardNum": _K.ACCOUNT,
    "uniCardNum": _K.ACCOUNT,
    # Orders, and what else a broker numbers for one customer.
    "Trd_Common.TrdFilterConditions.idList": _K.ORDER,
    "cashFlowID": _K.ORDER,
    "comboID": _K.ORDER,
    "fillID": _K.ORDER,
    "fillIDEx": _K.ORDER,
    "orderID": _K.ORDER,
    "orderIDEx": _K.ORDER,
    "orderIDExList": _K.ORDER,
    "orderIdExList": _K.ORDER,
    "pdtSeq": _K.ORDER,
    "positionID": _K.ORDER,
    "quoteID": _K.ORDER,
    "quoteId": _K.ORDER,
    # Programs and connections.
    "clientID": _K.DEVICE,
    "connID": _K.DEVICE,
    "IP": _K.ADDRESS,
    "qotSvrIpAddr": _K.ADDRESS,
    "trdSvrIpAddr": _K.ADDRESS,
    # Tokens: where a list goes on, which reminder, which calculation.
    "calcId": _K.TOKEN,
    "key": _K.TOKEN,
    "nextKey": _K.TOKEN,
    "nextPage": _K.TOKEN,
    "nextPageKey": _K.TOKEN,
    "nextReqKey": _K.TOKEN,
    "page": _K.TOKEN,
    # Free text.
    "Qot_UpdateOptionEvent.S2C.message": _K.TEXT,
    "Qot_UpdatePriceReminder.S2C.content": _K.TEXT,
    "cashFlowRemark": _K.TEXT,
    "cmd": _K.TEXT,
    "desc": _K.TEXT,
    "fullName": _K.TEXT,  # of an indicator, which may be the user's own
    "groupName": _K.TEXT,
    "keyword": _K.TEXT,
    "lastErrMsg": _K.TEXT,
    "namePart": _K.TEXT,
    "note": _K.TEXT,
    "paramBytes": _K.TEXT,
    "paramStr": _K.TEXT,
    "remark": _K.TEXT,
    "resultBytes": _K.TEXT,
    "resultStr": _K.TEXT,
    "retMsg": _K.TEXT,
    "script": _K.TEXT,
    "searchKey": _K.TEXT,
    "shortName": _K.TEXT,
    "strExtDesc": _K.TEXT,
    "watchlistGroupName": _K.TEXT,
}
"""Fields by name, or by full name where the name alone says too little, except for money."""

AMOUNTS: Final = frozenset(
    _words("""
    amount assets availableBalance availableFunds averageCostPrice avlWithdrawalCash beginningDTBP bondAssets
    buyPowerDecrease canSellQty cash cashFlowAmount costPrice cryptoMv debtCash dilutedCostPrice dtCallAmount
    exposureLimit feeAmount fillQty frozenCash fundAssets initialMargin initialMarginChange longMv
    longRequiredIM maintenanceMargin maintenanceMarginChange marginCallMargin marketVal maxBuyBack
    maxCashAndMarginBuy maxCashBuy maxPositionSell maxPowerShort maxSellShort maxWithDrawChange maxWithdrawal
    netCashPower nlvChange optionBuyPower orderAmount payoutIfWin pendingAsset plVal power qty realizedPL
    remainingDTBP remainingLimit securitiesAssets shortMv shortRequiredIM td_buyQty td_buyVal td_plVal
    td_sellQty td_sellVal td_trdVal totalAssets unrealizedPL usedLimit val value
""")
)
"""Money and quantities, in the messages of trading (``Trd_``) only: elsewhere they are the market's."""

TRADING_PUBLIC: Final = frozenset(
    _words("""
    adjustSideAndLimit alertLongRatio alertShortRatio auxPrice averagePlRatio createTimestamp fillAvgPrice
    filterPLRatioMax filterPLRatioMin imLongRatio imShortRatio mcmLongRatio mcmShortRatio mmLongRatio
    mmShortRatio plRatio price shortFeeRate shortPoolRemain trailSpread trailValue updateTimestamp
""")
)
"""The other numbers with a fraction in those messages: prices, ratios, times."""

PUBLIC: Final = frozenset(
    _words("""
    Qot_Common.Broker.orderID Qot_Common.OrderBookDetail.orderID
    accountingStandards actionTime actual advanceDateStr analysis analysis_dimensions analystName
    analystPictureUrl analystReportByLine analystReportUpdateTimeStr analystUid apiLevel applyCode applyEndTime
    applyStartTime applyTime auditorReport beginDate beginDateStr beginTime briefBackground brokerName
    buyBackMode capitalAllocationLabel cashFlowType category categoryName chainId changeDateStr changeRegDateStr
    clearingDate closeTime code codeList colorValue competition competitionList competitionScope
    conclusionDetailed consensus content context contractSizeUnit contractType counterBrokerID counterBrokerName
    country createTime currency currencyCode currencyInfo dataTime dataTimeStr date dateTimeStr description
    detail determinationTime dirDeciPubDateStr disclosureDate displayLeaderName displayName dividendPayableDate
    earningsDate earningsDateBegin earningsDateEnd earningsQuarter earningsTime economicMoatLabel effectiveTime
    endCreateDate endDate endDateStr endTime endTradeTime enumName enumTypeName eventName eventProceDesc
    eventStatus eventSubName exDate exDateStr exchange exchangeFormatUrl expirationValue expireTime expire_time
    far_expire_time fieldId fillTime financialHealthLabel fiscalYear highestEducation holderId holderName
    holderType holderTypeId holdingDate holdingDateStr id indicatorId indicator_filters industry industryId
    industryName institutionEnName institutionId institutionName institutionPictureUrl institutionSourceName
    institutionUid issueDateStr issuerCode issuerId language_id lastRecommendationDate lastTradeTime
    lastTransactionTime lastUpdateTimeStr lastValidTime last_trade_time latestExpirationTime leaderAge
    leaderGender leaderName listTime market maturityTime maturityTimeMax maturityTimeMin maxTradeDateStr
    meetPassDateStr meetingDate minTradeDateStr minVarUnit mvc name newTimeStr newsUrl nextKLTime
    nextPayableDate no_sub_title nodeId notificationMessage openTime optionName ownerName ownerOther param
    parentNodeId parentPlateId payDateStr pdfUrl period periodId periodStr periodText plateId plateIdList
    plateName positionName previous process productCode programmingLanguage protoID pubDate pubTimeStr
    pubTradingDayStr publDateStr publicTime publish_time quoteCurrency quoteUnit rate ratingUrl
    recommendationDate recommendationDateStr recordDate reformType related_securities releaseTime releasedDate
    reportDateStr reqTime requestTime result scopeList securityDescription seller sequence serialNo seriesName
    settledTime settlementDate settlementValue shareType simulTradeBeginDateStr simulTradeEndDateStr
    smDeciDateStr sortFieldId source sourceGroupName starUpdateTimeStr startCreateDate startDate startDateStr
    statement staticDateStr stockID stockId stock_symbol strValueList strikeTime stringValue stringValueList
    summary sval svrRecvTimeAsk svrRecvTimeBid symbol tag tags targetRange tempShareAbbrName tempShareCode
    tempTradeBeginDateStr term text tickSize time timeList timeStr timeZone time_key time_range timestampStr
    title tradingDate tradingDayStr transactionType uid uncertaintyLabel updateTime updateTimeStr updateWhatsNew
    url value varName volume watchlistStockIds winningInfo winningName winningTime yesSubTitle yes_sub_title
""")
)
"""Reviewed and found to be about the market, companies and their officers, the schema, or time. The exchange's
own order numbers in the order book are everybody's."""

SECRET: Final = frozenset({_K.KEY, _K.PASSWORD, _K.USER, _K.NAME, _K.ACCOUNT})
"""Categories that are hidden even on the user's own terminal, unless ``--show-secrets`` asks for them.

Order and connection numbers are not in it: they open nothing, name nobody, and without them a session cannot be
followed.
"""

_TRADING: Final = "Trd_"


@cache
def category_of(field: FieldDescriptor) -> Category | None:
    """Return how sensitive a field is; ``None`` where it is not, or holds a message."""
    if field.message_type is not None or field.enum_type is not None:
        return None
    full_name, name = field.full_name, field.name
    if full_name in SENSITIVE:
        return SENSITIVE[full_name]
    if full_name in PUBLIC:
        return None
    if name in AMOUNTS and full_name.startswith(_TRADING) and field.cpp_type == field.CPPTYPE_DOUBLE:
        return Category.AMOUNT
    if name in SENSITIVE:
        return SENSITIVE[name]
    if name in PUBLIC or field.cpp_type != field.CPPTYPE_STRING:
        return None
    return Category.TEXT


def is_secret(field: FieldDescriptor) -> bool:
    """Return whether a field's category is one of ``SECRET``."""
    return category_of(field) in SECRET
