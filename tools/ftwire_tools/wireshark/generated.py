"""The files that Wireshark reads, made from message definitions: the dissector in Lua, and plain ``.proto`` files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from ftwire_tools.schemas.proto_writer import proto_text

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from ftwire.protocols import Protocol, Registry

__all__ = ["MARK", "dissector", "plain_protos"]

MARK: Final = "Written by ftwire wireshark"
"""In the first line of every file written: only such files are written over or removed."""

_TABLE: Final = "local PROTOCOLS = {}\n"
"""The line of the dissector's source that the table of protocols takes the place of."""


def dissector(registry: Registry) -> str:
    """Return the dissector in Lua, for the protocols of a registry."""
    source = (files("ftwire_tools.wireshark") / "dissector.lua").read_text(encoding="utf-8")
    before, _, after = source.partition(_TABLE)
    rows = "".join(_row(proto_id, registry.all(proto_id)[0]) for proto_id in registry.ids)
    return f"-- {MARK}\n{before}local PROTOCOLS = {{\n{rows}}}\n{after}"


def plain_protos(definitions: Mapping[str, FileDescriptorProto]) -> Iterable[tuple[str, str]]:
    """Return name and text of each ``.proto`` file, without options that only ftwire knows.

    Wireshark has a parser of its own, which reports an error where the import of such options cannot be read.
    Raises ``UnsupportedFeatureError``.
    """
    return [(name, proto_text(file, note=MARK)) for name, file in definitions.items()]


def _row(proto_id: int, protocol: Protocol) -> str:
    request = f'"{protocol.request_name}"' if protocol.request_name is not None else "nil"
    only = ", true" if protocol.is_websocket_only else ""
    return f'  [{proto_id}] = {{ "{protocol.name}", {request}, "{protocol.response_name}"{only} }},\n'
