"""In front of a real gateway: a program is told that it holds nothing and has little money.

Requests that trade do not reach the gateway while a script runs in ``ftwire record``, unless ``--allow-trading`` is
given; here they are answered, so that the program goes on.
"""

from __future__ import annotations

from typing import Any

from ftwire_tools.scripting import ReplyEvent, RequestEvent

order_ids = iter(range(1_000_000, 2_000_000))


def on_request(event: RequestEvent) -> Any:
    """Accept every order without placing one."""
    if event.name != "Trd_PlaceOrder":
        return None
    response = event.success()
    response.s2c.header.CopyFrom(event.message.c2s.header)
    response.s2c.orderID = next(order_ids)
    return response


def on_reply(event: ReplyEvent) -> None:
    """Empty the account."""
    if event.message.retType:
        return
    if event.name == "Trd_GetPositionList":
        del event.message.s2c.positionList[:]
    elif event.name == "Trd_GetFunds":
        funds = event.message.s2c.funds
        funds.power = funds.cash = funds.totalAssets = 100.0
        funds.marketVal = 0.0
