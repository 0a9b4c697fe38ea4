"""Facts: values by the name of a field, from the market where it has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache
from typing import Final, TypeVar

from ftwire_tools.gateway.reference.made_up.subjects import Subject
from ftwire_tools.gateway.reference.view import MarketView, Quote, stock_id
from ftwire_tools.gateway.reference.warrants import warrant_values
from ftwire_tools.synthetic.options import chance_below, years_to
from ftwire_tools.synthetic.trading_day import Bar
from ftwire_tools.synthetic.universe import CURRENCIES, Kind, Listing

__all__ = ["Fact", "Facts", "folded"]

Fact = float | str
T = TypeVar("T")
_CURRENCY_NAMES: Final = {number: name for name, number in CURRENCIES.items()}


@lru_cache(4096)
def folded(name: str) -> str:
    """Return a field's name without underscores and capitals."""
    return name.replace("_", "").casefold()


def _by_name(table: dict[str, T]) -> dict[str, T]:
    """Return a table with one name a key, of one whose keys are names with spaces between them."""
    return {name: value for names, value in table.items() for name in names.split()}


class Facts:
    """Looks up the facts of subjects."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._tables: Final[dict[Listing, dict[str, Callable[[], Fact]]]] = {}
        self._bars: Final[dict[tuple[Listing, date], Bar | None]] = {}

    def forget(self) -> None:
        """Forget prices: the next answer is of the then present ones."""
        self._tables.clear()
        self._bars.clear()

    def of(self, subject: Subject, name: str) -> Fact | None:
        """Return the value of a field, by its folded name; ``None`` where there is no fact for it."""
        listing = subject.listing
        if listing is None:
            return None
        if subject.period and subject.day < self._view.today(listing):
            found = self._of_day(listing, subject.day, name)
            if found is not None:
                return found
        table = self._tables.get(listing)
        if table is None:
            table = self._tables[listing] = _by_name(self._table(listing))
        make = table.get(name)
        return None if make is None else make()

    def _of_day(self, listing: Listing, day: date, name: str) -> Fact | None:
        """Return a price of an earlier day."""
        if listing.sec_type == Kind.OPTION or name not in _DAILY:
            return None
        if (listing, day) not in self._bars:
            self._bars[listing, day] = self._view.bar(listing, day)
        bar = self._bars[listing, day]
        return None if bar is None else _DAILY[name](bar)

    def _table(self, listing: Listing) -> dict[str, Callable[[], Fact]]:
        """Return the facts of an instrument: folded names, with spaces between them, to what looks up the value."""
        if listing.sec_type == Kind.OPTION:
            return self._of_option(listing)
        if listing.sec_type == Kind.WARRANT:
            return {**self._of_any(listing), **self._of_warrant(listing)}
        return self._of_any(listing)

    def _of_any(self, listing: Listing) -> dict[str, Callable[[], Fact]]:
        view = self._view

        @cache
        def quote() -> Quote:
            return view.quote(listing)

        facts = view.fundamentals(listing)
        industry = view.industry(listing)
        sector = industry.name if industry is not None else listing.name
        drawn = view.drawn(listing, "option market")
        volatility = round(view.volatility(listing) * 100, 3)
        rank, share = round(drawn.uniform(5, 95), 2), round(drawn.uniform(5, 95), 2)
        calls, puts = drawn.randint(10_000, 900_000), drawn.randint(10_000, 700_000)
        interest = round((calls + puts) * drawn.uniform(3, 9))

        def change_over(days: int) -> float:
            bars = view.days(listing)
            first = bars[max(0, len(bars) - 1 - days)].close
            return round((bars[-1].close / first - 1) * 100, 3)

        def this_year() -> float:
            bars = view.days(listing)
            first = next(bar for bar in bars if bar.time.year == bars[-1].time.year)
            return round((bars[-1].close / first.last_close - 1) * 100, 3)

        def ratio(value: float, base: float) -> float:
            return round(value / base, 3) if base else 0.0

        table: dict[str, Callable[[], Fact]] = {
            "code symbol": lambda: listing.code,
            "productcode": lambda: listing.options or listing.code,
            "name stockname ownername": lambda: listing.name,
            "industry industryname": lambda: sector,
            "platename": lambda: listing.name if listing.sec_type == Kind.PLATE else sector,
            "stockid": lambda: stock_id(listing.full_code),
            "currency currencycode currencyinfo": lambda: _CURRENCY_NAMES[listing.currency],
            "price curprice currentprice closeprice stockprice underlyingprice securityprice": lambda: quote().price,
            "lastcloseprice": lambda: quote().last_close,
            "openprice": lambda: quote().open,
            "highestprice highprice": lambda: quote().high,
            "lowestprice lowprice": lambda: quote().low,
            "changerate changeratio": lambda: quote().change_rate,
            "changeamount": lambda: quote().change,
            "changerate5min": lambda: round(ratio(quote().price, view.price_before(listing, 5)) * 100 - 100, 3),
            "changerateytd": this_year,
            "volume": lambda: quote().volume,
            "turnover": lambda: quote().turnover,
            "amplitude": lambda: quote().amplitude,
            "turnoverratio": lambda: ratio(quote().volume * 100, listing.shares),
            "marketcap marketval rtmarketcap": lambda: round(quote().price * listing.shares, 2),
            "pe pettm": lambda: ratio(quote().price, facts.earnings_a_share),
            "pb": lambda: ratio(quote().price, facts.book_a_share),
            "dividendsttm": lambda: view.dividends(listing),
            "dividendyieldttm": lambda: ratio(view.dividends(listing) * 100, quote().price),
            "payoutratiolfy": lambda: ratio(view.dividends(listing) * 100, facts.earnings_a_share),
            "employeenum": lambda: facts.staff,
            "iv optioniv impliedvolatility averageimpvol": lambda: volatility,
            "preiv": lambda: round(volatility * 0.99, 3),
            "hv optionhv historyvolatility": lambda: round(volatility * 0.9, 3),
            "ivrank": lambda: rank,
            "ivpercentile": lambda: share,
            "callvolume": lambda: calls,
            "putvolume": lambda: puts,
            "totalvolume optionvolume": lambda: calls + puts,
            "callopeninterest": lambda: round(interest * 0.55),
            "putopeninterest": lambda: interest - round(interest * 0.55),
            "totalopeninterest openinterest": lambda: interest,
            "multiplier contractsharesize": lambda: listing.size,
            "lotsize": lambda: listing.lot,
        }
        for days in (5, 10, 20, 60, 120, 250):
            for name in (f"changerate{days}d", f"changeratio{days}d"):
                table[name] = lambda days=days: change_over(days)  # type: ignore[misc]
        for session in ("premarket", "afterhours", "overnight"):
            moved = view.drawn(listing, session).uniform(-0.02, 0.02)
            table[f"{session}price"] = lambda moved=moved: round(quote().last_close * (1 + moved), 2)  # type: ignore[misc]
            table[f"{session}changeamount"] = lambda moved=moved: round(quote().last_close * moved, 4)  # type: ignore[misc]
            table[f"{session}changeratio"] = lambda moved=moved: round(moved * 100, 3)  # type: ignore[misc]
            table[f"{session}volume"] = lambda: quote().volume // 50
            table[f"{session}turnover"] = lambda: round(quote().turnover / 50, 2)
        if listing.sec_type in {Kind.PLATE, Kind.INDEX}:
            table |= self._of_group(listing)
        return table

    def _of_group(self, group: Listing) -> dict[str, Callable[[], Fact]]:
        """Return facts that are those of a plate's or an index's members together."""
        view = self._view
        members = view.universe.members(group)
        quotes = [(member, view.quote(member)) for member in members]
        values = [quote.price * member.shares for member, quote in quotes]
        earnings = sum(view.fundamentals(member).net_profit for member in members)
        return {
            "marketval marketcap": lambda: round(sum(values), 2),
            "turnover": lambda: round(sum(quote.turnover for _, quote in quotes), 2),
            "volume": lambda: sum(quote.volume for _, quote in quotes),
            "stocksnum platestockitemcount": lambda: len(members),
            "risecount": lambda: sum(quote.change > 0 for _, quote in quotes),
            "fallcount": lambda: sum(quote.change < 0 for _, quote in quotes),
            "equalcount": lambda: sum(quote.change == 0 for _, quote in quotes),
            "peavg": lambda: round(sum(values) / earnings, 3) if earnings else 0.0,
        }

    def _of_warrant(self, warrant: Listing) -> dict[str, Callable[[], Fact]]:
        view = self._view
        values, owner = warrant_values(warrant, view), view.owner(warrant)
        quote = values.quote
        return {
            "stockowner": lambda: stock_id(owner.full_code),
            "ownername": lambda: owner.name,
            "stockownerprice": lambda: values.spot,
            "strikeprice": lambda: warrant.strike,
            "recoveryprice": lambda: warrant.barrier if warrant.kind in {"bull", "bear"} else 0.0,
            "upperstrikeprice": lambda: warrant.strike if warrant.kind == "inline" else 0.0,
            "lowerstrikeprice": lambda: warrant.barrier if warrant.kind == "inline" else 0.0,
            "conversionratio": lambda: warrant.size,
            "sellprice": lambda: quote.ask,
            "buyprice": lambda: quote.bid,
            "impliedvolatility": lambda: values.implied_volatility,
            "delta": lambda: values.delta,
            "premium": lambda: values.premium,
            "leverage": lambda: values.leverage,
            "effectiveleverage": lambda: values.effective_leverage,
            "breakevenpoint": lambda: values.break_even,
            "ipop": lambda: values.in_the_money,
            "streetrate streetratenew": lambda: values.street_rate,
            "streetvol": lambda: int(warrant.shares * values.street_rate / 100),
            "score fxscore": lambda: values.score,
            "issuesize": lambda: warrant.shares,
            "status": lambda: 1,
        }

    def _of_option(self, option: Listing) -> dict[str, Callable[[], Fact]]:
        view = self._view
        owner, quote, greeks = view.owner(option), view.quote(option), view.greeks(option)
        spot = view.quote(owner).price
        sign = 1 if option.kind == "call" else -1
        today, expiry = view.today(option), date.fromisoformat(option.expiry)
        days, years = (expiry - today).days, years_to(expiry, today)
        sigma = view.implied_volatility(option)
        interest, volume = view.open_interest(option), quote.volume
        middle = round((quote.bid + quote.ask) / 2, 4)
        even = round(option.strike + sign * quote.price, 4)
        inside = max(0.0, sign * (spot - option.strike))
        below, below_even = (chance_below(spot, max(limit, 0.01), years, sigma) for limit in (option.strike, even))
        exercised = (1 - below if sign > 0 else below) * 100
        gained = (1 - below_even if sign > 0 else below_even) * 100
        drawn = view.drawn(option, "book")
        bids, asks = drawn.randint(1, 200), drawn.randint(1, 200)
        changed = drawn.randint(-interest // 5, interest // 5)
        stake = owner.last_close if sign > 0 else option.strike
        income = round(quote.price / stake * 100, 4)
        a_year = 365 / max(days, 1)
        called = round(income + max(0.0, option.strike / spot - 1) * 100 * (sign > 0), 4)
        hv = round(view.volatility(owner) * 90, 3)

        def whole(value: float) -> Callable[[], Fact]:
            return lambda: value

        values: dict[str, Fact] = {
            "code": option.code, "symbol": option.code, "name": option.name, "optionname": option.name,
            "strikeprice": option.strike, "strike": option.strike, "optiontype": 1 if sign > 0 else 2,
            "exercisetype": 2 if owner.sec_type == Kind.INDEX else 1,
            "expirationtype": 1 if 15 <= expiry.day <= 21 or option.exchange.prefix == "HK" else 2,
            "inthemoney": 1 if inside else 2, "leftday": days, "leftdays": days, "dte": days,
            "price": quote.price, "optionprice": quote.price, "midprice": middle, "bidprice": quote.bid,
            "askprice": quote.ask, "bidaskspread": round(quote.ask - quote.bid, 4), "bidvolume": bids,
            "askvolume": asks, "bidaskvolumeratio": round(bids / asks, 3), "changerate": quote.change_rate,
            "volume": volume, "totalvolume": volume, "turnover": quote.turnover, "openinterest": interest,
            "totalopeninterest": interest, "voratio": round(volume / interest, 3),
            "volioratio": round(volume / interest, 3), "voloiratio": round(volume / interest, 3),
            "openinterestmarketcap": round(interest * quote.price * option.size, 2),
            "oiincrement": max(0, changed), "oidecrement": max(0, -changed),
            "oimarketcapincrement": round(max(0, changed) * quote.price * option.size, 2),
            "oimarketcapdecrement": round(max(0, -changed) * quote.price * option.size, 2),
            "premium": round(sign * (even - spot) / spot * 100, 3), "iv": round(sigma * 100, 3),
            "impliedvolatility": round(sigma * 100, 3), "averageimpvol": round(sigma * 100, 3),
            "historyvolatility": hv, "hv": hv,
            "ivhvratio": round(sigma * 100 / hv, 3), "delta": round(greeks.delta, 6),
            "gamma": round(greeks.gamma, 6), "vega": round(greeks.vega, 6), "theta": round(greeks.theta, 6),
            "rho": round(greeks.rho, 6), "leverageratio": round(spot / quote.price, 3),
            "effectivegearing": round(abs(greeks.delta) * spot / quote.price, 3),
            "itmprobability": round(exercised, 3), "otmprobability": round(100 - exercised, 3),
            "buybreakevenpoint": even, "buytobep": round((even - spot) / spot * 100, 3),
            "selltobep": round((spot - even) / spot * 100, 3), "buyprofitprobability": round(gained, 3),
            "sellprofitprobability": round(100 - gained, 3),
            "intrinsicvalueper": round(min(100.0, inside / quote.price * 100), 3),
            "timevalueper": round(max(0.0, 100 - inside / quote.price * 100), 3),
            "otm": round(sign * (option.strike - spot) / spot * 100, 3),
            "otmdegree": round(sign * (option.strike - spot) / spot * 100, 3),
            "itmdegree": round(sign * (spot - option.strike) / spot * 100, 3),
            "underlyingprice": spot, "stockprice": spot, "intervalreturn": income,
            "annualizedreturn": round(income * a_year, 4), "sellannualizedreturn": round(income * a_year, 4),
            "strikedintervalreturn": called, "strikedannualizedreturn": round(called * a_year, 4),
            "marketcap": round(spot * owner.shares, 2),
        }  # fmt: skip
        return {name: whole(value) for name, value in values.items()}  # type: ignore[arg-type]


_DAILY: Final[dict[str, Callable[[Bar], float]]] = _by_name(
    {
        "price closeprice underlyingprice securityprice": lambda bar: bar.close,
        "openprice": lambda bar: bar.open,
        "highprice highestprice": lambda bar: bar.high,
        "lowprice lowestprice": lambda bar: bar.low,
        "lastcloseprice": lambda bar: bar.last_close,
        "volume sharestraded": lambda bar: bar.volume,
        "turnover": lambda bar: bar.turnover,
    }
)
"""Folded field names to the value of a daily bar."""
