"""Replies: a reply with the time it took, the table of awaited ones, and the message of a reply."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.errors import WireError
from ftwire.frame import Frame, UnknownBody
from ftwire_tools.client.errors import ConnectionLostError, ReplyDamagedError, ReplyError
from ftwire_tools.messages.masking import message_of

if TYPE_CHECKING:
    from ftwire.events import SentRequest

__all__ = ["AwaitedReplies", "Reply", "read_reply"]


class Reply(NamedTuple):
    """A reply, and how long it took."""

    frame: Frame
    latency: int
    """Nanoseconds since the request was sent."""


class AwaitedReplies:
    """The replies that are awaited on one connection, by protocol ID and serial."""

    def __init__(self) -> None:
        self._futures: Final[dict[tuple[int, int], asyncio.Future[Reply]]] = {}

    def __bool__(self) -> bool:
        return bool(self._futures)

    def expect(self, proto_id: int, serial: int) -> asyncio.Future[Reply]:
        """Return a future for a reply, or the error that it fails with."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._futures[proto_id, serial] = future
        return future

    def forget(self, proto_id: int, serial: int) -> None:
        """Drop the future of a reply."""
        self._futures.pop((proto_id, serial), None)

    def resolve(self, request: SentRequest, reply: Reply) -> None:
        """Resolve the future of a reply, if it is awaited."""
        future = self._pop(request)
        if future is not None:
            future.set_result(reply)

    def fail(self, request: SentRequest, error: Exception) -> bool:
        """Fail the future of a reply with an error; return whether it was awaited."""
        future = self._pop(request)
        if future is None:
            return False
        future.set_exception(error)
        return True

    def fail_all(self, reason: str, cause: BaseException | None) -> None:
        """Fail all futures with ``ConnectionLostError``."""
        for future in self._futures.values():
            if not future.done():
                lost = ConnectionLostError(reason)
                lost.__cause__ = cause
                future.set_exception(lost)
        self._futures.clear()

    def _pop(self, request: SentRequest) -> asyncio.Future[Reply] | None:
        # The reply to KeepAlive is not awaited, nor one whose caller was cancelled.
        future = self._futures.pop((request.proto_id, request.serial), None)
        return None if future is None or future.done() else future


def read_reply(frame: Frame, name: str) -> Any:
    """Return the message of a successful reply. Raises ``ReplyDamagedError`` and ``ReplyError``.

    ``name`` is that of its protocol, for the errors.
    """
    try:
        message: Any = message_of(frame)
    except WireError as error:
        raise ReplyDamagedError(name, frame.serial, str(error)) from error
    if isinstance(message, UnknownBody):
        raise ReplyDamagedError(name, frame.serial, f"its body format is {message.body_format}")
    if message.retType:
        raise ReplyError(name, message)
    return message
