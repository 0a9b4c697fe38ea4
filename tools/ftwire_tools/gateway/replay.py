"""The world of a capture: what was answered is answered again, what was pushed is pushed again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import missing_fields
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.events import FrameObserved
from ftwire.frame import Kind, UnknownBody
from ftwire_tools.gateway.answer_source import Answer, failure, success
from ftwire_tools.gateway.matching import Match, security_key
from ftwire_tools.gateway.push import Push, PushRun
from ftwire_tools.gateway.push_recording import Tape, Telling, Track
from ftwire_tools.gateway.push_scheduler import SECOND, Pace, Player
from ftwire_tools.gateway.reply_index import Book, Place
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH
from ftwire_tools.gateway.time_shift import shift_times

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation
    from ftwire.events import Observation
    from ftwire.frame import Frame
    from ftwire.protocols import Protocol as Entry
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.answer_source import Client
    from ftwire_tools.gateway.forward import Forward
    from ftwire_tools.gateway.subscriptions import Change

__all__ = ["OnMiss", "Replay"]

UNLOCK_TRADE: Final = 2005
INIT_WEBSOCKET: Final = 1

_CONNECTION_OWN: Final = frozenset({INIT_CONNECT, INIT_WEBSOCKET, KEEP_ALIVE})
"""Answered by the session, whatever was captured."""
_NOTHING: Final = Track()
_HANDSHAKE_FIELDS: Final = frozenset({"connID", "connAESKey", "aesCBCiv", "keepAliveInterval"})
"""Fields of ``InitConnect.S2C`` that are the connection's own."""


class OnMiss(StrEnum):
    """What to do about a request that the capture has no reply to."""

    ERROR = "error"
    """Answer with ``retType`` -1 and say so."""
    EMPTY = "empty"
    """Answer with success and nothing in it."""
    FORWARD = "forward"
    """Ask a real gateway."""


class _Visit:
    """What is kept for one client."""

    __slots__ = ("place", "player", "seconds")

    def __init__(self, player: Player, seconds: int) -> None:
        self.player: Final = player
        self.place: Final[Place] = {}
        self.seconds: Final = seconds  # that captured times are moved by


class Replay:
    """Captures, as a world."""

    def __init__(
        self,
        *,
        match: Match = Match.EXACT,
        on_miss: OnMiss = OnMiss.ERROR,
        reuse: bool = True,
        pace: Pace | None = None,
        now: int | None = None,
        forward: Forward | None = None,
    ) -> None:
        """``now``, in nanoseconds since 1970, is when the first captured frame is to have been sent."""
        self.book: Final = Book()
        self.tape: Final = Tape()
        self._match: Final = match
        self._on_miss: Final = on_miss
        self._reuse: Final = reuse
        self._pace: Final = pace or Pace()
        self._now: Final = now
        self._forward: Final = forward
        self._start: int | None = None
        self._handshake: dict[str, Any] = {}
        self._tellings: Final[dict[tuple[int, int], Telling]] = {}
        self._visits: Final[dict[int, _Visit]] = {}

    def observe(self, file: int, talk: Conversation, seen: Observation) -> None:
        """Take what was seen in a capture; ``file`` tells captures apart."""
        if not isinstance(seen, FrameObserved):
            return
        if self._start is None:
            self._start = seen.time
        telling = self._tellings.get((file, talk.number))
        if telling is None:
            telling = self._tellings[file, talk.number] = Telling(self.tape, seen.time)
        if seen.kind is Kind.RESPONSE:
            if seen.frame.proto_id == INIT_CONNECT:
                self._take_handshake(seen.frame)
            if seen.frame.proto_id not in _CONNECTION_OWN:
                entry = self.book.add(seen.request, seen.frame, seen.time)
                if entry is not None and seen.request is not None:
                    telling.reply(_message(seen.request), entry)
        elif seen.kind is Kind.PUSH:
            self.book.know(telling.push(seen.frame, seen.time))

    def _take_handshake(self, frame: Frame | Envelope) -> None:
        message: Any = _message(frame)
        if message is not None and not message.retType and not self._handshake:
            self._handshake = {
                field.name: value
                for field, value in message.s2c.ListFields()
                if field.name not in _HANDSHAKE_FIELDS and field.message_type is None
            }

    # A world's

    def handshake(self) -> dict[str, Any]:
        """Return what the capture's gateway said about itself."""
        return dict(self._handshake)

    def join(self, client: Client) -> None:
        """Start what is pushed without being asked for."""
        seconds = 0
        if self._now is not None and self._start is not None:
            seconds = (self._now - self._start) // SECOND
        player = Player(
            client, self._pace, lambda push: self._send(client, push), lambda run: self._send_run(client, run)
        )
        visit = _Visit(player, seconds)
        self._visits[client.number] = visit
        visit.player.play(None, self.tape.tracks.get(None, _NOTHING))

    def leave(self, client: Client) -> None:
        """Stop playing to a client."""
        visit = self._visits.pop(client.number, None)
        if visit is not None:
            visit.player.stop()
        if self._forward is not None:
            self._forward.leave(client)

    def answer(self, client: Client, entry: Entry, request: Message) -> Answer | Awaitable[Answer]:
        """Answer as the captured gateway did."""
        visit = self._visits[client.number]
        found = self.book.find(entry.proto_id, request, self._match, visit.place, reuse=self._reuse)
        if found is not None:
            visit.player.play(found.index, self.tape.tracks.get(found.index, _NOTHING))
            if found.is_fixed and not visit.seconds:
                body = found.frame.body if found.frame.body_format == 0 else None
                return Answer(found.message, body)
            copy: Any = entry.response()
            copy.CopyFrom(found.message)
            shift_times(copy, visit.seconds)
            if not found.is_fixed and copy.s2c.HasField("connID"):
                copy.s2c.connID = client.conn_id
            return Answer(copy)
        if entry.proto_id in {QOT_SUB, QOT_REG_PUSH} and self.book.knows(security_key(request)):
            return Answer(success(entry))
        if entry.proto_id in {TRD_SUB_ACC_PUSH, UNLOCK_TRADE}:
            return Answer(success(entry))
        return self._miss(client, entry, request)

    def _miss(self, client: Client, entry: Entry, request: Message) -> Answer | Awaitable[Answer]:
        if self._on_miss is OnMiss.FORWARD and self._forward is not None:
            return self._forward.ask(client, entry, request)
        if self._on_miss is OnMiss.EMPTY:
            return Answer(_empty(entry, request))
        about = ", ".join(sorted(security_key(request)))
        what = f"{entry.name}{f' of {about}' if about else ''}"
        wider = "" if self._match is Match.PROTOCOL else f" (matched by {self._match})"
        return Answer(failure(entry, f"not in the capture: {what}{wider}"))

    def subscribed(self, client: Client, change: Change) -> None:
        """Play what follows from a subscription."""
        player = self._visits[client.number].player
        player.forget()
        for topic in change.started:
            player.play(topic, self.tape.tracks.get(topic, _NOTHING))

    async def run(self) -> None:
        """Wait: everything here follows from requests."""
        await asyncio.Event().wait()

    def _send_run(self, client: Client, run: PushRun) -> None:
        if not self._visits[client.number].seconds:
            client.push_run(run)
            return
        for push in run.pushes:
            if client.number not in self._visits:
                return  # it was cut off for not reading
            self._send(client, push)

    def _send(self, client: Client, push: Push) -> None:
        seconds = self._visits[client.number].seconds
        if seconds:
            message = type(push.message)()
            message.CopyFrom(push.message)
            shift_times(message, seconds)
            push = Push(push.proto_id, message)
        client.push(push)


def _message(frame: Frame | Envelope) -> Message | None:
    try:
        message = frame.message
    except WireError:
        return None
    return None if isinstance(message, UnknownBody) else message


def _empty(entry: Entry, request: Any) -> Message:
    """Return a success without content: only what is required, and of that what the request says itself."""
    response = success(entry)
    c2s = request.c2s
    while missing := missing_fields(response):
        for path in missing:
            *parents, name = path.split(".")
            target = response
            for parent in parents:
                target = getattr(target, parent)
            field = target.DESCRIPTOR.fields_by_name[name]
            same = c2s.DESCRIPTOR.fields_by_name.get(name) if parents == ["s2c"] else None
            known = same is not None and same.cpp_type == field.cpp_type and same.message_type is field.message_type
            if field.message_type is None:
                value = getattr(c2s if known else target, name)
                if isinstance(value, bytes) and field.type == field.TYPE_STRING:
                    value = ""  # what is not UTF-8 comes as bytes, and is not sent on
                setattr(target, name, value)
            elif known and c2s.HasField(name):
                getattr(target, name).CopyFrom(getattr(c2s, name))
            else:
                getattr(target, name).SetInParent()
    return response  # type: ignore[no-any-return]  # the protocol's response
