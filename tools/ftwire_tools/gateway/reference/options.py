"""Options: expiries, chains, quotes of strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError, check_order
from ftwire_tools.gateway.reference.static_info import CALL, PUT, cycle_of, fill_static_info
from ftwire_tools.gateway.reference.view import MarketView, read_date, set_security
from ftwire_tools.synthetic.options import chain, chance_below, expiries, option_listing, strikes, years_to
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Options"]

LONGEST_SPAN: Final = timedelta(days=31)
"""Of a chain's expiries: 30 days and the last of them."""
MOST_RATIO: Final = 10_000
"""Quantity of a strategy's leg."""
TOO_LONG: Final = "获取期权链接口，请求的时间跨度不能超过30天"  # noqa: RUF001 - OpenD's own text
NO_OPTIONS: Final = "期权标的仅支持港美正股ETF以及港指美指"
IN_THE_MONEY, OUT_OF_THE_MONEY = 1, 2
"""``Qot_GetOptionChain.OptionCondType``."""
AMERICAN, EUROPEAN = 1, 2
"""``Qot_Common.OptionAreaType``."""
BUY: Final = 1
"""``Trd_Common.TrdSide``, in the legs of a strategy."""
SINGLE, COVERED, SPREAD, STRADDLE, STRANGLE, COLLAR, BUTTERFLY, CONDOR = 1, 2, 4, 6, 7, 8, 9, 11
IRON_BUTTERFLY, IRON_CONDOR, CALENDAR, DIAGONAL, CUSTOM = 13, 14, 15, 16, 100
"""``Qot_Common.OptionStrategyType``."""


class Options:
    """Chains and strategies of the options on an underlying."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetOptionExpirationDate": self._expirations,
            "Qot_GetOptionChain": self._chain,
            "Qot_GetOptionQuote": self._quote,
            "Qot_GetOptionStrategy": self._strategy,
            "Qot_GetOptionStrategySpread": self._spreads,
            "Qot_GetOptionStrategyAnalysis": self._analysis,
            "Qot_GetOptionExerciseProbability": self._probability,
        }

    def _owner(self, security: Any) -> Listing:
        owner = self._view.listing(security)
        if not owner.options:
            raise NotHereError(NO_OPTIONS)
        return owner

    def _expirations(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the expiries of an underlying's options."""
        owner = self._owner(c2s.owner)
        today = self._view.today(owner)
        for day in expiries(owner, today):
            s2c.dateList.add(
                strikeTime=day.isoformat(),
                strikeTimestamp=self._view.stamp(owner, day),
                optionExpiryDateDistance=(day - today).days,
                cycle=cycle_of(owner.exchange.prefix, day),
            )

    def _chain(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the calls and puts that expire in at most 30 days, filtered by side, money and greeks."""
        owner = self._owner(c2s.owner)
        begin, end = read_date(c2s.beginTime), read_date(c2s.endTime, late=True)
        check_order(begin, end)
        if end - begin > LONGEST_SPAN:
            raise NotHereError(TOO_LONG)
        today = self._view.today(owner)
        days = expiries(owner, today)
        if days and begin.date() > days[-1]:
            # A client whose clock is ahead of the market's gets the chain of its own day.
            days = expiries(owner, begin.date())
        for day in days:
            if not begin.date() <= day <= end.date():
                continue
            found = s2c.optionChain.add(strikeTime=day.isoformat(), strikeTimestamp=self._view.stamp(owner, day))
            for pair in chain(owner, day, today):
                wanted = [
                    (side, option)
                    for side, option in zip((CALL, PUT), pair, strict=True)
                    if c2s.type in {0, side} and self._matches(option, c2s)
                ]
                if wanted:
                    item = found.option.add()
                    for side, option in wanted:
                        fill_static_info(item.call if side == CALL else item.put, option, self._view)

    def _matches(self, option: Listing, c2s: Any) -> bool:
        """Return whether an option passes a chain's filters."""
        if c2s.condition:
            spot = self._view.quote(self._view.owner(option)).price
            inside = option.strike < spot if option.kind == "call" else option.strike > spot
            if inside != (c2s.condition == IN_THE_MONEY):
                return False
        if not c2s.HasField("dataFilter"):
            return True
        greeks, bounds = self._view.greeks(option), c2s.dataFilter
        values = {
            "impliedVolatility": self._view.implied_volatility(option) * 100,
            "delta": greeks.delta,
            "gamma": greeks.gamma,
            "vega": greeks.vega,
            "theta": greeks.theta,
            "rho": greeks.rho,
            "netOpenInterest": self._view.open_interest(option),
            "openInterest": self._view.open_interest(option),
            "vol": self._view.option_volume(option),
        }
        return all(
            (not bounds.HasField(f"{name}Min") or value >= getattr(bounds, f"{name}Min"))
            and (not bounds.HasField(f"{name}Max") or value <= getattr(bounds, f"{name}Max"))
            for name, value in values.items()
        )

    # Strategies

    def _legs(self, legs: Any) -> list[tuple[Listing, int, float]]:
        """Return option or stock, 1 for bought or -1 for sold, and quantity of each leg."""
        if not legs:
            raise NotHereError("a strategy without legs")
        found = []
        for leg in legs:
            listing = self._view.listing(leg.security)
            if leg.HasField("qtyRatio") and not 0 < leg.qtyRatio < MOST_RATIO:  # not a number is neither
                raise NotHereError(f"the qtyRatio of a leg is above 0 and below {MOST_RATIO}")
            found.append((listing, 1 if leg.side in {0, BUY} else -1, leg.qtyRatio or 1.0))
        return found

    def _quote(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return price and greeks of one option, or of all legs of a strategy together."""
        legs = self._legs(c2s.multi_legs)
        first = legs[0][0]
        quotes = [(self._view.quote(listing), sign * ratio) for listing, sign, ratio in legs]
        found = s2c.optionQuoteList.add()
        found.price = round(sum(quote.price * times for quote, times in quotes), 4)
        found.pre_close = round(sum(quote.last_close * times for quote, times in quotes), 4)
        found.open = found.pre_close
        found.high, found.low = max(found.price, found.open), min(found.price, found.open)
        found.chg = round(found.price - found.pre_close, 4)
        found.chg_rate = round(found.chg / abs(found.pre_close) * 100, 3) if found.pre_close else 0.0
        found.mid = found.mark_price = found.price
        found.vol = min(quote.volume for quote, _ in quotes)
        found.turnover = round(sum(quote.turnover for quote, _ in quotes), 2)
        options = [(listing, sign * ratio) for listing, sign, ratio in legs if listing.sec_type == Kind.OPTION]
        for name in ("delta", "gamma", "vega", "theta", "rho"):
            total = sum(getattr(self._view.greeks(option), name) * times for option, times in options)
            total += sum(sign * ratio for listing, sign, ratio in legs if name == "delta" and listing.is_equity)
            setattr(found, name, round(total, 6))
        if first.sec_type != Kind.OPTION:
            return
        owner = self._view.owner(first)
        spot, today = self._view.quote(owner).price, self._view.today(owner)
        found.IV = round(self._view.implied_volatility(first) * 100, 3)
        found.open_interest = found.net_open_interest = self._view.open_interest(first)
        found.option_type = CALL if first.kind == "call" else PUT
        found.expire_time, found.strike = first.expiry, first.strike
        found.contract_size = found.contract_multiplier = first.size
        found.exercise_type = EUROPEAN if owner.sec_type == Kind.INDEX else AMERICAN
        found.index_option_type = 1 if owner.sec_type == Kind.INDEX else 0
        found.days_to_expiry = (date.fromisoformat(first.expiry) - today).days
        found.contract_value = round(found.price * first.size, 4)
        found.equal_underlying = round(found.delta * first.size, 4)
        sign = 1 if first.kind == "call" else -1
        found.intrinsic_value = round(max(0.0, sign * (spot - first.strike)), 4)
        found.time_value = round(max(0.0, found.price - found.intrinsic_value), 4)
        breakeven = first.strike + sign * found.price
        found.premium = round(sign * (breakeven - spot) / spot * 100, 3)
        found.breakeven_point.append(round(breakeven, 4))
        found.dist_to_breakeven.append(round((breakeven - spot) / spot * 100, 3))
        below = self._below(first, breakeven)
        found.prob_of_profit = round((1 - below if sign > 0 else below) * 100, 3)
        found.leverage_ratio = round(spot / found.price, 3) if found.price > 0 else 0.0
        found.effective_gearing = round(abs(found.delta) * found.leverage_ratio, 3)
        found.seller_roi = round(found.price / spot * 100, 3)

    def _below(self, option: Listing, limit: float) -> float:
        """Return the probability that the underlying is below a limit at an option's expiry."""
        owner = self._view.owner(option)
        years = years_to(date.fromisoformat(option.expiry), self._view.today(owner))
        spot = self._view.quote(owner).price
        return chance_below(spot, max(limit, 0.001), years, self._view.implied_volatility(option))

    def _expiry(self, owner: Listing, text: str, default: int) -> date:
        """Return the requested expiry, or one of those there are. Raises ``NotHereError``."""
        days = expiries(owner, self._view.today(owner))
        if not text:
            return days[min(default, len(days) - 1)]
        day = read_date(text).date()
        if day not in days:
            raise NotHereError(f"{owner.full_code} has no options that expire on {day}")
        return day

    def _strategy(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the combinations of options that make a strategy, one for each strike."""
        owner = self._owner(c2s.owner)
        near = self._expiry(owner, c2s.expire_time, 0)
        far = self._expiry(owner, c2s.far_expire_time, 1)
        is_call = c2s.option_type != PUT
        known = strikes(owner)
        width = self._width(owner, c2s.spread)
        for at, strike in enumerate(known):
            if c2s.strike_price and abs(strike - c2s.strike_price) > 1e-6:
                continue
            legs = list(self._legs_of(c2s.option_strategy, owner, at, width, near, far, is_call=is_call))
            if not legs:
                continue
            item = s2c.strategyList.add(
                code="/".join(listing.code for listing, _ in legs),
                name=f"{owner.name} {near:%y%m%d} {strike:.2f}",
                option_strategy=c2s.option_strategy,
            )
            set_security(item.stock_owner, owner)
            for listing, times in legs:
                leg = item.multi_legs.add(side=1 if times > 0 else 2, qtyRatio=abs(times))
                set_security(leg.security, listing)

    def _width(self, owner: Listing, spread: float) -> int:
        """Return how many strikes apart legs are."""
        known = strikes(owner)
        step = known[1] - known[0] if len(known) > 1 else 1.0
        return max(1, round(spread / step)) if spread > 0 else 1

    def _legs_of(
        self, strategy: int, owner: Listing, at: int, width: int, near: date, far: date, *, is_call: bool
    ) -> Iterator[tuple[Listing, float]]:
        """Return options or stock, and how many: below 0 where sold. Nothing where strikes are missing."""
        known, today = strikes(owner), self._view.today(owner)

        def option(offset: int, *, call: bool = is_call, day: date = near) -> Listing:
            return option_listing(owner, day, known[at + offset], is_call=call, today=today)

        reach = {SPREAD: 1, STRANGLE: 1, COLLAR: 1, BUTTERFLY: 2, CONDOR: 3, IRON_BUTTERFLY: 2, IRON_CONDOR: 3}
        reach[DIAGONAL] = 1
        if at + reach.get(strategy, 0) * width >= len(known):
            return
        w = width
        if strategy == SINGLE:
            yield option(0), 1
        elif strategy == COVERED:
            yield owner, owner.size
            yield option(0, call=True), -1
        elif strategy == SPREAD:
            yield from ((option(0), 1), (option(w), -1))
        elif strategy == STRADDLE:
            yield from ((option(0, call=True), 1), (option(0, call=False), 1))
        elif strategy == STRANGLE:
            yield from ((option(w, call=True), 1), (option(0, call=False), 1))
        elif strategy == COLLAR:
            yield from ((owner, owner.size), (option(w, call=True), -1), (option(0, call=False), 1))
        elif strategy == BUTTERFLY:
            yield from ((option(0), 1), (option(w), -2), (option(2 * w), 1))
        elif strategy == CONDOR:
            yield from ((option(0), 1), (option(w), -1), (option(2 * w), -1), (option(3 * w), 1))
        elif strategy == IRON_BUTTERFLY:
            yield from ((option(0, call=False), 1), (option(w, call=False), -1))
            yield from ((option(w, call=True), -1), (option(2 * w, call=True), 1))
        elif strategy == IRON_CONDOR:
            yield from ((option(0, call=False), 1), (option(w, call=False), -1))
            yield from ((option(2 * w, call=True), -1), (option(3 * w, call=True), 1))
        elif strategy == CALENDAR:
            yield from ((option(0), -1), (option(0, day=far), 1))
        elif strategy == DIAGONAL:
            yield from ((option(w), -1), (option(0, day=far), 1))
        else:
            raise NotHereError(f"unknown strategy {strategy}")

    def _spreads(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the distances of strikes that a strategy may have: the first ten multiples of the step."""
        owner = self._owner(c2s.owner)
        known = strikes(owner)
        s2c.spreadList.extend(round(later - known[0], 3) for later in known[1:11])

    def _analysis(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return cost, most profit and loss, and break-even prices of a strategy at its first expiry."""
        legs = self._legs(c2s.multi_legs)
        options = [listing for listing, _, _ in legs if listing.sec_type == Kind.OPTION]
        if not options:
            raise NotHereError("a strategy without an option")
        owner = self._view.owner(options[0])
        cost = sum(self._view.quote(listing).price * sign * ratio for listing, sign, ratio in legs)
        s2c.code = "/".join(listing.code for listing, _, _ in legs)
        s2c.name = options[0].name if len(legs) == 1 else f"{owner.name} strategy"
        s2c.option_strategy = SINGLE if len(legs) == 1 else CUSTOM
        s2c.bid1 = round(sum((q.bid if n > 0 else q.ask) * n for q, n in self._priced(legs)), 4)
        s2c.ask1 = round(sum((q.ask if n > 0 else q.bid) * n for q, n in self._priced(legs)), 4)

        def profit(spot: float) -> float:
            value = 0.0
            for listing, sign, ratio in legs:
                payoff = spot
                if listing.sec_type == Kind.OPTION:
                    payoff = max(0.0, spot - listing.strike if listing.kind == "call" else listing.strike - spot)
                value += sign * ratio * payoff
            return value - cost

        # A strategy's profit is straight between strikes, so that its corners and ends say everything.
        corners = sorted({0.0, *(option.strike for option in options), 3 * owner.last_close})
        profits = [profit(at) for at in corners]
        s2c.max_profit, s2c.max_loss = round(max(profits), 4), round(min(profits), 4)
        chance = 0.0
        previous = 0.0
        for (left, low), (right, high) in zip(
            zip(corners, profits, strict=True), list(zip(corners, profits, strict=True))[1:], strict=False
        ):
            cut = left - low * (right - left) / (high - low) if low * high < 0 else None
            if cut is not None:
                s2c.breakeven_points.append(round(cut, 4))
            for begin, end in ((left, cut), (cut, right)) if cut is not None else ((left, right),):
                upper = self._below(options[0], float(end or 0.001)) if end != corners[-1] else 1.0
                if profit((float(begin or 0) + float(end or 0)) / 2) > 0:
                    chance += upper - previous
                previous = upper
        s2c.prob_of_profit = round(chance * 100, 3)
        for name in ("delta", "theta"):
            total = sum(
                getattr(self._view.greeks(listing), name) * sign * ratio
                for listing, sign, ratio in legs
                if listing.sec_type == Kind.OPTION
            )
            setattr(s2c, name, round(total, 6))

    def _priced(self, legs: list[tuple[Listing, int, float]]) -> Iterator[tuple[Any, float]]:
        for listing, sign, ratio in legs:
            yield self._view.quote(listing), sign * ratio

    def _probability(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return how probable exercise was on the days up to this one; of an underlying, of its call near the price."""
        listing = self._view.listing(c2s.security)
        if listing.sec_type != Kind.OPTION:
            owner = self._owner(c2s.security)
            day = expiries(owner, self._view.today(owner))[0]
            nearest = min(strikes(owner), key=lambda strike: abs(strike - owner.last_close))
            listing = option_listing(owner, day, nearest, is_call=True, today=self._view.today(owner))
        owner, expiry = self._view.owner(listing), date.fromisoformat(listing.expiry)
        sigma = self._view.implied_volatility(listing)
        for bar in self._view.days(owner)[-30:]:
            below = chance_below(bar.close, listing.strike, years_to(expiry, bar.time.date()), sigma)
            s2c.itemList.add(
                timestamp=int(self._view.stamp(owner, bar.time)),
                timestampStr=bar.time.date().isoformat(),
                securityPrice=bar.close,
                strikeProbability=round((1 - below if listing.kind == "call" else below) * 100, 3),
            )
