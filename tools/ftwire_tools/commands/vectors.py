"""``ftwire vectors``: test another implementation with the golden vectors."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._options import colour_option
from ftwire_tools.conformance.judging import FAILED, PASSED, UNSUPPORTED, VectorResult, run_vectors
from ftwire_tools.conformance.program import NoAnswerError, ProgramUnderTest
from ftwire_tools.conformance.scorecard import difference_lines, title, value_lines, write_junit
from ftwire_tools.conformance.vectors import (
    Vector,
    VectorFilesError,
    VectorGroup,
    default_folder,
    question,
    read_groups,
    with_ids,
)
from ftwire_tools.terminal.command_words import command_words
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import paint_for, printable

__all__ = ["command"]

SHOWN: Final = 20
"""Failures that are shown unless all are asked for."""

_group_option: Final[Callable[[Any], Any]] = click.option(
    "--group", "wanted", multiple=True, metavar="NAME", help="Only this group of vectors; repeatable."
)
_folder_option: Final[Callable[[Any], Any]] = click.option(
    "--vectors", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Vectors other than ours."
)


@click.group("vectors")
def command() -> None:
    """Golden vectors: small cases of the protocol to test an implementation in any language with.

    \b
    Examples:
      ftwire vectors list --group frame
      ftwire vectors show frame-50
      ftwire vectors check --command 'node my_decoder.mjs'
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap


@command.command("list")
@_group_option
@click.option("--flag", "flags", multiple=True, metavar="NAME", help="Only vectors with this flag; repeatable.")
@_folder_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and vector.")
def list_vectors(wanted: tuple[str, ...], flags: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """List vectors: ID, operation, validity, subject and flags.

    Exits with 1 when no vector has the flags.

    \b
    Examples:
      ftwire vectors list --group stream
      ftwire vectors list --flag WrongDigest --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    groups = _selected(folder, wanted)
    known = sorted({flag for group in groups.values() for flag in group.flags})
    for flag in flags:
        if flag not in known:
            raise click.BadParameter(f"{flag!r} is none of {', '.join(known)}", param_hint="--flag")
    found = [
        (group, vector)
        for group in groups.values()
        for vector in group.vectors
        if all(flag in vector["flags"] for flag in flags)
    ]
    if not found:
        raise click.ClickException(f"no vector has {' and '.join(flags)}")
    if as_json:
        write("".join(f"{json.dumps(_facts(group.name, vector))}\n" for group, vector in found))
        return
    width = max(len(vector["id"]) for _, vector in found)
    paint = paint_for(sys.stdout)
    last = None
    for group, vector in found:
        if group is not last:
            write(printable(f"{group.name}: {group.description}") + "\n")
            last = group
        marks = f"  {paint.faint}{printable(' '.join(vector['flags']))}{paint.reset}" if vector["flags"] else ""
        line = f"{vector['id']:{width}}  {vector['operation']:10}  {vector['result']:7}  {vector['comment']}"
        write(f"  {printable(line)}{marks}\n")


@command.command("show")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_folder_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and vector, as in its file.")
def show(ids: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Show vectors in full, for a reader and as a program gets them.

    \b
    Examples:
      ftwire vectors show aes_cbc-4
      ftwire vectors show stream-21 stream-22 --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    groups = _selected(folder, ids=ids, hint="ID")
    texts = [
        json.dumps({"group": group.name} | vector) if as_json else "\n".join(_in_full(group, vector))
        for group in groups.values()
        for vector in group.vectors
    ]
    write(("\n" if as_json else "\n\n").join(texts) + "\n")


def _in_full(group: VectorGroup, vector: Vector) -> list[str]:
    """Return a vector as lines of text."""
    asked = question(group.name, vector)
    if vector["result"] == "valid":
        expected = ["expected", *(f"  {line}" for line in value_lines(vector["expected"]))]
        answer = {"id": vector["id"], "output": vector["expected"]}
    else:
        expected = [f"expected: an error, in any words; ftwire raises {vector['error']}"]
        answer = {"id": vector["id"], "error": "any words"}
    flags = [f"{flag}: {group.flags.get(flag, '')}" for flag in vector["flags"]] or ["none"]
    lines = [
        f"{vector['id']}: {vector['comment']}",
        f"group      {group.name}: {group.description}",
        f"operation  {vector['operation']}",
        f"flags      {flags[0]}",
        *(f"           {flag}" for flag in flags[1:]),
        f"origin     {vector['origin']}",
        "input",
        *(f"  {line}" for line in value_lines(vector["input"])),
        *expected,
        "a program reads, in one line:",
        f"  {json.dumps(asked)}",
        "and writes:",
        f"  {json.dumps(answer)}",
    ]
    return [printable(line) for line in lines]


@command.command(
    epilog="Exit codes: 0 every vector passed or is unsupported, 1 some failed or the program cannot be started, "
    "2 wrong usage."
)
@click.option("--command", "program", required=True, metavar="PROGRAM", help="What to run, with its arguments.")
@_group_option
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this vector; repeatable.")
@_folder_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    metavar="SECONDS",
    help="For one answer; 10.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Show every failure, not only the first {SHOWN}.")
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the results as a JUnit report, for CI.",
)
@colour_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and vector, then one with the score.")
@click.pass_context
def check(
    ctx: click.Context,
    program: str,
    wanted: tuple[str, ...],
    ids: tuple[str, ...],
    folder: Path | None,
    timeout: float,
    show_all: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Ask PROGRAM every vector, and print a scorecard.

    PROGRAM reads one JSON object a line, {"id", "group", "operation", "input"}, and writes one for each to its output:
    {"id", "output"}, or {"id", "error": "why"} for input that must be refused, or {"id", "unsupported": true}.
    It must not wait for more lines before it answers, and ends when its input does.

    \b
    Examples:
      ftwire vectors check --command 'node my_decoder.mjs'
      ftwire vectors check --command ./decoder --group aes_cbc --group ftaes_ecb --json
      ftwire vectors check --command ./decoder --junit vectors.xml
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    try:
        words = command_words(program)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None
    if not words:
        raise click.BadParameter("names no program", param_hint="--command")
    if junit is not None and not junit.parent.is_dir():
        raise click.BadParameter(f"{str(junit.parent)!r} is no directory", param_hint="--junit")
    groups = _selected(folder, wanted, ids)
    tested = ProgramUnderTest(words, timeout)
    results: list[VectorResult] = []
    stopped = ""
    try:
        for result in run_vectors(tested, groups.values()):
            results.append(result)
            if as_json:
                click.echo(_json_line(result))
    except NoAnswerError as error:
        stopped = str(error)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        stopped = f"{words[0]}: {error.strerror or error}"
    finally:
        tested.close()
    if junit is not None:
        with file_errors(junit):
            write_junit(junit, results, stopped)
    if stopped:
        raise click.ClickException(stopped)
    score: dict[str, Counter[str]] = {group: Counter() for group in groups}
    for result in results:
        score[result.group][result.outcome] += 1
    failures = [result for result in results if result.outcome == FAILED]
    total: Counter[str] = sum(score.values(), Counter())
    if as_json:
        click.echo(
            json.dumps({"score": {group: dict(counts) for group, counts in score.items()}, "total": dict(total)})
        )
    else:
        _show(score, total, failures, len(failures) if show_all else SHOWN)
    ctx.exit(1 if failures else 0)


def _selected(
    folder: Path | None, wanted: tuple[str, ...] = (), ids: tuple[str, ...] = (), hint: str = "--id"
) -> dict[str, VectorGroup]:
    """Return the groups of a folder, ours for ``None``: those wanted, with the vectors of these IDs; all for none."""
    try:
        groups = read_groups(folder or default_folder())
    except VectorFilesError as error:
        raise click.ClickException(f"{error} (--vectors names another folder)") from None
    for group in wanted:
        if group not in groups:
            raise click.BadParameter(f"{group!r} is none of {', '.join(groups)}", param_hint="--group")
    if wanted:
        groups = {group: groups[group] for group in wanted}
    try:
        return with_ids(groups, ids) if ids else groups
    except KeyError as error:
        raise click.BadParameter(
            f"no vector {error.args[0]!r} (ftwire vectors list shows all)", param_hint=hint
        ) from None


def _facts(group: str, vector: Vector) -> dict[str, Any]:
    """Return what a vector is about, without its bytes, as an object for ``--json``."""
    return {key: vector[key] for key in ("id", "comment", "flags", "operation", "result", "origin")} | {"group": group}


def _json_line(result: VectorResult) -> str:
    vector = result.vector
    line = _facts(result.group, vector) | {"outcome": result.outcome}
    if result.outcome == FAILED:
        line |= {"why": result.reason, "expected": vector.get("expected"), "error": vector.get("error")}
        line |= {"answer": result.answer}
    return json.dumps(line)


def _show(score: dict[str, Counter[str]], total: Counter[str], failures: list[VectorResult], shown: int) -> None:
    paint = paint_for(sys.stdout)
    for result in failures[:shown]:
        click.echo(f"{paint.bad}{title(result)}{paint.reset}")
        for line in difference_lines(result):
            click.echo(f"    {line}")
    if len(failures) > shown:
        click.echo(f"... and {len(failures) - shown} more failures (--all shows them)")
    if failures:
        click.echo()
    width = max(map(len, score), default=0)
    for group, counts in (*score.items(), ("total", total)):
        colour = paint.bad if counts[FAILED] else paint.response
        rest = f", {counts[UNSUPPORTED]} unsupported" if counts[UNSUPPORTED] else ""
        click.echo(
            f"{group:<{width}}  {colour}{counts[PASSED]:>4} of {sum(counts.values()):>4} passed{paint.reset}{rest}"
        )
