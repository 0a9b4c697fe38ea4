"""Try the decoders and commands on damaged captures and streams for some minutes, and print what was found.

    PYTHONPATH=tests:. python tests/soak/campaign.py --minutes 30 [--seed N] [--only INDEX]

Each input is decoded by the compiled core and by Python, in two processes with a limit on memory, whole and in chunks:
the results must be equal, and nothing but documented errors may be raised. Some of the captures are also given to whole
commands (dump, explain, export, redact, replay), and to tshark as a second opinion: where it shows a frame that dump
does not, dump must have said that something is not shown. The same seed makes the same inputs.

Exit code 1 when something was found: the input is kept in ``.soak/`` and belongs in a named regression test.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import ftwire
from soak.inputs import Input, make
from support.places import ROOT

KEPT: Final = ROOT / ".soak"
WORKER: Final = Path(__file__).with_name("worker.py")
LUA: Final = ROOT / "tests" / "bench" / "opend.lua"
TIME_LIMIT: Final = 60
"""Seconds after which an input of some hundred kilobytes counts as one that never ends."""
MEMORY: Final = 2 << 30
"""Bytes of address space that a whole command may take, its libraries included."""
COMMANDS_EVERY: Final = 150
"""Captures of which one is given to the commands."""
TSHARK_EVERY: Final = 50
"""Captures of which one is given to tshark."""
COMMANDS: Final = (
    ("dump",),
    ("dump", "-v"),
    ("dump", "--json", "--hex"),
    ("explain", "--brief"),
    ("explain", "--json"),
    ("redact", "--overwrite", "-w", "OUT/redacted.pcap"),
    ("export", "--format", "jsonl", "-o", "OUT/tables"),
    ("replay", "--to", "127.0.0.1:1"),  # nothing listens there: the capture is read, and nothing is sent
)


class Finding(Exception):  # noqa: N818
    """What is wrong with the decoding of one input."""


class Worker:
    """A process that decodes; started again where it has ended."""

    def __init__(self, core: str) -> None:
        self._environment: Final = {**os.environ, "FTWIRE_CORE": core}
        self.name: Final = "core" if core == "required" else "Python"
        self._start()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self._environment,
        )

    def decode(self, given: Input, chunk: int, form: str = "") -> Any:
        """Return the answer. Raises ``Finding`` where there is none."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{given.kind}{form} {chunk} {len(given.data)}\n".encode() + given.data)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the empty answer below says so
        if not select.select([process.stdout], [], [], TIME_LIMIT)[0]:
            self._restart()
            raise Finding(f"{self.name}: no end after {TIME_LIMIT} s, in chunks of {chunk or len(given.data)} bytes")
        line = process.stdout.readline()
        if not line:
            process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip()[-2000:]
            self._restart()
            raise Finding(f"{self.name}: ended with exit code {process.returncode}: {last}")
        return json.loads(line)

    def _restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def compare(workers: list[Worker], given: Input, index: int, counts: Counter[str]) -> None:
    """Decode whole and in chunks, with the core and without. Raises ``Finding``."""
    chunk = (0, 1, 7, 64, 1448, 4096)[index % 6] if len(given.data) < 20_000 else (0, 1448, 65536)[index % 3]
    plans = [(worker, size) for worker in workers for size in {0, chunk}]
    answers = [worker.decode(given, size) for worker, size in plans]
    counts["decodings"] += len(answers)
    counts["reports"] += answers[0][1]
    for (worker, size), answer in zip(plans[1:], answers[1:], strict=True):
        if answer != answers[0]:
            first = plans[0][0].decode(given, plans[0][1], "-text")
            other = worker.decode(given, size, "-text")
            pair = next((pair for pair in zip(first, other, strict=False) if pair[0] != pair[1]), None)
            raise Finding(
                f"{plans[0][0].name} whole and {worker.name} in chunks of {size or len(given.data)} differ, "
                f"{len(first)} and {len(other)} reports:\n  {pair}"
            )


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def command(words: list[str], name: str) -> subprocess.CompletedProcess[str]:
    """Run ``ftwire``. Raises ``Finding`` for what no input may cause."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ftwire_tools.cli", *words],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIME_LIMIT,
            preexec_fn=_limit,
        )
    except subprocess.TimeoutExpired:
        raise Finding(f"ftwire {name}: no end after {TIME_LIMIT} s") from None
    if done.returncode not in {0, 1, 3} or "Traceback" in done.stderr:
        raise Finding(f"ftwire {name}: exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    if done.returncode and not done.stderr and not done.stdout:
        raise Finding(f"ftwire {name}: exit code {done.returncode} and not a word")
    return done


def commands(path: Path, counts: Counter[str]) -> None:
    """Give a capture to every command that reads one."""
    with tempfile.TemporaryDirectory() as out:
        for words in COMMANDS:
            here = [word.replace("OUT", out) for word in words]
            command([here[0], *here[1:], str(path)], words[0])
            counts["commands"] += 1


def second_opinion(path: Path, given: Input, counts: Counter[str]) -> None:
    """Compare with the frames that tshark shows. Raises ``Finding``."""
    ports = [option for port in sorted(given.ports) for option in ("-d", f"tcp.port=={port},opend")]
    fields = [option for name in ("proto_id", "serial", "length") for option in ("-e", f"opend.{name}")]
    words = ["tshark", "-r", str(path), "-X", f"lua_script:{LUA}", *ports, "-Y", "opend", "-T", "fields", *fields]
    # Without this user's plugins, one of which may be the dissector that ftwire installs.
    elsewhere = {**os.environ, "HOME": str(LUA.parent / "nowhere")}
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, env=elsewhere, timeout=TIME_LIMIT
    )
    if "Lua: Error" in done.stderr:
        raise RuntimeError(done.stderr)
    theirs = set()
    for line in done.stdout.splitlines():
        ids, serials, lengths = (column.split(",") for column in line.split("\t"))
        for proto_id, serial, length in zip(ids, serials, lengths, strict=False):
            if proto_id.isdigit() and int(proto_id) in ftwire.registry:
                theirs.add((int(proto_id), int(serial), int(length)))
    ours = command(["dump", "--json", str(path)], "dump")
    shown = [json.loads(line) for line in ours.stdout.splitlines()]
    lacking = theirs - {(frame["proto_id"], frame["serial"], frame["body_length"]) for frame in shown}
    counts["second opinions"] += 1
    counts["frames that tshark shows"] += len(theirs)
    if lacking and ours.returncode != 3 and not ours.stderr:
        raise Finding(f"tshark shows {sorted(lacking)}, dump does not, says nothing, exit code {ours.returncode}")


def keep(given: Input, seed: int, index: int, error: Finding) -> Path:
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{given.kind}-{seed}-{index}.bin"
    path.write_bytes(given.data)
    path.with_suffix(".txt").write_text(f"{error}\n")
    return path


def soak(minutes: float, seed: int, only: int | None) -> int:
    """Run, print a line a minute and the counts, and return the number of findings."""
    workers = [Worker("required") if ftwire.compiled else Worker("off"), Worker("off")]
    if not ftwire.compiled:
        print("the compiled core is not installed (make core): Python is compared with itself in chunks")
    has_tshark = shutil.which("tshark") is not None
    if not has_tshark:
        print("tshark is not installed: no second opinion")
    counts: Counter[str] = Counter()
    began = said = time.monotonic()
    index = captures = 0 if only is None else only
    path = Path(tempfile.mkdtemp(), "input.pcap")
    while index == only or (only is None and time.monotonic() - began < minutes * 60):
        given = make(seed, index)
        counts[f"{given.kind}s"] += 1
        try:
            compare(workers, given, index, counts)
            if given.kind == "capture":
                path.write_bytes(given.data)
                captures += 1
                if only is not None or captures % COMMANDS_EVERY == 0:
                    commands(path, counts)
                if has_tshark and (only is not None or captures % TSHARK_EVERY == 0):
                    second_opinion(path, given, counts)
        except Finding as error:
            counts["findings"] += 1
            print(f"input {index}: {error}\n  kept as {keep(given, seed, index, error)}", flush=True)
        index += 1
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"{(said - began) / 60:.0f} min: {dict(counts)}", flush=True)
    for worker in workers:
        worker.stop()
    shutil.rmtree(path.parent)
    print(f"seed {seed}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return counts["findings"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", type=int, help="try one input again, with all commands")
    options = parser.parse_args()
    sys.exit(soak(options.minutes, options.seed, options.only) > 0)
