"""Alerts on unusual option trades: settings that clients can read and change. None ever strikes here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["OptionAlerts"]

ADD, DELETE, MODIFY, ENABLE, DISABLE, DELETE_ALL = 1, 2, 3, 4, 5, 6
"""``Qot_SetOptionEventAlert.AlertOpType``."""
MOST: Final = 200


class OptionAlerts:
    """The settings of the one user that a gateway has."""

    def __init__(self) -> None:
        self._alerts: Final[dict[int, Any]] = {}
        self._next_key = 1
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetOptionEventAlert": self._get,
            "Qot_SetOptionEventAlert": self._set,
        }

    def _get(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the settings, a page of them."""
        key = c2s.page
        if key and not (key.isdecimal() and len(key) < 10):
            raise NotHereError("page is not one of ours")
        start = int(key or 0)
        stop = start + (c2s.count if c2s.HasField("count") and c2s.count > 0 else 20)
        found = list(self._alerts.values())
        s2c.alertList.extend(found[start:stop])
        s2c.allCount = len(found)
        if stop < len(found):
            s2c.nextPage = str(stop)

    def _set(self, _: Subscriber, c2s: Any, s2c: Any) -> None:  # noqa: ARG002 - the reply has no content
        """Add, change, switch or delete settings."""
        if c2s.operType == DELETE_ALL:
            self._alerts.clear()
            return
        if c2s.operType not in {ADD, DELETE, MODIFY, ENABLE, DISABLE}:
            raise NotHereError(f"unknown operation {c2s.operType}")
        if c2s.operType == ADD and len(self._alerts) + len(c2s.alertList) > MOST:
            raise NotHereError(f"there are at most {MOST} alerts")
        for each in c2s.alertList:
            if c2s.operType != ADD and each.key not in self._alerts:
                raise NotHereError(f"there is no alert with key {each.key}")
        for each in c2s.alertList:
            if c2s.operType == DELETE:
                self._alerts.pop(each.key, None)
            elif c2s.operType in {ENABLE, DISABLE}:
                self._alerts[each.key].enable = c2s.operType == ENABLE
            else:
                kept = type(each)()
                kept.CopyFrom(each)
                if c2s.operType == ADD:
                    kept.key, kept.enable = self._next_key, True
                    self._next_key += 1
                self._alerts[kept.key] = kept
