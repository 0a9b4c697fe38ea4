"""The push recording: captured pushes, each with its cause and the time since then.

The cause of a push is the subscription to its topic or, for an order, the request that placed or changed it. A
client that subscribes later, more slowly or in another order than the captured one thereby gets the same pushes with
the same delays.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire_tools.gateway.push import Push, PushRun
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH
from ftwire_tools.gateway.topics import TRADE_PUSHES, Topic, topics_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.reply_index import CapturedReply

__all__ = ["Cause", "CauseTracker", "PushRecording", "RecordedPush", "Track"]

RUN: Final = 256
"""Most pushes that are sent as one piece, so that a write is no larger than a socket takes at once."""

PLACE_ORDER: Final = 2202
MODIFY_ORDER: Final = 2205
CAUSES: Final = frozenset({QOT_SUB, QOT_REG_PUSH, TRD_SUB_ACC_PUSH, PLACE_ORDER, MODIFY_ORDER})
"""Protocols whose requests cause pushes."""
CANCELLED: Final = frozenset({12, 13, 14, 15})
"""``Trd_Common.OrderStatus`` numbers that only a ``Trd_ModifyOrder`` causes."""

Cause = Topic | int | None
"""The topic subscribed to, the index of a trading reply in the reply index, or ``None`` for the connection itself."""


class RecordedPush(NamedTuple):
    """One push."""

    offset: int
    """Nanoseconds after its cause."""
    push: Push
    time: int
    """When it was captured, in nanoseconds."""


class Track(list[RecordedPush]):
    """The pushes of one cause, in the order of time."""

    __slots__ = ("_runs",)

    def __init__(self, pushes: Iterable[RecordedPush] = ()) -> None:
        super().__init__(pushes)
        self._runs: dict[int, PushRun] = {}

    def run(self, index: int) -> PushRun | None:
        """Return the run of pushes that begins at ``index``, or ``None`` where none begins there.

        Runs begin at multiples of ``RUN`` and are made once for all clients.
        """
        if index % RUN:
            return None
        found = self._runs.get(index)
        if found is None:
            found = self._runs[index] = PushRun([recorded.push for recorded in self[index : index + RUN]])
        return found


class PushRecording:
    """All pushes of one or more captures, by cause."""

    def __init__(self) -> None:
        self.tracks: Final[dict[Cause, Track]] = defaultdict(Track)
        self.pushes = 0
        """How many there are."""
        self.left_out = 0
        """Pushes that cannot be decoded and are not in the recording."""


class CauseTracker:
    """Finds the causes of the pushes of one captured conversation, and adds them to the recording.

    ``start`` is the time of the conversation's first frame, in nanoseconds since 1970, as are all times here (0: none).
    """

    def __init__(self, recording: PushRecording, start: int) -> None:
        self._recording: Final = recording
        self._start: Final = start
        self._subscribed: Final[dict[Topic, int]] = {}
        self._account_push: tuple[int, int] | None = None
        self._last_order: tuple[int, int] | None = None
        self._placed: Final[dict[str, tuple[int, int]]] = {}
        self._modified: Final[dict[str, tuple[int, int]]] = {}
        self._mine: Final[set[Cause]] = set()

    def reply(self, request: Message | None, entry: CapturedReply) -> None:
        """Note a request and its reply as a possible cause of pushes."""
        response: Any = entry.message
        asked: Any = request
        if asked is None or entry.proto_id not in CAUSES or response.retType:
            return
        here = entry.index, entry.time
        if entry.proto_id in {QOT_SUB, QOT_REG_PUSH}:
            if asked.c2s.isSubOrUnSub if entry.proto_id == QOT_SUB else asked.c2s.isRegOrUnReg:
                for security in asked.c2s.securityList:
                    for sub_type in asked.c2s.subTypeList:
                        self._subscribed.setdefault(Topic(security.market, security.code, sub_type), entry.time)
        elif entry.proto_id == TRD_SUB_ACC_PUSH:
            self._account_push = self._account_push or here
        elif entry.proto_id == PLACE_ORDER:
            self._last_order = here
            self._placed.update(dict.fromkeys(_order_ids(response.s2c), here))
        elif entry.proto_id == MODIFY_ORDER:
            self._last_order = here
            self._modified.update(dict.fromkeys(_order_ids(response.s2c), here))

    def push(self, frame: Frame | Envelope, time: int) -> Message | None:
        """Add a push; return its message, or ``None`` for one that cannot be decoded."""
        try:
            message = frame.message
        except WireError:
            message = None
        if message is None or isinstance(message, UnknownBody):
            self._recording.left_out += 1
            return None
        cause, since = self._cause(frame.proto_id, message)
        track = self._recording.tracks[cause]
        if track and cause not in self._mine:
            return message  # recorded from another conversation: a client that subscribes once gets it once
        self._mine.add(cause)
        offset = max(time - since, 0) if since else 0
        track.append(RecordedPush(offset, Push(frame.proto_id, message), time))
        self._recording.pushes += 1
        return message

    def _cause(self, proto_id: int, message: Message) -> tuple[Cause, int]:
        topics = topics_of(proto_id, message)
        if topics is not None:
            # Of a push about several securities, the one that was subscribed to last completes it.
            known = [(self._subscribed[topic], topic) for topic in topics if topic in self._subscribed]
            if known:
                since, topic = max(known)
                return topic, since
            return (topics[0] if topics else None), self._start
        if proto_id in TRADE_PUSHES:
            found = self._order_cause(getattr(message, "s2c", None))
            if found is not None:
                return found
        return None, self._start

    def _order_cause(self, s2c: Any) -> tuple[int, int] | None:
        order = getattr(s2c, "order", None) or getattr(s2c, "orderFill", None)
        ids = _order_ids(order) if order is not None else []
        cancelled = getattr(order, "orderStatus", None) in CANCELLED
        for known in (self._modified, self._placed) if cancelled else (self._placed,):
            for name in ids:
                if name in known:
                    return known[name]
        return self._last_order or self._account_push


def _order_ids(source: Any) -> list[str]:
    """Return the IDs of an order: SDKs use one or the other."""
    return [str(value) for value in (source.orderID, source.orderIDEx) if value]
