"""Calls every method of each trade context of the vendor's Python SDK, and prints what it says.

every_trade_call.py PORT; standard output has one JSON object a line: context, call, whether it succeeded, and the rows
or the reason.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

futu: Any = importlib.import_module("futu")

lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

FS = futu.SecurityFirm.FUTUSECURITIES
CASES: dict[str, tuple[Any, str, float, Callable[[Any], Any]]] = {
    "paper HK": (futu.TrdEnv.SIMULATE, "HK.00700", 100, lambda to: futu.OpenSecTradeContext(futu.TrdMarket.HK, **to)),
    "paper US": (futu.TrdEnv.SIMULATE, "US.AAPL", 10, lambda to: futu.OpenSecTradeContext(futu.TrdMarket.US, **to)),
    "real HK": (futu.TrdEnv.REAL, "HK.00700", 100, lambda to: futu.OpenSecTradeContext(futu.TrdMarket.HK, **to)),
    "real US": (futu.TrdEnv.REAL, "US.AAPL", 10, lambda to: futu.OpenSecTradeContext(futu.TrdMarket.US, **to)),
    "real futures": (futu.TrdEnv.REAL, "HK.HSI2406", 1, lambda to: futu.OpenFutureTradeContext(**to)),
    "paper futures": (futu.TrdEnv.SIMULATE, "HK.HSI2406", 1, lambda to: futu.OpenFutureTradeContext(**to)),
    "crypto": (futu.TrdEnv.REAL, "CC.BTCUSD", 0.01, lambda to: futu.OpenCryptoTradeContext(**to)),
}


def plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return json.loads(value.to_json(orient="records"))
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def every(name: str, port: int) -> None:
    env, code, qty, make = CASES[name]
    context = make({"host": "127.0.0.1", "port": port, "security_firm": FS})

    def call(method: str, *arguments: Any, **more: Any) -> Any:
        answer = getattr(context, method)(*arguments, **more)
        data = plain(answer[1])
        print(
            json.dumps({"context": name, "call": method, "ok": answer[0] == futu.RET_OK, "data": data}),
            file=lines,
            flush=True,
        )
        return answer[1] if answer[0] == futu.RET_OK else None

    own = {"trd_env": env}
    leg = futu.ComboLeg()
    leg.code, leg.trd_side, leg.qty_ratio = code, futu.TrdSide.BUY, 1
    day = "2024-06-12"
    call("get_acc_list")
    call("unlock_trade", "123456")
    call("accinfo_query", currency=futu.Currency.HKD, **own)
    quotes = futu.OpenQuoteContext("127.0.0.1", port)
    price = float(quotes.get_market_snapshot([code])[1]["last_price"][0])
    quotes.close()
    bought = call("place_order", round(price * 1.02), qty, code, futu.TrdSide.BUY, adjust_limit=0.02, **own)
    waits = call("place_order", round(price * 0.9), qty, code, futu.TrdSide.BUY, adjust_limit=0.02, **own)
    names = [frame["order_id"][0] for frame in (bought, waits) if frame is not None]
    changed: list[Callable[[], Any]] = [
        lambda: call("modify_order", futu.ModifyOrderOp.NORMAL, names[1], qty, round(price * 0.88), 0.02, **own),
        lambda: call("change_order", names[1], round(price * 0.87), qty, 0.02, **own),
    ]
    for each in changed:
        each()
    call("cancel_all_order", **own)
    call("order_list_query", **own)
    call("history_order_list_query", start=day, end=day, **own)
    call("position_list_query", **own)
    call("deal_list_query", **own)
    call("history_deal_list_query", start=day, end=day, **own)
    call("order_fee_query", names, **own)
    call("acctradinginfo_query", futu.OrderType.NORMAL, code, price, **own)
    call("get_margin_ratio", [code])
    if name == "crypto":
        call("get_acc_cash_flow", start=day, end="2024-06-13", **own)
    else:
        call("get_acc_cash_flow", clearing_date=day, **own)
    call("place_combo_order", [leg], price, qty, **own)
    call("comboorder_tradinginfo_query", [leg], price, qty, **own)
    context.close()


for case in CASES:
    every(case, int(sys.argv[1]))
os._exit(0)
