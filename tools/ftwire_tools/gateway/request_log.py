"""The request log: one line for each request, with its answer and how long that took.

::

    12:00:01.203 client 3 #17 Qot_GetRT(HK.00700) -> ok, 331 rows, 1.2ms
    12:00:01.310 client 3 #18 Qot_Sub(HK.00700) -> -1 "No right to subscribe", 84us

For people: a line has the width of the terminal, or 80 columns; of a busy second ``MOST_LINES`` are shown, and as many
of failures, and the others are counted in one line. As JSON it is complete. A filter (``-Y``) shows an exchange where
it would show the request or the reply of a capture.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ftwire.body import encode_body
from ftwire.capture import Conversation, DissectedFrame
from ftwire.errors import WireError
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Kind, Role
from ftwire.websocket import Envelope
from ftwire_tools.gateway.log import json_line
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.stats import duration
from ftwire_tools.terminal.cells import Screen, cell_width, screen_of, wrapped
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire_tools.filters.compiler import Filter

__all__ = ["ExchangeLog", "JsonRequests", "LoggedExchange", "TextRequests", "exchange_of_frames"]

COLUMNS: Final = 80
"""Width of a line where it is not for a terminal."""
MOST_LINES: Final = 100
"""Lines about successes in a second, and as many about failures."""
LEAST_REQUEST: Final = 12
"""Columns that the summary of a request keeps where the reason of a failure is on the same line."""
MAX_REASON: Final = 500
"""Characters of a reason that are shown."""
INDENT: Final = len("12:00:00.000 ")
"""Columns of the time, which are in front of a line."""


class LoggedExchange(NamedTuple):
    """A request and its answer."""

    client: int
    """Number of the connection."""
    request: Frame | Envelope
    reply: Message | None
    """The ``Response``; ``None`` where there is none to be had: the handshake's, or one that cannot be read."""
    latency: int | None
    """Nanoseconds from the request to the answer."""
    failure: str = ""
    """Why there is no reply to be had."""
    faults: tuple[str, ...] = ()
    """Names of the faults that have struck the answer."""
    ends: tuple[str, str] = ("client", "server")
    """Addresses of the client and of the gateway."""
    reply_frame: DissectedFrame | None = None
    """The reply as it was captured, where it was."""

    @property
    def name(self) -> str:
        """Name of the protocol, or its number where it is unknown."""
        entry = self.request.protocol
        return f"protocol {self.request.proto_id}" if entry is None else entry.name

    @property
    def ret_type(self) -> int | None:
        """``retType`` of the reply, 0 for a handshake that has succeeded, ``None`` where it is not known."""
        if self.reply is None:
            return None if self.failure else 0
        return int(getattr(self.reply, "retType", 0))


class _Requests(Protocol):
    """Writes exchanges in some form."""

    def exchange(self, exchange: LoggedExchange) -> None:
        """Write an exchange, or count it."""
        ...

    def count(self, failed: bool) -> bool:
        """Count an exchange if there were so many that it would only be counted; return whether it was."""
        ...

    def close(self) -> None:
        """Write what was counted."""
        ...


class ExchangeLog:
    """Takes all exchanges and passes those that are to be shown to ``requests``."""

    def __init__(self, requests: _Requests, chosen: Filter | None = None) -> None:
        self._requests: Final = requests
        self._filter: Final = chosen
        self._count = 0
        self.count: Final[Callable[[bool], bool]] = requests.count if chosen is None else lambda _: False
        """Count an exchange instead of taking it, where there are too many; return whether it was counted.

        Far cheaper than ``add``. The argument is whether the exchange has failed: its ``retType`` is not 0, or a fault
        has struck.
        """

    def add(self, exchange: LoggedExchange) -> None:
        """Take an exchange."""
        if self._filter is None or self._is_chosen(exchange, self._filter):
            self._requests.exchange(exchange)

    def close(self) -> None:
        """Write what is left to write."""
        self._requests.close()

    def _is_chosen(self, exchange: LoggedExchange, chosen: Filter) -> bool:
        """Return whether the request or the reply passes a filter, which takes both."""
        request, reply = self._frames_of(exchange)
        is_chosen = chosen.matches(request)
        return (reply is not None and chosen.matches(reply)) or is_chosen

    def _frames_of(self, exchange: LoggedExchange) -> tuple[DissectedFrame, DissectedFrame | None]:
        """Return the frames of an exchange as a capture of it would have them."""
        request, now = exchange.request, time.time_ns()
        captured = exchange.reply_frame
        is_envelope = isinstance(request, Envelope)
        conversation = (
            captured.conversation
            if captured is not None
            else Conversation(exchange.client, "websocket" if is_envelope else "tcp", *exchange.ends)
        )
        encryption = request.encryption
        begun = now - (exchange.latency or 0)
        self._count += 1
        first = DissectedFrame(
            self._count,
            conversation,
            FrameObserved(request, Role.CLIENT, Kind.REQUEST, encryption, begun, 0, None, None),
        )
        if captured is not None:
            return first, captured
        if exchange.reply is None:
            return first, None
        reply = _frame_of(request, exchange.reply)
        self._count += 1
        observed = FrameObserved(reply, Role.SERVER, Kind.RESPONSE, encryption, now, 0, request, exchange.latency)
        return first, DissectedFrame(self._count, conversation, observed)


def _frame_of(request: Frame | Envelope, reply: Message) -> Frame | Envelope:
    """Return the frame of a reply, without its encryption."""
    body_format = request.body_format if request.body_format <= 1 else 0
    try:
        body = encode_body(reply, body_format)
    except WireError:  # it lacks a field: it was not sent like this either
        body, body_format = reply.SerializePartialToString(), 0
    if isinstance(request, Envelope):
        return Envelope.build(request.command, request.section, body, sender=Role.SERVER)
    return Frame.build(request.proto_id, request.serial, body, sender=Role.SERVER, body_format=body_format)


def exchange_of_frames(reply: DissectedFrame) -> LoggedExchange | None:
    """Return the exchange that a captured reply ends, ``None`` for one without a request."""
    request = reply.request
    if request is None:
        return None
    message, failure = reply.message, ""
    if message is None:
        error = reply.error
        failure = "" if error is None else type(error).__name__
    return LoggedExchange(reply.conversation.number, request, message, reply.latency, failure, (), ("", ""), reply)


class TextRequests:
    """Writes exchanges for people.

    ``line`` writes a line with the time in front; ``later``, where it is given, calls a function after some seconds.
    """

    def __init__(
        self, line: Callable[[str], None], later: Callable[[float, Callable[[], None]], object] | None = None
    ) -> None:
        self._line: Final = line
        self._later: Final = later
        self._screen: Final = screen_of(sys.stderr) or Screen(COLUMNS, mark=">")
        self._until = 0.0
        self._shown = [0, 0]  # successes and failures of this second
        self._counted = [0, 0]

    def exchange(self, exchange: LoggedExchange) -> None:
        """Write an exchange, or count it where there were enough in this second."""
        failed = bool(exchange.ret_type != 0 or exchange.faults)
        if not self.count(failed):
            self._shown[failed] += 1
            self._line(self.text(exchange))

    def count(self, failed: bool) -> bool:
        """Count an exchange if there were enough in this second; return whether it was counted."""
        now = time.monotonic()
        if now >= self._until:
            self.close()
            self._until = now + 1.0
            self._shown = [0, 0]
        if self._shown[failed] < MOST_LINES:
            return False
        if self._counted == [0, 0] and self._later is not None:
            self._later(1.0, self.close)
        self._counted[failed] += 1
        return True

    def close(self) -> None:
        """Write how many exchanges were counted instead of written."""
        successes, failures = self._counted
        if successes or failures:
            self._counted = [0, 0]
            self._line(f"{successes + failures} more requests in a second, {failures} failed (-Y chooses)")

    def text(self, exchange: LoggedExchange) -> str:
        """Return the line of an exchange, without the time; the reason of a failure that has no room is below it."""
        width = self._screen.columns
        head = f"client {exchange.client} #{exchange.request.serial} {exchange.name}"
        outcome, reason = _outcome(exchange)
        took = "" if exchange.latency is None else f", {duration(exchange.latency)}"
        struck = f", fault {', '.join(exchange.faults)}" if exchange.faults else ""
        room = width - INDENT - len(f"{head}() -> {outcome}{took}{struck}")
        below = ""
        if reason and cell_width(reason) + LEAST_REQUEST <= room:
            outcome = f"{outcome} {reason}"
            room -= cell_width(reason) + 1
        elif reason:
            below = "".join(f"\n{' ' * INDENT}{each}" for each in wrapped(reason, INDENT, self._screen))
        asked = FrameView(exchange.request, show_secrets=False).summary
        if cell_width(asked) > room:
            asked = Screen(room, self._screen.mark).cut(asked) if room > 1 else self._screen.mark
        return self._screen.cut(f"{head}({asked}) -> {outcome}{took}{struck}") + below


def _outcome(exchange: LoggedExchange) -> tuple[str, str]:
    """Return what became of a request, and the gateway's reason where it failed."""
    reply: Any = exchange.reply
    if reply is None:
        return ("failed", printable(exchange.failure)) if exchange.failure else ("ok", "")
    if exchange.ret_type:
        code = f" errCode {reply.errCode}" if getattr(reply, "errCode", 0) else ""
        reason = str(getattr(reply, "retMsg", ""))[:MAX_REASON]
        return f"{exchange.ret_type}{code}", f'"{printable(reason)}"' if reason else ""
    found = _rows(reply)
    return "ok" if found is None else f"ok, {found} row{'' if found == 1 else 's'}", ""


class JsonRequests:
    """Writes exchanges as JSON objects, one a line; ``put`` takes lines."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put: Final = put

    def exchange(self, exchange: LoggedExchange) -> None:
        """Write an exchange."""
        reply: Any = exchange.reply
        facts: dict[str, object] = {
            "client": exchange.client,
            "serial": exchange.request.serial,
            "proto_id": exchange.request.proto_id,
            "proto": None if exchange.request.protocol is None else exchange.request.protocol.name,
            "ret_type": exchange.ret_type,
            "err_code": getattr(reply, "errCode", None),
            "ret_msg": getattr(reply, "retMsg", None) or exchange.failure,
            "rows": None if reply is None else _rows(reply),
            "latency_ns": None if exchange.latency is None else str(exchange.latency),
            "faults": exchange.faults,
        }
        self._put(f'{json_line("request", facts)[:-1]}, "request": {_json(exchange.request)}}}')

    def count(self, failed: bool) -> bool:  # noqa: ARG002 - the signature of what counts
        """Return false: all are written."""
        return False

    def close(self) -> None:
        """Do nothing: all was written."""


def _json(request: Frame | Envelope) -> str:
    """Return the message of a request as JSON, its secrets masked; ``null`` where there is none."""
    return FrameView(request, show_secrets=False).json or "null"


_lists: dict[type, Sequence[str]] = {}


def _rows(reply: Any) -> int | None:
    """Return the items in the first list of messages that a reply has any in; ``None`` where it has no such list."""
    kind = type(reply)
    names = _lists.get(kind)
    if names is None:
        inner = kind.DESCRIPTOR.fields_by_name.get("s2c")
        fields = () if inner is None or inner.message_type is None else inner.message_type.fields
        names = [field.name for field in fields if field.message_type is not None and is_repeated(field)]
        _lists[kind] = names
    if not names:
        return None
    return next((count for name in names if (count := len(getattr(reply.s2c, name)))), 0)
