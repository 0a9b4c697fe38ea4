"""``-Y`` of the commands, and captures of what is shown: ``dump -w``."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ftwire
from ftwire.capture import DissectedFrame
from ftwire.cipher import RsaKey
from ftwire_tools.commands import ftwire as cli
from support.captures import START, answered, asked, packets, pcap, pcap_of, session
from support.command import FTWIRE
from support.frames import rt_request
from support.places import ROOT
from support.programs import Program

CAPTURES = sorted(path for path in (ROOT / "fixtures" / "captures").iterdir() if path.suffix in (".pcap", ".pcapng"))
KEYS = sorted((ROOT / "fixtures" / "keys").glob("TEST-ONLY-[0-9]*.pem"))
PEMS = [path.read_text() for path in KEYS]
PLAIN = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"


def run(*words: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)], input=data)


def numbers(result: Result) -> list[int]:
    return [json.loads(line)["number"] for line in result.stdout.splitlines()]


def facts(frame: DissectedFrame) -> tuple[Any, ...]:
    """Return what two captures of one frame have in common."""
    ends = frame.conversation.ends(frame.sender)
    return frame.time, ends, frame.kind, frame.encryption, frame.frame.encode(), frame.frame.body


class TestDump:
    def test_options_are_short_for_expressions(self) -> None:
        for options, expression in (
            (["--proto", "Qot_Get*,1001"], "proto ~ Qot_Get* or proto == 1001"),
            (["--kind", "push", "--kind", "request"], "kind in {push, request}"),
            (["--code", "hk.00700"], "code == HK.00700"),
            (["--conn", "1"], "conversation == 1"),
            (["--conn", ":11111"], "client == :11111 or server == :11111"),
            (["--since", "2026-11-22T08:02:33.2"], "time >= 2026-11-22T08:02:33.2"),
            (["--until", "2026-11-22T08:02:33.2"], "not time > 2026-11-22T08:02:33.2"),
            (["--errors"], "error"),
        ):
            short = numbers(run("dump", "--json", *options, PLAIN))
            assert short == numbers(run("dump", "--json", "-Y", expression, PLAIN)), options
            both = run("dump", "--json", *options, "-Y", "kind == push", PLAIN)
            assert numbers(both) == numbers(run("dump", "--json", "-Y", f"({expression}) and kind == push", PLAIN))

    def test_a_mistake_is_wrong_usage_and_shows_its_place(self) -> None:
        result = run("dump", "-Y", "kind = push", PLAIN)
        assert result.exit_code == 2
        assert result.stderr.endswith("(column 6)\n  kind = push\n       ^\n")

    def test_what_matches_nothing_is_told(self) -> None:
        result = run("dump", "-Y", "serial == 77", PLAIN)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "ftwire: -Y: no frame in the capture matches\n"

    def test_secrets_are_compared_only_where_they_are_shown(self) -> None:
        refused = run("dump", "-Y", "s2c.loginUserID > 0", PLAIN)
        assert refused.exit_code == 2
        assert "--show-secrets" in refused.stderr
        assert numbers(run("dump", "--json", "--show-secrets", "-Y", "s2c.loginUserID > 0", PLAIN)) == [2]

    def test_requests_without_an_answer_take_a_file(self, tmp_path: Path) -> None:
        capture = pcap([*session(), asked(3008, 9, rt_request())])
        path = tmp_path / "one.pcap"
        path.write_bytes(capture)
        assert numbers(run("dump", "--json", "-Y", "unanswered", path)) == [6]
        assert numbers(run("dump", "--json", "-Y", "kind == request and not unanswered", path)) == [1, 3]
        refused = subprocess.run(
            [*FTWIRE, "dump", "-Y", "unanswered", "-"],
            input=capture,
            capture_output=True,
        )
        assert refused.returncode == 2
        assert b"read to its end" in refused.stderr


class TestRecord:
    def test_it_needs_something_that_is_shown(self, tmp_path: Path) -> None:
        result = run("record", "--to", "127.0.0.1:1", "-w", tmp_path / "x.pcapng", "--quiet", "-Y", "error")
        assert result.exit_code == 2
        assert "everything is recorded" in result.stderr

    @pytest.mark.parametrize("command", ["record", "export"])
    def test_what_comes_later_cannot_decide(self, command: str, tmp_path: Path) -> None:
        words = {
            "record": ["--to", "127.0.0.1:1", "-w", str(tmp_path / "x.pcapng"), "--dump"],
            "export": [str(PLAIN), "-o", str(tmp_path / "out")],
        }
        result = run(command, *words[command], "-Y", "unanswered")
        assert result.exit_code == 2
        assert "read to its end" in result.stderr
        assert not list(tmp_path.iterdir())


class TestExport:
    def test_rows_are_those_of_the_frames_that_match(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        expression = "code == HK.00700 and kind == push"
        result = run("export", PLAIN, "-o", tmp_path / "out", "--format", "jsonl", "-Y", expression)
        assert result.exit_code == 0, result.output
        rows = [
            json.loads(line)
            for path in (tmp_path / "out").rglob("*.jsonl")
            for line in path.read_text().splitlines()
            if '"number"' in line
        ]
        shown = numbers(run("dump", "--json", "-Y", expression, PLAIN))
        assert sorted({row["number"] for row in rows}) == shown
        assert shown

    def test_responses_keep_the_number_of_a_request_that_does_not_match(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        result = run("export", PLAIN, "-o", tmp_path / "out", "--format", "jsonl", "-Y", "number == 6")
        assert result.exit_code == 0, result.output
        rows = [
            json.loads(line) for path in (tmp_path / "out").rglob("*.jsonl") for line in path.read_text().splitlines()
        ]
        assert {(row["number"], row["request"]) for row in rows if "request" in row} == {(6, 5)}


FILTERS = [
    "proto ~ Qot_Get*",
    "kind == push",
    "kind == request",
    "code == HK.00700 or error",
    "number > 3",
    "number > 0",
]


class TestWrittenCapture:
    @pytest.mark.sampled(4)
    @pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
    def test_it_has_the_frames_that_were_shown(self, capture: Path, tmp_path: Path) -> None:
        keys = [word for path in KEYS for word in ("--key", str(path))]
        before = {frame.number: frame for frame in ftwire.read(str(capture), keys=PEMS)}
        for expression in FILTERS:
            path = tmp_path / "shown.pcapng"
            result = run("dump", "--json", *keys, "-Y", expression, "-w", path, "--overwrite", capture)
            assert result.exit_code == 0, result.output
            shown = [facts(before[number]) for number in numbers(result)]
            again = list(ftwire.read(str(path), keys=PEMS))
            added = [frame for frame in again if facts(frame) not in shown]
            assert all(frame.proto_id == 1001 and frame.encryption == "rsa" for frame in added), expression
            assert [facts(frame) for frame in again if frame not in added] == shown
            if expression == "number > 0":
                assert [frame.latency for frame in again] == [frame.latency for frame in before.values()]
            written = run("dump", *keys, path)
            assert written.exit_code == 0, written.output
            assert written.stderr == "" or not shown

    @pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
    def test_tshark_finds_the_same_bytes(self, tshark: Program, capture: Path, tmp_path: Path) -> None:
        path = tmp_path / "shown.pcapng"
        assert run("dump", "-Y", "kind == push", "-w", path, capture).exit_code in (0, 3)
        fields = ["tcp.payload", "tcp.analysis.flags", "frame.time_epoch"]
        lines = tshark("-r", path, "-T", "fields", *(word for name in fields for word in ("-e", name))).splitlines()
        rows = [line.split("\t") for line in lines]
        assert all(not row[1] for row in rows)
        sent = bytes.fromhex("".join(row[0].replace(",", "").replace(":", "") for row in rows))
        for frame in ftwire.read(str(path)):
            assert frame.frame.encode() in sent

    def test_only_its_owner_can_read_it_and_a_file_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "shown.pcapng"
        result = run("dump", "-Y", "number == 4", "-w", path, PLAIN)
        assert result.exit_code == 0
        assert "shown.pcapng: 1 frame, with every secret" in result.stderr
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        content = path.read_bytes()
        refused = run("dump", "-w", path, PLAIN)
        assert refused.exit_code == 1
        assert "exists (--overwrite)" in refused.stderr
        assert path.read_bytes() == content
        assert run("dump", "-w", path, "--overwrite", PLAIN).exit_code == 0
        assert len(list(ftwire.read(str(path)))) == len(list(ftwire.read(str(PLAIN))))
        assert [each.name for each in tmp_path.iterdir()] == ["shown.pcapng"]

    def test_parts_become_one(self, tmp_path: Path) -> None:
        sent = packets(session())
        parts = [tmp_path / "b.pcap", tmp_path / "a.pcap"]
        parts[0].write_bytes(pcap_of(sent[6:]))
        parts[1].write_bytes(pcap_of(sent[:6]))
        path = tmp_path / "shown.pcapng"
        assert run("dump", "-w", path, *parts).exit_code == 0
        whole = ftwire.read(pcap(session()))
        assert [facts(frame) for frame in ftwire.read(str(path))] == [facts(frame) for frame in whole]

    def test_bytes_in_no_frame_are_written(self, tmp_path: Path) -> None:
        begin = session()
        capture = pcap([*begin, begin[4].__class__(begin[4].sender, b"noise" * 20), answered(3009, 0, b"")])
        path = tmp_path / "shown.pcapng"
        before = run("dump", "-w", path, "-", data=capture)
        again = run("dump", path)
        assert before.exit_code == again.exit_code == 3
        # Of a file, unlike of standard input, the mistake is found as well.
        assert again.stdout.startswith(before.stdout)

    def test_a_stream_has_no_addresses(self, tmp_path: Path) -> None:
        path = tmp_path / "shown.pcapng"
        result = run("dump", "-w", path, "-", data=b"".join(each.data for each in session()))
        assert result.exit_code == 1
        assert "no addresses" in result.stderr
        assert not list(tmp_path.iterdir())

    def test_nothing_is_kept_of_a_handshake_that_nothing_needs(self, tmp_path: Path) -> None:
        key = RsaKey.from_pem(PEMS[0])
        path = tmp_path / "shown.pcapng"
        for said, count in ((session(), 1), (session(key), 3)):
            result = run(
                "dump", "--key", KEYS[0], "-Y", "kind == push", "--overwrite", "-w", path, "-", data=pcap(said)
            )
            assert result.exit_code == 0
            frames = list(ftwire.read(str(path), keys=PEMS))
            assert len(frames) == count
            assert frames[-1].message is not None
            assert frames[-1].time >= START
