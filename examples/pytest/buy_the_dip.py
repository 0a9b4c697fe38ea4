"""A small trading program: waits for a price to fall to a limit, buys once, and says what became of the order."""

from __future__ import annotations

import asyncio
import sys

from ftwire_tools.client import Client
from ftwire_tools.client.errors import ReplyError

FILLED, CANCELLED, FAILED = 11, 15, 21
SIMULATED = 0
HK = 1


class BuyTheDip:
    """Buys ``quantity`` of a security of Hong Kong when its price is ``limit`` or less, in a paper account."""

    def __init__(self, host: str, port: int, code: str, limit: float, quantity: int) -> None:
        self.client = Client(host, port)
        self.code = code
        self.limit = limit
        self.quantity = quantity
        self.watching = asyncio.Event()

    async def run(self) -> str:
        """Wait for the price, buy, and return what became of it: ``bought``, ``failed: …`` or ``refused: …``."""
        async with (
            self.client as client,
            client.pushes("Qot_UpdateBasicQot") as quotes,
            client.pushes("Trd_UpdateOrder") as orders,
        ):
            accounts = (await client.request("Trd_GetAccList", {"userID": 0})).s2c.accList
            account = next(one for one in accounts if one.trdEnv == SIMULATED and HK in one.trdMarketAuthList)
            await client.request("Trd_SubAccPush", {"accIDList": [account.accID]})
            await client.subscribe(self.code, "Basic")
            self.watching.set()
            async for frame in quotes:
                if frame.message.s2c.basicQotList[0].curPrice <= self.limit:
                    break
            order = {
                "header": {"trdEnv": SIMULATED, "accID": account.accID, "trdMarket": HK},
                "trdSide": 1,
                "orderType": 1,
                "code": self.code.removeprefix("HK."),
                "secMarket": HK,
                "qty": self.quantity,
                "price": self.limit,
            }
            try:
                await client.request("Trd_PlaceOrder", order)
            except ReplyError as error:
                return f"refused: {error.ret_msg}"
            async for frame in orders:
                found = frame.message.s2c.order
                if found.orderStatus == FILLED:
                    return "bought"
                if found.orderStatus in {FAILED, CANCELLED}:
                    return f"failed: {found.lastErrMsg}"
        return "lost the connection"


if __name__ == "__main__":
    port, code, limit, quantity = sys.argv[1:]
    print(asyncio.run(BuyTheDip("127.0.0.1", int(port), code, float(limit), int(quantity)).run()))
