"""Whatever a capture or a name of a file holds: a terminal only shows the lines that a command writes for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftwire.header import BodyFormat
from ftwire_tools.commands import ftwire
from support.captures import pcap, session
from support.hostile import Frames, Hostile, damaged, frames_of, over_websocket, unprintable
from tools.redaction.test_redact import capture

CAPTURES: dict[str, Callable[[], Frames]] = {
    "protobuf": lambda: frames_of(Hostile()),
    "refused": lambda: frames_of(Hostile(), ret_type=-1),
    "json": lambda: frames_of(Hostile(), BodyFormat.JSON),
    "surrogates": lambda: frames_of(Hostile(), BodyFormat.JSON, surrogates=True),
    "digest": lambda: damaged(frames_of(Hostile()), "digest"),
    "half": lambda: damaged(frames_of(Hostile()), "half"),
    "half json": lambda: damaged(frames_of(Hostile(), BodyFormat.JSON), "half"),
    "unknown": lambda: damaged(frames_of(Hostile()), "unknown"),
    "unknown json": lambda: damaged(frames_of(Hostile(), BodyFormat.JSON), "unknown"),
    "websocket": lambda: over_websocket(Hostile()),
}

FORMS = ["dump", "dump -v", "dump --table", "dump --fields retMsg,s2c.name,c2s.security.code", "explain --all"]
JSON_FORMS = ["dump --json", "dump --json --hex", "dump --json --table", "explain --json --all"]

NAMES = ["clear\x1b[2J", "\x9b2J", "\u202egnp.exe", "two\rlines", "\udcff"]


def run(*words: object) -> Result:
    result = CliRunner().invoke(ftwire, list(map(str, words)))
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert unprintable(result.output) == []
    return result


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", CAPTURES)
def test_no_text_of_a_frame_steers_a_terminal(kind: str, tmp_path: Path) -> None:
    path = capture(tmp_path / "hostile.pcapng", CAPTURES[kind]())
    for form in FORMS:
        result = run(*form.split(), path)
        assert result.exit_code in (0, 3)
        assert result.stdout.count("\n") > 10
    for form in JSON_FORMS:
        result = run(*form.split(), path)
        lines = result.stdout.split("\n")[:-1]
        assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_file_does(name: str, tmp_path: Path) -> None:
    good, cut, missing = (tmp_path / f"{name}-{kind}" for kind in ("good", "cut", "missing"))
    data = pcap(session())
    good.write_bytes(data)
    cut.write_bytes(data[:-7])
    assert run("dump", good, cut).exit_code == 3
    assert run("dump", "--json", good, cut).exit_code == 3
    assert run("explain", good, cut).exit_code == 3
    assert run("redact", cut, "-w", tmp_path / f"{name}-redacted").exit_code == 3
    assert run("synth", tmp_path / f"{name}-made", "--size", "20K").exit_code in (0, 2)
    for words in (
        ["dump"],
        ["dump", "--key", good],
        ["explain"],
        ["explain", "--key", good],
        ["replay"],
        ["serve", "--port", "0"],
        ["redact", "-w", tmp_path / "out"],
        ["export", "-o", tmp_path / "tables"],
        ["vectors", "check", "--command", "cat", "--vectors"],
        ["schema", "list", "--schema"],
        ["schema", "diff", "ours"],
        ["schema", "show"],
        ["call"],
        ["call", "Qot_GetRT", "--to"],
        ["fuzz", "gateway"],
        [name],
    ):
        assert run(*words, missing).exit_code in (1, 2), words


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_file_may_be_called_anything_or_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    cut = tmp_path / name
    cut.write_bytes(pcap(session())[:-7])
    result = run("export", cut, "-o", tmp_path / "tables", "-j", "1")
    assert result.exit_code == (2 if name == "\udcff" else 3)
