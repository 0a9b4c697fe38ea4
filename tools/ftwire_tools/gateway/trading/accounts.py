"""The accounts: paper ones for each market, and ones that look real to clients.

Kinds and identifiers follow the vendor's pages on the list of accounts: paper accounts have seven or eight digits and
no firm; real ones have eighteen digits. The universal account keeps the short number by which programs may know it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from ftwire_tools.gateway.trading.amounts import ZERO
from ftwire_tools.gateway.trading.ledger import Ledger
from ftwire_tools.gateway.trading.order import Fill, Order
from ftwire_tools.gateway.trading.order_types import SecurityFirm
from ftwire_tools.gateway.trading.rates import CNH, HKD, JPY, SGD, USD

__all__ = [
    "ACCOUNTS",
    "CRYPTO",
    "FUTURE",
    "HKCC",
    "MOST_FILLS",
    "MOST_OPEN",
    "MOST_ORDERS",
    "PAPER",
    "REAL",
    "SECURITY",
    "Account",
    "AccountTerms",
    "market_of",
]

PAPER, REAL = 0, 1
"""``Trd_Common.TrdEnv``."""

MOST_ORDERS: Final = 10_000
"""Orders of an account."""
MOST_OPEN: Final = 1_000
"""Open orders of an account: each new one is weighed against all of them."""
MOST_FILLS: Final = 100_000
"""Fills of an account that are kept."""

CASH, MARGIN = 1, 2
"""``Trd_Common.TrdAccType``."""
_STOCK, _OPTION, _FUTURES, _STOCK_AND_OPTION = 1, 2, 3, 4
"""``Trd_Common.SimAccType``."""
SECURITY, FUTURE, CRYPTO = 1, 2, 3
"""``Trd_Common.TrdCategory``."""
_NORMAL, _MASTER = 1, 2
"""``Trd_Common.TrdAccRole``."""
_HK, _US, _CN, HKCC, _FUTURES_MARKET, _SG, _CRYPTO, _JP = 1, 2, 3, 4, 5, 6, 7, 15
"""``Trd_Common.TrdMarket``."""
_PAPER_FUTURES: Final = {1: 10, 2: 11, 41: 12, 51: 13}
"""``TrdSecMarket`` to the ``TrdMarket`` of paper accounts for its futures."""
_STOCK_MARKETS: Final = {1: _HK, 2: _US, 41: _SG, 51: _JP, 61: 8, 71: 111, 81: 112}
_MILLION: Final = Decimal(1_000_000)


class AccountTerms(NamedTuple):
    """What is fixed about an account."""

    acc_id: int
    environment: int
    """``Trd_Common.TrdEnv``: 0 simulated; 1 real, as far as clients can see, which has to be unlocked."""
    markets: tuple[int, ...]
    """``Trd_Common.TrdMarket``."""
    cash: tuple[tuple[int, Decimal], ...]
    """Currency and money that it begins with; its own currency first."""
    acc_type: int = MARGIN
    """``Trd_Common.TrdAccType``."""
    firm: SecurityFirm = SecurityFirm.UNKNOWN
    sim_type: int = 0
    """``Trd_Common.SimAccType``."""
    category: int = SECURITY
    """``Trd_Common.TrdCategory``."""
    role: int = _NORMAL
    """``Trd_Common.TrdAccRole``."""
    is_disabled: bool = False
    """An old account, listed and not used any more."""

    @property
    def currency(self) -> int:
        """The account's own currency."""
        return self.cash[0][0]

    @property
    def is_paper(self) -> bool:
        """Whether it is a paper account."""
        return self.environment == PAPER

    @property
    def is_master(self) -> bool:
        """Whether it is a master account, which places no orders."""
        return self.role == _MASTER

    def takes(self, *, is_option: bool) -> bool:
        """Return whether it trades options, or all else: of Hong Kong's paper accounts each does one of these."""
        return not is_option if self.sim_type == _STOCK else is_option or self.sim_type != _OPTION

    @property
    def has_margin(self) -> bool:
        """Whether it may owe money and sell short."""
        return self.acc_type == MARGIN

    @property
    def has_currencies(self) -> bool:
        """Whether requests about its money name a currency: universal accounts and those for futures."""
        return not self.is_paper and (len(self.markets) > 1 or self.category == FUTURE)


def _paper(number: int, market: int, currency: int, sim_type: int, acc_type: int = MARGIN) -> AccountTerms:
    money = _MILLION * 100 if currency == JPY else _MILLION
    category = FUTURE if sim_type == _FUTURES else SECURITY
    return AccountTerms(
        1_001_000 + number, PAPER, (market,), ((currency, money),), acc_type, sim_type=sim_type, category=category
    )


def _real(number: int, firm: SecurityFirm, *markets: int, cash: dict[int, Decimal], **more: object) -> AccountTerms:
    acc_id = 281_756_400_000_000_000 + firm * 1_000_000 + number
    return AccountTerms(acc_id, REAL, markets, tuple(cash.items()), firm=firm, **more)  # type: ignore[arg-type]


_FS, _INC, _SGP = SecurityFirm.FUTUSECURITIES, SecurityFirm.FUTUINC, SecurityFirm.FUTUSG
_UNIVERSAL: Final = {HKD: _MILLION, USD: Decimal(100_000), CNH: ZERO}

ACCOUNTS: Final = (
    _paper(1, _HK, HKD, _STOCK, CASH),
    _paper(2, _US, USD, _STOCK_AND_OPTION),
    _paper(3, _CN, CNH, _STOCK, CASH),
    _paper(4, _HK, HKD, _OPTION),
    _paper(10, 10, HKD, _FUTURES),
    _paper(11, 11, USD, _FUTURES),
    _paper(12, 12, SGD, _FUTURES),
    _paper(13, 13, JPY, _FUTURES),
    AccountTerms(9_001_001, REAL, (_HK, _US, HKCC, _SG, _JP), tuple(_UNIVERSAL.items()), firm=_FS),
    _real(1, _FS, _FUTURES_MARKET, cash={HKD: _MILLION, USD: Decimal(100_000)}, category=FUTURE),
    _real(2, _FS, _CRYPTO, cash={USD: Decimal(100_000), HKD: _MILLION}, category=CRYPTO, acc_type=CASH),
    _real(3, _INC, _US, cash={USD: _MILLION}),
    _real(4, _INC, _US, cash={USD: _MILLION}, acc_type=CASH),
    _real(5, _INC, _US, cash={USD: Decimal(20_000)}),
    _real(6, _INC, _CRYPTO, cash={USD: Decimal(100_000)}, category=CRYPTO, acc_type=CASH),
    _real(7, _SGP, _HK, _US, HKCC, _SG, cash={SGD: _MILLION, USD: Decimal(100_000), HKD: _MILLION}),
    _real(8, _SGP, _CRYPTO, cash={USD: Decimal(100_000)}, category=CRYPTO, acc_type=CASH),
    _real(9, _FS, _HK, cash={HKD: ZERO}, is_disabled=True),
    _real(10, _FS, _HK, _US, cash={HKD: ZERO}, role=_MASTER),
)
"""Paper accounts first, then real ones: universal, futures, crypto; margin, cash, and one below the day-trade rule's
25,000 USD; the firm in Singapore; a disabled and a master account. The first that fits is what the vendor's SDKs take
when none is named."""


@dataclass(slots=True)
class Account:
    """One account with its orders."""

    terms: AccountTerms
    ledger: Ledger
    orders: dict[int, Order] = field(default_factory=dict)
    working: dict[int, Order] = field(default_factory=dict)
    """Orders whose trading has not ended, the oldest first."""
    fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=MOST_FILLS))
    day_trades: list[tuple[date, int]] = field(default_factory=list)
    """Day and order of what opened and closed a position in one day."""

    @classmethod
    def opened(cls, terms: AccountTerms) -> Account:
        """Return a new account."""
        return cls(terms, Ledger(dict(terms.cash)))

    @property
    def acc_id(self) -> int:
        """``accID``."""
        return self.terms.acc_id


def market_of(terms: AccountTerms, sec_market: int, *, is_future: bool = False, is_crypto: bool = False) -> int:
    """Return the ``TrdMarket`` in which an account trades what belongs to a ``TrdSecMarket``."""
    if is_crypto:
        return _CRYPTO
    if is_future:
        return _PAPER_FUTURES.get(sec_market, 0) if terms.is_paper else _FUTURES_MARKET
    if sec_market in {31, 32}:
        return _CN if terms.is_paper else HKCC
    return _STOCK_MARKETS.get(sec_market, 0)
