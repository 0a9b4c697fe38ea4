"""``ftwire dump``: the OpenD frames in a capture, one line each or in any of the other forms."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ftwire.errors import CaptureError, WireError
from ftwire.events import FrameSeen, GapSeen, KeyMissing
from ftwire.frame import Role
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.chunks import Input, open_input, read_file
from ftwire_tools.clock import parse_time
from ftwire_tools.paint import PLAIN, paint_for
from ftwire_tools.progress import Progress
from ftwire_tools.render.line import LineRenderer, gap_text
from ftwire_tools.selection import Selection, protocol_ids
from ftwire_tools.sighting import Sighting, read_body
from ftwire_tools.source import ENOUGH_TO_TELL, NothingFoundError, Source, open_source
from ftwire_tools.stats import Stats

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire_tools.render import Renderer
    from ftwire_tools.sighting import Talk

__all__ = ["command"]

NOT_DECODED: Final = 3
"""Exit code: finished, but some data could not be decoded."""

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
            from ftwire_tools.render.rows import RowsRenderer

            return RowsRenderer(fields=form.fields, show_secrets=form.show_secrets)
        from ftwire_tools.render.jsonlines import JsonRenderer

        return JsonRenderer(fields=form.fields, show_secrets=form.show_secrets, with_bytes=form.with_hex, file=file)
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
    """One input, from its first byte to its last line."""

    def __init__(self, form: Form, selection: Selection, stats: Stats | None, *, file: str | None) -> None:
        """``file`` names the input in JSON, where there are several."""
        self._lines: Final = LineRenderer(
            paint=PLAIN if form.as_json else paint_for(sys.stdout),
            fields=form.fields,
            show_secrets=form.show_secrets,
        )
        self._renderer: Final = make_renderer(form, self._lines, file)
        self._as_json: Final = form.as_json
        self._selection: Final = selection
        self._stats: Final = stats
        self._out: Final[list[str]] = []
        self.frames = 0
        """Frames seen, shown or not."""
        self.not_decoded = 0
        """Frames and gaps shown that could not be decoded."""

    def show(self, observed: Iterator[tuple[Talk, Observation]]) -> None:
        """Show what is selected of what was observed."""
        out, selection, stats = self._out, self._selection, self._stats
        render = self._renderer.frame
        everything = selection.is_open
        for talk, seen in observed:
            if type(seen) is not FrameSeen:
                self._show_other(talk, seen)
                continue
            self.frames += 1
            if not (everything or selection.wants_header(talk, seen)):
                continue
            frame = seen.frame
            message, error = read_body(frame)
            sighting = Sighting(self.frames, talk, seen, message, error)
            if not (everything or selection.wants_body(sighting)):
                continue
            if error is not None:
                self.not_decoded += 1
            if stats is not None:
                protocol = frame.protocol
                stats.frame(frame.proto_id, protocol.name if protocol else "?", len(frame), seen.latency, error)
            out.append(render(sighting))
            if len(out) >= BATCH:
                self.flush()

    def _show_other(self, talk: Talk, seen: Observation) -> None:
        if not self._selection.wants_place(talk, seen.time):
            return
        if isinstance(seen, GapSeen):
            self.not_decoded += 1
            if self._stats is not None:
                self._stats.gap(seen.gap.length)
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
            sys.stderr.write(f"ftwire: {text}\n")
        else:
            self._out.append(self._lines.note(text))

    def flush(self) -> None:
        """Write what was shown so far."""
        if self._out:
            sys.stdout.write("".join(self._out))
            self._out.clear()
            sys.stdout.flush()


def run(source_input: Input, dump: Dump, keys: Sequence[RsaKey], max_body: int, sender: Role | None) -> None:
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
                    chunk, source = head, open_source(head, keys=keys, max_body=max_body, sender=sender)
                dump.show(source.feed(chunk))
                dump.flush()
                progress.update(done, dump.frames)
        except CaptureError as error:
            dump.note(f"{source_input.name}: {error}")
            dump.not_decoded += 1
        if source is None:
            source = open_source(head, keys=keys, max_body=max_body, sender=sender)
            dump.show(source.feed(head))
        try:
            dump.show(source.close())
        except CaptureError as error:
            dump.note(f"{source_input.name}: {error}")
            dump.not_decoded += 1
    finally:
        progress.clear()
        dump.flush()


def _read_keys(paths: Sequence[str]) -> list[RsaKey]:
    if not paths:
        return []
    from ftwire.cipher import RsaKey

    keys = []
    for path in paths:
        try:
            keys.append(RsaKey.from_pem(read_file(path)))
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from None
        except WireError as error:
            raise click.ClickException(f"{path}: {error}") from None
    return keys


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither ISO 8601 nor seconds since the epoch") from None


@click.command(
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished, but a frame shown could not be decoded "
    "(damaged, unknown, or no key for it), bytes are in no frame, or the file is cut.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--key", "keys", multiple=True, metavar="PEM", help="RSA private key to decrypt with; repeatable.")
@click.option("-v", "--verbose", "tree", is_flag=True, help="Every field of every body, enum names beside numbers.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and frame.")
@click.option("--hex", "with_hex", is_flag=True, help="Header and plain body in hexadecimal too.")
@click.option("--table", is_flag=True, help="Lists in bodies as rows; with --json one object a row.")
@click.option(
    "--fields", metavar="A,B.C", default="", help="Only these fields of bodies; s2c. and c2s. may be left out."
)
@click.option("--proto", "protocols", multiple=True, metavar="NAME|ID|GLOB", help="Only these protocols; repeatable.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["request", "response", "push"]),
    help="Only frames of this kind; repeatable.",
)
@click.option("--code", "codes", multiple=True, metavar="HK.00700", help="Only frames about this security; repeatable.")
@click.option(
    "--conn",
    "conversations",
    multiple=True,
    metavar="HOST:PORT|N",
    help="Only the conversation of this number, or with this end (:PORT is enough); repeatable.",
)
@click.option(
    "--since", callback=_time, metavar="TIME", help="Only from this time on: ISO 8601 (UTC), or seconds since 1970."
)
@click.option("--until", callback=_time, metavar="TIME", help="Only up to this time.")
@click.option("--errors", "only_errors", is_flag=True, help="Only what could not be decoded.")
@click.option(
    "--stats", "with_stats", is_flag=True, help="Counts and latencies by protocol at the end, on standard error."
)
@click.option(
    "--max-body",
    type=click.IntRange(min=1),
    default=DEFAULT_MAX_BODY,
    metavar="BYTES",
    help="Largest body believed in; 64 MiB by default.",
)
@click.option(
    "--from",
    "sender",
    type=click.Choice(["client", "server"]),
    help="Who sent the bytes of a raw stream; by default the content tells.",
)
@click.option("--show-secrets", is_flag=True, help="Do not mask keys, passwords, account and user IDs.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    keys: tuple[str, ...],
    tree: bool,
    as_json: bool,
    with_hex: bool,
    table: bool,
    fields: str,
    protocols: tuple[str, ...],
    kinds: tuple[str, ...],
    codes: tuple[str, ...],
    conversations: tuple[str, ...],
    since: int | None,
    until: int | None,
    only_errors: bool,
    with_stats: bool,
    max_body: int,
    sender: str | None,
    show_secrets: bool,
) -> None:
    """Show the OpenD frames in FILE: a pcap or pcapng capture, gzip of either, or the bytes that one side sent.

    Finds conversations with OpenD on any port, by their content, on TCP and WebSocket. "-" reads standard
    input and shows frames as they come.

    \b
    Examples:
      ftwire dump capture.pcap
      ftwire dump --key rsa.pem --proto 'Qot_Update*' --json capture.pcapng
      tcpdump -i lo -U -w - port 11111 | ftwire dump -

    A line has the frame's number in the capture, its time (UTC), the number of its conversation, "->" from
    the client or "<-" to it, kind, protocol, serial number, bytes of its body on the wire, encryption, the time
    since its request, and what it is about. With --json, gaps and notes go to standard error.
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
    try:
        wanted = protocol_ids(protocols)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--proto") from None
    form = Form(
        as_json=as_json,
        tree=tree,
        with_hex=with_hex,
        table=table,
        fields=tuple(tuple(path.strip().split(".")) for path in fields.split(",") if path.strip()),
        show_secrets=show_secrets,
    )
    selection = Selection(
        protocols=wanted,
        kinds=frozenset(kinds),
        codes=frozenset(code.upper() for code in codes),
        conversations=conversations,
        since=since,
        until=until,
        only_errors=only_errors,
    )
    rsa_keys = _read_keys(keys)
    stats = Stats() if with_stats else None
    code = 0
    try:
        for path in files:
            several = len(files) > 1
            dump = Dump(form, selection, stats, file=path if several else None)
            if several and not as_json:
                dump.note(path)
            try:
                with open_input(path) as source_input:
                    run(source_input, dump, rsa_keys, max_body, Role(sender) if sender else None)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise click.ClickException(f"{path}: {error.strerror or error}") from None
            except NothingFoundError as error:
                raise click.ClickException(f"{path}: {error}") from None
            if dump.not_decoded:
                code = NOT_DECODED
    finally:
        if stats is not None:
            sys.stderr.write("".join(f"{line}\n" for line in stats.lines()))
    ctx.exit(code)
