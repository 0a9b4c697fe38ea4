"""The vendor's Python SDK from frames of Qot_GetRT replies to DataFrames, for the benchmark to compare with.

Runs inside a Python peer's environment, reads the work on standard input and prints seconds a point:

    python sdk_tables.py < work.json
    {"frames": "<base64>", "count": 100, "repeat": 5}

The path is that of ``get_rt_data``: its parse function, its ``unpack_rsp``, and a DataFrame of the columns it gives.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import time
from typing import Any

COLUMNS = ["code", "name", "time", "is_blank", "opened_mins", "cur_price", "last_close"]
COLUMNS += ["avg_price", "volume", "turnover"]


def tables(frames: bytes, utils: Any, unpack: Any, frame_class: Any) -> list[Any]:
    """A DataFrame for each frame."""
    buffer, found = bytearray(frames), []
    while buffer:
        result = utils.parse_rsp(buffer, 1, False)
        del buffer[: result.total_len]
        _, _, rows = unpack(result.rsp_pb)
        found.append(frame_class(rows, columns=COLUMNS))
    return found


def main() -> None:
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    utils = importlib.import_module("futu.common.utils")
    query = importlib.import_module("futu.quote.quote_query").RtDataQuery
    connections = importlib.import_module("futu.common.conn_mng").FutuConnMng
    connections.add_conn({"conn_id": 1, "conn_key": "", "conn_iv": "", "is_encrypt": False})
    frame_class = importlib.import_module("pandas").DataFrame
    work = json.load(sys.stdin)
    frames = base64.b64decode(work["frames"])
    found = tables(frames, utils, query.unpack_rsp, frame_class)
    if len(found) != work["count"]:
        raise ValueError(f"the SDK reads {len(found)} of {work['count']} frames")
    points = sum(map(len, found))
    times = []
    for _ in range(work["repeat"]):
        start = time.process_time()
        tables(frames, utils, query.unpack_rsp, frame_class)
        times.append((time.process_time() - start) / points)
    with output:
        json.dump({"seconds": min(times), "points": points}, output)
        output.write("\n")


if __name__ == "__main__":
    main()
