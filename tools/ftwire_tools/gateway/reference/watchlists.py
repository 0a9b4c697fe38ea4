"""Watchlists: the user's groups of securities, which clients can read and change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.static_info import fill_static_info
from ftwire_tools.gateway.reference.view import MarketView
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Watchlists"]

CUSTOM, SYSTEM, ALL = 1, 2, 3
"""``Qot_GetUserSecurityGroup.GroupType``."""
ADD, DELETE, MOVE_OUT = 1, 2, 3
"""``Qot_ModifyUserSecurity.ModifyUserSecurityOp``."""
UNKNOWN: Final = "Unknown watchlists", "未知自选股分组"
NO_SYSTEM: Final = "The System grouping is not supported", "不支持系统分组"
"""OpenD's texts in both languages."""
MOST: Final = 500
"""Securities in a group."""
EVERYTHING: Final = "All"
_SYSTEM: Final[dict[str, Callable[[Listing], bool]]] = {
    EVERYTHING: lambda _: True,
    "HK": lambda listing: listing.exchange.prefix == "HK" and listing.sec_type != Kind.FUTURE,
    "US": lambda listing: listing.exchange.prefix == "US" and listing.sec_type != Kind.FUTURE,
    "CN": lambda listing: listing.exchange.prefix in {"SH", "SZ"},
    "Futures": lambda listing: listing.sec_type == Kind.FUTURE,
    "Options": lambda listing: listing.sec_type == Kind.OPTION,
}
_OTHER_NAMES: Final = {
    "全部": EVERYTHING,
    "港股": "HK",
    "美股": "US",
    "沪深": "CN",
    "期货": "Futures",
    "期权": "Options",
}
_FIRST_GROUPS: Final = {"mine": 4, "Favorites": 10}
"""Groups at the start, and how many stocks of the universe are in them."""


class Watchlists:
    """The groups of the one user that a gateway has."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        stocks = [listing.full_code for listing in view.universe if listing.is_equity]
        every = max(1, len(stocks) // 10)
        self._groups: Final[dict[str, list[str]]] = {
            name: stocks[::every][:count] for name, count in _FIRST_GROUPS.items()
        }
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetUserSecurityGroup": self._list,
            "Qot_GetUserSecurity": self._content,
            "Qot_ModifyUserSecurity": self._modify,
        }

    def watched(self) -> set[str]:
        """Return the full codes in all groups."""
        return {code for codes in self._groups.values() for code in codes}

    def _list(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the names of the user's groups, of the system's, or of both."""
        if c2s.groupType not in {CUSTOM, SYSTEM, ALL}:
            raise NotHereError(f"unknown type of groups {c2s.groupType}")
        if c2s.groupType in {SYSTEM, ALL}:
            for name in _SYSTEM:
                s2c.groupList.add(groupName=name, groupType=SYSTEM)
        if c2s.groupType in {CUSTOM, ALL}:
            for name in self._groups:
                s2c.groupList.add(groupName=name, groupType=CUSTOM)

    def _content(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the securities of a group."""
        name = _OTHER_NAMES.get(c2s.groupName, c2s.groupName)
        if name in _SYSTEM:
            listings = (self._view.named(code) for code in dict.fromkeys(chain.from_iterable(self._groups.values())))
            found = [listing for listing in listings if listing is not None and _SYSTEM[name](listing)]
        elif name in self._groups:
            found = [listing for code in self._groups[name] if (listing := self._view.named(code)) is not None]
        else:
            raise NotHereError(*UNKNOWN)
        for listing in found:
            fill_static_info(s2c.staticInfoList.add(), listing, self._view)

    def _modify(self, _: Subscriber, c2s: Any, s2c: Any) -> None:  # noqa: ARG002 - the reply has no content
        """Add securities to one of the user's groups, or take them out."""
        name = _OTHER_NAMES.get(c2s.groupName, c2s.groupName)
        if name in _SYSTEM:
            raise NotHereError(*NO_SYSTEM)
        group = self._groups.get(name)
        if group is None:
            raise NotHereError(*UNKNOWN)
        codes = [self._view.listing(security).full_code for security in c2s.securityList]
        if c2s.op == ADD:
            added = [code for code in dict.fromkeys(codes) if code not in group]
            if len(group) + len(added) > MOST:
                raise NotHereError(f"a group has at most {MOST} securities")
            group[:0] = added
        elif c2s.op == DELETE:
            for known in self._groups.values():
                known[:] = [code for code in known if code not in codes]
        elif c2s.op == MOVE_OUT:
            group[:] = [code for code in group if code not in codes]
        else:
            raise NotHereError(f"unknown operation {c2s.op}")
