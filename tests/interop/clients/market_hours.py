"""What the made-up market shows to the vendor's SDK: the documented example of get_rt_data, and hours and history.

market_hours.py futu|moomoo PORT
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
    found: dict[str, Any] = {}
    for session in ("ALL", "ETH", "RTH"):
        chosen = getattr(sdk.Session, session)
        checked_sub = quotes.subscribe(["US.AAPL"], [sdk.SubType.RT_DATA], subscribe_push=False, session=chosen)
        assert checked_sub[0] == 0, checked_sub
        data = checked(quotes.get_rt_data("US.AAPL"))
        found[session] = [data["time"].iloc[0], data["time"].iloc[-1], len(data), int(data["opened_mins"].iloc[0])]
    found["OVERNIGHT"] = quotes.subscribe(["US.AAPL"], [sdk.SubType.RT_DATA], session=sdk.Session.OVERNIGHT)[0]
    state = checked(quotes.get_global_state())
    found["state"] = [state["market_us"], state["market_hk"], int(state["timestamp"]), int(state["local_timestamp"])]
    days = checked(quotes.request_trading_days(sdk.TradeDateMarket.US, start="2024-07-02", end="2024-07-05"))
    found["days"] = [[day["time"], day["trade_date_type"]] for day in days]
    rows, key = 0, None
    while True:
        code, page, key = quotes.request_history_kline(
            "US.AAPL", start="2024-05-01", end="2024-06-11", ktype=sdk.KLType.K_1M, max_count=1000, page_req_key=key
        )
        assert code == 0, page
        rows += len(page)
        if key is None:
            break
    found["minutes"] = rows
    found["closes"] = [
        quotes.request_history_kline("US.AAPL", start="2020-08-28", end="2020-08-28", autype=adjusted)[1]["close"][0]
        for adjusted in (sdk.AuType.NONE, sdk.AuType.QFQ, sdk.AuType.HFQ)
    ]
    print("FOUND " + json.dumps(found), flush=True)
    os._exit(0)


main()
