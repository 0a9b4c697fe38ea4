"""What the README shows is what happens."""

import contextlib
import io
import re

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from support.places import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CAPTURE = str(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")


def dump(*options: str) -> str:
    result = CliRunner().invoke(cli, ["dump", *options, CAPTURE])
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


def test_the_demo_is_what_make_demo_shows() -> None:
    (demo,) = (text for language, text in BLOCKS if text.startswith("--- "))
    assert "\n".join(line.rstrip() for line in demo.splitlines()) == dump("--table")


def test_the_frame_in_full_is_one_of_them() -> None:
    commands = (ROOT / "docs" / "commands.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", commands, re.MULTILINE | re.DOTALL)
    (frame,) = (text for language, text in blocks if not language)
    assert frame.strip() in dump("-v")


def test_the_example_runs_and_prints_what_its_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # Those about tables are run with their tools installed, in interop/test_queries.py.
    (example,) = (text for language, text in BLOCKS if language == "python" and "import ftwire" in text)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own README
    said = re.findall(r"print\(.*\)  # (.*)", example)
    assert printed.getvalue().splitlines() == said


def test_every_command_it_names_is_there() -> None:
    named = set(re.findall(r"\$ (?:.*\| )?ftwire (\w+)", README))
    known = set(cli.list_commands(None))  # type: ignore[arg-type]  # the lazy table needs no context
    assert named
    assert named <= known


def test_every_make_target_it_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make (\w[\w-]*)", README)) - {"and"}
    assert "test" in targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
