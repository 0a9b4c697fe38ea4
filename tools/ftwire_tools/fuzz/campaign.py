"""Runs, one after the other, until the budget is spent; what is found is repeated and shortened."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from ftwire_tools.fuzz.shrinking import shrink
from ftwire_tools.fuzz.targets import LostTargetError

if TYPE_CHECKING:
    from ftwire_tools.fuzz.judgement import FuzzFinding, PlayRecord
    from ftwire_tools.fuzz.steps import FuzzStep
    from ftwire_tools.fuzz.targets import FuzzTarget

__all__ = ["Campaign", "CampaignTotals", "Reproduction"]

AGAIN: Final = 3
"""How often steps are performed again before what they provoked counts as not to be repeated."""
SAME_KIND: Final = 5
"""How many findings of one kind are shortened; more of them are only counted."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A finding with the steps that provoke it."""

    finding: FuzzFinding
    run: int
    """The run that met it first."""
    steps: tuple[FuzzStep, ...]
    """The shortest sequence known."""
    original: int
    """Steps of that run."""
    tries: int
    """Performances that shortening took."""
    again: bool
    """Whether the steps have provoked it a second time."""
    record: PlayRecord


@dataclass(slots=True)
class CampaignTotals:
    """What was done, and what the peer did."""

    runs: int = 0
    steps: int = 0
    reactions: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    """Findings by kind that were not shortened, or turned out to be known."""
    found: list[Reproduction] = field(default_factory=list)
    lost: str = ""
    """Why there was nobody to fuzz any more."""
    began: float = field(default_factory=time.monotonic)


@dataclass
class Campaign:
    """Performs what ``plan`` draws from ``seed`` and the number of the run.

    ``tries`` is how many performances one finding may take to be shortened. ``report`` is called with each finding,
    ``progress`` after each run.
    """

    target: FuzzTarget
    plan: Callable[[Random], tuple[FuzzStep, ...]]
    seed: int
    tries: int
    report: Callable[[Reproduction], None]
    progress: Callable[[CampaignTotals], None] = lambda _: None
    totals: CampaignTotals = field(default_factory=CampaignTotals, init=False)
    _shortened: Counter[str] = field(default_factory=Counter, init=False)
    _known: set[tuple[object, ...]] = field(default_factory=set, init=False)
    _deadline: float = field(default=math.inf, init=False)

    def run(self, runs: int | None, seconds: float | None) -> None:
        """Go on until there have been so many runs, or so much time has passed. Raises ``LostTargetError``."""
        totals = self.totals
        self._deadline = math.inf if seconds is None else totals.began + seconds
        while (runs is None or totals.runs < runs) and time.monotonic() < self._deadline:
            number = totals.runs + 1
            steps = self.plan(Random(f"{self.seed}/{number}"))  # noqa: S311 - to be repeated, not to be secret
            try:
                record = self.target.play(steps)
            except LostTargetError as error:
                if not totals.runs:
                    raise
                totals.lost = str(error)
                return
            totals.runs = number
            totals.steps += record.performed
            totals.reactions.update(record.reactions)
            if record.findings:
                self._take(number, steps, record)
            self.progress(totals)

    def _take(self, number: int, steps: tuple[FuzzStep, ...], record: PlayRecord) -> None:
        # What came first is what was provoked; what follows in the same run mostly follows from it.
        kind = record.findings[0].kind
        if self._shortened[kind] == SAME_KIND:
            self.totals.repeats[kind] += 1
            return
        self._shortened[kind] += 1
        found = self._shorten(number, steps, record)
        shape = (kind, *((step.do, step.label, step.proto if step.do == "send" else 0) for step in found.steps))
        if found.again and shape in self._known:
            self.totals.repeats[kind] += 1
            return
        self._known.add(shape)
        self.totals.found.append(found)
        self.report(found)

    def _shorten(self, number: int, steps: tuple[FuzzStep, ...], record: PlayRecord) -> Reproduction:
        finding = record.findings[0]
        best = record

        def provokes(candidate: Sequence[FuzzStep], *, late: bool = False) -> bool:
            nonlocal best
            if not late and time.monotonic() > self._deadline:
                return False
            tried = self.target.play(candidate, fresh=True)
            if tried.has(finding.kind):
                best = tried
                return True
            return False

        short, tries = steps, AGAIN
        try:
            again = any(provokes(steps, late=True) for _ in range(AGAIN))
            if again:
                short, tries = shrink(steps, provokes, self.tries)
        except LostTargetError as error:
            self.totals.lost = str(error)
            short, tries, again, best = steps, 0, False, record
        shown = next(each for each in best.findings if each.kind == finding.kind)
        return Reproduction(shown, number, short, len(steps), tries + again, again=again, record=best)
