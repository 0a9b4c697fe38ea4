"""What is kept of a finding: its steps, a capture of them, and a test that performs them again."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire import __version__
from ftwire.cipher import RsaKey
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation
from ftwire_tools.fuzz.hostile_client import GatewayTarget
from ftwire_tools.fuzz.hostile_gateway import ClientTarget
from ftwire_tools.fuzz.judgement import KINDS, FuzzFinding
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep, step_from_json, step_to_json
from ftwire_tools.fuzz.targets import Program
from ftwire_tools.terminal.output_file import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftwire_tools.fuzz.campaign import Reproduction
    from ftwire_tools.fuzz.judgement import Traffic
    from ftwire_tools.fuzz.targets import FuzzTarget

__all__ = [
    "OF_CLIENT",
    "CrashFile",
    "CrashFileError",
    "capture_of",
    "crash_facts",
    "load_crash",
    "replay",
    "save",
    "target_for",
]

FORMAT: Final = 1
"""Version of ``crash.json``."""
OF_CLIENT: Final = {"come_back": float, "exit_codes": tuple, "crash_text": str}
"""What a ``crash.json`` about a client has besides, with its types."""
_LOOPBACK: Final = bytes((127, 0, 0, 1))
_PORTS: Final = {"tcp": 11_111, "websocket": 33_333}
"""The gateway's port in a capture and by default, by transport."""

_TEST: Final = '''\
"""Found by ``ftwire fuzz {mode}`` (ftwire {ftwire}, seed {seed}, run {run}):
the {mode} {verdict}.

Fails while that is so. Needs pytest, ``pip install ftwire``, crash.json beside this file, and the environment:

FTWIRE_FUZZ_HOST, FTWIRE_FUZZ_PORT  where {where} (127.0.0.1, {port})
FTWIRE_FUZZ_COMMAND                 starts the {mode}; without it, {alone}
FTWIRE_FUZZ_KEY                     PEM file of the RSA private key that both sides hold{key}
FTWIRE_FUZZ_WS_KEY                  the key that WebSocket clients of a gateway must know, if there is one
"""

import os
from pathlib import Path

from ftwire_tools.fuzz.saving import replay


def test_the_{mode}_withstands_it() -> None:
    findings = replay(Path(__file__).with_name("crash.json"), os.environ)
    assert not findings, "; ".join(f"{{kind}}: {{detail}}" for kind, detail in findings)
'''


class CrashFileError(Exception):
    """A file that is no ``crash.json``; the sentence says why."""


class CrashFile(NamedTuple):
    """The contents of a ``crash.json``."""

    setup: FuzzSetup
    kind: str
    """The kind of the finding."""
    steps: tuple[FuzzStep, ...]


def load_crash(text: str, mode: str | None = None) -> CrashFile:
    """Read a ``crash.json``, of this mode if it is given. Raises ``CrashFileError``."""
    try:
        values = json.loads(text)
        transport = values.get("transport", "tcp")
        setup = FuzzSetup(
            values["mode"],
            float(values["timeout"]),
            encrypted=bool(values["encrypted"]),
            websocket=transport == "websocket",
            **{name: kind(values[name]) for name, kind in OF_CLIENT.items() if name in values},
        )
        steps = tuple(step_from_json(step) for step in values["steps"])
        crash = CrashFile(setup, str(values["finding"]["kind"]), steps)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CrashFileError(f"no crash.json: {type(error).__name__}: {error}") from None
    if values.get("format") != FORMAT:
        raise CrashFileError(f"format {values.get('format')!r}, not {FORMAT}: of another version of ftwire")
    if transport not in _PORTS:
        raise CrashFileError(f"transport {transport!r} is neither tcp nor websocket")
    if setup.mode != (mode or setup.mode):
        raise CrashFileError(f"the steps are for a {setup.mode}: ftwire fuzz {setup.mode}")
    return crash


def crash_facts(found: Reproduction, setup: FuzzSetup, seed: int) -> dict[str, Any]:
    """Return the values of a ``crash.json``: no keys, and nothing that the peer has sent."""
    return {
        "format": FORMAT,
        "ftwire": __version__,
        "mode": setup.mode,
        "seed": seed,
        "run": found.run,
        "encrypted": setup.encrypted,
        "transport": setup.transport,
        "timeout": setup.timeout,
        **{name: getattr(setup, name) for name in OF_CLIENT if setup.mode == "client"},
        "finding": found.finding._asdict(),
        "provoked_again": found.again,
        "steps": [step_to_json(step) for step in found.steps],
    }


def save(folder: Path, found: Reproduction, facts: dict[str, Any]) -> Path:
    """Write the files into a new folder below ``folder``, readable by their owner alone. Raises ``OSError``."""
    for number in count(1):
        place = folder / f"{found.finding.kind.replace(' ', '-')}-{number}"
        with suppress(FileExistsError):
            place.mkdir(parents=True, mode=0o700)
            break
    is_gateway = facts["mode"] == "gateway"
    test = _TEST.format(
        **facts,
        verdict=KINDS[found.finding.kind],
        where="the gateway listens" if is_gateway else "to listen for the client",
        port=_PORTS[facts["transport"]],
        alone="it has to be running" if is_gateway else "one has to connect by itself",
        key="" if facts["encrypted"] else " (none here)",
    )
    files = {
        "crash.json": (json.dumps(facts, indent=1) + "\n").encode(),
        "session.pcap": capture_of(found.record.traffic, facts["transport"]),
        "test_crash.py": test.encode(),
        "output.txt": found.record.output.encode(),
    }
    for name, data in files.items():
        if data:
            write_file(place / name, data, overwrite=False, private=True)
    return place


def target_for(setup: FuzzSetup, address: tuple[str, int], command: str | None, **more: Any) -> FuzzTarget:
    """Return the target of a setup, with the program that ``command`` starts; ``more`` is for its constructor.

    Raises ``ProgramError``, and ``OSError`` where nobody can listen at ``address``.
    """
    program = None if command is None else Program(command, allowed=setup.exit_codes, crash_text=setup.crash_text)
    target = (GatewayTarget if setup.mode == "gateway" else ClientTarget)(setup, address, **more)
    target.program = program
    return target


def replay(path: Path, environment: Mapping[str, str]) -> list[FuzzFinding]:
    """Perform the steps of a ``crash.json`` and return what was found; saved tests call this.

    ``environment`` has the names that the tests list. Raises ``CrashFileError``, ``OSError``, ``ProgramError``, and
    ``LostTargetError`` where there is no peer.
    """
    crash = load_crash(path.read_text(encoding="utf-8"))
    host = environment.get("FTWIRE_FUZZ_HOST", "127.0.0.1")
    port = int(environment.get("FTWIRE_FUZZ_PORT", _PORTS[crash.setup.transport]))
    target = target_for(
        crash.setup,
        (host, port),
        environment.get("FTWIRE_FUZZ_COMMAND"),
        key=RsaKey.from_pem(Path(environment["FTWIRE_FUZZ_KEY"]).read_bytes()) if crash.setup.encrypted else None,
        ws_key=environment.get("FTWIRE_FUZZ_WS_KEY", ""),
    )
    try:
        return target.play(crash.steps, fresh=True).findings
    finally:
        target.close()


def capture_of(traffic: Sequence[Traffic], transport: str = "tcp") -> bytes:
    """Return a pcap file of the traffic, each connection from a port of its own."""
    writer = PcapWriter()
    parts = [writer.header()]
    gateway = Endpoint(_LOOPBACK, _PORTS[transport])
    conversations: dict[int, TcpConversation] = {}
    ended: set[tuple[int, Direction]] = set()
    for time_ns, number, what, data in traffic:
        direction = Direction.A_TO_B if what.startswith("client") else Direction.B_TO_A
        if what == "open":
            conversations[number] = TcpConversation(Endpoint(_LOOPBACK, 50_000 + number % 10_000), gateway)
            packets = conversations[number].open()
        elif (number, direction) in ended:
            continue
        elif what in {"client", "gateway"}:
            packets = conversations[number].send(direction, data)
        elif what == "reset":
            ended |= {(number, each) for each in Direction}
            packets = conversations[number].reset(direction)
        else:
            ended.add((number, direction))
            packets = conversations[number].finish(direction)
        parts += [writer.packet(time_ns, packet) for packet in packets]
    return b"".join(parts)
