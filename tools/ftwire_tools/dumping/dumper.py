"""What ``ftwire dump`` does with one input: frames in, their text out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.errors import CaptureError, NotACaptureError
from ftwire.events import FrameObserved, KeyMissing, UndecodedObserved
from ftwire.frame import Role
from ftwire.protocols import Registry, registry
from ftwire_tools.captures.input_files import Input
from ftwire_tools.captures.source import ENOUGH_TO_TELL, NEITHER, NothingFoundError, Source, open_source
from ftwire_tools.filters.selection import Selection
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.line import LineRenderer, gap_text
from ftwire_tools.render.stats import Stats
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import PLAIN, paint_for, printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire_tools.captures.sighting import Talk
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
    """Return what shows frames in this form; only what it needs is imported."""
    if form.as_json:
        if form.table:
            from ftwire_tools.render.json_rows import RowsRenderer

            return RowsRenderer(fields=form.fields)
        from ftwire_tools.render.jsonlines import JsonRenderer

        return JsonRenderer(fields=form.fields, with_bytes=form.with_hex, file=file)
    if form.tree or form.with_hex or form.table:
        from ftwire_tools.render.detail import DetailRenderer

        return DetailRenderer(
            lines,
            tree=form.tree,
            with_hex=form.with_hex,
            table=form.table,
            fields=form.fields,
        )
    return lines


class Dump:
    """One input, from its first byte to its last line."""

    def __init__(self, form: Form, selection: Selection, stats: Stats | None, *, file: str | None) -> None:
        """``file`` names the input in JSON, where there are several."""
        self._lines: Final = LineRenderer(
            paint=PLAIN if form.as_json else paint_for(sys.stdout),
            fields=form.fields,
        )
        self._renderer: Final = make_renderer(form, self._lines, file)
        self._as_json: Final = form.as_json
        self._shows_secrets: Final = form.show_secrets
        self._selection: Final = selection
        self._everything: Final = selection.is_open
        self._stats: Final = stats
        self._out: Final[list[str]] = []
        self.frames = 0
        """Frames seen, shown or not."""
        self.not_decoded = 0
        """Frames and gaps shown that could not be decoded."""

    def show(self, observed: Iterator[tuple[Talk, Observation]]) -> None:
        """Show what is selected of what was observed."""
        number = self.frames
        try:
            for talk, seen in observed:
                if type(seen) is not FrameObserved:
                    self._show_other(talk, seen)
                    continue
                number += 1
                self._show_frame(number, talk, seen)
                if len(self._out) >= BATCH:
                    self.flush()
        finally:
            self.frames = number

    def _show_frame(self, number: int, talk: Talk, seen: FrameObserved) -> None:
        """Show a frame, if it is selected."""
        selection, everything = self._selection, self._everything
        if not everything and not selection.wants_header(talk, seen):
            return
        frame = seen.frame
        view = FrameView(number, talk, seen, self._shows_secrets)
        if not everything and not selection.wants_body(seen, view.error if selection.only_errors else None):
            return
        self._out.append(self._renderer.frame(view))
        if view.error is not None:
            self.not_decoded += 1
        if self._stats is not None:
            protocol = frame.protocol
            name = protocol.name if protocol else "?"
            self._stats.frame(frame.proto_id, name, len(frame), seen.latency, view.error)

    def _show_other(self, talk: Talk, seen: Observation) -> None:
        if not self._selection.wants_place(talk, seen.time):
            return
        if isinstance(seen, UndecodedObserved):
            self.not_decoded += 1
            if self._stats is not None:
                self._stats.gap(seen.undecoded.length)
            if self._as_json:
                source, destination = talk.ends(seen.sender)
                self.note(f"{source} -> {destination}: {gap_text(seen)}")
            else:
                self._out.append(self._lines.gap(talk, seen))
        elif isinstance(seen, KeyMissing):
            if self._as_json:
                self.note(f"{talk.client} -> {talk.server}: {seen.reason} (--key)")
            else:
                self._out.append(self._lines.key_missing(talk, seen))

    def note(self, text: str) -> None:
        """Say something about no single frame: among the lines, or on standard error beside JSON."""
        if self._as_json:
            self.flush()
            sys.stderr.write(f"ftwire: {printable(text)}\n")
        else:
            self._out.append(self._lines.note(text))

    def flush(self) -> None:
        """Write what was shown so far."""
        if self._out:
            text = "".join(self._out)
            self._out.clear()
            write(text)


def run(
    source_input: Input,
    dump: Dump,
    keys: Sequence[RsaKey],
    max_body: int,
    sender: Role | None,
    known: Registry = registry,
) -> None:
    """Dump one input. Raises ``OSError`` and ``NothingFoundError``."""
    source: Source | None = None
    head = b""
    done = 0
    progress = Progress(source_input.size)
    try:
        try:
            for chunk in source_input.chunks():
                done += len(chunk)
                if source is None:
                    head += chunk
                    if len(head) < ENOUGH_TO_TELL:
                        continue
                    chunk, source = head, open_source(head, keys=keys, max_body=max_body, sender=sender, known=known)
                dump.show(source.feed(chunk))
                dump.flush()
                progress.update(done, dump.frames)
        except NotACaptureError as error:
            # Only gzip hides for so long what it holds.
            raise NothingFoundError(f"{NEITHER}: {error}") from None
        except CaptureError as error:
            dump.note(f"{source_input.name}: {error}")
            dump.not_decoded += 1
        if source is None:
            source = open_source(head, keys=keys, max_body=max_body, sender=sender, known=known)
            dump.show(source.feed(head))
        try:
            dump.show(source.close())
        except CaptureError as error:
            dump.note(f"{source_input.name}: {error}")
            dump.not_decoded += 1
        for reason, count in source.passed_over.items():
            dump.note(f"{source_input.name}: {count} packets passed over: {reason}")
            dump.not_decoded += 1
        if source.refused:
            those = "a packet has" if source.refused == 1 else f"{source.refused} packets have"
            dump.note(f"{source_input.name}: {those} other bytes than came first in their place, or came too late")
            dump.not_decoded += 1
    finally:
        progress.clear()
        dump.flush()
