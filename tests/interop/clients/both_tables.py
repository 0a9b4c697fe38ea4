"""The time-share table from the vendor's SDK and from our client, compared by pandas in one process.

    python both_tables.py PORT OUR_PATH...

Runs in a Python peer's environment, whose protobuf and pandas both use; ``OUR_PATH`` is where our packages and what
they need beside those are found. Exit status 0 when the tables are equal to the last digit and type.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import futu  # type: ignore[import-not-found]  # in the peer
import pandas  # in the peer

port = int(sys.argv[1])
sys.path += sys.argv[2:]

from ftwire_tools.client import BlockingClient, Client  # noqa: E402 - found only now

CODES = ["HK.00700", "US.AAPL", "HK.00005"]


def theirs() -> list[Any]:
    context = futu.OpenQuoteContext(host="127.0.0.1", port=port)
    tables = []
    for code in CODES:
        status, reason = context.subscribe([code], [futu.SubType.RT_DATA], subscribe_push=False)
        assert status == futu.RET_OK, reason
        status, data = context.get_rt_data(code)
        assert status == futu.RET_OK, data
        tables.append(data)
    context.close()
    return tables


async def ours() -> list[Any]:
    async with Client(port=port) as client:
        await client.subscribe(CODES, "RT", push=False)
        return [await client.get_rt_data(code) for code in CODES]


def blocking() -> list[Any]:
    with BlockingClient(port=port) as client:
        client.subscribe(CODES, "RT", push=False)
        return [client.get_rt_data(code) for code in CODES]


for mine, other, sdk in zip(asyncio.run(ours()), blocking(), theirs(), strict=True):
    assert isinstance(mine, pandas.DataFrame)
    pandas.testing.assert_frame_equal(mine, sdk, check_exact=True)
    pandas.testing.assert_frame_equal(other, sdk, check_exact=True)
    assert mine["turnover"].values.tolist() == sdk["turnover"].values.tolist()
sys.stdout.write("\nequal\n")  # at once: a thread of the SDK writes lines, too
sys.stdout.flush()
os._exit(0)  # the SDK's threads take seconds to end
