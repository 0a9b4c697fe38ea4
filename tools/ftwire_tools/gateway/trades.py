"""Trades: the simulated accounts as OpenD's messages, for requests and for pushes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.account import OrderEvent, TradeError
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.markets.local_times import local_text

if TYPE_CHECKING:
    from ftwire_tools.gateway.account import Fill, Holding, Order, TradingAccount, TradingAccounts

__all__ = ["Trades", "fill_deal", "fill_order", "pushes_of"]

MODIFY, CANCEL = 1, 2
"""``Trd_Common.ModifyOrderOp``."""


class Trades:
    """Makes replies from accounts; ``notify`` is called with changes of orders."""

    def __init__(self, accounts: TradingAccounts, notify: Callable[[OrderEvent], None]) -> None:
        self._accounts: Final = accounts
        self._notify: Final = notify
        self.answers: Final[dict[str, Callable[[Any, Any], OrderEvent | None]]] = {
            "Trd_GetAccList": self._acc_list,
            "Trd_UnlockTrade": self._unlock,
            "Trd_GetFunds": self._funds,
            "Trd_GetPositionList": self._positions,
            "Trd_GetMaxTrdQtys": self._max_qtys,
            "Trd_PlaceOrder": self._place,
            "Trd_ModifyOrder": self._modify,
            "Trd_GetOrderList": self._orders,
            "Trd_GetHistoryOrderList": self._orders,
            "Trd_GetOrderFillList": self._fills,
            "Trd_GetHistoryOrderFillList": self._fills,
        }
        """Protocol to the function that fills ``s2c`` from ``c2s`` and returns a change of an order.

        Each raises ``TradeError``.
        """

    def _account(self, c2s: Any, s2c: Any) -> TradingAccount:
        header = c2s.header
        s2c.header.CopyFrom(header)
        return self._accounts.find(header.accID, header.trdEnv, header.trdMarket)

    def _acc_list(self, _: Any, s2c: Any) -> None:
        for account in self._accounts.all.values():
            terms = account.terms
            entry = s2c.accList.add(trdEnv=terms.environment, accID=terms.acc_id, accType=1, accStatus=0, accRole=1)
            entry.trdMarketAuthList.extend(terms.markets)
            entry.securityFirm = 1
            if terms.environment:
                entry.cardNum = entry.uniCardNum = str(terms.acc_id)
            else:
                entry.simAccType = 1

    def _unlock(self, c2s: Any, _: Any) -> None:
        self._accounts.is_unlocked = c2s.unlock

    def _funds(self, c2s: Any, s2c: Any) -> None:
        account = self._account(c2s, s2c)
        funds, free = s2c.funds, account.cash - account.frozen
        funds.power = funds.maxPowerShort = funds.netCashPower = free
        funds.totalAssets = account.cash + account.value
        funds.cash = account.cash
        funds.marketVal = funds.longMv = account.value
        funds.frozenCash = account.frozen
        funds.debtCash = 0.0
        funds.avlWithdrawalCash = funds.availableFunds = funds.maxWithdrawal = free
        funds.currency = account.terms.currency
        funds.cashInfoList.add(currency=account.terms.currency, cash=account.cash, availableBalance=free)

    def _positions(self, c2s: Any, s2c: Any) -> None:
        account = self._account(c2s, s2c)
        wanted = set(c2s.filterConditions.codeList)
        for number, holding in enumerate(account.holdings.values(), 1):
            if holding.qty and (not wanted or holding.stock.listing.code in wanted):
                _fill_position(s2c.positionList.add(positionID=number), account, holding)

    def _max_qtys(self, c2s: Any, s2c: Any) -> None:
        account = self._account(c2s, s2c)
        stock = self._accounts.market.traded(c2s.secMarket, c2s.code)
        if stock is None:
            raise TradeError(f"unknown stock {c2s.code!s:.32}")
        lot, price = stock.listing.lot, c2s.price or stock.ask
        holding = account.holding(stock)
        s2c.maxTrdQtys.maxCashBuy = (account.cash - account.frozen) // (price * lot) * lot
        s2c.maxTrdQtys.maxCashAndMarginBuy = s2c.maxTrdQtys.maxCashBuy
        s2c.maxTrdQtys.maxPositionSell = max(holding.qty - account.promised(stock), 0.0)
        s2c.maxTrdQtys.maxSellShort = 0.0
        s2c.maxTrdQtys.maxBuyBack = 0.0

    def _place(self, c2s: Any, s2c: Any) -> OrderEvent:
        account = self._account(c2s, s2c)
        order = self._accounts.place(
            account,
            sec_market=c2s.secMarket,
            code=c2s.code,
            side=c2s.trdSide,
            order_type=c2s.orderType,
            qty=c2s.qty,
            price=c2s.price,
            remark=c2s.remark if isinstance(c2s.remark, str) else "",
        )
        s2c.orderID = order.order_id
        s2c.orderIDEx = order.order_id_ex
        return OrderEvent(account, order, None)

    def _modify(self, c2s: Any, s2c: Any) -> OrderEvent | None:
        account = self._account(c2s, s2c)
        s2c.orderID = c2s.orderID
        if isinstance(c2s.orderIDEx, str):  # protobuf returns text that is not UTF-8 as bytes
            s2c.orderIDEx = c2s.orderIDEx
        if c2s.forAll:
            if c2s.modifyOrderOp != CANCEL:
                raise TradeError("all orders can only be cancelled")
            for order in list(account.orders.values()):
                if order.is_open:
                    self._accounts.cancel(account, order)
                    self._notify(OrderEvent(account, order, None))
            return None
        order = self._accounts.order(account, c2s.orderID, c2s.orderIDEx)
        s2c.orderID, s2c.orderIDEx = order.order_id, order.order_id_ex
        if c2s.modifyOrderOp == CANCEL:
            self._accounts.cancel(account, order)
        elif c2s.modifyOrderOp == MODIFY:
            self._accounts.change(account, order, c2s.qty, c2s.price)
        else:
            raise TradeError(f"an order cannot be changed in way {c2s.modifyOrderOp}")
        return OrderEvent(account, order, None)

    def _orders(self, c2s: Any, s2c: Any) -> None:
        account = self._account(c2s, s2c)
        conditions, states = c2s.filterConditions, set(c2s.filterStatusList)
        codes, ids = set(conditions.codeList), set(conditions.idList)
        names = set(conditions.orderIDExList)
        for order in reversed(account.orders.values()):
            if (
                (not codes or order.stock.listing.code in codes)
                and (not ids or order.order_id in ids)
                and (not names or order.order_id_ex in names)
                and (not states or order.status in states)
            ):
                fill_order(s2c.orderList.add(), account, order)

    def _fills(self, c2s: Any, s2c: Any) -> None:
        account = self._account(c2s, s2c)
        codes = set(c2s.filterConditions.codeList)
        for fill in reversed(account.fills):
            if not codes or fill.order.stock.listing.code in codes:
                fill_deal(s2c.orderFillList.add(), fill)


def pushes_of(event: OrderEvent) -> list[Push]:
    """Return the pushes about a change, for the subscribers of its account."""
    account, order, fill = event
    found: list[tuple[int, Any]] = []
    if fill is not None:
        entry = registry["Trd_UpdateOrderFill"]
        response = success(entry)
        fill_deal(response.s2c.orderFill, fill)
        found.append((entry.proto_id, response))
    changed = registry["Trd_UpdateOrder"]
    response = success(changed)
    fill_order(response.s2c.order, account, order)
    found.append((changed.proto_id, response))
    for _, message in found:
        header = message.s2c.header
        header.trdEnv, header.accID = account.terms.environment, account.terms.acc_id
        header.trdMarket = account.terms.markets[0] if not account.terms.environment else _market(order)
    return [Push(proto_id, message) for proto_id, message in found]


def _market(order: Order) -> int:
    return {1: 1, 2: 2}.get(order.stock.listing.sec_market, 4)


def fill_order(message: Any, account: TradingAccount, order: Order) -> None:
    """Write an order into a ``Trd_Common.Order``."""
    listing = order.stock.listing
    message.trdSide, message.orderType, message.orderStatus = order.side, order.order_type, order.status
    message.orderID, message.orderIDEx = order.order_id, order.order_id_ex
    message.code, message.name = listing.code, listing.name
    message.qty, message.price = order.qty, order.price
    message.createTime, message.updateTime = local_text(order.created), local_text(order.updated)
    message.createTimestamp = order.stock.stamp(order.created)
    message.updateTimestamp = order.stock.stamp(order.updated)
    message.fillQty = order.filled
    message.fillAvgPrice = order.paid / order.filled if order.filled else 0.0
    message.secMarket, message.currency = listing.sec_market, listing.currency
    message.trdMarket = account.terms.markets[0]
    message.remark = order.remark


def fill_deal(message: Any, fill: Fill) -> None:
    """Write a fill into a ``Trd_Common.OrderFill``."""
    order, listing = fill.order, fill.order.stock.listing
    message.trdSide = order.side
    message.fillID, message.fillIDEx = fill.fill_id, f"FTWIRE{fill.fill_id}"
    message.orderID, message.orderIDEx = order.order_id, order.order_id_ex
    message.code, message.name = listing.code, listing.name
    message.qty, message.price = fill.qty, fill.price
    message.createTime = local_text(fill.time)
    message.createTimestamp = order.stock.stamp(fill.time)
    message.secMarket = listing.sec_market
    message.status = 0


def _fill_position(position: Any, account: TradingAccount, holding: Holding) -> None:
    listing, price = holding.stock.listing, holding.stock.price
    gain = (price - holding.cost) * holding.qty
    position.positionSide = 0 if holding.qty > 0 else 1
    position.code, position.name = listing.code, listing.name
    position.qty = holding.qty
    position.canSellQty = max(holding.qty - account.promised(holding.stock), 0.0)
    position.price, position.costPrice = price, holding.cost
    position.val, position.plVal = holding.qty * price, gain
    position.plRatio = gain / (holding.cost * holding.qty) * 100 if holding.cost * holding.qty else 0.0
    position.secMarket, position.currency = listing.sec_market, listing.currency
    position.unrealizedPL = gain
