"""The result tables of docs/performance.md, generated from the recorded ratios."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.harness import COMPILED

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
HEAD = "| what, compared with what | Python | compiled core | aim | figures |\n|---|---|---|---|---|\n"


def write_tables(record: dict[str, Any]) -> None:
    """Put the recorded ratios between the page's marks ``<!-- bench: NAME -->`` and ``<!-- end -->``."""
    page = PAGE.read_text(encoding="utf-8")
    for bench in dict.fromkeys(ratio["bench"] for ratio in record["ratios"]):
        table = bench_table([ratio for ratio in record["ratios"] if ratio["bench"] == bench])
        mark = re.escape(f"<!-- bench: {bench} -->")
        page, found = re.subn(f"(?s)({mark}\n).*?(?=<!-- end -->)", lambda match: match[1] + table, page)  # noqa: B023
        if found != 1:
            raise ValueError(f"{PAGE.name} has {found} places for the results of {bench}")
    PAGE.write_text(page, encoding="utf-8")


def bench_table(ratios: list[dict[str, Any]]) -> str:
    """One line for each thing compared, with the core and without side by side."""
    rows: dict[str, dict[bool, dict[str, Any]]] = {}
    for ratio in ratios:
        name = ratio["name"].removesuffix(COMPILED)
        rows.setdefault(name, {})[name != ratio["name"]] = ratio
    return HEAD + "".join(map(_row, rows, rows.values()))


def _row(name: str, found: dict[bool, dict[str, Any]]) -> str:
    newest = found.get(True) or found[False]
    aim = newest["aim"]
    bound = "" if aim is None else f"{'at most ' if newest['at_most'] else ''}{aim:g}"
    cells = [name.strip(), _value(found.get(False)), _value(found.get(True)), bound, newest["note"]]
    return f"| {' | '.join(cells)} |\n"


def _value(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return ""
    value, aim = ratio["value"], ratio["aim"]
    missed = aim is not None and (value > aim if ratio["at_most"] else value < aim)
    return f"{value:.2f}{' (missed)' if missed else ''}"
