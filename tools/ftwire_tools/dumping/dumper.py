"""``ftwire dump``: what a capture reader reports, shown in the form that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.capture import (
    ConversationClosed,
    ConversationOpened,
    DissectedBytes,
    DissectedFrame,
    KeyNeeded,
    UnrecognisedConnection,
)
from ftwire.errors import CaptureError, NotACaptureError
from ftwire_tools.captures.account_text import explain_hint, unrecognised_text, without_conversation
from ftwire_tools.filters.frame_filter import FrameFilter
from ftwire_tools.render.line import LineRenderer, gap_text
from ftwire_tools.render.stats import Stats
from ftwire_tools.terminal.cells import screen_of
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import PLAIN, paint_for, printable

if TYPE_CHECKING:
    from ftwire.capture import CaptureReader, Conversation, Dissected
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.dumping.shown_capture import ShownCapture
    from ftwire_tools.filters.compiler import Filter
    from ftwire_tools.filters.present_values import PresentValues
    from ftwire_tools.render import Renderer
    from ftwire_tools.render.line import TimeForm
    from ftwire_tools.terminal.cells import Screen

__all__ = ["Dump", "DumpForm", "run"]

BATCH: Final = 1000
"""Frames whose text is kept before it is written."""
MAX_BROKEN: Final = 32
"""Conversations with something that could not be decoded whose numbers are kept."""


class DumpForm(NamedTuple):
    """How frames are shown."""

    as_json: bool
    tree: bool
    with_hex: bool
    table: bool
    fields: tuple[tuple[str, ...], ...]
    show_secrets: bool
    time: TimeForm = "utc"
    """For people; in JSON it is always nanoseconds since 1970."""


def make_renderer(form: DumpForm, lines: LineRenderer, file: str | None, screen: Screen | None) -> Renderer:
    """Return the renderer of this form; modules of other forms are not imported."""
    if form.as_json:
        if form.table:
            from ftwire_tools.render.json_rows import RowsRenderer

            return RowsRenderer(fields=form.fields, show_secrets=form.show_secrets)
        from ftwire_tools.render.jsonlines import JsonRenderer

        return JsonRenderer(
            fields=form.fields,
            with_bytes=form.with_hex,
            file=file,
            show_secrets=form.show_secrets,
            requests=lines.requests,
        )
    if form.tree or form.with_hex or form.table:
        from ftwire_tools.render.detail import DetailRenderer

        return DetailRenderer(
            lines,
            tree=form.tree,
            with_hex=form.with_hex,
            table=form.table,
            fields=form.fields,
            show_secrets=form.show_secrets,
            screen=screen,
        )
    return lines


def _compiled(frame_filter: Filter | FrameFilter | None) -> Filter | None:
    if isinstance(frame_filter, FrameFilter):
        return None if frame_filter.is_empty else frame_filter.compiled()
    return frame_filter


class Dump:
    """Shows one capture: keeps what passes the filter, renders it and writes it."""

    def __init__(
        self,
        form: DumpForm,
        frame_filter: Filter | FrameFilter | None,
        stats: Stats | None,
        *,
        file: str | None,
        present: PresentValues | None = None,
        written: ShownCapture | None = None,
    ) -> None:
        """``file`` names the input in JSON, where there are several; ``present`` notes what could be selected.

        ``written`` takes what is shown, as a capture.
        """
        screen = screen_of(sys.stdout)
        self._lines: Final = LineRenderer(
            paint=PLAIN if form.as_json else paint_for(sys.stdout),
            fields=form.fields,
            show_secrets=form.show_secrets,
            screen=screen,
            time=form.time,
        )
        self._renderer: Final = make_renderer(form, self._lines, file, screen)
        self._as_json: Final = form.as_json
        self._filter: Final = _compiled(frame_filter)
        self._stats: Final = stats
        self._present: Final = present
        if present is not None and self._filter is not None:
            self._filter.codes = present.codes
        self._written: Final = written
        self._named: Final[set[str]] = set()
        self._out: Final[list[str]] = []
        self.has_both_sides = False
        """A conversation of a capture was met, not the bytes of one side."""
        self.not_decoded = 0
        """What was shown and could not be decoded: frames, bytes in no frame, connections, damage of the input."""
        self.broken: Final[set[int]] = set()
        """Numbers of the conversations that they are in, at most ``MAX_BROKEN``."""
        self.unrecognised = 0
        """Connections shown that look like this protocol, without a frame in them."""

    def show(self, reports: Iterable[Dissected]) -> None:
        """Show what passes the filter of a reader's reports. Raises what iterating over them raises."""
        out, render, stats = self._out, self._renderer.frame, self._stats
        matches = None if self._filter is None else self._filter.matches
        present, written = self._present, self._written
        for report in reports:
            if type(report) is not DissectedFrame:
                is_shown = self._show_other(report)
                if written is not None:
                    written.add(report, is_shown=is_shown)
                continue
            is_shown = matches is None or matches(report)
            if present is not None:
                present.add(report.conversation, report.observation, is_shown=is_shown)
            if written is not None:
                written.add(report, is_shown=is_shown)
            if is_shown:
                text, error = render(report)
                out.append(text)
                if error is not None:
                    self.not_decoded += 1
                    self._note_broken(report.conversation.number)
                if stats is not None:
                    stats.frame(report, error)
                if len(out) >= BATCH:
                    self.flush()
            else:
                self._lines.pass_over(report)
                if stats is not None:
                    stats.answered(report)

    def may_show(self, conversation: Conversation, time: int) -> bool:
        """Return whether the filter lets pass what is in no frame, at this time."""
        return self._filter is None or self._filter.may_match(conversation, time)

    def begin_part(self, name: str) -> None:
        """Name the input that the frames to come are from, where there are several."""
        if self._as_json:
            from ftwire_tools.render.jsonlines import JsonRenderer

            if isinstance(self._renderer, JsonRenderer):
                self._renderer.name_file(name)
        elif name not in self._named:
            self._named.add(name)
            self.note(name)

    def _show_other(self, report: Dissected) -> bool:
        """Show undecoded bytes, missing keys and connections without a frame; return whether they pass the filter."""
        if isinstance(report, UnrecognisedConnection):
            if self.may_show(report.conversation, report.time):
                self.unrecognised += 1
                self.complain(unrecognised_text(report))
            return False
        if not isinstance(report, DissectedBytes | KeyNeeded):
            self.has_both_sides |= isinstance(report, ConversationOpened) and report.client is not None
            if isinstance(report, ConversationClosed):
                self._lines.forget(report.conversation)
                if self._filter is not None:
                    self._filter.forget(report.conversation)
            return False
        conversation, observation = report.conversation, report.observation
        if not self.may_show(conversation, observation.time):
            return False
        if isinstance(report, DissectedBytes):
            self.not_decoded += 1
            self._note_broken(conversation.number)
            if self._stats is not None:
                self._stats.gap(report.observation.undecoded.length)
            if self._as_json:
                source, destination = conversation.ends(report.observation.sender)
                self.note(f"{source} -> {destination}: {gap_text(report.observation)}")
            else:
                self._out.append(self._lines.gap(conversation, report.observation))
        elif self._as_json:
            self.note(f"{conversation.client} -> {conversation.server}: {report.observation.reason} (--key)")
        else:
            self._out.append(self._lines.key_missing(conversation, report.observation))
        return True

    def _note_broken(self, number: int) -> None:
        if len(self.broken) < MAX_BROKEN:
            self.broken.add(number)

    def note(self, text: str) -> None:
        """Show a sentence about no single frame: among the lines, or on standard error beside JSON."""
        if self._as_json:
            self.flush()
            sys.stderr.write(f"ftwire: {printable(text)}\n")
        else:
            self._out.append(self._lines.note(text))

    def complain(self, text: str) -> None:
        """Show a sentence about something that could not be decoded."""
        self.note(text)
        self.not_decoded += 1

    def flush(self) -> None:
        """Write what was shown so far. Raises ``OutputError``."""
        if self._out:
            text = "".join(self._out)
            self._out.clear()
            write(text)


def run(
    sources: Sequence[Input], dump: Dump, reader: CaptureReader, *, named: bool = False, at_once: bool = True
) -> None:
    """Dump one capture, from one input or from its parts; ``named``: say which of them frames are from.

    ``at_once``: show frames of a pipe as they come, instead of putting them in order.

    Raises ``OSError``, and ``NotACaptureError`` where an input holds nothing that could be read.
    """
    account = reader.account
    name = sources[0].name if len(sources) == 1 else f"{sources[0].name} and {len(sources) - 1} more"
    progress = Progress(sum(source.size for source in sources))

    def note_progress(done: int) -> None:
        dump.flush()
        progress.update(done, account.frames)

    try:
        reports = reader.read_files([source.stream for source in sources], progress=note_progress, at_once=at_once)
        try:
            dump.show(_by_part(reports, sources, reader, dump) if named else reports)
        except NotACaptureError:
            raise
        except CaptureError as error:
            for index, damage in (account.damaged_parts or {0: error}).items():
                dump.complain(f"{sources[index].name}: {damage}")
        if dump.unrecognised:
            paths = " ".join(source.name for source in sources)
            dump.note(explain_hint(paths, dump.unrecognised))
        for sentence in account.unread():
            dump.complain(f"{name}: {sentence}")
        if account.refused_controls:
            those = "1 packet has" if account.refused_controls == 1 else f"{account.refused_controls} packets have"
            what = "a SYN, FIN or RST whose sequence number does not fit: stale or forged, and without effect"
            dump.note(f"{name}: {those} {what}")
        if account.late_packets:
            those = "a packet is" if account.late_packets == 1 else f"{account.late_packets} packets are"
            remedy = "--in-order or the file itself puts them" if at_once else "the uncompressed file itself puts them"
            dump.note(f"{name}: {those} not in order of time ({remedy} in order)")
    finally:
        progress.clear()
        dump.flush()
    nothing = without_conversation(account)
    if nothing:
        sys.stderr.write(f"ftwire: {printable(f'{name}: {nothing}')}\n")


def _by_part(
    reports: Iterable[Dissected], sources: Sequence[Input], reader: CaptureReader, dump: Dump
) -> Iterator[Dissected]:
    """Pass reports on, and name the input they come from when it is another one."""
    part = -1
    for report in reports:
        if reader.part != part:
            part = reader.part
            dump.begin_part(sources[part].name)
        yield report
