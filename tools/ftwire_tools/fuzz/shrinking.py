"""The shortest steps that still provoke a finding: whole steps go first, then what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ftwire_tools.fuzz.steps import FuzzStep

__all__ = ["shrink"]

Steps = tuple[FuzzStep, ...]
KEPT: Final = frozenset(("protocol", "format", "version", "flip header", "split"))
"""Mutations whose number stays: with another one the step would be something else, even a trading request."""
_DEFAULTS: Final = {"chunk": 0, "ping": False, "fragments": 0, "hold": False, "wait": True}


def shrink(steps: Steps, provokes: Callable[[Steps], bool], tries: int) -> tuple[Steps, int]:
    """Return shorter steps for which ``provokes`` holds, and how often it was called, at most ``tries`` times.

    Stretches of half the length are left out first, then of a quarter, down to single steps (Zeller and Hildebrandt's
    delta debugging, by complements alone); then each step is made simpler. Both again until nothing more can go.
    """
    results: dict[Steps, bool] = {}

    def still_provokes(candidate: Steps) -> bool:
        if candidate not in results:
            if len(results) >= tries:
                return False
            results[candidate] = provokes(candidate)
        return results[candidate]

    while True:
        before = steps
        steps = _simpler(_fewer(steps, still_provokes), still_provokes)
        if steps == before or len(results) >= tries:
            return steps, len(results)


def _fewer(steps: Steps, provokes: Callable[[Steps], bool]) -> Steps:
    size = max(1, len(steps) // 2)
    while True:
        at = 0
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if provokes(shorter):
                steps = shorter
            else:
                at += size
        if size == 1:
            return steps
        size //= 2


def _simpler(steps: Steps, provokes: Callable[[Steps], bool]) -> Steps:
    at = 0
    while at < len(steps):
        candidates = ((*steps[:at], simple, *steps[at + 1 :]) for simple in _simpler_steps(steps[at]))
        found = next((candidate for candidate in candidates if provokes(candidate)), None)
        if found is None:
            at += 1
        else:
            steps = found
    return steps


def _simpler_steps(step: FuzzStep) -> Iterator[FuzzStep]:
    """Give steps that are one thing simpler; each chain of them ends."""
    for number, mutation in enumerate(step.mutations):
        before, behind = step.mutations[:number], step.mutations[number + 1 :]
        yield replace(step, mutations=before + behind)
        value = mutation.value
        if isinstance(value, int) and value > 1 and mutation.name not in KEPT:
            for smaller in dict.fromkeys((0, 1, value // 2)):
                yield replace(step, mutations=(*before, mutation._replace(value=smaller), *behind))
    for name, default in _DEFAULTS.items():
        if getattr(step, name) != default:
            yield replace(step, **{name: default})  # type: ignore[arg-type] # each its own type
    if step.do == "raw" and len(step.data) > 2:
        yield replace(step, data=step.data[: len(step.data) // 4 * 2])
    if step.after > 1 and step.do != "reply":
        yield replace(step, after=step.after - 1)
