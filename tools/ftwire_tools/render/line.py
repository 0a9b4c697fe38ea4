"""One line a frame.

::

    --- 2026-11-22 UTC
    --- 1: client 127.0.0.1:50112, server 127.0.0.1:11111, tcp
         5 07:58:41.123456 1 -> request  3008 Qot_GetRT    #5    52 B none            HK.00700
         6 07:58:41.125001 1 <- response 3008 Qot_GetRT    #5   412 B none  1.545ms   HK.00700 name=TENCENT rtList[3]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.errors import KeyRequiredError, WireError
from ftwire.frame import Frame, Role
from ftwire.header import BodyFormat
from ftwire_tools.messages.masking import status_text
from ftwire_tools.messages.summary import summary_for
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.stats import duration
from ftwire_tools.terminal.style import PLAIN, Paint, printable
from ftwire_tools.terminal.times import NO_TIME, SECOND, Clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.events import KeyMissing, UndecodedObserved
    from ftwire.frame import FrameType
    from ftwire_tools.messages.masking import MessageView
    from ftwire_tools.messages.summary import Summary

__all__ = ["LineRenderer"]

NAME_WIDTH: Final = 24


class _Form(NamedTuple):
    """How frames of one type are written."""

    line: str
    """The line, with places for what differs."""
    summary: Summary | None
    """How their bodies are summarized, ``None`` where it takes a message."""


class LineRenderer:
    """One line a frame, with a line in front wherever a conversation or a day begins."""

    def __init__(
        self, *, paint: Paint = PLAIN, fields: Sequence[tuple[str, ...]] = (), show_secrets: bool = False
    ) -> None:
        self._paint: Final = paint
        self._fields: Final = fields
        self._shows_secrets: Final = show_secrets
        self._clock: Final = Clock()
        self._introduced: set[int] = set()
        # The conversation of the last line, and how frames of its types are written.
        self._conversation: Conversation | None = None
        self._forms: Final[dict[FrameType, _Form]] = {}
        # The second of the last line, from when until when, and how it is written.
        self._since = self._until = 0
        self._second = NO_TIME

    def frame(self, dissected: DissectedFrame) -> tuple[str, WireError | None]:
        """Return the line of one frame, with those that must be before it, and why its body cannot be had."""
        number, conversation, observation = dissected
        frame, _, _, encryption, time, _, _, latency = observation
        # Frames come in bursts: most share their second and their conversation with the one before.
        is_new = conversation is not self._conversation or not self._since <= time < self._until
        before = self._before(conversation, time) if is_new else ""
        form = self._forms.get(frame.frame_type) if type(frame) is Frame else None
        line, summary = self._form(dissected) if form is None else form
        size = len(frame.payload)
        # Nothing at all is no body in an envelope that has an error code instead.
        values = None if summary is None or not size else summary.decode(frame.body)
        error = None
        if summary is None or values is None:
            text, error = self._text(dissected)
        else:
            text = summary.text(values)
        if not time:
            line = line.replace("%06d", "%.0s", 1)
        micros = (time - self._since) // 1000
        took = "" if latency is None else duration(latency)
        line %= number, self._second, micros, frame.serial, size, encryption, took, text
        if before or not text[-1:] > " ":
            line = f"{before}{line.rstrip()}\n"
        return line, error

    def _text(self, dissected: DissectedFrame) -> tuple[str, WireError | None]:
        """Return what a message is about, what is wrong with the frame, and the error."""
        view = FrameView(dissected.frame, show_secrets=self._shows_secrets)
        text = self._chosen(view.message) if self._fields else view.summary
        error = view.error
        if isinstance(error, KeyRequiredError):
            text = f"{self._paint.faint}encrypted, no key{self._paint.reset}"
        elif error is not None:
            # A message that lacks fields has a summary all the same.
            wrong = f"{self._paint.bad}{type(error).__name__}: {printable(view.why)}{self._paint.reset}"
            text = f"{text} {wrong}" if text else wrong
        return text, error

    def gap(self, conversation: Conversation, observation: UndecodedObserved) -> str:
        """Return the line of bytes that are in no frame."""
        arrow = "->" if observation.sender is Role.CLIENT else "<-"
        before, time = self._before(conversation, observation.time), self._clock.time(observation.time)
        return (
            f"{before}{'':>6} {time} {conversation.number} {arrow} "
            f"{self._paint.bad}gap      {printable(gap_text(observation))}{self._paint.reset}\n"
        )

    def key_missing(self, conversation: Conversation, observation: KeyMissing) -> str:
        """Return the line, one a conversation, about a key that is needed."""
        before = self._before(conversation, observation.time)
        return before + self.note(f"{conversation.number}: {observation.reason} (--key)")

    def note(self, text: str) -> str:
        """Return a line that is about no single frame."""
        return f"{self._paint.faint}--- {printable(text)}{self._paint.reset}\n"

    def _form(self, dissected: DissectedFrame) -> _Form:
        """Return how such a frame is written in this conversation."""
        _, conversation, observation = dissected
        frame, protocol = observation.frame, dissected.protocol
        status = status_text(frame, show_secrets=self._shows_secrets)
        paint = self._paint
        arrow = "->" if observation.sender is Role.CLIENT else "<-"
        name = protocol.name if protocol else "?"
        kind = f"{getattr(paint, observation.kind)}{observation.kind:<8}{paint.reset}"
        head = f"{arrow} {kind} {frame.proto_id:<4} {name:<{NAME_WIDTH}}"
        said = f"{paint.bad}OpenD says: error {printable(status)}{paint.reset} " if status else ""
        if frame.body_format == BodyFormat.JSON:
            said += "json "
        head, said = head.replace("%", "%%"), said.replace("%", "%%")
        # An f-string with as many widths takes twice the time.
        line = f"%6d %s%06d {conversation.number} {head} #%-6d %7d B %-9s %8s  {said}%s\n"
        form = _Form(line, None if self._fields else summary_for(frame))
        if protocol is not None and type(frame) is Frame:
            # The sender of unknown IDs cannot make this grow.
            self._forms[frame.frame_type] = form
        return form

    def _chosen(self, message: MessageView | None) -> str:
        """Return the fields that were asked for."""
        if message is None:
            return ""
        found = ((path, message.at(path)) for path in self._fields)
        return " ".join(f"{'.'.join(path)}={'-' if value is None else printable(str(value))}" for path, value in found)

    def _before(self, conversation: Conversation, time: int) -> str:
        """Return what must be before the next line: its day and its conversation, where they are new."""
        if conversation is not self._conversation:
            self._conversation = conversation
            self._forms.clear()
        self._since = time // SECOND * SECOND
        # 0 is no time. The rest of its second has lines one by one.
        self._until = self._since + SECOND if self._since else 0 if time else 1
        self._second = self._clock.time(time)[:-6] if time else NO_TIME
        lines = ""
        day = self._clock.new_day(time) if time else None
        if day is not None:
            lines = self.note(day)
        if conversation.number not in self._introduced:
            self._introduced.add(conversation.number)
            number, transport, client, server = conversation
            lines += self.note(f"{number}: client {client}, server {server}, {transport}")
        return lines


def gap_text(observation: UndecodedObserved) -> str:
    """Return which bytes are in no frame, and why."""
    gap = observation.undecoded
    text = f"{gap.length} bytes at stream offset {gap.offset} are in no frame"
    if gap.missing:
        text += f", {gap.missing} of them are not in the capture"
    if gap.error is not None:
        text += f": {gap.error}"
    elif gap.truncated:
        text += ": the stream ends inside a frame"
    return text
