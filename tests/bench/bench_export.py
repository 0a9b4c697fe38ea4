"""Captures to columns, against the vendor's SDK, protarrow and a bare read of the file.

Run it: ``python tests/bench/bench_export.py`` (the SDK is installed as a test peer on first use). ``--large``
measures memory at 1 GB and 5 GB instead of 100 and 300 MB.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

import protarrow
import ptars
import pyarrow as pa

import ftwire
from ftwire.capture import CaptureReader, DissectedFrame
from ftwire.frame import encode_frame
from ftwire.messages import Qot_GetRT
from ftwire_tools.export import tables
from ftwire_tools.export.convert import Converter
from ftwire_tools.export.engines import cores
from ftwire_tools.export.formats import FileSet
from ftwire_tools.export.frame_columns import FrameCollector, TableOptions
from ftwire_tools.export.rows import META, row_sets_of
from ftwire_tools.export.store import Store
from ftwire_tools.export.table_builder import TableBuilder
from ftwire_tools.export.task import ExportSettings, run_task, task_for
from ftwire_tools.synthetic.day import Plan, write_capture

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.bench_codec import points
from bench.harness import Ratio, report, take_turns, with_core_named
from interop.peers import ensure, environment, python

PEER = "futu-api-10.11"
POINTS, REPLIES = 330, 200
SIZE = 8_000_000
LARGE_SIZE = 520_000_000
"""Bytes of all files together that several processes export: starting a process takes half a second."""

CHILD = """
import resource, sys
from ftwire_tools.export.task import ExportSettings, run_task, task_for
outcome = run_task(task_for(sys.argv[1], ExportSettings(sys.argv[2])))
assert outcome.is_clean
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def replies() -> list[bytes]:
    message = Qot_GetRT.Response(retType=0, retMsg="", errCode=0)
    message.s2c.security.market, message.s2c.security.code, message.s2c.name = 1, "00700", "TENCENT"
    points(message.s2c.rtList, POINTS)
    return [message.SerializeToString()] * REPLIES


def without_ptars() -> Converter:
    """The converter of an installation without ptars."""
    with mock.patch.dict(sys.modules, {"ptars": None}):
        return Converter()


def rows(converter: Converter, bodies: list[bytes]) -> Callable[[], int]:
    """From bodies to the flat columns of time_share, codes, instants and names included."""
    kinds = META[:-1]

    def work() -> int:
        struct = converter.convert(bodies, Qot_GetRT.Response).array
        meta = pa.RecordBatch.from_arrays(
            [pa.nulls(len(bodies), kind) for _, kind in kinds], names=[name for name, _ in kinds]
        )
        found = row_sets_of(Qot_GetRT.Response.DESCRIPTOR, struct, meta, explode=False, levels=10)
        return sum(len(rows.batch()) for _, rows in found)

    return work


def with_sdk(bodies: list[bytes]) -> float:
    """Return the CPU seconds that the SDK takes for a point."""
    ensure(PEER)
    frames = b"".join(encode_frame(3008, number, body) for number, body in enumerate(bodies))
    work = {"frames": base64.b64encode(frames).decode(), "count": len(bodies), "repeat": 5}
    done = subprocess.run(
        [str(python(PEER)), str(Path(__file__).with_name("sdk_tables.py"))],
        input=json.dumps(work),
        env=environment(PEER),
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout)["seconds"])


def bodies_to_rows() -> list[Ratio]:
    bodies = replies()
    count = POINTS * REPLIES
    some = bodies[:20]
    contestants: dict[str, Callable[[], object]] = {
        "ptars": rows(Converter(), bodies),
        "messages": rows(without_ptars(), bodies[:10]),
        "protarrow": lambda: protarrow.messages_to_record_batch(
            list(map(Qot_GetRT.Response.FromString, some)), Qot_GetRT.Response
        ),
    }
    assert rows(Converter(), bodies)() == count
    times = take_turns(contestants, rounds=5)
    ours = times["ptars"] / count
    sdk = with_sdk(bodies)
    return [
        Ratio("3008 points to columns / SDK to DataFrame", sdk / ours, 30.0, f"{1e-6 / ours:.2f} M rows/s"),
        Ratio("  ptars / without it, from messages", times["messages"] / 10 / POINTS / ours, None),
        Ratio("  ptars, flattened / protarrow, nested", times["protarrow"] / 20 / POINTS / ours, None),
    ]


def written(path: Path, size: int, seed: int = 1) -> Path:
    with path.open("wb") as file:
        write_capture(Plan(size, seed, connections=4), file.write, lambda _size, _frames: None)
    return path


def whole_files(folder: Path) -> list[Ratio]:
    capture = written(folder / "a.pcap", SIZE)

    def raw() -> object:
        return sha256(capture.read_bytes()).digest()

    def to_arrow() -> object:
        return sum(len(batch) for _, batch in tables([str(capture)]))

    def to_parquet() -> object:
        return run_task(task_for(str(capture), ExportSettings(str(folder / "out"))))

    def to_sdk_columns() -> object:
        options = TableOptions(columns="sdk")
        return run_task(task_for(str(capture), ExportSettings(str(folder / "sdk"), options=options)))

    def frames() -> object:
        return sum(isinstance(report, DissectedFrame) for report in CaptureReader().read([capture.read_bytes()]))

    def synth() -> object:
        return written(folder / "b.pcap", 5 * SIZE)

    contestants = {
        "raw": raw,
        "frames": frames,
        "parts": parts_alone(capture, folder / "parts"),
        "arrow": to_arrow,
        "parquet": to_parquet,
        "sdk": to_sdk_columns,
        "synth": synth,
    }
    times = take_turns(contestants, rounds=5)
    rates = {name: f"{SIZE / taken / 1e6:.1f} MB/s" for name, taken in times.items()}
    return [
        Ratio("capture to Parquet / read and SHA-256", times["raw"] / times["parquet"], None, rates["parquet"]),
        Ratio(
            "capture to Parquet / ptars and pyarrow alone, bodies cut and rows made",
            times["parts"] / times["parquet"],
            0.6 if ftwire.compiled else None,
            rates["parts"],
        ),
        Ratio("capture to Parquet / to frames alone, one by one", times["frames"] / times["parquet"], None),
        Ratio("capture to Parquet / to Arrow only", times["arrow"] / times["parquet"], None, rates["arrow"]),
        Ratio("capture to Parquet, --columns sdk / all", times["parquet"] / times["sdk"], 1.2, rates["sdk"]),
        Ratio(
            "synth / 1 GB a minute of CPU",
            5 * SIZE / times["synth"] / (1e9 / 60),
            1.0,
            f"{5 * SIZE / times['synth'] / 1e6:.1f} MB/s",
        ),
    ]


def parts_alone(capture: Path, out: Path) -> Callable[[], object]:
    """Return work for the parts alone: ptars on bodies that are cut, and Parquet's writer on rows that are made."""
    collector = FrameCollector(TableOptions())
    reader = CaptureReader(columns=collector.columns)
    for each in reader.read([capture.read_bytes()]):
        collector.add(each)
    collected = collector.taken()
    rows = list(TableBuilder("a", TableOptions()).build(collected))
    config = ptars.PtarsConfig(list_nullable=True, list_value_nullable=True)
    work = []
    for key, batches in collected.messages.items():
        descriptor: Any = key.message_class.DESCRIPTOR
        handler = ptars.HandlerPool([descriptor.file], config=config).get_for_message(descriptor)
        work += [(handler, batch.bodies) for batch in batches]

    def both() -> object:
        for handler, bodies in work:
            handler.array_to_record_batch(bodies)
        with FileSet(Store(str(out)), "parts", "parquet", 0) as files:
            for table, batch in rows:
                files.add(table, batch)
        return files.names

    return both


def spent(inputs: Path, out: Path, jobs: int) -> tuple[float, float]:
    """Wall and CPU seconds of an export, its workers' included."""
    command = [sys.executable, "-m", "ftwire_tools.cli", "export", str(inputs), "-o", str(out), "-j", str(jobs)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def two_processes(folder: Path) -> list[Ratio]:
    """Measure wall time, which a busy machine distorts, and CPU time, from which it could be estimated."""
    inputs = folder / "several"
    inputs.mkdir()
    for seed in range(4):
        written(inputs / f"{seed}.pcap", LARGE_SIZE // 4, seed)
    alone, both = (min(spent(inputs, folder / f"several-{turn}-{jobs}", jobs) for turn in range(2)) for jobs in (1, 2))
    note = f"{LARGE_SIZE // 10**6} MB, {cores()} cores, load {os.getloadavg()[0]:.1f}"
    return [
        Ratio("four files: 2 processes / 1", alone[0] / both[0], 1.8, note),
        Ratio("four files: CPU of 1 process / of 2", alone[1] / both[1], 0.9, f"{alone[1]:.1f} s, {both[1]:.1f} s"),
    ]


def memory(folder: Path) -> list[Ratio]:
    sizes = (1_000_000_000, 5_000_000_000) if "--large" in sys.argv else (100_000_000, 300_000_000)
    peaks = []
    for size in sizes:
        capture = written(folder / "large.pcap", size)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(capture), str(folder / "large")],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout) * 1024)
    note = f"{peaks[0] / 1e6:.0f} MB, then {peaks[1] / 1e6:.0f} MB"
    return [Ratio(f"memory at {sizes[0] // 10**6} MB / at {sizes[1] // 10**6} MB", peaks[0] / peaks[1], 0.85, note)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = [*whole_files(folder), *two_processes(folder)]
        if not ftwire.compiled:
            # These do not use the core.
            report("export: bodies to rows", bodies_to_rows())
            whole += memory(folder)
        report("export: whole captures", with_core_named(whole))


if __name__ == "__main__":
    main()
