"""Commands over captures that are out of order or in parts, and selections that match nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from codec.test_order import RECORDED, as_pcap, as_pcapng, directions, packets_in, two_clients
from ftwire.frame import Role
from ftwire.pcap import Direction, TcpConversation
from ftwire_tools.commands import ftwire
from support.captures import CLIENT, SERVER, START, pcap, session
from support.places import ROOT

DAY = 86_400 * 10**9
PEM = ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem"


def run(*words: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(ftwire, [*map(str, words)], input=data)


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def without_file(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "file"}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Three parts of two sessions, one of them encrypted; the first is the last of them."""
    packets = two_clients()
    paths = [tmp_path / name for name in ("c.pcap", "a.pcapng", "b.pcap")]
    for path, part, write in zip(
        paths, (packets[14:], packets[:8], packets[8:14]), (as_pcap, as_pcapng, as_pcap), strict=True
    ):
        path.write_bytes(write(part))
    return paths


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.pcap"
    path.write_bytes(as_pcap(two_clients()))
    return path


class TestDump:
    def test_parts_are_one_capture(self, parts: list[Path], whole: Path) -> None:
        expected = objects(run("dump", "--json", "--key", PEM, whole))
        result = run("dump", "--json", "--key", PEM, *parts)
        assert result.exit_code == 0
        assert list(map(without_file, objects(result))) == expected
        assert [one["number"] for one in expected] == list(range(1, 11))
        ends = [str(parts[1])] * 8 + [str(parts[2])] * 6 + [str(parts[0])] * 99
        assert [one["file"] for one in objects(result)] == [ends[one["packet"] - 1] for one in expected]

    def test_lines_are_those_of_the_whole(self, parts: list[Path], whole: Path) -> None:
        lines = run("dump", "--key", PEM, *parts).stdout.splitlines()
        names = [f"--- {path}" for path in parts]
        assert [line for line in lines if line not in names] == run("dump", "--key", PEM, whole).stdout.splitlines()
        assert set(lines) & set(names)

    def test_ports_that_are_used_again_in_another_capture(self, tmp_path: Path) -> None:
        """Captures of two days have their own conversations, and numbers run through."""
        paths = [tmp_path / "tuesday.pcap", tmp_path / "monday.pcap"]
        for path, isn, day in ((paths[0], 77_000, 1), (paths[1], 1_000, 0)):
            said = [
                (Direction.A_TO_B if each.sender is Role.CLIENT else Direction.B_TO_A, each.data, START + day * DAY)
                for each in session()
            ]
            path.write_bytes(as_pcap(TcpConversation(CLIENT, SERVER, isns=(isn, isn + 9)).frames(said)))
        found = objects(run("dump", "--json", *paths))
        assert [one["number"] for one in found] == list(range(1, 11))
        assert [one["conversation"] for one in found] == [1] * 5 + [2] * 5
        assert [one["file"] for one in found] == [str(paths[1])] * 5 + [str(paths[0])] * 5

    def test_a_capture_played_again_on_another_day_is_a_copy(self, tmp_path: Path) -> None:
        """The same sequence numbers would pass for repetitions: nothing of them must be lost."""
        paths = [tmp_path / "first.pcap", tmp_path / "again.pcap"]
        for path, day in zip(paths, range(2), strict=True):
            path.write_bytes(as_pcap([(time + day * DAY, data) for time, data in two_clients()]))
        found = objects(run("dump", "--json", "--key", PEM, *paths))
        assert [one["number"] for one in found] == [*range(1, 11)] * 2
        assert [one["file"] for one in found] == [str(paths[0])] * 10 + [str(paths[1])] * 10

    def test_a_raw_stream_among_captures(self, parts: list[Path], tmp_path: Path) -> None:
        raw = tmp_path / "client.bin"
        raw.write_bytes(b"".join(said.data for said in session() if said.sender is Role.CLIENT))
        found = objects(run("dump", "--json", "--key", PEM, parts[0], raw, *parts[1:]))
        assert len(found) == 12
        assert [one["number"] for one in found if one["file"] == str(raw)] == [1, 2]
        assert [one["number"] for one in found if one["file"] != str(raw)] == list(range(1, 11))

    def test_more_parts_than_files_may_be_open(self, tmp_path: Path) -> None:
        packets = two_clients()
        paths = []
        for at in range(300):
            paths.append(tmp_path / f"{at:03}.pcap")
            paths[-1].write_bytes(as_pcap(packets[at : at + 1]))
        code = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, r.getrlimit(r.RLIMIT_NOFILE)[1]));"
        code += "from ftwire_tools.cli import main; raise SystemExit(main())"
        command = [sys.executable, "-c", code, "dump", "--json", "--key", str(PEM), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.count(b"\n") == 10

    def test_a_damaged_part_is_named(self, parts: list[Path]) -> None:
        parts[1].write_bytes(parts[1].read_bytes() + b"\xff" * 16)
        parts[0].write_bytes(parts[0].read_bytes()[:-3])
        result = run("dump", "--key", PEM, *parts)
        assert result.exit_code == 3
        assert f"--- {parts[1]}: " in result.stdout
        assert f"--- {parts[0]}: the file ends inside a record" in result.stdout

    def test_a_missing_part_and_one_that_is_no_capture(self, parts: list[Path], tmp_path: Path) -> None:
        missing = tmp_path / "no.pcap"
        result = run("dump", *parts, missing)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"Error: {missing}: No such file or directory\n"
        missing.write_bytes(gzip.compress(b"no capture at all"))
        result = run("dump", *parts, missing)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: {missing}: neither a capture")

    @pytest.mark.parametrize("path", RECORDED[:6], ids=lambda path: path.name)
    def test_a_file_out_of_order(self, path: Path, tmp_path: Path) -> None:
        packets, link_type = packets_in(path)
        ordered, other, packed = (tmp_path / name for name in ("ordered.pcap", "other.pcapng", "other.pcap.gz"))
        ordered.write_bytes(as_pcap(packets, link_type))
        other.write_bytes(as_pcapng(directions(packets), link_type))
        packed.write_bytes(gzip.compress(as_pcap(packets[::-1], link_type)))
        expected = run("dump", "--json", "--key", PEM, ordered)
        for each in (other, packed):
            result = run("dump", "--json", "--key", PEM, each)
            assert (result.stdout, result.stderr, result.exit_code) == (
                expected.stdout,
                expected.stderr,
                expected.exit_code,
            )

    def test_a_pipe_out_of_order(self, whole: Path) -> None:
        moved = as_pcap(two_clients()[::-1])
        at_once = piped("--key", str(PEM), data=moved)
        assert at_once.returncode in (0, 3)
        assert b"packets are not in order of time (--in-order or the file itself puts them in order)" in at_once.stdout
        held = piped("--key", str(PEM), "--in-order", data=moved)
        assert (held.returncode, held.stderr) == (0, b"")
        assert held.stdout.decode() == run("dump", "--key", PEM, whole).stdout


def piped(*words: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from ftwire_tools.cli import main; raise SystemExit(main())", "dump", *words, "-"]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


class TestOtherCommands:
    def test_explain_checks_parts_as_one(self, parts: list[Path], whole: Path) -> None:
        reports = [
            json.loads(line) for line in run("explain", "--json", "--all", "--key", PEM, *parts).stdout.splitlines()
        ]
        assert [report["file"] for report in reports] == list(map(str, parts))
        (expected,) = [
            json.loads(line) for line in run("explain", "--json", "--all", "--key", PEM, whole).stdout.splitlines()
        ]
        drawn = [frame for report in reports for frame in report["frames"]]
        assert sorted(drawn, key=lambda frame: frame["frame"]) == expected["frames"]
        assert len(drawn) == 10
        assert not any(report["findings"] for report in reports)

    def test_explain_finds_no_fault_in_disorder(self, tmp_path: Path) -> None:
        path = tmp_path / "merged.pcap"
        path.write_bytes(as_pcap(directions(two_clients())))
        result = run("explain", "--key", PEM, path)
        assert (result.exit_code, result.stdout) == (0, "10 frames, no mistake found.\n")

    def test_redact_writes_what_it_writes_of_the_ordered_file(self, whole: Path, tmp_path: Path) -> None:
        found = []
        other = tmp_path / "other.pcap"
        other.write_bytes(as_pcap(two_clients()[::-1]))
        for path in (whole, other):
            out = tmp_path / f"{path.stem}.pcapng"
            assert run("redact", "--key", PEM, "--seed", "1", path, "-w", out).exit_code == 0
            found.append(out.read_bytes())
        assert found[0] == found[1]

    def test_export_joins_parts(self, parts: list[Path], whole: Path, tmp_path: Path) -> None:
        pq = pytest.importorskip("pyarrow.dataset")

        def rows(*words: str | Path) -> tuple[list[dict[str, Any]], str]:
            out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
            result = run("export", "-o", out, "--key", PEM, *words)
            assert result.exit_code == 0, result.output
            table = pq.dataset(out / "time_share", partitioning="hive").to_table()
            return sorted(map(without_file, table.to_pylist()), key=repr), result.stdout

        expected, _ = rows(whole)
        found, text = rows("--join", *parts)
        assert found == expected
        assert text.startswith("1 of 1 inputs, 10 frames\n")

    def test_an_export_of_protocols_that_are_not_there(self, whole: Path, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        result = run("export", "-o", tmp_path / "out", "--key", PEM, "--proto", "Trd_GetFunds", whole)
        assert result.exit_code == 0
        assert "--proto Trd_GetFunds: no frame in these inputs matches" in result.stderr

    def test_a_joined_export_is_not_done_twice(self, parts: list[Path], tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        words = ("export", "--join", "-o", tmp_path / "out", "--key", PEM)
        assert run(*words, *parts).exit_code == 0
        assert "1 done before" in run(*words, *parts[::-1]).stdout
        parts[0].write_bytes(parts[0].read_bytes() + parts[0].read_bytes()[24:])
        assert "done before" not in run(*words, *parts).stdout


class TestSelectionsThatMatchNothing:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--code", "700"), "--code 700: nothing in the capture matches; did you mean HK.00700?"),
            (("--code", "HK.00701"), "--code HK.00701: nothing in the capture matches; did you mean HK.00700?"),
            (("--code", "US.X"), "--code US.X: nothing in the capture matches; it has HK.00700"),
            (
                ("--conn", "9"),
                "--conn 9: nothing in the capture matches; it has 1 (127.0.0.1:50112 -> 127.0.0.1:11111)",
            ),
            (
                ("--proto", "Qot_UpdateKL"),
                "--proto Qot_UpdateKL: nothing in the capture matches; did you mean Qot_UpdateRT?",
            ),
            (("--proto", "9999"), "--proto 9999: nothing in the capture matches; it has InitConnect, Qot_GetRT, Qot_"),
            (
                ("--since", "2030-01-01"),
                "--since: no frame is that late; the last is of 2021-06-09 UTC 01:30:00.004",
            ),
            (("--until", "2000-01-01"), "--until: no frame is that early; the first is of 2021-06-09 UTC 01:30:00.0"),
            (("--kind", "push", "--proto", "1001"), "no frame meets all conditions; each of them alone is met by some"),
        ],
    )
    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_they_are_said_with_what_there_is(self, options: Sequence[str], said: str, form: Sequence[str]) -> None:
        result = run("dump", *options, *form, "-", data=pcap(session()))
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith(f"ftwire: {said}")
        assert result.stderr.count("\n") == 1

    def test_each_of_several_is_said(self) -> None:
        words = ("--code", "HK.00700", "--code", "5", "--proto", "Qot_*", "--proto", "Trd_GetFunds")
        result = run("dump", *words, "-", data=pcap(session()))
        assert result.stdout.count("HK.00700") == 3
        assert [line.split(":")[1] for line in result.stderr.splitlines()] == [" --proto Trd_GetFunds", " --code 5"]

    @pytest.mark.parametrize("options", [("--errors",), ("--code", "00700"), ("--conn", ":11111"), ("--kind", "push")])
    def test_nothing_is_said_where_all_is_well(self, options: Sequence[str]) -> None:
        result = run("dump", *options, "-", data=pcap(session()))
        assert (result.exit_code, result.stderr) == (0, "")

    def test_a_side_is_for_the_bytes_of_one(self) -> None:
        result = run("dump", "--from", "client", "-", data=pcap(session()))
        assert (result.exit_code, result.stderr) == (0, "ftwire: -: --from does nothing: a capture has both sides\n")
        raw = b"".join(said.data for said in session() if said.sender is Role.CLIENT)
        assert run("dump", "--from", "client", "-", data=raw).stderr == ""

    def test_a_protocol_that_does_not_exist_has_neighbours(self) -> None:
        result = run("dump", "--proto", "Qot_GetRTT", "-", data=b"")
        assert result.exit_code == 2
        assert "no protocol is called 'Qot_GetRTT'; did you mean Qot_GetRT" in result.stderr
