"""Gives the live page its data, and says when there is more.

The address of all is ``/TOKEN/``. A request names no file: rows, chunks and frames are numbers. The page is told over
server-sent events how many rows there are, and fetches those that it lacks when it has time for them.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from ftwire import __version__
from ftwire_tools.local_http import LocalServer, RefusedError, Reply, Request, is_token, json_members, json_reply
from ftwire_tools.session_report.body_chunks import packed
from ftwire_tools.session_report.page_writer import live_page

if TYPE_CHECKING:
    from ftwire_tools.gateway.steering import Steering
    from ftwire_tools.viewer.live_session import LiveSession
    from ftwire_tools.viewer.resender import Resender

__all__ = ["ViewServer"]

MAX_SAVE: Final = 4 << 20
"""Most bytes of the ranges of frames to be saved: 370,000 numbers, one by one."""
LOOK: Final = 0.25
"""Seconds between two events, at least."""
SILENCE: Final = 4.0
"""Seconds after which something is sent without news, so that both sides notice a connection that was lost."""
_HEADERS: Final = (
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)


class ViewServer(LocalServer):
    """Serves one session: ``async with ViewServer(...)`` until the block is left.

    ``about`` and ``vocabulary`` are those of ``session_report.page_writer.page_of``. With ``resender`` the page can
    send requests again, with ``steering`` call the verbs of a gateway or a proxy.
    """

    def __init__(
        self,
        live: LiveSession,
        about: dict[str, Any],
        vocabulary: dict[str, Any],
        *,
        token: str,
        port: int = 0,
        resender: Resender | None = None,
        steering: Steering | None = None,
    ) -> None:
        super().__init__(self._reply, port=port)
        self._live: Final = live
        self._resender: Final = resender
        self._steering: Final = steering
        self._about: Final = {**about, "sends": resender is not None, "steers": steering is not None}
        self._vocabulary: Final = packed(_json(vocabulary))
        self._page: Final = b"".join(live_page(str(about["title"])))
        self._token: Final = token

    async def _reply(self, request: Request) -> Reply:
        """Return the reply to a request. Raises ``RefusedError``."""
        path, _, query = request.target.partition("?")
        token, slash, name = path.removeprefix("/").partition("/")
        if not slash or not is_token(token, self._token):
            raise RefusedError(401, "the token is missing, or is another one: open the address that ftwire view shows")
        posts = {"clear": self._cleared, "save": self._save, "send": self._send, "call": self._call}
        reads: dict[str, Callable[[dict[str, str]], Reply | Awaitable[Reply]]] = {
            "": lambda _: Reply(200, self._page, "text/html; charset=utf-8", _HEADERS),
            "vocabulary": lambda _: _compressed(self._vocabulary, "application/json"),
            "overview": lambda _: _compressed(packed(_json(self._overview())), "application/json"),
            "table": self._table,
            "chunk": self._chunk,
            "verbs": lambda _: self._verbs(),
            "state": lambda _: self._state(),
            "events": lambda _: Reply(200, self._events(), "text/event-stream", _HEADERS),
        }
        if name in reads:
            if request.method != "GET":
                raise RefusedError(405, f"{name or 'the page'} is read with GET", ("Allow", "GET"))
            reply = reads[name](dict(parse_qsl(query, max_num_fields=8)))
            return reply if isinstance(reply, Reply) else await reply
        if name in posts:
            if request.method != "POST":
                raise RefusedError(405, f"{name} is called with POST", ("Allow", "POST"))
            # Only this page's own scripts can send this type without being asked first.
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise RefusedError(415, "the body is JSON: Content-Type: application/json")
            return await posts[name](await request.body(MAX_SAVE))
        raise RefusedError(404, "there is no such thing here")

    def _overview(self) -> dict[str, Any]:
        live = self._live
        return {"run": live.run, "about": self._about, "session": live.session.values()}

    def _table(self, query: dict[str, str]) -> Reply:
        """Return the rows from ``first`` on: length of the JSON about them, that JSON, and the columns behind it."""
        session = self._same_run(query).session
        first = _number(query, "first")
        if first > len(session.table):
            raise RefusedError(404, "there is no such row yet")
        columns, table = session.table.packed(first)
        about = _json(
            {
                **self._live.values,
                "first": first,
                "columns": columns,
                "chunks": session.bodies.firsts,
                "conversations": session.conversations(session.table.conversations(first)),
            }
        )
        # Columns begin at a multiple of 8, as the widest needs it.
        about += b" " * (-len(about) % 8)
        return _compressed(packed(struct.pack("<Q", len(about)) + about + table), "application/octet-stream")

    def _chunk(self, query: dict[str, str]) -> Reply:
        session = self._same_run(query).session
        try:
            return _compressed(session.bodies.chunk(_number(query, "number")), "application/octet-stream")
        except IndexError:
            raise RefusedError(404, "there is no such chunk yet") from None

    def _same_run(self, query: dict[str, str]) -> LiveSession:
        if query.get("run") != self._live.run:
            raise RefusedError(409, "the session has begun anew")
        return self._live

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """Yield an event for each change."""
        last: dict[str, Any] | None = None
        silent = 0.0
        while True:
            values = self._live.values
            if values != last:
                yield b"data: " + _json(values) + b"\n\n"
                last, silent = values, 0.0
            elif silent >= SILENCE:
                yield b"data: " + _json(values) + b"\n\n"
                silent = 0.0
            await asyncio.sleep(LOOK)
            silent += LOOK

    async def _cleared(self, _body: bytes) -> Reply:
        self._live.clear()
        return json_reply(200, self._live.values)

    async def _send(self, body: bytes) -> Reply:
        """Send a request again: ``{"frame": NUMBER}``; return what is known of the reply."""
        from ftwire_tools.viewer.resender import NotSentError

        if self._resender is None:
            raise RefusedError(422, "a capture has no gateway to send to: ftwire view --record, or --serve")
        number = json_members(body).get("frame")
        if type(number) is not int:
            raise RefusedError(422, 'the body is {"frame": NUMBER}')
        try:
            return json_reply(200, await self._resender.send(number))
        except NotSentError as error:
            raise RefusedError(422, str(error)) from None

    def _steered(self) -> Steering:
        if self._steering is None:
            raise RefusedError(422, "there is nothing to steer here")
        return self._steering

    def _verbs(self) -> Reply:
        """Return the verbs, as the control port describes them, and the names of faults."""
        from ftwire_tools.gateway.control_description import describe
        from ftwire_tools.gateway.faults import NAMES

        self._steered()
        return json_reply(200, {**describe(__version__), "faults": NAMES})

    async def _state(self) -> Reply:
        return json_reply(200, await self._state_of(self._steered()))

    async def _state_of(self, steering: Steering) -> dict[str, Any]:
        """Return what verbs have brought about, with the addresses that may be shown."""
        # Another thread waits for the one of the gateway.
        state = await asyncio.to_thread(steering.state)
        for client in state["clients"]:
            client["peer"] = self._live.shown.endpoint_text(client["peer"])
        return state

    async def _call(self, body: bytes) -> Reply:
        """Call a verb: ``{"verb": PATH, "arguments": {...}}``; return its result, and the state after it."""
        from ftwire_tools.gateway.verbs import SteeringError

        steering, members = self._steered(), json_members(body)
        verb, arguments = members.get("verb"), members.get("arguments", {})
        if not isinstance(verb, str) or not isinstance(arguments, dict):
            raise RefusedError(422, 'the body is {"verb": PATH, "arguments": {...}}')
        try:
            result = await asyncio.to_thread(steering.call, verb, arguments)
            state = await self._state_of(steering)
        except SteeringError as error:
            raise RefusedError(422, str(error)) from None
        return json_reply(200, {"done": verb, "result": result, "state": state})

    async def _save(self, body: bytes) -> Reply:
        """Return a capture of the frames that are named: ``{"frames": [[FIRST, LAST], ...]}``, numbers in order."""
        headers = (*_HEADERS, ("Content-Disposition", 'attachment; filename="session.pcapng"'))
        return Reply(200, self._live.saved(_ranges(body)), "application/vnd.tcpdump.pcap", headers)


def _ranges(body: bytes) -> list[tuple[int, int]]:
    """Return the ranges of a request to save. Raises ``RefusedError``."""
    try:
        found = json.loads(body)["frames"]
        ranges = [(first, last) for first, last in found]
    except (ValueError, TypeError, KeyError, RecursionError):
        ranges = [(0, 0)]
    before = 0
    for first, last in ranges:
        if type(first) is not int or type(last) is not int or not before < first <= last:
            raise RefusedError(422, 'the body is {"frames": [[FIRST, LAST], ...]}, numbers of frames in order')
        before = last
    return ranges


def _number(query: dict[str, str], name: str) -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RefusedError(422, f"{name} is a number")
    return int(text)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _compressed(content: bytes, content_type: str) -> Reply:
    return Reply(200, content, content_type, (*_HEADERS, ("Content-Encoding", "gzip")))
