"""Prints the DataFrames of the vendor's Python SDK, call by call, as JSON lines.

Runs inside the SDK's own environment (see ``tests/interop/peers.py``), with nothing of ours on the path::

    {"call": "get_rt_ticker", "columns": ["code", …], "rows": [[…], …]}

Missing values are null, whatever the SDK writes for them ("N/A", NaN, None).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import threading
from typing import Any


def cell(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, list | tuple):
        return [cell(each) for each in value]
    if value is None or value != value or value == "N/A":
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--package", default="futu")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--code", default="HK.00700")
    options = parser.parse_args()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the SDK writes to standard output as it likes

    # A context waits for its gateway for ever: nobody else ends this program.
    watchdog = threading.Timer(30, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    sdk = importlib.import_module(options.package)

    def show(call: str, frame: Any) -> None:
        rows = [[cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
        print(json.dumps({"call": call, "columns": list(frame.columns), "rows": rows}), file=stream, flush=True)

    def answer(call: str, found: tuple[Any, ...]) -> tuple[Any, ...]:
        if found[0] != sdk.RET_OK:
            sys.exit(f"{call}: {found[1]}")
        return found[1:]

    code = options.code
    quotes = sdk.OpenQuoteContext(host="127.0.0.1", port=options.port)
    quotes.subscribe([code], [sdk.SubType.RT_DATA, sdk.SubType.TICKER, sdk.SubType.K_DAY, sdk.SubType.QUOTE])
    quotes.subscribe([code], [sdk.SubType.ORDER_BOOK, sdk.SubType.BROKER])
    for call, *arguments in (
        ("get_rt_data", code),
        ("get_rt_ticker", code),
        ("get_cur_kline", code, 1000, sdk.KLType.K_DAY),
        ("get_stock_quote", [code]),
        ("get_market_snapshot", [code]),
    ):
        show(call, *answer(call, getattr(quotes, call)(*arguments)))
    history = quotes.request_history_kline(code, start="2024-01-01", end="2024-01-09")
    show("request_history_kline", answer("request_history_kline", history)[0])
    bid, ask = answer("get_broker_queue", quotes.get_broker_queue(code))
    show("get_broker_queue: bid", bid)
    show("get_broker_queue: ask", ask)
    (book,) = answer("get_order_book", quotes.get_order_book(code, 10))
    print(json.dumps({"call": "get_order_book", "book": book}, default=str), file=stream, flush=True)
    quotes.close()

    trade = sdk.OpenSecTradeContext(
        filter_trdmarket=sdk.TrdMarket.HK,
        security_firm=sdk.SecurityFirm.FUTUSECURITIES,
        host="127.0.0.1",
        port=options.port,
    )
    paper = {"trd_env": sdk.TrdEnv.SIMULATE}
    for call in (
        "accinfo_query",
        "position_list_query",
        "order_list_query",
        "history_order_list_query",
        "deal_list_query",
        "history_deal_list_query",
    ):
        # Deals of paper accounts: some versions refuse to ask.
        found = getattr(trade, call)(**paper)
        show(call, *answer(call, found))
    trade.close()
    print(json.dumps({"call": "end"}), file=stream, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
