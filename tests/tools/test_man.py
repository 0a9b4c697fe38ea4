"""The manual pages: one a command, as man shows them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ftwire_tools.commands import COMMANDS
from ftwire_tools.commands import ftwire as cli
from ftwire_tools.commands.man import pages
from support.programs import Program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = CliRunner().invoke(cli, ["man", str(tmp_path / "man1")], prog_name="ftwire")
    assert (done.exit_code, done.output) == (0, "")
    return tmp_path / "man1"


def test_each_command_has_a_page(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {"ftwire.1", "ftwire-schema-show.1", *(f"ftwire-{name}.1" for name in COMMANDS)}
    CliRunner().invoke(cli, ["man", str(folder)], prog_name="ftwire")
    assert {path.name for path in folder.iterdir()} == names


def test_man_shows_options_and_examples(folder: Path, man: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANWIDTH", "100")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for path in sorted(folder.iterdir()):
        shown = man("-l", path)
        assert "NAME" in shown
        assert "SYNOPSIS" in shown
    shown = man("-l", folder / "ftwire-dump.1")
    assert "       --stats\n" in shown
    assert "         ftwire dump --key rsa.pem --proto 'Qot_Update*' --json capture.pcapng\n" in shown
    assert "EXIT STATUS" in shown
    assert "ftwire-dump(1)" in man("-l", folder / "ftwire.1")


def test_what_man_would_interpret_is_escaped() -> None:
    @click.command("odd")
    @click.option("--raw", help=".RAW with a \\\\ backslash and a 'quote'")
    def odd() -> None:
        """Do it.

        .begins with a dot

        \b
        'begins with a quote
        """

    ((name, text),) = pages(click.Context(odd, info_name="odd"))
    assert name == "odd"
    lines = text.splitlines()
    assert "\\&.begins with a dot" in lines
    assert "\\&'begins with a quote" in lines
    assert "\\&.RAW with a \\e\\e backspace and a 'quote'".replace("backspace", "backslash") in lines


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(cli, ["man", str(tmp_path / "file" / "man1")])
    assert done.exit_code == 1
    assert done.stderr == f"Error: {tmp_path}/file/man1: Not a directory\n"
