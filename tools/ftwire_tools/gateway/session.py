"""One client's session: sends its replies and pushes, applies limits and faults, and ends with its connection.

The protocol is in ``ftwire.Connection`` and ``ftwire.WebSocketConnection``; requests are answered by a ``Responder``.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ftwire.body import encode_body
from ftwire.connection import SECOND
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire_tools.gateway.answer_source import Answer, failure
from ftwire_tools.gateway.client_exchanges import ClientExchanges
from ftwire_tools.gateway.client_mistakes import MistakeFinder, MistakeReport
from ftwire_tools.gateway.faults import ClientFaults
from ftwire_tools.gateway.outbox import FaultyOutbox
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.responder import Responder
from ftwire_tools.gateway.scripted_pushes import ScriptedPushes
from ftwire_tools.gateway.session_context import ReceivedRequest
from ftwire_tools.gateway.settings import GRACE
from ftwire_tools.gateway.subscriptions import Subscriptions
from ftwire_tools.gateway.topics import NOTIFY

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.diagnosis import Finding
    from ftwire.frame import BaseFrame, Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.faults import Rule
    from ftwire_tools.gateway.push import PushRun
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.transport import ClientTransport

__all__ = ["ClientSession"]

MAX_NAME: Final = 64
"""Most characters kept of ``programmingLanguage``."""


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
        self.limits: Final = context.limits
        """The gateway's limits."""
        self.subscriptions: Final = Subscriptions(context.limits, number)
        self.pushes = 0
        """Pushes sent so far."""
        self._transport: Final = transport
        self._context: Final = context
        self._source: Final = context.source
        self._settings: Final = settings
        self._log: Final = context.log
        self._client_faults: Final = ClientFaults(context.faults, number)
        self._outbox: FaultyOutbox | None = None
        hooks = context.hooks
        self._scripted_pushes: Final = (
            ScriptedPushes(number, hooks, context) if hooks is not None and hooks.sees_pushes else None
        )
        gateway = f"{settings.host}:{settings.port}"
        self._exchanges: Final = ClientExchanges(number, (peer, gateway), self._client_faults, context.request_log)
        self._flush_due = False
        self._since: Final = time.monotonic_ns()
        self._begun: int | None = None  # when the request began that is not whole yet
        self._over_at = 0
        self._mistakes: Final = MistakeFinder(settings.key)
        self._mistake_report: Final = MistakeReport(number, context.diagnoses, context.log)
        self._responder: Final = Responder(context, self._client_faults)

    @property
    def subscribed(self) -> int:
        """How many topics the client has subscribed to."""
        return len(self.subscriptions.topics)

    # Implemented for TCP and for WebSocket

    _login_id: ClassVar[int]
    """ID of the protocol that logs a client in."""

    @abstractmethod
    def _handshake(self, request: Any) -> None:
        """Answer the request that logs a client in."""

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

    @abstractmethod
    def _pending(self) -> int:
        """Return the bytes received that no request has been made of."""

    @abstractmethod
    def _release(self) -> None:
        """Drop what the connection holds."""

    @property
    @abstractmethod
    def push_format(self) -> BodyFormat:
        """The body format of the client's pushes."""

    @property
    def _faults(self) -> ClientFaults | None:
        """The faults that may strike this client, ``None`` while there are none: they change while a gateway runs."""
        return self._client_faults if self._client_faults.is_active else None

    # Subscriber: called by the answer source

    def push(self, push: Push) -> bool:
        """Send a push if this client has subscribed to it; return whether it was sent."""
        if not self.is_open or self.is_over:
            return False
        chosen = self.subscriptions.select(push)
        if chosen is None or (self._context.steering.withholds_pushes and push.proto_id != NOTIFY):
            return False
        if self._scripted_pushes is not None:
            return self._scripted_pushes.push(chosen, self._send_chosen)
        return self._send_chosen(chosen)

    def _send_chosen(self, chosen: Push) -> bool:
        self.pushes += 1
        faults = self._faults
        try:
            if faults is None:
                self._send_push(chosen)
                self._flush_soon()
            else:
                self._push_with_faults(chosen, faults)
        except WireError as error:
            self._log("push-left-out", client=self.number, proto=chosen.proto_id, reason=str(error))
            return False
        self._check_unsent()
        return True

    def push_run(self, run: PushRun) -> None:
        """Send, in order, those pushes of a run that this client has subscribed to."""
        if not self.is_open or self.is_over:
            return
        if self._faults is None and self._scripted_pushes is None and not self._context.steering.withholds_pushes:
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
        unsent = self._unsent()
        if unsent > self._settings.max_unsent:
            self.cut_off(f"slow reader: {unsent} bytes wait for it")
        elif unsent:
            self._note_held()

    def _unsent(self) -> int:
        return self._transport.unsent() + (self._outbox.size if self._outbox is not None else 0)

    def held(self) -> int:
        """Return the bytes that wait from the client and for it."""
        return 0 if self.is_over else self._pending() + self._unsent()

    def _note_held(self) -> None:
        self._context.budget.note(self, self.held())

    def _note_received(self, *, whole: bool, more: bool) -> None:
        """Take note of bytes received: whether a request has become ``whole``, and whether one needs ``more``."""
        if not more:
            self._begun = None
        elif whole or self._begun is None:
            self._begun = time.monotonic_ns()
        self._note_held()

    # Time

    def tick(self, now: int) -> None:
        """Cut the client off if it has taken too long for something; ``now`` is monotonic, in nanoseconds."""
        if self.is_over:
            if now - self._over_at > GRACE * SECOND:
                self._transport.abort()
            return
        self._note_held()
        settings = self._settings
        if not self.is_open and now - self._since > settings.login_ns:
            self.cut_off(self._mistake_report.report(self._find_in_begun) or self._not_logged_in())
        elif self._begun is not None and now - self._begun > settings.silence_ns and not self._transport.is_stuck:
            late = f"a request that it has begun is not whole after {settings.silence:g} s"
            self.cut_off(self._mistake_report.report(self._find_in_begun) or late)

    def _not_logged_in(self) -> str:
        """Return what a client has not sent in time."""
        return "no handshake"

    # Mistakes of the client

    @abstractmethod
    def _find_in(self, request: BaseFrame) -> Finding | None:
        """Return the mistake that explains a request which cannot be read."""

    def _find_in_begun(self) -> Finding | None:
        """Return the mistake that explains a request which was begun and is not whole."""
        return None

    def diagnose(self, request: Frame | Envelope) -> None:
        """Report the known mistake that explains a request which cannot be read: one for each connection."""
        self._mistake_report.report(lambda: self._find_in(request))

    async def drained(self) -> None:
        """Wait until there is room for more."""
        self.flush()
        if self._outbox is not None:
            await self._outbox.drained()
        await self._transport.drained()

    # Requests and replies

    def _take_request(self, request: Frame | Envelope) -> None:
        """Answer a request, unless a fault loses it on its way here."""
        if self._loses(request):
            return
        self._note_request(request)
        if request.proto_id == self._login_id:
            self._handshake(request)
        else:
            self._responder.handle(self, request)

    def _note_request(self, request: Frame | Envelope) -> None:
        """Pass a request to ``on_request``, and remember for the log when it came."""
        self._client_faults.recent.clear()
        self._exchanges.begin(request)
        if self._context.on_request is not None:
            self._context.on_request(ReceivedRequest.of(self.number, request))

    def _loses(self, request: Frame | Envelope) -> bool:
        """Return whether a fault has lost a request on its way here."""
        self._client_faults.recent.clear()
        if not self._client_faults.strikes("lose", request.proto_id):
            return False
        self._exchanges.end(request, None, failure="lost")
        return True

    def reply(self, request: Frame | Envelope, entry: ProtocolEntry, answer: Answer) -> None:
        """Send the answer to a request of a protocol."""
        body_format = BodyFormat.JSON if request.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF
        body = answer.body if body_format is BodyFormat.PROTOBUF else None
        sent = answer.message
        try:
            self._send(sent, body, body_format, request)
        except WireError as error:
            self._log("reply-left-out", client=self.number, proto=request.proto_id, reason=str(error))
            sent = failure(entry, f"no reply can be made: {error}")
            self._send(sent, None, body_format, request)
        self._exchanges.end(request, sent)

    def _send(self, message: Message, body: bytes | None, body_format: BodyFormat, request: Frame | Envelope) -> None:
        """Send a reply. Raises ``BodyError``."""
        proto_id = request.proto_id
        faults = self._faults
        if faults is not None:
            self.flush()  # what is from before there were faults
        plain: Message | bytes = message if body is None else body
        if faults is not None and faults.strikes("bad-body", proto_id):
            plain = faults.spoil_body(body if body is not None else encode_body(message, body_format))
        self._send_reply(request, plain)
        if faults is None:
            self._flush_soon()
        else:
            self._send_with_faults(proto_id, is_push=False)

    # Sending

    def _flush_soon(self) -> None:
        """Flush at the end of this turn of the event loop, so that all it sends leaves in one write."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _push_with_faults(self, push: Push, faults: ClientFaults) -> None:
        faults.recent.clear()
        self.flush()
        if faults.strikes("bad-body", push.proto_id):
            self._send_spoiled(push.proto_id, faults.spoil_body(push.body(self.push_format)))
        else:
            self._send_push(push)
        self._send_with_faults(push.proto_id, is_push=True)

    def _send_with_faults(self, proto_id: int, *, is_push: bool) -> None:
        if self._outbox is None:
            self._outbox = FaultyOutbox(self._transport, self._client_faults)
        for frame in self._take():
            self._outbox.put(proto_id, frame, is_push=is_push)

    def flush(self) -> None:
        """Write what the connection has to send."""
        self._flush_due = False
        if self.is_over:
            return
        for data in self._take():
            if self._outbox is None or self._outbox.is_empty:
                self._transport.write(data)
            else:
                self._outbox.pass_on(data)

    # Beginning and end

    def _opened(self, *, notify: bool, language: str, encryption: str) -> None:
        self.is_open = True
        self.subscriptions.notify = notify
        self._log(
            "connected", client=self.number, language=str(language)[:MAX_NAME] or "unknown", encryption=encryption
        )
        self._source.join(self)

    def _refused_by(self, proto_id: int) -> Rule | None:
        """Return the rule that demands an error as answer to a request, if there is one."""
        return self._client_faults.struck_by("refuse", proto_id)

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

    def refuses_when_full(self) -> bool:
        """End the session if as many clients have logged in as may; return whether that is so."""
        is_full = self._context.is_full()
        if is_full:
            self.end(f"{self._settings.max_clients} connections, the limit is reached", event="refused")
        return is_full

    def end(self, reason: str, *, event: str = "closing") -> None:
        """Log a reason, send what is left, and close the connection."""
        if not self.is_over:
            self._log(event, client=self.number, reason=reason)
            self.flush()
            self.over()
            self._transport.close()

    def over(self) -> None:
        """End the session: its transport is closed or about to be."""
        if self.is_over:
            return
        self.is_over = True
        self._over_at = time.monotonic_ns()
        self._responder.stop()
        if self._scripted_pushes is not None:
            self._scripted_pushes.stop()
        if self._outbox is not None:
            self._outbox.stop()
        self._context.budget.forget(self)
        self.subscriptions.end()
        self._release()
        if self.is_open:
            self._source.leave(self)
        struck = dict(self._client_faults.struck)
        self._log(
            "disconnected",
            client=self.number,
            requests=self._responder.requests,
            pushes=self.pushes,
            **({"faults": struck} if struck else {}),
        )
