"""Nothing that shows messages shows a secret: each is planted in every field that may hold one.

That is renderers, the comparison, the drawings of explain and the tables of export.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from ftwire.body_mutations import encode_varint
from ftwire.capture import Conversation, DissectedFrame
from ftwire.diagnosis import ConversationChecker
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Role
from ftwire.protocols import registry
from ftwire_tools.explaining.body_layout import body_json
from ftwire_tools.explaining.frame_layout import draw
from ftwire_tools.explaining.piece_view import PieceView
from ftwire_tools.export import tables
from ftwire_tools.messages.comparison import Comparison
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.masking import is_secret, may_hold_secrets, message_view
from ftwire_tools.render.detail import DetailRenderer
from ftwire_tools.render.json_rows import RowsRenderer
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer
from ftwire_tools.render.reply import AnswerRenderer
from ftwire_tools.terminal.style import PLAIN
from support.captures import Said, pcap, session
from support.planted import fill

CONVERSATION = Conversation(1, "tcp", "127.0.0.1:50112", "127.0.0.1:11111")
NUMBER, TEXT = 987_654_321, "planted"
"""Every number and text that is secret is one of these, or begins so."""

HOLDERS = [
    (entry.proto_id, sender, message_class)
    for entry in registry
    for sender, message_class in ((Role.CLIENT, entry.request), (Role.SERVER, entry.response))
    if message_class is not None and may_hold_secrets(descriptor_of(message_class))
]


def value_of(field: Any, variant: int) -> Any:
    secret = is_secret(field)
    if field.cpp_type == field.CPPTYPE_STRING:
        text = f"{TEXT}{variant}" if secret else "open"
        return text.encode() if field.type == field.TYPE_BYTES else text
    if field.cpp_type == field.CPPTYPE_BOOL:
        return True
    if field.cpp_type == field.CPPTYPE_ENUM:
        return field.enum_type.values[0].number
    return NUMBER + variant if secret else 1


def planted(message_class: type[Message], variant: int = 0) -> Message:
    message = message_class()
    fill(message, lambda field: value_of(field, variant))
    return message


def paths(descriptor: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field in descriptor.fields:
        path = (*above, field.name)
        yield path
        if field.message_type is not None and len(path) < 6:
            yield from paths(field.message_type, path)


def texts(proto_id: int, sender: Role, message: Message, *, show_secrets: bool) -> Iterator[str]:
    frame = Frame.build(proto_id, 1, message.SerializePartialToString(), sender=sender)
    observation = FrameObserved(frame, sender, frame.kind, "none", 1, 1, None, None)
    dissected = DissectedFrame(1, CONVERSATION, observation)
    fields = tuple(paths(descriptor_of(message)))
    lines = LineRenderer(show_secrets=show_secrets)
    yield from (
        renderer.frame(dissected)[0]
        for renderer in (
            lines,
            LineRenderer(fields=fields, show_secrets=show_secrets),
            DetailRenderer(lines, tree=True, show_secrets=show_secrets),
            DetailRenderer(lines, table=True, show_secrets=show_secrets),
            DetailRenderer(lines, with_hex=True, show_secrets=show_secrets),
            JsonRenderer(show_secrets=show_secrets),
            JsonRenderer(fields=fields, show_secrets=show_secrets),
            JsonRenderer(with_bytes=True, show_secrets=show_secrets),
            RowsRenderer(show_secrets=show_secrets),
        )
    )
    for as_json, table in ((False, False), (True, False), (False, True), (True, True)):
        yield AnswerRenderer(as_json=as_json, table=table).frame(frame, message_view(frame, show_secrets=show_secrets))
    comparison = Comparison(ignore=(), show_secrets=show_secrets)
    for other in (planted(type(message), 1), type(message)()):
        yield "\n".join(map(str, comparison.differences(message, other)))


def drawings(proto_id: int, sender: Role, message: Message, *, show_secrets: bool) -> Iterator[str]:
    """What explain shows of a frame in either format: as it should be, with a wrong digest, and cut."""
    for body_format in (0, 1):
        raw = Frame.build(proto_id, 1, message, sender=sender, body_format=body_format).encode()
        for each in (raw, raw[:16] + bytes(20) + raw[36:], raw[:-3]):
            (piece,) = ConversationChecker(alone=True).read(each, sender)
            view = PieceView(piece, show_secrets=show_secrets)
            yield "\n".join(draw(view, PLAIN, everything=True))
            yield json.dumps(body_json(view))
            yield " ".join(finding.proof for finding in view.findings())


def has_secret(text: str) -> bool:
    hexadecimal = text.replace(" ", "")
    written = (TEXT.encode(), encode_varint(NUMBER), encode_varint(NUMBER + 1))
    return str(NUMBER) in text or TEXT in text or any(each.hex() in hexadecimal for each in written)


@pytest.mark.parametrize(("proto_id", "sender", "message_class"), HOLDERS, ids=lambda value: str(value)[:40])
def test_no_text_has_a_secret(proto_id: int, sender: Role, message_class: type[Message]) -> None:
    message = planted(message_class)
    assert not any(map(has_secret, texts(proto_id, sender, message, show_secrets=False)))
    shown = [has_secret(text) for text in texts(proto_id, sender, message, show_secrets=True)]
    # But for summaries and tables, which have no place for most.
    assert sum(shown) >= 8, shown


@pytest.mark.parametrize(("proto_id", "sender", "message_class"), HOLDERS, ids=lambda value: str(value)[:40])
def test_no_drawing_has_a_secret(proto_id: int, sender: Role, message_class: type[Message]) -> None:
    message = planted(message_class)
    assert not any(map(has_secret, drawings(proto_id, sender, message, show_secrets=False)))
    shown = [has_secret(text) for text in drawings(proto_id, sender, message, show_secrets=True)]
    # What is not damaged, in either format; of the rest there may be too little left.
    assert all((*shown[:2], *shown[9:11])), shown


@pytest.mark.parametrize("explode", [False, True])
def test_no_table_has_a_secret(tmp_path: Path, explode: bool) -> None:
    said = session()[:2]
    for proto_id, sender, message_class in HOLDERS:
        body = planted(message_class).SerializePartialToString()
        # Last, a text that is no UTF-8 and that the converter refuses, and a body that protobuf does.
        for each in (body, b"\x12\x02\xff\xfe" + body, body + b"\x0a"):
            said.append(Said(sender, Frame.build(proto_id, 7, each, sender=sender).encode()))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    found: dict[bool, set[int]] = {}
    for show_secrets in (False, True):
        found[show_secrets] = set()
        for _, batch in tables([str(path)], show_secrets=show_secrets, explode=explode):
            for row in batch.drop_columns(["time"]).to_pylist():
                if has_secret(json.dumps(row, default=lambda value: value.hex() if isinstance(value, bytes) else "")):
                    found[show_secrets].add(row["number"])
    assert found[False] == set()
    assert found[True] >= set(range(3, 3 + 3 * len(HOLDERS)))


def test_secrets_that_differ_are_found_to_differ() -> None:
    proto_id, sender, message_class = next(
        each for each in HOLDERS if each[2].DESCRIPTOR.full_name == "InitConnect.Response"
    )
    message = planted(message_class)
    comparison = Comparison(ignore=())
    assert not list(comparison.differences(message, planted(message_class)))
    differences = [str(each) for each in comparison.differences(message, planted(message_class, 1))]
    assert "s2c.connAESKey: '***' -> '***'" in differences
    assert registry[proto_id].name == "InitConnect"
    assert sender is Role.SERVER
