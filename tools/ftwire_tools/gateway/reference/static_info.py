"""Static information: what never changes about an instrument, and the lists that consist of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.view import MarketView, set_security, stock_id
from ftwire_tools.synthetic.universe import KINDS, Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["StaticInfo", "cycle_of", "fill_static_info", "warrant_type"]

WARRANT, FUTURE = 1, 2
"""``Qot_GetReference.ReferenceType``."""
CALL, PUT = 1, 2
"""``Qot_Common.OptionType``."""
NORMAL_INDEX, STANDARD, SETTLED_AFTERNOON = 1, 1, 2
"""``IndexOptionType``, ``OptionStandardType``, ``OptionSettlementMode``."""
WEEK, MONTH = 1, 2
"""``ExpirationCycle``."""
_CHINA: Final = {21: "SH", 22: "SH"}
"""Shanghai and Shenzhen share their plates, which are Shanghai's."""


def fill_static_info(info: Any, listing: Listing, view: MarketView) -> None:
    """Fill a ``Qot_Common.SecurityStaticInfo``."""
    basic = info.basic
    set_security(basic.security, listing)
    basic.id = stock_id(listing.full_code)
    basic.lotSize = int(listing.size) if listing.sec_type == Kind.OPTION else listing.lot
    basic.secType = listing.sec_type
    basic.name = listing.name
    basic.listTime = listing.listed
    basic.listTimestamp = MarketView.stamp(listing, date.fromisoformat(listing.listed))
    basic.delisting = False
    basic.exchType = listing.exchange_type
    if listing.sec_type == Kind.WARRANT:
        info.warrantExData.type = warrant_type(listing)
        _set_owner(info.warrantExData.owner, listing)
    elif listing.sec_type == Kind.OPTION:
        _fill_option(info.optionExData, listing, view)
    elif listing.sec_type == Kind.FUTURE:
        info.futureExData.lastTradeTime = listing.expiry
        info.futureExData.lastTradeTimestamp = MarketView.stamp(listing, date.fromisoformat(listing.expiry))
        info.futureExData.isMainContract = listing.kind == "main"


def _fill_option(extra: Any, option: Listing, view: MarketView) -> None:
    day = date.fromisoformat(option.expiry)
    extra.type = CALL if option.kind == "call" else PUT
    _set_owner(extra.owner, option)
    extra.strikeTime, extra.strikePrice = option.expiry, option.strike
    extra.strikeTimestamp = MarketView.stamp(option, day)
    extra.suspend = False
    extra.market = option.exchange.prefix
    extra.expirationCycle = cycle_of(option.exchange.prefix, day)
    extra.optionStandardType = STANDARD
    extra.optionSettlementMode = SETTLED_AFTERNOON
    extra.indexOptionType = NORMAL_INDEX if view.owner(option).sec_type == Kind.INDEX else 0


def _set_owner(security: Any, derivative: Listing) -> None:
    security.market = derivative.market
    security.code = derivative.owner.partition(".")[2]


def cycle_of(prefix: str, day: date) -> int:
    """Return the ``ExpirationCycle`` of an expiry: the month's main one, or a week's."""
    return MONTH if prefix == "HK" or 15 <= day.day <= 21 else WEEK


def warrant_type(listing: Listing) -> int:
    """Return the ``Qot_Common.WarrantType``."""
    return KINDS[Kind.WARRANT].index(listing.kind) + 1


class StaticInfo:
    """Instruments, plates and what refers to an instrument."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetStaticInfo": self._static_info,
            "Qot_GetPlateSet": self._plate_set,
            "Qot_GetPlateSecurity": self._plate_security,
            "Qot_GetOwnerPlate": self._owner_plate,
            "Qot_GetReference": self._reference,
        }

    def _static_info(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the instruments asked for, or all of a market and a type."""
        if c2s.securityList:
            listings = [self._view.listing(security) for security in c2s.securityList]
        else:
            # A Chinese market is one of its two exchanges here, too.
            listings = [
                listing
                for listing in self._view.universe
                if listing.market == c2s.market and c2s.secType in {0, listing.sec_type}
            ]
        for listing in listings:
            fill_static_info(s2c.staticInfoList.add(), listing, self._view)

    def _plate_set(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the plates of a market, all or those of a class."""
        for plate in self._plates(c2s.market):
            if c2s.plateSetType in {0, plate_class(plate)}:
                _fill_plate(s2c.plateInfoList.add(), plate)

    def _plates(self, market: int) -> Iterable[Listing]:
        prefix = _CHINA.get(market)
        for plate in self._view.universe.of_type(Kind.PLATE):
            if plate.market == market or plate.exchange.prefix == prefix:
                yield plate

    def _plate_security(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the members of a plate or an index, sorted as asked."""
        plate = self._view.listing(c2s.plate)
        if plate.sec_type not in {Kind.PLATE, Kind.INDEX}:
            raise NotHereError(f"{plate.full_code} is no plate")
        members = self._view.universe.members(plate)
        if c2s.HasField("sortField"):
            members.sort(key=lambda each: self._sort_key(each, c2s.sortField), reverse=not c2s.ascend)
        for member in members:
            fill_static_info(s2c.staticInfoList.add(), member, self._view)

    def _sort_key(self, listing: Listing, field: int) -> tuple[float, str]:
        """Return what ``Qot_Common.SortField`` sorts by; the code where it is none that is known here."""
        quote = self._view.quote(listing)
        known: dict[int, float] = {
            2: quote.price,
            3: quote.change,
            4: quote.change_rate,
            6: quote.bid,
            7: quote.ask,
            10: quote.volume,
            11: quote.turnover,
            30: quote.amplitude,
            51: quote.price * listing.shares,
        }
        return known.get(field, 0.0), listing.full_code

    def _owner_plate(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the plates that each security is in."""
        for security in c2s.securityList:
            listing = self._view.listing(security)
            found = s2c.ownerPlateList.add(name=listing.name)
            set_security(found.security, listing)
            for plate in self._view.universe.plates_of(listing.full_code):
                _fill_plate(found.plateInfoList.add(), plate)

    def _reference(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the warrants or the futures on a security."""
        listing = self._view.listing(c2s.security)
        kind = {WARRANT: Kind.WARRANT, FUTURE: Kind.FUTURE}.get(c2s.referenceType)
        if kind is None:
            raise NotHereError(f"unknown reference type {c2s.referenceType}")
        if listing.sec_type == Kind.FUTURE and kind == Kind.FUTURE:
            listing = self._view.named(listing.owner) or listing
        for derived in self._view.universe.derived(listing.full_code, kind):
            fill_static_info(s2c.staticInfoList.add(), derived, self._view)


def plate_class(plate: Listing) -> int:
    """Return the ``Qot_Common.PlateSetType`` of a plate."""
    return KINDS[Kind.PLATE].index(plate.kind) + 1


def _fill_plate(info: Any, plate: Listing) -> None:
    set_security(info.plate, plate)
    info.name = plate.name
    info.plateType = plate_class(plate)
