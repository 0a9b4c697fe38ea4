"""What is said of a campaign: finds as they come, how far it is, and what there was in all."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from ftwire_tools.fuzz.judgement import KINDS
from ftwire_tools.fuzz.saving import facts_of, save
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import paint_for, printable

if TYPE_CHECKING:
    from ftwire_tools.fuzz.campaign import Find, Totals
    from ftwire_tools.fuzz.steps import Step

__all__ = ["Manner", "Report"]


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
    websocket: bool


class Report:
    """Says what is found as it is found, and what there was in all."""

    def __init__(
        self,
        manner: Manner,
        seed: int,
        mode: str,
        *,
        encrypted: bool,
        come_back: float | None,
        crashes: dict[str, Any],
    ) -> None:
        self._manner: Final = manner
        self._seed: Final = seed
        self._mode: Final = mode
        self._encrypted: Final = encrypted
        self._come_back: Final = come_back
        self._crashes: Final = crashes
        self._paint: Final = paint_for(sys.stdout)
        self._progress: Final = Progress(prints=False)

    def progress(self, totals: Totals) -> None:
        """Show how far it has come, on a terminal."""
        self._progress.show(f"{totals.runs} runs, {totals.steps} steps, {len(totals.finds)} finds")

    def find(self, find: Find) -> None:
        """Take one."""
        self._progress.clear()
        manner = self._manner
        facts = facts_of(
            find,
            mode=self._mode,
            seed=self._seed,
            encrypted=self._encrypted,
            timeout=manner.timeout,
            come_back=self._come_back,
            websocket=manner.websocket,
            crashes=self._crashes,
        )
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
        lines += [f"  saved in {printable(str(place))}"] if place is not None else []
        write("\n".join(lines) + "\n")

    def summary(self, totals: Totals, *, interrupted: bool = False) -> None:
        """Say how it went."""
        self._progress.clear()
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
    words += [f"in {step.fragments} fragments"] if step.fragments > 1 else []
    words += ["with a ping between"] if step.ping else []
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
