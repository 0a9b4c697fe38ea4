"""The output of a campaign: each finding as it comes, progress on a terminal, and a summary."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftwire.protocols import registry
from ftwire_tools.fuzz.judgement import KINDS
from ftwire_tools.fuzz.saving import crash_facts, save
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import paint_for, printable

if TYPE_CHECKING:
    from ftwire_tools.fuzz.campaign import CampaignTotals, Reproduction
    from ftwire_tools.fuzz.judgement import PlayRecord
    from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep

__all__ = ["CampaignReport", "write_replay"]


@dataclass
class CampaignReport:
    """Writes to standard output, and with ``folder`` saves findings below it."""

    setup: FuzzSetup
    seed: int
    folder: Path | None
    as_json: bool
    _progress: Progress = field(default_factory=lambda: Progress(prints=False), init=False)

    def progress(self, totals: CampaignTotals) -> None:
        """Show how far it has come, on a terminal."""
        self._progress.show(f"{totals.runs} runs, {totals.steps} steps, {len(totals.found)} finds")

    def finding(self, found: Reproduction) -> None:
        """Write a finding, after saving it."""
        self._progress.clear()
        facts = crash_facts(found, self.setup, self.seed)
        place = None
        if self.folder is not None:
            try:
                place = save(self.folder, found, facts)
            except OSError as error:
                raise click.ClickException(f"{self.folder}: {error.strerror or error}") from None
        if self.as_json:
            saved = None if place is None else str(place)
            write(f"{json.dumps({'event': 'finding', **facts, 'tries': found.tries, 'saved': saved})}\n")
            return
        paint = paint_for(sys.stdout)
        kind, detail = found.finding
        again = "" if found.again else "; not provoked a second time, so not shortened"
        lines = [
            f"{paint.bad}{kind}{paint.reset}: {KINDS[kind]}",
            f"  {printable(detail)}",
            f"  run {found.run}, {_count(len(found.steps), 'step')} of {found.original}{again}",
            *(f"    {_in_words(step)}" for step in found.steps),
            *([f"  saved in {printable(str(place))}"] if place is not None else []),
        ]
        write("\n".join(lines) + "\n")

    def summary(self, totals: CampaignTotals, *, interrupted: bool = False) -> None:
        """Write how the whole campaign went."""
        self._progress.clear()
        seconds = time.monotonic() - totals.began
        reactions = sorted(totals.reactions.items())
        if self.as_json:
            facts = {
                "event": "summary",
                "mode": self.setup.mode,
                "seed": self.seed,
                "runs": totals.runs,
                "steps": totals.steps,
                "seconds": round(seconds, 1),
                "findings": len(totals.found),
                "repeats": dict(totals.repeats),
                "reactions": [
                    {"input": label, "reaction": reaction, "count": count} for (label, reaction), count in reactions
                ],
                "lost": totals.lost or None,
                "interrupted": interrupted,
            }
            write(f"{json.dumps(facts)}\n")
            return
        rows: dict[str, list[str]] = {}
        for (label, reaction), count in reactions:
            if " + " not in label:  # where two things were wrong nobody can tell which one it was
                rows.setdefault(label, []).append(f"{reaction} {count}")
        width = max(map(len, rows), default=0)
        lines = [f"{label:<{width}}  {', '.join(done)}" for label, done in rows.items()]
        found = _count(len(totals.found), "finding") if totals.found else "nothing found"
        repeats = "".join(f", {count} more of {kind}" for kind, count in totals.repeats.items())
        lost = f"; ended early: {printable(totals.lost)}" if totals.lost else ""
        done = f"{_count(totals.runs, 'run')}, {_count(totals.steps, 'step')}, {seconds:.0f} s, seed {self.seed}"
        write("\n".join([*lines, f"--- {done}: {found}{repeats}{lost}"]) + "\n")


def write_replay(record: PlayRecord, kind: str, *, as_json: bool) -> bool:
    """Write what came of saved steps; returns whether they provoke the same kind of finding."""
    again = record.has(kind)
    if as_json:
        facts = {
            "event": "replay",
            "kind": kind,
            "provoked": again,
            "findings": [each._asdict() for each in record.findings],
            "reactions": [{"input": label, "reaction": reaction} for label, reaction in record.reactions],
        }
        write(f"{json.dumps(facts)}\n")
    else:
        found = "".join(f"{each.kind}: {printable(each.detail)}\n" for each in record.findings)
        write(f"{found}{kind}: {'still provoked' if again else 'not provoked any more'}\n")
    return again


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shortened(text: str) -> str:
    return text if len(text) <= 48 else text[:45] + "..."


def _in_words(step: FuzzStep) -> str:
    """Return one line about a step."""
    entry = registry.get(step.proto)
    words = [
        step.do,
        *([str(step.proto)] if step.proto else []),
        *([entry.name] if entry is not None else []),
        *([f"after request {step.after}"] if step.after else []),
        *(f"[{name} {_shortened(str(value))}]" for name, value in step.mutations),
        *([f"in pieces of {step.chunk}"] if step.chunk else []),
        *([f"in {step.fragments} fragments"] if step.fragments > 1 else []),
        *(["with a ping between"] if step.ping else []),
        *(["with the next"] if step.hold else []),
        *([f"{step.ms} ms"] if step.do == "pause" else []),
        *([_shortened(step.data)] if step.data else []),
    ]
    return " ".join(words)
