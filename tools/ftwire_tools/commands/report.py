"""``ftwire report``: what happened in a session, as one HTML file."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from ftwire.capture import CaptureReader
from ftwire.errors import NotACaptureError
from ftwire.frame import Role
from ftwire.pcap.ordering import is_stored
from ftwire_tools.captures.input_files import Input, allow_open_files, one_capture_each, open_input
from ftwire_tools.commands._amounts import SIZES, Amount
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors, open_output, write_output
from ftwire_tools.commands._filters import UNANSWERED, filter_of, filter_option
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.commands._options import decoding_registry, max_body_option, schema_option, sender_option
from ftwire_tools.commands._pages import about_page, keep_option, max_frames_option, page_secrets_option, shown_bodies
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.output_file import OutputFile
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.protocols import Registry
    from ftwire_tools.session_report.session import Session

__all__ = ["command"]


def _read(session: Session, inputs: list[Input], reader: CaptureReader) -> None:
    """Read the capture. Raises ``ClickException``."""
    progress = Progress(sum(each.size for each in inputs))
    try:
        session.read(inputs, reader, lambda done: progress.update(done, reader.account.frames))
    except OSError as error:
        raise click.ClickException(f"{inputs[reader.part].name}: {error.strerror or error}") from None
    except (NotACaptureError, ImportError) as error:
        # ImportError: a package that only WebSocket conversations need is missing; it is named.
        raise click.ClickException(f"{inputs[reader.part].name}: {error}") from None
    finally:
        progress.clear()


def _write(session: Session, output: OutputFile, about: dict[str, Any], vocabulary: dict[str, Any], path: str) -> None:
    """Write the page. Raises ``ClickException``."""
    from ftwire_tools.session_report.page_writer import page_of

    for part in page_of(session, about, vocabulary):
        write_output(output, part, path)


@click.command(
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished, but a frame in it could not be decoded, bytes are "
    "in no frame, a connection looks like OpenD's protocol and has no frame, or the file is cut.",
)
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", shell_complete=complete_files)
@click.option("-o", "--output", "out", required=True, metavar="FILE", help='The page to write; "-": standard output.')
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@keys_option("RSA private key to decrypt with; repeatable.")
@filter_option("Only frames that match are in the report")
@click.option("--title", metavar="TEXT", help="What the page is called; by default the names of the captures.")
@max_frames_option(0)
@click.option(
    "--max-size",
    type=Amount("bytes", SIZES),
    default="64M",
    show_default=True,
    metavar="BYTES",
    help="Size of the listed frames' bodies, compressed; the page is a third larger.",
)
@keep_option
@max_body_option
@sender_option
@schema_option
@page_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    captures: tuple[str, ...],
    out: str,
    overwrite: bool,
    keys: tuple[str, ...],
    expression: str | None,
    title: str | None,
    max_frames: int,
    max_size: int,
    keep: tuple[str, ...],
    max_body: int,
    sender: str | None,
    schema: str | None,
    show_secrets: bool,
) -> None:
    """Write what happened in a session to one HTML page that opens anywhere, without a network.

    First an overview: requests and pushes over time, latencies by protocol, failed and unanswered requests, what
    explain finds, gaps between pushes, subscriptions and quota, orders, prices, and the last order books. Then the
    list of all frames, with the filters of -Y, request beside response, fields, JSON and bytes. Several captures are
    the parts of one, in any order.

    \b
    Examples:
      ftwire report session.pcapng -o session.html
      ftwire report --key rsa.pem -Y 'time >= 09:30 and time < 10:00' day.pcapng -o open.html
      ftwire report rotated.pcap rotated.pcap1 -o - > session.html

    What ftwire redact replaces is not in the page: keys, passwords, users, accounts, free text, tokens and names of
    programs are masked, numbers of orders and addresses are pseudonyms, and a body in which anything is hidden has no
    bytes. --keep text shows OpenD's error texts. Amounts stay. The file is readable by you alone, and gets its name
    when it is complete.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.session_report.filter_vocabulary import vocabulary
    from ftwire_tools.session_report.session import ListLimits, Session

    registry = decoding_registry(schema)
    chosen = filter_of(expression, registry=registry, show_secrets=show_secrets, whole_files=True)
    rsa_keys = [key for path in keys if (key := read_key(path)) is not None]
    shown = shown_bodies(keep, show_secrets=show_secrets)
    session = Session(shown, keys=rsa_keys, chosen=chosen, limits=ListLimits(max_frames, max_size))
    allow_open_files(len(captures))
    with ExitStack() as stack:
        inputs: list[Input] = []
        for path in captures:
            with file_errors(path):
                inputs.append(stack.enter_context(open_input(path)))
        if chosen is not None and chosen.needs_unanswered and not all(is_stored(each.stream) for each in inputs):
            raise click.BadParameter(UNANSWERED, param_hint="-Y")
        if len(one_capture_each(inputs)) > 1:
            raise click.UsageError("a report is of one capture, and these are copies of one, or raw bytes beside one")
        output = stack.enter_context(open_output(out, overwrite=overwrite))
        if chosen is not None and chosen.needs_unanswered:
            from ftwire_tools.filters.unanswered import unanswered_in_files

            reader = _reader(rsa_keys, registry, max_body, sender)
            chosen.unanswered = unanswered_in_files(reader, [each.stream for each in inputs])
        _read(session, inputs, _reader(rsa_keys, registry, max_body, sender))
        names = [PurePath(each.name).name for each in inputs]
        called = title or ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        filtered = str(chosen) if chosen is not None else ""
        about = about_page(called, names, shown, chosen=filtered, show_secrets=show_secrets)
        _write(session, output, about, vocabulary(registry, show_secrets=show_secrets), out)
    if session.left_out:
        sys.stderr.write(
            f"ftwire: {session.left_out} of {session.frames} frames are in the overview only, not in the list "
            "(--max-frames, --max-size, or a part of it with -Y)\n"
        )
    sys.stderr.write("".join(f"ftwire: {printable(sentence)}\n" for sentence in session.notes))
    if session.not_decoded:
        what = "frames, bytes in no frame, or what is named above"
        sys.stderr.write(f"ftwire: not decoded: {session.not_decoded} ({what})\n")
    if show_secrets:
        sys.stderr.write(f"ftwire: {printable(out)} has every secret of the session in it\n")
    ctx.exit(NOT_DECODED if session.not_decoded else 0)


def _reader(keys: list[RsaKey], registry: Registry, max_body: int, sender: str | None) -> CaptureReader:
    return CaptureReader(
        keys=keys,
        sender=Role(sender) if sender else None,
        registry=registry,
        max_body=max_body,
        keep_bytes=True,
    )
