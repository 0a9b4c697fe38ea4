"""What docs/filters.md shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from ftwire_tools.filters import parse
from ftwire_tools.filters.header_fields import ALIASES, HEADER_FIELDS
from support.places import ROOT

PAGE = (ROOT / "docs" / "filters.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line[2:] for language, text in BLOCKS if language == "console" for line in text.splitlines()]
CAPTURE = str(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ftwire dump")])
def test_its_commands_run(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    words = [CAPTURE if word == "session.pcap" else word for word in shlex.split(line)[1:]]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("line", COMMANDS)
def test_its_expressions_are_filters(line: str) -> None:
    words = shlex.split(line)
    assert parse(words[words.index("-Y") + 1]).expression is not None


@pytest.mark.parametrize("text", re.findall(r"^\| `([^`|]+)` \| (?:no|yes) ", PAGE, re.MULTILINE))
def test_expressions_in_its_tables_are_filters(text: str) -> None:
    assert parse(text).needs_body


def test_it_has_every_field() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE[PAGE.index("## Fields") : PAGE.index("## Lists")], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {*HEADER_FIELDS, *ALIASES}


def test_its_program_prints_what_its_comment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (program,) = (text for language, text in BLOCKS if language == "python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "filters.md", "exec"), {})  # noqa: S102 - our own page
    assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)", program)


@pytest.mark.parametrize("command", ["dump", "record", "export"])
def test_the_helps_point_to_it(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert "docs/filters.md" in result.output.replace("\n", "")
