"""Securities as users write them, ``HK.00700`` or ``US.AAPL``: to market number and code, and back."""

from __future__ import annotations

from typing import Final

from ftwire_tools.markets.exchanges import QOT_PREFIXES

__all__ = ["ABSENT", "parse_security", "security_name"]


ABSENT: Final = "?"
"""Written in place of a market or a code that was not sent."""


def security_name(market: int | None, code: str | None, prefixes: dict[int, str] = QOT_PREFIXES) -> str:
    """Return market prefix and code; for an unknown market its number and the code, for either that is absent "?"."""
    prefix = ABSENT if market is None else prefixes.get(market) or market
    return f"{prefix}.{ABSENT if code is None else code}"


def parse_security(text: str) -> tuple[int, str]:
    """Return market number and code of ``HK.00700``, ``US.AAPL`` or ``11.AAPL``. Raises ``ValueError``."""
    prefix, dot, code = text.partition(".")
    if dot and code:
        if prefix.isdecimal():
            return int(prefix), code
        for market, known in QOT_PREFIXES.items():
            if known == prefix.upper():
                return market, code
    known_prefixes = ", ".join(QOT_PREFIXES.values())
    raise ValueError(f"{text!r} is no security: it is PREFIX.CODE, the prefix one of {known_prefixes}")
