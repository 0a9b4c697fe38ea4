"""Runs, one after the other, until the budget is spent; what was found is repeated, shortened and kept."""

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
    from ftwire_tools.fuzz.judgement import Finding, Outcome
    from ftwire_tools.fuzz.steps import Step
    from ftwire_tools.fuzz.targets import Target

__all__ = ["Campaign", "Find", "Totals"]

AGAIN: Final = 3
"""How often steps are performed again before what they provoked counts as not to be repeated."""
SAME_KIND: Final = 5
"""How often a finding of one kind is shortened; what comes after is only counted."""


@dataclass(frozen=True, slots=True)
class Find:
    """A finding with the steps that provoke it."""

    finding: Finding
    run: int
    """The run that met it first."""
    steps: tuple[Step, ...]
    """The shortest sequence known."""
    original: int
    """Steps of that run."""
    tries: int
    """Performances that shortening took."""
    again: bool
    """Whether the steps have provoked it a second time."""
    outcome: Outcome


@dataclass(slots=True)
class Totals:
    """What was done, and what the peer did."""

    runs: int = 0
    steps: int = 0
    reactions: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    """Findings by kind that were not shortened or turned out to be known."""
    finds: list[Find] = field(default_factory=list)
    lost: str = ""
    """Why there was nobody to fuzz any more."""
    began: float = field(default_factory=time.monotonic)


class Campaign:
    """Performs what ``plan`` draws.

    ``tries`` is how many performances one finding may take to be shortened, ``told`` is called with each find,
    ``progress`` after each run.
    """

    def __init__(
        self,
        target: Target,
        plan: Callable[[Random], tuple[Step, ...]],
        *,
        seed: int,
        tries: int,
        told: Callable[[Find], None],
        progress: Callable[[Totals], None],
    ) -> None:
        self.totals: Final = Totals()
        self._target: Final = target
        self._plan: Final = plan
        self._seed: Final = seed
        self._tries: Final = tries
        self._told: Final = told
        self._progress: Final = progress
        self._shortened: Final[Counter[str]] = Counter()
        self._deadline = math.inf
        self._known: Final[set[tuple[object, ...]]] = set()

    def run(self, runs: int | None, seconds: float | None) -> None:
        """Go on until there have been so many runs, or so much time has passed."""
        totals = self.totals
        self._deadline = math.inf if seconds is None else totals.began + seconds
        while (runs is None or totals.runs < runs) and time.monotonic() < self._deadline:
            number = totals.runs + 1
            steps = self._plan(Random(f"{self._seed}/{number}"))  # noqa: S311 - to be repeated, not to be secret
            try:
                outcome = self._target.play(steps)
                totals.runs = number
                totals.steps += outcome.performed
                totals.reactions.update(outcome.reactions)
                self._look_at(number, steps, outcome)
            except LostTargetError as error:
                if not totals.runs:
                    raise
                totals.lost = str(error)
                return
            self._progress(totals)

    def _look_at(self, number: int, steps: tuple[Step, ...], outcome: Outcome) -> None:
        # What came first is what was provoked; what follows in the same run mostly follows from it.
        for finding in outcome.findings[:1]:
            if self._shortened[finding.kind] == SAME_KIND:
                self.totals.repeats[finding.kind] += 1
                continue
            self._shortened[finding.kind] += 1
            find = self._shorten(number, steps, outcome, finding)
            shape = (
                finding.kind,
                *((step.do, step.label, step.proto if step.do == "send" else 0) for step in find.steps),
            )
            if find.again and shape in self._known:
                self.totals.repeats[finding.kind] += 1
                continue
            self._known.add(shape)
            self.totals.finds.append(find)
            self._told(find)

    def _shorten(self, number: int, steps: tuple[Step, ...], outcome: Outcome, finding: Finding) -> Find:
        best = outcome

        def provokes(candidate: Sequence[Step], *, late: bool = False) -> bool:
            nonlocal best
            if not late and time.monotonic() > self._deadline:
                return False
            tried = self._target.play(candidate, fresh=True)
            if tried.has(finding.kind):
                best = tried
                return True
            return False

        try:
            if not any(provokes(steps, late=True) for _ in range(AGAIN)):
                return Find(finding, number, steps, len(steps), AGAIN, again=False, outcome=outcome)
            short, tries = shrink(steps, provokes, self._tries)
        except LostTargetError as error:
            self.totals.lost = str(error)
            return Find(finding, number, steps, len(steps), 0, again=False, outcome=outcome)
        shown = next(each for each in best.findings if each.kind == finding.kind)
        return Find(shown, number, short, len(steps), tries + 1, again=True, outcome=best)
