"""The queries that the documentation shows, run unchanged by programs that do not use ftwire."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire
from ftwire_tools.synthetic.day import Plan, write_capture
from interop.peers import Peer, environment, python

pytestmark = pytest.mark.timeout(900)  # Spark is large to install and slow to start

ROOT = Path(__file__).parents[2]
PEERS = {"import pandas": "pandas", "import polars": "polars", "import duckdb": "duckdb", "from pyspark": "spark"}
"""How a query begins, and who runs it."""


def queries(document: str) -> list[tuple[str, str]]:
    """Peer and text of each query: from one of ``PEERS`` on, in a document's Python blocks that read ``tables/``."""
    found = []
    starts = "|".join(map(re.escape, PEERS))
    for block in re.findall(r"^```python\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL):
        if "tables/" not in block:
            continue
        before, *pieces = re.split(f"^({starts})", block, flags=re.MULTILINE)
        assert not before.strip(), f"{document}: nobody to run {before!r}"
        found += [(PEERS[start], start + rest) for start, rest in zip(pieces[::2], pieces[1::2], strict=True)]
    return found


SHOWN = {
    # Exact integers in spite of the nulls of pushes, which have no request.
    "dtypes": r"request +Int64\nvolume +Int64",
    "drop_duplicates": r"time_utc\n2024-01-02 01:\d\d:00\+00:00 +\d+\.\d",
    "klType_name, rehabType_name": r"(?s)(HK\.\d{5} *│ *1Min.*){4}",
}
"""What a query of another table than ``ticker`` shows, by a text that is in it."""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("capture") / "a.pcap"
    with path.open("wb") as file:
        write_capture(Plan(600_000, symbols=4, days=2, connections=2), file.write, lambda _size, _frames: None)
    return path


@pytest.fixture(scope="module")
def expected(capture: Path) -> dict[str, int]:
    """Volume by code, by way of the dump."""
    volumes: Counter[str] = Counter()
    for line in CliRunner().invoke(ftwire, ["dump", "--json", "--proto", "3011", str(capture)]).stdout.splitlines():
        s2c = json.loads(line)["body"]["s2c"]
        volumes[f"HK.{s2c['security']['code']}"] += sum(int(item["volume"]) for item in s2c["tickerList"])
    assert len(volumes) == 4
    return volumes


@pytest.fixture(scope="module")
def folder(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``tables`` is."""
    path = tmp_path_factory.mktemp("queries")
    assert CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(path / "tables")]).exit_code == 0
    return path


def test_there_is_a_query_for_everybody() -> None:
    assert {name for name, _ in queries("docs/export.md")} == set(PEERS.values())


@pytest.mark.parametrize(("name", "query"), queries("docs/export.md"))
def test_a_query_of_the_documentation(
    name: str, query: str, folder: Path, expected: dict[str, int], peer: Callable[[str], Peer]
) -> None:
    peer(name)
    done = subprocess.run(
        [str(python(name)), "-c", query], cwd=folder, env=environment(name), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "tables/ticker" not in query:
        (shown,) = (shown for text, shown in SHOWN.items() if text in query)
        assert re.search(shown, done.stdout), done.stdout
        return
    assert {code: int(volume) for code, volume in re.findall(r"(HK\.\d{5})\W+(\d+)", done.stdout)} == expected
