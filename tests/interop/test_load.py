"""128 clients with pushes at top speed: nothing is lost, and the gateway does not grow.

``FTWIRE_LOAD_SECONDS`` says for how long; the default is short, 60 is what is aimed at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from support.command import read_until, started

SECONDS = float(os.environ.get("FTWIRE_LOAD_SECONDS", "10"))
CLIENTS = 128
GROWTH_MIB = 8
CODES = ["HK.00700", "HK.09988", "HK.00005", "US.AAPL", "US.TSLA"]


def resident(pid: int) -> float:
    """MiB of a process in memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("it has ended")


def test_128_clients_at_top_speed() -> None:
    words = ["serve", "--synthetic", "--hours", "always", "--topspeed", "--port", "0", "--log-json"]
    with started(*words) as gateway:
        _, listening = read_until(gateway, ".*")
        port = json.loads(listening[0])["port"]
        client = Path(__file__).with_name("clients") / "load_client.py"
        loaded = subprocess.Popen(
            [sys.executable, str(client), str(port), str(CLIENTS), str(SECONDS), *CODES],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(SECONDS / 4)
        early = resident(gateway.pid)
        time.sleep(SECONDS / 2)
        late = resident(gateway.pid)
        output, _ = loaded.communicate(timeout=SECONDS + 60)
        result = json.loads(output)
        gateway.terminate()
        _, log = gateway.communicate(timeout=20)
    print(f"\n{result} in {SECONDS:g} s; resident {early:.1f} MiB, later {late:.1f} MiB")
    assert (result["missing"], result["damaged"], result["lost"]) == (0, 0, 0)
    assert result["least"] > 10
    assert late - early < GROWTH_MIB
    events = [json.loads(line) for line in log.splitlines()]
    assert not [event for event in events if event["event"] == "cut-off"]
    assert sum(event["event"] == "connected" for event in events) == CLIENTS
    assert gateway.returncode == 0
