"""The vendor's Python SDK receiving and sending, for the benchmark to compare with.

Runs inside a Python peer's environment, reads the work on standard input and prints seconds:

    python sdk_paths.py < cases.json
    {"cases": [{"name": "rt", "frames": "<base64>", "count": 100, "encrypted": false}], "repeat": 5}

``frames`` are whole frames as a gateway sends them, ``count`` of them. ``encrypted`` ones are AES_CBC with the
key and IV below. The answer, best of ``repeat``, all in seconds for one frame:

    {"package": "futu", "cases": [{"name": "rt", "receive": 8e-05, "parse": 5e-05, "pack": 3e-05}]}

- ``parse``: the SDK's function that takes a frame off its buffer, checks it and parses its body, in the loop
  that calls it: the least the SDK can do for a frame.
- ``receive``: the same inside its connection object, as bytes from the socket go: with its lock and its log,
  which by default writes a line a frame.
- ``pack``: its function that makes a frame of a message.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"
PLAIN, ENCRYPTED = 1, 2  # connection IDs in the SDK's table


class Paths:
    """The SDK's own functions, found where its newest releases (9.x and later) keep them."""

    def __init__(self, package: str) -> None:
        self._utils = importlib.import_module(f"{package}.common.utils")
        base = importlib.import_module(f"{package}.common.open_context_base")
        constant = importlib.import_module(f"{package}.common.constant")
        connections = importlib.import_module(f"{package}.common.conn_mng").FutuConnMng
        for conn_id in (PLAIN, ENCRYPTED):
            encrypted = conn_id == ENCRYPTED
            connections.add_conn({"conn_id": conn_id, "conn_key": AES_KEY, "conn_iv": AES_IV, "is_encrypt": encrypted})
        self._context_class: Any = base.OpenContextBase
        self._ready = constant.ContextStatus.READY

    def parse(self, frames: bytes, encrypted: bool = False) -> list[Any]:
        """The messages in ``frames``."""
        parse_rsp = self._utils.parse_rsp
        conn_id = ENCRYPTED if encrypted else PLAIN
        buffer, messages = bytearray(frames), []
        while buffer:
            result = parse_rsp(buffer, conn_id, encrypted)
            del buffer[: result.total_len]
            messages.append(result.rsp_pb)
        return messages

    def receive(self, frames: bytes, encrypted: bool = False) -> list[Any]:
        """The pushes that a connection object hands on; replies would need requests that wait for them."""
        context = self._context_class.__new__(self._context_class)  # its constructor would connect
        received: queue.Queue[Any] = queue.Queue()
        context._lock = threading.RLock()
        context._status = self._ready
        context._is_encrypt = encrypted
        context._conn_id = context._opend_conn_id = ENCRYPTED if encrypted else PLAIN
        context._req_map = {}
        context._recv_buf = bytearray()
        context._callback_executor = type("Executor", (), {"queue": received})()
        context.on_recv(context._conn_id, frames)
        return [received.get_nowait().rsp_pb for _ in range(received.qsize())]

    def pack(self, messages: list[Any], proto_id: int, encrypted: bool = False) -> list[bytes]:
        """A frame of each message."""
        pack = self._utils.pack_pb_req
        conn_id = ENCRYPTED if encrypted else PLAIN
        return [pack(message, proto_id, conn_id)[2] for message in messages]


def best(work: Callable[[], object], count: int, repeat: int) -> float:
    """Seconds for one of ``count``, the fastest of ``repeat`` runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / count


def measure(paths: Paths, case: dict[str, Any], repeat: int) -> dict[str, Any]:
    frames, count, encrypted = base64.b64decode(case["frames"]), case["count"], case["encrypted"]
    proto_id = int.from_bytes(frames[2:6], "little")
    messages = paths.parse(frames, encrypted)
    if len(messages) != count or None in messages:
        raise ValueError(f"{case['name']}: the SDK does not read {count} messages in these frames")
    seconds = {
        "parse": best(lambda: paths.parse(frames, encrypted), count, repeat),
        "pack": best(lambda: paths.pack(messages, proto_id, encrypted), count, repeat),
    }
    if len(paths.receive(frames, encrypted)) == count:
        seconds["receive"] = best(lambda: paths.receive(frames, encrypted), count, repeat)
    return {"name": case["name"], **seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description="time the vendor SDK's receive and send functions")
    parser.add_argument("--package", default="futu", choices=["futu", "moomoo"])
    options = parser.parse_args()
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    paths = Paths(options.package)
    work = json.load(sys.stdin)
    cases = [measure(paths, case, work.get("repeat", 5)) for case in work["cases"]]
    with output:
        json.dump({"package": options.package, "cases": cases}, output)
        output.write("\n")


if __name__ == "__main__":
    main()
