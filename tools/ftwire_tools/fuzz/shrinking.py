"""The shortest steps that still provoke what was found: whole steps first, then what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ftwire_tools.fuzz.steps import Step

__all__ = ["shrink"]

Steps = tuple[Step, ...]
KEPT: Final = frozenset(("protocol", "format", "version", "flip header"))
"""Mutations whose number stays: another one would be another thing, a trading request even."""


def shrink(steps: Steps, provokes: Callable[[Steps], bool], tries: int) -> tuple[Steps, int]:
    """Return shorter steps for which ``provokes`` holds, and how often it was asked, at most ``tries`` times.

    Stretches of half the length are left out first, then of a quarter, down to single steps (Zeller and
    Hildebrandt's delta debugging, by complements alone); then each step is made simpler. Both again until
    nothing more can go.
    """
    judge = _Judge(provokes, tries)
    while True:
        before = steps
        steps = _fewer(steps, judge)
        steps = _simpler(steps, judge)
        if steps == before or judge.left <= 0:
            return steps, judge.asked


class _Judge:
    def __init__(self, provokes: Callable[[Steps], bool], tries: int) -> None:
        self._provokes: Final = provokes
        self._known: Final[dict[Steps, bool]] = {}
        self.left = tries
        self.asked = 0

    def __call__(self, steps: Steps) -> bool:
        if steps not in self._known:
            if self.left <= 0:
                return False
            self.left -= 1
            self.asked += 1
            self._known[steps] = self._provokes(steps)
        return self._known[steps]


def _fewer(steps: Steps, judge: _Judge) -> Steps:
    size = max(1, len(steps) // 2)
    while True:
        at = 0
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if len(shorter) < len(steps) and judge(shorter):
                steps = shorter
            else:
                at += size
        if size == 1:
            return steps
        size //= 2


def _simpler(steps: Steps, judge: _Judge) -> Steps:
    for at in range(len(steps)):
        changed = True
        while changed:
            changed = False
            for simple in _simpler_steps(steps[at]):
                candidate = (*steps[:at], simple, *steps[at + 1 :])
                if judge(candidate):
                    steps, changed = candidate, True
                    break
    return steps


def _simpler_steps(step: Step) -> Iterator[Step]:
    """Give steps that are one thing simpler; each chain of them ends."""
    for number, mutation in enumerate(step.mutations):
        yield replace(step, mutations=step.mutations[:number] + step.mutations[number + 1 :])
        value = mutation.value
        if isinstance(value, int) and value > 1 and mutation.name not in KEPT:
            for smaller in dict.fromkeys((0, 1, value // 2)):
                less = replace(mutation, value=smaller)
                yield replace(step, mutations=(*step.mutations[:number], less, *step.mutations[number + 1 :]))
    if step.chunk:
        yield replace(step, chunk=0)
    if step.ping:
        yield replace(step, ping=False)
    if step.fragments:
        yield replace(step, fragments=0)
    if step.hold:
        yield replace(step, hold=False)
    if not step.wait:
        yield replace(step, wait=True)
    if step.do == "raw" and len(step.data) > 2:
        yield replace(step, data=step.data[: len(step.data) // 4 * 2])
    if step.after > 1 and step.do != "reply":
        yield replace(step, after=step.after - 1)
