"""The responder: answers the requests of one client, except the handshake.

KeepAlive, Qot_GetSubInfo and faulty requests are answered here, everything else by the answer source.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ftwire.body import missing_fields
from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import RET_FAILED, Answer, HasClock, Subscriber, failure, success
from ftwire_tools.gateway.subscriptions import SUBSCRIBING, fill_info
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import BadFrame, Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.session_context import SessionContext

__all__ = ["Client", "Responder"]

RET_INVALID: Final = -500
"""``Common.RetType`` of content that is invalid."""
BAD_DIGEST: Final = "The packet body SHA1 signature is incorrect."
"""OpenD's ``retMsg`` where the digest is not that of the body as OpenD reads it."""
NOT_PARSED: Final = "解析protobuf协议失败"
"""OpenD's ``retMsg`` ("parsing the protobuf failed") for a body that does not parse or lacks required fields.

Both texts are known from the logs of client authors (OpenD 10.4 and 10.5), the ``retType`` beside them is not.
"""
GET_SUB_INFO: Final = 3003
GET_DELAY_STATISTICS: Final = 1007
MAX_NAMED: Final = 8
"""Missing fields that are named in the log."""
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
        self._all_subscriptions: Final = context.all_subscriptions
        self._waiting: Final[set[asyncio.Task[None]]] = set()
        self._is_over = False

    def handle(self, client: Client, request: Frame | Envelope) -> None:
        """Answer a request."""
        self.requests += 1
        entry = _entry(request)
        if entry is None:
            self._log("unknown-protocol", client=client.number, proto=request.proto_id)
            self._refuse(client, request, registry[KEEP_ALIVE], f"unknown protocol {request.proto_id}")
            return
        if self._faults is not None and self._faults.strikes("refuse", entry.proto_id):
            self._refuse(client, request, entry, "the gateway refuses this request")
            return
        message: Any = self.parse(client, request)
        if message is None:
            return
        if entry.proto_id == KEEP_ALIVE:
            response = success(entry)
            source = self._source
            response.s2c.time = source.now() if isinstance(source, HasClock) else message.c2s.time
            client.reply(request, entry, Answer(response))
        elif entry.proto_id == GET_SUB_INFO:
            response = success(entry)
            fill_info(response.s2c, client.subscriptions, self._all_subscriptions(), message.c2s.isReqAllConn)
            client.reply(request, entry, Answer(response))
        else:
            self._ask_source(client, request, entry, message)

    def parse(self, client: Client, request: Frame | Envelope) -> Message | None:
        """Return the message of a request; refuse one that is not a message of its protocol, and return ``None``."""
        entry = _entry(request) or registry[KEEP_ALIVE]
        try:
            message: Any = request.message
        except WireError as error:
            reason = error_text(error, request)
        else:
            if isinstance(message, UnknownBody):
                self._refuse(client, request, entry, f"unknown body format {message.body_format}", RET_INVALID)
                return None
            lacking = _lacking(entry.proto_id, message)
            if not lacking:
                return message  # type: ignore[no-any-return]  # a message of its protocol
            reason = f"missing: {', '.join(lacking[:MAX_NAMED])}"
        client.diagnose(request)
        self._log("not-parsed", client=client.number, proto=request.proto_id, reason=reason)
        self._refuse(client, request, entry, NOT_PARSED, RET_INVALID)
        return None

    def damaged(self, client: Client, request: BadFrame, reason: str) -> None:
        """Refuse a request whose body cannot be decrypted, or is not the one that its digest was made of."""
        self.requests += 1
        self._log("damaged", client=client.number, proto=request.proto_id, reason=reason)
        self._refuse(client, request, _entry(request) or registry[KEEP_ALIVE], BAD_DIGEST, RET_INVALID)

    def stop(self) -> None:
        """Answer nothing more."""
        self._is_over = True
        for task in self._waiting:
            task.cancel()

    def _refuse(
        self,
        client: Client,
        request: Frame | Envelope,
        entry: ProtocolEntry,
        reason: str,
        ret_type: int = RET_FAILED,
    ) -> None:
        client.reply(request, entry, Answer(failure(entry, reason, ret_type)))

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


def _entry(request: Frame | Envelope) -> ProtocolEntry | None:
    """Return the protocol of a request; ``None`` for an unknown one and for a push.

    These are refused with the fields that every ``Response`` has, so that the client need not wait for a time-out.
    """
    entry = request.protocol
    return None if entry is None or entry.is_push else entry


def _lacking(proto_id: int, message: Any) -> list[str]:
    """Return the paths of fields that a request lacks.

    Required ones are; and, although its definition does not say so, any field in the ``c2s`` of GetDelayStatistics.
    """
    if missing := missing_fields(message):
        return missing
    if "c2s" not in message.DESCRIPTOR.fields_by_name:
        return []
    if not message.HasField("c2s") or (proto_id == GET_DELAY_STATISTICS and not message.c2s.ListFields()):
        return ["c2s"]
    return []
