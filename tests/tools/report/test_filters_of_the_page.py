"""The filter of the page against that of the command: the same frames for each expression, errors at the same place."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

import ftwire
from ftwire.capture import CaptureReader, DissectedFrame
from ftwire_tools.filters import parse
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.filters.errors import FilterError
from ftwire_tools.filters.unanswered import unanswered_in_files
from support.places import ROOT
from support.programs import Program
from tools.report.expressions import EXPRESSIONS
from tools.report.pages import CAPTURES, KEYS, report

RUNNER: Final = Path(__file__).with_name("run_filters.mjs")
PAGE: Final = ROOT / "tools/ftwire_tools/session_report/page"
PEMS: Final = [key.read_text() for key in KEYS]
NAMES: Final = (
    "futu-api-10.11-plain.pcap",
    "futu-api-10.11-trade.pcap",
    "futu-api-10.11-json.pcap",
    "futu-api-10.11-aes_cbc.pcapng",
    "futu-api-9.6-quotes.pcapng",
    "npm-futu-api-10.11-websocket.pcapng",
    "faults/native-5.1-bad-sha1.pcapng",
)


def in_node(node: Program, page: Path, expressions: list[str]) -> list[dict[str, Any]]:
    scripts = [PAGE / name for name in ("dom.js", "data.js", "filter_parser.js", "filter.js")]
    words = [node.path, str(RUNNER), str(page), *map(str, scripts)]
    done = subprocess.run(words, input=json.dumps(expressions), capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@cache
def parsed(expression: str, *, show_secrets: bool) -> Filter | FilterError:
    try:
        return parse(expression, show_secrets=show_secrets)
    except FilterError as error:
        return error


@cache
def frames_of(capture: Path) -> list[DissectedFrame]:
    return list(ftwire.read(capture, keys=PEMS))


def in_python(capture: Path, expression: str, *, show_secrets: bool) -> list[int] | tuple[str, int]:
    chosen = parsed(expression, show_secrets=show_secrets)
    if isinstance(chosen, FilterError):
        return chosen.problem, chosen.column - 1
    if chosen.needs_unanswered:
        with capture.open("rb") as file:
            chosen.unanswered = unanswered_in_files(CaptureReader(keys=PEMS), [file])
    numbers = [frame.number for frame in frames_of(capture) if chosen.matches(frame)]
    for frame in frames_of(capture):
        chosen.forget(frame.conversation)
    return numbers


@pytest.mark.parametrize("name", NAMES)
def test_both_select_the_same_frames(name: str, node: Program, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    report(CAPTURES / name, "-o", page, "--show-secrets", *(word for key in KEYS for word in ("--key", str(key))))
    selected = 0
    for expression, found in zip(EXPRESSIONS, in_node(node, page, list(EXPRESSIONS)), strict=True):
        if not expression:
            continue  # in the page: all frames
        expected = in_python(CAPTURES / name, expression, show_secrets=True)
        if isinstance(expected, list):
            assert (expression, found.get("numbers", found)) == (expression, expected)
            selected += bool(expected)
        else:
            assert (expression, found.get("at", found)) == (expression, expected[1])
    assert selected > 20


def test_errors_say_what_those_of_the_command_say(node: Program, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    report(CAPTURES / NAMES[0], "-o", page)
    expressions = [
        "tcp.port == 11111",
        "server == 11111",
        "number in {1..5}",
        "time > 2026-11-22 08:02",
        "number in {1 2}",
    ]
    expected = [in_python(CAPTURES / NAMES[0], each, show_secrets=False) for each in expressions]
    assert [(each.get("problem"), each.get("at")) for each in in_node(node, page, expressions)] == expected


def test_fields_that_are_hidden_are_refused(node: Program, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    report(CAPTURES / NAMES[1], "-o", page)
    expressions = ["accList.accID == 5", "s2c.connAESKey ~ a*", "pwdMD5", "order.price > 600"]
    expected = [in_python(CAPTURES / NAMES[1], each, show_secrets=False) for each in expressions]
    found = in_node(node, page, expressions)
    assert [each.get("numbers") or (each.get("problem"), each.get("at")) for each in found] == expected
