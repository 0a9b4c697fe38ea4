"""``ftwire dump``: the OpenD frames in a capture, one line each or in any of the other forms."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, get_args

import click

from ftwire.capture import CaptureReader
from ftwire.errors import NotACaptureError
from ftwire.frame import Role
from ftwire.pcap.ordering import is_stored
from ftwire_tools.captures.input_files import Input, allow_open_files, one_capture_each, open_input
from ftwire_tools.commands._completion import complete_codes, complete_files, complete_protocols
from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._filters import UNANSWERED, filter_of, filter_option
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.commands._options import (
    colour_option,
    decoding_registry,
    max_body_option,
    schema_option,
    sender_option,
    show_secrets_option,
    since_option,
    until_option,
)
from ftwire_tools.dumping.dumper import Dump, DumpForm, run
from ftwire_tools.dumping.errors import NotWrittenError
from ftwire_tools.filters.frame_filter import FrameFilter, protocol_ids
from ftwire_tools.render.line import TimeForm
from ftwire_tools.render.stats import Stats
from ftwire_tools.terminal.cells import screen_of
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.protocols import Registry
    from ftwire_tools.dumping.shown_capture import ShownCapture
    from ftwire_tools.filters.present_values import PresentValues

__all__ = ["command"]

MAX_READ_AGAIN: Final = 1 << 30
"""Bytes of a capture that is read again to find out what is wrong with its broken conversations."""


def name_findings(inputs: Sequence[Input], dump: Dump, keys: Sequence[RsaKey]) -> None:
    """Show the known mistake that explains each broken conversation of a capture in files. Raises ``OSError``."""
    is_small = sum(one.size for one in inputs) <= MAX_READ_AGAIN
    if not (dump.has_both_sides or dump.unrecognised) or not is_small or any(one.path == "-" for one in inputs):
        return
    # Imported here: only what is broken needs it.
    from ftwire_tools.explaining.first_findings import findings_in_files

    paths = [one.path for one in inputs]
    for line in findings_in_files(paths, keys, dump.broken, dump.may_show):
        dump.note(f"{line}; see ftwire explain {' '.join(paths)}")
    dump.flush()


def _present(frame_filter: FrameFilter, patterns: list[str], registry: Registry) -> PresentValues:
    """Return what notes the values that filters could select."""
    from ftwire_tools.filters.present_values import PresentValues

    return PresentValues(frame_filter, patterns, registry=registry)


def _begin(path: str, *, overwrite: bool) -> ShownCapture:
    """Begin the capture of ``-w``. Raises ``ClickException``."""
    # Imported late: most runs write none.
    from ftwire_tools.dumping.shown_capture import ShownCapture

    with file_errors(path):
        return ShownCapture(path, overwrite=overwrite)


def _what_is_in(written: ShownCapture) -> str:
    """Return what was written, and that it holds secrets."""
    parts = [f"{written.frames} frame{'s' * (written.frames != 1)}"]
    if written.handshakes:
        parts.append(f"{written.handshakes} of InitConnect that decrypting them takes")
    text = f"{' and '.join(parts)}, with every secret that is in them (ftwire redact removes them)"
    if written.left_out:
        text += f"; {written.left_out} bytes in no frame are left out"
    return text


def _unanswered(
    inputs: list[Input], keys: list[RsaKey], registry: Registry, max_body: int, sender: str | None
) -> frozenset[int]:
    """Read a capture once for the requests in it that nothing answers. Raises ``OSError``."""
    from ftwire_tools.filters.unanswered import unanswered_in_files

    reader = CaptureReader(keys=keys, sender=Role(sender) if sender else None, registry=registry, max_body=max_body)
    return unanswered_in_files(reader, [each.stream for each in inputs])


@click.command(
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished, but a frame shown could not be decoded "
    "(damaged, unknown, no key for it, or without fields that it requires), bytes are in no frame, a connection looks "
    "like OpenD's protocol and has no frame, or the file is cut.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@keys_option("RSA private key to decrypt with; repeatable.")
@click.option("-v", "--verbose", "tree", is_flag=True, help="Every field of every body, enum names beside numbers.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and frame.")
@click.option("--hex", "with_hex", is_flag=True, help="Header and plain body in hexadecimal too.")
@click.option("--table", is_flag=True, help="Lists in bodies as rows; with --json one object a row.")
@click.option(
    "--fields", metavar="A,B.C", default="", help="Only these fields of bodies; s2c. and c2s. may be left out."
)
@filter_option("Only frames that match")
@click.option(
    "-w", "written_path", metavar="CAPTURE", help="Write the frames shown to a pcapng file, readable by you alone."
)
@click.option("--overwrite", is_flag=True, help="Let -w replace a file that exists.")
@click.option(
    "--proto",
    "protocols",
    multiple=True,
    metavar="NAME|ID|GLOB",
    shell_complete=complete_protocols,
    help="Only these protocols; repeatable.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["request", "response", "push"]),
    help="Only frames of this kind; repeatable.",
)
@click.option(
    "--code",
    "codes",
    multiple=True,
    metavar="HK.00700",
    shell_complete=complete_codes,
    help="Only frames about this security; repeatable.",
)
@click.option(
    "--conn",
    "conversations",
    multiple=True,
    metavar="HOST:PORT|N",
    help="Only the conversation of this number, or with this end (:PORT is enough); repeatable.",
)
@since_option
@until_option
@click.option("--errors", "only_errors", is_flag=True, help="Only what could not be decoded.")
@click.option(
    "--stats",
    "with_stats",
    is_flag=True,
    help="Counts and latencies by protocol and rates over time at the end, on standard error; one JSON object with "
    "--json.",
)
@click.option(
    "--time",
    "time_form",
    type=click.Choice(get_args(TimeForm)),
    default="utc",
    envvar="FTWIRE_TIME",
    show_envvar=True,
    help="Times in UTC, in this machine's zone, or as seconds since the line above; utc by default.",
)
@colour_option
@click.option(
    "--in-order",
    is_flag=True,
    help="Hold a pipe's packets back, 32 MiB of them, to put them in order of time. Files are in order anyway.",
)
@max_body_option
@sender_option
@schema_option
@show_secrets_option
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
    expression: str | None,
    written_path: str | None,
    overwrite: bool,
    protocols: tuple[str, ...],
    kinds: tuple[str, ...],
    codes: tuple[str, ...],
    conversations: tuple[str, ...],
    since: int | None,
    until: int | None,
    only_errors: bool,
    with_stats: bool,
    time_form: TimeForm,
    in_order: bool,
    max_body: int,
    sender: str | None,
    schema: str | None,
    show_secrets: bool,
) -> None:
    """Show the OpenD frames in FILE: a pcap or pcapng capture, or raw bytes of one connection.

    Finds conversations with OpenD on any port, by their content, on TCP and WebSocket. Raw bytes are what one side
    sent or, on TCP, both: "follow stream" saved as raw. Frames are shown in order of time, whatever the order of the
    packets in FILE; "-" reads standard input and shows frames of a pipe as they come. Several captures are the parts
    of one, in any order, as tcpdump -C and dumpcap -b write them: connections go on over them, and numbers run
    through. Copies of a capture are shown each for itself.
    Captures may be compressed with gzip, xz or bzip2, and with zstd or lz4 where ftwire[compressed] is installed.

    \b
    Examples:
      ftwire dump capture.pcap
      ftwire dump --key rsa.pem --proto 'Qot_Update*' --json capture.pcapng
      ftwire dump -Y 'ret_type != 0 or latency > 50ms' capture.pcap
      ftwire dump -Y 'code == HK.00700 and s2c.rtList.price > 600' capture.pcap
      ftwire dump rotated.pcap rotated.pcap1 rotated.pcap2
      ftwire dump --key rsa.pem -Y 'time >= 09:30 and time < 09:31' -w minute.pcapng *.pcap
      tcpdump -i lo -U -w - port 11111 | ftwire dump -

    A line has the frame's number in the capture, its time (UTC), the number of its conversation, "->" from
    the client or "<-" to it, kind, protocol, serial number, bytes of its body on the wire, encryption, the time
    since its request, and what it is about: a response begins with the number of its request, "re 5". With --json,
    undecoded bytes and notes go to standard error.
    Lines fit a terminal (its columns, or COLUMNS): where it is narrow, encryption, microseconds, size, protocol ID and
    serial number are left out in that order, the latency moves in front of what a response is about, names are
    shortened, and what does not fit is cut off at a "…". Files and pipes get whole lines.
    Connections that look like OpenD's protocol and have no frame are named: "ftwire explain FILE" says what is wrong.
    -Y chooses by the header (proto, kind, serial, client, time, latency, error, ...), by securities (code) and by
    fields of bodies, with == != < <= > >= ~ in and or not. --proto, --kind, --code, --conn, --since, --until and
    --errors are short for such expressions; all that are given are to be met.
    -w writes what is shown as a capture: packets made anew, with the times, addresses and bytes of the old ones, and
    with the InitConnect of encrypted conversations. Several captures that are joined make one, so that it cuts and
    merges. It stays encrypted (--key opens it), and no key is put into it.
    Where a selection (-Y, --proto, --code, --conn, ...) matches nothing, standard error has what the capture holds
    instead; the exit code stays 0.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    registry = decoding_registry(schema)
    try:
        shown = protocol_ids(protocols, registry)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--proto") from None
    form = DumpForm(
        as_json=as_json,
        tree=tree,
        with_hex=with_hex,
        table=table,
        fields=tuple(tuple(path.strip().split(".")) for path in fields.split(",") if path.strip()),
        show_secrets=show_secrets,
        time=time_form,
    )
    frame_filter = FrameFilter(
        protocols=shown,
        kinds=frozenset(kinds),
        codes=frozenset(code.upper() for code in codes),
        conversations=conversations,
        since=since,
        until=until,
        only_errors=only_errors,
        also=filter_of(expression, registry=registry, show_secrets=show_secrets, whole_files=True),
    )
    chosen = None if frame_filter.is_empty else frame_filter.compiled(registry)
    if overwrite and written_path is None:
        raise click.UsageError("--overwrite needs -w")
    if written_path == "-":
        raise click.UsageError("-w writes a file: standard output has the lines")
    rsa_keys = [key for path in keys if (key := read_key(path)) is not None]
    stats = Stats() if with_stats else None
    patterns = [each.strip() for text in protocols for each in text.split(",")]
    present = None if frame_filter.is_empty else _present(frame_filter, patterns, registry)
    code = 0
    path = files[0]
    allow_open_files(len(files))
    written: ShownCapture | None = None
    try:
        with ExitStack() as stack:
            opened = stack.enter_context(ExitStack())
            inputs: list[Input] = []
            for path in files:
                inputs += [opened.enter_context(open_input(path))]
            if chosen is not None and chosen.needs_unanswered and not all(is_stored(each.stream) for each in inputs):
                raise click.BadParameter(UNANSWERED, param_hint="-Y")
            groups = one_capture_each(inputs)
            if written_path is not None:
                if len(groups) > 1:
                    raise click.UsageError(
                        "-w writes one capture, and these are copies of one, or raw bytes beside one"
                    )
                written = _begin(written_path, overwrite=overwrite)
                stack.callback(written.discard)
            for group in groups:
                path = group[0].path
                if chosen is not None and chosen.needs_unanswered:
                    chosen.unanswered = _unanswered(group, rsa_keys, registry, max_body, sender)
                dump = Dump(
                    form, chosen, stats, file=path if len(files) > 1 else None, present=present, written=written
                )
                reader = CaptureReader(
                    keys=rsa_keys,
                    sender=Role(sender) if sender else None,
                    registry=registry,
                    max_body=max_body,
                    keep_bytes=written is not None,
                )
                try:
                    run(group, dump, reader, named=len(files) > 1, at_once=not in_order)
                except NotACaptureError:
                    path = group[reader.part].path
                    raise
                if dump.not_decoded:
                    code = NOT_DECODED
                    name_findings(group, dump, rsa_keys)
                if sender and dump.has_both_sides:
                    sys.stderr.write(f"ftwire: {printable(path)}: --from does nothing: a capture has both sides\n")
            if written is not None:
                opened.close()  # one may be what is written, and on Windows an open file cannot be replaced
                written.close()
                sys.stderr.write(f"ftwire: {printable(str(written_path))}: {_what_is_in(written)}\n")
    except NotWrittenError as error:
        raise click.ClickException(f"{written_path}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (NotACaptureError, ImportError) as error:
        # ImportError: a package that only WebSocket conversations need is missing; it is named.
        raise click.ClickException(f"{path}: {error}") from None
    finally:
        if stats is not None:
            report = (
                [stats.json()] if as_json else stats.lines(screen=screen_of(sys.stderr), local=time_form == "local")
            )
            sys.stderr.write("".join(f"{line}\n" for line in report))
    if present is not None:
        sys.stderr.write("".join(f"ftwire: {printable(sentence)}\n" for sentence in present.sentences()))
    ctx.exit(code)
