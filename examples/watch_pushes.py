"""Print the next pushes of two securities, with asyncio.

    python watch_pushes.py [PORT]

Needs a gateway on that port of this machine: OpenD, or `ftwire serve --synthetic`.
"""

import asyncio
import sys

from ftwire.messages import Qot_UpdateRT
from ftwire_tools.client import Client


async def main(port: int) -> None:
    """Subscribe, and read four pushes."""
    async with Client("127.0.0.1", port) as client, client.pushes("Qot_UpdateRT") as pushes:
        await client.subscribe(["HK.00700", "US.AAPL"], "RT")
        for _ in range(4):
            push = (await anext(pushes)).as_(Qot_UpdateRT.Response)
            for point in push.s2c.rtList:
                print(push.s2c.security.code, point.time, point.price)


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 11111))
