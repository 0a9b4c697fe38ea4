"""docs/answers.md: it is what its script writes, and the table is what the command shows."""

from __future__ import annotations

import json
import runpy

import pytest
from click.testing import CliRunner

from ftwire.protocols import registry
from ftwire_tools.commands.serve import command
from ftwire_tools.gateway.protocol_table import HANDLING
from ftwire_tools.synthetic.universe import default_table
from support.places import ROOT

PAGE = ROOT / "docs" / "answers.md"
SCRIPT = ROOT / "docs" / "make_answers.py"


def test_it_is_current() -> None:
    assert runpy.run_path(str(SCRIPT))["page"]() == PAGE.read_text(encoding="utf-8"), "python docs/make_answers.py"


def test_the_command_shows_the_same() -> None:
    shown = CliRunner().invoke(command, ["--list-protocols", "--json"])
    assert shown.exit_code == 0
    rows = [json.loads(line) for line in shown.output.splitlines()]
    assert len(rows) == sum(not entry.is_push for entry in registry)
    text = PAGE.read_text(encoding="utf-8")
    for row in rows:
        assert f"| {row['proto_id']} | {row['protocol']} | {row['handling']} | {row['answer']} |\n" in text
        assert row["handling"] in HANDLING
    table = CliRunner().invoke(command, ["--list-protocols"]).output
    assert [line.split()[1] for line in table.splitlines()] == [row["protocol"] for row in rows]


def test_the_command_writes_the_table_of_instruments() -> None:
    assert CliRunner().invoke(command, ["--show-universe"]).output == default_table()


@pytest.mark.parametrize("arguments", [["--json"], ["--universe", "mine.csv", "capture.pcap"]])
def test_options_that_need_others_say_so(arguments: list[str]) -> None:
    found = CliRunner().invoke(command, arguments)
    assert found.exit_code == 2
    assert "is for --" in found.output
