"""Measuring in turns: every figure is a ratio of two contestants inside one run.

Machines are noisy and shared, so contestants take turns, CPU time is counted rather than wall time, and the
median of each contestant's turns is compared. A contestant keeps nothing of what it makes: memory that grows
would be measured instead, at the cost of whoever's turn it is.
"""

from __future__ import annotations

import ctypes
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

import ftwire

ROUNDS = 11
COMPILED = " (compiled)"
"""End of the name of a ratio that was measured with the compiled core."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of a result table."""

    name: str
    """What is compared with what; stable between runs."""
    value: float
    """How many times faster than the peer, or which part of the floor's speed."""
    aim: float | None
    """The value to reach; ``None`` if there is no such aim."""
    note: str = ""
    """The figures behind it."""
    at_most: bool = False
    """Whether smaller is better."""
    micros: bool = False
    """Whether the value is in microseconds and no ratio: it is compared with the aim alone, since machines differ."""

    @property
    def is_reached(self) -> bool:
        """Whether the aim is reached, or there is none."""
        if self.aim is None:
            return True
        return self.value <= self.aim if self.at_most else self.value >= self.aim


def with_core_named(ratios: list[Ratio]) -> list[Ratio]:
    """Return the ratios with ``COMPILED`` behind their names, if this process uses the compiled core."""
    return [replace(ratio, name=ratio.name + COMPILED) for ratio in ratios] if ftwire.compiled else ratios


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of one turn."""
    start = time.process_time()
    work()
    return time.process_time() - start


def turns(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return the CPU seconds of each contestant's turns. They take turns; in every round another one begins."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for work in contestants.values():
        work()  # imports, caches
    gc.collect()
    gc.disable()
    try:
        order = list(contestants)
        for _ in range(rounds):
            for name in order:
                times[name].append(seconds(contestants[name]))
            order.append(order.pop(0))
    finally:
        gc.enable()
    return times


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median of each contestant's turns."""
    return {name: statistics.median(taken) for name, taken in turns(contestants, rounds).items()}


def within_rounds(compare: Callable[[float, float], float], mine: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios: for differences smaller than those between one minute and the next."""
    return statistics.median(map(compare, mine, theirs))


def keep_memory() -> None:
    """Have glibc's malloc keep the pages it has; other systems are left as they are.

    Otherwise it returns the pages of a large frame to the kernel, or not, depending on what was freed before, and new
    pages are zeroed first, which takes as long as decoding the frame.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        libc.mallopt(trim_threshold, 1 << 30)
        libc.mallopt(mmap_threshold, 1 << 30)


def report(title: str, ratios: list[Ratio]) -> None:
    """Print a table, and, with ``--json`` on the command line, one JSON object a line instead."""
    if "--json" in sys.argv:
        for ratio in ratios:
            print(json.dumps({"bench": title, **asdict(ratio)}))
        return
    machine = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    print(f"\n{title} ({machine}, protobuf {version('protobuf')}, cryptography {version('cryptography')})")
    for ratio in ratios:
        bound = "at most " if ratio.at_most else ""
        aim = "" if ratio.aim is None else f"aim {bound}{ratio.aim:g}{'' if ratio.is_reached else ', NOT REACHED'}"
        print(f"  {ratio.name:<64} {ratio.value:7.2f}x  {aim:<26} {ratio.note}")
