"""Accounts of what is unusual about a stock (SkillWrapAPI): texts from the market's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import UNKNOWN_STOCK, NotHereError
from ftwire_tools.gateway.reference.indicators import bollinger, kdj, macd, rsi, sma
from ftwire_tools.gateway.reference.view import MarketView
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Unusual"]

DEFAULT_DAYS: Final = 7


class Unusual:
    """Texts on technical indicators, fundamentals and options of a stock."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "SkillWrap_TechnicalUnusual": self._technical,
            "SkillWrap_FinancialUnusual": self._financial,
            "SkillWrap_DerivativeUnusual": self._derivative,
        }

    def _stock(self, c2s: Any, reply: Any) -> Listing:
        """Return the stock of a code or a name, and fill the span of time."""
        text = c2s.stock_symbol.strip()
        word = text.casefold()
        named = self._view.named(text)
        found = named or next(
            (
                listing
                for listing in self._view.universe
                if word and word in {listing.code.casefold(), listing.name.casefold(), listing.chinese.casefold()}
            ),
            None,
        )
        if found is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {text:.32}")
        today = self._view.today(found)
        first = today - timedelta(days=max(1, min(c2s.time_range or DEFAULT_DAYS, 366)))
        reply.time_range = f"{first} - {today}"
        return found

    def _technical(self, _: Subscriber, c2s: Any, reply: Any) -> None:
        """Describe the stock's indicators, all or those asked for."""
        listing = self._stock(c2s, reply)
        bars = self._view.days(listing)
        closes = [bar.close for bar in bars]
        bands, lines = bollinger(closes), macd(closes)
        texts = {
            "MA": f"MA5 {sma(closes, 5)[-1]:.3f}, MA20 {sma(closes, 20)[-1]:.3f}",
            "RSI": f"RSI12 {rsi(closes)[-1]:.2f}",
            "MACD": f"DIF {lines.first[-1]:.4f}, DEA {lines.second[-1]:.4f}",
            "KDJ": "K {:.2f}, D {:.2f}, J {:.2f}".format(*(line[-1] for line in kdj(bars))),
            "BOLL": f"between {bands.third[-1]:.3f} and {bands.first[-1]:.3f}",
        }
        wanted = {each.upper() for each in c2s.indicator_filters} or set(texts)
        reply.content = _joined(listing, {name: text for name, text in texts.items() if name in wanted})

    def _financial(self, _: Subscriber, c2s: Any, reply: Any) -> None:
        """Describe the company's earnings, book value and debt."""
        listing = self._stock(c2s, reply)
        facts, price = self._view.fundamentals(listing), self._view.quote(listing).price
        earnings = facts.earnings_a_share
        if not earnings:
            raise NotHereError(f"{listing.full_code} has no financial statements")
        reply.content = _joined(
            listing,
            {
                "Earnings": f"{earnings:g} a share, {price / earnings:.1f} times at {price:g}",
                "Growth": f"revenue {facts.growth * 100:+.1f} % against the year before",
                "Debt": f"{facts.debt_ratio * 100:.1f} % of assets",
            },
        )

    def _derivative(self, _: Subscriber, c2s: Any, reply: Any) -> None:
        """Describe the stock's volatility and its options."""
        listing = self._stock(c2s, reply)
        volatility = self._view.volatility(listing) * 100
        has = "has" if listing.options else "has no"
        reply.content = _joined(listing, {"Volatility": f"{volatility:.1f} % a year", "Options": f"{has} options"})


def _joined(listing: Listing, texts: dict[str, str]) -> str:
    return "\n".join([f"{listing.full_code} {listing.name}", *(f"{name}: {text}" for name, text in texts.items())])
