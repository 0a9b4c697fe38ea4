"""An asyncio client of OpenD, and what it stands on.

::

    from ftwire_tools.client import Client

    async with Client("127.0.0.1", 11111) as client:
        ...
"""

from __future__ import annotations

from ftwire_tools.client.client import (
    Client,
    ClientEvent,
    ConnectionLost,
    ConnectionRestored,
    Reply,
    SubscriptionRefused,
)

__all__ = ["Client", "ClientEvent", "ConnectionLost", "ConnectionRestored", "Reply", "SubscriptionRefused"]
