"""The server: listens for clients, keeps their sessions, and closes them at the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket as sockets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.budget import Budget
from ftwire_tools.gateway.client_mistakes import DiagnosisBudget
from ftwire_tools.gateway.faults import Faults
from ftwire_tools.gateway.hooks import Hooks
from ftwire_tools.gateway.limits import Limits
from ftwire_tools.gateway.log import OncePer
from ftwire_tools.gateway.session_context import Credentials, ReceivedRequest, SessionContext, random_credentials
from ftwire_tools.gateway.settings import GRACE
from ftwire_tools.gateway.steering import Steering
from ftwire_tools.gateway.tapped import Tapping
from ftwire_tools.gateway.tcp import TcpSession, TcpTransport

if TYPE_CHECKING:
    from websockets.asyncio.server import Server

    from ftwire_tools.captures.traffic import Tap
    from ftwire_tools.gateway.answer_source import AnswerSource
    from ftwire_tools.gateway.hooks import Script
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.request_log import ExchangeLog
    from ftwire_tools.gateway.session import ClientSession
    from ftwire_tools.gateway.settings import Settings
    from ftwire_tools.gateway.subscriptions import Subscriptions
    from ftwire_tools.gateway.websocket import WebSocketSession
    from ftwire_tools.gateway.websocket_socket import ClientSocket

__all__ = ["Gateway"]

SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of ``accept`` for which asyncio stops accepting for a second."""
SCARCE_SECONDS: Final = 60
"""Seconds between two reports that no client can be accepted."""
SDK_RSA_BLOCK: Final = 128
"""Bytes of an RSA block, for which the vendor's SDKs look whatever the key's size: docs/spec/implementations.md."""


class Gateway:
    """A gateway: ``async with Gateway(source, settings, log):`` listens until the block is left.

    ``credentials`` returns, by a connection's number, the values for its handshake; ``on_request`` is called
    with each request that a client sends, ``script`` has the functions that may change what passes, ``request_log``
    takes each request with its answer, and ``tap`` all bytes of both sides.
    """

    def __init__(
        self,
        source: AnswerSource,
        settings: Settings,
        log: Log,
        *,
        credentials: Callable[[int], Credentials] = random_credentials,
        on_request: Callable[[ReceivedRequest], None] | None = None,
        script: Script | None = None,
        request_log: ExchangeLog | None = None,
        tap: Tap | None = None,
    ) -> None:
        settings.check()
        self.source: Final = source
        self.settings: Final = settings
        self.log: Final = log
        self.faults: Final = Faults(settings.faults, seed=settings.seed)
        """Its faults: rules can be added and removed while it runs."""
        self.limits: Final = Limits(settings.limits, language=settings.language)
        """What its clients may request, and what they have used of it."""
        self.port = 0
        """TCP port that it listens on."""
        self.ws_port: int | None = None
        """Port that it listens on for WebSocket, ``None`` where it does not."""
        self.steering: Final = Steering(source, lambda: self.sessions, faults=self.faults, limits=self.limits)
        """The verbs that steer it."""
        self._hooks: Final = None if script is None else Hooks(script, log)
        self._context: Final = SessionContext(
            source=source,
            settings=settings,
            log=log,
            credentials=credentials,
            budget=Budget(settings.max_held),
            faults=self.faults,
            limits=self.limits,
            is_full=self._is_full,
            diagnoses=DiagnosisBudget(),
            all_subscriptions=self._all_subscriptions,
            steering=self.steering,
            hooks=self._hooks,
            request_log=request_log,
            on_request=on_request,
        )
        self._tapping: Final = None if tap is None else Tapping(tap)
        self._sessions: Final[dict[int, ClientSession]] = {}
        self._count = 0
        self._server: asyncio.Server | None = None
        self._ws_server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._on_failure: Callable[[], None] | None = None
        self._scarcity: Final = OncePer(SCARCE_SECONDS)
        self._other_handler: Any = None

    async def __aenter__(self) -> Gateway:
        """Listen. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        self.steering.attach()
        self._other_handler = loop.get_exception_handler()
        loop.set_exception_handler(self._report_scarcity)
        self._server = await loop.create_server(
            lambda: TcpTransport(settings, self._begin_tcp, self._forget, self._tapping),
            settings.host,
            settings.port,
            backlog=256,
            start_serving=False,
        )
        for listener in self._server.sockets if settings.max_segment else ():
            # Before listening: a connection's segment size is agreed on with its first packets.
            listener.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_MAXSEG, settings.max_segment)
        await self._server.start_serving()
        self.port = self._server.sockets[0].getsockname()[1]
        if settings.ws_port is not None:
            try:
                await self._listen_websocket()
            except BaseException:
                self._server.close()
                raise
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self.source.run())]
        self._tasks[1].add_done_callback(self._source_ended)
        self.log(
            "listening",
            host=settings.host,
            port=self.port,
            **({} if self.ws_port is None else {"ws_port": self.ws_port, "tls": settings.tls is not None}),
            encryption="rsa" if settings.key is not None else "none",
        )
        if settings.key is not None and settings.key.size > SDK_RSA_BLOCK:
            reason = "the vendor's SDKs cannot log in with this key, only with one of 1024 bits"
            self.log("large-key", bits=settings.key.size * 8, reason=reason)
        if self._hooks is not None:
            self._hooks.start(self.steering)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close: what is being sent is sent, for a while."""
        if self._hooks is not None:
            await self._hooks.stop()
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions.values()):
            session.end("the gateway closes")
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while self._sessions:
                    await asyncio.sleep(0.01)
        for session in list(self._sessions.values()):
            session.abort()
        if self._ws_server is not None:
            self._ws_server.close()
            await self._ws_server.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        asyncio.get_running_loop().set_exception_handler(self._other_handler)
        self.log("closed", clients=self._count)

    @property
    def sessions(self) -> list[ClientSession]:
        """The sessions of all connected clients."""
        return list(self._sessions.values())

    # Sessions

    def _begin_tcp(self, transport: TcpTransport, peer: str) -> TcpSession | None:
        if self._is_full():
            self.log("refused", peer=peer, reason=f"{self.settings.max_clients} connections, the limit is reached")
            return None
        self._make_room()
        self._count += 1
        session = TcpSession(self._count, peer, transport, self._context)
        self._begin(session, "tcp")
        return session

    def _forget(self, session: ClientSession) -> None:
        self._sessions.pop(session.number, None)

    def _is_full(self) -> bool:
        """Return whether as many clients have logged in as may."""
        logged_in = sum(session.is_open and not session.is_over for session in self._sessions.values())
        return logged_in >= self.settings.max_clients

    def _all_subscriptions(self) -> list[Subscriptions]:
        """Return the subscriptions of every client that has logged in, in the order of connecting."""
        return [session.subscriptions for session in self._sessions.values() if session.is_open and not session.is_over]

    def _make_room(self) -> None:
        """Cut off the oldest connection that has not logged in where there are as many as may be."""
        waiting = [session for session in self._sessions.values() if not session.is_open and not session.is_over]
        if len(waiting) >= self.settings.max_waiting:
            waiting[0].cut_off(f"the oldest of {len(waiting)} connections without a handshake makes room for another")

    def _begin(self, session: ClientSession, transport: str) -> None:
        self._sessions[session.number] = session
        self.log("accepted", client=session.number, peer=session.peer, transport=transport)

    # WebSocket

    async def _listen_websocket(self) -> None:
        # Imported here, so that a gateway on TCP alone does not need the WebSocket library.
        from websockets.asyncio.server import serve

        from ftwire_tools.gateway.websocket_socket import ClientSocket

        settings = self.settings

        def make(*arguments: Any, **options: Any) -> ClientSocket:
            return ClientSocket(
                *arguments,
                settings=settings,
                begin=self._begin_websocket,
                end=self._forget,
                tapping=self._tapping,
                **options,
            )

        # Errors of connections go to the gateway's log, not to that of websockets.
        quiet = logging.getLogger("ftwire.websocket")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._ws_server = await serve(
            ClientSocket.serve_client,
            settings.host,
            settings.ws_port,
            create_connection=make,  # type: ignore[arg-type]  # documented as any factory
            open_timeout=None,  # the session has one
            compression="deflate" if settings.deflate else None,
            max_size=settings.max_request + 1024,
            close_timeout=GRACE,
            logger=quiet,
        )
        self.ws_port = next(iter(self._ws_server.sockets)).getsockname()[1]

    def _begin_websocket(self, socket: ClientSocket, peer: str) -> WebSocketSession:
        from ftwire_tools.gateway.websocket import WebSocketSession

        self._make_room()
        self._count += 1
        session = WebSocketSession(self._count, peer, socket, self._context)
        self._begin(session, "websocket")
        return session

    async def _watch(self) -> None:
        """Check from time to time whether clients have taken too long for something."""
        while True:
            await asyncio.sleep(min(1e9, self.settings.silence_ns / 4, self.settings.login_ns / 4) / 1e9)
            self._tick(time.monotonic_ns())

    def _tick(self, now: int) -> None:
        # Not in _watch, which would keep the last session, gone or not, while it sleeps.
        for session in list(self._sessions.values()):
            session.tick(now)

    def _report_scarcity(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log, once a minute, that nobody can be accepted; pass other errors of the event loop on.

        asyncio stops accepting for a second then, after hundreds of calls of this.
        """
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in SCARCE and "socket" in context:
            if self._scarcity.is_due(loop.time()):
                self.log("not-accepting", reason=f"{error.strerror}; trying again every second")
        elif self._other_handler is not None:
            self._other_handler(loop, context)
        else:
            loop.default_exception_handler(context)

    def _source_ended(self, task: asyncio.Task[None]) -> None:
        self._failure = None if task.cancelled() else task.exception()
        if self._failure is not None and self._on_failure is not None:
            self._on_failure()

    def when_failed(self, call: Callable[[], None]) -> None:
        """Call ``call`` when the answer source fails."""
        self._on_failure = call

    def raise_failure(self) -> None:
        """Raise the error that the answer source failed with, if it did."""
        if self._failure is not None:
            raise self._failure
