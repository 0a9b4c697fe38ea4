"""A test that performs the steps of a finding by itself: the code that performs them is copied into it."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ftwire_tools.fuzz.judgement import KINDS

__all__ = ["COME_BACK", "test_of"]

COME_BACK: Final = 30.0
"""Seconds that a client may stay away, where nothing else is said."""
_BASE: Final = (
    "messages.descriptors",
    "messages.varints",
    "fuzz.steps",
    "fuzz.bodies",
    "fuzz.valid_messages",
    "fuzz.judgement",
    "fuzz.wire_format",
)
_OF_TRANSPORT: Final = {
    "tcp": ("fuzz.frames",),
    "websocket": ("fuzz.envelopes", "fuzz.websocket_frames", "fuzz.websocket_wire"),
}
_OF_MODE: Final = {
    "gateway": ("fuzz.socket", "fuzz.replies", "fuzz.expectations", "fuzz.attack_session", "fuzz.hostile_client"),
    "client": ("fuzz.client_connection", "fuzz.hostile_gateway", "fuzz.program"),
}
"""What is copied, in an order in which it can be run."""
_WIRES: Final = {
    ("gateway", "tcp"): "FrameWire(Role.CLIENT, key)",
    ("gateway", "websocket"): "EnvelopeWire(Role.CLIENT, address, key)",
    ("client", "tcp"): "FrameWire(Role.SERVER, key)",
    ("client", "websocket"): "EnvelopeWire(Role.SERVER)",
}

_HEAD: Final = '''\
"""Found by ``ftwire fuzz {mode}`` (ftwire {version}, seed {seed}, run {run}): {who} {verdict}.

Fails while that is so. Needs {needs}, and what it is told by the environment::

{environment}
"""

from __future__ import annotations

'''

_GATEWAY_ENVIRONMENT: Final = """\
    FTWIRE_FUZZ_HOST, FTWIRE_FUZZ_PORT    where the gateway listens (127.0.0.1, {port})"""
_CLIENT_ENVIRONMENT: Final = """\
    FTWIRE_FUZZ_HOST, FTWIRE_FUZZ_PORT    where to listen for the client (127.0.0.1, {port})
    FTWIRE_FUZZ_COMMAND                   starts the client; without it, one has to connect by itself"""
_KEY_ENVIRONMENT: Final = """
    FTWIRE_FUZZ_KEY                       PEM file of the RSA private key that both sides hold"""
_WS_KEY_ENVIRONMENT: Final = """
    FTWIRE_FUZZ_WS_KEY                    the key that its WebSocket clients must know, if there is one"""

_GATEWAY_TEST: Final = """

STEPS = {steps}


def test_the_gateway_stands_it() -> None:
    address = os.environ.get("FTWIRE_FUZZ_HOST", "127.0.0.1"), int(os.environ.get("FTWIRE_FUZZ_PORT", "{port}"))
{key}    outcome = play_against_gateway(
        [step_from_json(step) for step in STEPS],
        *address,
        wire=lambda: {wire},
        timeout={timeout!r},
    )
    assert not outcome.findings, "; ".join(f"{{kind}}: {{detail}}" for kind, detail in outcome.findings)
"""
_CLIENT_TEST: Final = """

STEPS = {steps}


def test_the_client_stands_it() -> None:
    command = os.environ.get("FTWIRE_FUZZ_COMMAND")
    program = Program(command{crashes}) if command else None
{key}    listening = listen(
        os.environ.get("FTWIRE_FUZZ_HOST", "127.0.0.1"), int(os.environ.get("FTWIRE_FUZZ_PORT", "{port}"))
    )
    try:
        if program is not None:
            program.start()
        outcome = HostileGateway(
            listening,
            [step_from_json(step) for step in STEPS],
            wire=lambda: {wire},
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
    """Return a test file that performs the steps of a ``crash.json``."""
    mode, transport = facts["mode"], facts.get("transport", "tcp")
    websocket = transport == "websocket"
    port = 33333 if websocket else 11111
    environment = (_GATEWAY_ENVIRONMENT if mode == "gateway" else _CLIENT_ENVIRONMENT).format(port=port)
    key = "" if websocket else "None"
    imports = {("os", ""), ("ftwire.frame", "Role")}
    if facts["encrypted"]:
        imports.add(("pathlib", "Path"))
        environment += _KEY_ENVIRONMENT
        key = 'RsaKey.from_pem(Path(os.environ["FTWIRE_FUZZ_KEY"]).read_bytes())'
    elif websocket and mode == "gateway":
        environment += _WS_KEY_ENVIRONMENT
        key = 'os.environ.get("FTWIRE_FUZZ_WS_KEY", "")'
    head = _HEAD.format(
        mode=mode,
        version=facts["ftwire"],
        seed=facts["seed"],
        run=facts["run"],
        who=f"the {mode}",
        verdict=KINDS[facts["finding"]["kind"]],
        needs="ftwire, websockets and pytest" if websocket else "ftwire and pytest",
        environment=environment,
    )
    bodies = []
    for name in (*_BASE, *_OF_TRANSPORT[transport], *_OF_MODE[mode]):
        wanted, body = _source_of(name)
        imports |= wanted
        bodies.append(body)
    test = (_GATEWAY_TEST if mode == "gateway" else _CLIENT_TEST).format(
        steps=_literal(facts["steps"]),
        port=port,
        key=f"    key = {key}\n" if key else "",
        wire=_WIRES[mode, transport],
        timeout=facts["timeout"],
        come_back=facts.get("come_back", COME_BACK),
        crashes=_crashes(facts),
    )
    return head + _import_lines(imports) + "".join(bodies) + test


def _crashes(facts: dict[str, Any]) -> str:
    """Return the arguments of ``Program`` that say what a crash is."""
    allowed, text = facts.get("exit_codes"), facts.get("crash_text")
    told = "" if allowed is None else f", allowed={tuple(allowed)!r}"
    return told if text is None else f"{told}, crash_text={text!r}"


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
    module = import_module(f"ftwire_tools.{name}")
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    imports: set[tuple[str, str]] = set()
    for number, node in enumerate(ast.parse(text).body):
        if isinstance(node, ast.Import):
            imports |= {(each.name, "") for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            if not str(node.module).startswith(("ftwire_tools", "__future__")):
                imports |= {(str(node.module), _imported(each)) for each in node.names}
        elif number and not _is_list_of_names(node) and not _is_for_types_alone(node):
            continue
        lines[node.lineno - 1 : node.end_lineno] = [""] * (int(node.end_lineno or 0) - node.lineno + 1)
    return imports, "\n\n" + "".join(lines).strip() + "\n"


def _is_list_of_names(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"


def _is_for_types_alone(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imported(name: ast.alias) -> str:
    return name.name if name.asname is None else f"{name.name} as {name.asname}"
