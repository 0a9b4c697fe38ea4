"""``Client.get_rt_data`` beside the vendor's own, in one process, with the real pandas."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.gateway import running
from interop.peers import Peer, environment, python

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "clients" / "both_tables.py"


@pytest.mark.parametrize("name", ["futu-api-10.11", "futu-api-9.6"])
def test_the_table_is_the_vendors_data_frame(name: str, peer: Callable[[str], Peer]) -> None:
    peer(name)
    paths = [ROOT / "codec", ROOT / "tools", sysconfig.get_path("purelib")]
    with running() as (port, _):
        done = subprocess.run(
            [str(python(name)), str(PROGRAM), str(port), *map(str, paths)],
            env=environment(name),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    # The SDK writes lines of its own, from another thread.
    assert "equal" in done.stdout.splitlines()
