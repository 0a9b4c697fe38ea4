"""The examples in helps, README and docs: each is read without complaint, and those that need nothing else run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from support.places import ROOT

TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALONE = re.compile(r"ftwire (schema (show|list|find|template|history)|explain 46 ?54|call --(list|describe)) ?[^>]*")
"""Examples that need no file, no gateway and no network."""


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *path, name)


def examples() -> Iterator[str]:
    for _, command in commands(cli):
        yield from re.findall(r"^ *(?:.*\| )?(ftwire .*)$", (command.help or "").partition("Example")[2], re.MULTILINE)
    for path in TEXTS:
        for block in re.findall(r"^```(?:console)?\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
            yield from re.findall(r"^(?:\$ )?(?:.*\| )?(ftwire .*)$", block, re.MULTILINE)


def words_of(example: str) -> list[str]:
    """What the program is given: no comment, no further program, no redirection."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    words = list(lexer)
    end = next((at for at, word in enumerate(words) if word in {"|", ">"}), len(words))
    return words[1:end]


EXAMPLES = sorted(set(examples()))


def test_they_are_found() -> None:
    assert len(EXAMPLES) > 80
    assert sum(bool(ALONE.fullmatch(example)) for example in EXAMPLES) > 10


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_no_wrong_usage(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command: click.Command = cli
    context = click.Context(cli)
    words = words_of(example)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
    try:
        command.make_context("ftwire", words)
    except click.BadParameter as error:
        assert "does not exist" in error.message


@pytest.mark.parametrize("example", [example for example in EXAMPLES if ALONE.fullmatch(example)])
def test_an_example_that_needs_nothing_runs(example: str) -> None:
    done = CliRunner().invoke(cli, words_of(example))
    assert done.exit_code == (3 if "explain" in example else 0), done.output
    assert done.stdout
