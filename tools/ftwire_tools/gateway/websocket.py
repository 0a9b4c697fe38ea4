"""One client's session on WebSocket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ftwire.connection import INIT_CONNECT, State
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope
from ftwire.websocket_connection import WebSocketConnection
from ftwire_tools.gateway.answer_source import RET_FAILED, failure
from ftwire_tools.gateway.session import ClientSession
from ftwire_tools.gateway.websocket_queue import WebSocketTransport

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.diagnosis import Finding
    from ftwire.frame import BaseFrame
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.websocket_queue import Socket

__all__ = ["WebSocketSession"]


class WebSocketSession(ClientSession):
    """The session of one client on WebSocket."""

    _login_id = INIT

    def __init__(self, number: int, peer: str, socket: Socket, context: SessionContext) -> None:
        self.transport: Final = WebSocketTransport(socket)
        super().__init__(number, peer, self.transport, context)
        self._socket: Final = socket
        self._connection: Final = WebSocketConnection(
            key=context.settings.ws_key, max_body=context.settings.max_request
        )

    @property
    def push_format(self) -> BodyFormat:
        """The body format of the client's pushes."""
        return BodyFormat.PROTOBUF

    def _send_reply(self, request: Any, body: Message | bytes) -> None:
        self._connection.reply(request, body)

    def _send_push(self, push: Push) -> None:
        self._connection.push_encoded(push.envelope)

    def _send_spoiled(self, proto_id: int, body: bytes) -> None:
        self._connection.push(proto_id, body)

    def _take(self) -> list[bytes]:
        return self._connection.messages_to_send()

    def _pending(self) -> int:
        return self._socket.pending

    def _release(self) -> None:
        self._connection.close()
        self._socket.drop()

    def _not_logged_in(self) -> str:
        return f"no {self._socket.awaited}"

    def received(self, *, whole: bool, more: bool) -> None:
        """Take note of bytes from the client: see ``_note_received``."""
        if not self.is_over:
            self._note_received(whole=whole, more=more)

    def tick(self, now: int) -> None:
        """Cut the client off if it has taken too long for something; ``now`` is monotonic, in nanoseconds."""
        super().tick(now)
        if not self.is_over and self.transport.is_stuck_since(now - self._settings.silence_ns):
            self.cut_off(f"slow reader for {self._settings.silence:g} s")

    def receive(self, message: bytes) -> None:
        """Decode a message from the client and answer it."""
        if self.is_over:
            return
        try:
            request = self._connection.receive_message(message)
            self._take_request(request)
        except WireError as error:
            self.cut_off(self._mistake_report.report(lambda: self._mistakes.in_message(message)) or str(error))

    def _find_in(self, request: BaseFrame) -> Finding | None:
        return self._mistakes.in_message(request.encode()) if isinstance(request, Envelope) else None

    def _handshake(self, request: Envelope) -> None:
        if self._connection.state is not State.NEW:
            self._refuse(request, "connected already")
            return
        if not self._connection.knows_key(request):
            self._log("wrong-key", client=self.number)
            self._refuse(request, "wrong key")
            return
        if self._context.is_full():
            self._refuse(request, "too many clients")
            self.refuses_when_full()
            return
        rule = self._refused_by(INIT_CONNECT)
        if rule is not None:
            if rule.ret_msg or rule.err_code or rule.ret_type != RET_FAILED:
                refusal = failure(registry[INIT], rule.ret_msg, rule.ret_type, rule.err_code)
                self._connection.reply(request, refusal)
                self._exchanges.end(request, refusal)
                self.flush()
            else:
                self._refuse(request, "refused")
            self.end("refused, as a fault")
            return
        self.conn_id = self._context.credentials(self.number).conn_id
        self._connection.accept(request, conn_id=self.conn_id, server_time=int(time.time()))
        if self._faults is not None:
            self._send_with_faults(INIT, is_push=False)
        self.flush()
        self._exchanges.end(request, None)
        asked: Any = request.message
        self._opened(notify=True, language=asked.c2s.programmingLanguage, encryption="none")

    def _refuse(self, request: Envelope, reason: str) -> None:
        self._connection.refuse(request, reason)
        self._exchanges.end(request, None, failure=reason)
        self.flush()
