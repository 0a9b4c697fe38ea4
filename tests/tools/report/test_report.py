"""``ftwire report``: what is in the page, what is not, and how it is written."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ftwire
from ftwire.connection import SECOND
from ftwire.frame import Role
from ftwire.messages import Qot_GetRT
from ftwire.pcap import Direction, Endpoint, PcapngWriter, TcpConversation
from ftwire_tools.commands import ftwire as cli
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.sensitive_fields import Category, category_of
from ftwire_tools.session_report.frame_table import UNSET
from ftwire_tools.session_report.page_writer import SCRIPTS, STYLES, page_text
from support.captures import (
    CLIENT,
    SERVER,
    START,
    Said,
    answered,
    asked,
    init_request,
    packets,
    pcap,
    pcap_of,
    push,
    session,
)
from support.command import FTWIRE
from support.frames import init_response, rt_request
from tools.report.pages import CAPTURES, KEYS, page_at, report

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
TRADE = CAPTURES / "futu-api-10.11-trade.pcap"


def json_of_dump(path: Path, *options: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(cli, ["dump", "--json", *options, str(path)])
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_frames_of_the_page_are_those_of_dump(tmp_path: Path) -> None:
    out = tmp_path / "session.html"
    result = report(PLAIN, "-o", out, "--show-secrets")
    assert result.exit_code == 0
    page = page_at(out)
    frames = json_of_dump(PLAIN, "--show-secrets", "--hex")
    assert page.column("number") == tuple(frame["number"] for frame in frames)
    assert page.column("time") == tuple(int(frame["time"]) for frame in frames)
    assert page.column("proto_id") == tuple(frame["proto_id"] for frame in frames)
    assert page.column("request") == tuple(frame["request"] or 0 for frame in frames)
    bodies = list(page.bodies())
    assert [body for body, *_ in bodies] == [frame["body"] for frame in frames]
    assert [header.hex() for _, header, *_ in bodies if header] == [frame["header_hex"] for frame in frames]
    assert [body.hex() for *_, body, _ in bodies if body is not None] == [frame["body_hex"] for frame in frames]


def sensitive_values(message: Any) -> Iterator[tuple[Category, Any]]:
    for field, value in message.ListFields():
        items = value if is_repeated(field) else [value]
        for item in items:
            if field.message_type is not None:
                yield from sensitive_values(item)
            elif (category := category_of(field)) is not None and category is not Category.AMOUNT:
                yield category, item


@pytest.mark.parametrize(
    "name", ["futu-api-10.11-trade.pcap", "futu-api-10.11-aes_cbc.pcapng", "futu-api-10.11-json.pcap"]
)
def test_what_redact_replaces_is_not_in_the_page(name: str, tmp_path: Path) -> None:
    keys = [word for key in KEYS for word in ("--key", str(key))]
    pems = [key.read_text() for key in KEYS]
    everything = []
    for words in ([], ["--show-secrets"]):
        out = tmp_path / f"{len(words)}.html"
        assert report(CAPTURES / name, "-o", out, *keys, *words).exit_code == 0
        everything.append(page_at(out).everything)
    hidden, shown = everything
    # Short values are in any page by chance.
    values = {
        item if isinstance(item, bytes) else str(item).encode()
        for frame in ftwire.read(CAPTURES / name, keys=pems)
        for _, item in sensitive_values(frame.message)
        if len(str(item)) > 5
    }
    assert values
    assert [value for value in values if value in hidden] == []
    assert [value for value in values if value not in shown] == []
    # A digest would let short numbers be found by trying.
    found = ftwire.read(CAPTURES / name, keys=pems)
    frames = [frame for frame in found if any(value for _, value in sensitive_values(frame.message))]
    assert [frame.number for frame in frames if sha1(frame.frame.body).digest() in hidden] == []  # noqa: S324


def test_unknown_fields_and_values_that_others_replace_are_hidden_with_the_bytes(tmp_path: Path) -> None:
    whole = push()
    twice = whole.SerializeToString() + b"\x12\x05" + b"12345" + whole.SerializeToString()[2:2] + b"\x12\x00"
    unknown = whole.SerializeToString() + b"\xfa\x3f\x0a" + b"4455667788"
    path, out = tmp_path / "c.pcap", tmp_path / "c.html"
    path.write_bytes(pcap([*session(), answered(3009, 0, twice), answered(3009, 0, unknown), answered(3009, 0, whole)]))
    report(path, "-o", out)
    page = page_at(out)
    *_, with_two, with_unknown, plain = page.bodies()
    assert (with_two[2], with_unknown[2]) == (None, None)
    assert plain[2] == whole.SerializeToString()
    assert b"4455667788" not in page.everything


def test_addresses_other_than_the_machine_itself_are_pseudonyms(tmp_path: Path) -> None:
    path, out = tmp_path / "c.pcap", tmp_path / "c.html"
    path.write_bytes(pcap(session(), Endpoint(bytes([203, 0, 113, 77]), 50000), Endpoint(bytes([127, 0, 0, 1]), 11111)))
    assert report(path, "-o", out).exit_code == 0
    (conversation,) = page_at(out).session["conversations"]
    assert conversation["server"] == "127.0.0.1:11111"
    assert conversation["client"].endswith(":50000")
    assert b"203.0.113.77" not in page_at(out).everything
    report(path, "-o", out, "--overwrite", "--keep", "address")
    assert page_at(out).session["conversations"][0]["client"] == "203.0.113.77:50000"


def refused() -> bytes:
    answer = Qot_GetRT.Response(retType=-1, retMsg="no right for HK.00700 <b>bold</b>", errCode=5)
    said = [asked(1001, 1, init_request()), answered(1001, 1, init_response("k" * 16, None))]
    return pcap([*said, asked(3008, 2, rt_request()), answered(3008, 2, answer), asked(3008, 3, rt_request())])


def test_failed_and_unanswered_requests_are_listed(tmp_path: Path) -> None:
    path, out = tmp_path / "c.pcap", tmp_path / "c.html"
    path.write_bytes(refused())
    assert report(path, "-o", out, "--keep", "text").exit_code == 0
    page = page_at(out)
    (failed,) = page.session["troubles"]["failed"]["rows"]
    assert (failed["number"], failed["request"], failed["retType"], failed["errCode"]) == (4, 3, -1, 5)
    assert failed["retMsg"] == "no right for HK.00700 <b>bold</b>"
    assert page.column("unanswered") == (0, 0, 0, 0, 1)
    report(path, "-o", out, "--overwrite")
    assert page_at(out).session["troubles"]["failed"]["rows"][0]["retMsg"] == "***"


def test_an_order_is_followed_from_its_request_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "t.html"
    report(TRADE, "-o", out, "--keep", "order")
    (order,) = page_at(out).session["orders"]["orders"]
    assert (order["id"], order["code"], order["trdSide"]) == ("7130123456789012345", "HK.00700", "Buy")
    events = [(event["number"], event["what"], event.get("status")) for event in order["events"]]
    assert events[:4] == [
        (23, "asked: place", None),
        (24, "accepted", None),
        (26, "status", "Filled_Part"),
        (33, "asked: Cancel", None),
    ]
    assert events[-2:] == [(37, "status", "Filled_Part"), (38, "status", "Cancelled_Part")]


def test_prices_are_those_of_the_bodies(tmp_path: Path) -> None:
    capture, out = CAPTURES / "futu-api-10.11-330-points.pcap", tmp_path / "p.html"
    report(capture, "-o", out)
    points: dict[tuple[str, str], Any] = {}
    for frame in ftwire.read(capture, keys=[]):
        if frame.proto_id in (3008, 3009) and frame.kind != "request":
            s2c = frame.message.s2c  # type: ignore[union-attr]
            points |= {(s2c.security.code, point.time): (point.price, point.volume) for point in s2c.rtList}
    series = page_at(out).session["prices"]["series"]
    assert sum(len(each["time"]) for each in series) == len(points) > 300
    found = [
        (price, volume) for each in series for price, volume in zip(each["values"][0], each["values"][2], strict=True)
    ]
    assert sorted(found) == sorted(points.values())


def test_numbers_that_json_lacks_and_times_of_no_calendar_do_not_break_the_page(tmp_path: Path) -> None:
    strange = push()
    strange.s2c.rtList[0].price = float("nan")
    strange.s2c.rtList[0].avgPrice = float("inf")
    writer = PcapngWriter()
    blocks = [
        writer.section(),
        writer.interface(),
        *(writer.packet(time, data) for time, data in packets([*session(), answered(3009, 0, strange)])),
    ]
    # The unit of the times is said to be a second.
    nanoseconds = bytes.fromhex("0900010009000000")
    data = b"".join(blocks)
    assert data.count(nanoseconds) == 1
    path, out = tmp_path / "c.pcapng", tmp_path / "c.html"
    path.write_bytes(data.replace(nanoseconds, bytes.fromhex("0900010000000000")))
    assert report(path, "-o", out).exit_code == 0
    page = page_at(out)
    assert set(page.column("time")) == {UNSET}
    assert page.session["frames"] == 6
    assert b"NaN" not in page.data["overview"]
    assert b"Infinity" not in page.data["overview"]


def test_subscriptions_are_counted_by_security_and_type(tmp_path: Path) -> None:
    out = tmp_path / "s.html"
    report(PLAIN, "-o", out)
    found = page_at(out).session["subscriptions"]
    assert [(each["what"], each["types"], each["codes"], each["held"]) for each in found["events"]] == [
        ("begun", ["RT"], ["US.AAPL", "HK.00700"], 2)
    ]
    assert [(each["conversation"], each["count"], each["most"]) for each in found["held"]] == [(1, 2, 2)]


@pytest.mark.parametrize("first", [20_000, 0])
def test_a_client_that_is_silent_among_pushes_is_found(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftwire_tools.session_report.findings.FIRST_FRAMES", first)
    capture, out = tmp_path / "silent.pcap", tmp_path / "silent.html"
    said = [*session()[:4], *[answered(3009, 0, push())] * 80]
    # Two pushes a second, for longer than a client may be silent.
    times = (START + max(at - 3, 0) * SECOND // 2 for at in range(len(said)))
    frames = TcpConversation(CLIENT, SERVER).frames(
        (Direction.A_TO_B if each.sender is Role.CLIENT else Direction.B_TO_A, each.data, time)
        for each, time in zip(said, times, strict=True)
    )
    capture.write_bytes(pcap_of(frames))
    report(capture, "-o", out)
    (row,) = page_at(out).session["findings"]["rows"]
    assert row["mistake"] == "heartbeat_missing"
    assert re.fullmatch(r"The client sent nothing for 3[01] s, keepAliveInterval is 10 s\.", row["proof"])


def test_a_mistake_of_many_frames_is_counted_in_all_and_named_in_the_first(tmp_path: Path) -> None:
    good = answered(3009, 0, push()).data
    spoiled = Said(Role.SERVER, good[:20] + bytes(20) + good[40:])  # its SHA-1
    capture, out = tmp_path / "many.pcap", tmp_path / "many.html"
    capture.write_bytes(pcap([*session(), *[spoiled] * 60]))
    report(capture, "-o", out)
    (row,) = [row for row in page_at(out).session["findings"]["rows"] if row["mistake"] == "unexplained_digest"]
    assert (row["count"], row["frames"]) == (60, list(range(6, 56)))


@pytest.mark.parametrize("first", [20_000, 0])
@pytest.mark.parametrize("name", ["native-5.1-bad-sha1", "native-5.1-duplicate", "native-5.1-grant-aes_cbc"])
def test_findings_are_those_of_explain(name: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftwire_tools.session_report.findings.FIRST_FRAMES", first)
    capture, out = CAPTURES / "faults" / f"{name}.pcapng", tmp_path / "f.html"
    keys = [word for key in KEYS for word in ("--key", str(key))]
    report(capture, "-o", out, *keys)
    explained = json.loads(CliRunner().invoke(cli, ["explain", "--json", "--brief", *keys, str(capture)]).stdout)
    page = page_at(out).session
    found = page["findings"]["rows"]
    assert [row["mistake"] for row in found] == [each["mistake"] for each in explained["findings"]]
    assert [row["frames"] for row in found] == [each["frames"] for each in explained["findings"]]
    # What a digest is of may be found by trying, if it is short.
    texts = [row["proof"] for row in found] + [row["why"] for row in page["troubles"]["broken"]["rows"]]
    assert [text for text in texts if re.search(r"[0-9a-f]{8}", text)] == []


def test_a_session_that_is_too_large_is_cut_with_a_word_about_it(tmp_path: Path) -> None:
    out = tmp_path / "cut.html"
    result = report(PLAIN, "-o", out, "--max-frames", "5")
    assert result.exit_code == 0
    assert "7 of 12 frames are in the overview only" in result.stderr
    page = page_at(out)
    assert (page.session["frames"], page.session["listed"], len(page.column("number"))) == (12, 5, 5)
    assert page.session["stats"]["all"]["frames"] == 12
    whole = report(PLAIN, "-o", out, "--overwrite", "--max-size", "0")
    assert "12 of 12 frames" in whole.stderr


def test_only_frames_that_match_are_in_it(tmp_path: Path) -> None:
    path, out = tmp_path / "c.pcap", tmp_path / "c.html"
    path.write_bytes(refused())
    assert report(path, "-o", out, "-Y", "unanswered or kind == push").exit_code == 0
    page = page_at(out)
    assert page.column("number") == (5,)
    assert page.overview["about"]["filter"] == "unanswered or kind == push"
    assert page.session["stats"]["all"]["frames"] == 1


def test_the_page_runs_nothing_but_its_own_scripts_and_loads_nothing(tmp_path: Path) -> None:
    out = tmp_path / "session.html"
    report(PLAIN, "-o", out)
    text = page_at(out).text
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found
    policy = {part.split()[0]: part.split()[1:] for part in found[1].replace("&#x27;", "'").split(";")}
    assert policy["default-src"] == ["'none'"]
    for tag, kind, names in (("script", "script-src", SCRIPTS), ("style", "style-src", STYLES)):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert texts == [page_text(name) for name in names]
        digests = [f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in texts]
        assert policy[kind] == digests
        # Every element of this kind is one of these.
        assert len(re.findall(rf"<{tag}[\s>]", re.sub(rf"<{tag}>.*?</{tag}>", "", text, flags=re.DOTALL))) == 0
    markup = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\s(on\w+|src|style)\s*=", markup)
    assert re.findall(r'href="([^#"][^"]*)"', markup) == []
    assert page_text("vendor/uPlot.LICENSE") in text


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text(name: str) -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
    assert re.findall(sinks, page_text(name)) == []


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    path, out = tmp_path / "<img src=x onerror=alert(1)>.pcap", tmp_path / "x.html"
    path.write_bytes(PLAIN.read_bytes())
    assert report(path, "-o", out).exit_code == 0
    assert "<img" not in page_at(out).text
    assert "<title>&lt;img src=x onerror=alert(1)&gt;.pcap</title>" in page_at(out).text
    report(path, "-o", out, "--overwrite", "--title", "{{policy}} <!-- DATA -->")
    assert "<title>{{policy}} &lt;!-- DATA --&gt;</title>" in page_at(out).text


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    capture = tmp_path / os.fsdecode(b"caf\xe9.pcap")
    capture.write_bytes(PLAIN.read_bytes())
    out = tmp_path / "session.html"
    assert report(capture, "-o", out).exit_code == 0
    page = page_at(out)
    assert page.overview["about"]["title"] == "caf\\udce9.pcap"
    assert page.overview["about"]["inputs"] == ["caf\\udce9.pcap"]


def test_how_the_file_is_written(tmp_path: Path) -> None:
    out = tmp_path / "session.html"
    assert report(PLAIN, "-o", out).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    again = report(PLAIN, "-o", out)
    assert (again.exit_code, out.read_bytes()) == (1, before)
    assert "exists (--overwrite)" in again.output
    nothing = tmp_path / "none.pcap"
    nothing.write_bytes(b"GIF89a, no capture")
    failed = report(nothing, "-o", out, "--overwrite")
    assert (failed.exit_code, out.read_bytes()) == (1, before)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_standard_input_and_output() -> None:
    words = [*FTWIRE, "report", "-", "-o", "-"]
    done = subprocess.run(words, input=PLAIN.read_bytes(), capture_output=True, check=True)
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stdout.rstrip().endswith(b"</html>")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "Missing option '-o'"),
        (["-o", "x.html", "-Y", "nosuch == 1"], 2, "there is no field 'nosuch'"),
        (["-o", "x.html", "--max-size", "many"], 2, "is no number of bytes"),
        (["-o", "no/such/folder/x.html"], 1, "No such file"),
        (["-o", "x.html", "-Y", "accList.accID == 5"], 2, "is hidden"),
    ],
)
def test_wrong_usage(words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = report(PLAIN, *words)
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_decoded_is_in_the_page_and_in_the_exit_code(tmp_path: Path) -> None:
    out = tmp_path / "e.html"
    result = report(CAPTURES / "futu-api-10.11-aes_cbc.pcapng", "-o", out)
    assert result.exit_code == 3
    page = page_at(out)
    assert page.session["troubles"]["broken"]["count"] == page.session["frames"] > 0
    assert any("--key" in note for note in page.session["notes"])
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(PLAIN.read_bytes()[:-100])
    result = report(cut, "-o", out, "--overwrite")
    assert result.exit_code == 3
    assert any("cannot be read to its end" in note for note in page_at(out).session["notes"])
