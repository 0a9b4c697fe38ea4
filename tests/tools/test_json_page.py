"""The keys that docs/json.md lists are those that commands write."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from ftwire_tools.testing import gateway
from support.places import ROOT

PAGE = (ROOT / "docs/json.md").read_text("utf-8")
CAPTURE = str(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")
QUOTED = re.compile(r"`([\w ]+)`")
OFFLINE = {
    "explain": ["explain", "--json", CAPTURE],
    "redact": ["redact", "--json", CAPTURE, "-w", "redacted.pcap"],
    "synth": ["synth", "--json", "--size", "50k", "made.pcap"],
    "serve --list-protocols": ["serve", "--list-protocols", "--json"],
    "schema list": ["schema", "list", "--json"],
    "schema find": ["schema", "find", "--json", "price"],
    "schema show": ["schema", "show", "--json", "Qot_GetRT"],
    "schema history": ["schema", "history", "--json"],
    "schema diff": ["schema", "diff", "--json", "ours", "ours"],
    "vectors list": ["vectors", "list", "--json"],
    "vectors show": ["vectors", "show", "--json", "aes_cbc-1"],
    "wireshark export": ["wireshark", "export", "--json", "files"],
}
LIVE = {
    "call": ["call", "--json", "Qot_GetRT", '{"security": "HK.00700"}', "--subscribe"],
    "replay": ["replay", "--json", CAPTURE],
}


def listed(command: str) -> list[str]:
    """Return the keys in the row of a command, without what is said of them in brackets."""
    (row,) = re.findall(rf"^\| [^|]*`{command}`[^|]*\| [^|]*\| (.*) \|$", PAGE, re.MULTILINE)[:1]
    return QUOTED.findall(re.sub(r"\([^)]*\)", "", row))


def written(words: list[str]) -> dict[str, object]:
    """Return the first object that a command writes."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code in {0, 1, 3}, done.output
    first: dict[str, object] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return first


@pytest.mark.parametrize("command", OFFLINE)
def test_keys_of_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(written(OFFLINE[command])) == listed(command)


def test_keys_of_an_export(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'ftwire[export]'")
    assert list(written(["export", "--json", CAPTURE, "-o", str(tmp_path / "tables")])) == listed("export")


def test_keys_of_commands_that_speak_to_a_gateway() -> None:
    with gateway(CAPTURE) as running:
        for command, words in LIVE.items():
            assert list(written([*words, "--to", f"127.0.0.1:{running.port}"])) == listed(command)
        assert list(written(["doctor", "--json", f"127.0.0.1:{running.port}"])) == listed("doctor")
