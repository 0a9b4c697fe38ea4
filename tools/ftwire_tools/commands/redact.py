"""``ftwire redact``: write a copy of a capture that can be shared."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from ftwire.errors import CaptureError
from ftwire_tools.captures.input_files import Input, open_input
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import open_output, write_output
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.messages.sensitive_fields import Category
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire_tools.redaction.capture_rewriter import Rewriter
    from ftwire_tools.redaction.redactor import Redaction

__all__ = ["command"]


def _convert(path: str, out: str, overwrite: bool, convert: Callable[[Input], Iterator[bytes]]) -> None:
    """Pass the input through ``convert`` and write the result. Raises ``ClickException``."""
    try:
        # The input is closed first: on Windows an open file cannot be replaced, and it may be the output.
        with open_output(out, overwrite=overwrite) as output, open_input(path) as source:
            for block in _joined(convert(source)):
                write_output(output, block, out)
    except BrokenPipeError:
        raise
    except (OSError, CaptureError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise click.ClickException(f"{path}: {reason}") from None


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks, joined to larger ones. Raises any error of the iterator, after what came before it."""
    waiting = bytearray()
    try:
        for block in blocks:
            waiting += block
            if len(waiting) >= 1 << 20:
                yield bytes(waiting)
                waiting.clear()
    except CaptureError:
        yield bytes(waiting)
        raise
    yield bytes(waiting)


def _redacted(source: Input, rewriter: Rewriter, damage: list[str]) -> Iterator[bytes]:
    """Yield the new capture; an error that ends the old one early goes to ``damage``. Raises ``CaptureError``."""
    yield rewriter.header()
    progress = Progress(source.size)
    try:
        yield from rewriter.read(source.stream, lambda done: progress.update(done, rewriter.frames))
    except CaptureError as error:
        if not rewriter.frames:
            raise
        damage.append(str(error))
    finally:
        progress.clear()


def _print_changes(redaction: Redaction, rewriter: Rewriter, damage: list[str], *, as_json: bool) -> None:
    """Print what was changed, by field."""
    changed = sorted(redaction.changed.items(), key=lambda item: (item[0][1], item[0][0]))
    if as_json:
        report = {
            "frames": rewriter.frames,
            "unreadable": rewriter.reasons,
            "left_out": rewriter.left_out,
            "not_read": rewriter.not_read,
            "damage": damage,
            "changed": [
                {"field": field, "category": str(category), "count": count} for (field, category), count in changed
            ],
        }
        write(f"{json.dumps(report)}\n")
        return
    lines = [f"{count:>8}  {category:<9} {field}" for (field, category), count in changed]
    lines.append(f"{rewriter.frames} frames, {sum(redaction.changed.values())} values replaced")
    if rewriter.unreadable:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(rewriter.reasons.items()))
        lines.append(f"{rewriter.unreadable} frames could not be read; zeros stand for their bodies: {why}")
    if rewriter.left_out:
        lines.append(f"{rewriter.left_out} connections or packets that are not OpenD's were left out")
    if rewriter.unrecognised:
        lines.append(f"{rewriter.unrecognised} of them look like OpenD's protocol: see ftwire explain")
    lines += rewriter.not_read
    lines += [f"the capture is damaged: {text}" for text in damage]
    sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))


@click.command(
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished, but some frames or packets could not be read, or "
    "the file is cut.",
)
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@click.option("-w", "out", required=True, metavar="OUT", help='The pcapng to write; "-" for standard output.')
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@keys_option("RSA private key to decrypt with; repeatable.")
@click.option("--encrypt-with", metavar="PEM", help="Encrypt again what was, under this key, which may be shown.")
@click.option("--seed", metavar="TEXT", help="Same seed, same pseudonyms; a secret of yours. Random by default.")
@click.option("--amounts", is_flag=True, help="Scale money and quantities of accounts too, all by one factor.")
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice([str(category) for category in Category if category is not Category.AMOUNT]),
    help="Do not replace these; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="List what was changed as JSON on standard output.")
@click.option("--strip-key", is_flag=True, help="Only take out embedded keys; copy everything else as it is.")
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    out: str,
    overwrite: bool,
    keys: tuple[str, ...],
    encrypt_with: str | None,
    seed: str | None,
    amounts: bool,
    keep: tuple[str, ...],
    as_json: bool,
    strip_key: bool,
) -> None:
    """Write a copy of the capture FILE that can be shared.

    Keys, passwords, numbers of users, accounts and orders, names, free text, tokens and addresses are replaced by
    pseudonyms, the same for the same value everywhere; MAC addresses, embedded keys, comments and all traffic
    that is not OpenD's are left out. Lengths, digests, checksums and sequence numbers are right again; times,
    serial numbers and market data stay. Encrypted traffic comes out plain. Works on TCP and WebSocket.

    \b
    Examples:
      ftwire redact session.pcapng -w shareable.pcapng
      ftwire redact --key rsa.pem --encrypt-with test.pem --seed "my secret" day.pcapng -w shareable.pcapng
      ftwire redact --strip-key recorded.pcapng -w without-key.pcapng

    OUT is readable by you alone. It gets its name when it is complete, so that it may be FILE itself with --overwrite,
    and what it was stays if anything fails.

    Which securities are traded, when, and at what price stays, and so do quantities without --amounts. Look at the
    result before you share it: ftwire dump -v --show-secrets shareable.pcapng
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if strip_key:
        if keys or encrypt_with or seed or amounts or keep or as_json:
            raise click.UsageError("--strip-key copies; it goes with no other option but -w and --overwrite")
        from ftwire_tools.redaction.strip import Stripper

        stripper = Stripper()
        _convert(file, out, overwrite, lambda source: stripper.run(source.chunks()))
        sys.stderr.write(f"{stripper.stripped} blocks of secrets taken out\n")
        return
    if out == "-" and as_json:
        raise click.UsageError("standard output cannot take both the capture and the list")
    from ftwire_tools.redaction.capture_rewriter import Rewriter
    from ftwire_tools.redaction.pseudonyms import Pseudonyms
    from ftwire_tools.redaction.redactor import Redaction

    categories = set(Category) - {Category(name) for name in keep}
    if not amounts:
        categories.discard(Category.AMOUNT)
    redaction = Redaction(Pseudonyms(secrets.token_bytes(32) if seed is None else seed.encode()), categories)
    rewriter = Rewriter(
        redaction,
        keys=[key for key in map(read_key, keys) if key is not None],
        new_key=read_key(encrypt_with),
    )
    damage: list[str] = []
    _convert(file, out, overwrite, lambda source: _redacted(source, rewriter, damage))
    _print_changes(redaction, rewriter, damage, as_json=as_json)
    ctx.exit(NOT_DECODED if rewriter.unreadable or rewriter.not_read or damage else 0)
