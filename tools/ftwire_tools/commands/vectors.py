"""``ftwire vectors``: the golden vectors, and another implementation held against them."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ftwire.cipher import Rsa, RsaKey
from ftwire.errors import CipherError
from ftwire_tools.conformance.program import Examiner, NoAnswerError
from ftwire_tools.terminal.style import paint_for, printable

__all__ = ["command"]

PASSED, FAILED, UNSUPPORTED = "passed", "failed", "unsupported"
PATIENCE: Final = 3
"""A program that answers none of this many vectors is not asked the others."""
SHOWN: Final = 20
"""Failures that are shown in words unless all are asked for."""


class Verdict(NamedTuple):
    """What became of one vector."""

    vector: dict[str, Any]
    group: str
    outcome: str
    why: str
    answer: dict[str, Any] | None


def default_folder() -> Path:
    """Return where the vectors are: in the installed package, or in the source tree it was installed from."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "golden"
    return installed if installed.is_dir() else here.parents[3] / "fixtures" / "vectors"


def read_groups(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the vectors of every group in a folder; raises ``click.ClickException``."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(".schema.json"):
            continue
        try:
            file = json.loads(path.read_text(encoding="utf-8"))
            groups[file["group"]] = file["tests"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise click.ClickException(f"{path}: no file of vectors: {error}") from None
    if not groups:
        raise click.ClickException(f"{folder}: no files of vectors; name their folder with --vectors")
    return groups


def same(expected: object, actual: object) -> bool:
    """Say whether two JSON values are equal: 600 is 600.0, but 1 is not true."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return expected == actual


def judge(vector: dict[str, Any], answer: dict[str, Any]) -> tuple[str, str]:
    """Return the outcome of an answer, and why it is a failure."""
    if answer.get("unsupported") is True:
        return UNSUPPORTED, ""
    error = answer.get("error")
    if vector["result"] == "invalid":
        if error:
            return PASSED, ""
        return FAILED, f"taken, but it must be refused ({vector['error']})"
    if error:
        return FAILED, f"refused: {error}"
    output = answer.get("output")
    if "RandomPadding" in vector["flags"] and isinstance(output, dict):
        output = _decrypted(output, vector["input"]["key"])
    if same(vector["expected"], output):
        return PASSED, ""
    if not isinstance(output, dict):
        return FAILED, "an answer without output, error or unsupported"
    wrong = [key for key, value in vector["expected"].items() if key not in output or not same(value, output[key])]
    extra = sorted(output.keys() - vector["expected"].keys())
    return FAILED, f"wrong: {', '.join(wrong)}" if wrong else f"not asked for: {', '.join(extra)}"


def _decrypted(output: dict[str, Any], pem: str) -> dict[str, Any]:
    """Return what an output holds whose payload no two encryptions make alike: the body where it is one."""
    payload = output.get("payload")
    if not isinstance(payload, str):
        return output
    try:
        body = Rsa(RsaKey.from_pem(pem)).decrypt(bytes.fromhex(payload))
    except (ValueError, CipherError):
        return {key: value for key, value in output.items() if key != "payload"}
    return {key: value for key, value in output.items() if key != "payload"} | {"body": body.hex()}


def examine(examiner: Examiner, groups: dict[str, list[dict[str, Any]]]) -> Iterator[Verdict]:
    """Ask every vector; raises ``click.ClickException`` where the program answers nothing from the start."""
    silent = 0
    for group, vectors in groups.items():
        for vector in vectors:
            question = {key: vector[key] for key in ("id", "operation", "input")} | {"group": group}
            try:
                answer = examiner.ask(question)
            except NoAnswerError as error:
                silent += silent >= 0
                if silent == PATIENCE:
                    raise click.ClickException(f"{error}; not one of the first {PATIENCE} answers came") from None
                yield Verdict(vector, group, FAILED, str(error), None)
                continue
            silent = -1
            outcome, why = judge(vector, answer)
            yield Verdict(vector, group, outcome, why, answer)


@click.group("vectors")
def command() -> None:
    """Golden vectors: small cases of the protocol that an implementation in any language can be held against.

    \b
    Example:
      ftwire vectors check --command 'node my_decoder.mjs'
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace


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
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None
    if not words:
        raise click.BadParameter("names no program", param_hint="--command")
    groups = _selected(read_groups(folder or default_folder()), wanted, ids)
    examiner = Examiner(words, timeout)
    score: dict[str, Counter[str]] = {group: Counter() for group in groups}
    failures: list[Verdict] = []
    try:
        for verdict in examine(examiner, groups):
            score[verdict.group][verdict.outcome] += 1
            if verdict.outcome == FAILED:
                failures.append(verdict)
            if as_json:
                click.echo(_line(verdict))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"{words[0]}: {error.strerror or error}") from None
    finally:
        examiner.close()
    total: Counter[str] = sum(score.values(), Counter())
    if as_json:
        click.echo(
            json.dumps({"score": {group: dict(counts) for group, counts in score.items()}, "total": dict(total)})
        )
    else:
        _show(score, total, failures, len(failures) if show_all else SHOWN)
    ctx.exit(1 if failures else 0)


def _selected(
    groups: dict[str, list[dict[str, Any]]], wanted: tuple[str, ...], ids: tuple[str, ...]
) -> dict[str, list[dict[str, Any]]]:
    for group in wanted:
        if group not in groups:
            raise click.BadParameter(f"{group!r} is none of {', '.join(groups)}", param_hint="--group")
    if wanted:
        groups = {group: groups[group] for group in wanted}
    if ids:
        groups = {group: [each for each in vectors if each["id"] in ids] for group, vectors in groups.items()}
        found = {each["id"] for vectors in groups.values() for each in vectors}
        if missing := [each for each in ids if each not in found]:
            raise click.BadParameter(f"no vector {missing[0]!r}", param_hint="--id")
    return {group: vectors for group, vectors in groups.items() if vectors}


def _line(verdict: Verdict) -> str:
    vector = verdict.vector
    line = {key: vector[key] for key in ("id", "comment", "flags", "operation", "origin")}
    line |= {"group": verdict.group, "outcome": verdict.outcome}
    if verdict.outcome == FAILED:
        line |= {"why": verdict.why, "expected": vector.get("expected"), "error": vector.get("error")}
        line |= {"answer": verdict.answer}
    return json.dumps(line)


def _show(score: dict[str, Counter[str]], total: Counter[str], failures: list[Verdict], shown: int) -> None:
    paint = paint_for(sys.stdout)
    for verdict in failures[:shown]:
        vector = verdict.vector
        words = printable(f"{vector['id']} {vector['operation']}: {vector['comment']}: {verdict.why}")
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
