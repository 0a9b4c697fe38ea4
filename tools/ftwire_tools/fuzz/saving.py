"""What is kept of a finding: its steps, a capture of them, and a test that performs them by itself."""

from __future__ import annotations

import ast
import json
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire import __version__
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation
from ftwire_tools.capture_files import create_private
from ftwire_tools.fuzz.steps import Step, step_from_json, step_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire_tools.fuzz.campaign import Find
    from ftwire_tools.fuzz.verdict import Traffic

__all__ = ["Crash", "CrashFileError", "capture_of", "load_crash", "save"]

COME_BACK: Final = 30.0
"""Seconds that a client may stay away, where nothing else is said."""
FORMAT: Final = 1
"""Version of ``crash.json``."""
_COPIED: Final = {
    "gateway": ("steps", "legal", "verdict", "talk", "hostile_client"),
    "client": ("steps", "legal", "verdict", "guest", "hostile_gateway", "program"),
}
_CLIENT, _GATEWAY = Endpoint(bytes((127, 0, 0, 1)), 50_000), Endpoint(bytes((127, 0, 0, 1)), 11_111)


class CrashFileError(Exception):
    """A file that is no ``crash.json``; the sentence says why."""


class Crash(NamedTuple):
    """What a ``crash.json`` says."""

    mode: str
    """``gateway`` or ``client``: what was fuzzed."""
    kind: str
    """The finding."""
    encrypted: bool
    timeout: float
    come_back: float | None
    """A client's: how long it may stay away, in seconds."""
    steps: tuple[Step, ...]


def load_crash(text: str, mode: str) -> Crash:
    """Read a ``crash.json``. Raises ``CrashFileError``."""
    try:
        values = json.loads(text)
        crash = Crash(
            str(values["mode"]),
            str(values["finding"]["kind"]),
            bool(values["encrypted"]),
            float(values["timeout"]),
            float(values["come_back"]) if "come_back" in values else None,
            tuple(step_from_json(step) for step in values["steps"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CrashFileError(f"no crash.json: {type(error).__name__}: {error}") from None
    if values.get("format") != FORMAT:
        raise CrashFileError(f"format {values.get('format')!r}, not {FORMAT}: of another version of ftwire")
    if crash.mode != mode:
        raise CrashFileError(f"the steps are for a {crash.mode}: ftwire fuzz {crash.mode}")
    return crash


def facts_of(
    find: Find, *, mode: str, seed: int, encrypted: bool, timeout: float, come_back: float | None = None
) -> dict[str, Any]:
    """Return what ``crash.json`` holds: no keys and nothing that the peer has sent."""
    return {
        "format": FORMAT,
        "ftwire": __version__,
        "mode": mode,
        "seed": seed,
        "run": find.run,
        "encrypted": encrypted,
        "timeout": timeout,
        **({} if come_back is None else {"come_back": come_back}),
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
    _write(place / "session.pcap", capture_of(find.outcome.traffic))
    _write(place / "test_crash.py", test_of(facts).encode())
    if find.outcome.output:
        _write(place / "output.txt", find.outcome.output.encode())
    return place


def _write(path: Path, data: bytes) -> None:
    descriptor, _ = create_private(path, overwrite=False)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def capture_of(traffic: Sequence[Traffic]) -> bytes:
    """Return a pcap file of what passed, each connection from a port of its own."""
    writer = PcapWriter()
    parts = [writer.header()]
    talks: dict[int, TcpConversation] = {}
    closed: dict[int, set[Direction]] = {}
    for each in traffic:
        talk = talks.get(each.connection)
        if talk is None:
            client = Endpoint(_CLIENT.packed, _CLIENT.port + each.connection % 10_000)
            talk = talks[each.connection] = TcpConversation(client, _GATEWAY)
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


_HEAD: Final = '''\
"""Found by ``ftwire fuzz {mode}`` (ftwire {version}, seed {seed}, run {run}): {who} {verdict}.

Fails while that is so. Needs ftwire and pytest, and what it is told by the environment::

{environment}
"""

from __future__ import annotations

'''

_GATEWAY_ENVIRONMENT: Final = """\
    FTWIRE_FUZZ_HOST, FTWIRE_FUZZ_PORT    where the gateway listens (127.0.0.1, 11111)"""
_CLIENT_ENVIRONMENT: Final = """\
    FTWIRE_FUZZ_HOST, FTWIRE_FUZZ_PORT    where to listen for the client (127.0.0.1, 11111)
    FTWIRE_FUZZ_COMMAND                   starts the client; without it, one has to connect by itself"""
_KEY_ENVIRONMENT: Final = """
    FTWIRE_FUZZ_KEY                       PEM file of the RSA private key that both sides hold"""

_GATEWAY_TEST: Final = """

STEPS = {steps}


def test_the_gateway_stands_it() -> None:
    outcome = play_against_gateway(
        [step_from_json(step) for step in STEPS],
        os.environ.get("FTWIRE_FUZZ_HOST", "127.0.0.1"),
        int(os.environ.get("FTWIRE_FUZZ_PORT", "11111")),
        key={key},
        timeout={timeout!r},
    )
    assert not outcome.findings, "; ".join(f"{{kind}}: {{detail}}" for kind, detail in outcome.findings)
"""
_CLIENT_TEST: Final = """

STEPS = {steps}


def test_the_client_stands_it() -> None:
    command = os.environ.get("FTWIRE_FUZZ_COMMAND")
    program = Program(command) if command else None
    listening = listen(
        os.environ.get("FTWIRE_FUZZ_HOST", "127.0.0.1"), int(os.environ.get("FTWIRE_FUZZ_PORT", "11111"))
    )
    try:
        if program is not None:
            program.start()
        outcome = HostileGateway(
            listening,
            [step_from_json(step) for step in STEPS],
            key={key},
            timeout={timeout!r},
            come_back={come_back!r},
            ended=lambda: program is not None and not program.is_running,
        ).play()
        assert program is None or not program.crash(), program.crash()
        assert not outcome.findings, "; ".join(f"{{kind}}: {{detail}}" for kind, detail in outcome.findings)
    finally:
        listening.close()
        if program is not None:
            program.close()
"""


def test_of(facts: dict[str, Any]) -> str:
    """Return a test file that performs the steps: the code that performs them is copied into it."""
    from ftwire_tools.fuzz.verdict import KINDS

    mode = facts["mode"]
    environment = _GATEWAY_ENVIRONMENT if mode == "gateway" else _CLIENT_ENVIRONMENT
    head = _HEAD.format(
        mode=mode,
        version=facts["ftwire"],
        seed=facts["seed"],
        run=facts["run"],
        who=f"the {mode}",
        verdict=KINDS[facts["finding"]["kind"]],
        environment=environment + (_KEY_ENVIRONMENT if facts["encrypted"] else ""),
    )
    imports = {("os", "")}
    if facts["encrypted"]:
        imports.add(("pathlib", "Path"))
    bodies = []
    for name in _COPIED[mode]:
        wanted, body = _source_of(name)
        imports |= wanted
        bodies.append(body)
    template = _GATEWAY_TEST if mode == "gateway" else _CLIENT_TEST
    key = 'RsaKey.from_pem(Path(os.environ["FTWIRE_FUZZ_KEY"]).read_bytes())' if facts["encrypted"] else "None"
    test = template.format(
        steps=_literal(facts["steps"]), key=key, timeout=facts["timeout"], come_back=facts.get("come_back", COME_BACK)
    )
    return head + _import_lines(imports) + "".join(bodies) + test


def _literal(steps: list[dict[str, Any]]) -> str:
    return "[\n" + "".join(f"    {step!r},\n" for step in steps) + "]"


def _import_lines(imports: set[tuple[str, str]]) -> str:
    """Return the lines for (module, name) pairs, no name for the module itself."""
    lines = [f"import {module}" for module, name in sorted(imports) if not name]
    for module in sorted({module for module, name in imports if name}):
        names = sorted(name for other, name in imports if other == module and name)
        lines.append(f"from {module} import {', '.join(names)}")
    return "".join(f"{line}\n" for line in lines)


def _source_of(name: str) -> tuple[set[tuple[str, str]], str]:
    """Return the imports of a module that a copy of it needs, and the rest of it."""
    module = import_module(f"ftwire_tools.fuzz.{name}")
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    imports: set[tuple[str, str]] = set()
    for number, node in enumerate(ast.parse(text).body):
        if isinstance(node, ast.Import):
            imports |= {(each.name, "") for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            if not str(node.module).startswith(("ftwire_tools", "__future__")):
                imports |= {(str(node.module), each.name) for each in node.names}
        elif number and not _is_list_of_names(node):
            continue
        lines[node.lineno - 1 : node.end_lineno] = [""] * (int(node.end_lineno or 0) - node.lineno + 1)
    return imports, "\n\n" + "".join(lines).strip() + "\n"


def _is_list_of_names(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
