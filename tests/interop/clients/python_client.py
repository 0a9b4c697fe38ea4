"""Drives a vendor's Python SDK as its documentation does, and prints what it got as JSON lines.

Runs inside the peer's own environment (see ``tests/interop/peers.py``), with nothing of ours on the path.
The SDK's settings are global to the process: one run, one setting.

Standard output holds one object a line; what the SDK itself prints goes to standard error::

    {"event": "reply", "call": "get_rt_data", "code": "HK.00700", "rows": [{...}]}
    {"event": "push", "handler": "RTDataHandlerBase", "rows": [{...}]}
    {"event": "error", "call": "get_rt_data", "message": "..."}
    {"event": "closed"}

Exit status: 0 when every call succeeded and the pushes came, 1 otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Call = Callable[[], object]


class Output:
    """The real standard output, kept for our lines only."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        self.failed = False
        os.dup2(2, 1)

    def line(self, event: str, **facts: object) -> None:
        with self._lock:
            print(
                json.dumps({"event": event, **facts}, default=plain, ensure_ascii=False), file=self._stream, flush=True
            )

    def error(self, call: str, message: object) -> None:
        self.failed = True
        self.line("error", call=call, message=str(message))


def plain(value: Any) -> Any:
    """A JSON value for what pandas and numpy hold."""
    if hasattr(value, "to_dict"):
        return rows(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def rows(frame: Any) -> list[dict[str, Any]]:
    """A DataFrame's rows; what it has no value for is null."""

    def cell(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and math.isnan(value) else value

    return [{name: cell(value) for name, value in row.items()} for row in frame.to_dict("records")]


class Session:
    """One connection, the calls made on it and the pushes it received."""

    def __init__(self, sdk: Any, arguments: argparse.Namespace, output: Output) -> None:
        self.sdk = sdk
        self.codes: list[str] = arguments.codes
        self.output = output
        self.address = {"host": arguments.host, "port": arguments.port}
        self.wanted: int = arguments.pushes
        self.linger: float = arguments.linger
        self.deadline = time.monotonic() + arguments.timeout
        self._received = 0
        self._push = threading.Condition()

    def got_push(self, handler: str, data: object) -> None:
        self.output.line("push", handler=handler, rows=data)
        with self._push:
            self._received += 1
            self._push.notify_all()

    def wait_for_pushes(self) -> None:
        with self._push:
            left = self.deadline - time.monotonic()
            if not self._push.wait_for(lambda: self._received >= self.wanted, timeout=left):
                self.output.error("pushes", f"{self._received} of {self.wanted} came")
        time.sleep(self.linger)

    def check(self, call: str, answer: tuple[Any, ...], **facts: object) -> Any:
        """Print what a call answered; None when it failed."""
        status, data, *rest = answer
        if status != self.sdk.RET_OK:
            self.output.error(call, data)
            return None
        self.output.line("reply", call=call, rows=data, **facts, **({"rest": rest} if rest else {}))
        return data

    def listen(self, context: Any, *bases: str) -> None:
        """Install a handler for each of the SDK's handler classes that this version has."""
        for base in bases:
            if hasattr(self.sdk, base):
                context.set_handler(self._handler(base))

    def _handler(self, base: str) -> Any:
        session = self
        parent = getattr(self.sdk, base)

        def on_recv_rsp(self: Any, response: Any) -> Any:
            answer = parent.on_recv_rsp(self, response)
            if answer[0] == session.sdk.RET_OK:
                session.got_push(base, answer[1])
            else:
                session.output.error(base, answer[1])
            return answer

        return type(f"Printing{base}", (parent,), {"on_recv_rsp": on_recv_rsp})()


def quotes(session: Session, calls: list[str]) -> None:
    sdk = session.sdk
    context = sdk.OpenQuoteContext(**session.address)
    try:
        session.listen(
            context,
            "RTDataHandlerBase",
            "StockQuoteHandlerBase",
            "OrderBookHandlerBase",
            "TickerHandlerBase",
            "CurKlineHandlerBase",
        )

        def subscribe(kind: Any) -> bool:
            status, message = context.subscribe(session.codes, [kind])
            if status != sdk.RET_OK:
                session.output.error("subscribe", message)
            return bool(status == sdk.RET_OK)

        def each(call: str, kind: Any, *more: Any) -> None:
            if subscribe(kind):
                for code in session.codes:
                    session.check(call, getattr(context, call)(code, *more), code=code)

        run: dict[str, Call] = {
            "state": lambda: session.check("get_global_state", context.get_global_state()),
            "rt": lambda: each("get_rt_data", sdk.SubType.RT_DATA),
            "quote": lambda: (
                subscribe(sdk.SubType.QUOTE)
                and session.check("get_stock_quote", context.get_stock_quote(session.codes))
            ),
            "snapshot": lambda: session.check("get_market_snapshot", context.get_market_snapshot(session.codes)),
            "kline": lambda: each("get_cur_kline", sdk.SubType.K_DAY, 10),
            "order-book": lambda: each("get_order_book", sdk.SubType.ORDER_BOOK),
            "ticker": lambda: each("get_rt_ticker", sdk.SubType.TICKER),
            "history-kline": lambda: [
                session.check(
                    "request_history_kline",
                    context.request_history_kline(code, start="2021-06-01", end="2021-06-09"),
                    code=code,
                )
                for code in session.codes
            ],
        }
        for call in calls:
            run[call]()
        session.wait_for_pushes()
    finally:
        context.close()


def trade(session: Session) -> None:
    """Look at the paper account, place an order, watch it, cancel it."""
    sdk = session.sdk
    context = sdk.OpenSecTradeContext(
        filter_trdmarket=sdk.TrdMarket.HK, security_firm=sdk.SecurityFirm.FUTUSECURITIES, **session.address
    )
    try:
        session.listen(context, "TradeOrderHandlerBase", "TradeDealHandlerBase")
        paper = {"trd_env": sdk.TrdEnv.SIMULATE}
        session.check("get_acc_list", context.get_acc_list())
        session.check("unlock_trade", context.unlock_trade("123456"))
        session.check("accinfo_query", context.accinfo_query(**paper))
        session.check("position_list_query", context.position_list_query(**paper))
        order = session.check(
            "place_order",
            context.place_order(price=600.5, qty=200, code="HK.00700", trd_side=sdk.TrdSide.BUY, **paper),
        )
        session.check("order_list_query", context.order_list_query(**paper))
        if order is not None:
            cancel = context.modify_order(sdk.ModifyOrderOp.CANCEL, order["order_id"][0], 0, 0, **paper)
            session.check("modify_order", cancel)
        session.wait_for_pushes()
    finally:
        context.close()


QUOTE_CALLS = ("state", "rt", "quote", "snapshot", "kline", "order-book", "ticker", "history-kline")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="drive a vendor's Python SDK against a gateway")
    parser.add_argument("calls", nargs="*", metavar="CALL", help=f"{', '.join(QUOTE_CALLS)} or trade (default: rt)")
    parser.add_argument("--package", choices=["futu", "moomoo"], default="futu")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11111)
    parser.add_argument("--encrypt", metavar="KEY", help="RSA private key file; switches encryption on")
    parser.add_argument("--json", action="store_true", help="JSON bodies instead of protobuf")
    parser.add_argument("--codes", nargs="+", default=["US.AAPL", "HK.00700"])
    parser.add_argument("--pushes", type=int, default=4, help="pushes to wait for (default: %(default)s)")
    parser.add_argument("--linger", type=float, default=0, help="seconds to stay connected afterwards")
    parser.add_argument("--timeout", type=float, default=20)
    options = parser.parse_args()
    if unknown := set(options.calls) - {*QUOTE_CALLS, "trade"}:
        parser.error(f"no such call: {', '.join(sorted(unknown))}")
    options.calls = options.calls or ["rt"]
    return options


def main() -> int:
    options = arguments()
    output = Output()
    sdk = importlib.import_module(options.package)
    if options.encrypt:
        sdk.SysConfig.enable_proto_encrypt(True)
        sdk.SysConfig.set_init_rsa_file(options.encrypt)
    if options.json:
        sdk.SysConfig.set_proto_fmt(sdk.ProtoFMT.Json)

    # A context waits for its gateway for ever: nobody else ends this program.
    def give_up() -> None:
        output.error("timeout", f"not finished after {options.timeout} s")
        os._exit(1)

    watchdog = threading.Timer(options.timeout + 5, give_up)
    watchdog.daemon = True
    watchdog.start()

    session = Session(sdk, options, output)
    if "trade" in options.calls:
        trade(session)
    else:
        quotes(session, options.calls)
    output.line("closed")
    # The SDK leaves threads behind that are no daemons in some versions.
    os._exit(1 if output.failed else 0)


if __name__ == "__main__":
    sys.exit(main())
