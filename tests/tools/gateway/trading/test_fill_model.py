"""What the fill models promise: see ``docs/trading.md``."""

from __future__ import annotations

from typing import Any

import pytest

from ftwire_tools.gateway.trading.fill_model import FillModel, FillModelError, parse_fills
from ftwire_tools.gateway.trading.order import Order
from ftwire_tools.gateway.trading.order_entry import OrderChange
from ftwire_tools.gateway.trading.order_state import OrderStatus
from support.steered_venue import APPLE, TENCENT, D, Desk


def fills(desk: Desk, order: Order) -> list[tuple[Any, Any]]:
    return [(each.qty, each.price) for each in desk.account.fills if each.order_id == order.order_id]


def small_book(model: str = "book") -> Desk:
    desk = Desk(fills=model)
    desk.venue.shown[APPLE] = D(300)
    return desk


class TestBook:
    def test_it_takes_level_by_level_up_to_its_limit(self) -> None:
        desk = small_book()
        order = desk.place(APPLE, 700, 200.02)
        assert fills(desk, order) == [(300, D("200.01")), (300, D("200.02"))]
        assert order.status is OrderStatus.FILLED_PART

    def test_what_one_takes_another_does_not_get(self) -> None:
        desk = small_book()
        first, second = desk.place(APPLE, 200, 200.01), desk.place(APPLE, 200, 200.01)
        assert (first.filled, second.filled) == (200, 100)
        desk.step()  # the book is another one
        assert second.filled == 200

    def test_a_resting_order_waits_behind_those_before_it(self) -> None:
        desk = small_book("book:share=0.5")
        order = desk.place(APPLE, 1000, 199.99)  # behind 300
        desk.venue.spread = False
        desk.venue.trade(APPLE, "199.99", 200)
        desk.venue.prices[APPLE] = D("200.01")
        desk.step()
        assert (order.queue, order.filled) == (100, 0)
        desk.venue.trade(APPLE, "199.99", 300)
        desk.venue.prices[APPLE] = D("200.01")
        desk.step()
        assert fills(desk, order) == [(100, D("199.99"))]  # half of what is left after the 100 before it

    def test_a_trade_beyond_its_price_has_used_up_the_queue(self) -> None:
        desk = small_book("book:share=0.5")
        order = desk.place(APPLE, 1000, 199.99)
        desk.venue.trade(APPLE, "199.95", 200)
        desk.venue.prices[APPLE] = D("200.01")
        desk.step()
        assert fills(desk, order) == [(100, D("199.99"))]

    def test_when_the_other_side_comes_to_it_it_is_filled_at_its_price(self) -> None:
        desk = small_book()
        order = desk.place(APPLE, 1000, 195.0)
        desk.step((APPLE, "190"))
        assert fills(desk, order) == [(300, 195), (300, 195), (300, 195)]

    def test_better_prices_first_then_earlier_orders(self) -> None:
        desk = small_book()
        desk.venue.levels = 1
        low, high, late = (desk.place(APPLE, 200, price) for price in (195.0, 196.0, 196.0))
        desk.step((APPLE, "190"))
        assert (low.filled, high.filled, late.filled) == (0, 200, 100)

    def test_the_rest_of_a_market_order_gets_a_share_of_what_is_traded(self) -> None:
        desk = small_book("book:share=0.1")
        order = desk.place(APPLE, 1500)
        assert order.filled == 900  # three levels
        desk.venue.trade(APPLE, "200", 1000)
        desk.step()
        assert order.filled == 1000

    def test_a_smaller_quantity_keeps_its_place_and_another_price_loses_it(self) -> None:
        desk = small_book()
        order = desk.place(APPLE, 1000, 199.99)
        desk.venue.trade(APPLE, "199.99", 200)
        desk.venue.prices[APPLE] = D("200")
        desk.venue.shown[APPLE] = D(700)
        desk.venue.levels = 2
        desk.step()
        assert order.queue == 100
        desk.broker.change(desk.account, order, OrderChange(900, 199.99))
        desk.settle()
        assert order.queue == 100
        desk.broker.change(desk.account, order, OrderChange(900, 199.98))
        desk.settle()
        assert order.queue == 700

    def test_in_lots(self) -> None:
        desk = Desk(fills="book:share=0.33")
        desk.venue.shown[TENCENT] = D(0)
        order = desk.place(TENCENT, 1000, 379.8)
        desk.venue.trade(TENCENT, "379.6", 10)
        desk.venue.prices[TENCENT] = D("380")
        desk.step()
        assert fills(desk, order) == [(300, D("379.8"))]


class TestOthers:
    def test_instant_is_everything_at_the_best_price(self) -> None:
        desk = small_book("instant")
        assert fills(desk, order := desk.place(APPLE, 2000, 200.5)) == [(2000, D("200.01"))]
        assert order.status is OrderStatus.FILLED_ALL
        waits = desk.place(APPLE, 10, 190.0)
        desk.step((APPLE, "185"))
        assert fills(desk, waits) == [(10, D("185.01"))]

    @pytest.mark.parametrize(("qty", "parts"), [(1000, [500, 500]), (300, [200, 100]), (100, [100])])
    def test_half_is_half_in_each_second_in_lots(self, qty: int, parts: list[int]) -> None:
        desk = Desk(fills="half")
        order = desk.place(TENCENT, qty, 390.0)
        assert order.filled == 0
        for _ in parts:
            desk.step()
        assert [each for each, _ in fills(desk, order)] == parts
        assert order.status is OrderStatus.FILLED_ALL

    @pytest.mark.parametrize(
        ("side", "price", "paid"), [(1, 201.0, "200.03"), (1, 200.02, "200.02"), (2, 199.0, "199.97")]
    )
    def test_slippage_is_in_ticks_and_never_beyond_the_limit(self, side: int, price: float, paid: str) -> None:
        desk = Desk(fills="instant:slippage=2")
        assert fills(desk, desk.place(APPLE, 10, price, side=side)) == [(10, D(paid))]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("book", FillModel()),
        ("instant", FillModel("instant")),
        ("half:slippage=3", FillModel("half", slippage=3)),
        ("book:share=0.5,latency=1.5", FillModel("book", D("0.5"), 0, 1.5)),
    ],
)
def test_models_are_written(text: str, model: FillModel) -> None:
    assert parse_fills(text) == model


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("some", "'some' is no fill model: take book, instant, half"),
        ("", "'' is no fill model"),
        ("book:share=2", "share is above 0 and at most 1"),
        ("book:share=nan", "share is above 0"),
        ("book:share=x", "'share=x': 'x' is not a number"),
        ("book:slippage=-1", "slippage is 0 to 1000 ticks"),
        ("book:latency=inf", "latency is 0 to 3600 seconds"),
        ("book:latency=nan", "latency is 0 to 3600 seconds"),
        ("book:colour=red", "'colour' is no setting of a fill model: take share, slippage, latency"),
    ],
)
def test_what_is_no_model_is_explained(text: str, error: str) -> None:
    with pytest.raises(FillModelError) as refused:
        parse_fills(text)
    assert error in str(refused.value)
