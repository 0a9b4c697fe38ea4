"""Reads a capture and collects what its report shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import (
    CaptureReader,
    ConversationClosed,
    ConversationOpened,
    DissectedBytes,
    DissectedFrame,
    KeyNeeded,
    UnrecognisedConnection,
)
from ftwire.errors import CaptureError, KeyRequiredError, NotACaptureError
from ftwire.frame import Kind
from ftwire_tools.captures.account_text import unrecognised_text, without_conversation
from ftwire_tools.filters.header_fields import codes_of
from ftwire_tools.render.line import gap_text
from ftwire_tools.render.stats import Outcomes, Stats
from ftwire_tools.session_report.body_chunks import BodyChunks
from ftwire_tools.session_report.findings import Findings
from ftwire_tools.session_report.frame_table import HIGHEST, FrameTable
from ftwire_tools.session_report.orders import Orders
from ftwire_tools.session_report.prices import Prices
from ftwire_tools.session_report.push_gaps import PushGaps
from ftwire_tools.session_report.shown_bodies import ShownBodies, ShownBody, is_plain
from ftwire_tools.session_report.subscriptions import SubscriptionHistory

if TYPE_CHECKING:
    from ftwire.capture import Account, Conversation, Dissected
    from ftwire.cipher import RsaKey
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.filters.compiler import Filter

__all__ = ["ListLimits", "Session"]

LISTED: Final = 500
"""Failures, frames with an error, and other events that are listed, of each kind."""
MOST_CONVERSATIONS: Final = 1000
"""Conversations that are listed."""
MOST_NOTES: Final = 100
"""Sentences about what was not read."""


class ListLimits(NamedTuple):
    """How much of a capture is listed frame by frame; the overview is of the whole."""

    frames: int = 200_000
    size: int = 64 << 20
    """Bytes of compressed bodies."""


class Session:
    """Collects one capture."""

    def __init__(
        self,
        shown: ShownBodies,
        *,
        keys: Sequence[RsaKey] = (),
        chosen: Filter | None = None,
        limits: ListLimits | None = None,
    ) -> None:
        """``chosen`` is which frames are in the report, ``None`` for all."""
        self._shown: Final = shown
        self._filter: Final = chosen
        self._limits: Final = limits or ListLimits()
        self._findings = Findings(shown, keys)
        self._outcomes: Final = Outcomes()
        self._stats: Final = Stats()
        self._prices: Final = Prices()
        self._orders: Final = Orders()
        self._subscriptions: Final = SubscriptionHistory()
        self._gaps: Final = PushGaps()
        self._conversations: Final[dict[int, dict[str, Any]]] = {}
        self._lists: Final[dict[str, list[dict[str, Any]]]] = {"failed": [], "broken": [], "undecoded": []}
        self._counts: Final = dict.fromkeys(self._lists, 0)
        self._kinds: Final = dict.fromkeys(map(str, Kind), 0)
        self._opened = 0
        self._first = self._last = 0
        self.table: Final = FrameTable()
        self.bodies: Final = BodyChunks()
        self._notes: Final[list[str]] = []
        self._more_notes = 0
        self.frames = 0
        """Frames in the report, listed or not."""
        self.not_decoded = 0
        """What could not be decoded: frames, bytes in no frame, connections, damage."""

    @property
    def left_out(self) -> int:
        """Frames in the overview that are not listed."""
        return self.frames - len(self.table)

    @property
    def notes(self) -> list[str]:
        """Sentences about what was not read."""
        more = [f"and {self._more_notes} more of these"] if self._more_notes else []
        return self._notes + more

    def read(self, inputs: Sequence[Input], reader: CaptureReader, progress: Callable[[int], None]) -> None:
        """Read a capture from its parts. Raises ``OSError`` and ``NotACaptureError``."""
        account = reader.account
        try:
            self.add(reader.read_files([each.stream for each in inputs], progress=progress, at_once=False))
        except NotACaptureError:
            raise
        except CaptureError as error:
            for damage in (account.damaged_parts or {0: error}).values():
                self.damaged(damage)
        self.end(account)

    def damaged(self, damage: CaptureError) -> None:
        """Take note that a capture is damaged."""
        self._note(f"the capture cannot be read to its end: {damage}")

    def end(self, account: Account) -> None:
        """Take note that the capture has ended."""
        self.bodies.close()
        for sentence in account.unread():
            self._note(sentence)
        if nothing := without_conversation(account):
            self._say(nothing)
        elif not self.frames and account.frames:
            self._say("no frame in the capture matches the filter")

    def _say(self, text: str) -> None:
        if len(self._notes) < MOST_NOTES:
            self._notes.append(text)
        else:
            self._more_notes += 1

    def _note(self, text: str) -> None:
        self._say(text)
        self.not_decoded += 1

    def emptied(self) -> Session:
        """Return a session that begins now: nothing is in it but the conversations that are open."""
        new = Session(self._shown, chosen=self._filter, limits=self._limits)
        new._findings = self._findings.emptied()
        still_open = {number: about for number, about in self._conversations.items() if "closed" not in about}
        new._conversations.update(still_open)
        new._opened = len(still_open)
        return new

    def conversations(self, numbers: Collection[int]) -> list[dict[str, Any]]:
        """Return what is known of conversations, as far as they are listed."""
        return [about for number in sorted(numbers) if (about := self._conversations.get(number)) is not None]

    def add(self, reports: Iterable[Dissected]) -> None:
        """Take the next reports of a capture. Raises what iterating over them raises."""
        for report in reports:
            if isinstance(report, DissectedFrame):
                self._findings.add(report, is_plain_push=self._frame(_in_range(report)))
            else:
                self._other(report)
                self._findings.add(report)

    def _frame(self, frame: DissectedFrame) -> bool:
        """Take a frame; return whether it is known to be a push that reads well, with nothing unknown in it."""
        request = self.table.pair(frame)
        if self._filter is not None and not self._filter.matches(frame):
            self._stats.answered(frame)
            return False
        self.frames += 1
        self._kinds[frame.observation.kind] += 1
        found, kind = frame.observation.frame, frame.observation.kind
        is_listed = len(self.table) < self._limits.frames and self.bodies.size < self._limits.size
        shown = self._shown.of(found, whole=is_listed)
        codes = codes_of(found)
        failed = shown.error is None and kind is Kind.RESPONSE and self._outcomes.failed(found)
        self._stats.frame(frame, shown.error)
        if frame.time:
            self._first = min(self._first or frame.time, frame.time)
            self._last = max(self._last, frame.time)
        if kind is Kind.PUSH:
            self._gaps.add(frame, codes)
        self._prices.add(frame, codes)
        self._orders.add(frame, shown.view, request)
        self._subscriptions.add(frame, shown.view, codes, request)
        self._note_trouble(frame, shown, failed=failed, request=request)
        if is_listed:
            summary = " ".join(filter(None, (self._status(frame), shown.summary)))
            self.table.add(
                frame,
                request=request,
                summary=summary,
                codes=codes,
                class_name=None if shown.view is None else shown.view.descriptor.full_name,
                error=shown.error,
                failed=failed,
            )
            self.bodies.add(shown.json, shown.header, shown.body, shown.why)
        # Bytes that are shown are plain, unless everything is.
        is_known = is_listed and not self._shown.shows_secrets
        return kind is Kind.PUSH and shown.error is None and (shown.body is not None if is_known else is_plain(found))

    def _status(self, frame: DissectedFrame) -> str:
        status = self._shown.status(frame.frame)
        return f"OpenD says: error {status}" if status else ""

    def _note_trouble(self, frame: DissectedFrame, shown: ShownBody, *, failed: bool, request: int | None) -> None:
        found = frame.observation.frame
        about = {"number": frame.number, "time": str(frame.time), "proto_id": found.proto_id}
        if failed:
            view = shown.view
            about |= {"request": request, "status": self._status(frame)}
            if view is not None:
                about |= {name: view.get(name) for name in ("retType", "errCode", "retMsg")}
                about["retMsg"] = str(about["retMsg"] or "")
            self._list("failed", about)
        if shown.error is not None:
            self.not_decoded += 1
            is_key = isinstance(shown.error, KeyRequiredError)
            about |= {"error": type(shown.error).__name__, "why": shown.why, "key": is_key}
            self._list("broken", about)

    def _list(self, name: str, row: dict[str, Any]) -> None:
        self._counts[name] += 1
        if len(self._lists[name]) < LISTED:
            self._lists[name].append(row)

    def _other(self, report: Dissected) -> None:
        if isinstance(report, UnrecognisedConnection):
            ends = self._conversation(report.conversation)
            self._note(unrecognised_text(report._replace(conversation=ends)))
            return
        if isinstance(report, ConversationOpened):
            self._open(report)
        elif isinstance(report, ConversationClosed):
            self.table.forget(report)
            if self._filter is not None:
                self._filter.forget(report.conversation)
            if (about := self._conversations.get(report.conversation.number)) is not None:
                about |= {"closed": _when(report.time), "reason": str(report.reason)}
        elif isinstance(report, DissectedBytes):
            if self._filter is None or self._filter.may_match(report.conversation, report.time):
                self.not_decoded += 1
                undecoded = report.observation.undecoded
                self._stats.gap(undecoded.length)
                self._list(
                    "undecoded",
                    {
                        "conversation": report.conversation.number,
                        "sender": report.observation.sender.value,
                        "time": _when(report.time),
                        "text": self._shown.text(gap_text(report.observation)),
                    },
                )
        elif isinstance(report, KeyNeeded):
            self._say(f"conversation {report.conversation.number}: {report.observation.reason} (--key)")

    def _open(self, opened: ConversationOpened) -> None:
        conversation = opened.conversation
        self._opened += 1
        if opened.client is not None and opened.server is not None:
            conversation = conversation._replace(
                client=self._shown.endpoint(opened.client), server=self._shown.endpoint(opened.server)
            )
        if len(self._conversations) < MOST_CONVERSATIONS:
            self._conversations[conversation.number] = {
                "number": conversation.number,
                "transport": conversation.transport,
                "client": conversation.client,
                "server": conversation.server,
                "from_start": opened.from_start,
                "opened": _when(opened.time),
            }

    def _conversation(self, conversation: Conversation) -> Conversation:
        """Return a conversation with the ends that may be shown."""
        return conversation._replace(
            client=self._shown.endpoint_text(conversation.client), server=self._shown.endpoint_text(conversation.server)
        )

    def values(self) -> dict[str, Any]:
        """Return everything but the frames."""
        return {
            "first": str(self._first),
            "last": str(self._last),
            "frames": self.frames,
            "kinds": self._kinds,
            "listed": len(self.table),
            "notes": self.notes,
            "conversation_count": self._opened,
            "conversations": list(self._conversations.values()),
            "stats": self._stats.values(),
            "findings": self._findings.values(),
            "troubles": {name: {"rows": rows, "count": self._counts[name]} for name, rows in self._lists.items()},
            "gaps": self._gaps.values(),
            "prices": self._prices.values(),
            "orders": self._orders.values(),
            "subscriptions": self._subscriptions.values(),
        }


def _when(time: int) -> str:
    """Return a time as text; 0, which is none, where it is so far from now that it does not fit 64 bits."""
    return str(time) if 0 <= time <= HIGHEST else "0"


def _in_range(frame: DissectedFrame) -> DissectedFrame:
    """Return a frame with times that fit 64 bits: others, which a capture may have, become unknown."""
    observation = frame.observation
    latency = observation.latency
    if 0 <= observation.time <= HIGHEST and (latency is None or abs(latency) <= HIGHEST):
        return frame
    return frame._replace(observation=observation._replace(time=0, latency=None))
