"""All benchmarks, one after the other: printed, compared with what was recorded, or recorded.

    python tests/bench/all.py [--check | --record] [--quick] [NAME...]

``--record`` writes ``recorded.json`` and the tables of docs/performance.md: of those benchmarks that take less than a
minute, each ratio's median of three runs. ``--check`` fails where a ratio is more
than a fifth worse than in ``recorded.json``. Ratios compare with peers and the floor within one run, so a record from
another machine will do. A benchmark with a worse ratio is run again, twice at most, and the best run of each ratio
counts: a busy minute passes, slower code does not. With names, only those benchmarks run, and the record of the others
is kept.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ftwire

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.tables import write_tables

BENCH = Path(__file__).parent
RECORD = BENCH / "recorded.json"
NAMES = ("codec", "pcap", "dump", "start", "gateway", "client", "export", "report", "strategies")
CORES = {
    "codec": ("off", "required"),
    "pcap": ("off", "required"),
    "dump": ("",),
    "gateway": ("off", "required"),
    "client": ("off", "required"),
    "export": ("off", "required"),
    "report": ("off", "required"),
}
"""Values of ``FTWIRE_CORE`` to run a benchmark with; one that is not listed runs without the compiled core.
``bench_dump`` sets it itself."""
QUICK = ("codec", "pcap", "start", "gateway", "client")
TOLERANCE = 0.2
RUNS = 3


def measure(name: str, core: str) -> list[dict[str, Any]]:
    """Run one benchmark as a program and return its ratios."""
    command = [
        sys.executable,
        str(BENCH / f"bench_{name}.py"),
        "--json",
        *(word for word in sys.argv[1:] if word == "--quick"),
    ]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["FTWIRE_CORE"] = core
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def is_worse(ratio: dict[str, Any], before: dict[str, Any]) -> bool:
    """Return whether a ratio is worse by more than a fifth."""
    if ratio["at_most"]:
        bound = ratio["aim"] if ratio["micros"] else max(before["value"], 0)
        return bool(ratio["value"] > bound / (1 - TOLERANCE))
    return bool(ratio["value"] < before["value"] * (1 - TOLERANCE))


def typical(name: str, core: str) -> list[dict[str, Any]]:
    """Return the median of each ratio over several runs, or over one where a run takes minutes."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(RUNS if name in QUICK else 1):
        for ratio in measure(name, core):
            found.setdefault((ratio["bench"], ratio["name"]), []).append(ratio)
    return [sorted(ratios, key=lambda ratio: ratio["value"])[len(ratios) // 2] for ratios in found.values()]


def checked(name: str, core: str, recorded: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the best ratios of up to three runs, fewer if none is worse than recorded."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for run in range(RUNS):
        for ratio in measure(name, core):
            key = ratio["bench"], ratio["name"]
            sign = -1 if ratio["at_most"] else 1
            if key not in best or sign * ratio["value"] > sign * best[key]["value"]:
                best[key] = ratio
        worse = [key[1] for key, ratio in best.items() if key in recorded and is_worse(ratio, recorded[key])]
        if not worse:
            break
        if run + 1 < RUNS:
            print(f"  once more, for: {'; '.join(worse)}", flush=True)
    return list(best.values())


def line(ratio: dict[str, Any], before: dict[str, Any] | None) -> str:
    aim = ""
    if ratio["aim"] is not None:
        reached = ratio["value"] <= ratio["aim"] if ratio["at_most"] else ratio["value"] >= ratio["aim"]
        aim = f"{'<=' if ratio['at_most'] else '>='} {ratio['aim']:g} {'yes' if reached else 'NO'}"
    then = "" if before is None else f"recorded {before['value']:.2f}{', WORSE' if is_worse(ratio, before) else ''}"
    return f"  {ratio['name']:<64} {ratio['value']:7.2f}  {aim:<14} {then:<24} {ratio['note']}"


def main() -> int:
    names = [name for name in NAMES if name in sys.argv] or list(NAMES)
    recorded: dict[tuple[str, str], dict[str, Any]] = {}
    if RECORD.exists():
        found = json.loads(RECORD.read_text(encoding="utf-8"))["ratios"]
        recorded = {(ratio["bench"], ratio["name"]): ratio for ratio in found}
    others = [ratio for (bench, _), ratio in recorded.items() if bench.partition(":")[0] not in names]
    if "--check" in sys.argv and not recorded:
        sys.exit("there is no record to check against: make bench-record")
    ratios = []
    worse = 0
    runs = [(name, core) for name in names for core in CORES.get(name, ("off",))]
    for name, core in runs:
        if core == "required" and not ftwire.compiled:
            continue
        print(f"{name}, compiled" if core == "required" else name, flush=True)
        if "--check" in sys.argv:
            measured = checked(name, core, recorded)
        else:
            measured = typical(name, core) if "--record" in sys.argv else measure(name, core)
        for ratio in measured:
            before = recorded.get((ratio["bench"], ratio["name"]))
            worse += before is not None and is_worse(ratio, before)
            print(line(ratio, before), flush=True)
            ratios.append(ratio)
    if "--record" in sys.argv:
        where = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            **{name: version(name) for name in ("protobuf", "cryptography", "dpkt", "scapy")},
        }
        in_order = sorted(others + ratios, key=lambda ratio: NAMES.index(ratio["bench"].partition(":")[0]))
        record = where | {"ratios": in_order}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        write_tables(record)
    if "--check" in sys.argv:
        missing = recorded.keys() - {(ratio["bench"], ratio["name"]) for ratio in others + ratios}
        if not ftwire.compiled:
            uncompiled = {key for key in missing if key[1].endswith(" (compiled)")}
            missing -= uncompiled
            print(f"{len(uncompiled)} ratios of the compiled core are not measured: make core")
        for bench, name in sorted(missing):
            print(f"{bench}: {name} was recorded and is not measured any more")
        print(f"{worse} of {len(ratios)} ratios are more than a fifth worse than recorded")
        return 1 if worse or missing else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
