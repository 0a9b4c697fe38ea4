"""What is kept of a finding: its steps, a capture of them, and a test that performs them by itself.

The test is made by ``stand_alone``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire import __version__
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation
from ftwire_tools.captures.capture_writer import create_private
from ftwire_tools.fuzz.stand_alone import test_of
from ftwire_tools.fuzz.steps import Step, step_from_json, step_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire_tools.fuzz.campaign import Find
    from ftwire_tools.fuzz.judgement import Traffic

__all__ = ["Crash", "CrashFileError", "capture_of", "load_crash", "save"]

FORMAT: Final = 1
"""Version of ``crash.json``."""
_LOOPBACK: Final = bytes((127, 0, 0, 1))
_PORTS: Final = {False: 11_111, True: 33_333}
"""What stands for the gateway's port in a capture, on TCP and on WebSocket."""


class CrashFileError(Exception):
    """A file that is no ``crash.json``; the sentence says why."""


class Crash(NamedTuple):
    """What a ``crash.json`` says."""

    mode: str
    """``gateway`` or ``client``: what was fuzzed."""
    kind: str
    """The finding."""
    encrypted: bool
    websocket: bool
    timeout: float
    come_back: float | None
    """A client's: how long it may stay away, in seconds."""
    exit_codes: tuple[int, ...] | None
    """A client's: those that are no crash."""
    crash_text: str | None
    """A client's: what in its output is a crash."""
    steps: tuple[Step, ...]


def load_crash(text: str, mode: str) -> Crash:
    """Read a ``crash.json``. Raises ``CrashFileError``."""
    try:
        values = json.loads(text)
        crash = Crash(
            str(values["mode"]),
            str(values["finding"]["kind"]),
            bool(values["encrypted"]),
            values.get("transport", "tcp") == "websocket",
            float(values["timeout"]),
            float(values["come_back"]) if "come_back" in values else None,
            tuple(map(int, values["exit_codes"])) if "exit_codes" in values else None,
            str(values["crash_text"]) if "crash_text" in values else None,
            tuple(step_from_json(step) for step in values["steps"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CrashFileError(f"no crash.json: {type(error).__name__}: {error}") from None
    if values.get("format") != FORMAT:
        raise CrashFileError(f"format {values.get('format')!r}, not {FORMAT}: of another version of ftwire")
    if values.get("transport", "tcp") not in {"tcp", "websocket"}:
        raise CrashFileError(f"transport {values['transport']!r} is none that there is")
    if crash.mode != mode:
        raise CrashFileError(f"the steps are for a {crash.mode}: ftwire fuzz {crash.mode}")
    return crash


def facts_of(
    find: Find,
    *,
    mode: str,
    seed: int,
    encrypted: bool,
    timeout: float,
    come_back: float | None = None,
    websocket: bool = False,
    crashes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what ``crash.json`` holds: no keys and nothing that the peer has sent.

    ``crashes`` are the values that say when a client's program has crashed, see ``Crash``.
    """
    return {
        "format": FORMAT,
        "ftwire": __version__,
        "mode": mode,
        "seed": seed,
        "run": find.run,
        "encrypted": encrypted,
        **({"transport": "websocket"} if websocket else {}),
        "timeout": timeout,
        **({} if come_back is None else {"come_back": come_back}),
        **(crashes or {}),
        "finding": find.finding._asdict(),
        "provoked_again": find.again,
        "steps": [step_to_json(step) for step in find.steps],
    }


def save(folder: Path, find: Find, facts: dict[str, Any]) -> Path:
    """Write the files into a new folder below ``folder``, readable by their owner alone. Raises ``OSError``."""
    name = find.finding.kind.replace(" ", "-")
    number = 1
    while True:
        place = folder / f"{name}-{number}"
        try:
            place.mkdir(parents=True, mode=0o700)
            break
        except FileExistsError:
            number += 1
    _write(place / "crash.json", (json.dumps(facts, indent=1) + "\n").encode())
    _write(place / "session.pcap", capture_of(find.outcome.traffic, websocket="transport" in facts))
    _write(place / "test_crash.py", test_of(facts).encode())
    if find.outcome.output:
        _write(place / "output.txt", find.outcome.output.encode())
    return place


def _write(path: Path, data: bytes) -> None:
    descriptor, _ = create_private(path, overwrite=False)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def capture_of(traffic: Sequence[Traffic], *, websocket: bool = False) -> bytes:
    """Return a pcap file of what passed, each connection from a port of its own."""
    gateway = Endpoint(_LOOPBACK, _PORTS[websocket])
    writer = PcapWriter()
    parts = [writer.header()]
    talks: dict[int, TcpConversation] = {}
    closed: dict[int, set[Direction]] = {}
    for each in traffic:
        talk = talks.get(each.connection)
        if talk is None:
            client = Endpoint(_LOOPBACK, 50_000 + each.connection % 10_000)
            talk = talks[each.connection] = TcpConversation(client, gateway)
            closed[each.connection] = set()
            frames = talk.open()
        else:
            frames = []
        ended = closed[each.connection]
        direction = Direction.A_TO_B if each.what.startswith("client") else Direction.B_TO_A
        if direction not in ended:
            if each.what in {"client", "gateway"}:
                frames = frames + talk.send(direction, each.data)
            elif each.what == "reset":
                ended.update(Direction)
                frames = frames + talk.reset(direction)
            elif each.what != "open":
                ended.add(direction)
                frames = frames + talk.finish(direction)
        parts += [writer.packet(each.time_ns, frame) for frame in frames]
    return b"".join(parts)
