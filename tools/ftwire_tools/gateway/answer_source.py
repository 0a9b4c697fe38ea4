"""Where a gateway's answers come from: the interface that sessions call for replies and pushes.

``Replay`` answers from captures, ``Synthetic`` from a made-up market. A client is passed to it as ``Subscriber``. All
its methods are called in the thread of the gateway's event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

from ftwire.connection import KEEP_ALIVE
from ftwire.protocols import registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.header import BodyFormat
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.subscriptions import SubscriptionChange, Subscriptions

__all__ = [
    "RET_FAILED",
    "UNKNOWN_PROTOCOL",
    "Answer",
    "AnswerSource",
    "HasClock",
    "Subscriber",
    "content_of",
    "failure",
    "success",
]

RET_FAILED: Final = -1
"""``Common.RetType`` of a failure."""
UNKNOWN_PROTOCOL: Final = "未知的协议ID"
"""How OpenD refuses a protocol that its version does not have."""


class Answer(NamedTuple):
    """The reply to a request."""

    message: Message
    """The ``Response``."""
    body: bytes | None = None
    """Its protobuf encoding, where that exists already."""


class Subscriber(Protocol):
    """A connected client, as an answer source sees it."""

    @property
    def number(self) -> int:
        """Number of its connection, from 1."""
        ...

    @property
    def conn_id(self) -> int:
        """The ``connID`` of its connection."""
        ...

    @property
    def push_format(self) -> BodyFormat:
        """The body format that it has asked for its pushes."""
        ...

    @property
    def subscriptions(self) -> Subscriptions:
        """What it has subscribed to."""
        ...

    @property
    def limits(self) -> Limits:
        """The gateway's limits, and what is used of them."""
        ...

    def push(self, push: Push) -> bool:
        """Send a push if this client has subscribed to it; return whether it was sent."""
        ...

    def push_run(self, run: PushRun) -> None:
        """Send, in order, those pushes of a run that this client has subscribed to."""
        ...

    async def drained(self) -> None:
        """Wait until the client has read enough for more to be sent."""
        ...


class AnswerSource(Protocol):
    """Answers requests and sends pushes."""

    def handshake(self) -> dict[str, Any]:
        """Return fields of ``InitConnect.S2C`` to send beside those of the connection itself."""
        ...

    def answer(self, client: Subscriber, entry: ProtocolEntry, request: Message) -> Answer | Awaitable[Answer]:
        """Return the answer to a request. The session itself answers the handshake, KeepAlive and Qot_GetSubInfo."""
        ...

    def subscribed(self, client: Subscriber, change: SubscriptionChange) -> None:
        """React to a change of a client's subscriptions. Called after the reply was handed to the connection."""
        ...

    def join(self, client: Subscriber) -> None:
        """Add a client whose handshake is done."""
        ...

    def leave(self, client: Subscriber) -> None:
        """Remove a client whose connection has ended."""
        ...

    async def run(self) -> None:
        """Run until cancelled: whatever the source does by itself, without a request."""
        ...


@runtime_checkable
class HasClock(Protocol):
    """An answer source with a time of its own, which KeepAlive shows."""

    def now(self) -> int:
        """Return the present time in seconds since 1970."""
        ...


def failure(entry: ProtocolEntry, reason: str, ret_type: int = RET_FAILED, err_code: int = 0) -> Any:
    """Return a ``Response`` with this ``retType`` and ``errCode``, and ``reason`` as its ``retMsg``."""
    response = _response(entry)
    response.retType = ret_type
    response.retMsg = reason
    response.errCode = err_code
    return response


def success(entry: ProtocolEntry) -> Any:
    """Return a ``Response`` with ``retType`` 0 and an empty ``s2c``, where the protocol's has one."""
    response = _response(entry)
    response.retType = 0
    response.retMsg = ""
    response.errCode = 0
    if "s2c" in entry.response.DESCRIPTOR.fields_by_name:
        response.s2c.SetInParent()
    return response


def content_of(request: Any) -> Any:
    """Return the ``c2s`` of a request, or the request itself where its fields are not in one.

    Requests of ``SkillWrapAPI`` (3801 to 3803) have their fields at the top, InitQuantMode (1009) has none that anybody
    knows.
    """
    return request.c2s if "c2s" in request.DESCRIPTOR.fields_by_name else request


def _response(entry: ProtocolEntry) -> Any:
    """Return a new ``Response``: KeepAlive's, whose first fields all responses share, for one without ``retType``."""
    made: Any = entry.response()
    return made if "retType" in made.DESCRIPTOR.fields_by_name else registry[KEEP_ALIVE].response()
