"""Clients of OpenD: for asyncio, and the same without ``await``.

::

    from ftwire_tools.client import Client

    async with Client("127.0.0.1", 11111) as client:
        ...

    from ftwire_tools.client import BlockingClient

    with BlockingClient("127.0.0.1", 11111) as client:
        ...

client          requests, subscriptions, pushes: the interface
blocking        the same interface, for programs without an event loop
connecting      the first connection, and new ones when one is lost
push_router     pushes to their streams, and when to stop reading
transport       one connection: socket, timer, awaited replies
replies         a reply, and those that are awaited
push_stream     pushes, one after the other
subscriptions   what to subscribe to again on a new connection
events          what happens to the connection beside requests and pushes
errors          all errors
rt_table        time-share points as a table
"""

from __future__ import annotations

from ftwire_tools.client.blocking import BlockingClient, BlockingPushStream
from ftwire_tools.client.client import Client
from ftwire_tools.client.events import ClientEvent, ConnectionLost, ConnectionRestored, SubscriptionRefused
from ftwire_tools.client.replies import Reply

__all__ = [
    "BlockingClient",
    "BlockingPushStream",
    "Client",
    "ClientEvent",
    "ConnectionLost",
    "ConnectionRestored",
    "Reply",
    "SubscriptionRefused",
]
