"""The lines of ``dump --json`` are those that their schema describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ftwire_tools import render
from ftwire_tools.commands import ftwire as cli
from support.places import ROOT

SCHEMA = json.loads((Path(render.__file__).parent / "dump.schema.json").read_text(encoding="utf-8"))
CAPTURES = ROOT / "fixtures/captures"
GOLDENS = sorted(CAPTURES.rglob("*.dump.jsonl"))


def check(text: str) -> int:
    validator = Draft202012Validator(SCHEMA)
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        validator.validate(line)
        assert list(line) == [name for name in SCHEMA["properties"] if name in line]
    return len(lines)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_golden_line_fits() -> None:
    assert sum(check(path.read_text(encoding="utf-8")) for path in GOLDENS) > 400


@pytest.mark.parametrize(
    "options", [["--hex"], ["--fields", "retType"], ["--key", "fixtures/keys/TEST-ONLY-1024.pem"], []]
)
@pytest.mark.parametrize("name", ["futu-api-10.11-plain.pcap", "npm-futu-api-10.11-websocket.pcapng"])
def test_lines_with_other_options_fit(name: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    files = [f"fixtures/captures/{name}", "fixtures/captures/futu-api-10.11-aes_cbc.pcapng"]
    result = CliRunner().invoke(cli, ["dump", "--json", *options, *files])
    assert result.exit_code in (0, 3), result.stderr
    assert check(result.stdout) > 10
