"""How many examples a second the strategies give: every message class, and each strategy.

    python tests/bench/bench_strategies.py [--all] [--json]

The value is the share of the engine's own speed, taken in turns: how fast Hypothesis gives examples of one
integer. Without ``--all``, classes are summed up: the median, and the slowest.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ftwire.cipher import RsaKey
from ftwire.frame import Kind
from ftwire.protocols import registry
from ftwire.strategies import (
    bodies,
    chunkings,
    ciphers,
    conversations,
    frames,
    headers,
    messages,
    mutations,
    segment_schedules,
)

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, report, take_turns
from fixtures.make_keys import TEST_KEY

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
STREAM = bytes(range(256)) * 2
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "messages(3008, response)": messages(3008, Kind.RESPONSE),
    "messages(snapshot, response)": messages("Qot_GetSecuritySnapshot", Kind.RESPONSE),
    "bodies()": bodies(),
    "headers()": headers(),
    "frames()": frames(),
    "frames(cipher=ciphers())": frames(cipher=ciphers()),
    "conversations()": conversations(),
    "conversations(key)": conversations(KEY),
    "chunkings(512 bytes)": chunkings(STREAM),
    "mutations(frame)": frames().flatmap(mutations),
    "mutations(capture)": conversations().flatmap(mutations),
    "segment_schedules(512 bytes)": segment_schedules(STREAM),
}


def drawer(strategy: st.SearchStrategy[Any], examples: int) -> Callable[[], None]:
    """Return a function that draws that many examples, the same in every round."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def draw(_: object) -> None:
        pass

    return draw


def measured(name: str, strategy: st.SearchStrategy[Any], examples: int, rounds: int) -> tuple[Ratio, float]:
    """Return a line of the table, with the examples a second."""
    times = take_turns(
        {"engine": drawer(st.integers(), examples), "ours": drawer(strategy, examples)},
        rounds,
    )
    speed = examples / times["ours"]
    return Ratio(name, times["engine"] / times["ours"], None, f"{speed:.0f} examples a second"), speed


def main() -> None:
    """Measure and print."""
    ratios = [measured(name, strategy, 200, 5)[0] for name, strategy in STRATEGIES.items()]
    classes: list[tuple[Ratio, float]] = []
    for entry in registry:
        for kind in (Kind.PUSH,) if entry.is_push else (Kind.REQUEST, Kind.RESPONSE):
            name = f"{entry.proto_id} {entry.name} {kind}"
            classes.append(measured(name, messages(entry.proto_id, kind), 50, 1))
    classes.sort(key=lambda found: found[1])
    if "--all" in sys.argv:
        ratios += [ratio for ratio, _ in classes]
    else:
        # Which is the slowest differs from run to run.
        median = statistics.median(speed for _, speed in classes)
        slowest, speed = classes[0]
        note = f"{len(classes)} classes: median {median:.0f} a second, slowest {speed:.0f} ({slowest.name})"
        ratios.append(Ratio("every class", statistics.median(ratio.value for ratio, _ in classes), None, note))
    report("strategies", ratios)


if __name__ == "__main__":
    main()
