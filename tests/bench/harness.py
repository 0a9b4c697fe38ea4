"""Measuring in turns: every figure is a ratio of two contestants inside one run.

Machines are noisy and shared, so contestants take turns, CPU time is counted rather than wall time, and the
median of each contestant's turns is compared.
"""

from __future__ import annotations

import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version

ROUNDS = 11


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of a result table."""

    name: str
    """What is compared with what; stable between runs."""
    value: float
    """How many times faster than the peer, or which part of the floor's speed."""
    aim: float | None
    """What is aimed at, ``None`` where nothing is."""
    note: str = ""
    """The figures behind it."""


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one turn."""
    start = time.process_time()
    kept = work()
    took = time.process_time() - start
    del kept
    return took


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median CPU seconds of each contestant, who go one after the other in every round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for work in contestants.values():
        work()  # imports, caches
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, work in contestants.items():
                times[name].append(seconds(work))
    finally:
        gc.enable()
    return {name: statistics.median(taken) for name, taken in times.items()}


def report(title: str, ratios: list[Ratio]) -> None:
    """Print a table, and, with ``--json`` on the command line, one JSON object a line instead."""
    if "--json" in sys.argv:
        for ratio in ratios:
            print(json.dumps({"bench": title, **asdict(ratio)}))
        return
    machine = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    print(f"\n{title} ({machine}, protobuf {version('protobuf')}, cryptography {version('cryptography')})")
    for ratio in ratios:
        aim = "" if ratio.aim is None else f"aim {ratio.aim:g}{'' if ratio.value >= ratio.aim else ', NOT REACHED'}"
        print(f"  {ratio.name:<48} {ratio.value:6.2f}x  {aim:<22} {ratio.note}")
