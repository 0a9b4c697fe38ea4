"""Which subjects the rows of a list have: instruments of a market, days back from now, institutions, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.reference.made_up.facts import folded
from ftwire_tools.gateway.reference.made_up.subjects import ECONOMIC_EVENTS, INSTITUTIONS, PEOPLE, Subject
from ftwire_tools.gateway.reference.view import MarketView, read_date
from ftwire_tools.messages.time_fields import time_kind
from ftwire_tools.synthetic.options import expiries, option_listing, strikes
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["Rows"]

DAYS, QUARTERS, MONTHS, YEARS = 60, 12, 24, 5
"""How many rows the series of a company have."""
PARTS: Final = 4
"""Rows of a list inside another one."""
NEAR_STRIKES: Final = 3
"""Strikes on each side of the price, of which options are listed."""
_OPTION_MARKETS: Final = {1: ("US", False), 2: ("US", True), 3: ("HK", False), 4: ("HK", True)}
"""``OptionMarket`` to prefix and whether underlyings are indices."""
_CATEGORIES: Final = {0: ("US", False), 1: ("US", True), 3: ("HK", False), 4: ("HK", True)}
"""``Qot_OptionScreen.MarketCategory``, alike."""
_INSTRUMENT_FIELDS: Final = ("security", "owner", "stock")


class Rows:
    """Finds the subjects of lists."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._sources: Final[dict[str, Callable[[Subject, Any], Iterator[Subject]]]] = {
            "asked securities": self._asked_for,
            "instruments": self._instruments,
            "nothing": lambda _about, _c2s: iter(()),
            "owners": self._owners,
            "options": self._options,
            "warrants": self._warrants,
            "plates": self._plates,
            "members": self._members,
            "institutions": self._institutions,
            "people": self._people,
            "days": self._days,
            "quarters": self._quarters,
            "months": self._months,
            "years": self._years,
            "coming years": self._coming_years,
            "meetings": self._meetings,
            "releases": self._releases,
            "parts": self._parts,
            "time ranges": lambda about, _: (about.within("part", number) for number in range(1, 6)),
        }

    def of(self, item: Descriptor, about: Subject, c2s: Any) -> Iterator[Subject]:
        """Return the subjects of the rows of a list of ``item``."""
        return self._sources[self.source(item, about, c2s)](about, c2s)

    def source(self, item: Descriptor, about: Subject, c2s: Any) -> str:
        """Return the name of what the rows of a list are."""
        if _asked(c2s) is not None and any(name in item.fields_by_name for name in _INSTRUMENT_FIELDS):
            return "asked securities"
        found = SOURCES.get(item.full_name)
        if found is not None:
            return found
        names = [field.name for field in item.fields]
        if "option" in names and item.fields_by_name["option"].message_type is not None:
            return "options"
        if any(name in names for name in _INSTRUMENT_FIELDS) and about.listing is None:
            return "owners" if "optionMarket" in c2s.DESCRIPTOR.fields_by_name else "instruments"
        kept = {folded(name) for name in names}
        if kept & {"fiscalyear", "periodtext", "financialyear", "periodstr"}:
            return "quarters"
        if any(time_kind(field) is not None for field in item.fields):
            return "days"
        return "parts"

    # Instruments

    def _row(self, listing: Listing, about: Subject, number: int) -> Subject:
        """Return a row about an instrument: by itself, or as a part of what the list is about."""
        key = f"{about.key}/{listing.full_code}" if about.key.startswith("institution") else listing.full_code
        return Subject(key, listing.name, about.day, number, listing)

    def _prefixes(self, c2s: Any) -> set[str]:
        """Return the prefixes of the market that a request names; the US's where it names none."""
        market = getattr(c2s, "market", 0) or getattr(c2s, "marketType", 0)
        if isinstance(market, int) and market in {21, 22}:
            return {"SH", "SZ"}
        found = {each.exchange.prefix for each in self._view.universe if each.market == market}
        return found or {"US"}

    def _asked_for(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        """Return the securities that a request lists. Raises ``NotHereError``."""
        for number, security in enumerate(_asked(c2s) or (), 1):
            yield self._row(self._view.listing(security), about, number)

    def _instruments(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        prefixes = self._prefixes(c2s)
        found = [each for each in self._view.universe.of_type(Kind.STOCK) if each.exchange.prefix in prefixes]
        word = str(getattr(c2s, "keyword", "")).casefold()
        for number, listing in enumerate(found, 1):
            if not word or word in f"{listing.code} {listing.name} {listing.chinese}".casefold():
                yield self._row(listing, about, number)

    def _option_owners(self, c2s: Any) -> Iterator[Listing]:
        categories = getattr(c2s, "marketCategoryList", None)
        if categories is not None:
            wanted = {_CATEGORIES.get(number) for number in categories} if categories else {("US", False)}
        else:
            wanted = {_OPTION_MARKETS.get(getattr(c2s, "optionMarket", 1))}
        for listing in self._view.universe:
            if listing.options and (listing.exchange.prefix, listing.sec_type == Kind.INDEX) in wanted:
                yield listing

    def _owners(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        for number, listing in enumerate(self._option_owners(c2s), 1):
            yield self._row(listing, about, number)

    def _options(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        """Return options near the price: those of the asked underlying, or of all in the market."""
        owners = [about.listing] if about.listing is not None else list(self._option_owners(c2s))
        number = 0
        for owner in owners:
            today = self._view.today(owner)
            days = expiries(owner, today)
            days = days[:1] if len(owners) > 1 else days[:2]
            price = self._view.quote(owner).price
            near = sorted(strikes(owner), key=lambda strike: abs(strike - price))[: 2 * NEAR_STRIKES]
            for day in days:
                for strike in sorted(near):
                    for is_call in (True, False):
                        number += 1
                        option = option_listing(owner, day, strike, is_call=is_call, today=today)
                        yield self._row(option, about, number)

    def _warrants(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        market = {4: "SG", 15: "MY"}.get(getattr(c2s, "marketType", 1), "HK")
        found = [each for each in self._view.universe.of_type(Kind.WARRANT) if each.exchange.prefix == market]
        for number, listing in enumerate(found, 1):
            yield self._row(listing, about, number)

    def _plates(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        prefixes = self._prefixes(c2s)
        for number, plate in enumerate(self._view.universe.of_type(Kind.PLATE), 1):
            if plate.exchange.prefix in prefixes and plate.kind in {"industry", "concept"}:
                yield self._row(plate, about, number)

    def _members(self, about: Subject, _: Any) -> Iterator[Subject]:
        """Return the members of a plate or an index; of a stock's industry where the subject is a stock."""
        group = about.listing
        if group is not None and group.is_equity:
            group = self._view.industry(group)
        members = self._view.universe.members(group) if group is not None else []
        for number, listing in enumerate(members, 1):
            yield self._row(listing, about, number)

    # Others

    def _institutions(self, about: Subject, _: Any) -> Iterator[Subject]:
        for number, name in enumerate(INSTITUTIONS, 1):
            key = f"institution/{number}" if about.listing is None else f"{about.key}/institution/{number}"
            yield about._replace(key=key, name=name, number=number)

    def _people(self, about: Subject, _: Any) -> Iterator[Subject]:
        for number, name in enumerate(PEOPLE, 1):
            yield about._replace(key=f"{about.key}/person/{number}", name=name, number=number)

    def _series(self, about: Subject, period: str, days: Iterator[date]) -> Iterator[Subject]:
        for number, day in enumerate(days, 1):
            yield about._replace(key=f"{about.key}/{period}/{day}", day=day, number=number, period=period)

    def _days(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        """Return weekdays, the latest first: of a requested range, or up to now."""
        begin, end = _range(c2s)
        if begin is not None and begin > about.day:
            # A client whose clock is ahead of the market's gets as many days up to the market's.
            begin, end = about.day - ((end or begin) - begin), about.day
        last = min(about.day, end) if end is not None else about.day

        def days() -> Iterator[date]:
            day, count = last, 0
            while count < (DAYS if begin is None else 400) and (begin is None or day >= begin):
                if day.weekday() < 5:
                    count += 1
                    yield day
                day -= timedelta(days=1)

        return self._series(about, "day", days())

    def _quarters(self, about: Subject, _: Any) -> Iterator[Subject]:
        def days() -> Iterator[date]:
            year, quarter = about.day.year, (about.day.month - 1) // 3
            for _number in range(QUARTERS):
                year, quarter = (year - 1, 3) if quarter == 0 else (year, quarter - 1)
                yield date(year, quarter * 3 + 3, 28)

        return self._series(about, "quarter", days())

    def _months(self, about: Subject, _: Any) -> Iterator[Subject]:
        def days() -> Iterator[date]:
            day = about.day.replace(day=1)
            for _number in range(MONTHS):
                day = (day - timedelta(days=1)).replace(day=1)
                yield day

        return self._series(about, "month", days())

    def _years(self, about: Subject, _: Any) -> Iterator[Subject]:
        return self._series(about, "year", (date(about.day.year - back, 5, 15) for back in range(1, YEARS + 1)))

    def _coming_years(self, about: Subject, _: Any) -> Iterator[Subject]:
        return self._series(about, "year", (date(about.day.year + later, 12, 31) for later in range(4)))

    def _meetings(self, about: Subject, _: Any) -> Iterator[Subject]:
        return self._series(about, "day", (about.day + timedelta(days=30 + 45 * number) for number in range(6)))

    def _releases(self, about: Subject, c2s: Any) -> Iterator[Subject]:
        """Return two economic events for each weekday of a requested range, a week where it has no end."""
        begin, end = _range(c2s)
        day = begin or about.day
        last = min(end or day + timedelta(days=6), day + timedelta(days=92))
        number = 0
        while day <= last:
            for part in range(2 if day.weekday() < 5 else 0):
                number += 1
                name = ECONOMIC_EVENTS[(day.toordinal() * 2 + part) % len(ECONOMIC_EVENTS)]
                yield about._replace(key=f"release/{day}/{part}", name=name, day=day, number=number, period="day")
            day += timedelta(days=1)

    def _parts(self, about: Subject, _: Any) -> Iterator[Subject]:
        for number in range(1, PARTS + 1):
            yield about.within("part", number)


def _asked(c2s: Any) -> Any:
    """Return the securities that a request lists, ``None`` for one that lists none."""
    for name in ("securityList", "ownerList"):
        if name in c2s.DESCRIPTOR.fields_by_name:
            return getattr(c2s, name)
    return None


def _range(c2s: Any) -> tuple[date | None, date | None]:
    """Return the first and the last day of a request, ``None`` where it has none. Raises ``NotHereError``."""
    found: list[date | None] = []
    for names in (("beginTime", "beginDate"), ("endTime", "endDate")):
        text = next((getattr(c2s, name) for name in names if getattr(c2s, name, "")), "")
        found.append(read_date(text).date() if text else None)
    return found[0], found[1]


SOURCES: Final = {
    "Qot_GetResearchRatingSummary.InstRatingSummaryItem": "institutions",
    "Qot_GetResearchRatingSummary.AnalystRatingSummaryItem": "people",
    "Qot_GetResearchRatingSummary.AnalystInfo": "people",
    "Qot_GetValuationDetail.PlateDistribution.PlateStockItem": "members",
    "Qot_GetValuationPlateStockList.StockItem": "members",
    "Qot_GetValuationPlateStockList.PlateItem": "plates",
    "Qot_GetCorporateActionsDividends.DividendItem": "years",
    "Qot_GetCorporateActionsBuybacks.HKBuyBackItem": "months",
    "Qot_GetCorporateActionsBuybacks.ABuyBackItem": "years",
    "Qot_GetCorporateActionsStockSplits.StockSplitItem": "years",
    "Qot_GetShareholdersOverview.OwnershipStaticInfo": "quarters",
    "Qot_GetShareholdersOverview.OwnershipStaticItem": "institutions",
    "Qot_GetShareholdersHoldingChanges.OwnerListItem": "institutions",
    "Qot_GetShareholdersHolderDetail.OwnershipDetailItem": "institutions",
    "Qot_GetInsiderHolderList.OwnerInsiderHolderItem": "people",
    "Qot_GetInsiderTradeList.OwnerInsiderTradeItem": "people",
    "Qot_GetCompanyExecutives.DirectorInfo": "people",
    "Qot_GetTopTenBuySellBrokers.BrokerItem": "institutions",
    "Qot_GetShortInterest.UsShortInterestItem": "months",
    "Qot_GetOptionScreen.OptionScreenItem": "options",
    "Qot_OptionScreen.OptionScreenItem": "options",
    "Qot_WarrantScreen.WarrantItem": "warrants",
    "Qot_GetOptionEvent.CorporateAction": "nothing",
    "Qot_GetOptionUnderlyingOverview.HVItem": "time ranges",
    "Qot_GetOptionZeroDteScreener.ZeroDteScreenerItem": "owners",
    "Qot_GetOptionEarningsScreener.EarningsItem": "owners",
    "Qot_GetEarningsCalendar.EarningsCalendarItem": "instruments",
    "Qot_GetEarningsCalendar.EstimateData": "parts",
    "Qot_GetMacroIndicatorHistory.MacroDataPoint": "months",
    "Qot_GetFedWatchTargetRate.FedMeetingTab": "meetings",
    "Qot_GetFedWatchDotPlot.DotPlotYear": "coming years",
    "Qot_GetEconomicCalendar.EconomicCalendarItem": "releases",
    "Qot_GetInstitutionList.InstitutionListItem": "institutions",
    "Qot_GetInstitutionDistribution.IndustryDistributionItem": "plates",
    "Qot_GetInstitutionHoldingChange.HoldingChangeItem": "instruments",
    "Qot_GetInstitutionHoldingList.HoldingListItem": "instruments",
    "Qot_GetHeatMapData.HeatMapPlateData": "plates",
    "Qot_GetIndustrialChainList.IndustrialChainInfo": "plates",
    "Qot_GetIndustrialChainByPlate.RelatedChainInfo": "parts",
    "Qot_GetIndustrialPlateStock.StockInfo": "members",
    "Qot_GetSearchNews.SearchNews": "days",
    "Qot_GetSuspend.Suspend": "nothing",
}
"""Messages of rows whose source does not follow from their fields."""
