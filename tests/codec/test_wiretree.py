"""Trees of protobuf bodies, held against protobuf's own reading of the same bytes."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.diagnosis import Node, wire_tree
from ftwire.diagnosis.wiretree import is_exact
from ftwire.messages import Qot_GetRT
from ftwire.protocols import registry
from ftwire.schema import is_repeated
from ftwire.strategies import messages
from support.frames import rt_response

RESPONSES = [known.response for known in registry]


def protoc() -> str:
    found = shutil.which("protoc", path=str(Path(sys.executable).parent))
    assert found, "protoc is in the development dependencies"
    return found


def as_plain(value: Any) -> Any:
    """A message as nested lists of (number, values), as a tree without offsets says it."""
    if hasattr(value, "ListFields"):
        return [(field.number, as_plain(item)) for field, item in value.ListFields()]
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        return [as_plain(item) for item in value]
    return value


def tree_as_plain(nodes: tuple[Node, ...]) -> Any:
    fields: dict[int, Any] = {}
    for node in nodes:
        assert node.field is not None
        value = tree_as_plain(node.children) if node.type == "message" else node.value
        if is_repeated(node.field):
            fields.setdefault(node.number, []).append(value)
        else:
            fields[node.number] = value
    return sorted(fields.items())


@given(st.data())
def test_values_are_those_that_protobuf_reads(data: st.DataObject) -> None:
    message = data.draw(messages(data.draw(st.sampled_from(RESPONSES)), max_depth=4, finite=True, unknown=False))
    body = message.SerializeToString()
    tree = wire_tree(body, message.DESCRIPTOR)  # type: ignore[arg-type]  # the stubs' two kinds of descriptor
    assert is_exact(tree)
    assert tree_as_plain(tree) == as_plain(message)


@given(st.data())
def test_offsets_cover_every_byte_once(data: st.DataObject) -> None:
    message: Any = data.draw(messages(data.draw(st.sampled_from(RESPONSES)), max_depth=4))
    body = message.SerializeToString()

    def cover(nodes: tuple[Node, ...], start: int, end: int) -> None:
        at = start
        for node in nodes:
            assert node.offset == at
            assert node.offset < node.start <= node.end
            if node.children:
                cover(node.children, node.start, node.end)
            at = node.end
        assert at == end

    cover(wire_tree(body, message.DESCRIPTOR), 0, len(body))
    cover(wire_tree(body), 0, len(body))


@given(st.binary(max_size=400), st.sampled_from([None, *RESPONSES]))
def test_any_bytes_make_a_tree(body: bytes, message_class: Any) -> None:
    tree = wire_tree(body, None if message_class is None else message_class.DESCRIPTOR)
    assert (tree[-1].end if tree else 0) == len(body)
    if tree and tree[-1].problem is None:
        assert sum(node.end - node.offset for node in tree) == len(body)


@settings(max_examples=30)
@given(st.data())
def test_without_a_schema_the_fields_are_those_that_protoc_finds(data: st.DataObject) -> None:
    message = data.draw(messages(data.draw(st.sampled_from(RESPONSES)), max_depth=3, finite=True))
    body = message.SerializeToString()
    done = subprocess.run([protoc(), "--decode_raw"], input=body, capture_output=True, check=True)
    numbers = [int(line.split(b":")[0].split(b" ")[0]) for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert [node.number for node in wire_tree(body)] == numbers


def test_a_cut_body_is_read_up_to_the_cut() -> None:
    body = rt_response().SerializeToString()
    tree = wire_tree(body[:-5], Qot_GetRT.Response.DESCRIPTOR)
    assert [node.number for node in tree] == [1, 4]
    assert tree[1].problem == f"takes {len(body) - 4} bytes, {len(body) - 9} are left"
    assert tree[1].offset == 2


def test_a_field_of_another_wire_type_is_shown_as_it_is() -> None:
    (node,) = wire_tree(b"\x0a\x02hi", Qot_GetRT.Response.DESCRIPTOR)  # retType is an int32
    assert node.field is None
    assert (node.type, node.value) == ("string?", "hi")


def test_numbers_have_the_sign_of_their_type() -> None:
    minus_one = b"\x08" + b"\xff" * 9 + b"\x01"
    (known,) = wire_tree(minus_one, Qot_GetRT.Response.DESCRIPTOR)
    (unknown,) = wire_tree(minus_one)
    assert known.value == -1
    assert unknown.value == 2**64 - 1
    (double,) = wire_tree(b"\x09" + bytes(6) + b"\xf0\x3f")
    assert isinstance(double.value, float)
    assert math.isclose(double.value, 1.0)


def test_deep_nests_end() -> None:
    body = b""
    for _ in range(300):
        body = b"\x0b" + body + b"\x0c"  # groups
    assert "nested deeper" in str(wire_tree(body))
    for _ in range(200):
        body = b"\x0a" + (bytes([len(body)]) if len(body) < 128 else _varint(len(body))) + body
    wire_tree(body)


def test_the_number_of_nodes_is_bounded() -> None:
    tree = wire_tree(b"\x08\x01" * 1000, max_nodes=10)
    assert len(tree) == 11
    assert tree[-1].problem == "more fields than are shown"


def _varint(number: int) -> bytes:
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
