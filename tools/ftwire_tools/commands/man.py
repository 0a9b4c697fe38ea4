"""``ftwire man``: manual pages, one a command, made of the same texts as ``--help``.

Not with click-man: it knows no commands that are imported when they are run, wraps examples, and leaves lines as they
are that begin with a dot.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from ftwire_tools.terminal.output_file import write_file

__all__ = ["command", "pages"]


def pages(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Return name and text of the pages of a command and all below it, in the format of man(7)."""
    name = ctx.command_path.replace(" ", "-")
    below = []
    if isinstance(ctx.command, click.Group):
        for each in ctx.command.list_commands(ctx):
            found = ctx.command.get_command(ctx, each)
            if found is not None and not found.hidden:
                below.append(type(ctx)(found, info_name=each, parent=ctx))
    yield name, "\n".join(_lines(ctx, name, below)) + "\n"
    for inner in below:
        yield from pages(inner)


def _lines(ctx: click.Context, name: str, below: list[click.Context]) -> Iterator[str]:
    found = ctx.command
    paragraphs = inspect.cleandoc(found.help or "").split("\n\n")
    yield f'.TH "{name.upper()}" "1" "" "ftwire {version("ftwire")}" "ftwire"'
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_escaped(_joined(paragraphs[0]).rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f".B {_escaped(ctx.command_path)}"
    yield _escaped(" ".join(found.collect_usage_pieces(ctx)))
    yield ".SH DESCRIPTION"
    for paragraph in paragraphs:
        yield ".PP"
        yield from _paragraph(paragraph)
    records = [
        record
        for each in found.get_params(ctx)
        if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None
    ]
    if records:
        yield ".SH OPTIONS"
    for option, text in records:
        yield from (".TP", f"\\fB{_escaped(option)}\\fR", _escaped(_joined(text)))
    if below:
        yield ".SH COMMANDS"
    for inner in below:
        path = inner.command_path.replace(" ", "-")
        line = inspect.cleandoc(inner.command.help or "").partition("\n\n")[0]
        yield from (".TP", f"\\fB{_escaped(path)}\\fR(1)", _escaped(_joined(line)))
    if found.epilog:
        yield from (".SH EXIT STATUS" if "Exit codes" in found.epilog else ".SH NOTES", _escaped(_joined(found.epilog)))
    if ctx.parent is not None:
        yield from (".SH SEE ALSO", f"\\fB{_escaped(ctx.parent.command_path.replace(' ', '-'))}\\fR(1)")


def _paragraph(text: str) -> Iterator[str]:
    """Write a paragraph; line by line where it begins with the backspace that stops click from wrapping it."""
    if text.startswith("\b"):
        yield from (".nf", *map(_escaped, text.split("\n")[1:]), ".fi")
    else:
        yield _escaped(_joined(text))


def _joined(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Escape what man would interpret: backslashes, hyphens that are minus signs, and a dot or quote in front."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"^(?=\s*[.'])", r"\\&", text)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def command(ctx: click.Context, folder: Path) -> None:
    """Write manual pages to DIR: ftwire.1, and one for each command. DIR is made; pages in it are replaced.

    \b
    Example:
      ftwire man ~/.local/share/man/man1
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    root = ctx.find_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(root):
            write_file(folder / f"{name}.1", text.encode(), overwrite=True)
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror or error}") from None
