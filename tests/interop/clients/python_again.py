"""Uses a vendor's Python SDK in a loop: opens a context, makes some calls, closes it, until somebody ends it.

Runs inside the peer's own environment (see ``tests/interop/peers.py``), with nothing of ours on the path. Results of
calls do not matter: this is for ``ftwire fuzz client``, which observes the connection. What the SDK prints, tracebacks
of its threads included, goes to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
import time
import traceback
from typing import Any

CODES = ["HK.00700"]


def use_once(sdk: Any, port: int) -> None:
    context = sdk.OpenQuoteContext(host="127.0.0.1", port=port)
    try:
        for base in ("RTDataHandlerBase", "StockQuoteHandlerBase", "OrderBookHandlerBase", "TickerHandlerBase"):
            context.set_handler(getattr(sdk, base)())
        context.subscribe(CODES, [sdk.SubType.RT_DATA, sdk.SubType.QUOTE], subscribe_push=True)
        context.get_rt_data(CODES[0])
        context.get_stock_quote(CODES)
        context.get_global_state()
        context.get_rt_data(CODES[0])
        time.sleep(0.2)
    finally:
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="use a vendor's Python SDK in a loop")
    parser.add_argument("--package", choices=["futu", "moomoo"], default="futu")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--encrypt", metavar="KEY")
    parser.add_argument("--times", type=int, default=0, help="how often; 0 for ever")
    options = parser.parse_args()
    os.dup2(2, 1)
    sdk = importlib.import_module(options.package)
    if options.encrypt:
        sdk.SysConfig.enable_proto_encrypt(True)
        sdk.SysConfig.set_init_rsa_file(options.encrypt)
    done = 0
    while not options.times or done < options.times:
        done += 1
        try:
            use_once(sdk, options.port)
        except Exception:
            # A program can catch what a call raises: this is no crash, but worth printing.
            print("call raised:", traceback.format_exc(limit=-1).strip().splitlines()[-1], file=sys.stderr, flush=True)
    for thread in threading.enumerate():
        print("left:", thread.name, file=sys.stderr)
    os._exit(0)


if __name__ == "__main__":
    main()
