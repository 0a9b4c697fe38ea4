"""Event contracts: categories, series, events, contracts, their prices and pushes, combinations.

A contract pays 1 if its event happens. The price of "no" is 1 less that of "yes".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quotes import NotHereError, check_order, not_subscribed
from ftwire_tools.gateway.reference.view import MarketView, read_date, set_security
from ftwire_tools.markets.local_times import local_text
from ftwire_tools.synthetic.history import daily_bars, minute_bars
from ftwire_tools.synthetic.trading_day import Bar, StockDay
from ftwire_tools.synthetic.trading_session import REGULAR
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Events"]

ORDER_BOOK, TICKER = 2, 4
"""``Qot_Common.SubType``."""
_KLINES: Final = {11: (1, 1), 7: (6, 5), 10: (9, 60), 6: (2, 0)}
"""``SubType`` to ``KLType`` and the minutes of a bar, 0 for a day."""
_MINUTES: Final = dict(_KLINES.values())
_SUB_OF_KLINE: Final = {kline: sub for sub, (kline, _) in _KLINES.items()}
_SUB_TYPES: Final = frozenset({2, 4, 6, 7, 10, 11})
"""``Qot_Common.SubType``: order book, ticker, bars of a day, 5, 60 and 1 minutes."""
ACTIVE, EVENT_ACTIVE, BINARY, ONE_OFF = 2, 102, 1, 7
"""``EC_Status``, ``EC_ContractType``, ``EC_Frequency``."""
YES, NO = 1, 2
"""``Common.PredSide``."""
MOST_BARS, PAGE = 1000, 20
_CATEGORIES: Final = {"SPORTS": "Sports", "ECONOMICS": "Economics", "OTHER": "Other"}
_SPORTS: Final = ("EC.NBA", "EC.NFL", "EC.MLB", "EC.UEFA")
"""Beginnings of series about sports."""
_ECONOMICS: Final = ("EC.FED", "EC.CPI", "EC.GDP")


class Events:
    """Answers about event contracts, and their subscriptions."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._subscribed: Final[dict[int, dict[tuple[str, int], bool]]] = {}
        """Number of a client to what it has subscribed to, and whether it wants pushes."""
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetEventContractCategory": self._category,
            "Qot_FilterCompetition": self._competition,
            "Qot_GetEventContractSeriesList": self._series,
            "Qot_GetEventContractEventList": self._events,
            "Qot_GetEventContract": self._contracts,
            "Qot_GetEventContractMilestoneList": self._milestones,
            "Qot_GetEventContractSnapshot": self._snapshot,
            "Qot_GetEventContractOrderBook": self._order_book,
            "Qot_GetEventContractKline": self._kline,
            "Qot_GetEventContractTicker": self._ticker,
            "Qot_RequestHistoryEventContractKL": self._history,
            "Qot_GetEventContractComboList": self._combos,
            "Qot_GetEventContractComboRfq": self._quote_combo,
            "Qot_SubEventContract": self._subscribe,
        }

    # Terms

    def _all(self) -> list[Listing]:
        return self._view.universe.of_type(Kind.EVENT)

    @staticmethod
    def _category_of(series: str) -> tuple[str, str]:
        """Return category and tag of a series."""
        if series.startswith(_SPORTS):
            return "SPORTS", "BASKETBALL" if series == "EC.NBA" else "OTHER"
        if series.startswith(_ECONOMICS):
            return "ECONOMICS", "RATES" if series == "EC.FED" else "OTHER"
        return "OTHER", "OTHER"

    def _category(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the categories of contracts and their tags."""
        tags: dict[str, dict[str, None]] = {}
        for contract in self._all():
            category, tag = self._category_of(contract.month)
            tags.setdefault(category, {})[tag] = None
        for category, found in tags.items():
            if c2s.category in {"", category}:
                s2c.categoryList.add(category=category, categoryName=_CATEGORIES[category], tags=list(found))

    def _competition(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the competitions of each tag."""
        for series in dict.fromkeys(contract.month for contract in self._all()):
            category, tag = self._category_of(series)
            if c2s.category in {"", category} and c2s.tag in {"", tag}:
                name = series.partition(".")[2]
                s2c.tagFilterList.add(category=category, tag=tag, competitionList=[name], scopeList=["Winner"])

    def _series(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the series of a category and a tag."""
        for series in dict.fromkeys(contract.month for contract in self._all()):
            category, tag = self._category_of(series)
            if c2s.category in {"", category} and c2s.tag in {"", tag}:
                item = s2c.seriesList.add(seriesName=series, category=category, tags=[tag], frequency=ONE_OFF)
                _set_code(item.seriesSecurity, series)

    def _events(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the events of a series, a page of them."""
        series = _code_of(c2s.series)
        events: dict[str, list[Listing]] = {}
        for contract in self._all():
            if contract.month == series:
                events.setdefault(contract.owner, []).append(contract)
        if not events:
            raise NotHereError(f"unknown series {series}")
        for code, contracts in self._page(list(events.items()), c2s, s2c):
            if c2s.HasField("status") and c2s.status != EVENT_ACTIVE:
                continue
            category, tag = self._category_of(series)
            item = s2c.eventList.add(
                eventName=code, status=EVENT_ACTIVE, category=category, tags=[tag], mutuallyExclusive=len(contracts) > 1
            )
            item.startDate, item.endDate = _utc(contracts[0].listed), _utc(contracts[0].expiry)
            item.competition, item.competitionScope = series.partition(".")[2], "Winner"
            _set_code(item.eventSecurity, code)
            _set_code(item.seriesSecurity, series)

    @staticmethod
    def _page(rows: list[Any], c2s: Any, s2c: Any) -> list[Any]:
        start = int(c2s.nextPage) if c2s.nextPage.isdecimal() and len(c2s.nextPage) < 10 else 0
        end = start + (c2s.count if c2s.HasField("count") and c2s.count > 0 else PAGE)
        if end < len(rows):
            s2c.nextPage = str(end)
        return rows[start:end]

    def _contracts(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the contracts of an event, a page of them."""
        code = _code_of(c2s.event)
        found = [contract for contract in self._all() if contract.owner == code]
        if not found:
            raise NotHereError(f"unknown event {code}")
        for contract in self._page(found, c2s, s2c):
            category, tag = self._category_of(contract.month)
            item = s2c.contractList.add(
                contractType=BINARY, title=contract.name, yesSubTitle="Yes", status=ACTIVE, category=category, tag=tag
            )
            set_security(item.contractSecurity, contract)
            _set_code(item.eventSecurity, contract.owner)
            _set_code(item.seriesSecurity, contract.month)
            item.openTime, item.closeTime = _utc(contract.listed), _utc(contract.expiry)
            item.determinationTime = item.settledTime = item.latestExpirationTime = _utc(contract.expiry, days=1)
            item.canCloseEarly, item.tickSize = True, f"{contract.tick:g}"
            item.volume = str(self._view.quote(contract).volume)

    def _milestones(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return a milestone for each event: its end."""
        events = dict.fromkeys((contract.owner, contract.month, contract.expiry) for contract in self._all())
        wanted = _code_of(c2s.relatedEvent) if c2s.HasField("relatedEvent") else ""
        rows = [row for row in events if wanted in {"", row[0]} and c2s.category in {"", self._category_of(row[1])[0]}]
        for event, series, expiry in self._page(rows, c2s, s2c):
            item = s2c.milestoneList.add(title=f"End of {event}", category=self._category_of(series)[0])
            item.type = 2 if series == "EC.NBA" else 0
            item.startDate, item.endDate = _utc(expiry), _utc(expiry, days=1)
            _set_code(item.milestoneSecurity, f"{event}-END")
            _set_code(item.primaryEventSecurity, event)
            _set_code(item.relatedEventList.add(), event)

    # Prices

    def _contract(self, security: Any) -> StockDay:
        listing = self._view.listing(security)
        stock = self._view.market.stock(listing.market, listing.code)
        if listing.sec_type != Kind.EVENT or listing.strike or stock is None:
            raise NotHereError(f"{listing.full_code} is no event contract")
        return stock

    def _snapshot(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return prices of both sides, volumes and open interest."""
        for security in c2s.securityList:
            stock = self._contract(security)
            listing, quote = stock.listing, self._view.quote(stock.listing)
            item = s2c.snapshotList.add(name=listing.name, status=ACTIVE, yes_sub_title="Yes", no_sub_title="No")
            set_security(item.code, listing)
            _set_code(item.event_code, listing.owner)
            bids, asks = self._view.best_volumes(listing)
            item.price, item.cumulative_volume = quote.price, quote.volume
            item.yes_bid, item.yes_ask = quote.bid, quote.ask
            item.no_bid, item.no_ask = _other(quote.ask), _other(quote.bid)
            item.yes_bid_size = item.no_ask_size = bids
            item.yes_ask_size = item.no_bid_size = asks
            item.last_trade_time = local_text(stock.time(stock.traded_at))
            item.volume_24h = quote.volume
            item.open_interest = self._view.open_interest(listing)

    def _order_book(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the order book of both sides, after a subscription."""
        stock = self._contract(c2s.security)
        self._must_subscribe(client, stock, ORDER_BOOK, "Qot_GetEventContractOrderBook")
        self._fill_book(s2c, stock, c2s.num)

    @staticmethod
    def _fill_book(s2c: Any, stock: StockDay, levels: int) -> None:
        item = s2c.orderBookList.add()
        set_security(item.code, stock.listing)
        asks, bids = stock.book(max(1, min(levels, 50)))
        for price, size, _ in asks:
            item.yesAsks.add(price=price, size=size)
            item.noBids.add(price=_other(price), size=size)
        for price, size, _ in bids:
            item.yesBids.add(price=price, size=size)
            item.noAsks.add(price=_other(price), size=size)

    def _kline(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the last candles of 1, 5 or 60 minutes or of days, after a subscription."""
        stock = self._contract(c2s.security)
        kline = c2s.ktype or 2
        if kline not in _SUB_OF_KLINE:
            raise NotHereError(f"event contracts have no K-line type {kline}")
        self._must_subscribe(client, stock, _SUB_OF_KLINE[kline], "Qot_GetEventContractKline")
        count = min(c2s.maxCount, MOST_BARS) if c2s.HasField("maxCount") else 100
        now = stock.time()
        bars = list(self._bars(stock, kline, now - timedelta(days=5 if _MINUTES[kline] else 400), now))
        self._fill_bars(s2c, stock, bars[-count:] if count > 0 else [], c2s.preSide or YES)

    @staticmethod
    def _bars(stock: StockDay, kline: int, begin: datetime, end: datetime) -> Iterable[Bar]:
        if _MINUTES[kline]:
            return minute_bars(stock, _MINUTES[kline], begin, end, REGULAR, 0)
        return daily_bars(stock, begin.date(), end.date())

    @staticmethod
    def _fill_bars(s2c: Any, stock: StockDay, bars: Iterable[Bar], side: int) -> None:
        item = s2c.klineList.add(pre_side=side, name=stock.listing.name)
        set_security(item.code, stock.listing)
        for bar in bars:
            high, low = (bar.high, bar.low) if side == YES else (_other(bar.low), _other(bar.high))
            opened, close = (bar.open, bar.close) if side == YES else (_other(bar.open), _other(bar.close))
            point = item.klineList.add(time_key=local_text(bar.time), open=opened, close=close)
            point.high, point.low, point.volume = high, low, bar.volume

    def _history(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the candles of a span, in pages."""
        stock = self._contract(c2s.security)
        if c2s.klType not in _SUB_OF_KLINE:
            raise NotHereError(f"event contracts have no K-line type {c2s.klType}")
        begin, end = read_date(c2s.beginTime), read_date(c2s.endTime, late=True)
        check_order(begin, end)
        key = c2s.nextReqKey.decode("ascii", "replace") if isinstance(c2s.nextReqKey, bytes) else c2s.nextReqKey
        if key and not (key.isdecimal() and len(key) < 10):
            raise NotHereError("nextReqKey is not one of ours")
        bars = list(self._bars(stock, c2s.klType, max(begin, end - timedelta(days=366)), end))
        start = int(key or 0)
        stop = start + (min(c2s.maxAckKLNum, MOST_BARS) if c2s.maxAckKLNum > 0 else MOST_BARS)
        self._fill_bars(s2c, stock, bars[start:stop], c2s.preSide or YES)
        if stop < len(bars):
            is_bytes = isinstance(c2s.nextReqKey, bytes)
            s2c.nextReqKey = str(stop).encode() if is_bytes else str(stop)

    def _ticker(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the last trades, after a subscription."""
        stock = self._contract(c2s.security)
        self._must_subscribe(client, stock, TICKER, "Qot_GetEventContractTicker")
        self._fill_trades(s2c, stock, max(1, min(c2s.count or 100, MOST_BARS)))

    @staticmethod
    def _fill_trades(s2c: Any, stock: StockDay, count: int) -> None:
        item = s2c.tickerList.add()
        set_security(item.code, stock.listing)
        for trade in stock.last_trades(count):
            point = item.tickerList.add(time=local_text(stock.time(trade.second)), yesPrice=trade.price)
            point.noPrice, point.volume = _other(trade.price), trade.volume
            point.side, point.sequence = (NO if trade.direction == 2 else YES), str(trade.sequence)

    # Combinations

    def _combos(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the events whose contracts can be combined: those of a series."""
        wanted = _code_of(c2s.series) if c2s.HasField("series") else ""
        events: dict[tuple[str, str], list[Listing]] = {}
        for contract in self._all():
            if wanted in {"", contract.month} and c2s.category in {"", self._category_of(contract.month)[0]}:
                events.setdefault((contract.owner, contract.month), []).append(contract)
        for (event, series), contracts in self._page(list(events.items()), c2s, s2c):
            item = s2c.comboEventList.add(eventName=event, category=self._category_of(series)[0])
            _set_code(item.eventSecurity, event)
            _set_code(item.seriesSecurity, series)
            for contract in contracts:
                set_security(item.comboContracts.add(), contract)
        s2c.mvc = "1"

    def _quote_combo(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return a price for contracts that all have to pay: the product of their prices."""
        if not c2s.comboLegList:
            raise NotHereError("a combination without legs")
        chance = 1.0
        for leg in c2s.comboLegList:
            price = self._view.quote(self._contract(leg.security).listing).price
            chance *= price if leg.predSide != NO else _other(price)
            s2c.comboLegList.add().CopyFrom(leg)
        s2c.bidPrice, s2c.askPrice = round(max(0.0, chance - 0.01), 4), round(min(1.0, chance + 0.01), 4)
        s2c.quoteId = f"{self._view.market.now}-{math.floor(chance * 10_000)}"
        s2c.shouldRetry = False

    # Subscriptions

    def _must_subscribe(self, client: Subscriber, stock: StockDay, sub_type: int, protocol: str) -> None:
        if (stock.listing.full_code, sub_type) not in self._subscribed.get(client.number, {}):
            raise not_subscribed(protocol, sub_type)

    def _subscribe(self, client: Subscriber, c2s: Any, s2c: Any) -> None:  # noqa: ARG002 - the reply has no content
        """Subscribe to contracts, or end subscriptions."""
        known = self._subscribed.setdefault(client.number, {})
        if c2s.isUnsubAll:
            known.clear()
            return
        codes = [self._contract(security).listing.full_code for security in c2s.securityList]
        for sub_type in c2s.subTypeList:
            if sub_type not in _SUB_TYPES:
                raise NotHereError(f"event contracts have no subscription type {sub_type}")
        for code in codes:
            for sub_type in c2s.subTypeList:
                if c2s.isSubOrUnSub:
                    known[code, sub_type] = bool(c2s.isRegOrUnRegPush)
                else:
                    known.pop((code, sub_type), None)

    def leave(self, client: Subscriber) -> None:
        """Forget a client's subscriptions."""
        self._subscribed.pop(client.number, None)

    def step(self) -> Iterator[tuple[int, Push]]:
        """Return the number of a client and a push, for each contract traded in the present second."""
        made: dict[tuple[str, int], Push | None] = {}
        for number, topics in self._subscribed.items():
            for topic, wants_pushes in topics.items():
                if wants_pushes:
                    if topic not in made:
                        made[topic] = self._push(*topic)
                    push = made[topic]
                    if push is not None:
                        yield number, push

    def _push(self, code: str, sub_type: int) -> Push | None:
        listing = self._view.named(code)
        stock = None if listing is None else self._view.market.stock(listing.market, listing.code)
        if stock is None or stock.traded_at != self._view.market.now:
            return None
        kind = {ORDER_BOOK: "OrderBook", TICKER: "Ticker"}.get(sub_type, "Kline")
        entry = registry[f"Qot_UpdateEventContract{kind}"]
        response = success(entry)
        if sub_type == ORDER_BOOK:
            self._fill_book(response.s2c, stock, 10)
        elif sub_type == TICKER:
            self._fill_trades(response.s2c, stock, 1)
        else:
            now = stock.time()
            kline, width = _KLINES[sub_type]
            # The running bar is stamped with its end.
            bars = list(self._bars(stock, kline, now - timedelta(minutes=width), now + timedelta(minutes=width)))
            self._fill_bars(response.s2c, stock, bars[-1:], YES)
        return Push(entry.proto_id, response)


def _other(price: float) -> float:
    """Return the price of the other side."""
    return round(1 - price, 4)


def _code_of(security: Any) -> str:
    return f"EC.{security.code}"


def _set_code(security: Any, code: str) -> None:
    """Fill the ``Security`` of an event or a series, which are no instruments."""
    security.market, security.code = 101, code.partition(".")[2]


def _utc(day: str, *, days: int = 0) -> str:
    """Return the noon of a day as terms of event contracts have it: ISO 8601 in UTC."""
    return f"{date.fromisoformat(day) + timedelta(days=days)}T12:00:00Z"
