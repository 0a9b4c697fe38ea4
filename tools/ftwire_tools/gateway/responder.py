"""The responder: answers the requests of one client, except the handshake.

KeepAlive, what is used of the quotas, faulty requests and those that exceed a limit are answered here, everything else
by the answer source.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ftwire.body import missing_fields
from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import (
    RET_FAILED,
    UNKNOWN_PROTOCOL,
    Answer,
    HasClock,
    Subscriber,
    content_of,
    failure,
    success,
)
from ftwire_tools.gateway.hooks import HookOutcome, ReplyEvent, RequestEvent
from ftwire_tools.gateway.subscriptions import SUBSCRIBING, fill_info
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import BadFrame, Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.faults import ClientFaults
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.subscriptions import SubscriptionChange

__all__ = ["REFUSED", "AnsweredClient", "Responder"]

RET_INVALID: Final = -500
"""``Common.RetType`` of content that is invalid."""
BAD_DIGEST: Final = "The packet body SHA1 signature is incorrect."
"""OpenD's ``retMsg`` where the digest is not that of the body as OpenD reads it."""
NOT_PARSED: Final = "解析protobuf协议失败"
"""OpenD's ``retMsg`` ("parsing the protobuf failed") for a body that does not parse or lacks required fields.

Both texts are known from the logs of client authors (OpenD 10.4 and 10.5), the ``retType`` beside them is not.
"""
REFUSED: Final = "the gateway refuses this request"
"""``retMsg`` of an error on demand (``--fault refuse``) that has none."""
GET_SUB_INFO: Final = 3003
REQUEST_HISTORY: Final = 3103
REQUEST_HISTORY_QUOTA: Final = 3104
GET_DELAY_STATISTICS: Final = 1007
MAX_NAMED: Final = 8
"""Missing fields that are named in the log."""
MAX_WAITING: Final = 64
"""Most requests of one client whose answers are awaited at a time."""


class AnsweredClient(Subscriber, Protocol):
    """The client whose requests are answered."""

    def reply(self, request: Frame | Envelope, entry: ProtocolEntry, answer: Answer) -> None:
        """Send the answer to a request of a protocol."""
        ...

    def diagnose(self, request: Frame | Envelope) -> None:
        """Report the known mistake that explains a request which cannot be read."""
        ...


class _Received(NamedTuple):
    """A request as it was received: from whom, and its protocol."""

    client: AnsweredClient
    request: Frame | Envelope
    entry: ProtocolEntry

    def reply(self, answer: Answer) -> None:
        """Send the answer."""
        self.client.reply(self.request, self.entry, answer)

    def refuse(self, reason: str, ret_type: int = RET_FAILED) -> None:
        """Send a failure."""
        self.reply(Answer(failure(self.entry, reason, ret_type)))


class _Answered(NamedTuple):
    """A request as it was answered, which a script may have changed, and the answer; ``None`` for no reply at all."""

    request: Any
    answer: Answer | None


class Responder:
    """Answers the requests of one client, which each call is given: nothing here keeps it."""

    def __init__(self, context: SessionContext, faults: ClientFaults) -> None:
        self.requests = 0
        """Requests so far."""
        self._source: Final = context.source
        self._steering: Final = context.steering
        self._hooks: Final = context.hooks
        self._log: Final = context.log
        self._limits: Final = context.limits
        self._faults: Final = faults
        self._all_subscriptions: Final = context.all_subscriptions
        self._waiting: Final[set[asyncio.Task[None]]] = set()
        self._is_over = False

    def handle(self, client: AnsweredClient, request: Frame | Envelope) -> None:
        """Answer a request."""
        self.requests += 1
        entry = _entry(request)
        if entry is None:
            self._log("unknown-protocol", client=client.number, proto=request.proto_id)
            _Received(client, request, registry[KEEP_ALIVE]).refuse(UNKNOWN_PROTOCOL)
            return
        received = _Received(client, request, entry)
        rule = self._faults.struck_by("refuse", entry.proto_id)
        if rule is not None:
            refused = failure(entry, rule.ret_msg or REFUSED, rule.ret_type, rule.err_code)
            received.reply(Answer(refused))
            return
        message: Any = self.parse(client, request)
        if message is None:
            return
        self._wait_for(received, lambda: self._answer(received, message))

    def _answer(self, received: _Received, message: Any) -> _Answered | Awaitable[_Answered]:
        """Return the answer to a request, after the script has seen it."""
        if self._hooks is None or not self._hooks.sees_requests:
            return self._answer_as_usual(received, message)
        outcome = self._hooks.request(RequestEvent(received.client.number, received.entry, message, self._steering))
        if isinstance(outcome, HookOutcome):
            return self._follow(received, message, outcome)
        return self._follow_later(received, message, outcome)

    def _follow(self, received: _Received, message: Any, outcome: HookOutcome) -> _Answered | Awaitable[_Answered]:
        """Return the answer that the script has decided on."""
        if outcome.message is None:
            return _Answered(message, None)
        if outcome.is_answer:
            return _Answered(message, Answer(outcome.message))
        return self._answer_as_usual(received, outcome.message)

    async def _follow_later(self, received: _Received, message: Any, awaited: Awaitable[HookOutcome]) -> _Answered:
        found = self._follow(received, message, await awaited)
        return found if isinstance(found, _Answered) else await found

    def _answer_as_usual(self, received: _Received, message: Any) -> _Answered | Awaitable[_Answered]:
        client, entry = received.client, received.entry
        refusal = self._steering.refusal(entry)
        if refusal is not None:
            return _Answered(message, Answer(refusal))
        if reason := self._over_limit(entry, message):
            return _Answered(message, Answer(failure(entry, reason)))
        answer: Answer | Awaitable[Answer]
        if entry.proto_id == KEEP_ALIVE:
            response = success(entry)
            source = self._source
            response.s2c.time = source.now() if isinstance(source, HasClock) else message.c2s.time
            answer = Answer(response)
        elif entry.proto_id == GET_SUB_INFO:
            response = success(entry)
            is_all, limits = message.c2s.isReqAllConn, self._limits
            fill_info(response.s2c, client.subscriptions, self._all_subscriptions(), is_all, limits)
            answer = Answer(response)
        elif entry.proto_id == REQUEST_HISTORY_QUOTA:
            response = success(entry)
            self._limits.fill_history(response.s2c, with_details=message.c2s.bGetDetail)
            answer = Answer(response)
        else:
            answer = self._source.answer(client, entry, message)
        return _Answered(message, answer) if isinstance(answer, Answer) else _when_answered(message, answer)

    def _over_limit(self, entry: ProtocolEntry, message: Any) -> str:
        """Return OpenD's text where a request exceeds a limit, and nothing otherwise."""
        c2s = content_of(message)
        reason = self._limits.too_frequent(entry, c2s)
        if not reason and entry.proto_id == REQUEST_HISTORY and isinstance(c2s.security.code, str):
            reason = self._limits.no_history(c2s.security)
        return reason

    def parse(self, client: AnsweredClient, request: Frame | Envelope) -> Message | None:
        """Return the message of a request; refuse one that is not a message of its protocol, and return ``None``."""
        received = _Received(client, request, _entry(request) or registry[KEEP_ALIVE])
        try:
            message: Any = request.message
        except WireError as error:
            reason = error_text(error, request)
        else:
            if isinstance(message, UnknownBody):
                received.refuse(f"unknown body format {message.body_format}", RET_INVALID)
                return None
            lacking = _lacking(received.entry.proto_id, message)
            if not lacking:
                return message  # type: ignore[no-any-return]  # a message of its protocol
            reason = f"missing: {', '.join(lacking[:MAX_NAMED])}"
        client.diagnose(request)
        self._log("not-parsed", client=client.number, proto=request.proto_id, reason=reason)
        received.refuse(NOT_PARSED, RET_INVALID)
        return None

    def damaged(self, client: AnsweredClient, request: BadFrame, reason: str) -> None:
        """Refuse a request whose body cannot be decrypted, or is not the one that its digest was made of."""
        self.requests += 1
        self._log("damaged", client=client.number, proto=request.proto_id, reason=reason)
        _Received(client, request, _entry(request) or registry[KEEP_ALIVE]).refuse(BAD_DIGEST, RET_INVALID)

    def stop(self) -> None:
        """Answer nothing more."""
        self._is_over = True
        for task in self._waiting:
            task.cancel()

    def _wait_for(self, received: _Received, begin: Callable[[], _Answered | Awaitable[_Answered]]) -> None:
        """Send what ``begin`` returns, at once or, where that has to be awaited, later."""
        try:
            answered = begin()
        except Exception as error:
            self._internal_error(received, error)
            return
        if isinstance(answered, _Answered):
            self._finish(received, answered)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._finish_later(received, answered))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            if inspect.iscoroutine(answered):
                answered.close()
            received.refuse("too many requests wait for an answer")

    async def _finish_later(self, received: _Received, awaited: Awaitable[_Answered]) -> None:
        try:
            answered = await awaited
        except Exception as error:
            self._internal_error(received, error)
            return
        self._finish(received, answered)

    def _finish(self, received: _Received, answered: _Answered) -> None:
        """Apply what an answered request changes, and send its reply, after the script has seen that."""
        client, entry = received.client, received.entry
        message, answer = answered.request, answered.answer
        if self._is_over or answer is None:
            return
        response: Any = answer.message
        altered = self._steering.altered(entry, response)
        if altered is not response:
            answer = Answer(altered)
        change = None
        if entry.proto_id in SUBSCRIBING and not response.retType:
            change = client.subscriptions.apply(entry.proto_id, message)
            if change.error:
                answer, change = Answer(failure(entry, change.error)), None
        if entry.proto_id == REQUEST_HISTORY and not response.retType:
            self._limits.history_requested(content_of(message).security, response.s2c.name)
        if self._hooks is None or not self._hooks.sees_replies:
            self._send(received, answer, change)
            return
        event = ReplyEvent(client.number, entry, answer.message, self._steering, message)
        outcome = self._hooks.reply(event)
        if isinstance(outcome, HookOutcome):
            self._send_outcome(received, answer, change, outcome)
        else:
            task = asyncio.get_running_loop().create_task(self._send_later(received, answer, change, outcome))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _send_later(
        self, received: _Received, answer: Answer, change: SubscriptionChange | None, awaited: Awaitable[HookOutcome]
    ) -> None:
        self._send_outcome(received, answer, change, await awaited)

    def _send_outcome(
        self, received: _Received, answer: Answer, change: SubscriptionChange | None, outcome: HookOutcome
    ) -> None:
        """Send the reply that the script has decided on; a subscription counts even where its reply is dropped."""
        if self._is_over:
            return
        chosen = answer if outcome.message is answer.message else Answer(outcome.message)
        self._send(received, None if outcome.message is None else chosen, change)

    def _send(self, received: _Received, answer: Answer | None, change: SubscriptionChange | None) -> None:
        if answer is not None:
            received.reply(answer)
        if change is not None:
            self._source.subscribed(received.client, change)

    def _internal_error(self, received: _Received, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._log("internal-error", client=received.client.number, proto=received.entry.proto_id, reason=reason)
        if not self._is_over:
            received.refuse("internal error of the gateway")


async def _when_answered(message: Any, awaited: Awaitable[Answer]) -> _Answered:
    return _Answered(message, await awaited)


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
