"""Mistakes in a plain body whose digest agrees: format, direction, missing fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftwire.body import decode_body, missing_fields
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.requests import RET_TYPES, content_finding
from ftwire.diagnosis.wiretree import TOO_MANY, Node, is_exact, wire_tree
from ftwire.diagnosis.wrapped_bodies import json_finding, wrapped_finding
from ftwire.errors import BodyError
from ftwire.frame import Role
from ftwire.header import BodyFormat
from ftwire.protocols import Registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "body_finding",
    "enc_algo_finding",
    "is_exactly",
    "looks_like_json",
    "other_protocol_finding",
    "reads",
    "side_of",
]

MAX_FIRST = 64
"""Fields at the beginning of a body that are looked at before all of it is parsed."""
ENC_ALGOS = {-1: "none", 0: "FTAES_ECB", 1: "AES_ECB", 2: "AES_CBC"}
"""Valid values of ``packetEncAlgo``."""


def looks_like_json(body: bytes) -> bool:
    """Return whether bytes are a whole JSON object."""
    if body[:64].lstrip()[:1] != b"{":
        return False
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _candidates(proto_id: int, sender: Role, registry: Registry) -> list[type[Message]]:
    """Return the message classes of what ``sender`` sends under this ID, today's first."""
    entries = registry.all(proto_id)
    found = [entry.request if sender is Role.CLIENT else entry.response for entry in entries]
    return [each for each in found if each is not None]


def _read(body: bytes, message_class: type[Message], body_format: int) -> Message | BodyError:
    try:
        return decode_body(body, message_class, body_format, check_required=False)
    except BodyError as error:
        return error


def _holds_all(message: Message, body: bytes) -> bool:
    """Return whether the known fields of a message, as they are encoded, are all of its body: nothing is unknown.

    Unknown fields are dropped from ``message``.
    """
    message.DiscardUnknownFields()
    return message.SerializePartialToString() == body


def _is_whole(body: bytes, message_class: type[Message], body_format: int) -> bool:
    """Return whether a body is such a message with all required fields and no unknown ones."""
    descriptor = _descriptor(message_class)
    first: tuple[Node, ...] = ()
    if body_format == BodyFormat.PROTOBUF:
        # Before the parser: where it fails it looks for the place, which takes long in a large body.
        first = wire_tree(body, descriptor, max_nodes=MAX_FIRST)
        if any(node.field is None and node.problem != TOO_MANY for node in first):
            return False
    message = _read(body, message_class, body_format)
    if isinstance(message, BodyError) or missing_fields(message):
        return False
    if body_format == BodyFormat.PROTOBUF:
        return is_exact(first) or is_exact(wire_tree(body, descriptor))
    # A JSON parser ignores unknown members: at the top level there must be none.
    return bool(body.strip()) and set(json.loads(body)) <= {field.json_name for field in descriptor.fields}


def _descriptor(message: Any) -> Any:
    return message.DESCRIPTOR


def reads(body: bytes, proto_id: int, body_format: int, sender: Role | None, registry: Registry) -> bool:
    """Return whether a body is a message of this protocol, from ``sender`` or, if that is unknown, from either."""
    for side in Role if sender is None else (sender,):
        for each in _candidates(proto_id, side, registry):
            message = _read(body, each, body_format)
            if not isinstance(message, BodyError) and not missing_fields(message):
                return True
    return False


def is_exactly(body: bytes, proto_id: int, body_format: int, sender: Role | None, registry: Registry) -> bool:
    """Return the same, but only if all fields are known: random bytes are rarely such a message."""
    if body_format > BodyFormat.JSON:
        return False
    sides = tuple(Role) if sender is None else (sender,)
    return any(_is_whole(body, each, body_format) for side in sides for each in _candidates(proto_id, side, registry))


def side_of(body: bytes, proto_id: int, body_format: int, registry: Registry, *, first: Role) -> Role | None:
    """Return the side that sends such a body; ``first`` where it could be either, ``None`` for neither."""
    if body_format > BodyFormat.JSON:
        return None
    sides = (first, first.peer)
    for side in sides:
        if is_exactly(body, proto_id, body_format, side, registry):
            return side
        if first is Role.CLIENT and _bare_c2s(body, proto_id, body_format, registry) is not None:
            return first
    # With fields that this schema does not have.
    if reads(body, proto_id, body_format, first, registry):
        return first
    return first.peer if _reads_likely(body, proto_id, body_format, first.peer, registry) else None


def _reads_likely(body: bytes, proto_id: int, body_format: int, sender: Role, registry: Registry) -> bool:
    """Return the same as ``reads``; of a Response only if its ``retType`` is one of its values."""
    for each in _candidates(proto_id, sender, registry):
        message: Any = _read(body, each, body_format)
        if not isinstance(message, BodyError) and not missing_fields(message):
            return sender is Role.CLIENT or getattr(message, "retType", 0) in RET_TYPES
    return False


def body_finding(body: bytes, proto_id: int, body_format: int, sender: Role, registry: Registry) -> Finding | None:
    """Return the mistake in a plain body, or ``None``.

    Bodies of unknown protocols and formats cannot be checked: ``None``.
    """
    classes = _candidates(proto_id, sender, registry)
    if not classes or body_format > BodyFormat.JSON:
        return None
    message = _read(body, classes[0], body_format)
    missing: list[str] = []
    if not isinstance(message, BodyError):
        missing = missing_fields(message)
        if not missing:
            if body_format == BodyFormat.PROTOBUF and _holds_all(message, body):
                return None  # what content_finding looks for, a parser takes for a field that it does not know
            return content_finding(body, _descriptor(classes[0]), body_format, sender)
    for former in classes[1:]:
        other = _read(body, former, body_format)
        if not isinstance(other, BodyError) and not missing_fields(other):
            return None
    name = classes[0].DESCRIPTOR.full_name
    format_finding = _wrong_format(body, body_format, classes[0], sender)
    if format_finding is not None:
        return format_finding
    if (
        wrapped := wrapped_finding(body, name, sender, lambda inner: _is_whole(inner, classes[0], body_format))
    ) is not None:
        return wrapped
    if sender is Role.CLIENT and (c2s := _bare_c2s(body, proto_id, body_format, registry)) is not None:
        proof = f"The body is a whole {c2s} and no {name}: the Request around it, with the field c2s, is missing."
        return Finding(MISTAKES["c2s_without_request"], proof, sender)
    if (content := content_finding(body, _descriptor(classes[0]), body_format, sender)) is not None:
        return content
    opposite = _candidates(proto_id, sender.peer, registry)
    for each in opposite:
        if _is_whole(body, each, body_format):
            mistake = "request_for_response" if sender is Role.SERVER else "response_for_request"
            proof = (
                f"The body is a whole {each.DESCRIPTOR.full_name} and no {name}, "
                f"which is what the {sender.value} sends."
            )
            return Finding(MISTAKES[mistake], proof, sender)
    if isinstance(message, BodyError):
        if body_format == BodyFormat.JSON:
            return json_finding(body, message, sender)
        agrees = "The SHA-1 agrees, but this is"
        proof, unquoted = f"{agrees} {message}.", f"{agrees} {message.unquoted}."
        return Finding(MISTAKES["body_unreadable"], proof, sender, proven=False, unquoted=unquoted)
    if missing == ["retType"]:
        holds = ", ".join(field.name for field, _ in message.ListFields()) or "nothing"
        proof = (
            f"{name} requires retType and the body holds {holds}; a reader that takes the absent field "
            "for 0 reads success."
        )
        return Finding(MISTAKES["ret_type_absent"], proof, sender)
    if missing == ["c2s"]:
        proof = f"{name} requires c2s, and the body of {len(body)} bytes has none."
        return Finding(MISTAKES["c2s_missing"], proof, sender)
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return Finding(MISTAKES["fields_missing"], f"{name} lacks {shown}.", sender)


def other_protocol_finding(
    body: bytes, proto_id: int, body_format: int, sender: Role, registry: Registry
) -> Finding | None:
    """Return the finding for a body that is a whole message of other protocols, and has fields that its own lacks."""
    if not body or body_format != BodyFormat.PROTOBUF:
        return None
    own = _candidates(proto_id, sender, registry)
    if any(is_exact(wire_tree(body, _descriptor(each), max_nodes=MAX_FIRST)) for each in own):
        return None
    others = [
        f"{each.DESCRIPTOR.full_name} ({entry.proto_id})"
        for entry in registry
        for each in _candidates(entry.proto_id, sender, registry)[:1]
        if entry.proto_id != proto_id
        and _is_whole(body, each, body_format)
        and _is_usual(wire_tree(body, _descriptor(each)))
    ]
    if not others:
        return None
    more = f" and of {len(others) - 3} more" if len(others) > 3 else ""
    named = own[0].DESCRIPTOR.full_name if own else f"protocol {proto_id}"
    proof = f"The body is no {named} ({proto_id}); it has the fields of {', '.join(others[:3])}{more}."
    return Finding(MISTAKES["other_protocol_body"], proof, sender, proven=False)


def _is_usual(nodes: tuple[Node, ...]) -> bool:
    """Return whether texts have no control characters, and numbers are not packed: proto2 has them one by one."""
    return all(
        not isinstance(node.value, tuple)
        and not (isinstance(node.value, str) and any(character < " " for character in node.value))
        and _is_usual(node.children)
        for node in nodes
    )


def _bare_c2s(body: bytes, proto_id: int, body_format: int, registry: Registry) -> str | None:
    """Return the name of the C2S message that a body is without the Request around it; ``None`` if it is none.

    Short bodies may be a C2S and a Response: they are a Response if ``retType`` is one of its values.
    """
    if not body or body_format > BodyFormat.JSON:
        return None
    for each in _candidates(proto_id, Role.CLIENT, registry):
        c2s = each.DESCRIPTOR.fields_by_name.get("c2s")
        if c2s is None or c2s.message_type is None:
            continue
        inner: type[Message] = type(getattr(each(), "c2s"))  # noqa: B009 - its type is not known to the checker
        if not _is_whole(body, inner, body_format):
            continue
        for response in _candidates(proto_id, Role.SERVER, registry):
            read: Any = _read(body, response, body_format)
            if _is_whole(body, response, body_format) and getattr(read, "retType", 0) in RET_TYPES:
                return None
        return inner.DESCRIPTOR.full_name
    return None


def _wrong_format(body: bytes, body_format: int, message_class: type[Message], sender: Role) -> Finding | None:
    if body_format == BodyFormat.PROTOBUF:
        if looks_like_json(body):
            keys = ", ".join(list(json.loads(body))[:4])
            unquoted = "nProtoFmtType is 0 and the body is a JSON object"
            proof = f"{unquoted} with the members {keys}."
            return Finding(MISTAKES["json_for_protobuf"], proof, sender, unquoted=f"{unquoted}.")
        return None
    if body and _is_whole(body, message_class, BodyFormat.PROTOBUF):
        proof = f"nProtoFmtType is 1 and the body is a {message_class.DESCRIPTOR.full_name} in protobuf."
        return Finding(MISTAKES["protobuf_for_json"], proof, sender)
    return None


def enc_algo_finding(asked: int) -> Finding | None:
    """Return the finding for a ``packetEncAlgo`` that is none of its values: as zigzag it may make sense."""
    if asked in ENC_ALGOS:
        return None
    meant = (asked >> 1) ^ -(asked & 1)
    if asked < 0 or meant not in ENC_ALGOS:
        proof = f"packetEncAlgo is {asked}; its values are {', '.join(map(str, sorted(ENC_ALGOS)))}."
        return Finding(MISTAKES["packet_enc_algo_unknown"], proof, Role.CLIENT)
    proof = f"packetEncAlgo is {asked}, which means nothing; read as sint32 it is {meant} ({ENC_ALGOS[meant]})."
    return Finding(MISTAKES["packet_enc_algo_sint32"], proof, Role.CLIENT)
