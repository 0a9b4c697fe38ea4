"""The maker: fills the reply of any protocol from the fields of its message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.made_up.facts import Facts, folded
from ftwire_tools.gateway.reference.made_up.requests import PAGE_KEYS, Demand
from ftwire_tools.gateway.reference.made_up.rows import Rows
from ftwire_tools.gateway.reference.made_up.subjects import ECONOMIC_EVENTS, INSTITUTIONS, Subject
from ftwire_tools.gateway.reference.made_up.values import Values
from ftwire_tools.gateway.reference.view import MarketView, set_security
from ftwire_tools.messages.descriptors import copy_field, is_repeated, is_required
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["MADE_UP", "Maker"]


def _protocols(names: str) -> tuple[str, ...]:
    return tuple(f"Qot_{name}" for name in names.split())


SECURITY: Final = "Qot_Common.Security"
DEEPEST: Final = 6
"""Messages inside each other that are filled."""
MADE_UP: Final = _protocols("""
    GetFinancialsEarningsPriceMove GetFinancialsEarningsPriceHistory GetFinancialsStatements
    GetFinancialsRevenueBreakdown GetResearchAnalystConsensus GetResearchRatingSummary
    GetResearchMorningstarReport GetValuationDetail GetValuationPlateStockList GetCorporateActionsDividends
    GetCorporateActionsBuybacks GetCorporateActionsStockSplits GetShareholdersOverview
    GetShareholdersHoldingChanges GetShareholdersHolderDetail GetShareholdersInstitutional GetInsiderHolderList
    GetInsiderTradeList GetCompanyProfile GetCompanyExecutives GetCompanyExecutiveBackground
    GetCompanyOperationalEfficiency GetTopTenBuySellBrokers GetDailyShortVolume GetShortInterest
    GetOptionVolatility OptionScreen WarrantScreen GetSearchNews GetOptionMarketStatistic
    GetOptionUnderlyingHisStatistic GetOptionUnderlyingOverview GetOptionUnderlyingHisVolatility
    GetOptionUnderlyingRank GetOptionRank GetOptionEvent GetOptionZeroDteScreener GetOptionZeroDteContract
    GetOptionEarningsScreener GetOptionSellerScreener GetEarningsCalendar GetMacroIndicatorList
    GetMacroIndicatorHistory GetFedWatchTargetRate GetFedWatchDotPlot GetEarningsBeatRank GetDividendRank
    GetDividendCalendar GetEconomicCalendar GetUSPreMarketRank GetUSAfterHoursRank GetUSOvernightRank
    GetTopMoversRank GetHotList GetShortSellingRank GetPeriodChangeRank GetHighDividendSOERank
    GetInstitutionList GetInstitutionProfile GetInstitutionDistribution GetInstitutionHoldingChange
    GetInstitutionHoldingList GetArkFundHolding GetArkStockDynamic GetArkActiveTransaction GetRatingChange
    GetIndustrialChainList GetIndustrialChainDetail GetIndustrialChainByPlate GetIndustrialPlateInfo
    GetIndustrialPlateStock GetHeatMapData GetHoldingChangeList GetCodeChange GetIpoList GetSuspend
""")
"""Protocols whose replies are made up."""
_UNPAGED: Final = frozenset({"structureList", "plateList", "holdingPeriodList", "screenDateList", "breakdownList"})
_ONLY_FOR: Final = {
    "usItemList": "US", "hkItemList": "HK", "hkBuyBackList": "HK", "aBuyBackList": "SH SZ", "cnExData": "SH SZ",
    "hkExData": "HK", "usExData": "US", "sgExData": "SG", "myExData": "MY", "jpExData": "JP",
}  # fmt: skip
"""Fields to the prefixes of the markets that they are for."""
_OF_ONE_HUNDRED: Final = {
    "Qot_GetFedWatchTargetRate.TargetRateItem": "probability",
    "Qot_GetFinancialsRevenueBreakdown.MainIncomeItem": "ratio",
    "Qot_GetShareholdersOverview.OwnershipStaticItem": "holderPct",
    "Qot_GetInstitutionDistribution.IndustryDistributionItem": "portfolioPct",
    "Qot_GetInstitutionHoldingList.HoldingListItem": "portfolioPct",
    "Qot_GetArkFundHolding.ArkFundHoldingItem": "weight",
}
"""Rows to the field whose values add up to a hundred."""
_PART_OF_POSITION: Final = {
    "Qot_GetInstitutionDistribution.IndustryDistributionItem": "positionValue",
    "Qot_GetInstitutionHoldingList.HoldingListItem": "holdingValue",
}
"""Rows to the field that is the share ``portfolioPct`` of an institution's position."""
_SPLIT_OF_ONE_HUNDRED: Final = {
    "Qot_GetResearchAnalystConsensus.S2C": ("buy", "hold", "sell", "strongBuy", "underperform"),
}
"""Messages to fields that add up to a hundred."""
_SUMS: Final = (
    ("callValue", "putValue", "totalValue", "ratio"),
    ("callVolume", "putVolume", "optionVolume", "putCallVolumeRatio"),
    ("callOpenInterest", "putOpenInterest", "optionOpenInterest", "putCallOpenInterestRatio"),
)
"""Two fields, their sum, and the second's share of the first."""
_PART_NAMES: Final = {
    "Qot_GetFinancialsStatements.FinancialFieldInfo": ("Revenue", "Gross Profit", "Operating Profit", "Net Profit"),
    "Qot_GetFinancialsStatements.FinancialItem": ("Revenue", "Gross Profit", "Operating Profit", "Net Profit"),
    "Qot_GetFinancialsRevenueBreakdown.MainIncomeItem": ("Devices", "Services", "Licences", "Other"),
    "Qot_GetCompanyProfile.CompanyLabItem": ("Company Name", "Industry", "Listing Date", "Employees"),
    "Qot_GetFedWatchTargetRate.TargetRateItem": ("475-500", "500-525", "525-550", "550-575"),
    "Qot_GetMacroIndicatorList.MacroIndicatorCategory": ("Prices", "Growth", "Employment", "Trade"),
    "Qot_GetIndustrialChainDetail.IndustrialChainNode": ("Materials", "Parts", "Products", "Services"),
}
"""Rows that are parts of something, to their names."""


class Maker:
    """Makes replies up."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._facts: Final = Facts(view)
        self._values: Final = Values(view, self._facts)
        self._rows: Final = Rows(view)
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = dict.fromkeys(MADE_UP, self.answer)

    def answer(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Fill a reply by the names of its fields."""
        self._facts.forget()
        about = self._about(c2s)
        demand = Demand(c2s, self._facts)
        start, count = demand.start(), demand.count()
        total = 0
        for field in s2c.DESCRIPTOR.fields:
            if not self._is_for(field, about, c2s):
                continue
            if field.message_type is not None and is_repeated(field) and field.message_type.full_name != SECURITY:
                rows = self._list(field.message_type, type(s2c), field.name, about, c2s, demand)
                if field.name not in _UNPAGED:
                    total = max(total, len(rows))
                    rows = rows[start : start + count]
                getattr(s2c, field.name).extend(rows)
            elif not copy_field(c2s, s2c, field):
                self._fill_field(s2c, field, about, c2s, 0)
        self._finish(s2c)
        _close_page(s2c, total, start + count)

    def content(self, name: str) -> str:
        """Return what is in the reply of a protocol, in a sentence."""
        entry: Any = registry[name]
        c2s = entry.request().c2s
        fields = c2s.DESCRIPTOR.fields_by_name
        first = self._view.universe.listings[0]
        asks = any(each in fields and not is_repeated(fields[each]) for each in ("security", "owner"))
        about = Subject("", "", self._view.today(first), 0, first if asks or "plateId" in fields else None)
        lists = [
            f"{field.name} of {self._rows.source(field.message_type, about, c2s)}"
            for field in entry.response.DESCRIPTOR.fields_by_name["s2c"].message_type.fields
            if field.message_type is not None and is_repeated(field) and field.message_type.full_name != SECURITY
        ]
        return f"{', '.join(lists)}." if lists else "One record."

    def _about(self, c2s: Any) -> Subject:
        """Return what a request asks about. Raises ``NotHereError`` for what is unknown."""
        fields = c2s.DESCRIPTOR.fields_by_name
        for name in ("security", "owner"):
            if name in fields and not is_repeated(fields[name]) and c2s.HasField(name):
                listing = self._view.listing(getattr(c2s, name))
                if "holderCategory" in fields and (listing.exchange.prefix, listing.sec_type) != ("US", Kind.STOCK):
                    raise NotHereError(f"holding changes are of stocks of the US, which {listing.full_code} is not")
                return self._subject(listing)
        first = self._listing_in(c2s.market if "market" in fields else 0)
        day = self._view.today(first)
        for kind, names in (("institution", INSTITUTIONS), ("indicator", ECONOMIC_EVENTS)):
            if f"{kind}Id" in fields:
                number = getattr(c2s, f"{kind}Id")
                if not 1 <= number <= len(names):
                    raise NotHereError(f"unknown {kind} {number}")
                return Subject(f"{kind}/{number}", names[number - 1], day, number)
        for name in ("plateId", "chainId"):
            if name in fields and c2s.HasField(name):
                plates = self._view.universe.of_type(Kind.PLATE)
                number = getattr(c2s, name)
                if not 1 <= number <= len(plates):
                    raise NotHereError(f"unknown {name} {number}")
                return self._subject(plates[number - 1])._replace(number=number)
        return Subject(f"market/{first.exchange.prefix}", f"{first.exchange.prefix} market", day)

    def _subject(self, listing: Listing) -> Subject:
        return Subject(listing.full_code, listing.name, self._view.today(listing), 0, listing)

    def _listing_in(self, market: int) -> Listing:
        universe = self._view.universe
        found = next((each for each in universe if each.market == market), None)
        if found is None and market:
            raise NotHereError(f"there is nothing in market {market}")
        us = (each for each in universe if each.exchange.prefix == "US")
        return found or next(us, None) or universe.listings[0]

    def _is_for(self, field: FieldDescriptor, about: Subject, c2s: Any) -> bool:
        """Return whether a field of a reply is for what the request asks about."""
        if field.name in PAGE_KEYS or field.name in _COUNTED:
            return False
        wanted = _ONLY_FOR.get(field.name)
        if wanted is not None:
            prefix = about.listing.exchange.prefix if about.listing is not None else about.key.partition("/")[2]
            return prefix in wanted.split()
        dimension = getattr(c2s, "ratingDimensionType", None)
        if dimension is not None and field.name in _RATING_LISTS:
            return _RATING_LISTS[field.name] == (2 if dimension == 2 else 1, bool(c2s.uid))
        return True

    # Lists

    def _list(
        self, item: Descriptor, outer: type[Any], name: str, about: Subject, c2s: Any, demand: Demand
    ) -> list[Any]:
        """Return all rows of a list at the top of a reply, filtered and in order."""
        rows = []
        for subject in self._named(item, self._rows.of(item, about, c2s)):
            row = getattr(outer(), name).add()
            self._fill(row, subject, c2s, 1)
            if demand.passes(subject, row) and _is_asked_for(row, c2s):
                rows.append((subject, row))
        found = [row for _, row in demand.ordered(rows)]
        _scale(item, found)
        part = _PART_OF_POSITION.get(item.full_name)
        if part is not None:
            whole = self._values.number("positionvalue", about)
            for row in found:
                setattr(row, part, round(whole * row.portfolioPct / 100, 2))
        return found

    @staticmethod
    def _named(item: Descriptor, subjects: Iterable[Subject]) -> Iterable[Subject]:
        names = _PART_NAMES.get(item.full_name)
        if item.full_name == "Qot_GetMacroIndicatorList.MacroIndicatorInfo":
            for subject in subjects:
                number = (subject.number - 1) % len(ECONOMIC_EVENTS) + 1
                yield subject._replace(key=f"indicator/{number}", name=ECONOMIC_EVENTS[number - 1], number=number)
            return
        for subject in subjects:
            yield subject if names is None else subject._replace(name=names[(subject.number - 1) % len(names)])

    # Messages

    def _fill(self, message: Any, subject: Subject, c2s: Any, depth: int) -> None:
        for field in message.DESCRIPTOR.fields:
            if self._is_for(field, subject, c2s):
                self._fill_field(message, field, subject, c2s, depth)
        if "holdingQty" in message.DESCRIPTOR.fields_by_name and subject.listing is not None:
            self._finish_holding(message, subject.listing, subject)
        self._finish(message)

    def _fill_field(self, message: Any, field: FieldDescriptor, subject: Subject, c2s: Any, depth: int) -> None:
        nested = field.message_type
        if nested is not None and nested.full_name == SECURITY:
            self._fill_securities(message, field, subject)
        elif nested is not None and is_repeated(field):
            if depth < DEEPEST:
                rows = getattr(message, field.name)
                within = subject.within(field.name, 0)
                for row in self._named(nested, self._rows.of(nested, within, type(c2s)())):
                    if len(rows) < _MOST_INSIDE:
                        self._fill(rows.add(), row, c2s, depth + 1)
                _scale(nested, rows)
        elif nested is not None:
            if depth < DEEPEST:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self._fill(inner, subject, c2s, depth + 1)
        elif is_repeated(field):
            getattr(message, field.name).extend(
                self._values.value(field, subject.within(field.name, number)) for number in (1, 2)
            )
        else:
            setattr(message, field.name, self._values.value(field, subject))

    def _fill_securities(self, message: Any, field: FieldDescriptor, subject: Subject) -> None:
        listings = self._securities(folded(field.name), subject)
        if is_repeated(field):
            for listing in listings[:10]:
                set_security(getattr(message, field.name).add(), listing)
        elif listings:
            set_security(getattr(message, field.name), listings[0])
        elif is_required(field):
            set_security(getattr(message, field.name), self._view.universe.listings[0])

    def _securities(self, name: str, subject: Subject) -> list[Listing]:
        """Return the instruments that a field of a message holds."""
        listing = subject.listing
        if listing is None:
            return []
        if name in {"owner", "underlying", "ownersecurity", "stockowner"}:
            return [self._view.owner(listing) if listing.owner else listing]
        if "plate" in name:
            base = self._view.owner(listing) if listing.owner else listing
            kind = "concept" if name.startswith("concept") else "industry"
            if base.sec_type == Kind.PLATE:
                return [base]
            return [plate for plate in self._view.universe.plates_of(base.full_code) if plate.kind == kind]
        if name in {"leaderstock", "relationsecuritylist"}:
            members = self._view.universe.members(listing)
            return sorted(members, key=lambda member: -self._view.quote(member).change_rate)
        return [listing]

    def _finish_holding(self, message: Any, listing: Listing, subject: Subject) -> None:
        """Make the shares that somebody holds those of a ratio, such that all holders together have less than all."""
        message.holdingRatio = round(message.holdingRatio / 20, 4)
        message.holdingQty = int(listing.shares * message.holdingRatio / 100)
        message.changeRatio = round(self._view.drawn(subject.key, "holding change").uniform(-12, 20), 4)
        message.changeQty = int(message.holdingQty * message.changeRatio / 100)

    def _finish(self, message: Any) -> None:
        """Make the fields of a message agree with each other."""
        fields = message.DESCRIPTOR.fields_by_name
        for one, other, total, ratio in _SUMS:
            if one in fields and other in fields:
                first, second = getattr(message, one), getattr(message, other)
                if total in fields:
                    setattr(message, total, first + second)
                if ratio in fields:
                    setattr(message, ratio, round(second / first, 4) if first else 0.0)
        if "lastPositionValue" in fields:
            grown = 1 + message.positionValueChangePct / 100
            message.lastPositionValue = round(message.positionValue / grown, 2)
        if "totalSharesShort" in fields:
            message.totalSharesShort = int(message.volume * message.shortPercent / 100)
            message.nasdaqSharesShort = message.totalSharesShort * 3 // 5
            message.nyseSharesShort = message.totalSharesShort - message.nasdaqSharesShort
        if "shortSellSharesTraded" in fields:
            message.shortSellSharesTraded = int(message.sharesTraded * 0.15)
            message.shortSellTurnover = round(message.turnover * 0.15, 3)
        if "volatilityPremium" in fields:
            message.volatilityPremium = round(message.impliedVolatility - message.historyVolatility, 4)
        parts = _SPLIT_OF_ONE_HUNDRED.get(message.DESCRIPTOR.full_name)
        if parts is not None:
            whole = sum(getattr(message, name) for name in parts)
            for name in parts:
                setattr(message, name, round(getattr(message, name) / whole * 100, 2))


_COUNTED: Final = frozenset({"allCount", "lastPage", "hasMore"})
_RATING_LISTS: Final = {
    "instRatingSummaryList": (1, False),
    "analystRatingSummaryList": (2, False),
    "instRatingDetail": (1, True),
    "analystRatingDetail": (2, True),
}
"""Lists of Qot_GetResearchRatingSummary to dimension, and whether one firm or analyst was asked for."""
_MOST_INSIDE: Final = 12
"""Rows of a list inside another one."""


def _is_asked_for(row: Any, c2s: Any) -> bool:
    """Return whether a row is among what a request names: an enum's value, a firm, a part of a name."""
    fields = row.DESCRIPTOR.fields_by_name
    if getattr(c2s, "changeType", None) and "changeType" in fields:
        return bool(row.changeType == c2s.changeType)
    word = str(getattr(c2s, "namePart", "")).casefold()
    if word and "institutionName" in fields:
        return word in row.institutionName.casefold()
    if "earningsDate" in fields and (c2s.beginDate or c2s.endDate):
        return bool((c2s.beginDate or "0") <= row.earningsDate <= (c2s.endDate or "9"))
    if getattr(c2s, "holderId", None) and "holderId" in fields:
        return bool(row.holderId == c2s.holderId)
    return True


def _scale(item: Descriptor, rows: Any) -> None:
    """Make shares of a whole add up to a hundred."""
    name = _OF_ONE_HUNDRED.get(item.full_name)
    if name is None or not len(rows):
        return
    whole = sum(abs(getattr(row, name)) for row in rows)
    for row in rows:
        setattr(row, name, round(abs(getattr(row, name)) / whole * 100, 4))


def _close_page(s2c: Any, total: int, end: int) -> None:
    """Fill how many rows there are, and where they go on."""
    fields = s2c.DESCRIPTOR.fields_by_name
    more = end < total
    for name, value in (("allCount", total), ("count", total), ("lastPage", not more), ("hasMore", more)):
        if name in fields and fields[name].message_type is None:
            setattr(s2c, name, value)
    if more:
        for name in PAGE_KEYS:
            if name in fields:
                text = str(end)
                is_bytes = fields[name].type == fields[name].TYPE_BYTES
                setattr(s2c, name, text.encode() if is_bytes else text)
