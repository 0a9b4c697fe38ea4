"""A value for any field: a fact, a time, a value of its enum, or one drawn within what its name allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.reference.made_up.facts import Facts, folded
from ftwire_tools.gateway.reference.made_up.subjects import INSTITUTIONS, PEOPLE, TITLES, Subject, number_of
from ftwire_tools.gateway.reference.view import MarketView
from ftwire_tools.markets.local_times import local_text
from ftwire_tools.messages.enums import enum_of, short_enum_name
from ftwire_tools.messages.time_fields import TimeKind, time_kind
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["Values", "quarter_of"]

_OFFSETS: Final = {
    "pub": -30, "record": 1, "dividendpayable": 21, "pay": 21, "nextpayable": 21, "advance": -60, "meetpass": -40,
    "start": -20, "end": 10, "changereg": 5, "dirdecipub": -40, "smdeci": -20, "temptradebegin": 1,
    "simultradebegin": 10, "simultradeend": 24, "lastrecommendation": -90, "mintrade": -2, "open": -60, "close": 30,
    "determination": 31, "settled": 32, "latestexpiration": 40, "release": 14, "issue": -10, "begin": -900,
    "lasttransaction": -3, "earnings": 20, "action": 5,
}  # fmt: skip
"""Days from a subject's own day to a time, by the beginning of the field's name."""
_TIME_SUFFIX: Final = re.compile(r"(tradingday|timestamp|datetime|date|time|day)?(str)?$")
_NOON: Final = time(12)
_Draw = Callable[[Random, Subject], float]
_DRAWN: Final[tuple[tuple[re.Pattern[str], _Draw], ...]] = tuple(
    (re.compile(pattern), draw)
    for pattern, draw in (
        (r"star", lambda drawn, _: drawn.randint(1, 5)),
        (r"percentile|successrate|probability|prob", lambda drawn, _: drawn.uniform(5, 95)),
        (r"(yoy|qoq|growth|change.*(pct|rate|ratio|percentage)|(pct|rate|ratio)change|chgrate|daychg|return|crush)",
         lambda drawn, _: drawn.uniform(-12, 20)),
        (r"heatchange", lambda drawn, _: drawn.uniform(-30, 30)),
        (r"heat", lambda drawn, _: drawn.uniform(10, 100)),
        (r"pct|percent|ratio|rate|weight|yield|beat|premium|vola|move", lambda drawn, _: drawn.uniform(0.5, 18)),
        (r"daystocover", lambda drawn, _: drawn.uniform(0.5, 8)),
        (r"growyear|frequency|votecount|importance", lambda drawn, _: drawn.randint(1, 12)),
        (r"^(leader)?age$", lambda drawn, _: drawn.randint(35, 70)),
        (r"multiple|valuation|forwardvalue|currentvalue|averagevalue|medianvalue|stddev|platevalue|^value$|(predict|previous)value",
         lambda drawn, _: drawn.uniform(8, 40)),
        (r"(employee|staff)", lambda drawn, _: drawn.randint(200, 90_000)),
        (r"percapita", lambda drawn, _: drawn.uniform(50_000, 900_000)),
        (r"positionvalue$", lambda drawn, _: drawn.uniform(5e9, 4e11)),
        (r"salary", lambda drawn, _: drawn.randint(300, 9000) * 1000),
        (r"ranking", lambda drawn, _: drawn.randint(1, 20)),
        (r"(count|total$|stocksnum|num$|number$)", lambda drawn, _: drawn.randint(1, 40)),
    )
)  # fmt: skip
"""What a number may be, by the folded name of its field: the first that matches."""
_SHARES: Final = re.compile(r"share|quantity|netvol|short(number|position)|aggregatedshort$|sum$")
_VOLUME: Final = re.compile(r"vol(ume)?$|volume|size$")
_MONEY: Final = re.compile(r"money|income|profit|amount|value|cap$|turnover|aum|data$|actual|predict|estimate")
_PRICE: Final = re.compile(r"price|fairvalue|^(highest|average|lowest)$|target|strike|bid|ask|close|ceiling|floor")


def quarter_of(subject: Subject) -> int:
    """Return the quarter, from 1, of a subject's day."""
    return (subject.day.month - 1) // 3 + 1


class Values:
    """Makes the values of fields."""

    def __init__(self, view: MarketView, facts: Facts) -> None:
        self._view: Final = view
        self._facts: Final = facts

    def value(self, field: FieldDescriptor, subject: Subject) -> Any:
        """Return a value for a field that holds no message."""
        name = folded(field.name)
        kind = time_kind(field)
        if kind is not None and kind is not TimeKind.ASKED and kind is not TimeKind.MINUTE:
            return self._time(field, name, subject)
        if field.cpp_type == field.CPPTYPE_BOOL:
            return self._drawn(subject, name).random() < 0.5
        enum = _own_enum(field) or enum_of(field)
        if enum is not None:
            fact = self._facts.of(subject, name)
            numbers = [value.number for value in enum.values]
            return fact if fact in numbers else self._enum(enum, name, subject)
        if field.cpp_type == field.CPPTYPE_STRING:
            return self._text(name, subject)
        return _fitting(field, self.number(name, subject))

    def _drawn(self, subject: Subject, name: str) -> Random:
        return self._view.drawn(subject.key, name)

    # Times

    def _time(self, field: FieldDescriptor, name: str, subject: Subject) -> Any:
        """Return a time; those of one event, such as ``exDate`` and ``exDateStr``, are the same."""
        base = _TIME_SUFFIX.sub("", name)
        day = subject.day + timedelta(days=_OFFSETS.get(base, 0))
        if base == "earnings" and subject.listing is not None:
            owner = subject.listing.owner or subject.listing.full_code
            day = subject.day + timedelta(days=self._view.drawn(owner, "earnings").randint(1, 75))
        while day.weekday() > 4:
            day -= timedelta(days=1)
        option = subject.listing
        if base in {"strike", "expire"} and option is not None and option.expiry:
            day = datetime.fromisoformat(option.expiry).date()
        is_text = field.cpp_type == field.CPPTYPE_STRING
        has_time = base in _WITH_TIME or time_kind(field) is TimeKind.MOMENT
        moment = datetime.combine(day, _NOON if has_time else time())
        if base not in _AHEAD and subject.day <= self._view.now(option).date():
            moment = min(moment, self._view.now(option).replace(second=0))
            day = moment.date()
        if is_text:
            return local_text(moment) if has_time else day.isoformat()
        if name == "strikedate":
            return day.year * 10_000 + day.month * 100 + day.day
        zone = option.zone if option is not None else UTC
        return _fitting(field, int(moment.replace(tzinfo=zone).timestamp()))

    # Enums and texts

    def _enum(self, enum: Any, name: str, subject: Subject) -> int:
        known = [value for value in enum.values if not _is_unset(value)] or list(enum.values)
        if name == "financialtype":
            wanted = f"Q{quarter_of(subject)}" if subject.period == "quarter" else "Annual"
            found = [value for value in known if short_enum_name(value.name) == wanted]
            known = found or known
        if "/part/" in subject.key:  # rows that are parts of something differ
            return int(known[(subject.number - 1) % len(known)].number)
        number: int = self._drawn(subject, name).choice(known).number
        return number

    def _text(self, name: str, subject: Subject) -> str:
        fact = self._facts.of(subject, name)
        if fact is not None and name != "name":
            return str(fact)
        drawn = self._drawn(subject, name)
        if name in {"periodtext", "period", "term", "periodstr", "earningsquarter"}:
            return f"{subject.day.year}/Q{quarter_of(subject)}"
        if name == "fiscalyear":
            return str(subject.day.year)
        if name in _PERSONS:
            return PEOPLE[(subject.number - 1) % len(PEOPLE)]
        if name in _FIRMS:
            return INSTITUTIONS[(subject.number - 1) % len(INSTITUTIONS)]
        if name in {"name", "displayname", "title", "targetrange", "categoryname"} and subject.name:
            return subject.name
        if name in {"positionname", "title"}:
            return TITLES[(subject.number - 1) % len(TITLES)]
        if name.endswith(("url", "pdfurl")):
            return f"https://example.invalid/{name}/{number_of(subject.key)}"
        if name.endswith(("uid", "quoteid")):
            return str(number_of(f"{subject.key}/{name}"))
        if name in _CHOICES:
            return drawn.choice(_CHOICES[name])
        if name == "value" and subject.listing is not None and subject.name in _PROFILE:
            return _PROFILE[subject.name](self._view, subject.listing)
        if name in {"previous", "consensus", "actual"}:
            return f"{drawn.uniform(-1, 6):.1f}%"
        about = subject.name or subject.key
        return f"Made-up {_WORDS.get(name, name)} of {about}"

    # Numbers

    def number(self, name: str, subject: Subject) -> float:
        """Return a number for a field, by its folded name."""
        fact = self._facts.of(subject, name)
        if isinstance(fact, int | float):
            return fact
        drawn, listing = self._drawn(subject, name), subject.listing
        if name in {"fiscalyear", "financialyear", "year"}:
            return subject.day.year
        if name == "financialquarter":
            return quarter_of(subject)
        if name == "periodid":
            return subject.day.year * 10 + quarter_of(subject)
        if name == "priceinfoindex":
            return 0
        if name.endswith("id") or name in {"number", "nodeid", "key"}:
            return subject.number or number_of(f"{subject.key}/{name}")
        for pattern, draw in _DRAWN:
            if pattern.search(name):
                return draw(drawn, subject)
        shares = listing.shares if listing is not None and listing.shares else 100_000_000
        if _SHARES.search(name):
            part = shares * drawn.uniform(0.0005, 0.03)
            return int(-part if "change" in name and drawn.random() < 0.4 else part)
        price = self._view.quote(listing).price if listing is not None else drawn.uniform(10, 300)
        if _PRICE.search(name):
            low, high = (1.12, 1.3) if re.search("high|max|ceil", name) else (0.9, 1.1)
            if re.search("low|min|floor", name):
                low, high = 0.7, 0.88
            return round(price * drawn.uniform(low, high), 3)
        if _VOLUME.search(name):
            return int(shares * drawn.uniform(0.0005, 0.01))
        if _MONEY.search(name):
            money = shares * price * drawn.uniform(0.001, 0.05)
            return -money if "change" in name and drawn.random() < 0.4 else money
        return drawn.uniform(0.5, 50)


_WITH_TIME: Final = frozenset({"update", "fill", "starupdate", "analystreportupdate", "lasttransaction", "publish"})
"""Beginnings of the names of times that have a time of day."""
_AHEAD: Final = frozenset(
    {"strike", "expire", "nextpayable", "dividendpayable", "earnings", "meeting", "release", "lasttrading"}
)
"""Beginnings of the names of times that may lie ahead."""
_PERSONS: Final = frozenset({"leadername", "displayleadername", "analystname"})
_FIRMS: Final = frozenset(
    """
    institutionname institutionenname holdername institutionsourcename brokername sourcegroupname seller source
    """.split()  # noqa: SIM905 - shorter than a list of texts
)
"""Folded names of fields that hold a firm."""
_WORDS: Final = {"briefbackground": "background", "context": "comment", "conclusiondetailed": "conclusion"}
_PROFILE: Final[dict[str, Callable[[MarketView, Listing], str]]] = {
    "Company Name": lambda _, listing: listing.name,
    "Industry": lambda view, listing: (view.industry(listing) or listing).name,
    "Listing Date": lambda _, listing: listing.listed,
    "Employees": lambda view, listing: str(view.fundamentals(listing).staff),
}
"""Rows of a company's profile."""
_OWN_ENUMS: Final = {
    "actionType": "CorporateActionType", "sentiment": "MarketSentiment", "strategyType": "TickerStrategy",
    "tickerType": "TickerType", "earningsPubType": "EarningsPubType", "pubType": "EarningsCalendarPubType",
    "estimateType": "EarningsCalendarEstimateType", "periodType": "EarningsCalendarPeriodType",
    "unitType": "MacroDataUnitType", "chainType": "IndustrialChainType", "rating": "RatingLevel",
    "lastRating": "RatingLevel", "changeType": "RatingChangeType", "dynamicType": "DynamicType",
    "orderTypeList": "OptionOrderType", "expirationType": "ExpirationType", "star": "Importance",
    "detailPostPeriod": "PostPeriodType", "timeRange": "OptionHVTimeRange",
    "Qot_GetCodeChange.CodeChangeInfo.type": "CodeChangeType",
}  # fmt: skip
"""Number fields of made-up replies to their enum, in the reply's own file or in one that it imports."""


def _own_enum(field: FieldDescriptor) -> Any:
    wanted = _OWN_ENUMS.get(field.full_name) or _OWN_ENUMS.get(field.name)
    if wanted is None or field.cpp_type != field.CPPTYPE_INT32:
        return None
    owner: Any = field.containing_type
    files = (owner.file, *owner.file.dependencies)
    return next((file.enum_types_by_name[wanted] for file in files if wanted in file.enum_types_by_name), None)


_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "leadergender": ("Female", "Male"),
    "leaderage": ("41", "48", "55", "62"),
    "highesteducation": ("Bachelor", "Master", "Doctor"),
    "country": ("United States", "China", "Japan", "Singapore"),
    "transactiontype": ("Buy", "Sell"),
    "holdertype": ("Investment Manager", "Bank", "Insurance Company", "Insider"),
    "sharetype": ("Ordinary Shares",),
    "process": ("Implemented", "Proposed"),
    "eventstatus": ("Completed",),
    "reformtype": ("Split",),
    "rate": ("1:2", "1:4", "1:10"),
    "economicmoatlabel": ("Wide", "Narrow", "None"),
    "uncertaintylabel": ("Low", "Medium", "High"),
    "financialhealthlabel": ("Strong", "Moderate", "Weak"),
    "capitalallocationlabel": ("Exemplary", "Standard", "Poor"),
    "currency": ("USD",),
    "currencycode": ("USD",),
    "accountingstandards": ("IFRS", "US GAAP"),
    "auditorreport": ("Unqualified opinion",),
}


def _is_unset(value: Any) -> bool:
    name = short_enum_name(value.name).casefold()
    return name in {"unknown", "unknow", "unkonw", "none", "nodynamic"} or value.number < 0


def _fitting(field: FieldDescriptor, number: float) -> float:
    """Return a number that fits the type of a field."""
    if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return round(float(number), 4)
    whole = round(number)
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        whole = abs(whole)
    if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
        return max(-(2**31), min(whole, 2**31 - 1))
    return whole
