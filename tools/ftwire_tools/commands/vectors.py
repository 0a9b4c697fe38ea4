"""``ftwire vectors``: test another implementation with the golden vectors."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import click

from ftwire_tools.commands._options import colour_option
from ftwire_tools.conformance.judging import FAILED, PASSED, UNSUPPORTED, VectorResult, run_vectors
from ftwire_tools.conformance.program import NoAnswerError, ProgramUnderTest
from ftwire_tools.conformance.vectors import Vector, VectorFilesError, default_folder, read_groups, with_ids
from ftwire_tools.terminal.style import paint_for, printable

__all__ = ["command"]

SHOWN: Final = 20
"""Failures that are shown unless all are asked for."""


@click.group("vectors")
def command() -> None:
    """Golden vectors: small cases of the protocol to test an implementation in any language with.

    \b
    Example:
      ftwire vectors check --command 'node my_decoder.mjs'
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap


@command.command(
    epilog="Exit codes: 0 every vector passed or is unsupported, 1 some failed or the program cannot be started, "
    "2 wrong usage."
)
@click.option("--command", "program", required=True, metavar="PROGRAM", help="What to run, with its arguments.")
@click.option("--group", "wanted", multiple=True, metavar="NAME", help="Only this group of vectors; repeatable.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this vector; repeatable.")
@click.option("--vectors", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Vectors other than ours.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    metavar="SECONDS",
    help="For one answer; 10.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Show every failure, not only the first {SHOWN}.")
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
    as_json: bool,
) -> None:
    """Ask PROGRAM every vector over its standard input and output, and print a scorecard.

    PROGRAM reads one JSON object a line, {"id", "group", "operation", "input"}, and writes one for each:
    {"id", "output"}, or {"id", "error": "why"} for input that must be refused, or {"id", "unsupported": true}.
    It must not wait for more lines before it answers, and ends when its input does.

    \b
    Examples:
      ftwire vectors check --command 'node my_decoder.mjs'
      ftwire vectors check --command ./decoder --group aes_cbc --group ftaes_ecb --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None
    if not words:
        raise click.BadParameter("names no program", param_hint="--command")
    groups = _selected(folder or default_folder(), wanted, ids)
    tested = ProgramUnderTest(words, timeout)
    score: dict[str, Counter[str]] = {group: Counter() for group in groups}
    failures: list[VectorResult] = []
    try:
        for result in run_vectors(tested, groups):
            score[result.group][result.outcome] += 1
            if result.outcome == FAILED:
                failures.append(result)
            if as_json:
                click.echo(_json_line(result))
    except NoAnswerError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"{words[0]}: {error.strerror or error}") from None
    finally:
        tested.close()
    total: Counter[str] = sum(score.values(), Counter())
    if as_json:
        click.echo(
            json.dumps({"score": {group: dict(counts) for group, counts in score.items()}, "total": dict(total)})
        )
    else:
        _show(score, total, failures, len(failures) if show_all else SHOWN)
    ctx.exit(1 if failures else 0)


def _selected(folder: Path, wanted: tuple[str, ...], ids: tuple[str, ...]) -> dict[str, list[Vector]]:
    try:
        groups = read_groups(folder)
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
        raise click.BadParameter(f"no vector {error.args[0]!r}", param_hint="--id") from None


def _json_line(result: VectorResult) -> str:
    vector = result.vector
    line = {key: vector[key] for key in ("id", "comment", "flags", "operation", "origin")}
    line |= {"group": result.group, "outcome": result.outcome}
    if result.outcome == FAILED:
        line |= {"why": result.reason, "expected": vector.get("expected"), "error": vector.get("error")}
        line |= {"answer": result.answer}
    return json.dumps(line)


def _show(score: dict[str, Counter[str]], total: Counter[str], failures: list[VectorResult], shown: int) -> None:
    paint = paint_for(sys.stdout)
    for result in failures[:shown]:
        vector = result.vector
        words = printable(f"{vector['id']} {vector['operation']}: {vector['comment']}: {result.reason}")
        click.echo(f"{paint.bad}{words}{paint.reset}")
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
