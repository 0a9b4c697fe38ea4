"""What OpenD answers where it refuses a request, by the texts of its replies.

The texts are those that public logs and bug reports of client authors show, in English and Chinese; other releases of
OpenD may word them otherwise, so a text is recognised by its decisive words.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.frame import Role

__all__ = ["refusal_finding"]

MAX_QUOTED: Final = 120
"""Characters of a text that are quoted."""

_TRADE: Final = range(2000, 3000)
_QUOTES: Final = range(3000, 4000)
_ANY: Final = range(1 << 32)

_TEXTS: Final = tuple(
    (mistake, ids, re.compile(pattern, re.IGNORECASE))
    for mistake, ids, pattern in (
        ("digest_refused", _ANY, r"SHA-?1 signature is incorrect|SHA1.*(校验|验证|签名).*(失败|错误|不正确)"),
        ("body_refused", _ANY, r"解析protobuf协议失败|parse protobuf|parsing protobuf|protobuf.*parse.*fail"),
        (
            "trade_locked",
            _TRADE,
            r"没有解锁交易|請先解鎖交易|请先解锁|重新解锁|unl(oc|co)k (trade )?(first|needed)|not unl(oc|co)k",
        ),
        ("firm_refused", _TRADE, r"specified securities firm|securityFirm|券商主体不"),
        (
            "account_refused",
            _TRADE,
            r"acc_?id does(n't| not) exist|nonexisting acc_?id|no (one )?available account|accID.*不存在"
            r"|账户不存在|賬戶不存在",
        ),
        (
            "not_subscribed",
            _QUOTES,
            r"(please |must |need to )subscribe|subscribe .*first|not (been )?subscribed|请先订阅|未订阅",
        ),
        (
            "quota_used_up",
            _QUOTES,
            r"(quota|额度|額度).*(insufficient|exceed|not enough|used up|不足|超限|上限|已满|用完)|insufficient .*quota"
            r"|not enough .*quota|超出限额|订阅.*超.*额度",
        ),
        ("too_frequent", _ANY, r"too frequent|frequency limit|high.?frequency|频率太高|频率限制|[太于]频繁|頻率太高"),
        (
            "no_quote_right",
            _QUOTES,
            r"no right to (subscribe|get)|no (quote|quotation) (right|permission)|(没有|无).*行情权限|行情权限不足",
        ),
        ("protocol_refused", _ANY, r"unknown protocol|未知(的)?协议"),
        (
            "security_refused",
            range(_TRADE.start, _QUOTES.stop),
            r"unknown (stock|security)|cannot find '[^']*' in \w+ stocks|pulling option info fail?d|未知股票",
        ),
    )
)
"""ID of the mistake, the protocols whose replies are meant, and the text."""


def refusal_finding(message: Any, proto_id: int) -> Finding | None:
    """Return why OpenD refused a request, by the ``retMsg`` of its reply; ``None`` for other replies."""
    text = getattr(message, "retMsg", "")
    # protobuf's parser leaves text that is no UTF-8 as bytes.
    if not getattr(message, "retType", 0) or not isinstance(text, str):
        return None
    for mistake, ids, pattern in _TEXTS:
        if proto_id in ids and pattern.search(text[:4096]):
            shown = text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "..."
            unquoted = f"The reply to protocol {proto_id} has retType {message.retType}"
            sender = None if mistake in ("quota_used_up", "no_quote_right", "protocol_refused") else Role.CLIENT
            proof = f'{unquoted} and retMsg "{shown}".'
            return Finding(MISTAKES[mistake], proof, sender, unquoted=f"{unquoted}, and its text is about this.")
    return None
