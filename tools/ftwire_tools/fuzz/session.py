"""What both subcommands share: their options, a campaign or a replay run to its end, and what is said of it."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from ftwire_tools.chunks import open_input
from ftwire_tools.fuzz.campaign import Campaign, Find, Totals
from ftwire_tools.fuzz.program import Program, ProgramError
from ftwire_tools.fuzz.saving import Crash, CrashFileError, facts_of, load_crash, save
from ftwire_tools.fuzz.targets import LostTargetError
from ftwire_tools.fuzz.verdict import KINDS
from ftwire_tools.output import Interrupted, write
from ftwire_tools.paint import paint_for, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from ftwire_tools.fuzz.steps import Step
    from ftwire_tools.fuzz.targets import Target

__all__ = ["Manner", "fuzz", "program_of", "replay", "shared_options"]

DEFAULT_RUNS: Final = 200
INTERVAL: Final = 0.5
"""Seconds between two lines of progress."""
_ERASE: Final = "\r\x1b[K"


class Manner(NamedTuple):
    """What the options say that both subcommands have."""

    seed: int | None
    runs: int | None
    minutes: float | None
    steps: int
    timeout: float
    shrink_tries: int
    output: Path | None
    replay: str | None
    as_json: bool


def shared_options(default_timeout: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options that both subcommands have."""
    positive = click.FloatRange(min=0, min_open=True)
    options = (
        click.option("--seed", type=int, metavar="N", help="Draw the same again; a random one is said otherwise."),
        click.option("--runs", type=click.IntRange(min=1), metavar="N", help=f"How many runs; {DEFAULT_RUNS}."),
        click.option("--minutes", type=positive, metavar="M", help="Go on for so long instead, or at most."),
        click.option(
            "--steps", type=click.IntRange(1, 1000), default=8, metavar="N", show_default=True, help="Most in one run."
        ),
        click.option(
            "--timeout",
            type=positive,
            default=default_timeout,
            show_default=True,
            metavar="SECONDS",
            help="What counts as hung.",
        ),
        click.option(
            "--shrink-tries",
            type=click.IntRange(min=0),
            default=200,
            show_default=True,
            metavar="N",
            help="Most performances that shortening one finding may take.",
        ),
        click.option(
            "--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep finds here."
        ),
        click.option("--replay", metavar="FILE", help='Perform a saved crash.json again; "-" for stdin.'),
        click.option("--key", metavar="PEM", help="RSA private key that both sides hold; everything is encrypted."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a find, then one for the whole."),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def program_of(command: str | None, allowed: tuple[int, ...] = (0, 1), crash_text: str | None = None) -> Program | None:
    """Return the program that an option names."""
    import re

    if command is None:
        return None
    try:
        return Program(command, allowed=allowed, crash_text=crash_text or "")
    except ProgramError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}", param_hint="--crash-text") from None


def load(path: str, mode: str, *, encrypted: bool) -> Crash:
    """Read what ``--replay`` names; what goes wrong is one line."""
    try:
        with open_input(path) as source:
            crash = load_crash(b"".join(source.chunks()).decode(), mode)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (CrashFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {printable(str(error))}") from None
    if crash.encrypted != encrypted:
        raise click.UsageError(f"{path} is of {'an encrypted' if crash.encrypted else 'a plain'} session (--key)")
    return crash


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end a campaign as Ctrl-C does, so that no program stays behind."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def replay(crash: Crash, target: Target, *, as_json: bool) -> int:
    """Perform saved steps once; returns the exit code."""
    try:
        with _ended_by_sigterm():
            outcome = target.play(crash.steps, fresh=True)
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        target.close()
    again = outcome.has(crash.kind)
    if as_json:
        facts = {
            "event": "replay",
            "kind": crash.kind,
            "provoked": again,
            "findings": [each._asdict() for each in outcome.findings],
            "reactions": [{"input": label, "reaction": reaction} for label, reaction in outcome.reactions],
        }
        write(f"{json.dumps(facts)}\n")
    else:
        for each in outcome.findings:
            write(f"{each.kind}: {printable(each.detail)}\n")
        write(f"{crash.kind}: {'still provoked' if again else 'not provoked any more'}\n")
    return int(again)


def fuzz(
    target: Target, plan: Callable[[Random], tuple[Step, ...]], manner: Manner, *, mode: str, encrypted: bool
) -> int:
    """Run a campaign and report; returns the exit code."""
    seed = manner.seed if manner.seed is not None else secrets.randbelow(1 << 32)
    report = _Report(manner, seed, mode, encrypted=encrypted)
    campaign = Campaign(target, plan, seed=seed, tries=manner.shrink_tries, told=report.find, progress=report.progress)
    runs = manner.runs if manner.runs is not None or manner.minutes is not None else DEFAULT_RUNS
    try:
        with _ended_by_sigterm():
            campaign.run(runs, None if manner.minutes is None else manner.minutes * 60)
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        report.summary(campaign.totals, interrupted=True)
        raise Interrupted from None
    finally:
        target.close()
    report.summary(campaign.totals)
    return int(bool(campaign.totals.finds))


class _Report:
    """Says what is found as it is found, and what there was in all."""

    def __init__(self, manner: Manner, seed: int, mode: str, *, encrypted: bool) -> None:
        self._manner: Final = manner
        self._seed: Final = seed
        self._mode: Final = mode
        self._encrypted: Final = encrypted
        self._paint: Final = paint_for(sys.stdout)
        self._wanted: Final = sys.stderr.isatty()
        self._next = 0.0

    def progress(self, totals: Totals) -> None:
        """Say how far it has come, on a terminal."""
        now = time.monotonic()
        if self._wanted and now >= self._next:
            self._next = now + INTERVAL
            sys.stderr.write(f"{_ERASE}{totals.runs} runs, {totals.steps} steps, {len(totals.finds)} finds")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._wanted:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()

    def find(self, find: Find) -> None:
        """Take one."""
        self._clear()
        manner = self._manner
        facts = facts_of(find, mode=self._mode, seed=self._seed, encrypted=self._encrypted, timeout=manner.timeout)
        place = None
        if manner.output is not None:
            try:
                place = save(manner.output, find, facts)
            except OSError as error:
                raise click.ClickException(f"{manner.output}: {error.strerror or error}") from None
        if manner.as_json:
            where = None if place is None else str(place)
            write(f"{json.dumps({'event': 'finding', **facts, 'tries': find.tries, 'saved': where})}\n")
            return
        paint = self._paint
        finding = find.finding
        lines = [
            f"{paint.bad}{finding.kind}{paint.reset}: {KINDS[finding.kind]}",
            f"  {printable(finding.detail)}",
            f"  run {find.run}, {_count(len(find.steps), 'step')} of {find.original}"
            + ("" if find.again else "; not provoked a second time, so not shortened"),
        ]
        lines += [f"    {line}" for line in map(_in_words, find.steps)]
        lines += [f"  saved in {place}"] if place is not None else []
        write("\n".join(lines) + "\n")

    def summary(self, totals: Totals, *, interrupted: bool = False) -> None:
        """Say how it went."""
        self._clear()
        seconds = time.monotonic() - totals.began
        if self._manner.as_json:
            facts = {
                "event": "summary",
                "mode": self._mode,
                "seed": self._seed,
                "runs": totals.runs,
                "steps": totals.steps,
                "seconds": round(seconds, 1),
                "findings": len(totals.finds),
                "repeats": dict(totals.repeats),
                "reactions": [
                    {"input": label, "reaction": reaction, "count": count}
                    for (label, reaction), count in sorted(totals.reactions.items())
                ],
                "lost": totals.lost or None,
                "interrupted": interrupted,
            }
            write(f"{json.dumps(facts)}\n")
            return
        write(_reaction_table(totals))
        repeats = "".join(f", {count} more of {kind}" for kind, count in totals.repeats.items())
        found = _count(len(totals.finds), "finding") if totals.finds else "nothing found"
        lost = f"; ended early: {printable(totals.lost)}" if totals.lost else ""
        write(
            f"--- {_count(totals.runs, 'run')}, {_count(totals.steps, 'step')}, {seconds:.0f} s, seed {self._seed}: "
            f"{found}{repeats}{lost}\n"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _in_words(step: Step) -> str:
    """Return one line about a step."""
    from ftwire.protocols import registry

    words = [step.do]
    if step.proto:
        entry = registry.get(step.proto)
        words.append(str(step.proto) if entry is None else f"{step.proto} {entry.name}")
    if step.after:
        words.append(f"after request {step.after}")
    for mutation in step.mutations:
        text = str(mutation.value)
        words.append(f"[{mutation.name} {text if len(text) <= 48 else text[:45] + '...'}]")
    words += [f"in pieces of {step.chunk}"] if step.chunk else []
    words += ["with the next"] if step.hold else []
    words += [f"{step.ms} ms"] if step.do == "pause" else []
    words += [f"{step.data[:48]}{'...' if len(step.data) > 48 else ''}"] if step.data else []
    return " ".join(words)


def _reaction_table(totals: Totals) -> str:
    """Return what was done about each thing that was wrong, where only one thing was."""
    rows: dict[str, dict[str, int]] = {}
    for (label, reaction), count in totals.reactions.items():
        if " + " not in label:
            rows.setdefault(label, {})[reaction] = count
    width = max(map(len, rows), default=0)
    return "".join(
        f"{label:<{width}}  {', '.join(f'{reaction} {count}' for reaction, count in sorted(done.items()))}\n"
        for label, done in sorted(rows.items())
    )
