"""The answer source for captures: sends captured replies again, and captured pushes with their captured delays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import missing_fields
from ftwire.capture import read_body
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.frame import Kind
from ftwire_tools.gateway.answer_source import Answer, content_of, failure, success
from ftwire_tools.gateway.matching import Match, security_key
from ftwire_tools.gateway.push import Push, PushRun
from ftwire_tools.gateway.push_recording import CauseTracker, PushRecording, Track
from ftwire_tools.gateway.push_scheduler import SECOND, Pace, PushScheduler
from ftwire_tools.gateway.reply_index import Position, ReplyIndex
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH
from ftwire_tools.gateway.time_shift import shift_times
from ftwire_tools.gateway.topics import topics_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import DissectedFrame
    from ftwire.frame import Frame
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.forward import Forward
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.subscriptions import SubscriptionChange
    from ftwire_tools.gateway.topics import Topic

__all__ = ["OnMiss", "Replay"]

UNLOCK_TRADE: Final = 2005
INIT_WEBSOCKET: Final = 1

_BY_SESSION: Final = frozenset({INIT_CONNECT, INIT_WEBSOCKET, KEEP_ALIVE})
"""Protocols that the session answers."""
_NO_PUSHES: Final = Track()
_HANDSHAKE_FIELDS: Final = frozenset({"connID", "connAESKey", "aesCBCiv", "keepAliveInterval"})
"""Fields of ``InitConnect.S2C`` that differ from connection to connection."""


class OnMiss(StrEnum):
    """What to do with a request that the captures have no reply to."""

    ERROR = "error"
    """Answer with ``retType`` -1 and the reason."""
    EMPTY = "empty"
    """Answer with success and no content."""
    FORWARD = "forward"
    """Forward it to a real gateway."""


class _ClientState:
    """State of one client."""

    __slots__ = ("position", "scheduler", "seconds")

    def __init__(self, scheduler: PushScheduler, seconds: int) -> None:
        self.scheduler: Final = scheduler
        self.position: Final[Position] = {}
        self.seconds: Final = seconds
        """By which captured times are moved."""


class Replay:
    """Answers from captures that were added by ``observe``."""

    def __init__(
        self,
        *,
        match: Match = Match.EXACT,
        on_miss: OnMiss = OnMiss.ERROR,
        reuse: bool = True,
        pace: Pace | None = None,
        now: int | None = None,
        forward: Forward | None = None,
        log: Log | None = None,
    ) -> None:
        """``now``, in nanoseconds since 1970, is when the first captured frame is to have been sent.

        Long pauses between pushes are reported to ``log``.
        """
        self.index: Final = ReplyIndex()
        self.recording: Final = PushRecording()
        self._match: Final = match
        self._on_miss: Final = on_miss
        self._reuse: Final = reuse
        self._pace: Final = pace or Pace()
        self._now: Final = now
        self._forward: Final = forward
        self._log: Final = log
        self._start = 0  # time of the first frame that has one
        self._latest = 0
        self._pushed: Final[set[Topic]] = set()
        self._handshake: dict[str, Any] = {}
        self._trackers: Final[dict[tuple[int, int], CauseTracker]] = {}
        self._clients: Final[dict[int, _ClientState]] = {}

    def add(self, file: int, dissected: DissectedFrame) -> None:
        """Add a frame of a capture; ``file`` is the number of the capture."""
        frame, request = dissected.frame, dissected.request
        # One without a time was sent when the one before it was.
        time = self._latest = dissected.time or self._latest
        self._start = self._start or time
        conversation = file, dissected.conversation.number
        tracker = self._trackers.get(conversation)
        if tracker is None:
            tracker = self._trackers[conversation] = CauseTracker(self.recording, time)
        if dissected.kind is Kind.RESPONSE:
            if frame.proto_id == INIT_CONNECT:
                self._take_handshake(frame)
            if frame.proto_id not in _BY_SESSION:
                entry = self.index.add(request, frame, time)
                if entry is not None and request is not None:
                    tracker.reply(read_body(request)[0], entry)
        elif dissected.kind is Kind.PUSH:
            message = tracker.push(frame, time)
            self.index.add_securities(message)
            if message is not None:
                self._pushed.update(topics_of(frame.proto_id, message) or ())
        elif dissected.error is not None:
            # A request: the reply to it is found by its protocol alone.
            self.index.left_out += 1

    def _take_handshake(self, frame: Frame | Envelope) -> None:
        message: Any = read_body(frame)[0]
        if message is not None and not message.retType and not self._handshake:
            self._handshake = {
                field.name: value
                for field, value in message.s2c.ListFields()
                if field.name not in _HANDSHAKE_FIELDS and field.message_type is None
            }

    # AnswerSource

    def handshake(self) -> dict[str, Any]:
        """Return the fields of the captured handshake that do not belong to a connection."""
        return dict(self._handshake)

    def join(self, client: Subscriber) -> None:
        """Add a client, and start the pushes that need no subscription."""
        seconds = 0
        if self._now is not None and self._start:
            seconds = (self._now - self._start) // SECOND
        scheduler = PushScheduler(
            client,
            self._pace,
            lambda push: self._send(client, push),
            lambda run: self._send_run(client, run),
            self._log,
        )
        state = _ClientState(scheduler, seconds)
        self._clients[client.number] = state
        state.scheduler.start(None, self.recording.tracks.get(None, _NO_PUSHES))

    def leave(self, client: Subscriber) -> None:
        """Remove a client and stop its pushes."""
        state = self._clients.pop(client.number, None)
        if state is not None:
            state.scheduler.stop()
        if self._forward is not None:
            self._forward.leave(client)

    def answer(self, client: Subscriber, entry: ProtocolEntry, request: Message) -> Answer | Awaitable[Answer]:
        """Return the captured reply, or the one that ``on_miss`` determines."""
        found = self.captured(client, entry, request)
        if found is not None:
            return found
        if entry.proto_id in {TRD_SUB_ACC_PUSH, UNLOCK_TRADE}:
            return Answer(success(entry))
        return self._miss(client, entry, request)

    def captured(self, client: Subscriber, entry: ProtocolEntry, request: Message) -> Answer | None:
        """Return the captured reply, or the success of a subscription to what was captured; ``None`` for neither."""
        state = self._clients[client.number]
        found = self.index.find(entry.proto_id, request, self._match, state.position, reuse=self._reuse)
        if found is not None:
            state.scheduler.start(found.index, self.recording.tracks.get(found.index, _NO_PUSHES))
            if found.is_fixed and not state.seconds:
                body = found.frame.body if found.frame.body_format == 0 else None
                return Answer(found.message, body)
            copy: Any = entry.response()
            copy.CopyFrom(found.message)
            shift_times(copy, state.seconds)
            if not found.is_fixed and copy.s2c.HasField("connID"):
                copy.s2c.connID = client.conn_id
            return Answer(copy)
        if entry.proto_id in {QOT_SUB, QOT_REG_PUSH} and self.index.has_securities(security_key(request)):
            return Answer(success(entry))
        return None

    def has_pushes(self, topic: Topic) -> bool:
        """Return whether pushes of a topic were captured."""
        return topic in self._pushed

    def _miss(self, client: Subscriber, entry: ProtocolEntry, request: Message) -> Answer | Awaitable[Answer]:
        if self._on_miss is OnMiss.FORWARD and self._forward is not None:
            return self._forward.ask(client, entry, request)
        if self._on_miss is OnMiss.EMPTY:
            return Answer(_empty(entry, request))
        about = ", ".join(sorted(security_key(request)))
        what = f"{entry.name}{f' of {about}' if about else ''}"
        wider = "" if self._match is Match.PROTOCOL else f" (matched by {self._match})"
        return Answer(failure(entry, f"not in the capture: {what}{wider}"))

    def subscribed(self, client: Subscriber, change: SubscriptionChange) -> None:
        """Start the pushes of new topics, and stop those of topics no longer subscribed to."""
        scheduler = self._clients[client.number].scheduler
        scheduler.forget()
        for topic in change.started:
            scheduler.start(topic, self.recording.tracks.get(topic, _NO_PUSHES))

    async def run(self) -> None:
        """Do nothing until cancelled: pushes follow from requests here."""
        await asyncio.Event().wait()

    def _send_run(self, client: Subscriber, run: PushRun) -> None:
        if not self._clients[client.number].seconds:
            client.push_run(run)
            return
        for push in run.pushes:
            if client.number not in self._clients:
                return  # it was cut off for not reading
            self._send(client, push)

    def _send(self, client: Subscriber, push: Push) -> None:
        seconds = self._clients[client.number].seconds
        if seconds:
            message = type(push.message)()
            message.CopyFrom(push.message)
            shift_times(message, seconds)
            push = Push(push.proto_id, message)
        client.push(push)


def _empty(entry: ProtocolEntry, request: Any) -> Message:
    """Return a success that has only the required fields, with values from the request where it has the same ones."""
    response = success(entry)
    c2s = content_of(request)
    place = ["s2c"] if c2s is not request else []  # of the fields that a request's may have the names of
    while missing := missing_fields(response):
        for path in missing:
            *parents, name = path.split(".")
            target = response
            for parent in parents:
                target = getattr(target, parent)
            field = target.DESCRIPTOR.fields_by_name[name]
            same = c2s.DESCRIPTOR.fields_by_name.get(name) if parents == place else None
            known = same is not None and same.cpp_type == field.cpp_type and same.message_type is field.message_type
            if field.message_type is None:
                value = getattr(c2s if known else target, name)
                if isinstance(value, bytes) and field.type == field.TYPE_STRING:
                    value = ""  # protobuf returns text that is not UTF-8 as bytes; it is not sent on
                setattr(target, name, value)
            elif known and c2s.HasField(name):
                getattr(target, name).CopyFrom(getattr(c2s, name))
            else:
                getattr(target, name).SetInParent()
    return response  # type: ignore[no-any-return]  # the protocol's response
