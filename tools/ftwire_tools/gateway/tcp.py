"""TCP: a client's socket and its session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from ftwire.cipher import PacketEncAlgo
from ftwire.connection import INIT_CONNECT, SECOND, Connection, State
from ftwire.errors import LocalProtocolError, RemoteProtocolError, WireError
from ftwire.events import FrameDamaged, PeerSilent, RequestReceived
from ftwire.frame import BaseFrame, Frame, Role
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import RET_FAILED, Answer, failure
from ftwire_tools.gateway.client_mistakes import BegunFrame
from ftwire_tools.gateway.session import ClientSession
from ftwire_tools.gateway.settings import prepare
from ftwire_tools.gateway.transport import address_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.diagnosis import Finding
    from ftwire.header import BodyFormat
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.settings import Settings
    from ftwire_tools.gateway.tapped import TappedTransport, Tapping

__all__ = ["TcpSession", "TcpTransport"]

BATCH: Final = 32
"""Replies between two checks whether the client reads them."""


class TcpTransport(asyncio.Protocol):
    """A client's socket.

    ``begin`` is called when it is connected and returns the session, or ``None`` to close it at once; ``end`` is
    called with that session when it is closed. ``tapping`` reports the bytes of both sides.
    """

    is_stream = True

    def __init__(
        self,
        settings: Settings,
        begin: Callable[[TcpTransport, str], TcpSession | None],
        end: Callable[[TcpSession], None],
        tapping: Tapping | None = None,
    ) -> None:
        self._settings: Final = settings
        self._begin: Final = begin
        self._end: Final = end
        self._tapping: Final = tapping
        self._tapped: TappedTransport | None = None
        self._transport: asyncio.Transport | None = None
        self._session: TcpSession | None = None
        self._room: Final = asyncio.Event()
        self._room.set()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, if there is room for one."""
        self._transport = cast("asyncio.Transport", transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            prepare(connected, self._settings)
        self._tapped = self._tapping.tapped(self._transport) if self._tapping is not None else None
        if self._tapped is not None:
            self._transport = cast("asyncio.Transport", self._tapped)
        self._session = self._begin(self, address_of(transport.get_extra_info("peername")))
        if self._session is None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session."""
        if self._tapped is not None and data:
            self._tapped.received(data)
        if self._session is not None:
            self._session.receive(data)

    def pause_writing(self) -> None:
        """React to a full write buffer: the client reads more slowly than we write."""
        self._room.clear()

    def resume_writing(self) -> None:
        """React to a write buffer with room again: go on with the client's requests too."""
        self._room.set()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            # Later, since the transport is still in the middle of writing.
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session."""
        self._room.set()
        if self._tapped is not None:
            self._tapped.lost(exc)
        if self._session is not None:
            self._session.over()
            self._end(self._session)
        # No circle is left that the memory of a connection would wait in for the garbage collector.
        self._session = self._transport = self._tapped = None

    # ClientTransport

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def unsent(self) -> int:
        """Return the bytes that wait for the client to read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_stuck(self) -> bool:
        """Whether the write buffer is full."""
        return not self._room.is_set()

    def stop_reading(self) -> None:
        """Read nothing from the client until it has read what waits for it."""
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        """Send what is left, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def drained(self) -> None:
        """Wait until the write buffer has room."""
        await self._room.wait()


class TcpSession(ClientSession):
    """The session of one client on TCP."""

    _login_id = INIT_CONNECT

    def __init__(self, number: int, peer: str, transport: TcpTransport, context: SessionContext) -> None:
        super().__init__(number, peer, transport, context)
        settings = context.settings
        self._tcp: Final = transport
        self._connection: Final = Connection(
            Role.SERVER, key=settings.key, max_body=settings.max_request, silence=settings.silence_ns
        )
        self._is_plain = False
        self._begun_frame: Final = BegunFrame()

    @property
    def push_format(self) -> BodyFormat:
        """The body format of the client's pushes."""
        return self._connection.push_format

    def _send_reply(self, request: Any, body: Message | bytes) -> None:
        self._connection.reply(request, body)

    def _send_push(self, push: Push) -> None:
        body_format = self._connection.push_format
        if self._is_plain:
            self._connection.push_encoded(push.frame(body_format))
        else:
            self._connection.push(push.proto_id, push.body(body_format))

    def _send_joined(self, run: PushRun) -> int | None:
        if not self._is_plain:
            return None
        body_format = self._connection.push_format
        if run.topic is not None:
            if run.topic not in self.subscriptions.pushed:
                return 0
            self._connection.push_encoded(run.frames(body_format))
            return len(run.pushes)
        select = self.subscriptions.select
        frames = [chosen.frame(body_format) for push in run.pushes if (chosen := select(push)) is not None]
        self._connection.push_encoded(b"".join(frames))
        return len(frames)

    def _send_spoiled(self, proto_id: int, body: bytes) -> None:
        self._connection.push(proto_id, body)

    def _take(self) -> list[bytes]:
        data = self._connection.data_to_send()
        return [data] if data else []

    def receive(self, data: bytes) -> None:
        """Decode bytes from the client and answer the requests in them."""
        if self.is_over:
            return
        number = 0
        try:
            for number, event in enumerate(self._connection.receive_data(data, time.monotonic_ns()), 1):
                if isinstance(event, RequestReceived):
                    self._take_request(event.frame)
                elif isinstance(event, FrameDamaged):
                    self._damaged(event)
                if self.is_over:
                    return
                if number % BATCH == 0:
                    self.flush()
                    if self._tcp.is_stuck:
                        # The connection keeps the remaining requests; resume_writing goes on with them.
                        self._tcp.stop_reading()
                        self._begun_frame.receive(data, self._connection.pending)
                        self._note_received(whole=True, more=False)
                        return
        except LocalProtocolError:
            raise
        except WireError as error:
            begun = self._begun_frame.data + data
            self.cut_off(self._mistake_report.report(lambda: self._mistakes.in_stream(begun)) or str(error))
        else:
            pending = self._connection.pending
            self._begun_frame.receive(data, pending)
            self._note_received(whole=number > 0, more=pending > 0)

    def _pending(self) -> int:
        return self._connection.pending

    def _release(self) -> None:
        with suppress(RemoteProtocolError):  # it may have ended inside a frame
            self._connection.close()

    def _handshake(self, frame: Frame) -> None:
        if self._connection.state is not State.NEW:
            self._reply_failure(frame, "connected already")
            return
        if self._context.is_full():
            self._reply_failure(frame, "the gateway has as many clients as it takes")
            self.refuses_when_full()
            return
        rule = self._refused_by(INIT_CONNECT)
        if rule is not None:
            reason = rule.ret_msg or "the gateway refuses this connection"
            self._reply_failure(frame, reason, rule.ret_type, rule.err_code)
            self.end("refused, as a fault")
            return
        asked: Any = self._responder.parse(self, frame)
        if asked is None:
            return
        settings = self._settings
        credentials = self._context.credentials(self.number)
        fields = self._source.handshake()
        if settings.grant is not None and asked.c2s.packetEncAlgo == PacketEncAlgo.AES_CBC:
            asked.c2s.packetEncAlgo = settings.grant
            if settings.grant is PacketEncAlgo.AES_ECB:
                fields["aesCBCiv"] = ""
        self._connection.accept(
            frame,
            conn_id=credentials.conn_id,
            aes_key=credentials.aes_key,
            aes_iv=credentials.aes_iv,
            keep_alive=int(settings.keep_alive * SECOND),
            fields=fields,
        )
        self.conn_id = credentials.conn_id
        if self._faults is not None:
            self._send_with_faults(INIT_CONNECT, is_push=False)
        self.flush()
        self._exchanges.end(frame, None)
        self._is_plain = self._connection.encryption == "none"
        self._mistakes.agree(self._connection.encryption, credentials.aes_key, credentials.aes_iv)
        c2s: Any = frame.message.c2s  # type: ignore[union-attr]  # accept has read it
        self._opened(notify=c2s.recvNotify, language=c2s.programmingLanguage, encryption=self._connection.encryption)

    def _reply_failure(self, frame: Frame, reason: str, ret_type: int = RET_FAILED, err_code: int = 0) -> None:
        entry = registry[INIT_CONNECT]
        self.reply(frame, entry, Answer(failure(entry, reason, ret_type, err_code)))

    def _damaged(self, event: FrameDamaged) -> None:
        self.diagnose(event.frame)
        frame, reason = event.frame, str(event.frame.error)
        if self._connection.state is State.NEW:
            reason = f"the handshake cannot be read (is it the right key?): {reason}"
            if frame.proto_id != INIT_CONNECT:
                self.cut_off(reason)
                return
        # As from OpenD, under RSA where the gateway has a key, be it the client's or not.
        self._responder.damaged(self, frame, reason)

    def _find_in(self, request: BaseFrame) -> Finding | None:
        return self._mistakes.in_frame(request) if isinstance(request, Frame) else None

    def _find_in_begun(self) -> Finding | None:
        return self._mistakes.in_stream(self._begun_frame.data)

    def tick(self, now: int) -> None:
        """Cut the client off if it has been silent, or taken too long for something; ``now`` is monotonic."""
        super().tick(now)
        if self.is_over:
            return
        for event in self._connection.handle_timer(now):
            if isinstance(event, PeerSilent):
                reason = "slow reader" if self._tcp.is_stuck else "silent"
                self.cut_off(f"{reason} for {self._settings.silence:g} s")
