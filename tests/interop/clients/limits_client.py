"""Runs a list of calls on a vendor's Python SDK, one after the other, and prints what each returned.

Runs inside the peer's own environment (see ``tests/interop/peers.py``), with nothing of ours on the path. The calls are
JSON on standard input, ``[["subscribe", ["US.AAPL"], ["QUOTE"]], ...]``; one that begins with ``trade.`` is made on a
trading context for US stocks. Standard output holds a line for each: ``[0, null]``, or ``[-1, "the SDK's message"]``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--module", default="futu")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    sdk: Any = importlib.import_module(arguments.module)
    sdk.SysConfig.set_all_thread_daemon(True)
    calls = json.load(sys.stdin)
    contexts: dict[bool, Any] = {}
    for name, *values in calls:
        is_trade = name.startswith("trade.")
        if is_trade not in contexts:
            contexts[is_trade] = (
                sdk.OpenSecTradeContext(sdk.TrdMarket.US, "127.0.0.1", arguments.port)
                if is_trade
                else sdk.OpenQuoteContext("127.0.0.1", arguments.port)
            )
        method = getattr(contexts[is_trade], name.removeprefix("trade."))
        options = values.pop() if values and isinstance(values[-1], dict) else {}
        code, data, *_ = method(*values, **options)
        print(json.dumps([code, data if code else None], default=str), file=output, flush=True)
    for context in contexts.values():
        context.close()


if __name__ == "__main__":
    main()
