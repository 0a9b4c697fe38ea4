"""The texts of refusals, in the two languages of OpenD.

Where OpenD's own text is known it is used; the others are ours, and say what is wrong. Sources: texts in logs, tests
and issues of client authors, and the vendor's pages. ``OWN`` lists the keys with a text of ours in at least one
language.
"""

# ruff: noqa: RUF001 - OpenD's Chinese texts have the punctuation of Chinese
from __future__ import annotations

from typing import Final, NamedTuple

from ftwire_tools.gateway.limits import Language

__all__ = ["OWN", "TEXTS", "Text", "TradeError"]


class Text(NamedTuple):
    """A text in English and in Chinese, with places for facts as in ``str.format``."""

    en: str
    chs: str
    own: str = ""
    """Languages, separated by spaces, whose text is ours because OpenD's is not known."""


def _own(en: str, chs: str) -> Text:
    return Text(en, chs, "en chs")


def _chs(en: str, chs: str) -> Text:
    """Return a text whose Chinese is OpenD's, and whose English is ours."""
    return Text(en, chs, "en")


TEXTS: Final = {
    # What paper accounts do not have.
    "paper_deals": Text("Simulated trade does not support deal list", "模拟交易不支持成交数据"),
    "paper_fees": Text("Simulated trade is not supported", "暂时不支持模拟交易"),
    "paper_flow": Text("Paper trading does not support requesting cash flow data.", "模拟账户不支持查询现金流水"),
    "paper_margin": _chs("a paper account has no margin ratios", "模拟账户不支持"),
    "paper_combo": _own("a paper account does not take combinations", "模拟账户不支持组合订单"),
    "paper_type": _own(
        "this order type is not for paper accounts: they take limit and market orders only",
        "模拟交易仅支持限价单和市价单",
    ),
    "paper_tif": _own("a paper account takes orders for the day only", "模拟交易仅支持当日有效订单"),
    "paper_op": _own("a paper account's orders can be changed and cancelled only", "模拟交易仅支持改单和撤单"),
    "paper_cancel_all": _own("a paper account's orders cannot be cancelled all at once", "模拟交易不支持全部撤单"),
    # Accounts.
    "locked": Text("unlock needed: unlock trade first", "没有解锁交易，请先解锁交易", "en"),
    "password": _own("unlock failed: wrong password", "解锁失败：交易密码错误"),
    "firm": _own("unknown security firm {firm}", "未知的券商{firm}"),
    "account": _own("no such account", "账户不存在"),
    "disabled": _own("the account is disabled", "账户已停用"),
    "master": _chs("orders are not placed in a master account", "Master account 不允许下单"),
    "market": _chs("the account does not trade in market {market}", "证券账户{account}不支持交易{market}"),
    "code_market": _chs("the account does not trade {code}", "证券账户{account}不支持交易{code}"),
    "currency": _own(
        "an account in several currencies needs the request's currency", "综合账户查询资金需要指定货币种类"
    ),
    "no_rate": _own("there is no rate of currency {currency}", "不支持的货币种类{currency}"),
    # Orders.
    "code": _chs("unknown stock {code}", "未知股票 {code}"),
    "last_day": _own("{code} was traded until {day}", "{code}已到期，最后交易日为{day}"),
    "closed": _own("orders for {code} are placed in its trading hours", "{code}仅支持在交易时段下单"),
    "not_traded": _own("{code} is not traded", "{code}不可交易"),
    "side": _own("unknown side {side}", "未知的交易方向{side}"),
    "short_side": _own(
        "sides are Buy and Sell: SellShort and BuyBack are accepted from accounts of the firm in Japan only",
        "交易方向仅支持买入和卖出",
    ),
    "type": Text("order type {type} is not supported for {product}", "不支持的订单类型", "en"),
    "algorithm": _own("order type {type} cannot be placed by the API", "API不支持提交算法订单"),
    "type_field": _own("an order of type {type} needs {field}", "订单类型{type}需要参数{field}"),
    "trail_type": _own("trailType is 1 (ratio) or 2 (amount)", "跟踪类型错误"),
    "trail_value": _own("a ratio to trail by is above 0 and below 100 per cent", "跟踪比例超出范围"),
    "tif": _own("time in force {tif} is not supported for this order", "不支持的订单有效期{tif}"),
    "expire": _own("expireTime is a day (yyyy-MM-dd) from today to 90 days ahead", "订单有效期须为今日起90天内的日期"),
    "session": _own("session {session} is not supported for this order", "不支持的交易时段{session}"),
    "replayed": _own(
        "this request was received before: the serialNo of its packetID has to be above the last one's",
        "重复的请求：packetID的serialNo须大于上一个",
    ),
    "remark": _own("the remark has more than 64 bytes", "备注超过64字节"),
    "prediction": _own("event contracts are not modelled", "暂不支持预测合约"),
    "quantity": _chs("the quantity is in lots of {lot}", "数量不合法"),
    "quantity_cap": _chs("an order has at most {cap} of this", "下单数量超过最大可用"),
    "value_cap": _own("an order is worth at most {cap}", "单笔订单金额超过上限{cap}"),
    "price": _own("the price is positive", "价格须大于0"),
    "precision": _chs("the price has more than {digits} decimals", "下单接口价格参数精度不符合规范"),
    "tick": _chs(
        "the price is not a multiple of the smallest difference, {tick}",
        "此产品最小单位为 {tick}，请调整至最小单位的整数倍后再提交",
    ),
    "adjust": _chs("no price within the limit of adjustment", "订单价格不在价位上"),
    "band": _own("the price is outside the limits of {low} to {high}", "价格超出涨跌停限制 {low} - {high}"),
    "power": _chs("not enough money", "购买力不足"),
    "position": _chs("not enough shares to sell", "下单数量超过最大可用"),
    "short": _chs("not enough shares to sell", "无法同时买多和卖空"),
    "sell_first": _chs("sell what is held before selling short", "无法同时买多和卖空"),
    "buy_back_first": _own("buy back what was sold short before buying", "请先买回卖空的股票"),
    "day_trade": _own(
        "a fourth day trade in five days would mark the account as a pattern day trader",
        "该订单将导致账户被标记为日内交易者",
    ),
    "full_open": _own("the account has {most} open orders already", "未完成订单数量超过上限{most}"),
    "full": _own("the account has {most} orders already", "订单数量超过上限{most}"),
    "no_match": _own("no other order at exactly this price", "没有可以成交的对手盘"),
    "expired": _own("the order has expired", "订单已过期"),
    # Changes.
    "order": _own("no such order", "订单不存在"),
    "not_open": _own("the order is not open any more", "订单已完结，不能操作"),
    "not_disabled": _own("the order is not disabled", "订单未失效"),
    "not_deletable": _own("only orders that were cancelled or failed without a fill are deleted", "该订单不能删除"),
    "less": _own("less than what is filled already", "改单数量不能小于已成交数量"),
    "op": Text("an order cannot be changed in way {op}", "不支持的订单操作，如需修改订单信息，请撤单后重新提交", "en"),
    "all_cancelled": _own("all orders can only be cancelled", "全部订单仅支持撤单"),
    "all_market": _own("orders for A-shares cannot be cancelled all at once", "A股通不支持全部撤单"),
    # Queries.
    "number": _own("{field} is not a number", "{field}不是有效数字"),
    "time": _own("{text} is neither yyyy-MM-dd nor yyyy-MM-dd HH:mm:ss", "时间格式错误：{text}"),
    "date": _own("{text} is not a day (yyyy-MM-dd)", "日期格式错误：{text}"),
    "range": _own("the begin is after the end", "开始时间晚于结束时间"),
    "flow_by": Text("{account} is asked for cash flow by {field} only", "{account}仅支持通过{field}查询资金流水", "en"),
    "too_many": _own("at most {most} {what} in a request", "单次请求最多{most}个{what}"),
    "margin_kind": _own(
        "margin ratios are those of stocks of Hong Kong and the US", "仅支持查询港股和美股的融资融券数据"
    ),
    "combo": _own("combinations are not modelled: nothing was placed", "暂不支持组合订单"),
}
"""Key to its text."""

OWN: Final = frozenset(key for key, text in TEXTS.items() if text.own)
"""Keys whose text is ours in a language."""


class TradeError(Exception):
    """A request that is refused; its text becomes the reply's ``retMsg``, or an order's ``lastErrMsg``."""

    def __init__(self, key: str, **facts: object) -> None:
        """``key`` is one of ``TEXTS``; ``facts`` are put in its places."""
        super().__init__(key, facts)
        self.key: Final = key
        self.facts: Final = facts

    def text(self, language: Language) -> str:
        """Return the text in a language. Codes and other texts of clients are cut at 32 characters."""
        facts = {name: str(fact)[:32] for name, fact in self.facts.items()}
        found = TEXTS[self.key]
        return (found.chs if language == "chs" else found.en).format(**facts)

    def __str__(self) -> str:
        return self.text("en")
