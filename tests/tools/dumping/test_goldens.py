"""What ``ftwire dump`` says of every recorded capture, compared with what was once read and approved.

``python -m fixtures.make_goldens`` writes the goldens again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.make_goldens import FAULTS, STYLES, captures, exit_code, golden
from ftwire_tools.commands import ftwire

CAPTURES = list(captures())
FAULTY = list(captures(FAULTS))
ALL = [*CAPTURES, *FAULTY]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("capture", "key"), ALL, ids=[capture.name for capture, _ in ALL])
def test_the_dump_of(capture: Path, key: Path | None, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(capture.parent)
    options = [] if key is None else ["--key", str(key)]
    result = CliRunner().invoke(ftwire, ["dump", *STYLES[style], *options, capture.name])
    assert result.exit_code == exit_code(capture)
    assert result.stdout == golden(capture, style).read_text(encoding="utf-8")


def test_no_golden_is_left_over() -> None:
    expected = {golden(capture, style) for capture, _ in ALL for style in STYLES}
    assert {path for style in STYLES for path in CAPTURES[0][0].parent.rglob(f"*.{style}")} == expected


def client_rows(capture: Path, key: str, value: str) -> list[dict[str, object]]:
    """Rows of points as the vendor's SDK gave them to its user, of the calls or handlers of one name."""
    output = capture.with_name(f"{capture.name}.client.jsonl")
    lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    said = [each for each in map(json.loads, lines) if each.get(key) == value]
    return [row | {"volume": str(row["volume"])} for each in said for row in each["rows"]]


PYTHON_CAPTURES = [each for each in CAPTURES if client_rows(each[0], "call", "get_rt_data")]


@pytest.mark.parametrize(("capture", "key"), PYTHON_CAPTURES, ids=[capture.name for capture, _ in PYTHON_CAPTURES])
def test_rows_are_those_the_vendors_sdk_gave_its_user(capture: Path, key: Path | None) -> None:
    replies = client_rows(capture, "call", "get_rt_data")
    pushes = client_rows(capture, "handler", "RTDataHandlerBase")
    # SDKs before 9 gave no name.
    columns = list(replies[0])

    def rows(protocol: str) -> list[dict[str, object]]:
        options = [] if key is None else ["--key", str(key)]
        words = ["dump", "--table", "--json", "--proto", protocol, "--kind", "response", "--kind", "push"]
        lines = CliRunner().invoke(ftwire, [*words, *options, str(capture)]).stdout.splitlines()
        # click before 8.2 puts standard error among them: a kind that is not in the capture is reported there.
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [{name: row[name] for name in row if name in columns} for row in found]

    assert [list(row) for row in rows("Qot_GetRT")] == [columns] * len(replies)
    assert rows("Qot_GetRT") == replies
    # A client that is about to leave no longer looks at what comes last.
    seen = rows("Qot_UpdateRT")
    assert [row for row in pushes if row not in seen] == []
