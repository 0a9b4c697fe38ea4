"""Frames as tshark shows them with the dissector: read from its PDML, an XML form of its trees."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict

from ftwire.body import to_json
from ftwire.protocols import registry
from ftwire.schema import is_repeated
from support.programs import Program

__all__ = ["Shown", "shown"]

_NUMBERS = {FieldDescriptor.TYPE_DOUBLE: "<d", FieldDescriptor.TYPE_FLOAT: "<f"}


@dataclass(frozen=True)
class Shown:
    """One frame."""

    packet: int
    fields: dict[str, str]
    """What stands behind each name that begins with ``opend.``; without expert information."""
    experts: tuple[str, ...]
    """Expert information, by field name."""
    body: ET.Element | None
    """The tree of its body, by the dissector of its format."""

    def __getitem__(self, name: str) -> str:
        return self.fields[f"opend.{name}"]

    def get(self, name: str) -> str | None:
        return self.fields.get(f"opend.{name}")

    @property
    def text(self) -> str | None:
        """The body as ``ftwire`` would write it."""
        if self.body is None:
            return None
        protocol = registry[int(self["proto_id"])]
        found = protocol.request if self["kind"] == "request" else protocol.response
        assert found is not None
        plain: Any
        if self.body.get("name") == "json":
            (top,) = _named(self.body, "json.object")
            plain = _json(top)
        else:
            descriptor: Any = found.DESCRIPTOR
            plain = _message(self.body, descriptor)
        return to_json(ParseDict(plain, found()), lower_camel=True)


def shown(tshark: Program, path: Path, *options: str) -> list[Shown]:
    """Return the frames that tshark finds in a capture."""
    text = tshark("-r", path, *options, "-T", "pdml", "-J", "opend protobuf json", "-Y", "opend")
    return [frame for packet in ET.fromstring(text).iter("packet") for frame in _frames(packet)]  # noqa: S314 - tshark's


def _frames(packet: ET.Element) -> Iterator[Shown]:
    number = next(int(field.get("show", "")) for field in packet.iter("field") if field.get("name") == "num")
    layers = [layer for layer in packet if layer.get("name") in {"opend", "protobuf", "json"}]
    for at, layer in enumerate(layers):
        if layer.get("name") != "opend":
            continue
        names = [field.get("name", "") for field in layer.iter("field")]
        body = layers[at + 1] if at + 1 < len(layers) and layers[at + 1].get("name") != "opend" else None
        yield Shown(
            number,
            {field.get("name", ""): field.get("show", "") for field in layer if field.get("name", "")[:6] == "opend."},
            tuple(name for name in names if name.startswith("opend.expert.")),
            body,
        )


def _named(node: ET.Element, *names: str) -> list[ET.Element]:
    return [child for child in node if child.get("name") in names]


def _message(node: ET.Element, descriptor: Descriptor) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in node:
        package, _, name = child.get("name", "").rpartition(".")
        if package != f"pbf.{descriptor.full_name}":
            continue
        field = descriptor.fields_by_name[name]
        value = _value(child, field)
        if is_repeated(field):
            found.setdefault(name, []).append(value)
        else:
            assert name not in found
            found[name] = value
    return found


def _value(node: ET.Element, field: FieldDescriptor) -> Any:
    show, data = node.get("show", ""), bytes.fromhex(node.get("value", ""))
    if field.message_type is not None:
        return _message(node, field.message_type)
    if field.type in _NUMBERS:
        return struct.unpack(_NUMBERS[field.type], data)[0]
    if field.type == FieldDescriptor.TYPE_STRING:
        return show
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b64encode(data).decode()
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"0": False, "1": True, "False": False, "True": True}[show]
    return int(show)


def _json(node: ET.Element) -> Any:
    """Return an object, an array or a value that the JSON dissector shows."""
    name, show = node.get("name", ""), node.get("show", "")
    if name == "json.object":
        return {member.get("show"): _member(member) for member in _named(node, "json.member")}
    if name == "json.array":
        return [_json(child) for child in node if _is_json(child)]
    if name == "json.value.string":
        return show
    if name == "json.value.number":
        # By its bytes: 4.4 shows 15 digits.
        return json.loads(bytes.fromhex(node.get("value", "")))
    return {"json.value.true": True, "json.value.false": False, "json.value.null": None}[name]


def _member(node: ET.Element) -> Any:
    (value,) = filter(_is_json, node)
    return _json(value)


def _is_json(node: ET.Element) -> bool:
    name = node.get("name", "")
    return name in {"json.object", "json.array"} or name.startswith("json.value.")
