"""How fast pushes arrive: our client beside the vendor's Python SDK, on the same pushes, in one run.

    PYTHONPATH=tests python -m bench.bench_client            # needs the peer futu-api-10.11
    PYTHONPATH=tests python -m bench.bench_client --default-log

Each client is a process of its own and takes turns with the other; a third one is the gateway, which sends bytes
made beforehand. A push counts when the program has its message. Medians of ``--rounds``; the ratio is what
counts, and 4 what is to be reached.
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


async def receive(port: int, wanted: int, kind: str) -> float:
    """Seconds from the first push to the last."""
    sub_type, protocol = TYPES[kind]
    async with Client(port=port) as client, client.pushes(protocol) as pushes:
        await client.subscribe("HK.00700", sub_type)
        seen = 0
        began = 0.0
        async for frame in pushes:
            frame.message  # noqa: B018 - parsing is what is measured
            if not seen:
                began = time.perf_counter()
            seen += 1
            if seen == wanted:
                break
        return time.perf_counter() - began


def ours(port: int, wanted: int, kind: str) -> float:
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
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def theirs(port: int, wanted: int, kind: str, log: list[str]) -> float:
    program = Path(__file__).parent / "sdk_receiver.py"
    command = [str(peers.python(PEER)), str(program), str(port), str(wanted), kind, *log]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=peers.environment(PEER))
    return float(done.stdout)


def compare(kind: str, count: int, rounds: int, log: list[str]) -> float:
    """Print one line; returns the ratio."""
    command = [sys.executable, "-m", "bench.push_source", "--count", str(count), "--kind", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as source:
        assert source.stdout is not None
        try:
            port = int(source.stdout.readline())
            times: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(rounds):
                times["ours"].append(ours(port, count, kind))
                times["theirs"].append(theirs(port, count, kind, log))
        finally:
            source.terminate()
    mine, sdk = (statistics.median(found) / count * 1e6 for found in times.values())
    print(f"{kind:>5}: ftwire {mine:6.2f} us a push, {PEER} {sdk:7.2f} us, ratio {sdk / mine:5.1f}", flush=True)
    return sdk / mine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000, help="pushes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--default-log", action="store_true", help="leave the SDK's log as it is")
    parser.add_argument("--receive", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        print(asyncio.run(receive(options.receive, options.count, options.kinds[0])))
        return 0
    log = ["default"] if options.default_log else []
    ratios = [compare(kind, options.count, options.rounds, log) for kind in options.kinds]
    return 0 if min(ratios) >= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
