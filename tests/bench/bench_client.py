"""How fast pushes arrive: our client beside the vendor's Python SDK, on the same pushes, in one run.

    PYTHONPATH=tests python -m bench.bench_client            # needs the peer futu-api-10.11
    PYTHONPATH=tests python -m bench.bench_client --default-log

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
from interop import peers

PEER = "futu-api-10.11"
REACH = 4.0
TYPES = {"rt": ("RT", "Qot_UpdateRT"), "book": ("OrderBook", "Qot_UpdateOrderBook")}


def now() -> tuple[float, float]:
    """The clock and the processor time of this process, in seconds."""
    return time.perf_counter(), time.process_time()


async def receive(port: int, wanted: int, kind: str) -> tuple[float, float]:
    """Seconds from the first push to the last, by the clock and of processor time."""
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
    command = [
        sys.executable,
        "-m",
        "bench.bench_client",
        "--receive",
        str(port),
        "--count",
        str(wanted),
        "--kinds",
        kind,
    ]
    return _seconds(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def theirs(port: int, wanted: int, kind: str, log: list[str]) -> tuple[float, float]:
    program = Path(__file__).parent / "sdk_receiver.py"
    command = [str(peers.python(PEER)), str(program), str(port), str(wanted), kind, *log]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=peers.environment(PEER))
    return _seconds(done.stdout)


def _seconds(line: str) -> tuple[float, float]:
    clock, processor = map(float, line.split())
    return clock, processor


def compare(kind: str, count: int, rounds: int, log: list[str]) -> float:
    """Print one line; returns the ratio of processor times."""
    command = [sys.executable, "-m", "bench.push_source", "--count", str(count), "--kind", kind]
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
    print(
        f"{kind:>5}: ftwire {ftwire[1]:6.2f} us a push ({ftwire[0]:.2f} by the clock), "
        f"{PEER} {futu[1]:6.2f} us ({futu[0]:.2f}), "
        f"ratio {futu[1] / ftwire[1]:.1f} ({futu[0] / ftwire[0]:.1f})",
        flush=True,
    )
    ratio: float = futu[1] / ftwire[1]
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000, help="pushes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--default-log", action="store_true", help="leave the SDK's log as it is")
    parser.add_argument("--receive", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        print(*asyncio.run(receive(options.receive, options.count, options.kinds[0])))
        return 0
    log = ["default"] if options.default_log else []
    ratios = [compare(kind, options.count, options.rounds, log) for kind in options.kinds]
    return 0 if min(ratios) >= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
