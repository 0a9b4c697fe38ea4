"""A small HTTP server for this machine: what the control port and the live view have in common.

It listens on loopback only. A request needs a ``Host`` that is this port: a web page whose name has been made to point
at it (DNS rebinding) does not have one. A request with an ``Origin`` comes from a web page, and is refused unless the
page is this port's own; no CORS header is ever sent. Each connection takes one request.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import h11

__all__ = ["LocalServer", "RefusedError", "Reply", "Request", "is_token", "json_members", "json_reply", "new_token"]

LOOPBACK: Final = "127.0.0.1"
MAX_HEAD: Final = 16 << 10
"""Most bytes of a request's line and headers."""
MAX_CONNECTIONS: Final = 32
"""Most connections at a time; further ones are closed at once."""
SECONDS: Final = 10.0
"""Seconds that a request may take to arrive, and its answer, or the next part of a long one, to be read."""
CHUNK: Final = 16 << 10


def new_token() -> str:
    """Return a token that cannot be guessed: 32 characters, 192 random bits."""
    return secrets.token_urlsafe(24)


def is_token(given: str, token: str) -> bool:
    """Return whether two tokens are the same, in a time that says nothing about where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


class Reply(NamedTuple):
    """What a request is answered with."""

    status: int
    content: bytes | AsyncGenerator[bytes, None]
    """A generator sends its parts as they come. It yields one within ``SECONDS`` each time."""
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(status: int, content: dict[str, Any], *headers: tuple[str, str]) -> Reply:
    """Return a reply in JSON."""
    return Reply(status, json.dumps(content).encode() + b"\n", "application/json", headers)


class RefusedError(Exception):
    """A request that is refused, with the reply to it."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.reply: Final = json_reply(status, {"error": reason}, *headers)


def json_members(body: bytes) -> dict[str, object]:
    """Return the members of a body that is a JSON object; none for an empty one. Raises ``RefusedError``."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise RefusedError(400, "the body is a JSON object")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")


class Request:
    """One request, its body yet to be read."""

    def __init__(self, connection: h11.Connection, reader: asyncio.StreamReader, head: h11.Request) -> None:
        self._connection: Final = connection
        self._reader: Final = reader
        self.method: Final = head.method.decode("latin-1")
        self.target: Final = head.target.decode("latin-1")
        self.headers: Final = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}

    async def body(self, most: int) -> bytes:
        """Return the body. Raises ``RefusedError`` where it has more bytes than ``most``."""
        body = bytearray()
        while isinstance(event := await _next(self._connection, self._reader), h11.Data):
            body += event.data
            if len(body) > most:
                raise RefusedError(413, f"a body has at most {most} bytes")
        return bytes(body)


class LocalServer:
    """Listens for requests: ``async with LocalServer(...)`` until the block is left.

    ``answer`` returns the reply to a request that has a right ``Host`` and ``Origin``, or raises ``RefusedError``.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Reply]], *, port: int = 0) -> None:
        self.port = port
        """Port that it listens on; 0 takes a free one."""
        self._answer: Final = answer
        self._server: asyncio.Server | None = None
        self._connections: Final[set[asyncio.Task[None]]] = set()

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> LocalServer:
        """Listen. Raises ``OSError``."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, and cut what is left."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            if task is not None and len(self._connections) < MAX_CONNECTIONS:
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)
                # Only __aexit__ cancels; asyncio would write of it to standard error.
                with suppress(OSError, TimeoutError, asyncio.CancelledError):
                    async with asyncio.timeout(SECONDS) as limit:
                        await self._serve(reader, writer, limit)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: asyncio.Timeout) -> None:
        """Take one request and answer it."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        head: h11.Request | None = None
        try:
            head = await _next(connection, reader)
            if head is None:
                return
            request = Request(connection, reader, head)
            self._check(request.headers)
            reply = await self._answer(request)
        except h11.RemoteProtocolError as error:
            reply = json_reply(400, {"error": f"this is not HTTP: {error}"})
        except RefusedError as refused:
            reply = refused.reply
        content = b"" if head is not None and head.method == b"HEAD" else reply.content
        headers = [
            ("Content-Type", reply.content_type),
            *([("Content-Length", str(len(content)))] if isinstance(content, bytes) else []),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
            *reply.headers,
        ]
        reason = HTTPStatus(reply.status).phrase.encode()
        response = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        writer.write(connection.send(response) or b"")
        if isinstance(content, bytes):
            writer.write(connection.send(h11.Data(data=content)) or b"")
        else:
            async for part in _while_open(content, reader):
                limit.reschedule(asyncio.get_running_loop().time() + SECONDS)
                writer.write(connection.send(h11.Data(data=part)) or b"")
                await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        # What is not read when a socket is closed resets the connection, and takes the answer with it.
        while await reader.read(CHUNK):
            pass

    def _check(self, headers: dict[str, str]) -> None:
        """Raise ``RefusedError`` for a request that a web page of somebody else may have sent."""
        hosts = [f"{name}:{self.port}" for name in (LOOPBACK, "localhost", "[::1]")]
        if headers.get("host", "").lower() not in hosts:
            raise RefusedError(403, f"the Host of this port is {hosts[0]}")
        if "origin" in headers and headers["origin"].lower() not in {f"http://{host}" for host in hosts}:
            raise RefusedError(403, "this port takes no requests from web pages")


async def _while_open(
    content: AsyncGenerator[bytes, None], reader: asyncio.StreamReader
) -> AsyncGenerator[bytes, None]:
    """Yield the parts until the client closes: nothing else shows that where there is nothing to be sent."""
    closed = asyncio.ensure_future(reader.read(CHUNK))
    part: asyncio.Future[bytes] | None = None
    try:
        while True:
            part = asyncio.ensure_future(anext(content))
            await asyncio.wait({part, closed}, return_when=asyncio.FIRST_COMPLETED)
            if not part.done():
                raise ConnectionResetError
            try:
                yield part.result()
            except StopAsyncIteration:
                return
    finally:
        closed.cancel()
        if part is not None:
            part.cancel()
            await asyncio.wait({part})
        await content.aclose()


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    """Return the next event, ``None`` where the client has closed. Raises ``h11.RemoteProtocolError``."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                raise RefusedError(400, "send the body at once, without Expect: 100-continue")
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None
        else:
            return event
