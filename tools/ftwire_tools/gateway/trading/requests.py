"""Answers to the protocols of trading, from the broker's accounts."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.trading.amounts import ZERO
from ftwire_tools.gateway.trading.messages import (
    fill_account,
    fill_deal,
    fill_fees,
    fill_flow,
    fill_funds,
    fill_margin_ratio,
    fill_order,
    fill_position,
)
from ftwire_tools.gateway.trading.order import OrderTerms, Side
from ftwire_tools.gateway.trading.order_entry import OrderChange, amount
from ftwire_tools.gateway.trading.order_types import OrderType, SecurityFirm
from ftwire_tools.gateway.trading.power import Trade, can_short
from ftwire_tools.gateway.trading.queries import Conditions, cash_flows, listed_fills, listed_orders, listed_positions
from ftwire_tools.gateway.trading.rates import CURRENCIES
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Kind
from ftwire_tools.markets.exchanges import EXCHANGES

if TYPE_CHECKING:
    from ftwire_tools.gateway.trading.accounts import Account
    from ftwire_tools.gateway.trading.broker import Broker

__all__ = ["DEFAULT_PASSWORD", "TradeRequests"]

DEFAULT_PASSWORD: Final = "123456"  # noqa: S105 - of made-up accounts: the one in the vendor's samples
"""Trade password of every firm's accounts where none was chosen."""

NORMAL, CANCEL, DISABLE, ENABLE, DELETE = range(1, 6)
"""``Trd_Common.ModifyOrderOp``."""

MOST_CODES: Final = 100
"""Codes in a request for margin ratios (vendor's page)."""
MOST_ORDERS: Final = 400
"""Orders in a request for fees (vendor's page)."""
_MARGIN_MARKETS: Final = frozenset({1, 2})


class TradeRequests:
    """Answers requests about accounts and orders."""

    def __init__(
        self, broker: Broker, *, password: str = DEFAULT_PASSWORD, passwords: Mapping[int, str] | None = None
    ) -> None:
        """``passwords`` are those of firms (``Trd_Common.SecurityFirm``) that have another than ``password``."""
        self._broker: Final = broker
        self._digests: Final = {
            firm: hashlib.md5((passwords or {}).get(firm, password).encode(), usedforsecurity=False).hexdigest()
            for firm in (*SecurityFirm,)
        }
        self.answers: Final[dict[str, Callable[[Any, Any], None]]] = {
            "Trd_GetAccList": self._accounts,
            "Trd_UnlockTrade": self._unlock,
            "Trd_GetFunds": self._funds,
            "Trd_GetPositionList": self._positions,
            "Trd_GetMaxTrdQtys": self._most,
            "Trd_GetMarginRatio": self._margin_ratios,
            "Trd_GetOrderFee": self._fees,
            "Trd_FlowSummary": self._flows,
            "Trd_PlaceOrder": self._place,
            "Trd_ModifyOrder": self._modify,
            "Trd_GetOrderList": partial(self._orders, is_history=False),
            "Trd_GetHistoryOrderList": partial(self._orders, is_history=True),
            "Trd_GetOrderFillList": partial(self._fills, is_history=False),
            "Trd_GetHistoryOrderFillList": partial(self._fills, is_history=True),
            "Trd_PlaceComboOrder": self._combo,
            "Trd_GetComboMaxTrdQtys": self._combo,
        }
        """Protocol to the function that fills ``s2c`` from ``c2s``. Each raises ``TradeError``."""

    def _account(self, c2s: Any, s2c: Any) -> Account:
        header = c2s.header
        s2c.header.CopyFrom(header)
        return self._broker.find(header.accID, header.trdEnv, header.trdMarket)

    def _real_account(self, c2s: Any, s2c: Any, refusal: str) -> Account:
        """Return the account of a request; refuse a paper account with the text ``refusal``."""
        account = self._account(c2s, s2c)
        if account.terms.is_paper:
            raise TradeError(refusal)
        return account

    def _accounts(self, c2s: Any, s2c: Any) -> None:
        """Return the accounts."""
        for account in self._broker.accounts.values():
            terms = account.terms
            if not c2s.trdCategory or terms.category == c2s.trdCategory:
                fill_account(s2c.accList.add(), terms)

    def _unlock(self, c2s: Any, _: Any) -> None:
        """Unlock or lock the accounts of a firm, of all firms where none is named. Locking needs no password."""
        firms = {int(firm) for firm in SecurityFirm} if not c2s.securityFirm else {c2s.securityFirm}
        if not firms <= self._digests.keys():
            raise TradeError("firm", firm=c2s.securityFirm)
        if not c2s.unlock:
            self._broker.unlocked.difference_update(firms)
            return
        sent = _text(c2s.pwdMD5).encode()
        fits = {firm for firm in firms if hmac.compare_digest(self._digests[firm].encode(), sent)}
        if not fits:
            raise TradeError("password")
        self._broker.unlocked.update(fits)

    def _funds(self, c2s: Any, s2c: Any) -> None:
        """Return an account's money."""
        account = self._account(c2s, s2c)
        terms = account.terms
        currency = terms.currency
        if terms.has_currencies:
            if not c2s.currency:
                raise TradeError("currency")
            currency = c2s.currency
            if currency not in CURRENCIES:
                raise TradeError("no_rate", currency=currency)
        fill_funds(s2c.funds, self._broker, account, currency)

    def _positions(self, c2s: Any, s2c: Any) -> None:
        """Return what an account holds."""
        account = self._account(c2s, s2c)
        least, most = (
            amount(getattr(c2s, name), "number", field=name) if c2s.HasField(name) else None
            for name in ("filterPLRatioMin", "filterPLRatioMax")
        )
        for position in listed_positions(self._broker, account, Conditions(c2s.filterConditions), least, most):
            fill_position(s2c.positionList.add(), self._broker, account, position)

    def _most(self, c2s: Any, s2c: Any) -> None:
        """Return the most that an account can trade of a security."""
        broker = self._broker
        account = self._account(c2s, s2c)
        instrument, power = broker.tradable(account, c2s.secMarket, _text(c2s.code)), broker.power
        try:
            order_type = OrderType(c2s.orderType)
        except ValueError:
            raise TradeError("type", type=c2s.orderType, product=instrument.code) from None
        order = None
        if c2s.orderID or c2s.orderIDEx:
            order = broker.order(account, c2s.orderID, _text(c2s.orderIDEx))
        quote = broker.venue.quote(instrument)
        price = amount(c2s.price, "price")
        if price <= 0:
            price = quote.ask
        kept = order.left if order is not None else ZERO
        held = account.ledger.held(instrument)
        value = price * instrument.multiplier

        def fits_in_cash(qty: Decimal) -> bool:
            return power.affords_in_cash(account, Trade(instrument, order_type, qty, price, Side.BUY), order)

        def fits(side: Side) -> Callable[[Decimal], bool]:
            return lambda qty: power.affords(account, Trade(instrument, order_type, qty, price, side), order)

        found = s2c.maxTrdQtys
        is_future = instrument.kind is Kind.FUTURE
        money = power.free_cash(account, instrument.currency, order)
        cash = ZERO if is_future or held < 0 else power.most(instrument, money / value, fits_in_cash)
        found.maxCashBuy = float(cash)
        buy = cash
        if account.terms.has_margin and held >= 0 and not is_future:
            # Ten times the assets is more than any initial margin here allows.
            bound = max(power.assets(account, instrument.currency), ZERO) * 10 / value
            buy = power.most(instrument, bound, fits(Side.BUY))
        found.maxCashAndMarginBuy = float(buy)
        found.maxPositionSell = float(max(power.sellable(account, instrument, order), ZERO))
        found.maxSellShort = 0.0
        found.maxBuyBack = float(max(power.owed(account, instrument, order), ZERO))
        if can_short(account, instrument) and held <= 0:
            bound = max(power.assets(account, instrument.currency), ZERO) * 20 / value
            found.maxSellShort = float(power.most(instrument, bound, fits(Side.SELL_SHORT)))
        if instrument.kind in {Kind.FUTURE, Kind.OPTION}:
            qty = kept or instrument.lot
            found.longRequiredIM = float(power.margin_change(account, instrument, qty, price))
            found.shortRequiredIM = float(power.margin_change(account, instrument, -qty, price))
        if c2s.HasField("session"):
            found.session = c2s.session

    def _margin_ratios(self, c2s: Any, s2c: Any) -> None:
        """Return the margin ratios of securities."""
        account = self._real_account(c2s, s2c, "paper_margin")
        if len(c2s.securityList) > MOST_CODES:
            raise TradeError("too_many", most=MOST_CODES, what="securities")
        for security in c2s.securityList:
            code = _text(security.code)
            sec_market = _SEC_MARKETS.get(security.market, -1)
            instrument = self._broker.instrument(sec_market, code)
            if instrument.kind is not Kind.STOCK or instrument.sec_market not in _MARGIN_MARKETS:
                raise TradeError("margin_kind")
            short = can_short(account, instrument)
            fill_margin_ratio(s2c.marginRatioInfoList.add(), instrument, can_short=short)

    def _fees(self, c2s: Any, s2c: Any) -> None:
        """Return the fees of orders."""
        account = self._real_account(c2s, s2c, "paper_fees")
        if len(c2s.orderIdExList) > MOST_ORDERS:
            raise TradeError("too_many", most=MOST_ORDERS, what="orders")
        for name in c2s.orderIdExList:
            fill_fees(s2c.orderFeeList.add(), account, self._broker.order(account, 0, _text(name)))

    def _flows(self, c2s: Any, s2c: Any) -> None:
        """Return the cash flow of a day."""
        account = self._real_account(c2s, s2c, "paper_flow")
        for flow in cash_flows(
            account,
            clearing=_text(c2s.clearingDate),
            begin=_text(c2s.startCreateDate),
            end=_text(c2s.endCreateDate),
            direction=c2s.cashFlowDirection,
        ):
            fill_flow(s2c.flowSummaryInfoList.add(), flow, self._broker.language)

    def _place(self, c2s: Any, s2c: Any) -> None:
        """Place an order."""
        account = self._account(c2s, s2c)
        order = self._broker.place(
            account,
            OrderTerms(
                sec_market=c2s.secMarket,
                code=_text(c2s.code),
                side=c2s.trdSide,
                order_type=c2s.orderType,
                qty=c2s.qty,
                **_sent_prices(c2s),
                time_in_force=c2s.timeInForce,
                expire_time=_text(c2s.expireTime),
                session=c2s.session,
                fill_outside_rth=c2s.fillOutsideRTH,
                remark=_text(c2s.remark),
                is_prediction=c2s.HasField("predSide") or c2s.HasField("amount"),
            ),
        )
        s2c.orderID, s2c.orderIDEx = order.order_id, order.order_id_ex

    def _modify(self, c2s: Any, s2c: Any) -> None:
        """Change, cancel or delete an order."""
        broker, op = self._broker, c2s.modifyOrderOp
        account = self._account(c2s, s2c)
        s2c.orderID = c2s.orderID
        s2c.orderIDEx = _text(c2s.orderIDEx)
        if c2s.forAll:
            if op != CANCEL:
                raise TradeError("all_cancelled")
            broker.cancel_all(account, c2s.trdMarket)
            return
        order = broker.order(account, c2s.orderID, _text(c2s.orderIDEx))
        s2c.orderID, s2c.orderIDEx = order.order_id, order.order_id_ex
        if op == NORMAL:
            broker.change(account, order, OrderChange(c2s.qty, **_sent_prices(c2s)))
        elif op in {CANCEL, DISABLE, ENABLE, DELETE}:
            {CANCEL: broker.cancel, DISABLE: broker.disable, ENABLE: broker.enable, DELETE: broker.delete}[op](
                account, order
            )
        else:
            raise TradeError("op", op=op)

    def _orders(self, c2s: Any, s2c: Any, *, is_history: bool) -> None:
        """Return orders: open ones and the day's, or those of a span of time."""
        account = self._account(c2s, s2c)
        conditions = Conditions(c2s.filterConditions)
        for order in listed_orders(self._broker, account, conditions, c2s.filterStatusList, is_history=is_history):
            fill_order(s2c.orderList.add(), self._broker, account, order)

    def _fills(self, c2s: Any, s2c: Any, *, is_history: bool) -> None:
        """Return fills: the day's, or those of a span of time."""
        account = self._real_account(c2s, s2c, "paper_deals")
        for fill in listed_fills(self._broker, account, Conditions(c2s.filterConditions), is_history=is_history):
            fill_deal(s2c.orderFillList.add(), self._broker, account, fill)

    def _combo(self, c2s: Any, s2c: Any) -> None:
        """Refuse combinations, which no account here trades."""
        account = self._account(c2s, s2c)
        raise TradeError("paper_combo" if account.terms.is_paper else "combo")


_SEC_MARKETS: Final = {exchange.qot_market: exchange.sec_market for exchange in EXCHANGES if exchange.sec_market}


def _text(value: object) -> str:
    """Return a text of a message: protobuf returns one that is not UTF-8 as bytes, which is none."""
    return value if isinstance(value, str) else ""


def _sent(message: Any, name: str) -> Any:
    """Return a field, ``None`` where it was not sent."""
    return getattr(message, name) if message.HasField(name) else None


def _sent_prices(c2s: Any) -> dict[str, Any]:
    """Return the prices of a new or changed order, by the names that ``OrderTerms`` and ``OrderChange`` have."""
    return {
        "price": _sent(c2s, "price"),
        "aux_price": _sent(c2s, "auxPrice"),
        "trail_type": _sent(c2s, "trailType"),
        "trail_value": _sent(c2s, "trailValue"),
        "trail_spread": _sent(c2s, "trailSpread"),
        "adjust": c2s.adjustSideAndLimit if c2s.adjustPrice else 0.0,
    }
