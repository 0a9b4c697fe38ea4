"""The vendor's Python SDK receiving and sending, for the benchmark to compare with.

Runs inside a Python peer's environment, reads the work on standard input and prints seconds:

    python sdk_paths.py < cases.json
    {"cases": [{"name": "rt", "frames": "<base64>", "count": 100, "cipher": "plain"}], "repeat": 5}

``frames`` are whole frames as a gateway sends them, ``count`` of them, with the key and IV below for ``AES_CBC``;
``FTAES_ECB`` is what the SDK speaks with a gateway that gives it no IV. The answer, the median of ``repeat`` runs, all
in seconds for one frame:

    {"package": "futu", "cases": [{"name": "rt", "receive": 8e-05, "logged": 9e-05, "parse": 5e-05, ...}]}

- ``receive``: what the SDK's connection object does with bytes from the socket, 64 KiB at a time, until a
  message is handed to whoever waits for it; with its log at WARNING.
- ``logged``: the same with the log as it is by default, which is a line a frame.
- ``bytewise``: as ``receive``, one byte at a time, for a frame of the first few.
- ``parse``: of that, only the function that takes a frame off its buffer, checks it and parses its body, in
  the loop that calls it: the least the SDK can do for a frame.
- ``pack``: its function that makes a frame of a message.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import logging
import os
import queue
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"
CONNECTIONS = {"plain": 1, "AES_CBC": 2, "FTAES_ECB": 3}  # IDs in the SDK's table
CHUNK = 64 * 1024
BYTEWISE = 10  # frames
HEADER = 44


class Paths:
    """The SDK's own functions, found where its newest releases (9.x and later) keep them."""

    def __init__(self, package: str) -> None:
        self._utils = importlib.import_module(f"{package}.common.utils")
        base = importlib.import_module(f"{package}.common.open_context_base")
        constant = importlib.import_module(f"{package}.common.constant")
        connections = importlib.import_module(f"{package}.common.conn_mng").FutuConnMng
        for cipher, conn_id in CONNECTIONS.items():
            iv, encrypted = (None if cipher == "FTAES_ECB" else AES_IV), cipher != "plain"
            connections.add_conn({"conn_id": conn_id, "conn_key": AES_KEY, "conn_iv": iv, "is_encrypt": encrypted})
        self._base: Any = base
        self._context_class: Any = base.OpenContextBase
        self._logger: Any = importlib.import_module(f"{package}.common.ft_logger").logger
        self._ready = constant.ContextStatus.READY

    def parse(self, frames: bytes, cipher: str) -> list[Any]:
        """The messages in ``frames``."""
        parse_rsp = self._utils.parse_rsp
        conn_id, encrypted = CONNECTIONS[cipher], cipher != "plain"
        buffer, messages = bytearray(frames), []
        while buffer:
            result = parse_rsp(buffer, conn_id, encrypted)
            del buffer[: result.total_len]
            messages.append(result.rsp_pb)
        return messages

    def connection(self, frames: bytes, cipher: str) -> Any:
        """A connection object that waits for the replies among ``frames``."""
        context = self._context_class.__new__(self._context_class)  # its constructor would connect
        context._lock = threading.RLock()
        context._status = self._ready
        context._is_encrypt = cipher != "plain"
        context._conn_id = context._opend_conn_id = CONNECTIONS[cipher]
        context._recv_buf = bytearray()
        context._callback_executor = type("Executor", (), {"queue": queue.Queue()})()
        context._req_map = {}
        at = 0
        while at < len(frames):
            proto_id, serial, length = _ids(frames, at)
            waiting = self._base.ReqInfo(proto_id, serial, time.time(), True)
            context._req_map[self._base.ProtoInfo(proto_id=proto_id, serial_no=serial)] = waiting
            at += HEADER + length
        return context

    def receive(self, context: Any, chunks: list[bytes]) -> int:
        """Return how many pushes a connection object handed on."""
        received, conn_id = context._callback_executor.queue, context._conn_id
        pushes = 0
        for chunk in chunks:
            context.on_recv(conn_id, chunk)
            while not received.empty():
                received.get_nowait()
                pushes += 1
        return pushes

    def set_log(self, level: int) -> None:
        """Set the lowest level that the SDK writes to its log file; its default is DEBUG."""
        self._logger.file_level = level

    def pack(self, messages: list[Any], proto_id: int, cipher: str) -> list[bytes]:
        """A frame of each message."""
        pack = self._utils.pack_pb_req
        conn_id = CONNECTIONS[cipher]
        return [pack(message, proto_id, conn_id)[2] for message in messages]


def _ids(frames: bytes, at: int) -> tuple[int, int, int]:
    """Protocol ID, serial and body length of the frame at ``at``."""
    return (
        int.from_bytes(frames[at + 2 : at + 6], "little"),
        int.from_bytes(frames[at + 8 : at + 12], "little"),
        int.from_bytes(frames[at + 12 : at + 16], "little"),
    )


def typical(work: Callable[[], object], count: int, repeat: int) -> float:
    """Seconds for one of ``count``, the median of ``repeat`` runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times) / count


def typical_receive(paths: Paths, frames: bytes, cipher: str, chunk: int, count: int, repeat: int) -> float:
    """Seconds to receive one of ``count``; making the requests that wait is not counted."""
    chunks = [frames[at : at + chunk] for at in range(0, len(frames), chunk)]
    times = []
    for _ in range(repeat):
        context = paths.connection(frames, cipher)
        waiting = dict(context._req_map)
        start = time.process_time()
        pushes = paths.receive(context, chunks)
        times.append(time.process_time() - start)
        answered = sum(request.rsp is not None for request in waiting.values())
        if max(pushes, answered) != count:
            raise ValueError(f"the SDK received {pushes} pushes and {answered} replies of {count}")
    return statistics.median(times) / count


def measure(paths: Paths, case: dict[str, Any], repeat: int) -> dict[str, Any]:
    frames, count, cipher = base64.b64decode(case["frames"]), case["count"], case["cipher"]
    proto_id = int.from_bytes(frames[2:6], "little")
    messages = paths.parse(frames, cipher)
    if len(messages) != count or None in messages:
        raise ValueError(f"{case['name']}: the SDK does not read {count} messages in these frames")
    few = frames[: len(frames) * BYTEWISE // count]  # all frames of a case have one size
    seconds = {}
    for name, level in (("receive", logging.WARNING), ("logged", logging.DEBUG)):
        paths.set_log(level)
        seconds[name] = typical_receive(paths, frames, cipher, CHUNK, count, repeat)
    paths.set_log(logging.WARNING)
    if len(few) // BYTEWISE < CHUNK // 8:
        seconds["bytewise"] = typical_receive(paths, few, cipher, 1, BYTEWISE, repeat)
    seconds["parse"] = typical(lambda: paths.parse(frames, cipher), count, repeat)
    seconds["pack"] = typical(lambda: paths.pack(messages, proto_id, cipher), count, repeat)
    paths.set_log(logging.DEBUG)
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
