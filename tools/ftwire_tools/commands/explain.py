"""``ftwire explain``: frames drawn byte by byte, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ftwire.capture import CaptureReader, UnrecognisedConnection
from ftwire.diagnosis import ConversationChecker, Piece, SessionKeys
from ftwire.errors import CaptureError
from ftwire.frame import Role
from ftwire.header import ENVELOPE_MAGIC, MAGIC
from ftwire.resemblance import TLS
from ftwire_tools.captures.account_text import outside_frames
from ftwire_tools.captures.input_files import allow_open_files, one_capture_each
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.commands._options import colour_option, show_secrets_option
from ftwire_tools.explaining.checked_capture import CaptureChecker
from ftwire_tools.explaining.inputs import Capture, UnreadableInputError, read_given
from ftwire_tools.explaining.report import ExplainReport, Place, PlacedFinding, ReportForm, print_json, print_text
from ftwire_tools.explaining.websocket_inputs import envelopes_of, one_envelope, websocket_sender
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.captures.input_files import Input

__all__ = ["command"]


MAX_DRAWN: Final = 20
"""Largest number of frames of a capture that are drawn."""
MAX_DRAWN_RAW: Final = 100
"""Largest number of frames without a mistake that are drawn, of inputs other than captures."""


class ExplainOptions(NamedTuple):
    """The options of the command."""

    keys: Sequence[RsaKey]
    secrets: SessionKeys | None
    mode: str | None
    sender: Role | None
    everything: bool
    show_secrets: bool


def explain_captures(captures: Sequence[Capture], options: ExplainOptions) -> list[ExplainReport]:
    """Check captures, parts of one as one, and return a report for each input. Raises ``OSError``."""
    reports: dict[Input, ExplainReport] = {}
    allow_open_files(len(captures))
    with ExitStack() as stack:
        inputs = [stack.enter_context(capture.opened()) for capture in captures]
        for each in inputs:
            reports[each] = ExplainReport(each.path, show_secrets=options.show_secrets)
        for parts in one_capture_each(inputs):
            _explain_capture(parts, [reports[part] for part in parts], options)
    return list(reports.values())


def _explain_capture(parts: Sequence[Input], reports: Sequence[ExplainReport], options: ExplainOptions) -> None:
    """Check one capture; what is found goes to the report of the part that it ends in."""
    reader = CaptureReader(keys=options.keys, raw=False, keep_bytes=True)
    checker = CaptureChecker(options.keys)
    progress = Progress(0)
    drawn = 0
    try:
        reports_of = reader.read_files(
            [part.stream for part in parts],
            progress=lambda done: progress.update(done, reader.account.frames),
            at_once=False,
        )
        for dissected in reports_of:
            report = reports[reader.part]
            if isinstance(dissected, UnrecognisedConnection) and dissected.sent[0].data.startswith(TLS):
                client, server = dissected.conversation.client, dissected.conversation.server
                report.notes.append(
                    f"connection {client} -> {server}: {dissected.resemblance}, which cannot be read here"
                )
                continue
            for checked in checker.check(dissected):
                if isinstance(checked, Place):
                    is_wrong = bool(checked.piece.findings)
                    keep = options.everything or (is_wrong and drawn < MAX_DRAWN)
                    drawn += keep
                    report.add(checked, keep=keep)
                    continue
                report.findings += checked.findings
                if checked.cut:
                    number = checked.conversation.number
                    report.notes.append(f"conversation {number}: the capture ends within a frame")
    except CaptureError as error:
        for index, damage in (reader.account.damaged_parts or {reader.part: error}).items():
            reports[index].notes.append(f"the capture cannot be read to its end: {damage}")
    finally:
        progress.clear()
    account = reader.account
    reports[-1].notes += account.unread()
    reports[-1].notes += outside_frames(checker.unchecked_bytes, account.missing_bytes)
    for report in reports:
        if not report.pieces:
            report.notes.append("no conversation with OpenD was found")
    if late := reader.account.late_packets:
        sys.stderr.write(
            f"ftwire: {printable(parts[0].name)}: {late} packets are further from their place in time than a stream is "
            "put in order; give the uncompressed file itself\n"
        )


def explain_bytes(data: bytes, options: ExplainOptions) -> ExplainReport:
    """Check frames that follow each other, one WebSocket message, or what one side of a WebSocket connection sent.

    Raises ``ImportError`` if the package ``websockets`` is needed and missing.
    """
    report = ExplainReport("the frames given", show_secrets=options.show_secrets)
    session = ConversationChecker(keys=options.keys, secrets=options.secrets, mode=options.mode, alone=True)
    pieces: Iterator[Piece]
    if data.startswith(MAGIC):
        pieces = session.read(data, options.sender)
    elif data.startswith(ENVELOPE_MAGIC):
        pieces = iter([session.check_envelope(one_envelope(data, options.sender))])
    elif (side := websocket_sender(data, options.sender)) is not None:
        pieces = map(session.check_envelope, envelopes_of(data, side, report.notes))
    else:
        pieces = session.read(data, options.sender)
    for piece in pieces:
        keep = options.everything or bool(piece.findings) or report.pieces < MAX_DRAWN_RAW
        report.add(Place(report.pieces + 1, piece, None, 0, 0), keep=keep)
    report.left_out = report.pieces - len(report.drawn)
    for index, finding in session.close():
        report.findings.append(PlacedFinding(finding, index + 1))
    return report


@click.command(
    epilog="Exit codes: 0 nothing wrong, 1 failed, 2 wrong usage, 3 a mistake was found, frames are encrypted and "
    "their key was not given, or a part of a capture could not be read.",
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", shell_complete=complete_files)
@keys_option("RSA private key of the handshake; repeatable.")
@click.option("--aes-key", metavar="TEXT", help="connAESKey, 16 characters, where the handshake is not in INPUT.")
@click.option("--aes-iv", metavar="TEXT", help="aesCBCiv, 16 characters, as --aes-key.")
@click.option(
    "--mode",
    type=click.Choice(["ftaes_ecb", "aes_ecb", "aes_cbc"]),
    help="What was agreed, as --aes-key; by default any will do.",
)
@click.option(
    "--from", "sender", type=click.Choice(["client", "server"]), help="Who sent the frames; by default they tell."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--brief", is_flag=True, help="Only what is wrong, nothing drawn.")
@click.option("--all", "everything", is_flag=True, help="Draw every frame of a capture, and every field of a body.")
@colour_option
@show_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    inputs: tuple[str, ...],
    keys: tuple[str, ...],
    aes_key: str | None,
    aes_iv: str | None,
    mode: str | None,
    sender: str | None,
    as_json: bool,
    brief: bool,
    everything: bool,
    show_secrets: bool,
) -> None:
    """Draw frames byte by byte, and say what is wrong with them, why, and what to do about it.

    INPUT is a frame as programs print it (hexadecimal, hex dumps, lists of numbers as in Go, Rust, Java and Node,
    strings with escapes, base64, text of Wireshark, tshark and tcpdump; docs/notations.md has the list), a file (of
    such text, of the bytes of frames or of one side of a WebSocket connection, a pcap or pcapng capture, compressed or
    not), or "-" for standard input. Several are read as one conversation, in their order: with --key and the two
    frames of InitConnect, those after it are decrypted too. Of a capture, only frames with something wrong are drawn.
    Several captures are the parts of one, in any order.

    \b
    Examples:
      ftwire explain 4654c00b000000000100000000000000da39a3ee5e6b4b0d3255bfef95601890afd807090000000000000000
      ftwire explain --key rsa.pem init-request.bin init-reply.bin frame.hex
      ftwire explain --key rsa.pem capture.pcap
      xxd frame.bin | ftwire explain -
      ftwire explain "[70 84 192 11 0 0 0 0 1 0 0 0 0 0 0 0]"
      tshark -r session.pcap -x | ftwire explain -
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
    if aes_key is None and (aes_iv is not None or mode is not None):
        raise click.UsageError("--aes-iv and --mode need --aes-key.")
    for name, value in (("--aes-key", aes_key), ("--aes-iv", aes_iv)):
        if value is not None and len(value.encode()) != 16:
            raise click.BadParameter(f"16 characters, not {len(value)}", param_hint=name)
    if mode == "aes_cbc" and not aes_iv:
        raise click.UsageError("--mode aes_cbc needs --aes-iv.")
    options = ExplainOptions(
        keys=[key for path in keys if (key := read_key(path)) is not None],
        secrets=None if aes_key is None else SessionKeys(aes_key, aes_iv),
        mode=mode,
        sender=Role(sender) if sender else None,
        everything=everything,
        show_secrets=show_secrets,
    )
    try:
        captures, data, notes = read_given(inputs)
    except UnreadableInputError as error:
        raise click.ClickException(str(error)) from None
    reports: list[ExplainReport] = []
    try:
        reports += explain_captures(captures, options)
    except OSError as error:
        raise click.ClickException(f"{error.filename or captures[0].name}: {error.strerror or error}") from None
    except ImportError as error:
        raise click.ClickException(f"{captures[0].name}: {error}") from None
    if data:
        try:
            reports.append(explain_bytes(data, options))
        except ImportError as error:
            # Only WebSocket connections need this package; the error names it.
            raise click.ClickException(str(error)) from None
    reports[-1].notes += notes
    code = 0
    several = len(reports) > 1
    form = ReportForm(everything=everything, brief=brief, named=several)
    for report in reports:
        if as_json:
            print_json(report, form)
        else:
            print_text(report, form)
        if report.findings or report.key_unknown or report.notes:
            code = NOT_DECODED
    ctx.exit(code)
