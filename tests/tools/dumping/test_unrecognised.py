"""Connections that look like this protocol and hold no frame, captures without a conversation: all commands say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftwire.frame import Role
from ftwire.pcap import Endpoint
from ftwire_tools.commands import ftwire
from support.captures import CLIENT, Said, packets, pcap, pcap_of, session

ELSEWHERE = Endpoint(b"\x0a\0\0\x01", 21313)
OPEND = ELSEWHERE._replace(port=33333)
GOOD = session()[2].data
BIG_ENDIAN = b"FT" + GOOD[5:1:-1] + GOOD[6:8] + GOOD[11:7:-1] + GOOD[15:11:-1] + GOOD[16:]
BROKEN = {
    "big-endian": BIG_ENDIAN,
    "padded": b"FT\0\0" + GOOD[2:],
    "36 bytes": GOOD[:36] + GOOD[44:],
    "lower case": b"ft" + GOOD[2:],
    "magic as a number": b"TF" + GOOD[2:],
    "no magic": GOOD[2:],
    "hexadecimal": GOOD.hex().encode(),
}
WEB = [Said(Role.CLIENT, b"GET / HTTP/1.1\r\n\r\n"), Said(Role.SERVER, b"HTTP/1.1 200 OK\r\n\r\n")]
TLS = [Said(Role.CLIENT, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)))]

NAMED = "127.0.0.1:50112 -> 10.0.0.1:21313: no frame in 57 bytes and 0 in reply, which look like OpenD's protocol: "
BIG_ENDIAN_TEXT = '"FT" and protocol ID 3008 (Qot_GetRT) in big-endian order'
FINDING = (
    "The header's numbers are big-endian. Read in big-endian nProtoID is 3008 and nSerialNo is 2 and nBodyLen is 13, "
    "and the SHA-1 agrees. [big_endian_header, client]"
)


def run(*words: object) -> Result:
    return CliRunner().invoke(ftwire, [str(word) for word in words])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.pcap"
    path.write_bytes(pcap([Said(Role.CLIENT, BIG_ENDIAN)], server=ELSEWHERE))
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good conversation, one of a broken client, and a web page."""
    path = tmp_path / "mixed.pcap"
    frames = [
        *packets(session()),
        *packets([Said(Role.CLIENT, BIG_ENDIAN)], server=ELSEWHERE),
        *packets(WEB, server=ELSEWHERE._replace(port=80)),
    ]
    path.write_bytes(pcap_of(sorted(frames, key=lambda each: each[0])))
    return path


@pytest.fixture
def web(tmp_path: Path) -> Path:
    path = tmp_path / "web.pcap"
    path.write_bytes(pcap(WEB, server=ELSEWHERE))
    return path


class TestDump:
    def test_it_names_them_and_points_to_explain(self, broken: Path) -> None:
        result = run("dump", broken)
        assert result.exit_code == 3
        assert result.stdout.splitlines() == [
            f"--- {NAMED}{BIG_ENDIAN_TEXT}",
            f"--- a connection looks like OpenD's protocol and could not be decoded: see ftwire explain {broken}",
            f"--- {NAMED.partition(': ')[0]}: {FINDING}; see ftwire explain {broken}",
        ]
        assert result.stderr == f"ftwire: {broken}: no conversation with OpenD: 1 connection looks like one\n"

    def test_beside_json_it_does_so_on_standard_error(self, broken: Path) -> None:
        result = run("dump", "--json", broken)
        assert (result.exit_code, result.stdout) == (3, "")
        assert f"ftwire: {NAMED}{BIG_ENDIAN_TEXT}\n" in result.stderr
        assert f"see ftwire explain {broken}\n" in result.stderr

    def test_among_good_conversations(self, mixed: Path) -> None:
        result = run("dump", "--json", mixed)
        assert result.exit_code == 3
        assert [json.loads(line)["number"] for line in result.stdout.splitlines()] == [1, 2, 3, 4, 5]
        assert result.stderr.splitlines() == [
            f"ftwire: {NAMED}{BIG_ENDIAN_TEXT}",
            f"ftwire: a connection looks like OpenD's protocol and could not be decoded: see ftwire explain {mixed}",
            f"ftwire: {NAMED.partition(': ')[0]}: {FINDING}; see ftwire explain {mixed}",
        ]

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["--conn", ":21313"], 3),
            (["--conn", ":11111"], 0),
            (["--conn", "1"], 0),
            (["--until", "2020-01-01"], 0),
            (["--errors"], 3),
        ],
    )
    def test_the_filters_of_place_choose_among_them(self, mixed: Path, words: list[str], code: int) -> None:
        result = run("dump", *words, mixed)
        assert result.exit_code == code
        assert (NAMED in result.stdout) == (code == 3)

    def test_a_capture_without_conversation_says_what_it_holds(self, web: Path, tmp_path: Path) -> None:
        for words in ([], ["--json"]):
            result = run("dump", *words, web)
            assert (result.exit_code, result.stdout) == (0, "")
            assert result.stderr == (
                f"ftwire: {web}: no conversation with OpenD: 1 connection carries something else or nothing\n"
            )
        empty = tmp_path / "empty.pcap"
        empty.write_bytes(pcap_of([]))
        assert run("dump", empty).stderr == f"ftwire: {empty}: no conversation with OpenD: no packets\n"


@pytest.mark.parametrize("name", BROKEN)
def test_explain_has_more_to_say_about_each(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.pcap"
    path.write_bytes(pcap([Said(Role.CLIENT, BROKEN[name])], server=ELSEWHERE))
    assert "see ftwire explain" in run("dump", path).stdout
    result = run("explain", "--json", path)
    assert result.exit_code == 3
    report = json.loads(result.stdout)
    assert [finding["sender"] for finding in report["findings"]] == ["client"]
    assert report["notes"] == []


def test_tls_on_a_port_of_opends_is_named_by_dump_and_explain(tmp_path: Path) -> None:
    path = tmp_path / "tls.pcap"
    path.write_bytes(pcap(TLS, server=OPEND))
    result = run("dump", path)
    assert result.exit_code == 3
    assert "TLS, as of WebSocket over TLS (wss)" in result.stdout
    explained = run("explain", path)
    assert explained.exit_code == 3
    assert f"note: connection {CLIENT} -> {OPEND}: TLS" in explained.output
    assert "no_frame" not in explained.output


class TestExport:
    def test_it_names_them_on_standard_error_and_in_the_table_of_errors(self, mixed: Path, tmp_path: Path) -> None:
        result = run("export", mixed, "-o", tmp_path / "out", "--format", "jsonl")
        assert result.exit_code == 3
        assert f"ftwire: {mixed}: {NAMED}{BIG_ENDIAN_TEXT}\n" in result.stderr
        assert f"see ftwire explain {mixed}\n" in result.stderr
        (row,) = [
            json.loads(line)
            for path in (tmp_path / "out" / "errors").rglob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        assert (row["error_type"], row["error"]) == ("UnrecognisedConnection", NAMED + BIG_ENDIAN_TEXT)

    def test_a_capture_without_conversation_says_so_now_and_the_next_time(self, web: Path, tmp_path: Path) -> None:
        for skipped in (False, True):
            result = run("export", web, "-o", tmp_path / "out", "--json")
            assert result.exit_code == 0
            assert result.stderr == (
                f"ftwire: {web}: no conversation with OpenD: 1 connection carries something else or nothing\n"
            )
            outcome = json.loads(result.stdout)
            assert (outcome["skipped"], len(outcome["notes"]), outcome["frames"]) == (skipped, 1, 0)

    def test_a_client_that_tries_again_and_again_is_named_a_few_times(self, tmp_path: Path) -> None:
        path = tmp_path / "again.pcap"
        frames = [
            frame
            for port in range(100)
            for frame in packets([Said(Role.CLIENT, BIG_ENDIAN)], CLIENT._replace(port=1000 + port), ELSEWHERE)
        ]
        path.write_bytes(pcap_of(frames))
        result = run("export", path, "-o", tmp_path / "out")
        assert result.stderr.count("no frame in 57 bytes") == 20
        assert "100 connections look like OpenD's protocol" in result.stderr
        assert "         100  errors" in result.stdout


def test_replay_says_what_it_cannot_send(broken: Path) -> None:
    result = run("replay", broken, "--to", "127.0.0.1:1")
    assert result.exit_code == 1
    assert f"{NAMED}{BIG_ENDIAN_TEXT} (see ftwire explain)" in result.stderr


def test_serve_says_why_it_has_nothing_to_replay(broken: Path, web: Path) -> None:
    result = run("serve", broken, "--port", "0")
    assert result.exit_code == 1
    assert "1 connection looks like one; a connection looks like OpenD's protocol" in result.stderr
    assert f"see ftwire explain {broken}" in result.stderr
    result = run("serve", web, "--port", "0")
    assert result.exit_code == 1
    assert "no conversation with OpenD: 1 connection carries something else" in result.stderr


def test_redact_leaves_them_out_and_says_so(mixed: Path, tmp_path: Path) -> None:
    result = run("redact", mixed, "-w", tmp_path / "new.pcapng")
    assert result.exit_code == 0
    assert "2 connections or packets that are not OpenD's were left out\n1 of them look like" in result.stderr
    assert run("dump", tmp_path / "new.pcapng").exit_code == 0
