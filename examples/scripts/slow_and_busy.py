"""A gateway on a bad line: history comes late, every third order is refused, and one push in four is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ftwire_tools.scripting import PushEvent, ReplyEvent, RequestEvent

seen: Counter[str] = Counter()


def on_request(event: RequestEvent) -> Any:
    """Refuse every third order; everything else is answered as usual."""
    seen[event.name] += 1
    if event.name == "Trd_PlaceOrder" and seen[event.name] % 3 == 0:
        return event.refused("system busy, please try again later")
    return None


def on_reply(event: ReplyEvent) -> None:
    """Delay history by as much as there is of it."""
    if event.name == "Qot_RequestHistoryKL":
        event.delay(0.002 * len(event.message.s2c.klList))


def on_push(event: PushEvent) -> None:
    """Lose one push in four."""
    seen["pushes"] += 1
    if seen["pushes"] % 4 == 0:
        event.drop()
