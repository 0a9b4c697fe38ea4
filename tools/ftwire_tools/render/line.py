"""One line a frame.

::

    --- 2026-11-22 UTC
    --- 1: client 127.0.0.1:50112, server 127.0.0.1:11111, tcp
         5 07:58:41.123456 1 -> request  3008 Qot_GetRT    #5    52 B none            HK.00700
         6 07:58:41.125001 1 <- response 3008 Qot_GetRT    #5   412 B none  1.545ms   re 5 HK.00700 rtList[3]

A file gets whole lines. On a terminal columns become narrower or are left out, in the order of ``REDUCTIONS``, until
the summary has room; what does not fit then is cut off, and why a frame cannot be read goes on in lines below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ftwire.errors import KeyRequiredError, WireError
from ftwire.frame import Frame, Kind, Role
from ftwire.header import BodyFormat
from ftwire_tools.captures.request_numbers import RequestNumbers
from ftwire_tools.messages.masking import status_text
from ftwire_tools.messages.summary import summary_for
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.stats import duration
from ftwire_tools.terminal.cells import wrapped
from ftwire_tools.terminal.style import PLAIN, Paint, printable
from ftwire_tools.terminal.times import NO_TIME, SECOND, Clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.events import KeyMissing, UndecodedObserved
    from ftwire.frame import FrameType
    from ftwire_tools.messages.masking import MessageView
    from ftwire_tools.messages.summary import Summary
    from ftwire_tools.terminal.cells import Screen

__all__ = ["LineRenderer", "TimeForm"]

TimeForm = Literal["utc", "local", "delta"]
"""How the time of a frame is written: of the day in UTC or here, or seconds since the frame above."""

INDENT: Final = " " * 7
"""In front of lines that belong to a frame."""


class _Columns(NamedTuple):
    """Widths of the columns in front of the summary, 0 for one that is left out."""

    number: int = 6
    fraction: int = 6
    """Digits of a second's fraction, 6 or 3."""
    arrow: int = 2
    kind: int = 8
    proto_id: int = 4
    name: int = 24
    serial: int = 6
    size: int = 7
    encryption: int = 9
    latency: int = 8
    """Left out, it is in front of a response's summary."""

    @property
    def total(self) -> int:
        """Columns up to the summary of a conversation whose number has one digit, with a space in front of it."""
        optional = sum(
            width + more
            for width, more in (
                (self.arrow, 1),
                (self.proto_id, 1),
                (self.serial, 2),
                (self.size, 3),
                (self.encryption, 1),
                (self.latency, 1),
            )
            if width
        )
        return self.number + 1 + 9 + self.fraction + 1 + 1 + 1 + self.kind + 1 + self.name + 2 + optional


REDUCTIONS: Final[tuple[dict[str, int], ...]] = (
    {"encryption": 0},
    {"fraction": 3},
    {"size": 0},
    {"proto_id": 0},
    {"kind": 4},
    {"serial": 0},
    {"latency": 0},
    {"name": 18},
    {"number": 4},
    {"arrow": 0},
)
"""What is made narrower or left out, one after the other, for the summary to have ``ROOM``."""
SHORT_KINDS: Final = {"request": "req", "response": "resp", "push": "push"}
ROOM: Final = 40
"""Columns of a terminal that the summary should have."""


def _columns_for(screen: Screen | None) -> _Columns:
    columns = _Columns()
    for reduction in REDUCTIONS:
        if screen is None or columns.total + ROOM <= screen.columns:
            break
        columns = columns._replace(**reduction)
    return columns


class _Form(NamedTuple):
    """How frames of one type are written."""

    line: str
    """The line, with places for what differs."""
    summary: Summary | None
    """How their bodies are summarized, ``None`` where it takes a message."""
    is_push: bool


class LineRenderer:
    """One line a frame, with a line in front wherever a conversation or a day begins."""

    def __init__(
        self,
        *,
        paint: Paint = PLAIN,
        fields: Sequence[tuple[str, ...]] = (),
        show_secrets: bool = False,
        screen: Screen | None = None,
        time: TimeForm = "utc",
    ) -> None:
        """``screen`` is the terminal that lines are to fit, ``None`` for whole lines."""
        self._paint: Final = paint
        self._fields: Final = fields
        self._shows_secrets: Final = show_secrets
        self._screen: Final = screen
        self._columns: Final = _columns_for(screen)
        self._fraction: Final = f"%0{self._columns.fraction}d"
        self._step: Final = 10 ** (9 - self._columns.fraction)
        self._clock: Final = Clock(local=time == "local")
        self._is_delta: Final = time == "delta"
        self._last: int | None = None
        """Time of the line before, where times are differences."""
        self.requests: Final = RequestNumbers()
        """The numbers of the requests so far, shown or passed over."""
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
        line, summary, is_push = self._form(dissected) if form is None else form
        size = len(frame.payload)
        # Nothing at all is no body in an envelope that has an error code instead.
        values = None if summary is None or not size else summary.decode(frame.body)
        error = None
        if summary is None or values is None:
            text, error = self._text(dissected)
        else:
            text = summary.text(values)
        took = "" if latency is None else duration(latency)
        if not is_push and (request := self.requests.add(dissected)) is not None:
            text = f"re {request} {text}"
        if took and not self._columns.latency:
            text = f"{took} {text}"
        if not time:
            line = line.replace(self._fraction, "%.0s", 1)
        rest = (time - self._since) // self._step
        line %= number, self._second, rest, frame.serial, size, encryption, took, text
        if self._screen is not None:
            line = self._fitted(line, error, self._screen)
        if before or not text[-1:] > " ":
            line = f"{before}{line.rstrip()}\n"
        return line, error

    def pass_over(self, dissected: DissectedFrame) -> None:
        """Take note of a frame that is not shown: its response may be, and names its number."""
        self.requests.add(dissected)

    def forget(self, conversation: Conversation) -> None:
        """Take note that a conversation has ended."""
        self.requests.forget(conversation)

    def _fitted(self, line: str, error: WireError | None, screen: Screen) -> str:
        """Return a line that fits the terminal; why a frame cannot be read is never cut off."""
        line = line.rstrip()
        cut = screen.cut(line)
        if cut is line or error is None or isinstance(error, KeyRequiredError):
            return f"{cut}\n"
        bad, reset = self._paint.bad, self._paint.reset
        head, _, wrong = line.rpartition(f"{bad}{type(error).__name__}: ")
        wrong = f"{type(error).__name__}: {wrong.removesuffix(reset)}"
        below = wrapped(wrong, len(INDENT), screen)
        return f"{screen.cut(head.rstrip())}\n" + "".join(f"{INDENT}{bad}{each}{reset}\n" for each in below)

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
        """Return the line of bytes that are in no frame; why is below it where a terminal is too narrow."""
        arrow = "->" if observation.sender is Role.CLIENT else "<-"
        before = self._before(conversation, observation.time)
        columns, time = self._columns, self._second
        if observation.time:
            time += self._fraction % ((observation.time - self._since) // self._step)
        bad, reset = self._paint.bad, self._paint.reset
        head, kind = f"{'':>{columns.number}} {time} {conversation.number} {arrow} ", f"{'gap':<{columns.kind}} "
        text = printable(gap_text(observation))
        if self._screen is None or len(head) + len(kind) + len(text) <= self._screen.columns:
            return f"{before}{head}{bad}{kind}{text}{reset}\n"
        below = wrapped(text, len(INDENT), self._screen)
        return f"{before}{head}{bad}gap{reset}\n" + "".join(f"{INDENT}{bad}{each}{reset}\n" for each in below)

    def key_missing(self, conversation: Conversation, observation: KeyMissing) -> str:
        """Return the line, one a conversation, about a key that is needed."""
        before = self._before(conversation, observation.time)
        return before + self.note(f"{conversation.number}: {observation.reason} (--key)")

    def note(self, text: str) -> str:
        """Return a line that is about no single frame, on a terminal as many as it takes."""
        text = "\n    ".join(wrapped(printable(text), 4, self._screen))
        return f"{self._paint.faint}--- {text}{self._paint.reset}\n"

    def _form(self, dissected: DissectedFrame) -> _Form:
        """Return how such a frame is written in this conversation."""
        _, conversation, observation = dissected
        frame, protocol = observation.frame, dissected.protocol
        status = status_text(frame, show_secrets=self._shows_secrets)
        paint = self._paint
        arrow = "->" if observation.sender is Role.CLIENT else "<-"
        name = protocol.name if protocol else "?"
        columns = self._columns
        kind = observation.kind if columns.kind == 8 else SHORT_KINDS[observation.kind]
        kind = f"{kind:<{columns.kind}}"
        kind = f"{getattr(paint, observation.kind)}{kind}{paint.reset}"
        if self._screen is not None and len(name) > columns.name:
            name = f"{name[: columns.name - 1]}{self._screen.mark}"
        proto_id = f"{frame.proto_id:<{columns.proto_id}} " if columns.proto_id else ""
        arrow = f"{arrow} " if columns.arrow else ""
        head = f"{arrow}{kind} {proto_id}{name:<{columns.name}}"
        said = f"{paint.bad}OpenD says: error {printable(status)}{paint.reset} " if status else ""
        if frame.body_format == BodyFormat.JSON:
            said += "json "
        head, said = head.replace("%", "%%"), said.replace("%", "%%")
        # An f-string with as many widths takes twice the time.
        line = (
            f"%{columns.number}d %s{self._fraction} {conversation.number} {head} "
            f"{f'#%-{columns.serial}d ' if columns.serial else '%.0s'}"
            f"{f'%{columns.size}d B ' if columns.size else '%.0s'}"
            f"{f'%-{columns.encryption}s ' if columns.encryption else '%.0s'}"
            f"{f'%{columns.latency}s ' if columns.latency else '%.0s'} {said}%s\n"
        )
        form = _Form(line, None if self._fields else summary_for(frame), observation.kind is Kind.PUSH)
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
        if self._is_delta:
            return self._before_delta(conversation, time)
        self._since = time // SECOND * SECOND
        # 0 is no time. The rest of its second has lines one by one.
        self._until = self._since + SECOND if self._since else 0 if time else 1
        self._second = self._clock.time(time)[:-6] if time else self._no_time
        return self._introduction(conversation, time)

    def _before_delta(self, conversation: Conversation, time: int) -> str:
        """Return what must be before the next line, and set its time to what passed since the last line with one."""
        if time:
            span = 0 if self._last is None else time - self._last
            self._last = time
            whole, rest = divmod(abs(span), SECOND)
            sign = "-" if span < 0 else "+"
            self._second = f"{sign}{whole}.".rjust(9)
            self._since = time - rest
        else:
            self._second = self._no_time
        # Each line has another.
        self._until = self._since
        return self._introduction(conversation, time)

    @property
    def _no_time(self) -> str:
        return NO_TIME[: 9 + self._columns.fraction]

    def _introduction(self, conversation: Conversation, time: int) -> str:
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
