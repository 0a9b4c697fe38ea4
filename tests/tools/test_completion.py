"""Completion in the shells themselves: the script is loaded, and the shell is asked what it would offer."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ftwire.protocols import registry
from support.places import ROOT
from support.programs import Program


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the command in it, which is first in the path, and a capture."""
    command = tmp_path / "ftwire"
    paths = [str(ROOT / name) for name in ("codec", "tools")]
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = {paths}\n"
        "from ftwire_tools.cli import main\nsys.argv[0] = 'ftwire'\nmain()\n"
    )
    command.chmod(0o755)
    (tmp_path / "morning.pcap").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offers_of_bash(bash: Program, *words: str) -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    program = (
        'eval "$(ftwire completion bash)"\n'
        f"COMP_WORDS=(ftwire {line}); COMP_CWORD={len(words)}\n"
        '_ftwire_completion ftwire; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return bash("--norc", "-c", program).splitlines()


def offers_of_fish(fish: Program, line: str) -> list[str]:
    program = f"ftwire completion fish | source; complete -C 'ftwire {line}'"
    return [each.partition("\t")[0] for each in fish("--no-config", "-c", program).splitlines()]


def protocols(start: str) -> list[str]:
    return [each.name for each in registry if each.name.startswith(start)]


@pytest.mark.usefixtures("home")
class TestBash:
    def test_commands_and_their_options(self, bash: Program) -> None:
        assert offers_of_bash(bash, "re") == ["replay", "record", "redact", "report"]
        assert offers_of_bash(bash, "schema", "h") == ["history"]
        assert offers_of_bash(bash, "dump", "--st") == ["--stats"]

    def test_values(self, bash: Program) -> None:
        assert offers_of_bash(bash, "dump", "--proto", "Qot_GetR") == protocols("Qot_GetR")
        assert offers_of_bash(bash, "dump", "--proto", "qot_getrt") == ["Qot_GetRT"]
        assert offers_of_bash(bash, "dump", "--proto", "InitConnect,300") == [
            f"InitConnect,{each.proto_id}" for each in registry if str(each.proto_id).startswith("300")
        ]
        assert offers_of_bash(bash, "call", "KeepA") == ["KeepAlive"]
        assert offers_of_bash(bash, "schema", "show", "Qot_GetRT") == ["Qot_GetRT", "Qot_GetRT.proto"]
        assert offers_of_bash(bash, "dump", "--code", "hk.007") == ["HK.00700"]
        assert "US." in offers_of_bash(bash, "dump", "--code", "")
        assert offers_of_bash(bash, "dump", "--time", "") == ["utc", "local", "delta"]

    def test_files(self, bash: Program) -> None:
        # The script leaves them to the shell, to which it says so: there is no list.
        assert offers_of_bash(bash, "dump", "mor") == [""]


@pytest.mark.usefixtures("home")
class TestFish:
    def test_commands_values_and_files(self, fish: Program) -> None:
        assert offers_of_fish(fish, "expl") == ["explain"]
        assert sorted(offers_of_fish(fish, "dump --proto Qot_GetR")) == sorted(protocols("Qot_GetR"))
        assert offers_of_fish(fish, "dump mor") == ["morning.pcap"]

    def test_what_a_value_means_is_shown(self, fish: Program) -> None:
        program = "ftwire completion fish | source; complete -C 'ftwire call 3008'"
        assert fish("--no-config", "-c", program) == "3008\tQot_GetRT\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ftwire expl", "ftwire explain "),
        ("ftwire dump --proto Qot_UpdateOrd", "ftwire dump --proto Qot_UpdateOrder"),
        ("ftwire dump --code HK.007", "ftwire dump --code HK.00700 "),
        ("ftwire dump mor", "ftwire dump morning.pcap "),
    ],
)
def test_zsh_completes_what_is_typed(typed: str, completed: str, home: Path, zsh: Program, tmux: Program) -> None:
    """In a terminal: zsh completes nowhere else."""
    server = f"ftwire-zsh-{home.name}-{len(typed)}"
    (home / ".zshrc").write_text(
        'PS1="% "\nautoload -Uz compinit && compinit -u -D\neval "$(ftwire completion zsh)"\necho ready\n'
    )

    def wait_for(text: str) -> str:
        for _ in range(300):
            shown = tmux("-L", server, "capture-pane", "-p")
            if text in shown:
                return shown
            time.sleep(0.1)
        raise AssertionError(f"{text!r} is not in:\n{shown}")

    try:
        tmux("-L", server, "-f", "/dev/null", "new-session", "-d", "-x", "99", "-c", home, f"{zsh.path} -i")
        wait_for("ready")
        tmux("-L", server, "send-keys", "-l", typed)
        tmux("-L", server, "send-keys", "Tab")
        wait_for(completed.rstrip())
    finally:
        tmux("-L", server, "kill-server")


@pytest.mark.usefixtures("home")
def test_an_unknown_shell_is_wrong_usage(bash: Program) -> None:
    assert "'ksh' is not one of" in bash("--norc", "-c", "ftwire completion ksh 2>&1; test $? = 2")
