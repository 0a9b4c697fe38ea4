"""The site: every page of docs has a place in its navigation, and a title of its own."""

import re
import tomllib
from collections import Counter

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire as cli
from support.places import ROOT

DOCS = ROOT / "docs"
GENERATED = {
    "reference/commands.md",
    "reference/dump-json.md",
    "reference/library/index.md",
    "spec/protocols/index.md",
}
_PLACE = re.compile(r"^ +- (?:([^:\n]+): )?(\S+\.md)\b", re.MULTILINE)


def places() -> list[tuple[str, str]]:
    """Return the pages of the navigation, each with the title it has there or, without one, its own."""
    _, _, navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")
    found = []
    for title, page in _PLACE.findall(navigation):
        own = "" if page in GENERATED else (DOCS / page).read_text("utf-8").partition("\n")[0]
        found.append((title or own.removeprefix("# "), page))
    return found


def test_every_page_has_one_place() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert Counter(page for _, page in places()) == Counter(pages | GENERATED)


def test_the_first_page_shows_what_its_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ((words, shown),) = re.findall(
        r"^\$ ftwire (.*)\n((?:.+\n)+?)```$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE
    )
    assert CliRunner().invoke(cli, words.split()).stdout == shown


def test_no_title_stands_twice() -> None:
    assert [title for title, count in Counter(title for title, _ in places()).items() if count > 1] == []


def test_every_page_begins_with_its_title() -> None:
    for path in DOCS.rglob("*.md"):
        text = path.read_text("utf-8")
        assert re.match(r"# \S", text), path
        outside_of_code = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^# ", outside_of_code, re.MULTILINE)) == 1, path


def test_the_page_on_architecture_names_every_package_in_the_order_of_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (tools,) = (each for each in contracts if each.get("containers") == ["ftwire_tools"])
    layers = [re.findall(r"\w+", layer) for layer in tools["layers"]]
    text = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
    rows = [re.findall(r"`(\w+)`", cells) for cells in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)]
    named = [package for row in rows for package in row]
    row_of = {package: number for number, row in enumerate(rows) for package in row}
    assert sorted(named) == sorted({package for layer in layers for package in layer} - {"data"})
    lines = [[row_of[package] for package in layer if package != "data"] for layer in layers]
    assert [min(line, default=99) for line in lines] == sorted(min(line, default=99) for line in lines)
