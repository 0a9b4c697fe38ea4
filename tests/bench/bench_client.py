"""How fast pushes arrive: ftwire's client and the vendor's Python SDK, with the same pushes, in one run.

    python tests/bench/bench_client.py            # needs the peer futu-api-10.11
    python tests/bench/bench_client.py --default-log

Each client is a process of its own and takes turns with the other; a third one is the gateway, which sends bytes
made beforehand. A push counts when the program has its message. Medians of ``--rounds``, by the clock and of
processor time; where the machine has other work, the clock tells how long the gateway was kept waiting too, so
the ratio of processor times is what is judged: 4 is to be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ftwire_tools.client import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, report, with_core_named
from bench.programs import environment
from interop import peers

PEER = "futu-api-10.11"
AIM = 4.0
TYPES = {"rt": ("RT", "Qot_UpdateRT"), "book": ("OrderBook", "Qot_UpdateOrderBook")}


def now() -> tuple[float, float]:
    """Return the time of the clock and the CPU time of this process, in seconds."""
    return time.perf_counter(), time.process_time()


async def receive(port: int, wanted: int, kind: str) -> tuple[float, float]:
    """Return the seconds from the first push to the last, by the clock and as CPU time."""
    sub_type, protocol = TYPES[kind]
    async with Client(port=port) as client, client.pushes(protocol) as pushes:
        await client.subscribe("HK.00700", sub_type)
        seen = 0
        began = now()
        async for frame in pushes:
            frame.message  # noqa: B018 - parsing is what is measured
            if not seen:
                began = now()
            seen += 1
            if seen == wanted:
                break
        ended = now()
        return ended[0] - began[0], ended[1] - began[1]


def ours(port: int, wanted: int, kind: str) -> tuple[float, float]:
    command = [sys.executable, __file__, "--receive", str(port), "--count", str(wanted), "--kinds", kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    return _seconds(done.stdout)


def theirs(port: int, wanted: int, kind: str, log: list[str]) -> tuple[float, float]:
    program = Path(__file__).parent / "sdk_receiver.py"
    command = [str(peers.python(PEER)), str(program), str(port), str(wanted), kind, *log]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=peers.environment(PEER))
    return _seconds(done.stdout)


def _seconds(line: str) -> tuple[float, float]:
    clock, processor = map(float, line.split())
    return clock, processor


def compare(kind: str, count: int, rounds: int, log: list[str]) -> Ratio:
    """Measure both clients in turns, with one gateway."""
    command = [sys.executable, str(Path(__file__).parent / "push_source.py"), "--count", str(count), "--kind", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as source:
        assert source.stdout is not None
        try:
            port = int(source.stdout.readline())
            mine: list[tuple[float, float]] = []
            sdk: list[tuple[float, float]] = []
            for _ in range(rounds):
                mine.append(ours(port, count, kind))
                sdk.append(theirs(port, count, kind, log))
        finally:
            source.terminate()
    # Microseconds a push: by the clock, of processor time.
    ftwire, futu = (
        [statistics.median(column) / count * 1e6 for column in zip(*found, strict=True)] for found in (mine, sdk)
    )
    note = f"{ftwire[1]:.2f} us, SDK {futu[1]:.1f}; by the clock {ftwire[0]:.2f}, {futu[0]:.1f}"
    return Ratio(f"{TYPES[kind][1]}: received, SDK", futu[1] / ftwire[1], AIM, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000, help="pushes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--default-log", action="store_true", help="leave the SDK's log as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--receive", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        print(*asyncio.run(receive(options.receive, options.count, options.kinds[0])))
        return
    log = ["default"] if options.default_log else []
    peers.ensure(PEER)
    report("client", with_core_named([compare(kind, options.count, options.rounds, log) for kind in options.kinds]))


if __name__ == "__main__":
    main()
