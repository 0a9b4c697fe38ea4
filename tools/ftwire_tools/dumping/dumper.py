"""``ftwire dump``: what a capture reader reports, shown in the form that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.capture import CaptureReader, DissectedBytes, DissectedFrame, KeyNeeded, UnrecognisedConnection
from ftwire.errors import CaptureError, NotACaptureError
from ftwire_tools.captures.account_text import explain_hint, unrecognised_text, without_conversation
from ftwire_tools.filters.frame_filter import FrameFilter
from ftwire_tools.render.line import LineRenderer, gap_text
from ftwire_tools.render.stats import Stats
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import PLAIN, paint_for, printable

if TYPE_CHECKING:
    from ftwire.capture import Dissected
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.render import Renderer

__all__ = ["Dump", "Form", "run"]

BATCH: Final = 1000
"""Frames whose text is kept before it is written."""


class Form(NamedTuple):
    """How frames are shown."""

    as_json: bool
    tree: bool
    with_hex: bool
    table: bool
    fields: tuple[tuple[str, ...], ...]
    show_secrets: bool


def make_renderer(form: Form, lines: LineRenderer, file: str | None) -> Renderer:
    """Return the renderer of this form; modules of other forms are not imported."""
    if form.as_json:
        if form.table:
            from ftwire_tools.render.json_rows import RowsRenderer

            return RowsRenderer(fields=form.fields, show_secrets=form.show_secrets)
        from ftwire_tools.render.jsonlines import JsonRenderer

        return JsonRenderer(fields=form.fields, with_bytes=form.with_hex, file=file, show_secrets=form.show_secrets)
    if form.tree or form.with_hex or form.table:
        from ftwire_tools.render.detail import DetailRenderer

        return DetailRenderer(
            lines,
            tree=form.tree,
            with_hex=form.with_hex,
            table=form.table,
            fields=form.fields,
            show_secrets=form.show_secrets,
        )
    return lines


class Dump:
    """Shows one input: keeps what passes the filter, renders it and writes it."""

    def __init__(self, form: Form, frame_filter: FrameFilter, stats: Stats | None, *, file: str | None) -> None:
        """``file`` names the input in JSON, where there are several."""
        self._lines: Final = LineRenderer(
            paint=PLAIN if form.as_json else paint_for(sys.stdout),
            fields=form.fields,
            show_secrets=form.show_secrets,
        )
        self._renderer: Final = make_renderer(form, self._lines, file)
        self._as_json: Final = form.as_json
        self._filter: Final = frame_filter
        self._everything: Final = frame_filter.is_empty
        self._stats: Final = stats
        self._out: Final[list[str]] = []
        self.not_decoded = 0
        """What was shown and could not be decoded: frames, bytes in no frame, connections, damage of the input."""
        self.unrecognised = 0
        """Connections shown that look like this protocol, without a frame in them."""

    def show(self, reports: Iterable[Dissected]) -> None:
        """Show what passes the filter of a reader's reports. Raises what iterating over them raises."""
        out, render, everything, stats = self._out, self._renderer.frame, self._everything, self._stats
        for report in reports:
            if type(report) is not DissectedFrame:
                self._show_other(report)
                continue
            if everything or self._shows(report):
                text, error = render(report)
                out.append(text)
                if error is not None:
                    self.not_decoded += 1
                if stats is not None:
                    stats.frame(report, error)
                if len(out) >= BATCH:
                    self.flush()

    def _shows(self, frame: DissectedFrame) -> bool:
        """Return whether a frame passes the filter; its body is read only if its header does."""
        frame_filter, observation = self._filter, frame.observation
        return frame_filter.matches_header(frame.conversation, observation) and frame_filter.matches_body(
            observation, frame.error if frame_filter.only_errors else None
        )

    def _show_other(self, report: Dissected) -> None:
        """Show undecoded bytes, missing keys and connections without a frame, if they pass the filter."""
        if isinstance(report, UnrecognisedConnection):
            if self._filter.matches_place(report.conversation, report.time):
                self.unrecognised += 1
                self.complain(unrecognised_text(report))
            return
        if not isinstance(report, DissectedBytes | KeyNeeded):
            return
        conversation, observation = report.conversation, report.observation
        if not self._filter.matches_place(conversation, observation.time):
            return
        if isinstance(report, DissectedBytes):
            self.not_decoded += 1
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


def run(source: Input, dump: Dump, reader: CaptureReader) -> None:
    """Dump one input. Raises ``OSError``, and ``NotACaptureError`` where it holds nothing that could be read."""
    account = reader.account
    progress = Progress(source.size)
    done = 0
    try:
        for chunk in source.chunks():
            _show(reader.feed(chunk), source, dump)
            if account.damage is not None:
                break
            done += len(chunk)
            progress.update(done, account.frames)
        _show(reader.close(), source, dump)
        if dump.unrecognised:
            dump.note(explain_hint(source.name, dump.unrecognised))
        for sentence in account.unread():
            dump.complain(f"{source.name}: {sentence}")
        if account.refused_packets:
            those = "a packet has" if account.refused_packets == 1 else f"{account.refused_packets} packets have"
            dump.complain(f"{source.name}: {those} other bytes than came first in their place, or came too late")
    finally:
        progress.clear()
        dump.flush()
    nothing = without_conversation(account)
    if nothing:
        sys.stderr.write(f"ftwire: {printable(f'{source.name}: {nothing}')}\n")


def _show(reports: Iterable[Dissected], source: Input, dump: Dump) -> None:
    """Show the reports, and in their place why there are no more of them if the file is damaged."""
    try:
        dump.show(reports)
    except NotACaptureError:
        raise
    except CaptureError as error:
        dump.complain(f"{source.name}: {error}")
    dump.flush()
