"""The report of a capture: how large it is, how long it takes to write, and to open in Chromium.

Run it: ``python tests/bench/bench_report.py [MEGABYTES]``. Needs chromium and node.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ftwire

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, report, with_core_named
from bench.programs import FTWIRE, run
from interop.peers import ensure

OPEN = Path(__file__).with_name("open_page.mjs")
LISTED = 200_000
"""Frames of a page, unless it is told otherwise: the captures here have more."""


def reports(megabytes: int) -> list[Ratio]:
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None:
        raise RuntimeError("node and chromium are needed")
    modules = ensure("playwright").folder
    with tempfile.TemporaryDirectory() as scratch:
        capture, page = Path(scratch, "session.pcap"), Path(scratch, "session.html")
        core = {"FTWIRE_CORE": "required" if ftwire.compiled else "off"}
        environment = {"PATH": f"{Path(node).parent}", **core}
        assert run([FTWIRE, "synth", str(capture), "--size", f"{megabytes}M"]).code == 0
        written = run([FTWIRE, "report", str(capture), "-o", str(page)], env=environment)
        dumped = run([FTWIRE, "dump", "--json", str(capture)], env=environment)
        assert (written.code, dumped.code) == (0, 0)
        words = [node, str(OPEN), str(modules), chromium, str(page)]
        opened = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        size = page.stat().st_size
        return [
            Ratio(
                f"page of {megabytes} MB: size / capture",
                size / capture.stat().st_size,
                0.7,
                f"{size / 1e6:.0f} MB, {LISTED} frames listed",
                at_most=True,
            ),
            Ratio(
                f"report of {megabytes} MB: CPU time / dump --json",
                written.seconds / dumped.seconds,
                8,
                f"{written.seconds:.1f} s, {written.memory / 1e6:.0f} MB resident",
                at_most=True,
            ),
            *(
                Ratio(
                    f"page of {megabytes} MB: us a frame {what}, by the clock",
                    opened[name] * 1000 / LISTED,
                    aim,
                    f"{opened[name] / 1000:.1f} s",
                    at_most=True,
                    micros=True,
                )
                for name, what, aim in (
                    ("opened", "until it can be used", 25),
                    ("filtered", "that a filter on bodies takes", 100),
                )
            ),
        ]


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or [100]
    report("report", with_core_named([ratio for size in sizes for ratio in reports(size)]))


if __name__ == "__main__":
    main()
