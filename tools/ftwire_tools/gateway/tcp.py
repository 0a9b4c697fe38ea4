"""A client on TCP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, cast

from ftwire.connection import INIT_CONNECT, SECOND, Connection, State
from ftwire.errors import LocalProtocolError, WireError
from ftwire.events import FrameDamaged, PeerSilent, RequestReceived
from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import Answer, failure
from ftwire_tools.gateway.session import Session
from ftwire_tools.gateway.settings import prepare

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.header import BodyFormat
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.server import Gateway

__all__ = ["TcpLink", "TcpSession"]

BATCH: Final = 32
"""Replies between two looks at whether the client reads them."""


class TcpLink(asyncio.Protocol):
    """A client's socket."""

    is_stream = True

    def __init__(self, gateway: Gateway) -> None:
        self._gateway: Final = gateway
        self._transport: asyncio.Transport | None = None
        self._session: TcpSession | None = None
        self._room: Final = asyncio.Event()
        self._room.set()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, if there is room for one."""
        self._transport = cast("asyncio.Transport", transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            prepare(connected, self._gateway.settings)
        self._session = self._gateway.admit_tcp(self, _address(transport.get_extra_info("peername")))
        if self._session is None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session."""
        if self._session is not None:
            self._session.receive(data)

    def pause_writing(self) -> None:
        """Take note that the client does not read as fast as we write."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Take note that it has caught up: go on with its requests too."""
        self._room.set()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            # Not from in here: the transport is still in the middle of its writing.
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session."""
        self._room.set()
        if self._session is not None:
            self._session.over()
            self._gateway.dismiss(self._session)

    # The session's side

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def unsent(self) -> int:
        """Bytes that wait until the client reads."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_stuck(self) -> bool:
        """Whether the client has to read before it is given more."""
        return not self._room.is_set()

    def stop_reading(self) -> None:
        """Take nothing from the client until it has read."""
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        """Send what there is, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def drained(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()


class TcpSession(Session):
    """One client on TCP."""

    def __init__(self, number: int, peer: str, link: TcpLink, gateway: Gateway) -> None:
        settings = gateway.settings
        super().__init__(number, peer, link, gateway.world, settings, gateway.log)
        self._gateway: Final = gateway
        self._tcp: Final = link
        self._connection: Final = Connection(
            Role.SERVER, key=settings.key, max_body=settings.max_request, silence=int(settings.silence * SECOND)
        )
        self._since: Final = time.monotonic_ns()
        self._is_plain = False

    @property
    def _push_format(self) -> BodyFormat:
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
        """Take bytes from the client, and answer what they ask."""
        if self.is_over:
            return
        try:
            for number, event in enumerate(self._connection.receive_data(data, time.monotonic_ns()), 1):
                if isinstance(event, RequestReceived):
                    self._request(event.frame)
                elif isinstance(event, FrameDamaged):
                    self._damaged(event)
                if self.is_over:
                    return
                if number % BATCH == 0:
                    self.flush()
                    if self._tcp.is_stuck:
                        # What was not taken from the connection yet is answered when the client has read.
                        self._tcp.stop_reading()
                        return
        except LocalProtocolError:
            raise
        except WireError as error:
            self.cut_off(str(error))

    def _request(self, frame: Frame) -> None:
        if frame.proto_id != INIT_CONNECT:
            self.handle(frame)
            return
        if self._connection.state is not State.NEW:
            self._reply_failure(frame, "connected already")
            return
        if self._refuses():
            self._reply_failure(frame, "the gateway refuses this connection")
            self.end("refused, as a fault")
            return
        settings = self._settings
        self.conn_id = self._gateway.new_conn_id()
        self._connection.accept(
            frame,
            conn_id=self.conn_id,
            aes_key=self._gateway.new_key(),
            aes_iv=self._gateway.new_key(),
            keep_alive=settings.keep_alive * SECOND,
            fields=self._world.handshake(),
        )
        if self._faults is None:
            self.flush()
        else:
            self._send_with_faults(INIT_CONNECT, is_push=False)
        self._is_plain = self._connection.encryption == "none"
        c2s: Any = frame.message.c2s  # type: ignore[union-attr]  # accept has read it
        self._opened(notify=c2s.recvNotify, language=c2s.programmingLanguage, encryption=self._connection.encryption)

    def _reply_failure(self, frame: Frame, reason: str) -> None:
        entry = registry[INIT_CONNECT]
        self._reply(frame, entry, Answer(failure(entry, reason)))

    def _damaged(self, event: FrameDamaged) -> None:
        if self._connection.state is State.NEW:
            self.cut_off(f"the handshake cannot be read (is it the right key?): {event.frame.error}")
        else:
            self._log("damaged", client=self.number, proto=event.frame.proto_id, reason=str(event.frame.error))

    def tick(self, now: int) -> None:
        """Look whether the client has been silent for too long."""
        limit = int(self._settings.silence * SECOND)
        if not self.is_open and now - self._since > limit:
            self.cut_off("no handshake")
        for event in self._connection.handle_timer(now):
            if isinstance(event, PeerSilent):
                reason = "slow reader" if self._tcp.is_stuck else "silent"
                self.cut_off(f"{reason} for {self._settings.silence:g} s")


def _address(peer: object) -> str:
    if isinstance(peer, tuple) and len(peer) > 1:
        return f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
    return "unknown"
