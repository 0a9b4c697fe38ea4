"""Which order types each product takes, and which fields each type needs.

The tables are those of the vendor's questions and answers on trading (Q4 for the types, Q9 and Q10 for the fields).
Stocks of Singapore, Japan, Malaysia, Australia and Canada are not in them: limit orders only are taken there, a guess.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final

from ftwire_tools.gateway.trading.venue import Instrument, Kind, SecMarket

__all__ = [
    "ALGORITHMS",
    "AT_ONCE",
    "AUCTIONS",
    "CONDITIONAL",
    "MARKET_LIKE",
    "NEEDED",
    "PAPER_TYPES",
    "TRAILING",
    "TYPES",
    "OrderType",
    "Product",
    "SecurityFirm",
    "becomes",
    "product_of",
]


class OrderType(IntEnum):
    """``Trd_Common.OrderType``."""

    NORMAL = 1
    """Limit; in Hong Kong the enhanced limit order."""
    MARKET = 2
    ABSOLUTE_LIMIT = 5
    """Filled at exactly its price, else failed."""
    AUCTION = 6
    AUCTION_LIMIT = 7
    SPECIAL_LIMIT = 8
    """What is not filled at once is cancelled."""
    SPECIAL_LIMIT_ALL = 9
    """All at once, or nothing."""
    STOP = 10
    STOP_LIMIT = 11
    MARKET_IF_TOUCHED = 12
    LIMIT_IF_TOUCHED = 13
    TRAILING_STOP = 14
    TRAILING_STOP_LIMIT = 15
    TWAP_MARKET = 16
    TWAP_LIMIT = 17
    VWAP_MARKET = 18
    VWAP_LIMIT = 19


class SecurityFirm(IntEnum):
    """``Trd_Common.SecurityFirm``."""

    UNKNOWN = 0
    FUTUSECURITIES = 1
    FUTUINC = 2
    FUTUSG = 3
    FUTUAU = 4
    FUTUCA = 5
    FUTUMY = 6
    FUTUJP = 7


class Product(Enum):
    """What rules of order types go by."""

    HK_STOCK = "stocks of Hong Kong"
    HK_OPTION = "options of Hong Kong"
    HK_FUTURE = "futures of Hong Kong"
    US = "stocks and options of the US"
    US_FUTURE = "futures of the US"
    CN = "A-shares"
    FUTURE = "futures of Singapore and Japan"
    CRYPTO = "crypto"
    CRYPTO_SG = "crypto at the firm in Singapore"
    OTHER_STOCK = "stocks of other markets"


_T = OrderType
_STOPS: Final = frozenset(
    {
        _T.STOP,
        _T.STOP_LIMIT,
        _T.MARKET_IF_TOUCHED,
        _T.LIMIT_IF_TOUCHED,
        _T.TRAILING_STOP,
        _T.TRAILING_STOP_LIMIT,
    }
)
_LIMITED_STOPS: Final = frozenset({_T.STOP_LIMIT, _T.LIMIT_IF_TOUCHED, _T.TRAILING_STOP_LIMIT})
_EVERYWHERE: Final = frozenset({_T.NORMAL, _T.MARKET}) | _STOPS

TYPES: Final[dict[Product, frozenset[OrderType]]] = {
    Product.HK_STOCK: _EVERYWHERE
    | {_T.ABSOLUTE_LIMIT, _T.AUCTION, _T.AUCTION_LIMIT, _T.SPECIAL_LIMIT, _T.SPECIAL_LIMIT_ALL},
    Product.HK_OPTION: _LIMITED_STOPS | {_T.NORMAL},
    Product.HK_FUTURE: _EVERYWHERE | {_T.AUCTION},
    Product.US: _EVERYWHERE,
    Product.US_FUTURE: _EVERYWHERE,
    Product.CN: _LIMITED_STOPS | {_T.NORMAL},
    Product.FUTURE: _EVERYWHERE,
    Product.CRYPTO: frozenset({_T.NORMAL, _T.MARKET}),
    Product.CRYPTO_SG: frozenset({_T.NORMAL}),
    Product.OTHER_STOCK: frozenset({_T.NORMAL}),
}
"""Product to the types that real accounts may place."""

PAPER_TYPES: Final = frozenset({_T.NORMAL, _T.MARKET})
"""What paper accounts may place, whatever the product."""

ALGORITHMS: Final = frozenset({_T.TWAP_MARKET, _T.TWAP_LIMIT, _T.VWAP_MARKET, _T.VWAP_LIMIT})
"""Types that can be seen, and not be placed by the API."""

CONDITIONAL: Final = _STOPS
"""Types that wait for a price."""
TRAILING: Final = frozenset({_T.TRAILING_STOP, _T.TRAILING_STOP_LIMIT})
AUCTIONS: Final = frozenset({_T.AUCTION, _T.AUCTION_LIMIT})
AT_ONCE: Final = frozenset({_T.ABSOLUTE_LIMIT, _T.SPECIAL_LIMIT, _T.SPECIAL_LIMIT_ALL})
"""Types that do not rest in the book."""
MARKET_LIKE: Final = frozenset(
    {_T.MARKET, _T.AUCTION, _T.STOP, _T.MARKET_IF_TOUCHED, _T.TRAILING_STOP, _T.TWAP_MARKET, _T.VWAP_MARKET}
)
"""Types whose ``price`` is ignored."""

NEEDED: Final[dict[OrderType, tuple[str, ...]]] = {
    _T.NORMAL: ("price",),
    _T.MARKET: (),
    _T.ABSOLUTE_LIMIT: ("price",),
    _T.AUCTION: (),
    _T.AUCTION_LIMIT: ("price",),
    _T.SPECIAL_LIMIT: ("price",),
    _T.SPECIAL_LIMIT_ALL: ("price",),
    _T.STOP: ("auxPrice",),
    _T.STOP_LIMIT: ("price", "auxPrice"),
    _T.MARKET_IF_TOUCHED: ("auxPrice",),
    _T.LIMIT_IF_TOUCHED: ("price", "auxPrice"),
    _T.TRAILING_STOP: ("trailType", "trailValue"),
    _T.TRAILING_STOP_LIMIT: ("trailType", "trailValue", "trailSpread"),
}
"""Type to the fields of ``Trd_PlaceOrder`` that it needs beside those of every order."""


def product_of(instrument: Instrument, firm: int) -> Product:
    """Return which rules an instrument goes by at a firm."""
    market, kind = instrument.sec_market, instrument.kind
    if kind is Kind.CRYPTO:
        return Product.CRYPTO_SG if firm == SecurityFirm.FUTUSG else Product.CRYPTO
    if market == SecMarket.US:
        return Product.US_FUTURE if kind is Kind.FUTURE else Product.US
    if market == SecMarket.HK:
        return {Kind.OPTION: Product.HK_OPTION, Kind.FUTURE: Product.HK_FUTURE}.get(kind, Product.HK_STOCK)
    if instrument.is_chinese:
        return Product.CN
    return Product.FUTURE if kind is Kind.FUTURE else Product.OTHER_STOCK


def becomes(order_type: OrderType) -> OrderType:
    """Return what a conditional order is once its condition is met, others unchanged."""
    if order_type not in CONDITIONAL:
        return order_type
    return OrderType.MARKET if order_type in MARKET_LIKE else OrderType.NORMAL
