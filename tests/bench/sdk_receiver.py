"""The vendor's Python SDK receiving pushes, for the benchmark to compare with; runs in a Python peer's environment.

    python sdk_receiver.py PORT COUNT rt|book [default]

Subscribes, receives ``COUNT`` pushes in a handler that takes the message and does no more with it, and prints the
seconds from the first to the last, by the clock and of processor time. The SDK's log is at WARNING, unless it is
to stay at its default.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Any

port, wanted, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # the SDK prints too
sdk: Any = importlib.import_module("futu")
if sys.argv[4:] != ["default"]:
    logger = importlib.import_module("futu.common.ft_logger").logger
    logger.console_level = logger.file_level = 30  # logging.WARNING

base, sub_type = {
    "rt": (sdk.RTDataHandlerBase, sdk.SubType.RT_DATA),
    "book": (sdk.OrderBookHandlerBase, sdk.SubType.ORDER_BOOK),
}[kind]
done = threading.Event()
seen = 0
began = ended = (0.0, 0.0)


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class Counting(base):  # type: ignore[misc, valid-type]  # the SDK has no types
    def on_recv_rsp(self, rsp_pb: Any) -> tuple[int, Any]:
        global seen, began, ended
        if not seen:
            began = now()
        seen += 1
        if seen == wanted:
            ended = now()
            done.set()
        return sdk.RET_OK, rsp_pb


context = sdk.OpenQuoteContext(host="127.0.0.1", port=port)
context.set_handler(Counting())
status, reason = context.subscribe(["HK.00700"], [sub_type])
if status != sdk.RET_OK or not done.wait(300):
    print(f"{seen} of {wanted} pushes came: {reason}", file=sys.stderr)
    os._exit(1)
print(ended[0] - began[0], ended[1] - began[1], file=stdout, flush=True)
os._exit(0)  # its threads take seconds to end
