"""A bad day: a stock falls, is halted, trades on lower, and then OpenD loses its servers for a while."""

from __future__ import annotations

import asyncio
import os

from ftwire_tools.scripting import Gateway

CODE = "HK.00700"
PAUSE = float(os.environ.get("PAUSE", "10"))
"""Seconds between two things that happen."""


async def on_start(gateway: Gateway) -> None:
    """Run beside the gateway, from its start on."""
    for percent in (-2, -3, -5):
        await asyncio.sleep(PAUSE)
        gateway.market.gap(CODE, percent)
    gateway.market.halt(CODE)
    await asyncio.sleep(PAUSE)
    gateway.market.resume(CODE)
    gateway.market.gap(CODE, -10)
    # Whoever wants to sell now finds that others do, too.
    gateway.orders.fill_next(share=0.2)
    gateway.orders.reject_next(reason="price out of range")
    await asyncio.sleep(PAUSE)
    gateway.login.log_out()
    await asyncio.sleep(PAUSE)
    gateway.login.log_in()
