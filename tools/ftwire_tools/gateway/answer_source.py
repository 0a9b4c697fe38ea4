"""Where a gateway's answers come from.

A world knows what OpenD would know. It sees clients only through ``Client``, and is asked from one thread.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol as Entry
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.subscriptions import Change, Subscriptions

__all__ = ["Answer", "Client", "World", "failure", "success"]

RET_FAILED = -1


class Answer(NamedTuple):
    """What a world has to say to a request."""

    message: Message
    """The ``Response``."""
    body: bytes | None = None
    """Its protobuf encoding, where that is known already."""


class Client(Protocol):
    """A client, as a world sees it."""

    @property
    def number(self) -> int:
        """Counts clients from 1."""
        ...

    @property
    def conn_id(self) -> int:
        """Its connection's ``connID``."""
        ...

    @property
    def subscriptions(self) -> Subscriptions:
        """What it has subscribed to."""
        ...

    def push(self, push: Push) -> bool:
        """Send a push if this client wants it; whether it did."""
        ...

    def push_run(self, run: PushRun) -> None:
        """Send pushes, in order, those of them that this client wants."""
        ...

    async def drained(self) -> None:
        """Wait until the client has read so much that there is room for more."""
        ...


class World(Protocol):
    """What answers requests and pushes."""

    def handshake(self) -> dict[str, Any]:
        """Return fields of ``InitConnect.S2C`` that are this world's."""
        ...

    def answer(self, client: Client, entry: Entry, request: Message) -> Answer | Awaitable[Answer]:
        """Answer a request. KeepAlive and the handshake are answered already."""
        ...

    def subscribed(self, client: Client, change: Change) -> None:
        """Take note that a client's subscriptions have changed; its reply is on its way."""
        ...

    def join(self, client: Client) -> None:
        """Take note of a client whose handshake is done."""
        ...

    def leave(self, client: Client) -> None:
        """Forget a client."""
        ...

    async def run(self) -> None:
        """Live until cancelled."""
        ...


def failure(entry: Entry, reason: str) -> Any:
    """Return a ``Response`` that says why not."""
    response: Any = entry.response()
    response.retType = RET_FAILED
    response.retMsg = reason
    response.errCode = 0
    return response


def success(entry: Entry) -> Any:
    """Return a ``Response`` that says it is done, its ``s2c`` there and empty."""
    response: Any = entry.response()
    response.retType = 0
    response.retMsg = ""
    response.errCode = 0
    response.s2c.SetInParent()
    return response
