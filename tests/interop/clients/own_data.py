"""What a market of the user's own data shows to the vendor's SDK.

own_data.py futu|moomoo PORT
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from typing import Any


def checked(answer: tuple[Any, ...]) -> Any:
    """The data of a call that succeeded."""
    assert answer[0] == 0, answer
    return answer[1]


def main() -> None:
    module, port = sys.argv[1:]
    threading.Timer(45, os._exit, (1,)).start()
    sdk: Any = importlib.import_module(module)
    quotes = sdk.OpenQuoteContext(host="127.0.0.1", port=int(port))
    code = "HK.00700"
    types = [sdk.SubType.RT_DATA, sdk.SubType.TICKER, sdk.SubType.QUOTE, sdk.SubType.K_5M]
    assert quotes.subscribe([code], types, subscribe_push=False)[0] == 0
    found: dict[str, Any] = {}
    minutes = checked(quotes.get_rt_data(code))
    found["rt"] = minutes[~minutes["is_blank"]][["time", "cur_price", "volume", "turnover"]].values.tolist()[1:]
    history = quotes.request_history_kline(code, start="2024-06-12", end="2024-06-12", ktype=sdk.KLType.K_1M)[1]
    columns = ["time_key", "open", "high", "low", "close", "volume", "turnover"]
    found["minutes"] = history[columns].values.tolist()
    found["five"] = checked(quotes.get_cur_kline(code, 10, sdk.SubType.K_5M))[columns].values.tolist()
    days = quotes.request_history_kline(code, start="2024-06-11", end="2024-06-12", ktype=sdk.KLType.K_DAY)[1]
    found["days"] = days[[*columns, "last_close"]].values.tolist()
    quote = checked(quotes.get_stock_quote([code]))
    found["quote"] = quote[["last_price", "open_price", "high_price", "low_price", "volume"]].values.tolist()[0]
    snapshot = checked(quotes.get_market_snapshot([code]))
    found["snapshot"] = snapshot[["last_price", "prev_close_price", "volume"]].values.tolist()[0]
    trades = checked(quotes.get_rt_ticker(code, 1000))
    found["traded"] = [int(trades["volume"].sum()), float(trades["price"].iloc[-1])]
    print("FOUND " + json.dumps(found), flush=True)
    os._exit(0)


main()
