"""A stop-loss program as a user would write it: buy, protect what was bought, report what became of it.

stop_loss.py PORT; standard output has one JSON object a line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from typing import Any

futu: Any = importlib.import_module("futu")

CODE, SHARES = "US.AAPL", 100
lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def say(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, **facts}), file=lines, flush=True)


def checked(answer: tuple[Any, ...]) -> Any:
    if answer[0] != futu.RET_OK:
        raise RuntimeError(answer[1])
    return answer[1]


class Orders(futu.TradeOrderHandlerBase):  # type: ignore[misc]  # the SDK is known when it runs
    """Remembers the last state of each order."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, Any] = {}
        self.changed = threading.Condition()

    def on_recv_rsp(self, response: Any) -> Any:
        status, data = super().on_recv_rsp(response)
        if status == futu.RET_OK:
            with self.changed:
                for row in data.to_dict("records"):
                    self.last[row["order_id"]] = row
                    say("order", id=row["order_id"], status=row["order_status"], filled=row["dealt_qty"])
                self.changed.notify_all()
        return status, data

    def wait(self, order_id: str, *states: str) -> Any:
        with self.changed:
            if not self.changed.wait_for(lambda: self.last.get(order_id, {}).get("order_status") in states, timeout=30):
                raise RuntimeError(f"{order_id} is {self.last.get(order_id)}")
            return self.last[order_id]


class Deals(futu.TradeDealHandlerBase):  # type: ignore[misc]  # as above
    def on_recv_rsp(self, response: Any) -> Any:
        status, data = super().on_recv_rsp(response)
        if status == futu.RET_OK:
            for row in data.to_dict("records"):
                say("deal", order=row["order_id"], qty=row["qty"], price=row["price"])
        return status, data


def main(port: int) -> None:
    context = futu.OpenSecTradeContext(
        filter_trdmarket=futu.TrdMarket.US, host="127.0.0.1", port=port, security_firm=futu.SecurityFirm.FUTUSECURITIES
    )
    real = {"trd_env": futu.TrdEnv.REAL}
    orders = Orders()
    context.set_handler(orders)
    context.set_handler(Deals())
    checked(context.unlock_trade("123456"))
    start = checked(context.accinfo_query(currency=futu.Currency.USD, **real))["us_cash"][0]

    bought = checked(
        context.place_order(
            price=0, qty=SHARES, code=CODE, trd_side=futu.TrdSide.BUY, order_type=futu.OrderType.MARKET, **real
        )
    )["order_id"][0]
    paid = orders.wait(bought, "FILLED_ALL")["dealt_avg_price"]
    common = {"qty": SHARES, "code": CODE, "trd_side": futu.TrdSide.SELL, **real}
    stop = checked(
        context.place_order(
            price=0, order_type=futu.OrderType.STOP, aux_price=round(paid * 0.95, 2), remark="stop loss", **common
        )
    )["order_id"][0]
    profit = checked(
        context.place_order(
            price=round(paid * 1.1, 2),
            order_type=futu.OrderType.LIMIT_IF_TOUCHED,
            aux_price=round(paid * 1.1, 2),
            time_in_force=futu.TimeInForce.GTC,
            **common,
        )
    )["order_id"][0]
    say("protected", paid=paid, stop=stop, profit=profit)
    sold = orders.wait(stop, "FILLED_ALL")["dealt_avg_price"]
    checked(context.modify_order(futu.ModifyOrderOp.CANCEL, profit, 0, 0, **real))
    orders.wait(profit, "CANCELLED_ALL")

    fees = checked(context.order_fee_query([bought, stop], **real))["fee_amount"].sum()
    end = checked(context.accinfo_query(currency=futu.Currency.USD, **real))["us_cash"][0]
    left = checked(context.position_list_query(**real))
    listed = checked(context.order_list_query(order_id=stop, **real)).to_dict("records")[0]
    say(
        "over",
        paid=paid,
        sold=sold,
        fees=fees,
        change=end - start,
        positions=len(left),
        stop={name: listed[name] for name in ("order_type", "aux_price", "time_in_force", "remark", "order_status")},
    )
    context.close()


try:
    main(int(sys.argv[1]))
except Exception as error:
    say("failed", reason=repr(error))
os._exit(0)
