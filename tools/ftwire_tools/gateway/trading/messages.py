"""Orders, fills, positions and money as OpenD's messages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.trading.accounts import FUTURE, REAL, Account
from ftwire_tools.gateway.trading.amounts import ZERO, cents, ratio
from ftwire_tools.gateway.trading.fees import fee_items
from ftwire_tools.gateway.trading.order import TimeInForce
from ftwire_tools.gateway.trading.order_types import product_of
from ftwire_tools.gateway.trading.power import MARGIN_RATIOS, POWER_RATIO, SHORT_POWER_RATIO
from ftwire_tools.gateway.trading.rates import converted
from ftwire_tools.gateway.trading.venue import Kind
from ftwire_tools.markets.local_times import local_text

if TYPE_CHECKING:
    from ftwire_tools.gateway.limits import Language
    from ftwire_tools.gateway.trading.accounts import AccountTerms
    from ftwire_tools.gateway.trading.broker import Broker
    from ftwire_tools.gateway.trading.journal import OrderEvent
    from ftwire_tools.gateway.trading.ledger import Flow, Position
    from ftwire_tools.gateway.trading.order import Fill, Order
    from ftwire_tools.gateway.trading.venue import Instrument

__all__ = [
    "fill_account",
    "fill_deal",
    "fill_fees",
    "fill_flow",
    "fill_funds",
    "fill_margin_ratio",
    "fill_order",
    "fill_position",
    "pushes_of",
]

_UPDATE_ORDER, _UPDATE_FILL = "Trd_UpdateOrder", "Trd_UpdateOrderFill"
FLOW_TYPES: Final = {
    "buy": ("Buy", "买入"),
    "sell": ("Sell", "卖出"),
    "fee": ("Fee", "费用"),
    "result": ("Futures Settlement", "期货结算"),
}
"""What a movement of cash is called, in English and in Chinese. The words are ours."""


def pushes_of(broker: Broker, event: OrderEvent) -> list[Push]:
    """Return the pushes about a change, for the subscribers of its account.

    Paper accounts get none about fills (vendor's question Q1).
    """
    found: list[tuple[int, Any]] = []
    account = broker.accounts[event.account.acc_id]
    if event.fill is not None and not event.account.is_paper:
        entry = registry[_UPDATE_FILL]
        response = success(entry)
        fill_deal(response.s2c.orderFill, broker, account, event.fill)
        found.append((entry.proto_id, response))
    if event.is_change:
        entry = registry[_UPDATE_ORDER]
        response = success(entry)
        fill_order(response.s2c.order, broker, account, event.order)
        found.append((entry.proto_id, response))
    for _, message in found:
        header = message.s2c.header
        header.trdEnv, header.accID = event.account.environment, event.account.acc_id
        header.trdMarket = broker.market_of(account, event.order.instrument)
    return [Push(proto_id, message) for proto_id, message in found]


def fill_account(entry: Any, terms: AccountTerms) -> None:
    """Write an account into a ``Trd_Common.TrdAcc``."""
    entry.trdEnv, entry.accID, entry.accType = terms.environment, terms.acc_id, terms.acc_type
    entry.trdMarketAuthList.extend(terms.markets)
    entry.accStatus, entry.accRole = int(terms.is_disabled), terms.role
    if terms.environment == REAL:
        entry.securityFirm = terms.firm
        entry.cardNum = entry.uniCardNum = f"{terms.acc_id % 10**16:016}"
    else:
        entry.simAccType = terms.sim_type


def fill_order(message: Any, broker: Broker, account: Account, order: Order) -> None:
    """Write an order into a ``Trd_Common.Order``."""
    instrument, venue = order.instrument, broker.venue
    message.trdSide, message.orderType, message.orderStatus = order.side, order.order_type, order.status
    message.orderID, message.orderIDEx = order.order_id, order.order_id_ex
    message.code, message.name = instrument.code, instrument.name
    message.qty, message.price = float(order.qty), float(order.price)
    message.createTime, message.updateTime = local_text(order.created), local_text(order.updated)
    message.createTimestamp = venue.stamp(instrument, order.created)
    message.updateTimestamp = venue.stamp(instrument, order.updated)
    message.fillQty, message.fillAvgPrice = float(order.filled), float(order.average)
    message.secMarket, message.currency = instrument.sec_market, instrument.currency
    message.trdMarket = broker.market_of(account, instrument)
    message.remark, message.timeInForce = order.remark, order.time_in_force
    message.fillOutsideRTH, message.session = order.fill_outside_rth, order.session
    if order.last_error:
        message.lastErrMsg = order.last_error
    if order.aux_price is not None:
        message.auxPrice = float(order.aux_price)
    if order.trail_type is not None and order.trail_value is not None:
        message.trailType, message.trailValue = order.trail_type, float(order.trail_value)
    if order.trail_spread is not None:
        message.trailSpread = float(order.trail_spread)
    if order.time_in_force is TimeInForce.GTD and order.expires is not None:
        message.expireTime = order.expires.isoformat()


def fill_deal(message: Any, broker: Broker, account: Account, fill: Fill) -> None:
    """Write a fill into a ``Trd_Common.OrderFill``."""
    instrument = fill.instrument
    message.trdSide = fill.side
    message.fillID, message.fillIDEx = fill.fill_id, fill.fill_id_ex
    message.orderID, message.orderIDEx = fill.order_id, fill.order_id_ex
    message.code, message.name = instrument.code, instrument.name
    message.qty, message.price = float(fill.qty), float(fill.price)
    message.createTime = local_text(fill.time)
    message.createTimestamp = message.updateTimestamp = broker.venue.stamp(instrument, fill.time)
    message.secMarket, message.trdMarket = instrument.sec_market, broker.market_of(account, instrument)
    message.status = int(fill.is_cancelled)


def fill_position(message: Any, broker: Broker, account: Account, position: Position) -> None:
    """Write a position into a ``Trd_Common.Position``."""
    instrument, power = position.instrument, broker.power
    price = broker.venue.last(instrument)
    unrealized = position.unrealized(price)
    message.positionID, message.positionSide = position.position_id, int(position.qty < 0)
    message.code, message.name = instrument.code, instrument.name
    message.qty = float(position.qty)
    free = power.sellable(account, instrument) if position.qty > 0 else power.owed(account, instrument)
    message.canSellQty = float(free)
    message.price, message.val = float(price), float(position.value(price))
    diluted = position.average_cost if instrument.kind is Kind.FUTURE else position.diluted_cost
    message.costPrice = message.dilutedCostPrice = float(diluted)
    message.plVal = message.unrealizedPL = float(unrealized)
    # A ratio, which the vendor's SDK shows times 100: its schema's comment, which has per cent, disagrees.
    message.plRatio = float(ratio(unrealized, position.cost))
    if not account.terms.is_paper or instrument.kind is Kind.FUTURE:
        message.averageCostPrice, message.averagePlRatio = float(position.average_cost), message.plRatio
    message.realizedPL = float(position.realized)
    message.secMarket, message.currency = instrument.sec_market, instrument.currency
    message.trdMarket = broker.market_of(account, instrument)
    position.begin_day(broker.venue.day_begun(instrument))
    message.td_buyQty, message.td_buyVal = float(position.bought_today), float(position.bought_value_today)
    message.td_sellQty, message.td_sellVal = float(position.sold_today), float(position.sold_value_today)
    message.td_trdVal = message.td_buyVal + message.td_sellVal
    message.td_plVal = float(position.result_today(price, broker.venue.reference(instrument)))


def fill_funds(message: Any, broker: Broker, account: Account, currency: int) -> None:
    """Write an account's money into a ``Trd_Common.Funds``, in a currency. Raises ``TradeError``."""
    power, terms = broker.power, account.terms

    def sum_of(amounts: dict[int, Decimal]) -> float:
        return float(cents(sum((converted(each, own, currency) for own, each in amounts.items()), ZERO)))

    values = power.market_value(account)
    frozen = power.frozen(account)
    long = sum_of({own: value for own, (value, _) in values.items()})
    short = sum_of({own: value for own, (_, value) in values.items()})
    cash = account.ledger.cash
    free = {own: money - frozen.get(own, ZERO) for own, money in cash.items()}
    message.cash, message.frozenCash = sum_of(cash), sum_of(frozen)
    message.longMv, message.shortMv, message.marketVal = long, short, sum_of({o: a + b for o, (a, b) in values.items()})
    message.totalAssets = message.securitiesAssets = float(cents(power.assets(account, currency)))
    message.fundAssets = message.bondAssets = message.pendingAsset = 0.0
    message.debtCash = sum_of({own: max(-money, ZERO) for own, money in cash.items()})
    left = sum_of({own: max(money, ZERO) for own, money in free.items()})
    message.currency, message.netCashPower = currency, left
    message.unrealizedPL = float(cents(power.unrealized(account, currency)))
    message.realizedPL = _result_of(account, currency)
    if terms.has_margin:
        available = cents(converted(power.available(account), terms.currency, currency))
        margin = power.margin(account, currency)
        message.power = float(cents(max(available, ZERO) / POWER_RATIO))
        message.maxPowerShort = float(cents(max(available, ZERO) / SHORT_POWER_RATIO))
        message.availableFunds = message.maxWithdrawal = float(max(available, ZERO))
        message.avlWithdrawalCash = min(left, message.availableFunds)
        message.initialMargin, message.marginCallMargin, message.maintenanceMargin = (
            float(cents(each)) for each in margin
        )
        message.riskStatus = _risk(power.assets(account, currency), margin.maintenance)
        if terms.category == FUTURE:
            message.riskLevel = 0 if message.riskStatus <= 3 else 1 if message.riskStatus <= 6 else 2
    else:
        message.power = message.avlWithdrawalCash = message.availableFunds = message.maxWithdrawal = left
    if broker.day_trades.holds(account):
        _fill_day_trades(message, broker, account, currency)
    for own, money in cash.items():
        net = max(free[own], ZERO)
        message.cashInfoList.add(currency=own, cash=float(money), availableBalance=float(net), netCashPower=float(net))
    for market in terms.markets:
        held = ZERO
        for position in account.ledger.positions.values():
            instrument = position.instrument
            if position.qty and broker.market_of(account, instrument) == market:
                value = position.value(broker.venue.last(instrument))
                held += converted(value, instrument.currency, currency)
        message.marketInfoList.add(trdMarket=market, assets=float(cents(held)))


def _result_of(account: Account, currency: int) -> float:
    """Return the result of everything that was closed."""
    positions = account.ledger.positions.values()
    results = (converted(each.realized, each.instrument.currency, currency) for each in positions)
    return float(cents(sum(results, ZERO)))


def _risk(assets: Decimal, maintenance: Decimal) -> int:
    """Return ``CltRiskStatus`` from 1 (safest) to 9, by the share of the assets that the maintenance margin takes."""
    if not maintenance:
        return 1
    if assets <= maintenance:
        return 9
    return 2 + int(maintenance * 7 / assets)


def _fill_day_trades(message: Any, broker: Broker, account: Account, currency: int) -> None:
    left, is_marked = broker.day_trades.left(account)
    message.isPdt = is_marked
    message.pdtSeq = str(left)
    excess = power = ZERO
    if is_marked:
        excess = max(broker.power.available(account), ZERO)
        power = excess * 4
    message.beginningDTBP = message.remainingDTBP = float(cents(converted(power, account.terms.currency, currency)))
    message.dtCallAmount, message.dtStatus = 0.0, 1


def fill_fees(entry: Any, account: Account, order: Order) -> None:
    """Write the fees of an order into a ``Trd_Common.OrderFee``."""
    entry.orderIDEx, entry.feeAmount = order.order_id_ex, float(order.fees)
    if not order.fees:
        return
    instrument = order.instrument
    value = cents(order.paid * instrument.multiplier)
    product = product_of(instrument, account.terms.firm)
    for item in fee_items(instrument, product, order.filled, value, sells=not order.side.buys):
        entry.feeList.add(title=item.title, value=float(item.amount))


def fill_flow(entry: Any, flow: Flow, language: Language) -> None:
    """Write a movement of cash into a ``Trd_FlowSummary.FlowSummaryInfo``."""
    english, chinese = FLOW_TYPES[flow.kind]
    entry.cashFlowID = flow.flow_id
    entry.clearingDate, entry.settlementDate = flow.day.isoformat(), flow.settles.isoformat()
    entry.currency, entry.cashFlowAmount = flow.currency, float(flow.amount)
    entry.cashFlowType = chinese if language == "chs" else english
    entry.cashFlowDirection = 1 if flow.amount > 0 else 2
    entry.cashFlowRemark, entry.createTime = flow.remark, local_text(flow.created)


def fill_margin_ratio(entry: Any, instrument: Instrument, *, can_short: bool) -> None:
    """Write an instrument's margin into a ``Trd_GetMarginRatio.MarginRatioInfo``, in per cent."""
    long, short = MARGIN_RATIOS[instrument.kind]
    entry.security.market, entry.security.code = instrument.qot_market, instrument.code
    entry.isLongPermit, entry.isShortPermit = True, can_short
    if can_short:
        entry.shortPoolRemain, entry.shortFeeRate = 1_000_000.0, 0.5
    for name, margin in (("Long", long), ("Short", short)):
        initial, call, maintenance = (float(each * 100) for each in margin)
        setattr(entry, f"im{name}Ratio", initial)
        setattr(entry, f"alert{name}Ratio", call + 1)
        setattr(entry, f"mcm{name}Ratio", call)
        setattr(entry, f"mm{name}Ratio", maintenance)
