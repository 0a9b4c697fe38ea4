"""The listening, the clients, the end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ftwire_tools.gateway.settings import prepare
from ftwire_tools.gateway.tcp import TcpLink, TcpSession

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection

    from ftwire_tools.gateway.answer_source import World
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.session import Session
    from ftwire_tools.gateway.settings import Settings

__all__ = ["Gateway"]

SECOND: Final = 1_000_000_000
GRACE: Final = 2.0
"""Seconds that clients have to read what is left when the gateway closes."""
_KEY_CHARACTERS: Final = string.ascii_uppercase + string.digits


class Gateway:
    """A gateway: ``async with Gateway(world, settings, log):`` listens until the block is left."""

    def __init__(self, world: World, settings: Settings, log: Log) -> None:
        settings.check()
        self.world: Final = world
        self.settings: Final = settings
        self.log: Final = log
        self.port = 0
        """Where it listens for TCP."""
        self.ws_port: int | None = None
        """Where it listens for WebSocket."""
        self._sessions: Final[dict[int, Session]] = {}
        self._count = 0
        self._server: asyncio.Server | None = None
        self._ws_server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._on_failure: Callable[[], None] | None = None

    async def __aenter__(self) -> Gateway:
        """Listen. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        self._server = await loop.create_server(lambda: TcpLink(self), settings.host, settings.port, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]
        if settings.ws_port is not None:
            try:
                await self._listen_websocket()
            except BaseException:
                self._server.close()
                raise
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self.world.run())]
        self._tasks[1].add_done_callback(self._world_ended)
        self.log(
            "listening",
            host=settings.host,
            port=self.port,
            **({} if self.ws_port is None else {"ws_port": self.ws_port, "tls": settings.tls is not None}),
            encryption="rsa" if settings.key is not None else "none",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close: what is being sent is sent, for a while."""
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
        self.log("closed", clients=self._count)

    @property
    def sessions(self) -> list[Session]:
        """The clients there are now."""
        return list(self._sessions.values())

    # What sessions ask for

    def admit_tcp(self, link: TcpLink, peer: str) -> TcpSession | None:
        """Begin a session, unless there are too many."""
        if self._is_full(peer):
            return None
        self._count += 1
        session = TcpSession(self._count, peer, link, self)
        self._begin(session, "tcp")
        return session

    def dismiss(self, session: Session) -> None:
        """Forget a session that is over."""
        self._sessions.pop(session.number, None)

    def new_conn_id(self) -> int:
        """Return a ``connID``: OpenD's are large, and no two are equal."""
        return secrets.randbits(62) | 1 << 62

    def new_key(self) -> str:
        """Return 16 ASCII characters for a key or an IV, as OpenD's are."""
        return "".join(secrets.choice(_KEY_CHARACTERS) for _ in range(16))

    def _is_full(self, peer: str) -> bool:
        if len(self._sessions) < self.settings.max_clients:
            return False
        self.log("refused", peer=peer, reason=f"{len(self._sessions)} connections, the limit is reached")
        return True

    def _begin(self, session: Session, transport: str) -> None:
        self._sessions[session.number] = session
        self.log("accepted", client=session.number, peer=session.peer, transport=transport)

    # WebSocket

    async def _listen_websocket(self) -> None:
        # Here, not above: a gateway for TCP needs no WebSocket library.
        from websockets.asyncio.server import serve

        settings = self.settings
        # What goes wrong on a connection is ours to say, in our log.
        quiet = logging.getLogger("ftwire.websocket")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._ws_server = await serve(
            self._serve_websocket,
            settings.host,
            settings.ws_port,
            ssl=settings.tls,
            compression="deflate" if settings.deflate else None,
            max_size=settings.max_request + 1024,
            max_queue=4,
            close_timeout=GRACE,
            logger=quiet,
        )
        self.ws_port = next(iter(self._ws_server.sockets)).getsockname()[1]

    async def _serve_websocket(self, socket: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        from ftwire_tools.gateway.websocket import WebSocketLink, WebSocketSession

        peer = ":".join(map(str, socket.remote_address[:2])) if socket.remote_address else "unknown"
        if self._is_full(peer):
            return
        prepare(socket.transport.get_extra_info("socket"), self.settings)
        self._count += 1
        link = WebSocketLink(socket)
        session = WebSocketSession(self._count, peer, link, self)
        self._begin(session, "websocket")
        sender = asyncio.get_running_loop().create_task(link.run())
        try:
            while True:
                session.receive(await socket.recv())
                await link.drained()
        except ConnectionClosed:
            pass
        finally:
            session.over()
            self.dismiss(session)
            link.close()
            with suppress(ConnectionClosed, asyncio.CancelledError):
                await sender

    # Time

    async def _watch(self) -> None:
        """Look at the clock for all clients."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.silence / 4))
            now = time.monotonic_ns()
            for session in list(self._sessions.values()):
                if isinstance(session, TcpSession):
                    session.tick(now)

    def _world_ended(self, task: asyncio.Task[None]) -> None:
        self._failure = None if task.cancelled() else task.exception()
        if self._failure is not None and self._on_failure is not None:
            self._on_failure()

    def when_failed(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the world ends in an error."""
        self._on_failure = call

    def raise_failure(self) -> None:
        """Raise the error that the world ended in, if it did."""
        if self._failure is not None:
            raise self._failure
