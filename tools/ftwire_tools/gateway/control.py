"""The control port: verbs and state of a gateway over HTTP, for programs in any language on this machine.

It listens on loopback only. A request needs the token, and a ``Host`` that is this port: a web page that has been
made to point at it (DNS rebinding) does not have one. One with an ``Origin`` comes from a web page, and is refused
unless the page is this port's own; no CORS header is ever sent. A request is one verb with plain values: nothing in it
is a path or code. Each connection takes one request.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h11

from ftwire import __version__
from ftwire_tools.gateway.control_description import STATUSES, describe
from ftwire_tools.gateway.steering import VERBS
from ftwire_tools.gateway.verbs import SteeringError
from ftwire_tools.messages.masking import MessageView

if TYPE_CHECKING:
    from ftwire_tools.gateway.session_context import ReceivedRequest
    from ftwire_tools.gateway.steering import Steering

__all__ = ["ControlServer", "RequestLog", "new_token"]

LOOPBACK: Final = "127.0.0.1"
MAX_HEAD: Final = 16 << 10
"""Most bytes of a request's line and headers."""
MAX_BODY: Final = 64 << 10
"""Most bytes of its body."""
MAX_CONNECTIONS: Final = 32
"""Most connections at a time; further ones are closed at once."""
SECONDS: Final = 10.0
"""Seconds that a request may take to arrive, and its answer to be read."""
CHUNK: Final = 16 << 10
KEPT_REQUESTS: Final = 1000
"""Requests of clients that are kept to be listed; the oldest are forgotten."""
KEPT_MESSAGE: Final = 16 << 10
"""Largest message that is kept with its request, in bytes."""


def new_token() -> str:
    """Return a token that cannot be guessed: 32 characters, 192 random bits."""
    return secrets.token_urlsafe(24)


class RequestLog:
    """The last requests that clients have sent, as plain data without secrets."""

    def __init__(self) -> None:
        self._kept: Final[deque[ReceivedRequest]] = deque(maxlen=KEPT_REQUESTS)
        self._count = 0

    def add(self, request: ReceivedRequest) -> None:
        """Add a request."""
        self._count += 1
        if request.message is not None and request.message.ByteSize() > KEPT_MESSAGE:
            request = request._replace(message=None)
        self._kept.append(request)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()
        self._count = 0

    def listed(self) -> dict[str, Any]:
        """Return them, and how many there were since they were last forgotten."""
        rows = [
            {
                "client": one.client,
                "proto_id": one.proto_id,
                "proto": one.name,
                "message": None if one.message is None else MessageView(one.message, show_secrets=False).to_dict(),
            }
            for one in self._kept
        ]
        return {"count": self._count, "requests": rows}


class _Reply(NamedTuple):
    status: int
    content: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


class _RefusedError(Exception):
    """A request that is refused, with the reply to it."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.reply: Final = _Reply(status, {"error": reason}, headers)


class ControlServer:
    """Listens for requests that steer a gateway: ``async with ControlServer(...)`` until the block is left."""

    def __init__(self, steering: Steering, requests: RequestLog, *, token: str, port: int = 0) -> None:
        self.port = port
        """Port that it listens on; 0 takes a free one."""
        self._steering: Final = steering
        self._requests: Final = requests
        self._token: Final = token.encode()
        self._server: asyncio.Server | None = None
        self._connections: Final[set[asyncio.Task[None]]] = set()
        steering.when_reset(requests.clear)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> ControlServer:
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
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(SECONDS):
                        await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        head: h11.Request | None = None
        try:
            head = await _next(connection, reader)
            if head is None:
                return
            reply = await self._answer(connection, reader, head)
        except h11.RemoteProtocolError as error:
            reply = _Reply(400, {"error": f"this is not HTTP: {error}"})
        except _RefusedError as refused:
            reply = refused.reply
        body = b"" if head is not None and head.method == b"HEAD" else json.dumps(reply.content).encode() + b"\n"
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
            *reply.headers,
        ]
        response = h11.Response(status_code=reply.status, headers=headers, reason=STATUSES[reply.status][0].encode())
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        # What is not read when a socket is closed resets the connection, and takes the answer with it.
        while await reader.read(CHUNK):
            pass

    async def _answer(self, connection: h11.Connection, reader: asyncio.StreamReader, head: h11.Request) -> _Reply:
        """Return the reply to a request. Raises ``_RefusedError`` and ``h11.RemoteProtocolError``."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        self._check(headers)
        method, target = head.method.decode("latin-1"), head.target.decode("latin-1")
        reads = {
            "/v1/openapi.json": lambda: describe(__version__),
            "/v1/state": self._steering.state,
            "/v1/requests": self._requests.listed,
        }
        if target in reads:
            if method != "GET":
                raise _RefusedError(405, f"{target} is read with GET", ("Allow", "GET"))
            return _Reply(200, reads[target]())
        path = target.removeprefix("/v1/").replace("/", ".")
        if not target.startswith("/v1/") or path not in VERBS or "." in target.removeprefix("/v1/"):
            raise _RefusedError(404, f"there is no {target!r:.80}; GET /v1/openapi.json has all there is")
        if method != "POST":
            raise _RefusedError(405, f"{path} is called with POST", ("Allow", "POST"))
        if headers.get("content-type", "application/json").partition(";")[0].strip().lower() != "application/json":
            raise _RefusedError(415, "the body is JSON: Content-Type: application/json")
        arguments = _arguments(await _body(connection, reader))
        try:
            result = self._steering.call(path, arguments)
        except SteeringError as error:
            raise _RefusedError(422, str(error)) from None
        return _Reply(200, {"done": path} if result is None else {"done": path, "result": result})

    def _check(self, headers: dict[str, str]) -> None:
        """Raise ``_RefusedError`` for a request that a web page may have sent, or that lacks the token."""
        hosts = [f"{name}:{self.port}" for name in (LOOPBACK, "localhost", "[::1]")]
        if headers.get("host", "").lower() not in hosts:
            raise _RefusedError(403, f"the Host of this port is {hosts[0]}")
        if "origin" in headers and headers["origin"].lower() not in {f"http://{host}" for host in hosts}:
            raise _RefusedError(403, "this port takes no requests from web pages")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode("latin-1"), self._token):
            raise _RefusedError(
                401,
                "the token is missing, or is another one: Authorization: Bearer TOKEN",
                ("WWW-Authenticate", "Bearer"),
            )


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    """Return the next event, ``None`` where the client has closed. Raises ``h11.RemoteProtocolError``."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                raise _RefusedError(400, "send the body at once, without Expect: 100-continue")
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None
        else:
            return event


async def _body(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while isinstance(event := await _next(connection, reader), h11.Data):
        body += event.data
        if len(body) > MAX_BODY:
            raise _RefusedError(413, f"a body has at most {MAX_BODY} bytes")
    return bytes(body)


def _arguments(body: bytes) -> dict[str, object]:
    """Return the members of a body; none for an empty one."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _RefusedError(400, "the body is a JSON object with the verb's arguments")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")
