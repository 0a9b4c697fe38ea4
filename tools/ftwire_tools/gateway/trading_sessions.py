"""Trading sessions as requests have them: regular hours (RTH), extended ones (ETH), all.

Only the US has sessions outside regular hours; everywhere else all of these mean the same.
"""

from __future__ import annotations

from typing import Any, Final

from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, EXTENDED, REGULAR

__all__ = ["scope_of"]

_NONE: Final = 0
_SCOPES: Final = {1: REGULAR, 2: EXTENDED, 3: ALL_SESSIONS}
"""``Common.Session`` to the sessions that it is about. OVERNIGHT (4) is for orders."""


def scope_of(c2s: Any) -> frozenset[Session] | None:
    """Return the sessions that a subscription or a request for history is about; ``None`` for OVERNIGHT.

    ``extendedTime`` is the older form of ETH; without either it is about regular hours.
    """
    if c2s.session == _NONE:
        return EXTENDED if c2s.extendedTime else REGULAR
    return _SCOPES.get(c2s.session)
