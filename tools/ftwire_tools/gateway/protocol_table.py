"""What the made-up market does with each request: a table, made from the handlers that there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from ftwire.protocols import registry
from ftwire_tools.gateway.synthetic import Synthetic

__all__ = ["HANDLING", "MODELLED", "ProtocolRow", "protocol_table"]

SESSION, MODELLED, MADE_UP, REFUSED = "connection", "modelled", "made up", "refused"
HANDLING: Final = {
    SESSION: "answered by the connection itself: login, heartbeat, subscriptions, quotas",
    MODELLED: "follows from the market, the accounts or what clients have set before",
    MADE_UP: "filled by rule: codes, prices and greeks are the market's, the rest is drawn from the seed",
    REFUSED: "refused with OpenD's text for a protocol that its version does not have",
}
"""How a request can be handled, and what that means."""
_OF_THE_SESSION: Final = {
    "InitConnect": "Log in.",
    "InitWebSocket": "Log in on WebSocket.",
    "KeepAlive": "Return the heartbeat's time.",
    "Qot_Sub": "Subscribe to quotes, or end subscriptions.",
    "Qot_RegQotPush": "Switch the pushes of subscriptions on or off.",
    "Qot_RequestHistoryKLQuota": "Return the quota of history, and what is used of it.",
    "Qot_GetSubInfo": "Return subscriptions and the quota that they use.",
    "Trd_SubAccPush": "Subscribe to the pushes of accounts.",
}


def _summary(handler: Callable[..., Any]) -> str:
    """Return the first line of a handler's docstring."""
    function = handler.func if isinstance(handler, partial) else handler
    return (function.__doc__ or "").strip().partition("\n")[0]


class ProtocolRow(NamedTuple):
    """One request and what is done with it."""

    proto_id: int
    protocol: str
    handling: str
    """One of ``HANDLING``."""
    answer: str
    """What the answer is, in a sentence."""


def protocol_table() -> list[ProtocolRow]:
    """Return a row for each request protocol, by ID."""
    source = Synthetic()
    handlers, made_up = source.handlers, source.made_up
    rows = []
    for entry in registry:
        if entry.is_push:
            continue
        if entry.name in _OF_THE_SESSION:
            handling, answer = SESSION, _OF_THE_SESSION[entry.name]
        elif entry.name in made_up:
            handling, answer = MADE_UP, made_up[entry.name]
        elif entry.name in handlers:
            handling, answer = MODELLED, _summary(handlers[entry.name])
        else:
            handling, answer = REFUSED, "Retired." if entry.is_retired else ""
        rows.append(ProtocolRow(entry.proto_id, entry.name, handling, answer))
    return rows
