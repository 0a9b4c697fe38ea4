"""Price reminders: conditions that clients set, and the push for each that is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.view import MarketView, set_security
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Reminders"]

ADD, DELETE, ENABLE, DISABLE, MODIFY, DELETE_ALL = 1, 2, 3, 4, 5, 6
"""``Qot_SetPriceReminder.SetPriceReminderOp``."""
ALWAYS, ONCE_A_DAY, ONCE = 1, 2, 3
"""``Qot_Common.PriceReminderFreq``."""
MOST_ALIKE: Final = 10
"""Reminders of one type for one security."""
MOST: Final = 2000
"""Reminders in all: a limit of this gateway."""
LONGEST_NOTE: Final = 20
"""Characters, Chinese or not."""
OPEN: Final = 1
"""``PriceReminderMarketStatus``."""
_RISING: Final = frozenset({1, 3, 5, 7, 8, 9, 10, 12, 13, 14})
"""Types that are met at the value or above it; the others are met at the value or below it."""
_NAMES: Final = {
    1: "price up to", 2: "price down to", 3: "change up to %", 4: "change down to %", 5: "5 min change up to %",
    6: "5 min change down to %", 7: "volume up to", 8: "turnover up to", 9: "turnover rate up to %",
    10: "bid up to", 11: "ask down to", 12: "bid volume up to", 13: "ask volume up to",
    14: "3 min change up to %", 15: "3 min change down to %",
}  # fmt: skip
"""``Qot_Common.PriceReminderType``."""


@dataclass(slots=True)
class _Reminder:
    key: int
    listing: Listing
    kind: int
    value: float
    frequency: int
    note: str
    sessions: tuple[int, ...]
    enabled: bool = True
    was_met: bool = False
    last_day: date | None = None


class Reminders:
    """The reminders of the one user that a gateway has."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._all: Final[dict[int, _Reminder]] = {}
        self._next_key = 1
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_SetPriceReminder": self._set,
            "Qot_GetPriceReminder": self._get,
        }

    def _set(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Add, change, switch or delete a reminder; delete all of a security."""
        listing = self._view.listing(c2s.security)
        if c2s.op == ADD:
            s2c.key = self._add(listing, c2s)
            return
        if c2s.op == DELETE_ALL:
            for key in [key for key, each in self._all.items() if each.listing.full_code == listing.full_code]:
                del self._all[key]
            s2c.key = 0
            return
        found = self._all.get(c2s.key)
        if found is None or found.listing.full_code != listing.full_code:
            raise NotHereError(f"{listing.full_code} has no reminder with key {c2s.key}")
        s2c.key = found.key
        if c2s.op == DELETE:
            del self._all[found.key]
        elif c2s.op in {ENABLE, DISABLE}:
            found.enabled, found.was_met = c2s.op == ENABLE, False
        elif c2s.op == MODIFY:
            changed = self._read(found.key, listing, c2s)
            self._all[found.key] = changed
        else:
            raise NotHereError(f"unknown operation {c2s.op}")

    def _add(self, listing: Listing, c2s: Any) -> int:
        made = self._read(self._next_key, listing, c2s)
        alike = [each for each in self._all.values() if (each.listing, each.kind) == (listing, made.kind)]
        if len(alike) >= MOST_ALIKE:
            raise NotHereError(f"{listing.full_code} has {MOST_ALIKE} reminders of this type, which is the most")
        if len(self._all) >= MOST:
            raise NotHereError(f"there are {MOST} reminders, which is the most here")
        self._all[made.key] = made
        self._next_key += 1
        return made.key

    @staticmethod
    def _read(key: int, listing: Listing, c2s: Any) -> _Reminder:
        if c2s.type not in _NAMES:
            raise NotHereError(f"unknown reminder type {c2s.type}")
        if c2s.freq not in {ALWAYS, ONCE_A_DAY, ONCE}:
            raise NotHereError(f"unknown reminder frequency {c2s.freq}")
        if not c2s.HasField("value") or not math.isfinite(c2s.value):
            raise NotHereError("a reminder needs a value")
        if len(c2s.note) > LONGEST_NOTE:
            raise NotHereError(f"a note has at most {LONGEST_NOTE} characters")
        sessions = tuple(c2s.reminderSessionList)
        return _Reminder(key, listing, c2s.type, c2s.value, c2s.freq, str(c2s.note), sessions)

    def _get(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the reminders of a security, or of a market."""
        wanted = self._view.listing(c2s.security).full_code if c2s.HasField("security") else ""
        groups: dict[str, list[_Reminder]] = {}
        for each in self._all.values():
            if wanted in {"", each.listing.full_code} and (wanted or not c2s.market or self._is_in(each, c2s.market)):
                groups.setdefault(each.listing.full_code, []).append(each)
        for found in groups.values():
            listed = s2c.priceReminderList.add(name=found[0].listing.name)
            set_security(listed.security, found[0].listing)
            for each in found:
                item = listed.itemList.add(
                    key=each.key,
                    type=each.kind,
                    value=each.value,
                    note=each.note,
                    freq=each.frequency,
                    isEnable=each.enabled,
                )
                item.reminderSessionList.extend(each.sessions)

    @staticmethod
    def _is_in(reminder: _Reminder, market: int) -> bool:
        # Shanghai and Shenzhen are one market here.
        china = {21, 22}
        return reminder.listing.market == market or {reminder.listing.market, market} <= china

    def step(self) -> Iterator[Push]:
        """Return a push for each reminder whose condition is met now and was not before."""
        for each in list(self._all.values()):
            if not each.enabled:
                continue
            value = self._value(each)
            met = value >= each.value if each.kind in _RISING else value <= each.value
            is_new, each.was_met = met and not each.was_met, met
            today = self._view.today(each.listing)
            if not is_new or (each.frequency == ONCE_A_DAY and each.last_day == today):
                continue
            each.last_day = today
            if each.frequency == ONCE:
                each.enabled = False
            yield self._push(each, value)

    def _value(self, reminder: _Reminder) -> float:
        """Return what a reminder compares with its own value."""
        listing, kind = reminder.listing, reminder.kind
        quote = self._view.quote(listing)
        if kind in {1, 2}:
            return quote.price
        if kind in {3, 4}:
            return quote.change_rate
        if kind in {5, 6, 14, 15}:
            before = self._view.price_before(listing, 5 if kind in {5, 6} else 3)
            return (quote.price / before - 1) * 100 if before else 0.0
        if kind == 9:
            return quote.volume / listing.shares * 100 if listing.shares else 0.0
        if kind in {12, 13}:
            bids, asks = self._view.best_volumes(listing)
            return bids if kind == 12 else asks
        return {7: float(quote.volume), 8: quote.turnover, 10: quote.bid, 11: quote.ask}[kind]

    def _push(self, reminder: _Reminder, value: float) -> Push:
        entry = registry["Qot_UpdatePriceReminder"]
        response = success(entry)
        s2c, quote = response.s2c, self._view.quote(reminder.listing)
        set_security(s2c.security, reminder.listing)
        s2c.name, s2c.price, s2c.changeRate = reminder.listing.name, quote.price, quote.change_rate
        s2c.marketStatus = OPEN
        s2c.content = f"{reminder.listing.name} {_NAMES[reminder.kind]} {reminder.value:g}"
        s2c.note, s2c.key, s2c.type = reminder.note, reminder.key, reminder.kind
        s2c.setValue, s2c.curValue = reminder.value, round(value, 6)
        return Push(entry.proto_id, response)
