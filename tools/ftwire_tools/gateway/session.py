"""One client's session: answers its requests and sends its pushes.

The protocol is in ``ftwire.Connection`` and ``ftwire.WebSocketConnection``, the content comes from the answer source.
Here is what OpenD does for every client whatever the content: KeepAlive, subscriptions, limits, and faults.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import encode_body
from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import Answer, failure, success
from ftwire_tools.gateway.faults import Faults
from ftwire_tools.gateway.outbox import FaultyOutbox
from ftwire_tools.gateway.session_context import ReceivedRequest
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, QUOTA, TRD_SUB_ACC_PUSH, Subscriptions

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.transport import ClientTransport

__all__ = ["ClientSession"]

RET_INVALID: Final = -500
GET_SUB_INFO: Final = 3003
REFUSAL: Final = "the gateway refuses this request"
MAX_NAME: Final = 64
"""Most characters kept of ``programmingLanguage``."""
MAX_WAITING: Final = 64
"""Most requests of one client whose answers are awaited at a time."""


class ClientSession(ABC):
    """What sessions on TCP and on WebSocket have in common."""

    def __init__(self, number: int, peer: str, transport: ClientTransport, context: SessionContext) -> None:
        """``number`` counts connections from 1, ``peer`` is the client's address."""
        settings = context.settings
        self.number: Final = number
        self.peer: Final = peer
        self.conn_id = 0
        """``connID``, once the handshake is done."""
        self.is_open = False
        """Whether the handshake is done."""
        self.is_over = False
        """Whether the connection has ended."""
        self.subscriptions: Final = Subscriptions()
        self.requests = 0
        """Requests so far, without the handshake."""
        self.pushes = 0
        """Pushes sent so far."""
        self._transport: Final = transport
        self._context: Final = context
        self._source: Final = context.source
        self._settings: Final = settings
        self._log: Final = context.log
        self._faults: Final = Faults(settings.faults, seed=settings.seed, client=number) if settings.faults else None
        self._outbox: Final = FaultyOutbox(transport, self._faults) if self._faults is not None else None
        self._flush_due = False
        self._waiting: Final[set[asyncio.Task[None]]] = set()

    # Implemented for TCP and for WebSocket

    @abstractmethod
    def _send_reply(self, request: Any, body: Message | bytes) -> None:
        """Hand a reply to the connection: a message, or its encoded body."""

    @abstractmethod
    def _send_push(self, push: Push) -> None:
        """Hand a push to the connection. Raises ``BodyError``."""

    def _send_joined(self, run: PushRun) -> int | None:  # noqa: ARG002 - used on TCP
        """Hand the subscribed pushes of a run to the connection as one piece; return how many there are.

        Return ``None`` where each has to be sent alone. Raises ``BodyError`` before anything is handed over.
        """
        return None

    @abstractmethod
    def _send_spoiled(self, proto_id: int, body: bytes) -> None:
        """Hand a push with a damaged body to the connection."""

    @abstractmethod
    def _take(self) -> list[bytes]:
        """Return the connection's output: pieces of the stream, or messages."""

    @property
    @abstractmethod
    def _push_format(self) -> BodyFormat:
        """The body format that the client wants pushes in."""

    # Subscriber: called by the answer source

    def push(self, push: Push) -> bool:
        """Send a push if this client has subscribed to it; return whether it was sent."""
        if not self.is_open or self.is_over:
            return False
        chosen = self.subscriptions.select(push)
        if chosen is None:
            return False
        self.pushes += 1
        try:
            if self._faults is None:
                self._send_push(chosen)
                self._flush_soon()
            else:
                self._push_with_faults(chosen, self._faults)
        except WireError as error:
            self._log("push-left-out", client=self.number, proto=push.proto_id, reason=str(error))
            return False
        self._check_unsent()
        return True

    def push_run(self, run: PushRun) -> None:
        """Send, in order, those pushes of a run that this client has subscribed to."""
        if not self.is_open or self.is_over:
            return
        if self._faults is None:
            with suppress(WireError):  # each is then sent alone, and the one that fails is logged
                sent = self._send_joined(run)
                if sent is not None:
                    self.pushes += sent
                    self._flush_soon()
                    self._check_unsent()
                    return
        for push in run.pushes:
            self.push(push)

    def _check_unsent(self) -> None:
        if self._transport.unsent() + (self._outbox.size if self._outbox else 0) > self._settings.max_unsent:
            self.cut_off(f"slow reader: {self._transport.unsent()} bytes wait for it")

    async def drained(self) -> None:
        """Wait until there is room for more."""
        self.flush()
        if self._outbox is not None:
            await self._outbox.drained()
        await self._transport.drained()

    # Requests

    def handle(self, request: Frame | Envelope) -> None:
        """Answer a request that is not the handshake."""
        self.requests += 1
        entry = request.protocol
        if entry is None or entry.is_push:
            self._refuse_unknown(request)
            return
        if self._refuses(entry.proto_id):
            self._reply(request, entry, Answer(failure(entry, REFUSAL)))
            return
        try:
            message = request.message
        except WireError as error:
            self._reply(request, entry, Answer(_invalid(entry, str(error))))
            return
        if isinstance(message, UnknownBody):
            self._reply(request, entry, Answer(_invalid(entry, f"unknown body format {message.body_format}")))
            return
        asked: Any = message
        if not asked.HasField("c2s"):
            self._reply(request, entry, Answer(_invalid(entry, "c2s is missing")))
        elif entry.proto_id == KEEP_ALIVE:
            response = success(entry)
            response.s2c.time = asked.c2s.time
            self._reply(request, entry, Answer(response))
        elif entry.proto_id == GET_SUB_INFO:
            self._reply(request, entry, Answer(self._sub_info(entry)))
        else:
            self._ask_source(request, entry, asked)

    def _ask_source(self, request: Frame | Envelope, entry: ProtocolEntry, message: Message) -> None:
        try:
            answer = self._source.answer(self, entry, message)
        except Exception as error:
            self._internal_error(request, entry, error)
            return
        if not isinstance(answer, Awaitable):
            self._finish(request, entry, message, answer)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._finish_later(request, entry, message, answer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            if inspect.iscoroutine(answer):
                answer.close()
            self._reply(request, entry, Answer(failure(entry, "too many requests wait for an answer")))

    async def _finish_later(
        self, request: Frame | Envelope, entry: ProtocolEntry, message: Message, answer: Awaitable[Answer]
    ) -> None:
        try:
            found = await answer
        except Exception as error:
            self._internal_error(request, entry, error)
            return
        self._finish(request, entry, message, found)

    def _internal_error(self, request: Frame | Envelope, entry: ProtocolEntry, error: Exception) -> None:
        self._log("internal-error", client=self.number, proto=entry.proto_id, reason=f"{type(error).__name__}: {error}")
        if not self.is_over:
            self._reply(request, entry, Answer(failure(entry, "internal error of the gateway")))

    def _finish(self, request: Frame | Envelope, entry: ProtocolEntry, message: Message, answer: Answer) -> None:
        if self.is_over:
            return
        response: Any = answer.message
        change = None
        if entry.proto_id in {QOT_SUB, QOT_REG_PUSH, TRD_SUB_ACC_PUSH} and not response.retType:
            change = self.subscriptions.apply(entry.proto_id, message)
            if change.error:
                answer, change = Answer(failure(entry, change.error)), None
        self._reply(request, entry, answer)
        if change is not None:
            self._source.subscribed(self, change)

    def _sub_info(self, entry: ProtocolEntry) -> Any:
        response = success(entry)
        info = response.s2c.connSubInfoList.add(usedQuota=len(self.subscriptions.topics), isOwnConnData=True)
        by_type: dict[int, Any] = {}
        for topic in self.subscriptions.topics:
            if topic.sub_type not in by_type:
                by_type[topic.sub_type] = info.subInfoList.add(subType=topic.sub_type)
            by_type[topic.sub_type].securityList.add(market=topic.market, code=topic.code)
        response.s2c.totalUsedQuota = len(self.subscriptions.topics)
        response.s2c.remainQuota = QUOTA - len(self.subscriptions.topics)
        return response

    def _refuse_unknown(self, request: Frame | Envelope) -> None:
        """Answer with the fields that every ``Response`` has, so that the client need not wait for a time-out."""
        self._log("unknown-protocol", client=self.number, proto=request.proto_id)
        entry = registry[KEEP_ALIVE]
        self._reply(request, entry, Answer(failure(entry, f"unknown protocol {request.proto_id}")))

    def _reply(self, request: Frame | Envelope, entry: ProtocolEntry, answer: Answer) -> None:
        body_format = BodyFormat.JSON if request.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF
        body = answer.body if body_format is BodyFormat.PROTOBUF else None
        try:
            self._send(answer.message, body, body_format, request)
        except WireError as error:
            self._log("reply-left-out", client=self.number, proto=request.proto_id, reason=str(error))
            self._send(failure(entry, f"no reply can be made: {error}"), None, body_format, request)

    # Sending

    def _send(self, message: Message, body: bytes | None, body_format: BodyFormat, request: Frame | Envelope) -> None:
        """Send a reply. Raises ``BodyError``."""
        proto_id = request.proto_id
        faults = self._faults
        plain: Message | bytes = message if body is None else body
        if faults is not None and faults.strikes("bad-body", proto_id):
            plain = faults.spoil_body(body if body is not None else encode_body(message, body_format))
        self._send_reply(request, plain)
        if faults is None:
            self._flush_soon()
        else:
            self._send_with_faults(proto_id, is_push=False)

    def _flush_soon(self) -> None:
        """Flush at the end of this turn of the event loop, so that all it sends leaves in one write."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _push_with_faults(self, push: Push, faults: Faults) -> None:
        if faults.strikes("bad-body", push.proto_id):
            self._send_spoiled(push.proto_id, faults.spoil_body(push.body(self._push_format)))
        else:
            self._send_push(push)
        self._send_with_faults(push.proto_id, is_push=True)

    def _send_with_faults(self, proto_id: int, *, is_push: bool) -> None:
        if self._faults is None or self._outbox is None:
            return
        for frame in self._take():
            spoiled = self._faults.spoil_frame(proto_id, frame, is_push=is_push, stream=self._transport.is_stream)
            self._outbox.put(proto_id, spoiled, is_push=is_push)

    def flush(self) -> None:
        """Write what the connection has to send."""
        self._flush_due = False
        if self.is_over or self._faults is not None:
            return
        for data in self._take():
            self._transport.write(data)

    # Beginning and end

    def _opened(self, *, notify: bool, language: str, encryption: str) -> None:
        self.is_open = True
        self.subscriptions.notify = notify
        self._log(
            "connected", client=self.number, language=str(language)[:MAX_NAME] or "unknown", encryption=encryption
        )
        self._source.join(self)

    def _refuses(self, proto_id: int) -> bool:
        """Whether a request is to be answered with an error, as a fault."""
        return self._faults is not None and self._faults.strikes("refuse", proto_id)

    def _note_request(self, request: Frame | Envelope) -> None:
        """Report a request to whoever follows them."""
        if self._context.on_request is None:
            return
        try:
            message = request.message
        except WireError:
            message = None
        entry = request.protocol
        decoded = None if isinstance(message, UnknownBody) else message
        self._context.on_request(
            ReceivedRequest(self.number, request.proto_id, entry.name if entry is not None else "", decoded)
        )

    def abort(self) -> None:
        """Close the transport at once and drop what is unsent."""
        self.over()
        self._transport.abort()

    def cut_off(self, reason: str) -> None:
        """Log a reason and close the connection at once."""
        if not self.is_over:
            self._log("cut-off", client=self.number, reason=reason)
            self.over()
            self._transport.abort()

    def end(self, reason: str) -> None:
        """Log a reason, send what is left, and close the connection."""
        if not self.is_over:
            self._log("closing", client=self.number, reason=reason)
            self.flush()
            self.over()
            self._transport.close()

    def over(self) -> None:
        """End the session: its transport is closed or about to be."""
        if self.is_over:
            return
        self.is_over = True
        for task in self._waiting:
            task.cancel()
        if self._outbox is not None:
            self._outbox.stop()
        if self.is_open:
            self._source.leave(self)
        struck = dict(self._faults.struck) if self._faults is not None else {}
        self._log(
            "disconnected",
            client=self.number,
            requests=self.requests,
            pushes=self.pushes,
            **({"faults": struck} if struck else {}),
        )


def _invalid(entry: ProtocolEntry, reason: str) -> Any:
    response = failure(entry, reason)
    response.retType = RET_INVALID
    return response
