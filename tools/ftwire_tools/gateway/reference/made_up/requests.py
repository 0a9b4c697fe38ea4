"""What a request demands of a list: which rows, in which order, how many, from which page on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.bounds import is_within
from ftwire_tools.gateway.reference.made_up.facts import Facts, folded
from ftwire_tools.gateway.reference.made_up.subjects import Subject
from ftwire_tools.messages.descriptors import is_repeated, is_required
from ftwire_tools.messages.enums import enum_names, short_enum_name

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["PAGE_KEYS", "Demand"]

COUNTS: Final = ("count", "num", "maxCount", "max_count", "periodCount", "pageCount", "maxAckKLNum")
OFFSETS: Final = ("offset", "dataFrom", "pageFrom", "begin")
PAGE_KEYS: Final = ("nextKey", "nextPage", "nextPageKey", "nextReqKey", "page")
"""Fields of a request or a reply that say where a list goes on."""
DEFAULT_COUNT, MOST = 20, 500
_SORTS: Final = ("sortField", "sortType", "sortId", "sortColumn")
_SORT_ENUMS: Final = {
    "Qot_GetOptionUnderlyingRank": "UnderlyingRankSortType", "Qot_GetOptionRank": "OptionRankType",
    "Qot_GetOptionZeroDteScreener": "ZeroDteSortType", "Qot_GetOptionZeroDteContract": "ZeroDteContractSortType",
    "Qot_GetOptionEarningsScreener": "EarningsSortType", "Qot_GetOptionSellerScreener": "SellerSortType",
    "Qot_GetEarningsCalendar": "EarningsCalendarSortType", "Qot_GetHotList": "HotListSortField",
    "Qot_GetShortSellingRank": "ShortSellingSortField", "Qot_GetValuationPlateStockList": "SortField",
    "Qot_GetShareholdersHoldingChanges": "SortField", "Qot_GetShareholdersHolderDetail": "SortField",
}  # fmt: skip
"""Enum of what a request sorts by, where it is not a ``SortField`` of the request's own file."""
_DEFAULT_SORTS: Final = {
    "Qot_GetTopMoversRank": "changeratio", "Qot_GetUSPreMarketRank": "premarketchangeratio",
    "Qot_GetUSAfterHoursRank": "afterhourschangeratio", "Qot_GetUSOvernightRank": "overnightchangeratio",
    "Qot_GetEarningsBeatRank": "beatratio", "Qot_GetDividendRank": "dividendyieldttm",
    "Qot_GetHotList": "averageheat", "Qot_GetShortSellingRank": "shortratio",
    "Qot_GetHighDividendSOERank": "dividendyieldttm", "Qot_GetInstitutionList": "positionvalue",
    "Qot_GetInstitutionHoldingList": "portfoliopct", "Qot_GetInstitutionHoldingChange": "portfoliopct",
    "Qot_GetInstitutionDistribution": "portfoliopct", "Qot_GetArkFundHolding": "weight",
    "Qot_GetHeatMapData": "turnover", "Qot_GetPeriodChangeRank": "changeratio",
    "Qot_GetOptionSellerScreener": "annualizedreturn", "Qot_GetOptionEvent": "turnover",
    "Qot_GetEarningsCalendar": "marketcap",
}  # fmt: skip
"""What rows are sorted by where the request does not say."""
_PERIODS: Final = {1: "changerate5min", 3: "changerate5d", 4: "changerate20d", 5: "changerate60d", 6: "changerate120d",
                   7: "changerate250d", 8: "changerateytd"}  # fmt: skip
"""``Qot_GetPeriodChangeRank.PeriodType``."""
_WARRANT_FIELDS: Final = {
    4: "issuerId", 6: "warrantType", 7: "conversionRatio", 8: "currentPrice", 9: "streetRate", 10: "volume",
    11: "maturityDate", 12: "strikePrice", 13: "premium", 14: "recoveryPrice", 15: "impliedVolatility", 16: "leverage",
    17: "priceRecoveryRatio", 18: "delta", 19: "status", 20: "ipoTime", 21: "buyVol", 22: "sellVol",
    23: "effectiveLeverage", 24: "lastclosePrice", 25: "turnover", 26: "sellPrice", 27: "buyPrice", 28: "highPrice",
    29: "lowPrice", 30: "ipop", 31: "breakEvenPoint", 32: "amplitude", 34: "lastTradeDate", 35: "streetVol",
    36: "lotSize", 37: "issueSize", 39: "lowerStrikePrice", 40: "upperStrikePrice", 51: "score", 54: "stockOwnerPrice",
}  # fmt: skip
"""Numbers of the vendor's SDK for what Qot_WarrantScreen filters and sorts by, to fields of its rows."""
_ASCENDING: Final = ("isAsc", "ascend")
_ALIASES: Final = {
    "oi": "openinterest", "oimarketcap": "openinterestmarketcap", "price": "curprice", "pricechange": "changerate",
    "pe": "pettm", "oiratio": "openinterestratio", "underlyingiv": "iv", "underlyinghv": "hv", "optioniv": "iv",
    "breakevenpoint": "buybreakevenpoint", "tobep": "buytobep", "positionvolume": "shortpositionvolume",
    "positionratio": "shortpositionratio", "bidvol": "bidvolume", "askvol": "askvolume", "valuation": "valuationval",
    "changerate": "changeratio", "changeratio": "changerate", "hot": "turnover", "industry": "industryname",
    "holderchangeamount": "sharechangenum", "forwardvaluation": "forwardvalue",
    "historicalpercentile": "valuationpercentile", "expirydays": "dte", "totaloi": "totalopeninterest",
    "volume": "totalvolume", "openinterest": "totalopeninterest",
}  # fmt: skip
"""Names of what is sorted or filtered by, where they differ from the field's."""


class Demand:
    """The order, filters and page that a request has."""

    def __init__(self, c2s: Any, facts: Facts) -> None:
        self._c2s: Final = c2s
        self._facts: Final = facts
        self._fields: Final = c2s.DESCRIPTOR.fields_by_name

    def count(self) -> int:
        """Return how many rows a page has."""
        for name in COUNTS:
            if name in self._fields and self._c2s.HasField(name):
                return max(0, min(int(getattr(self._c2s, name)), MOST))
        return DEFAULT_COUNT

    def start(self) -> int:
        """Return the place of the first row. Raises ``NotHereError`` for a key that is not one of ours."""
        for name in PAGE_KEYS:
            if name in self._fields and self._c2s.HasField(name) and (key := getattr(self._c2s, name)):
                text = key.decode("ascii", "replace") if isinstance(key, bytes) else key
                if not (text.isascii() and text.isdecimal() and len(text) < 10):
                    raise NotHereError(f"{name} is not one of ours")
                return int(text)
        for name in OFFSETS:
            if name in self._fields and self._c2s.HasField(name):
                return max(0, int(getattr(self._c2s, name)))
        return 0

    def ordered(self, rows: list[tuple[Subject, Any]]) -> list[tuple[Subject, Any]]:
        """Return rows in the requested order: the largest first unless the request has it the other way."""
        if "sortList" in self._fields:
            return self._ordered_by_all(rows)
        chosen = self._sorted_by()
        if not rows or chosen is None:
            return rows
        keys = [self._value_of(subject, row, chosen) for subject, row in rows]
        if any(key is None for key in keys):
            return rows
        found = sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0], reverse=not self._is_ascending())
        return [row for _, row in found]

    def _ordered_by_all(self, rows: list[tuple[Subject, Any]]) -> list[tuple[Subject, Any]]:
        """Return rows in the order of several fields: the first one decides first; direction 0 is ascending."""
        found = list(rows)
        for sort in reversed(self._c2s.sortList):
            if "sortFieldId" in sort.DESCRIPTOR.fields_by_name:
                name = folded(_WARRANT_FIELDS.get(sort.sortFieldId, ""))
            else:
                known = _enum_named(self._c2s.DESCRIPTOR.file, "OptionIndicatorType")
                name = folded(short_enum_name(known.get(sort.indicatorType, "")))
            keys = [self._value_of(subject, row, name) for subject, row in found]
            if all(isinstance(key, int | float) for key in keys):
                pairs = sorted(zip(keys, found, strict=True), key=lambda pair: pair[0], reverse=sort.direction != 0)
                found = [row for _, row in pairs]
        return found

    def _sorted_by(self) -> str | None:
        """Return the folded name of the field to sort by; ``None`` where rows keep their order."""
        package = self._c2s.DESCRIPTOR.file.package
        for name in _SORTS:
            if name in self._fields and (self._c2s.HasField(name) or is_required(self._fields[name])):
                known = _enum_named(self._c2s.DESCRIPTOR.file, _SORT_ENUMS.get(package, "SortField"))
                text = folded(short_enum_name(known.get(getattr(self._c2s, name), "")))
                if text not in {"", "unknown", "unknow"}:
                    return text
        if "periodType" in self._fields and self._c2s.periodType in _PERIODS:
            return _PERIODS[self._c2s.periodType]
        return _DEFAULT_SORTS.get(package)

    def _is_ascending(self) -> bool:
        for name in _ASCENDING:
            if name in self._fields:
                return bool(getattr(self._c2s, name))
        for name in ("sortDir", "sortType"):
            known = enum_names(self._fields[name]) if name in self._fields else None
            if known is not None:
                return short_enum_name(known.get(getattr(self._c2s, name), "")).startswith("Asc")
        return False

    def _value_of(self, subject: Subject, row: Any, name: str) -> Any:
        """Return what a row has under a name, or its subject; ``None`` where neither has it."""
        own = {folded(field.name): field for field in row.DESCRIPTOR.fields if not is_repeated(field)}
        for each in (name, _ALIASES.get(name, "")):
            if each in own and own[each].message_type is None:
                return getattr(row, own[each].name)
        for each in (name, _ALIASES.get(name, "")):
            if each and (fact := self._facts.of(subject, each)) is not None:
                return fact
        return None

    def passes(self, subject: Subject, row: Any) -> bool:
        """Return whether a row meets the request's conditions; one on what a row does not have is met."""
        if "filterList" not in self._fields:
            return True
        conditions = self._c2s.filterList
        if conditions and "optionList" in conditions[0].DESCRIPTOR.fields_by_name:
            # Groups, of which one has to be met, each of conditions that all have to be.
            groups = ((*group.underlyingList, *group.optionList) for group in conditions)
            return any(all(self._meets(each, subject, row) for each in group) for group in groups)
        return all(self._meets(condition, subject, row) for condition in conditions)

    def _meets(self, condition: Any, subject: Subject, row: Any) -> bool:
        if "fieldId" in condition.DESCRIPTOR.fields_by_name:
            return self._meets_warrant_condition(condition, row)
        known = _names_of(condition.DESCRIPTOR.fields_by_name["indicatorType"])
        name = folded(short_enum_name(known.get(condition.indicatorType, "")))
        wanted = condition.indicatorValue
        interval = wanted.valueInterval if "valueInterval" in wanted.DESCRIPTOR.fields_by_name else wanted
        if name == "ownerlist":
            listing = subject.listing
            owner = None if listing is None else listing.owner if listing.strike else listing.full_code
            return not wanted.securityList or any(
                owner is not None and owner.partition(".")[2] == security.code for security in wanted.securityList
            )
        value = self._value_of(subject, row, name)
        if not isinstance(value, int | float):
            return True
        return _is_within(value, wanted, interval)

    @staticmethod
    def _meets_warrant_condition(condition: Any, row: Any) -> bool:
        field = _WARRANT_FIELDS.get(condition.fieldId)
        if field is None:
            return True
        value = getattr(row, field)
        chosen = [choice.value for choice in condition.choices]
        return (not chosen or value in chosen) and _is_within(value, condition, condition.interval)


def _is_within(value: float, wanted: Any, interval: Any) -> bool:
    """Return whether a value is one of those wanted, and between the bounds of an interval."""
    if "valueList" in wanted.DESCRIPTOR.fields_by_name and wanted.valueList and value not in wanted.valueList:
        return False
    return is_within(value, interval)


def _enum_named(file: Any, wanted: str) -> dict[int, str]:
    """Return number to name of the enum with a name, in a file or in those it imports."""
    for each in (file, *file.dependencies):
        if wanted in each.enum_types_by_name:
            return {value.number: value.name for value in reversed(each.enum_types_by_name[wanted].values)}
    return {}


def _names_of(field: FieldDescriptor) -> dict[int, str]:
    """Return the names of an enum that a field holds, found by the ends of enum names of its file and imports."""
    found = enum_names(field)
    if found is not None:
        return found
    owner: Any = field.containing_type
    wanted = folded(field.name)
    message = folded(owner.name)
    files = [owner.file, *owner.file.dependencies]
    for exact in (True, False):
        for file in files:
            for name, enum in file.enum_types_by_name.items():
                other = folded(name)
                if other == (message + "type" if exact else wanted) or (not exact and other.endswith(wanted)):
                    return {value.number: value.name for value in reversed(enum.values)}
    return {}
