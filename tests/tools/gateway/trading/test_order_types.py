"""Which order types each product takes, and which fields each type needs: the vendor's tables (Q1, Q4, Q9, Q10)."""

from __future__ import annotations

import pytest

from ftwire_tools.gateway.trading.accounts import ACCOUNTS
from ftwire_tools.gateway.trading.order_types import NEEDED, TYPES, OrderType
from ftwire_tools.gateway.trading.venue import Instrument
from support.places import ROOT
from support.steered_venue import (
    A50,
    APPLE,
    BITCOIN,
    DBS,
    ES,
    HK_OPTION,
    HSI,
    MOUTAI,
    NIKKEI,
    TENCENT,
    US_OPTION,
    Desk,
)

UNIVERSAL, FUTURES, CRYPTO, CRYPTO_SG = 9_001_001, 281756400001000001, 281756400001000002, 281756400003000008

# As the vendor prints it: y may be placed, n and - may not.
COLUMNS = (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
TABLE: list[tuple[str, Instrument, int, str]] = [
    ("HK stock", TENCENT, UNIVERSAL, "y y y y y y y y y y y y y"),
    ("HK option", HK_OPTION, UNIVERSAL, "y n - - - - - n y n y n y"),
    ("HK future", HSI, FUTURES, "y y - y - - - y y y y y y"),
    ("US stock", APPLE, UNIVERSAL, "y y - - - - - y y y y y y"),
    ("US option", US_OPTION, UNIVERSAL, "y y - - - - - y y y y y y"),
    ("US future", ES, FUTURES, "y y - - - - - y y y y y y"),
    ("A-share", MOUTAI, UNIVERSAL, "y n - - - - - n y n y n y"),
    ("SG future", A50, FUTURES, "y y - - - - - y y y y y y"),
    ("JP future", NIKKEI, FUTURES, "y y - - - - - y y y y y y"),
    ("crypto", BITCOIN, CRYPTO, "y y - - - - - - - - - - -"),
    ("crypto, SG", BITCOIN, CRYPTO_SG, "y n - - - - - - - - - - -"),
    ("SG stock (a guess)", DBS, UNIVERSAL, "y - - - - - - - - - - - -"),
]
CASES = [
    pytest.param(instrument, acc_id, OrderType(number), mark == "y", id=f"{name}, {OrderType(number).name}")
    for name, instrument, acc_id, row in TABLE
    for number, mark in zip(COLUMNS, row.split(), strict=True)
]


def fields_for(order_type: OrderType, price: float) -> dict[str, object]:
    """Return every field that the type needs."""
    return {
        "order_type": int(order_type),
        "aux_price": price if "auxPrice" in NEEDED[order_type] else None,
        "trail_type": 1 if "trailType" in NEEDED[order_type] else None,
        "trail_value": 5.0 if "trailValue" in NEEDED[order_type] else None,
        "trail_spread": 1.0 if "trailSpread" in NEEDED[order_type] else None,
    }


@pytest.mark.parametrize(("instrument", "acc_id", "order_type", "is_allowed"), CASES)
def test_the_vendors_table_of_types(
    instrument: Instrument, acc_id: int, order_type: OrderType, is_allowed: bool
) -> None:
    desk = Desk(acc_id)
    if instrument is MOUTAI:
        desk.account.ledger.cash[3] = desk.account.ledger.cash[1]
    price = float(desk.venue.prices[instrument])
    qty = 0.01 if instrument is BITCOIN else float(instrument.lot)
    found = desk.refusal(instrument, qty, price, **fields_for(order_type, price))
    assert found == ("" if is_allowed else "type")


@pytest.mark.parametrize("order_type", [each for each in NEEDED if each not in {OrderType.NORMAL, OrderType.MARKET}])
def test_paper_accounts_take_limit_and_market_orders(order_type: OrderType) -> None:
    assert Desk(1_001_001).refusal(TENCENT, 100, 380, **fields_for(order_type, 380)) == "paper_type"


@pytest.mark.parametrize("number", [16, 17, 18, 19])
def test_orders_by_algorithm_are_not_placed(number: int) -> None:
    assert Desk().refusal(APPLE, 1, 200, order_type=number) == "algorithm"


@pytest.mark.parametrize("number", [0, 3, 4, 99, -1])
def test_types_that_are_none(number: int) -> None:
    assert Desk().refusal(APPLE, 1, 200, order_type=number) == "type"


ALL_FIELDS = {"price": 380.0, "aux_price": 380.0, "trail_type": 2, "trail_value": 5.0, "trail_spread": 1.0}
NAMES = {
    "price": "price", "auxPrice": "aux_price", "trailType": "trail_type", "trailValue": "trail_value",
    "trailSpread": "trail_spread",
}  # fmt: skip


@pytest.mark.parametrize("order_type", NEEDED)
def test_every_field_that_a_type_needs_is_missed(order_type: OrderType) -> None:
    desk = Desk()
    needed = {NAMES[each] for each in NEEDED[order_type]}
    assert desk.refusal(TENCENT, 100, **{name: ALL_FIELDS[name] for name in needed}, order_type=int(order_type)) == ""
    for missing in needed:
        sent = {name: ALL_FIELDS[name] for name in needed - {missing}}
        assert desk.refusal(TENCENT, 100, **sent, order_type=int(order_type)) == "type_field", missing


@pytest.mark.parametrize("order_type", [OrderType.MARKET, OrderType.STOP, OrderType.TRAILING_STOP, OrderType.AUCTION])
@pytest.mark.parametrize("price", [0.0, 1.0, 0.12345])
def test_a_price_that_a_type_does_not_need_is_ignored_and_comes_back(order_type: OrderType, price: float) -> None:
    desk = Desk()
    order = desk.place(TENCENT, 100, price, **fields_for(order_type, 300))
    assert float(order.price) == price


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "trading.md").read_text(encoding="utf-8")
    heads = " | ".join(product.value for product in TYPES)
    assert f"| Order type | needs | {heads} |\n" in page
    for order_type, fields in NEEDED.items():
        marks = " | ".join("yes" if order_type in allowed else "" for allowed in TYPES.values())
        assert f"| {order_type.name} ({order_type:d}) | {', '.join(fields)} | {marks} |\n" in page


def test_the_accounts_are_of_all_kinds() -> None:
    paper = [each for each in ACCOUNTS if each.is_paper]
    assert {each.markets for each in paper} == {(1,), (2,), (3,), (10,), (11,), (12,), (13,)}
    assert all(len(str(each.acc_id)) in {7, 8} and each.firm == 0 for each in paper)
    assert {each.category for each in ACCOUNTS} == {1, 2, 3}
    assert {each.acc_type for each in ACCOUNTS} == {1, 2}
    assert len({each.acc_id for each in ACCOUNTS}) == len(ACCOUNTS)
