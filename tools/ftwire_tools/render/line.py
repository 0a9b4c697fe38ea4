"""One line a frame.

::

    --- 2026-11-22 UTC
    --- 1: client 127.0.0.1:50112, server 127.0.0.1:11111, tcp
         5 07:58:41.123456 1 -> request  3008 Qot_GetRT    #5    52 B none            HK.00700
         6 07:58:41.125001 1 <- response 3008 Qot_GetRT    #5   412 B none  1.545ms   HK.00700 name=TENCENT rtList[3]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire.capture import status_of
from ftwire.errors import KeyRequiredError
from ftwire.frame import Frame, Role
from ftwire.header import BodyFormat
from ftwire_tools.messages.brief import writer_of
from ftwire_tools.messages.field_paths import value_at
from ftwire_tools.messages.masking import error_text
from ftwire_tools.messages.summary import facts_of
from ftwire_tools.render.stats import duration
from ftwire_tools.terminal.style import PLAIN, Paint, printable
from ftwire_tools.terminal.times import NO_TIME, SECOND, Clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from ftwire.capture import Conversation
    from ftwire.errors import WireError
    from ftwire.events import FrameObserved, KeyMissing, UndecodedObserved
    from ftwire.frame import FrameType
    from ftwire.websocket import Envelope
    from ftwire_tools.messages.brief import Writer
    from ftwire_tools.render import ShownFrame

__all__ = ["LineRenderer"]

NAME_WIDTH: Final = 24


class LineRenderer:
    """One line a frame, with a line in front wherever a conversation or a day begins."""

    def __init__(
        self,
        *,
        paint: Paint = PLAIN,
        fields: Sequence[tuple[str, ...]] = (),
        show_secrets: bool = False,
    ) -> None:
        self._paint: Final = paint
        self._fields: Final = fields
        self._show_secrets: Final = show_secrets
        self._clock: Final = Clock()
        self._introduced: set[int] = set()
        # Whose lines come, and of what second: from when until when. And how they look, by protocol and sender, up to
        # what they say.
        self._talk: Conversation | None = None
        self._since = self._until = 0
        self._forms: Final[dict[tuple[int, bool], str]] = {}
        self._writers: Final[dict[FrameType, tuple[Writer, str]]] = {}

    def frame(self, sighting: ShownFrame) -> str:
        """Return the line, and those that must stand before it."""
        number, talk, seen, message, error, text = sighting
        facts = self._facts(seen.frame, message, error) if text is None else text
        status = status_of(seen.frame)
        if status:
            facts = f"{self._paint.bad}OpenD says: error {printable(status)}{self._paint.reset} {facts}"
        return self.line(number, talk, seen, facts)

    def brief(self, number: int, talk: Conversation, seen: FrameObserved) -> str | None:
        """Return the line of a frame on TCP like one before it in this second, by the shortest way.

        So come nearly all frames of a capture, and by the million. ``None``: that takes more.
        """
        frame, _, _, encryption, time, _, _, latency = seen
        if type(frame) is not Frame or talk is not self._talk or not self._since <= time < self._until:
            return None
        known = self._writers.get(frame.frame_type)
        if known is None:
            return None
        write, form = known
        micros = (time - self._since) // 1000
        took = "" if latency is None else duration(latency)
        return write(form, (number, micros, frame.serial, len(frame.payload), encryption, took), frame.body)

    def line(self, number: int, talk: Conversation, seen: FrameObserved, facts: str) -> str:
        """Return the line of a frame of which these are the facts, and those that must stand before it."""
        frame, _, _, encryption, time, _, _, latency = seen
        before = ""
        if talk is not self._talk or not self._since <= time < self._until:
            # Frames come in bursts: most share their second and their conversation with the one before.
            before = self._before(talk, time)
            self._talk = talk
            self._since = time // SECOND * SECOND
            # 0 is no time. The rest of its second has lines one by one.
            self._until = self._since + SECOND if self._since else 0 if time else 1
        form = self._forms.get((frame.proto_id, seen.sender is Role.CLIENT)) or self._form(talk, seen)
        micros = (time - self._since) // 1000
        took = "" if latency is None else duration(latency)
        line = form % (number, micros, frame.serial, len(frame.payload), encryption, took, facts)
        return line if not before and facts[-1:] > " " else f"{before}{line.rstrip()}\n"

    def _facts(self, frame: Frame | Envelope, message: Message | None, error: WireError | None) -> str:
        """Say what is in a frame, or what is wrong with it."""
        if error is None:
            if message is None:
                facts = ""
            elif self._fields:
                facts = self._chosen(message)
            else:
                facts = facts_of(message)
        elif isinstance(error, KeyRequiredError):
            facts = f"{self._paint.faint}encrypted, no key{self._paint.reset}"
        else:
            why = error_text(error, frame, show_secrets=self._show_secrets)
            facts = f"{self._paint.bad}{type(error).__name__}: {printable(why)}{self._paint.reset}"
        return f"json {facts}" if frame.body_format == BodyFormat.JSON else facts

    def gap(self, talk: Conversation, seen: UndecodedObserved) -> str:
        """Return the line of bytes that are in no frame."""
        arrow = "->" if seen.sender is Role.CLIENT else "<-"
        return (
            f"{self._before(talk, seen.time)}{'':>6} {self._clock.time(seen.time)} {talk.number} {arrow} "
            f"{self._paint.bad}gap      {printable(gap_text(seen))}{self._paint.reset}\n"
        )

    def key_missing(self, talk: Conversation, seen: KeyMissing) -> str:
        """Return the line that says, once a conversation, that a key is needed."""
        return f"{self._before(talk, seen.time)}{self.note(f'{talk.number}: {seen.reason} (--key)')}"

    def note(self, text: str) -> str:
        """Return a line that is about no single frame."""
        return f"{self._paint.faint}--- {printable(text)}{self._paint.reset}\n"

    def _form(self, talk: Conversation, seen: FrameObserved) -> str:
        """Return how the line of such a frame looks, in this second of this conversation, with places for the rest."""
        paint, proto_id, protocol = self._paint, seen.frame.proto_id, seen.frame.protocol
        arrow = "->" if seen.sender is Role.CLIENT else "<-"
        name = protocol.name if protocol else "?"
        head = f"{arrow} {getattr(paint, seen.kind)}{seen.kind:<8}{paint.reset} {proto_id:<4} {name:<{NAME_WIDTH}}"
        time = f"{self._clock.time(seen.time)[:-6]}%06d" if seen.time else f"{NO_TIME}%.0s"
        # An f-string with as many widths takes twice the time.
        form = f"%6d {time} {talk.number} {head.replace('%', '%%')} #%-6d %7d B %-9s %8s  %s\n"
        if protocol is not None:
            # Whoever sends unknown IDs must not decide how large this grows.
            self._forms[proto_id, seen.sender is Role.CLIENT] = form
            if type(seen.frame) is Frame and (write := writer_of(seen.frame)) is not None:
                self._writers[seen.frame.frame_type] = write, form
        return form

    def _chosen(self, message: Message) -> str:
        """Return the fields that were asked for."""
        found = ((path, value_at(message, path, show_secrets=self._show_secrets)) for path in self._fields)
        return " ".join(f"{'.'.join(path)}={'-' if value is None else printable(str(value))}" for path, value in found)

    def _before(self, talk: Conversation, time: int) -> str:
        self._talk = None
        self._forms.clear()
        self._writers.clear()
        lines = ""
        day = self._clock.new_day(time) if time else None
        if day is not None:
            lines = self.note(day)
        if talk.number not in self._introduced:
            self._introduced.add(talk.number)
            lines += self.note(f"{talk.number}: client {talk.client}, server {talk.server}, {talk.transport}")
        return lines


def gap_text(seen: UndecodedObserved) -> str:
    """Say which bytes are in no frame, and why."""
    gap = seen.undecoded
    text = f"{gap.length} bytes at stream offset {gap.offset} are in no frame"
    if gap.missing:
        text += f", {gap.missing} of them are not in the capture"
    if gap.error is not None:
        text += f": {gap.error}"
    elif gap.truncated:
        text += ": the stream ends inside a frame"
    return text
