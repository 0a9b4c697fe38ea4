"""Which options an environment variable may stand in for: a short list, and never one that lifts a protection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from support.captures import pcap, session
from support.places import ROOT

ALLOWED = {
    "FTWIRE_KEY": "--key",
    "FTWIRE_TO": "--to",
    "FTWIRE_TIME": "--time",
    "FTWIRE_COLOR": "--color",
    "FTWIRE_TRADE_PASSWORD": "--trade-password",
}
ON_PURPOSE = {"--allow-trading", "--allow-remote", "--show-secrets", "--overwrite", "--embed-key"}
"""What a user must write each time."""


def contexts(command: click.Command = cli, parent: click.Context | None = None) -> Iterator[click.Context]:
    context = click.Context(command, info_name=command.name, parent=parent)
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from contexts(found, context)


def test_variables_stand_in_for_a_short_list_of_options() -> None:
    met = set()
    for context in contexts():
        # Would give a variable to each option.
        assert context.auto_envvar_prefix is None
        for parameter in context.command.params:
            names = parameter.envvar or ()
            for name in (names,) if isinstance(names, str) else names:
                assert ALLOWED[name] in parameter.opts, (context.command_path, parameter.opts)
                met.add(name)
    assert met == set(ALLOWED)


def test_the_documentation_lists_them() -> None:
    rows = re.findall(r"^\| (FTWIRE_\w+) \| `(--[\w-]+)`", (ROOT / "docs/terminal.md").read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == ALLOWED


def test_no_variable_lifts_a_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    met = set()
    for context in contexts():
        for parameter in context.command.params:
            for option in ON_PURPOSE & set(parameter.opts):
                met.add(option)
                assert parameter.envvar is None
                name = option.strip("-").replace("-", "_").upper()
                for each in (name, f"FTWIRE_{name}", f"FTWIRE_{context.info_name}_{name}".upper()):
                    monkeypatch.setenv(each, "1")
                assert not parameter.value_from_envvar(context)
    assert met == ON_PURPOSE


def test_keys_come_from_a_list_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Separated as the folders in PATH: names may have spaces in them."""
    spaced = tmp_path / "my key.pem"
    spaced.write_bytes((ROOT / "fixtures/keys/TEST-ONLY-1024.pem").read_bytes())
    other = ROOT / "fixtures/keys/TEST-ONLY-other-1024.pem"
    capture = str(ROOT / "fixtures/captures/futu-api-10.11-aes_cbc.pcapng")
    assert CliRunner().invoke(cli, ["dump", capture]).exit_code == 3
    monkeypatch.setenv("FTWIRE_KEY", f"{other}:{spaced}")
    assert CliRunner().invoke(cli, ["dump", capture]).exit_code == 0


def test_the_form_of_times_comes_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    monkeypatch.setenv("FTWIRE_TIME", "delta")
    assert " +0.001000 1 <- response" in CliRunner().invoke(cli, ["dump", str(path)]).stdout
    assert " 01:30:00.001000 1 <-" in CliRunner().invoke(cli, ["dump", "--time", "utc", str(path)]).stdout
    monkeypatch.setenv("FTWIRE_TIME", "lunar")
    assert CliRunner().invoke(cli, ["dump", str(path)]).exit_code == 2
