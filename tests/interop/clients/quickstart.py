"""What the vendor's documentation has newcomers do first: look at a stock, watch it, trade it on paper.

quickstart.py futu|moomoo quote|trade PORT
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Any


def checked(answer: tuple[Any, ...]) -> Any:
    """The data of a call that succeeded."""
    assert answer[0] == 0, answer
    return answer[1]


def quote(sdk: Any, port: int) -> None:
    context = sdk.OpenQuoteContext(host="127.0.0.1", port=port)
    print(checked(context.get_market_snapshot(["HK.00700"])))
    print(checked(context.get_global_state()))
    print(checked(context.get_stock_basicinfo(sdk.Market.HK, sdk.SecurityType.STOCK)))
    print(checked(context.request_trading_days(sdk.Market.HK, start="2024-06-01", end="2024-06-12")))
    seen = threading.Event()

    class Watch(sdk.StockQuoteHandlerBase):  # type: ignore[misc]  # the SDK is known when it runs
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            code, data = super().on_recv_rsp(rsp_pb)
            if code == sdk.RET_OK:
                seen.set()
            return code, data

    context.set_handler(Watch())
    kinds = [sdk.SubType.QUOTE, sdk.SubType.K_DAY, sdk.SubType.K_1M, sdk.SubType.TICKER, sdk.SubType.RT_DATA]
    checked(context.subscribe(["HK.00700"], [*kinds, sdk.SubType.ORDER_BOOK]))
    assert len(checked(context.get_cur_kline("HK.00700", 10, sdk.SubType.K_1M, sdk.AuType.QFQ))) == 10
    assert len(checked(context.get_rt_ticker("HK.00700", 5))) == 5
    assert len(checked(context.get_order_book("HK.00700"))["Bid"]) == 10
    code, page, key = context.request_history_kline("HK.00700", start="2024-01-02", end="2024-06-11", max_count=50)
    assert code == 0, page
    rows = len(page)
    while key is not None:
        code, page, key = context.request_history_kline(
            "HK.00700", start="2024-01-02", end="2024-06-11", max_count=50, page_req_key=key
        )
        assert code == 0, page
        rows += len(page)
    assert rows == 108, rows  # trading days
    print(checked(context.query_subscription()))
    assert seen.wait(10)
    context.close()


def trade(sdk: Any, port: int) -> None:
    quotes = sdk.OpenQuoteContext(host="127.0.0.1", port=port)
    if hasattr(sdk, "OpenSecTradeContext"):
        context = sdk.OpenSecTradeContext(filter_trdmarket=sdk.TrdMarket.HK, host="127.0.0.1", port=port)
    else:
        context = sdk.OpenHKTradeContext(host="127.0.0.1", port=port)
    paper = {"trd_env": sdk.TrdEnv.SIMULATE}
    print(checked(context.get_acc_list()))
    states = []

    class Watch(sdk.TradeOrderHandlerBase):  # type: ignore[misc]  # as above
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            code, data = super().on_recv_rsp(rsp_pb)
            states.append(data["order_status"][0])
            return code, data

    context.set_handler(Watch())
    price = checked(quotes.get_market_snapshot(["HK.00700"]))["last_price"][0]
    print(checked(context.acctradinginfo_query(sdk.OrderType.NORMAL, "HK.00700", price, **paper)))
    wanted = {"qty": 400, "code": "HK.00700", "trd_side": sdk.TrdSide.BUY, "adjust_limit": 0.01}
    bought = checked(context.place_order(price=round(price * 1.1, 1), **wanted, **paper))
    print(bought)
    end = time.time() + 15
    while "FILLED_ALL" not in states and time.time() < end:
        time.sleep(0.05)
    assert states == ["SUBMITTING", "SUBMITTED", "FILLED_PART", "FILLED_ALL"], states
    assert checked(context.position_list_query(**paper))["qty"][0] == 400
    assert context.deal_list_query(**paper) == (-1, "Simulated trade does not support deal list")
    assert checked(context.accinfo_query(**paper))["cash"][0] < 1_000_000
    waiting = checked(context.place_order(price=1.0, qty=100, code="HK.00700", trd_side=sdk.TrdSide.BUY, **paper))
    checked(context.modify_order(sdk.ModifyOrderOp.NORMAL, waiting["order_id"][0], 200, 2.0, **paper))
    checked(context.modify_order(sdk.ModifyOrderOp.CANCEL, waiting["order_id"][0], 0, 0, **paper))
    code, message = context.place_order(price=1.0, qty=1, code="HK.00700", trd_side=sdk.TrdSide.BUY, **paper)
    assert (code, "lots of 100" in message) == (-1, True), message
    context.close()
    quotes.close()


def main() -> None:
    module, script, port = sys.argv[1:]
    threading.Timer(45, os._exit, (1,)).start()
    {"quote": quote, "trade": trade}[script](importlib.import_module(module), int(port))
    print("finished", flush=True)
    os._exit(0)


main()
