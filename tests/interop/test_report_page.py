"""A report in a real browser: used as a person would, looked through by axe, with markup where a capture has text."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftwire.messages import InitConnect, Qot_GetRT, Qot_UpdateRT
from interop.peers import Peer
from support.captures import Said, answered, asked, init_request, pcap
from support.frames import init_response, rt_request, rt_response
from support.places import ROOT
from support.programs import Program
from tools.report.pages import report

SCRIPT = ROOT / "tests/interop/clients/report_page.mjs"
MARKUP = "</script><script>pwned=1</script><img src=x onerror=pwned=1>\"'><b>bold</b>"


@pytest.fixture(scope="session")
def look(peer: Callable[[str], Peer], chromium: Program, node: Program) -> Callable[..., dict[str, Any]]:
    """``look(page)``: what was seen of a page. FTWIRE_SHOTS names a folder to keep pictures in."""
    modules = peer("playwright").folder

    def run(page: Path, *words: str) -> dict[str, Any]:
        shots = os.environ.get("FTWIRE_SHOTS")
        options = [
            "--modules",
            modules,
            "--chromium",
            chromium.path,
            "--page",
            page,
            *(["--shots", shots] if shots else []),
        ]
        done = subprocess.run(
            [node.path, SCRIPT, *map(str, options), *words], capture_output=True, text=True, check=False, timeout=110
        )
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    return run


def said_with_markup() -> list[Said]:
    """Return a session whose every text is markup."""
    begin, named = init_request(), Qot_GetRT.Response(retType=-1, retMsg=MARKUP, errCode=5)
    begin.c2s.clientID = MARKUP
    quote = rt_response([570, 571])
    quote.s2c.name, quote.s2c.security.code = MARKUP, MARKUP
    update = Qot_UpdateRT.Response.FromString(quote.SerializeToString())
    first: InitConnect.Response = init_response("k" * 16, None)
    first.retMsg = MARKUP
    return [
        asked(1001, 1, begin),
        answered(1001, 1, first),
        asked(3008, 2, rt_request(MARKUP)),
        answered(3008, 2, quote),
        asked(3008, 3, rt_request(MARKUP)),
        answered(3008, 3, named),
        *(answered(3009, 0, update) for _ in range(3)),
        answered(3009, 0, b"\xff" + MARKUP.encode()),
    ]


def nothing_is_wrong(seen: dict[str, Any]) -> None:
    assert (seen["errors"], seen["requests"], seen["dialogs"]) == ([], [], [])
    assert {name: found for name, found in seen["faults"].items() if found} == {}
    assert seen["wide"] == {"overview": 0, "frames": 0, "list": 0, "frame": 0, "half": 0}
    assert seen["cutTimes"] == []
    assert seen["themes"][0] == seen["themes"][1] != seen["themes"][2]
    assert (seen["closed"], seen["focus"], seen["wrongIsSaid"]) == (True, "filter", "true")
    assert "expected a value" in seen["wrong"]
    assert seen["empty"] == "No frame matches this filter."


def test_markup_of_a_capture_is_text(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    capture, page = tmp_path / "<b>name<img src=x onerror=alert(1)>.pcap", tmp_path / "x.html"
    capture.write_bytes(pcap(said_with_markup()))
    assert report(capture, "-o", page, "--show-secrets", "--title", MARKUP).exit_code == 3
    seen = look(page)
    nothing_is_wrong(seen)
    assert (seen["made"], seen["ran"]) == (0, False)
    assert seen["title"] == MARKUP
    assert seen["json"]["s2c"]["name"] == MARKUP


def test_a_session_is_looked_through(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    page = tmp_path / "plain.html"
    assert report(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap", "-o", page).exit_code == 0
    seen = look(page)
    nothing_is_wrong(seen)
    assert {"Findings", "Timeline", "Latency", "Push gaps", "Prices", "Subscriptions", "Protocols"} <= set(
        seen["panels"]
    )
    assert (seen["tiles"]["Frames"], seen["tiles"]["Pushes"], seen["tiles"]["Failed"]) == ("12", "4", "0")
    assert seen["part"][0].startswith("time >= ")
    assert re.fullmatch(r"[4-9] of 12 frames", seen["part"][1])
    assert seen["paper"] == ["rgb(255, 255, 255)", False, False]
    assert [each.partition(" ")[0] for each in seen["printed"]] == ["HK.00700"]
    assert (seen["selected"], seen["cards"]) == ("3", ["request 1", "response 2"])
    assert (seen["pushes"], seen["body"]) == ("4 of 12 frames", "4 of 12 frames")
    assert seen["exported"] == ["Qot_UpdateRT push"] * 4
    # The field that is chosen in the tree is the one whose bytes are marked, tag first.
    value = float(seen["field"].partition(":")[2])
    assert bytes.fromhex(seen["marked"])[1:] == struct.pack("<d", value)
    assert seen["picked"] == seen["field"]
    assert seen["json"]["s2c"]["rtList"][0]["price"] == value


@pytest.mark.timeout(300)
def test_two_hundred_thousand_frames_scroll(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    capture, page = tmp_path / "large.pcap", tmp_path / "large.html"
    update = Qot_UpdateRT.Response.FromString(rt_response([572]).SerializeToString())
    frame = answered(3009, 0, update)
    begin = [asked(1001, 1, init_request()), answered(1001, 1, init_response("k" * 16, None))]
    many = Said(frame.sender, frame.data * 1000)
    capture.write_bytes(pcap([*begin, *([many] * 200)]))
    assert report(capture, "-o", page, "--max-frames", "200002").exit_code in (0, 3)
    seen = look(page, "--scroll")
    assert (seen["errors"], seen["requests"]) == ([], [])
    assert seen["pushes"] == seen["body"] == "200,000 of 200,002 frames"
    scrolled = seen["scrolled"]
    assert (scrolled["places"], scrolled["last"]) == (201, "200002")
    assert scrolled["most"] < 100  # rows that there are elements for
