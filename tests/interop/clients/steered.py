"""Does with the vendor's Python SDK what it is told to on standard input, and prints what it gets as JSON lines.

Runs inside the peer's own environment, with nothing of ours on the path. Each line of input is a call: ``quote``,
``state``, or ``buy PRICE``. Output::

    {"event": "ready"}
    {"event": "push", "what": "quote", "price": 401.2}
    {"event": "push", "what": "notify", "type": "CONN_STATUS", "content": {"qot_logined": false, ...}}
    {"event": "push", "what": "order", "status": "FAILED", "reason": "..."}
    {"event": "reply", "call": "quote", "code": 0, "data": ...}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

CODE = "HK.00700"
_out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what the SDK itself prints goes to standard error


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}, default=str), file=_out, flush=True)


def main(port: int) -> None:
    futu: Any = importlib.import_module("futu")

    class Quotes(futu.StockQuoteHandlerBase):  # type: ignore[misc]  # the SDK has no types
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            code, data = super().on_recv_rsp(rsp_pb)
            if code == 0:
                say("push", what="quote", price=float(data["last_price"][0]))
            return code, data

    class Notices(futu.SysNotifyHandlerBase):  # type: ignore[misc]  # the SDK has no types
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            code, data = super().on_recv_rsp(rsp_pb)
            say("push", what="notify", type=str(data[0]), content=data[2])
            return code, data

    class Orders(futu.TradeOrderHandlerBase):  # type: ignore[misc]  # the SDK has no types
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            code, data = super().on_recv_rsp(rsp_pb)
            say("push", what="order", status=str(data["order_status"][0]), reason=str(data["last_err_msg"][0]))
            return code, data

    quotes = futu.OpenQuoteContext("127.0.0.1", port)
    trades = futu.OpenSecTradeContext(
        filter_trdmarket=futu.TrdMarket.HK, host="127.0.0.1", port=port, security_firm=futu.SecurityFirm.FUTUSECURITIES
    )
    quotes.set_handler(Quotes())
    quotes.set_handler(Notices())
    trades.set_handler(Orders())
    trades.get_acc_list()
    code, data = quotes.subscribe([CODE], [futu.SubType.QUOTE], subscribe_push=True, is_first_push=False)
    say("ready" if code == 0 else "failed", data=data)
    for line in sys.stdin:
        call, *words = line.split()
        if call == "quote":
            code, data = quotes.get_stock_quote([CODE])
            found = float(data["last_price"][0]) if code == 0 else data
        elif call == "state":
            code, data = quotes.get_global_state()
            found = {name: data[name] for name in ("qot_logined", "trd_logined")} if code == 0 else data
        else:
            code, data = trades.place_order(float(words[0]), 100, CODE, futu.TrdSide.BUY, trd_env=futu.TrdEnv.SIMULATE)
            found = str(data["order_status"][0]) if code == 0 else data
        say("reply", call=call, code=code, data=found)
    quotes.close()
    trades.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
