"""A market of the user's own data (``ftwire serve --synthetic --data``) as the vendor's SDK shows it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from ftwire_tools.testing import gateway
from interop.peers import PEERS, Peer, environment, python

SDK = "futu-api-10.11"
MINUTES = [
    ["2024-06-12 09:31:00", 350.2, 351.4, 349.8, 350.6, 1300, 455780.0],
    ["2024-06-12 09:32:00", 350.6, 350.8, 350.2, 350.2, 700, 245420.0],
    ["2024-06-12 09:37:00", 355.0, 356.0, 354.0, 355.5, 101, 35905.5],
]
DAY = ["2024-06-11 00:00:00", 340.0, 348.0, 339.0, 347.4, 1_000_001, 3.4e8]


def test_the_sdk_shows_the_data_as_they_were_given(peer: Callable[[str], Peer], tmp_path: Path) -> None:
    peer(SDK)
    rows = "".join(f"HK.00700,{','.join(map(str, bar))}\n" for bar in (DAY, *MINUTES))
    data = tmp_path / "bars.csv"
    data.write_text("code,time,open,high,low,close,volume,turnover\n" + rows, encoding="utf-8")
    program = Path(__file__).with_name("clients") / "own_data.py"
    with gateway(synthetic=True, data=[data], clock="2024-06-12T10:00:00+08:00", speed=0.001) as opend:
        words = [str(python(SDK)), str(program), PEERS[SDK].module, str(opend.port)]
        done = subprocess.run(words, env=environment(SDK), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(next(line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")))
    assert found["minutes"] == MINUTES
    assert found["rt"] == [[bar[0], bar[4], bar[5], bar[6]] for bar in MINUTES]
    assert found["five"][-2:] == [
        ["2024-06-12 09:35:00", 350.2, 351.4, 349.8, 350.2, 2000, 701200.0],
        ["2024-06-12 09:40:00", *MINUTES[2][1:]],
    ]
    today = ["2024-06-12 00:00:00", 350.2, 356.0, 349.8, 355.5, 2101, 737105.5, 347.4]
    assert len(found["five"]) == 10  # the day before has minutes that follow from it
    assert found["days"] == [[*DAY, 340.0], today]
    assert found["quote"] == [355.5, 350.2, 356.0, 349.8, 2101]
    assert found["snapshot"] == [355.5, 347.4, 2101]
    assert found["traded"] == [2101, 355.5]
