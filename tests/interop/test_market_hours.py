"""The made-up market as the vendor's SDK shows it: sessions, clock, trading days, history."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from ftwire_tools.testing import gateway
from interop.peers import PEERS, Peer, environment, python

SDK = "futu-api-10.11"
MINUTES_A_DAY, HALF_HOUR = 390, 30


def test_the_documented_example_and_what_is_behind_it(peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    program = Path(__file__).with_name("clients") / "market_hours.py"
    with gateway(synthetic=True, speed=0.001) as opend:
        words = [str(python(SDK)), str(program), PEERS[SDK].module, str(opend.port)]
        done = subprocess.run(words, env=environment(SDK), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(next(line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")))
    now = "2024-06-12 10:01:00"
    assert found["ALL"] == ["2024-06-11 20:01:00", now, 14 * 60 + 1, 1201]
    assert found["ETH"] == ["2024-06-12 04:01:00", now, 6 * 60 + 1, 241]
    assert found["RTH"] == ["2024-06-12 09:31:00", now, HALF_HOUR + 1, 571]
    assert found["OVERNIGHT"] == -1
    assert found["state"] == ["AFTERNOON", "CLOSED", 1718200800, 1718200800]
    assert found["days"] == [["2024-07-02", "WHOLE"], ["2024-07-03", "MORNING"], ["2024-07-05", "WHOLE"]]
    assert found["minutes"] == 29 * MINUTES_A_DAY
    plain, forward, backward = found["closes"]
    assert forward < plain / 3.9 < plain < backward
