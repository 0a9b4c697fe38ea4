"""One capture exported in steps by several processes: to the byte what a single one writes."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.dataset as ds
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.cipher import RsaKey
from ftwire.pcap import Endpoint, Limits, PcapngWriter
from ftwire_tools.commands._group import ftwire
from ftwire_tools.export import agenda as agendas
from ftwire_tools.export import engines, work
from ftwire_tools.export.agenda import Agenda
from ftwire_tools.export.manifest import Outcome
from ftwire_tools.export.progress_report import Report
from ftwire_tools.export.steps import PartStep, Result, Step, Trouble, WholeStep
from ftwire_tools.export.task import Settings, run_task, task_for
from ftwire_tools.export.work import perform
from ftwire_tools.synthetic.day import Plan, write_capture
from support.captures import START, Said, answered, packets, pcap_of, push, session
from support.frames import rt_response
from support.places import ROOT

FIXTURES = ROOT / "fixtures"
CAPTURES = sorted(path for path in (FIXTURES / "captures").iterdir() if path.suffix in {".pcap", ".pcapng"})
KEYS = tuple(path.read_bytes() for path in sorted((FIXTURES / "keys").glob("TEST-ONLY-*.pem")))


def synth(path: Path, size: int, seed: int = 1, **options: Any) -> Path:
    with path.open("wb") as file:
        write_capture(Plan(size, seed, **options), file.write, lambda _size, _frames: None)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Everything that was written, the manifest included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_steps(path: Path, out: Path, jobs: int, said: list[str] | None = None, **options: Any) -> Counter[type[Step]]:
    """Do all steps, the newest first, here; return how many there were of each kind."""
    task = task_for(str(path), Settings(str(out), **options))
    agenda = Agenda([task], {task: path.stat().st_size}, jobs, (said if said is not None else list[str]()).append)
    done: Counter[type[Step]] = Counter()
    outcomes = []
    while agenda.is_waiting:
        step = agenda.next()
        done[type(step)] += 1
        outcome = agenda.done(step, perform(step))
        if outcome is not None:
            outcomes.append(outcome)
    assert len(outcomes) == 1
    assert agenda.under_way == (0, 0)
    return done


def agrees(path: Path, jobs: int, parts: int = 5, **options: Any) -> Counter[type[Step]]:
    """Compare steps with a single process, blocks being a share of the file."""
    block = max(path.stat().st_size // parts, 1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        run_task(task_for(str(path), Settings(str(folder / "one"), block=block, **options)))
        done = in_steps(path, folder / "split", jobs, block=block, **options)
        one, split = tree(folder / "one"), tree(folder / "split")
        assert one == split
        assert any("_manifest" in name for name in one)
    return done


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_captures_of_real_clients(path: Path) -> None:
    assert agrees(path, 2, key_pems=KEYS, show_secrets=True)[WholeStep] == 0


@pytest.mark.parametrize("jobs", [2, 3, 7])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.pcap", {"connections": 5}),
        ("a.pcapng", {"connections": 12, "loss": 0.03, "days": 3}),
        ("a.pcap", {"connections": 4, "market": "US", "symbols": 3, "loss": 0.2}),
    ],
)
def test_made_up_captures(tmp_path: Path, jobs: int, name: str, options: dict[str, Any]) -> None:
    path = synth(tmp_path / name, 700_000, kind=name[2:], **options)
    done = agrees(path, jobs)
    assert done[PartStep] == min(jobs, options["connections"])
    assert done[WholeStep] == 0


def test_an_encrypted_capture_whose_key_is_given(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 400_000, connections=4, key=RsaKey.from_pem(KEYS[0]), symbols=3)
    assert agrees(path, 2, key_pems=KEYS[:1])[PartStep] == 2
    assert agrees(path, 2)[PartStep] == 2  # and one whose key is not


def test_a_compressed_capture(tmp_path: Path) -> None:
    plain = synth(tmp_path / "a.pcap", 600_000, connections=5, loss=0.01)
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    assert agrees(path, 3)[PartStep] == 3
    path.write_bytes(path.read_bytes()[:-5000])  # cut inside its last member
    assert agrees(path, 3)[PartStep] == 3


@pytest.mark.parametrize("options", [{"protocols": frozenset({3011})}, {"explode": True}, {"format": "jsonl"}])
def test_whatever_is_asked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    agrees(synth(tmp_path / "a.pcap", 400_000, connections=3, symbols=4), 2, **options)


@pytest.mark.parametrize("spoilt", ["cut", "garbage", "links"])
def test_damaged_files(tmp_path: Path, spoilt: str) -> None:
    path = synth(tmp_path / "a.pcapng", 300_000, connections=3, symbols=3, kind="pcapng")
    data = path.read_bytes()
    if spoilt == "cut":
        data = data[:-13]
    elif spoilt == "garbage":
        data = data[:200_000] + b"\xff" * 100
    else:
        writer = PcapngWriter()
        other = writer.section() + writer.interface(147) + writer.packet(START, b"what is this")
        data += other + other
    path.write_bytes(data)
    assert agrees(path, 2)[PartStep] == 2


def test_pieces_are_cut_where_one_process_cuts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = synth(tmp_path / "a.pcap", 400_000, connections=5, loss=0.05)
    monkeypatch.setattr("ftwire_tools.export.frame_columns.MAX_BYTES", 9_000)
    monkeypatch.setattr("ftwire_tools.export.frame_columns.MAX_ROWS", 70)
    monkeypatch.setattr("ftwire_tools.export.work.SPOOL_BYTES", 2_000)
    monkeypatch.setattr("ftwire_tools.export.formats.MAX_PENDING", 50_000)
    assert agrees(path, 4)[WholeStep] == 0


ENDS = [Endpoint(bytes([10, 0, 0, number]), 50000 + number) for number in range(1, 4)]
ENDS.append(Endpoint(bytes(15) + b"\x07", 50007))


@st.composite
def spoilt_traffic(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Packets of several connections, ends used again and again, mixed, lost, repeated, late, cut."""
    connections = []
    for client in draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=5)):
        said: list[Said] = session()
        said += [answered(3009, number, push()) for number in range(draw(st.integers(0, 4)))]
        if draw(st.booleans()):
            said.append(answered(3008, 9, rt_response().SerializeToString()[:-3]))
        if draw(st.integers(0, 3)) == 0:
            said = [Said(each.sender, b"no frames at all") for each in said]
        server = Endpoint(bytes(len(client.packed) - 1) + b"\x63", 11111)
        connections.append([frame for _, frame in packets(said, client, server)])
    mixed: list[bytes] = []
    while any(connections):
        one = draw(st.sampled_from([each for each in connections if each]))
        mixed.append(one.pop(0))
    for _ in range(draw(st.integers(0, 6))):
        at, change = draw(st.integers(0, len(mixed) - 1)), draw(st.sampled_from(["lose", "repeat", "move", "cut"]))
        frame = mixed[at] if change == "repeat" else mixed.pop(at)
        if change == "cut":
            mixed.insert(at, frame[: draw(st.integers(0, len(frame)))])
        elif change != "lose":
            mixed.insert(draw(st.integers(0, len(mixed))), frame)
        if not mixed:
            mixed.append(frame)
    return [(START + 1000 * at, frame) for at, frame in enumerate(mixed)]


@settings(max_examples=40)
@given(spoilt_traffic(), st.integers(2, 4), st.integers(1, 6), st.integers(0, 40))
def test_any_traffic(frames: list[tuple[int, bytes]], jobs: int, parts: int, cut: int) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "a.pcap"
        data = pcap_of(frames)
        path.write_bytes(data[: len(data) - cut])
        agrees(path, jobs, parts)


def test_a_dominating_connection_is_read_by_one_and_told(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, symbols=3)
    said: list[str] = []
    done = in_steps(path, tmp_path / "out", 4, said, block=50_000)
    assert (done[PartStep], done[WholeStep]) == (1, 0)
    assert said == [
        f"{path}: one connection has 100% of the bytes: read by 1 of 4 processes, converted by all",
    ]


def test_what_is_no_capture_is_left_to_one_process(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(b"hello, world" * 1000)
    assert agrees(path, 2)[WholeStep] == 1
    path.write_bytes(b"".join(each.data for each in session()[1::2]) * 100)  # a bare stream of frames
    assert agrees(path, 2)[WholeStep] == 1


def holes(client: Endpoint) -> list[bytes]:
    """A connection of which much waits for a piece that never comes."""
    said = [*session()[:2], *(answered(3009, number, b"x" * 30_000) for number in range(40))]
    return [frame for at, (_, frame) in enumerate(packets(said, client)) if at != 7]


def test_where_too_much_waits_one_process_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Limits):
        def __init__(self, **_: Any) -> None:
            super().__init__(max_buffered_bytes=20_000)

    both = [holes(client) for client in ENDS[:2]]
    mixed = [frame for pair in zip(*both, strict=True) for frame in pair]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_of((START + at, frame) for at, frame in enumerate(mixed)))
    monkeypatch.setattr(work, "Limits", Small)
    assert agrees(path, 2)[WholeStep] == 1


def test_more_connections_than_are_followed_are_left_to_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Few:
        max_flows = 3

    path = synth(tmp_path / "a.pcap", 200_000, connections=4, symbols=2)
    monkeypatch.setattr(agendas, "Limits", Few)
    done = agrees(path, 2)
    assert (done[PartStep], done[WholeStep]) == (2, 1)


def in_processes(path: Path, out: Path, run: Any = None, block: int = 50_000) -> list[Outcome]:
    task = task_for(str(path), Settings(str(out), block=block))
    sizes = {task: path.stat().st_size}
    return list(engines.run_on_all_cores([task], sizes, Report(1, sizes[task]), 2, run))


def test_two_processes_write_what_one_does(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 600_000, connections=4, loss=0.01)
    (found,) = in_processes(path, tmp_path / "two")
    one = run_task(task_for(str(path), Settings(str(tmp_path / "one"), block=50_000)))
    assert found == one
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def crash_always(step: Step, _slot: int) -> Result:
    if isinstance(step, PartStep | WholeStep):
        os.kill(os.getpid(), signal.SIGKILL)
    return perform(step)


def crash_in_parts(step: Step, _slot: int) -> Result:
    if isinstance(step, PartStep) and step.number:
        os.kill(os.getpid(), signal.SIGKILL)
    return perform(step)


def fail_in_parts(step: Step, _slot: int) -> Result:
    return Trouble("of some kind") if isinstance(step, PartStep) else perform(step)


def test_a_capture_whose_part_ends_its_process_is_quarantined_as_a_whole(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, connections=4)
    (found,) = in_processes(path, tmp_path / "out", crash_always)
    assert (found.status, found.error) == ("quarantined", "it ended the process that read it")
    assert list(tree(tmp_path / "out")) == [f"_manifest/{found.task}.json"]


@pytest.mark.parametrize("run", [crash_in_parts, fail_in_parts])
def test_a_capture_whose_part_fails_is_done_by_one_process(tmp_path: Path, run: Any) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, connections=4)
    (found,) = in_processes(path, tmp_path / "out", run)
    assert found.is_clean
    run_task(task_for(str(path), Settings(str(tmp_path / "one"), block=50_000)))
    assert tree(tmp_path / "one") == tree(tmp_path / "out")


def test_what_a_stopped_run_left_is_taken_away(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, connections=4)
    task = task_for(str(path), Settings(str(tmp_path / "out"), block=50_000))
    agenda = Agenda([task], {task: path.stat().st_size}, 2, list[str]().append)
    while agenda.is_waiting:
        step = agenda.next()
        if isinstance(step, PartStep) and step.number == 1:
            break  # killed here
        agenda.done(step, perform(step))
    assert [name for name in tree(tmp_path / "out") if name.startswith(".partial")]
    in_steps(path, tmp_path / "out", 2, block=50_000)
    run_task(task_for(str(path), Settings(str(tmp_path / "one"), block=50_000)))
    assert tree(tmp_path / "one") == tree(tmp_path / "out")


def sized(sizes: Iterable[int]) -> dict[Any, int]:
    return {task_for(f"{at}.pcap", Settings("out", block=100)): size for at, size in enumerate(sizes)}


@pytest.mark.parametrize(
    ("sizes", "jobs", "split"),
    [
        ([1000], 2, [True]),
        ([1000], 1, [False]),
        ([99], 2, [False]),  # a single block
        ([1000] * 10, 2, [False] * 10),  # enough for all
        ([1000] * 3, 2, [True] * 3),
        ([5000, 200, 200, 200], 4, [True, False, False, False]),
    ],
)
def test_only_what_would_keep_others_waiting_is_split(sizes: list[int], jobs: int, split: list[bool]) -> None:
    tasks = sized(sizes)
    assert [agendas.is_to_be_split(task, tasks, jobs) for task in tasks] == split


def test_numbers_are_those_of_the_dump(tmp_path: Path) -> None:
    """Frames and connections of a split capture, from an independent reader of the same file."""
    path = synth(tmp_path / "a.pcap", 500_000, connections=6, loss=0.01)
    in_steps(path, tmp_path / "out", 3, block=90_000)
    rows = ds.dataset(tmp_path / "out" / "ticker", partitioning="hive").to_table().to_pylist()
    dumped = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
    lines = {line["number"]: line for line in map(json.loads, dumped) if line["proto_id"] == 3011}
    assert {row["frame"] for row in rows} == set(lines)
    for row in rows:
        line = lines[row["frame"]]
        assert row["connection"] == line["conversation"]
        item = line["body"]["s2c"]["tickerList"][row["row"]]
        assert (row["sequence"], row["price"]) == (int(item["sequence"]), item["price"])


def test_a_stream_can_only_be_read_once(tmp_path: Path) -> None:
    """Standard input is never split, however much there is."""
    data = io.BytesIO(synth(tmp_path / "a.pcap", 100_000).read_bytes())
    result = CliRunner().invoke(ftwire, ["export", "-", "-o", str(tmp_path / "out"), "-j", "4"], input=data)
    assert result.exit_code == 0, result.stderr


def test_blocks_are_made_while_parts_read_on(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, connections=4)
    task = task_for(str(path), Settings(str(tmp_path / "out"), block=50_000))
    agenda = Agenda([task], {task: path.stat().st_size}, 2, list[str]().append)
    for _ in range(2):
        step = agenda.next()
        agenda.done(step, perform(step))
    parts = [agenda.next(), agenda.next()]
    results = [perform(parts[0])]
    agenda.look()
    assert not agenda.is_waiting
    results.append(perform(parts[1]))
    agenda.look()
    blocks = 0
    while agenda.is_waiting:
        step = agenda.next()
        assert agenda.done(step, perform(step)) is None
        blocks += 1
    assert blocks >= 6
    assert agenda.done(parts[0], results[0]) is None
    outcome = agenda.done(parts[1], results[1])
    assert outcome == run_task(task_for(str(path), Settings(str(tmp_path / "one"), block=50_000)))
    assert tree(tmp_path / "one") == tree(tmp_path / "out")


@pytest.mark.parametrize("kept", [0, 0.5])
def test_what_was_written_down_and_is_not_all_there_is_left_to_one_process(tmp_path: Path, kept: float) -> None:
    """A stream that ends between two of its batches ends like any other: it is counted."""
    path = synth(tmp_path / "a.pcap", 300_000, connections=2)
    task = task_for(str(path), Settings(str(tmp_path / "out"), block=150_000))
    agenda = Agenda([task], {task: path.stat().st_size}, 2, list[str]().append)
    done: Counter[type[Step]] = Counter()
    outcome = None
    while agenda.is_waiting:
        step = agenda.next()
        done[type(step)] += 1
        result = perform(step)
        if isinstance(step, PartStep):
            spool = next((tmp_path / "out" / ".partial" / task.name / "spool").glob(f"00000-{step.number}.arrow"))
            spool.write_bytes(spool.read_bytes()[: int(spool.stat().st_size * kept)])
        outcome = agenda.done(step, result) or outcome
    assert done[WholeStep] == 1
    assert outcome == run_task(task_for(str(path), Settings(str(tmp_path / "one"), block=150_000)))
    assert tree(tmp_path / "one") == tree(tmp_path / "out")


def test_a_remote_output_is_written_in_steps_too(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 200_000, connections=2, symbols=3)
    task = task_for(f"file://{path}", Settings(f"file://{tmp_path}/split", block=70_000))
    agenda = Agenda([task], {task: path.stat().st_size}, 2, list[str]().append)
    outcomes = []
    while agenda.is_waiting:
        step = agenda.next()
        assert not isinstance(step, WholeStep)
        outcomes.append(agenda.done(step, perform(step)))
    assert outcomes[-1] == run_task(task_for(f"file://{path}", Settings(f"file://{tmp_path}/one", block=70_000)))
    assert tree(tmp_path / "one") == tree(tmp_path / "split")
