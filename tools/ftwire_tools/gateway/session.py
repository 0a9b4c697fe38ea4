"""One client: its connection, its requests, its pushes.

The protocol is the connection's (``Connection`` on TCP, ``WebSocketConnection``); what is said is the world's.
What OpenD does for every client whatever the market is here: the handshake, KeepAlive, subscriptions.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import encode_body
from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire.header import BodyFormat
from ftwire_tools.gateway.answer_source import Answer, failure, success
from ftwire_tools.gateway.faults import Faults
from ftwire_tools.gateway.outbox import FaultyOutbox
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, QUOTA, TRD_SUB_ACC_PUSH, Subscriptions

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.protocols import Protocol as Entry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.answer_source import World
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.outbox import Link
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.settings import Settings

__all__ = ["Session"]

RET_INVALID: Final = -500
GET_SUB_INFO: Final = 3003
MAX_NAME: Final = 64
"""Characters of what a client says it is written in."""
MAX_WAITING: Final = 64
"""Requests of one client that may wait for an answer from elsewhere."""


class Session(ABC):
    """What TCP and WebSocket have in common."""

    def __init__(self, number: int, peer: str, link: Link, world: World, settings: Settings, log: Log) -> None:
        self.number: Final = number
        self.peer: Final = peer
        self.conn_id = 0
        self.is_open = False
        """Whether the handshake is done."""
        self.is_over = False
        self.subscriptions: Final = Subscriptions()
        self.requests = 0
        self.pushes = 0
        self._link: Final = link
        self._world: Final = world
        self._settings: Final = settings
        self._log: Final = log
        self._faults: Final = Faults(settings.faults, seed=settings.seed, client=number) if settings.faults else None
        self._outbox: Final = FaultyOutbox(link, self._faults) if self._faults is not None else None
        self._flush_due = False
        self._waiting: Final[set[asyncio.Task[None]]] = set()

    # What TCP and WebSocket differ in

    @abstractmethod
    def _send_reply(self, request: Any, body: Message | bytes) -> None:
        """Hand a reply to the connection."""

    @abstractmethod
    def _send_push(self, push: Push) -> None:
        """Hand a push to the connection. Raises ``BodyError``."""

    def _send_joined(self, run: PushRun) -> int | None:  # noqa: ARG002 - not where each is a message of its own
        """Hand what is wanted of a run to the connection as one piece; returns how many pushes that are.

        ``None`` where that cannot be done. Raises ``BodyError``, having handed over nothing.
        """
        return None

    @abstractmethod
    def _send_spoiled(self, proto_id: int, body: bytes) -> None:
        """Hand a push to the connection whose body is not what it should be."""

    @abstractmethod
    def _take(self) -> list[bytes]:
        """Return what the connection has to send."""

    @property
    @abstractmethod
    def _push_format(self) -> BodyFormat:
        """The format of pushes."""

    # A client, as a world sees it

    def push(self, push: Push) -> bool:
        """Send a push if this client wants it."""
        if not self.is_open or self.is_over:
            return False
        chosen = self.subscriptions.select(push)
        if chosen is None:
            return False
        self.pushes += 1
        try:
            if self._faults is None:
                self._send_push(chosen)
                self._flush_soon()
            else:
                self._push_with_faults(chosen, self._faults)
        except WireError as error:
            self._log("push-left-out", client=self.number, proto=push.proto_id, reason=str(error))
            return False
        self._check_unsent()
        return True

    def push_run(self, run: PushRun) -> None:
        """Send pushes, in order, those of them that this client wants."""
        if not self.is_open or self.is_over:
            return
        if self._faults is None:
            with suppress(WireError):  # which one cannot be sent shows when each is sent alone
                sent = self._send_joined(run)
                if sent is not None:
                    self.pushes += sent
                    self._flush_soon()
                    self._check_unsent()
                    return
        for push in run.pushes:
            self.push(push)

    def _check_unsent(self) -> None:
        if self._link.unsent() + (self._outbox.size if self._outbox else 0) > self._settings.max_unsent:
            self.cut_off(f"slow reader: {self._link.unsent()} bytes wait for it")

    async def drained(self) -> None:
        """Wait until there is room for more."""
        self.flush()
        if self._outbox is not None:
            await self._outbox.drained()
        await self._link.drained()

    # Requests

    def handle(self, request: Frame | Envelope) -> None:
        """Answer a request that is not the handshake."""
        self.requests += 1
        entry = request.protocol
        if entry is None or entry.is_push:
            self._refuse_unknown(request)
            return
        try:
            message = request.message
        except WireError as error:
            self._reply(request, entry, Answer(_invalid(entry, str(error))))
            return
        if isinstance(message, UnknownBody):
            self._reply(request, entry, Answer(_invalid(entry, f"unknown body format {message.body_format}")))
            return
        asked: Any = message
        if not asked.HasField("c2s"):
            self._reply(request, entry, Answer(_invalid(entry, "c2s is missing")))
        elif entry.proto_id == KEEP_ALIVE:
            alive = success(entry)
            alive.s2c.time = asked.c2s.time
            self._reply(request, entry, Answer(alive))
        elif entry.proto_id == GET_SUB_INFO:
            self._reply(request, entry, Answer(self._sub_info(entry)))
        else:
            self._ask_world(request, entry, asked)

    def _ask_world(self, request: Frame | Envelope, entry: Entry, message: Message) -> None:
        try:
            answer = self._world.answer(self, entry, message)
        except Exception as error:
            self._internal_error(request, entry, error)
            return
        if not isinstance(answer, Awaitable):
            self._finish(request, entry, message, answer)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._finish_later(request, entry, message, answer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            if inspect.iscoroutine(answer):
                answer.close()
            self._reply(request, entry, Answer(failure(entry, "too many requests wait for an answer")))

    async def _finish_later(
        self, request: Frame | Envelope, entry: Entry, message: Message, answer: Awaitable[Answer]
    ) -> None:
        try:
            found = await answer
        except Exception as error:
            self._internal_error(request, entry, error)
            return
        self._finish(request, entry, message, found)

    def _internal_error(self, request: Frame | Envelope, entry: Entry, error: Exception) -> None:
        self._log("internal-error", client=self.number, proto=entry.proto_id, reason=f"{type(error).__name__}: {error}")
        if not self.is_over:
            self._reply(request, entry, Answer(failure(entry, "internal error of the gateway")))

    def _finish(self, request: Frame | Envelope, entry: Entry, message: Message, answer: Answer) -> None:
        if self.is_over:
            return
        response: Any = answer.message
        change = None
        if entry.proto_id in {QOT_SUB, QOT_REG_PUSH, TRD_SUB_ACC_PUSH} and not response.retType:
            change = self.subscriptions.apply(entry.proto_id, message)
            if change.error:
                answer, change = Answer(failure(entry, change.error)), None
        self._reply(request, entry, answer)
        if change is not None:
            self._world.subscribed(self, change)

    def _sub_info(self, entry: Entry) -> Any:
        response = success(entry)
        info = response.s2c.connSubInfoList.add(usedQuota=len(self.subscriptions.topics), isOwnConnData=True)
        by_type: dict[int, Any] = {}
        for topic in self.subscriptions.topics:
            if topic.sub_type not in by_type:
                by_type[topic.sub_type] = info.subInfoList.add(subType=topic.sub_type)
            by_type[topic.sub_type].securityList.add(market=topic.market, code=topic.code)
        response.s2c.totalUsedQuota = len(self.subscriptions.topics)
        response.s2c.remainQuota = QUOTA - len(self.subscriptions.topics)
        return response

    def _refuse_unknown(self, request: Frame | Envelope) -> None:
        """Answer in what every ``Response`` begins with, so that nobody has to wait for a time-out."""
        self._log("unknown-protocol", client=self.number, proto=request.proto_id)
        entry = self._known(KEEP_ALIVE)
        self._reply(request, entry, Answer(failure(entry, f"unknown protocol {request.proto_id}")))

    @staticmethod
    def _known(proto_id: int) -> Entry:
        from ftwire.protocols import registry

        return registry[proto_id]

    def _reply(self, request: Frame | Envelope, entry: Entry, answer: Answer) -> None:
        body_format = BodyFormat.JSON if request.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF
        body = answer.body if body_format is BodyFormat.PROTOBUF else None
        try:
            self._out(answer.message, body, body_format, request)
        except WireError as error:
            self._log("reply-left-out", client=self.number, proto=request.proto_id, reason=str(error))
            self._out(failure(entry, f"no reply can be made: {error}"), None, body_format, request)

    # What goes out

    def _out(self, message: Message, body: bytes | None, body_format: BodyFormat, request: Frame | Envelope) -> None:
        """Send a reply. Raises ``BodyError``."""
        proto_id = request.proto_id
        faults = self._faults
        plain: Message | bytes = message if body is None else body
        if faults is not None and faults.strikes("bad-body", proto_id):
            plain = faults.spoil_body(body if body is not None else encode_body(message, body_format))
        self._send_reply(request, plain)
        if faults is None:
            self._flush_soon()
        else:
            self._send_with_faults(proto_id, is_push=False)

    def _flush_soon(self) -> None:
        """Have what this turn of the event loop sends leave in one write."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _push_with_faults(self, push: Push, faults: Faults) -> None:
        if faults.strikes("bad-body", push.proto_id):
            self._send_spoiled(push.proto_id, faults.spoil_body(push.body(self._push_format)))
        else:
            self._send_push(push)
        self._send_with_faults(push.proto_id, is_push=True)

    def _send_with_faults(self, proto_id: int, *, is_push: bool) -> None:
        if self._faults is None or self._outbox is None:
            return
        for frame in self._take():
            spoiled = self._faults.spoil_frame(proto_id, frame, is_push=is_push, stream=self._link.is_stream)
            self._outbox.put(proto_id, spoiled, is_push=is_push)

    def flush(self) -> None:
        """Write what there is."""
        self._flush_due = False
        if self.is_over or self._faults is not None:
            return
        for data in self._take():
            self._link.write(data)

    # Beginning and end

    def _opened(self, *, notify: bool, language: str, encryption: str) -> None:
        self.is_open = True
        self.subscriptions.notify = notify
        self._log(
            "connected", client=self.number, language=str(language)[:MAX_NAME] or "unknown", encryption=encryption
        )
        self._world.join(self)

    def _refuses(self) -> bool:
        """Whether the handshake is to fail, as a fault."""
        return self._faults is not None and self._faults.strikes("refuse", 1001)

    def abort(self) -> None:
        """Close what is not closed yet, whatever is unsent."""
        self.over()
        self._link.abort()

    def cut_off(self, reason: str) -> None:
        """End the connection at once."""
        if not self.is_over:
            self._log("cut-off", client=self.number, reason=reason)
            self.over()
            self._link.abort()

    def end(self, reason: str) -> None:
        """Send what there is, and end the connection."""
        if not self.is_over:
            self._log("closing", client=self.number, reason=reason)
            self.flush()
            self.over()
            self._link.close()

    def over(self) -> None:
        """Take note that the connection is no more."""
        if self.is_over:
            return
        self.is_over = True
        for task in self._waiting:
            task.cancel()
        if self._outbox is not None:
            self._outbox.stop()
        if self.is_open:
            self._world.leave(self)
        struck = dict(self._faults.struck) if self._faults is not None else {}
        self._log(
            "disconnected",
            client=self.number,
            requests=self.requests,
            pushes=self.pushes,
            **({"faults": struck} if struck else {}),
        )


def _invalid(entry: Entry, reason: str) -> Any:
    response = failure(entry, reason)
    response.retType = RET_INVALID
    return response
