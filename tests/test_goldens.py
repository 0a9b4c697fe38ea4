"""What ``ftwire dump`` says of every recorded capture, compared with what was once read and approved.

``python -m fixtures.make_goldens`` writes the goldens again.
"""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.make_goldens import STYLES, captures, golden
from ftwire_tools.group import ftwire

CAPTURES = list(captures())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("capture", "key"), CAPTURES, ids=[capture.name for capture, _ in CAPTURES])
def test_the_dump_of(capture: Path, key: Path | None, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(capture.parent)
    options = [] if key is None else ["--key", str(key)]
    result = CliRunner().invoke(ftwire, ["dump", *STYLES[style], *options, capture.name])
    assert result.exit_code == 0
    assert result.stdout == golden(capture, style).read_text(encoding="utf-8")


def test_no_golden_is_left_over() -> None:
    expected = {golden(capture, style) for capture, _ in CAPTURES for style in STYLES}
    assert {path for style in STYLES for path in CAPTURES[0][0].parent.glob(f"*.{style}")} == expected


def points_of(capture: Path) -> list[dict[str, object]]:
    """The rows of ``get_rt_data`` and of its pushes, as the vendor's SDK gave them to its user."""
    lines = capture.with_name(f"{capture.name}.client.jsonl").read_text(encoding="utf-8").splitlines()
    said = map(json.loads, lines)
    return [
        row | {"volume": str(row["volume"])}
        for each in said
        if each.get("call") == "get_rt_data" or each.get("handler") == "RTDataHandlerBase"
        for row in each["rows"]
    ]


PYTHON_CAPTURES = [
    each for each in CAPTURES if each[0].name.startswith(("futu-api", "moomoo-api")) and points_of(each[0])
]


@pytest.mark.parametrize(("capture", "key"), PYTHON_CAPTURES, ids=[capture.name for capture, _ in PYTHON_CAPTURES])
def test_rows_are_those_the_vendors_sdk_gave_its_user(capture: Path, key: Path | None) -> None:
    options = [] if key is None else ["--key", str(key)]
    words = ["dump", "--table", "--json", "--proto", "3008,3009", *options, str(capture)]
    rows = [json.loads(line) for line in CliRunner().invoke(ftwire, words).stdout.splitlines()]
    expected = points_of(capture)
    # SDKs before 9 gave no name.
    columns = [name for name in rows[0] if name in expected[0]]
    assert list(expected[0]) == columns
    found = [{name: row[name] for name in columns} for row in rows]
    key_of = itemgetter("code", "time")
    assert sorted(found, key=key_of) == sorted(expected, key=key_of)
