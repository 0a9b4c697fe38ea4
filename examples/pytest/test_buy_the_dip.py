"""Tests of ``buy_the_dip``: each makes the market do something, and looks at what the program does."""

from __future__ import annotations

import asyncio

from buy_the_dip import BuyTheDip

CODE = "HK.00700"


def run(opend, steer, limit=360.0):
    """Run the program; once it watches the price, call ``steer``. Return what it says."""

    async def both():
        program = BuyTheDip(opend.host, opend.port, CODE, limit, 100)
        running = asyncio.create_task(program.run())
        await program.watching.wait()
        # The gateway answers in a thread of its own, so the test may not block the program's.
        await asyncio.to_thread(steer)
        return await asyncio.wait_for(running, 10)

    return asyncio.run(both())


def settle(opend):
    """Wait until the order has come, then let the market trade."""
    opend.wait_for_request("Trd_PlaceOrder")
    opend.clock.advance(10)


def test_it_buys_when_the_price_falls(opend):
    def steer():
        opend.market.set_price(CODE, 355.0)
        settle(opend)

    assert run(opend, steer) == "bought"


def test_it_does_not_buy_above_the_limit(opend):
    def steer():
        opend.market.set_price(CODE, 360.2)
        opend.clock.advance(10)
        assert "Trd_PlaceOrder" not in [request.name for request in opend.requests]
        opend.market.set_price(CODE, 355.0)
        settle(opend)

    assert run(opend, steer) == "bought"


def test_it_reports_an_order_that_fails(opend):
    opend.orders.reject_next(reason="not tradable today")

    def steer():
        opend.market.gap(CODE, -20)
        settle(opend)

    assert run(opend, steer) == "failed: not tradable today"


def test_it_reports_an_order_that_is_refused(opend):
    opend.replies.refuse_next("Trd_PlaceOrder", reason="busy")
    assert run(opend, lambda: opend.market.gap(CODE, -20)) == "refused: busy"


def test_it_survives_a_lost_connection(opend):
    def steer():
        opend.connections.close()
        opend.wait_for_request("Qot_Sub", 2)
        opend.market.set_price(CODE, 355.0)

    opend.replies.refuse_next("Trd_PlaceOrder", reason="it asked")
    assert run(opend, steer) == "refused: it asked"


def test_the_market_of_a_test_is_a_new_one(opend):
    assert opend.requests == []
    assert opend.state()["market"]["steered"] == {}
