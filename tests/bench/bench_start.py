"""Start-up as whole processes, against ``import futu``.

Run it: ``python tests/bench/bench_start.py``. Bytecode is compiled first, on both sides; CPU time of the process.
"""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import ftwire
import ftwire_tools

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.bench_codec import PEER
from bench.harness import Ratio, report
from bench.programs import FTWIRE, environment, run
from bench.traffic import handshake, script
from ftwire.pcap import Endpoint, PcapWriter, TcpConversation
from interop.peers import ensure, python
from interop.peers import environment as peer_environment

ROUNDS = 11

OURS = """
import time
from ftwire.protocols import registry
start = time.process_time()
registry[3008].response
print(time.process_time() - start)
"""
THEIRS = """
import importlib.util, pathlib, sys, time
import google.protobuf.descriptor_pool, google.protobuf.internal.builder
# The generated modules alone, found the way the SDK itself has them found.
modules = pathlib.Path(importlib.util.find_spec("futu").submodule_search_locations[0], "common", "pb")
sys.path.insert(0, str(modules))
names = [path.stem for path in modules.glob("*_pb2.py")]
start = time.process_time()
for name in names:
    __import__(name)
print(time.process_time() - start)
"""


def compile_everything(peer: str) -> None:
    for package in (ftwire, ftwire_tools):
        compileall.compile_dir(Path(str(package.__file__)).parent, quiet=2)
    site = subprocess.run([peer, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True)
    for directory in (site.stdout.strip(), str(Path(str(__import__("click").__file__)).parents[1])):
        compileall.compile_dir(directory, quiet=2, workers=1)


def ten_frames(path: Path) -> None:
    talk = TcpConversation(Endpoint(bytes([127, 0, 0, 1]), 50000), Endpoint(bytes([127, 0, 0, 1]), 11111))
    writer = PcapWriter()
    said = [*handshake(), *script()[:8]]
    packets = [*talk.open(), *(packet for direction, data in said for packet in talk.send(direction, data))]
    records = (writer.packet(1_700_000_000_000_000_000 + at, packet) for at, packet in enumerate(packets))
    path.write_bytes(writer.header() + b"".join(records))


def main() -> None:
    ensure(PEER)
    peer = str(python(PEER))
    compile_everything(peer)
    theirs = {key: value for key, value in peer_environment(PEER).items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as scratch:
        capture = Path(scratch, "ten.pcap")
        ten_frames(capture)
        commands = {
            "import futu": [peer, "-c", "import futu"],
            "python": [sys.executable, "-c", "pass"],
            "ftwire --help": [FTWIRE, "--help"],
            "import ftwire": [sys.executable, "-c", "import ftwire"],
            "ftwire dump, ten frames": [FTWIRE, "dump", str(capture)],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                done = run(command, env=theirs if name == "import futu" else environment())
                if done.code:
                    raise RuntimeError(f"{name} fails")
                taken[name].append(done.seconds)
    seconds = {name: statistics.median(times) for name, times in taken.items()}
    futu = seconds["import futu"]
    aims = {"ftwire --help": 8.0, "import ftwire": 5.0, "ftwire dump, ten frames": 3.0, "python": None}
    report(
        "start",
        [
            *(
                Ratio(
                    f"{name}, import futu",
                    futu / seconds[name],
                    aim,
                    f"{seconds[name] * 1e3:.0f} ms of {futu * 1e3:.0f}",
                )
                for name, aim in aims.items()
            ),
            first_use(peer, theirs),
        ],
    )


def first_use(peer: str, theirs: dict[str, str]) -> Ratio:
    """One protocol of ours against all modules of theirs, protobuf itself being there already."""
    ours = [float(_output([sys.executable, "-c", OURS], environment())) for _ in range(ROUNDS)]
    their = [float(_output([peer, "-c", THEIRS], theirs)) for _ in range(ROUNDS)]
    mine, other = statistics.median(ours), statistics.median(their)
    note = f"{mine * 1e3:.2f} ms, SDK {other * 1e3:.0f}"
    return Ratio("first use of one protocol, the SDK's modules", other / mine, 40.0, note)


def _output(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


if __name__ == "__main__":
    main()
