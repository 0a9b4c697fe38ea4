"""What mkdocs calls while it builds the site: pages that are made of the code, and links that leave ``docs``."""

from __future__ import annotations

import inspect
import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import griffe
from mkdocs.structure.files import File

import ftwire
from ftwire import Frame, WireError
from ftwire.body import to_json
from ftwire.schema import schema
from ftwire_tools.commands import ftwire as ftwire_command
from ftwire_tools.messages.sensitive_fields import category_of
from ftwire_tools.schemas.changelog import built_in_changes
from ftwire_tools.schemas.lookup import reachable
from ftwire_tools.schemas.outline import describe, kind_of

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from ftwire.protocols import Protocol

ROOT: Final = Path(__file__).resolve().parent.parent
CAPTURES: Final = ROOT / "fixtures" / "captures"
KEY: Final = ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem"
DUMP_SCHEMA: Final = ROOT / "tools" / "ftwire_tools" / "render" / "dump.schema.json"
PROTOCOLS: Final = "spec/protocols"
MODULES: Final = "reference/library"
LIBRARY: Final = (
    "ftwire", "ftwire.capture", "ftwire.schema", "ftwire.projection", "ftwire.diagnosis", "ftwire.strategies",
    "ftwire_tools.client", "ftwire_tools.scripting", "ftwire_tools.testing",
)  # fmt: skip
"""Modules whose public names are in the reference."""

EXIT_CODES: Final = "Exit codes: "
EXAMPLE_LINES: Final = "futu-api-10.11-plain.pcap.dump.jsonl"
FIRST_RELEASE: Final = "3.6.3"
"""What a protocol without ``since`` was in already: the first release that was read."""

_MARK: Final = re.compile(r"\[(doc|seen|client|unknown)\](?!\()")
"""How a statement of the specification is known."""
_STATES: Final = re.compile(r"```mermaid\nstateDiagram-v2\n(.*?)\n```", re.DOTALL)
_LINK: Final = re.compile(r"\[([^\]\n]+)\]\(((?:\.\./)+[^)\s]*)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages that are made of the code to the navigation, below the list that names them."""
    pages: dict[str, list[dict[str, str]]] = {
        f"{PROTOCOLS}/index.md": [
            {f"{each.proto_id} {each.name}": f"{PROTOCOLS}/{each.proto_id}.md"} for each in ftwire.registry
        ],
        f"{MODULES}/index.md": [{name: f"{MODULES}/{name}.md"} for name in LIBRARY],
    }
    for section in config.nav or ():
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else ():
                for title, path in entry.items() if isinstance(entry, dict) else ():
                    if isinstance(path, str) and path in pages:
                        entry[title] = [path, *pages[path]]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of the code."""
    for path, text in generated():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links to files outside ``docs`` into their paths, for the site has no copy of the tree; draw diagrams."""

    def replace(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), found[2].partition("#")[0]))
        if not target.startswith("../"):
            return found[0]
        path = target.removeprefix("../")
        return found[1] if path in found[1] else f"{found[1]} (`{path}`)"

    if page.file.src_uri.startswith("spec/"):
        # Two in a row would be taken for one link of Markdown's, and lose what is between them.
        markdown = _MARK.sub(r"\[\1\]", markdown)
    return _LINK.sub(replace, _STATES.sub(_table_of_states, markdown))


def _table_of_states(found: re.Match[str]) -> str:
    """Return a diagram of states as a table: who draws it in a page is a script of another host."""
    following: dict[str, list[str]] = {}
    for line in found[1].splitlines():
        state, _, after = line.strip().partition(" --> ")
        following.setdefault("(begin)" if state == "[*]" else state, []).append("(end)" if after == "[*]" else after)
    rows = (f"| {state} | {', '.join(after)} |" for state, after in following.items())
    return "\n".join(("| State | may be followed by |", "|---|---|", *rows))


def generated() -> Iterator[tuple[str, str]]:
    """Yield path and text of each page that is made of the code."""
    yield "reference/commands.md", commands_page()
    yield "reference/dump-json.md", dump_json_page()
    yield f"{MODULES}/index.md", library_page()
    for name in LIBRARY:
        yield f"{MODULES}/{name}.md", module_page(name)
    yield f"{PROTOCOLS}/index.md", protocols_page()
    for protocol in ftwire.registry:
        yield f"{PROTOCOLS}/{protocol.proto_id}.md", protocol_page(protocol)


def commands_page() -> str:
    """Return the exit codes and the help of every command."""
    commands = list(_commands(ftwire_command, ("ftwire",)))
    codes = [
        f"| `{' '.join(names)}` | {command.epilog.removeprefix(EXIT_CODES).rstrip('.')} |"
        for names, command in commands[1:]
        if command.epilog and command.epilog.startswith(EXIT_CODES)
    ]
    parts = [
        "# Commands and exit codes",
        "What `--help` prints of each command. [The commands by example](../commands.md) is the way in.",
        "## Exit codes",
        "Of all: 0 fine, 1 failed, 2 wrong usage, 3 finished, but some data could not be decoded. In particular:",
        "\n".join(["| command | exit codes |", "|---|---|", *codes]),
    ]
    for names, command in commands:
        context = click.Context(command, info_name=" ".join(names), max_content_width=100)
        parts += [f"## `{' '.join(names)}`", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


def dump_json_page() -> str:
    """Return the list of the keys that ``dump --json`` writes."""
    schema_of_a_line = json.loads(DUMP_SCHEMA.read_text("utf-8"))
    required = set(schema_of_a_line["required"])
    rows = [
        f"| `{name}` | {_json_type(field)} | {'always' if name in required else ''} | {field.get('description', '')} |"
        for name, field in schema_of_a_line["properties"].items()
    ]
    parts = [
        "# JSON of a frame",
        "`ftwire dump --json` writes one object a line, and each is a frame.",
        schema_of_a_line["description"],
        "\n".join(["| key | type | there | meaning |", "|---|---|---|---|", *rows]),
        "The same as a JSON Schema: `tools/ftwire_tools/render/dump.schema.json`, which is a file of the package too. "
        "What `ftwire export` writes is on [another page](../tables.md).",
        "One frame:",
        f"```json\n{_example_line()}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _json_type(field: dict[str, Any]) -> str:
    """Return the type of a key in words, or its values."""
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "anyOf" in field:
        return " or ".join(_json_type(each) for each in field["anyOf"])
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(types)


def _example_line() -> str:
    """Return what ``dump --json`` writes of the first push of a capture."""
    lines = (CAPTURES / EXAMPLE_LINES).read_text("utf-8").splitlines()
    pushed = next(line for line in map(json.loads, lines) if line["kind"] == "push")
    return json.dumps(pushed, indent=2, ensure_ascii=False)


def _commands(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _commands(inner, (*names, name))


def library_page() -> str:
    """Return the list of the public modules."""
    rows = "\n".join(f"| [{name}]({name}.md) | {_docstring(name).partition(chr(10))[0]} |" for name in LIBRARY)
    way_in = "[Using the library](../../library.md) is the way in."
    return f"# Modules\n\nWhat other programs import; {way_in}\n\n| module | |\n|---|---|\n{rows}\n"


def module_page(name: str) -> str:
    """Return a page that mkdocstrings fills with the docstrings of a module's public names."""
    return f"# {name}\n\n```text\n{_docstring(name)}\n```\n\n::: {name}\n"


def _docstring(name: str) -> str:
    return (inspect.getdoc(import_module(name)) or "").replace("``", "")


class WithoutModuleDocstrings(griffe.Extension):
    """Leaves out the docstrings of modules: they are maps, in columns, which the page shows as they are written."""

    def on_module(self, *, mod: griffe.Module, **_: Any) -> None:
        """Remove a module's docstring."""
        mod.docstring = None


def protocols_page() -> str:
    """Return the list of all protocols."""
    rows = [
        f"| [{each.proto_id}]({each.proto_id}.md) | {each.name} | {kind_of(each)} | {each.since or FIRST_RELEASE} |"
        f" {each.last or ''} |"
        for each in ftwire.registry
    ]
    return "\n".join(
        [
            "# Protocols",
            "",
            f"All {len(rows)} protocols of the SDKs from 3.6 to 10.11: what is sent, since which release of the",
            "vendor's Python SDK, and until which, where the newest does not have it.",
            "",
            "| ID | protocol | kind | since | until |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def protocol_page(protocol: Protocol) -> str:
    """Return the page of a protocol: messages, sensitive fields, changes, an exchange from a capture."""
    first, _, messages_text = describe(protocol).strip().partition("\n\n")
    parts = [f"# {protocol.name} ({protocol.proto_id})", f"{first[0].upper()}{first[1:]}."]
    parts += ["## Messages", f"```text\n{messages_text}\n```"]
    sensitive = sorted(_sensitive(protocol))
    if sensitive:
        parts += ["## Sensitive fields", "\n".join(f"- `{field}`: {category}" for field, category in sensitive)]
    changes = _changes(protocol.file)
    if changes:
        parts += ["## History", "\n".join(changes)]
    example = _examples().get(protocol.proto_id)
    if example is not None:
        capture, messages = example
        parts += ["## An example", f"From `fixtures/captures/{capture}`; long lists are cut."]
        parts += [f"{name}:\n\n```json\n{text}\n```" for name, text in messages.items()]
    return "\n\n".join(parts) + "\n"


def _sensitive(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield the full names of fields that are masked or replaced, and why."""
    messages = [each.DESCRIPTOR for each in (protocol.request, protocol.response) if each is not None]
    for message in reachable(messages, schema)[0]:
        for field in message.fields:
            category = category_of(field)
            if category is not None:
                yield f"{message.name}.{field.name}", category.value


@cache
def _changes_by_file() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for version, changes in built_in_changes().releases.items():
        for change in changes:
            package = change.name.split(".")[0]
            text = f"- {version}: {change.subject} `{change.name}` {change.kind}"
            if change.aspect:
                text += f" {change.aspect} {change.before or '(none)'} to {change.after or '(none)'}"
            found.setdefault(package, []).append(text)
    return found


def _changes(file: str) -> Iterable[str]:
    return _changes_by_file().get(file.removesuffix(".proto"), ())


@cache
def _examples() -> dict[int, tuple[str, dict[str, str]]]:
    """Return, by protocol ID, a capture that has the protocol, and a request and its response, or a push, as JSON."""
    found: dict[int, tuple[str, dict[str, str]]] = {}
    for path in sorted(CAPTURES.glob("*.pcap*")):
        if path.suffix not in {".pcap", ".pcapng"}:
            continue
        for dissected in ftwire.read(path, keys=[KEY.read_bytes()]):
            frame = dissected.frame
            if not isinstance(frame, Frame) or (frame.proto_id in found and len(found[frame.proto_id][1]) == 2):
                continue
            try:
                message = frame.message
            except WireError:
                continue
            capture, messages = found.setdefault(frame.proto_id, (path.name, {}))
            if capture == path.name:
                messages.setdefault(dissected.kind.name.capitalize(), _cut(to_json(message, lower_camel=True)))
    return found


def _cut(text: str) -> str:
    return json.dumps(_shortened(json.loads(text)), indent=2, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    """Return a JSON value with at most two elements a list."""
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value[:2]]
    return value
