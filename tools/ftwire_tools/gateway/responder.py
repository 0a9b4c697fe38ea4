"""The responder: answers the requests of one client, except the handshake.

KeepAlive, Qot_GetSubInfo and faulty requests are answered here, everything else by the answer source.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import Answer, Subscriber, failure, success
from ftwire_tools.gateway.subscriptions import SUBSCRIBING
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.session_context import SessionContext

__all__ = ["Client", "Responder"]

RET_INVALID: Final = -500
GET_SUB_INFO: Final = 3003
MAX_WAITING: Final = 64
"""Most requests of one client whose answers are awaited at a time."""


class Client(Subscriber, Protocol):
    """The client whose requests are answered."""

    def reply(self, request: Frame | Envelope, entry: ProtocolEntry, answer: Answer) -> None:
        """Send the answer to a request of a protocol."""
        ...

    def diagnose(self, request: Frame | Envelope) -> None:
        """Report the known mistake that explains a request which cannot be read."""
        ...


class Responder:
    """Answers the requests of one client, which each call is given: nothing here keeps it."""

    def __init__(self, context: SessionContext, faults: Faults | None) -> None:
        self.requests = 0
        """Requests so far."""
        self._source: Final = context.source
        self._log: Final = context.log
        self._faults: Final = faults
        self._waiting: Final[set[asyncio.Task[None]]] = set()
        self._is_over = False

    def handle(self, client: Client, request: Frame | Envelope) -> None:
        """Answer a request."""
        self.requests += 1
        entry = request.protocol
        if entry is None or entry.is_push:
            # With the fields that every Response has, so that the client need not wait for a time-out.
            self._log("unknown-protocol", client=client.number, proto=request.proto_id)
            self._refuse(client, request, registry[KEEP_ALIVE], f"unknown protocol {request.proto_id}")
            return
        if self._faults is not None and self._faults.strikes("refuse", entry.proto_id):
            self._refuse(client, request, entry, "the gateway refuses this request")
            return
        try:
            message: Any = request.message
        except WireError as error:
            client.diagnose(request)
            # Clients print this text, and captures hold it.
            self._refuse(client, request, entry, error_text(error, request), RET_INVALID)
            return
        if isinstance(message, UnknownBody):
            self._refuse(client, request, entry, f"unknown body format {message.body_format}", RET_INVALID)
        elif not message.HasField("c2s"):
            client.diagnose(request)
            self._refuse(client, request, entry, "c2s is missing", RET_INVALID)
        elif entry.proto_id == KEEP_ALIVE:
            response = success(entry)
            response.s2c.time = message.c2s.time
            client.reply(request, entry, Answer(response))
        elif entry.proto_id == GET_SUB_INFO:
            response = success(entry)
            client.subscriptions.fill_info(response.s2c)
            client.reply(request, entry, Answer(response))
        else:
            self._ask_source(client, request, entry, message)

    def stop(self) -> None:
        """Answer nothing more."""
        self._is_over = True
        for task in self._waiting:
            task.cancel()

    def _refuse(
        self, client: Client, request: Frame | Envelope, entry: ProtocolEntry, reason: str, ret_type: int | None = None
    ) -> None:
        response = failure(entry, reason)
        if ret_type is not None:
            response.retType = ret_type
        client.reply(request, entry, Answer(response))

    def _ask_source(self, client: Client, request: Frame | Envelope, entry: ProtocolEntry, message: Message) -> None:
        try:
            answer = self._source.answer(client, entry, message)
        except Exception as error:
            self._internal_error(client, request, entry, error)
            return
        if not isinstance(answer, Awaitable):
            self._finish(client, request, entry, message, answer)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._finish_later(client, request, entry, message, answer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            if inspect.iscoroutine(answer):
                answer.close()
            self._refuse(client, request, entry, "too many requests wait for an answer")

    async def _finish_later(
        self,
        client: Client,
        request: Frame | Envelope,
        entry: ProtocolEntry,
        message: Message,
        answer: Awaitable[Answer],
    ) -> None:
        try:
            found = await answer
        except Exception as error:
            self._internal_error(client, request, entry, error)
            return
        self._finish(client, request, entry, message, found)

    def _finish(
        self, client: Client, request: Frame | Envelope, entry: ProtocolEntry, message: Message, answer: Answer
    ) -> None:
        if self._is_over:
            return
        response: Any = answer.message
        change = None
        if entry.proto_id in SUBSCRIBING and not response.retType:
            change = client.subscriptions.apply(entry.proto_id, message)
            if change.error:
                answer, change = Answer(failure(entry, change.error)), None
        client.reply(request, entry, answer)
        if change is not None:
            self._source.subscribed(client, change)

    def _internal_error(
        self, client: Client, request: Frame | Envelope, entry: ProtocolEntry, error: Exception
    ) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._log("internal-error", client=client.number, proto=entry.proto_id, reason=reason)
        if not self._is_over:
            self._refuse(client, request, entry, "internal error of the gateway")
