"""A piece as it may be shown: what its drawing is made from.

Secret fields are hidden, and so is everything that may be one: unknown fields of messages that may hold secrets, and
bytes that could not be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.diagnosis import Node, wire_tree
from ftwire.frame import Role
from ftwire.header import ENVELOPE_MAGIC, MAGIC, BodyFormat
from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.masking import BodyMask, Hidden, hides_error_text, may_hold_secrets

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from ftwire.diagnosis import Finding, Piece

__all__ = ["PieceView"]

TAG_BYTES: Final = 8
"""Bytes shown in front of a field: its tag and length, and its value if it is short."""
SHOWN_OF_PAYLOAD: Final = 2
"""Bytes shown of what cannot be read and may hold secrets: the tag and length of a message's first field."""
SHOWN_OF_HEADER: Final = 16
"""Bytes shown of what is in no frame and begins as one does: the fields of a header before the digest."""


class PieceView:
    """A piece with its secrets or without."""

    __slots__ = ("_mask", "_shows_secrets", "descriptor", "piece")

    def __init__(self, piece: Piece, *, show_secrets: bool) -> None:
        self.piece: Final = piece
        """Its header and sizes; ``payload``, ``body`` and ``findings`` are not to be shown as they are."""
        self.descriptor: Final = _class_of(piece)
        """Descriptor of the message that the body is, or should be; ``None`` if it is unknown."""
        self._mask: Final = BodyMask(self.descriptor, show_secrets=show_secrets)
        self._shows_secrets: Final = show_secrets

    @property
    def payload(self) -> bytes:
        """What may be shown of the bytes on the wire after the header.

        What looks encrypted may as well be a plain body that was damaged.
        """
        piece = self.piece
        if not self._mask.hides_unverified or piece.body is not None:
            return piece.payload
        begins_like_one = piece.payload.startswith((MAGIC, ENVELOPE_MAGIC))
        return piece.payload[: SHOWN_OF_HEADER if begins_like_one else SHOWN_OF_PAYLOAD]

    @property
    def hides_error_text(self) -> bool:
        """Whether what stands where OpenD's envelopes have an error is hidden."""
        return hides_error_text(int.from_bytes(self.piece.raw[20:24], "big", signed=True), self._mask)

    def findings(self) -> Iterator[Finding]:
        """Yield the mistakes found in it, with proofs that do not quote a body that may hold secrets."""
        for finding in self.piece.findings:
            unquoted = finding.unquoted if self._mask.hides_some else None
            yield finding if unquoted is None else finding._replace(proof=unquoted)

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, whatever its header has."""
        wrong = _mistakes_of(self.piece)
        if "json_for_protobuf" in wrong:
            return True
        if "protobuf_for_json" in wrong:
            return False
        if self.piece.header is None:
            # A header with another layout: the body itself shows it.
            return self.piece.envelope is None and (self.piece.body or b"")[:1] == b"{"
        return self.piece.header.body_format == BodyFormat.JSON

    @property
    def body(self) -> bytes | None:
        """The bytes of the plain body; ``None`` where they may hold secrets, and where there is none."""
        return None if self._mask.hides_some else self.piece.body

    def json(self) -> Any:
        """Return the value of a JSON body. Raises ``ValueError`` and ``RecursionError`` where it is none."""
        return self._mask.json(json.loads(self.piece.body or b""))

    def fields(self) -> list[Node]:
        """Return the tree of a protobuf body; values that may be secrets are ``Hidden``."""
        nodes = wire_tree(self.piece.body or b"", self.descriptor)
        return self._hidden(nodes, damaged=not _is_readable(nodes)) if self._mask.hides_some else list(nodes)

    def _hidden(self, nodes: Iterable[Node], *, damaged: bool) -> list[Node]:
        """Return fields without what may be secrets. In a damaged body these may be read as tags and lengths, too."""
        found: list[Node] = []
        for node in nodes:
            known = node.field is not None and node.problem is None
            if damaged and not known and not (node.field is not None and node.children):
                end = node.end
                problem = "cannot be read from here on, and may hold secrets"
                found.append(Node(node.offset, node.offset, end, 0, 0, None, "", None, problem=problem))
                break
            # A body that is another message than it should be is a guess: a secret may be any of its fields.
            is_guess = _is_guessed(self.piece) and may_hold_secrets(self.descriptor)
            is_hidden = self._mask.hides(node.field) or is_guess
            value = Hidden(node.value) if node.value is not None and is_hidden else node.value
            children = tuple(self._hidden(node.children, damaged=damaged))
            if node.field is None and node.children:
                # A guess, which may have taken a secret for fields.
                value, children = Hidden(b""), ()
            found.append(node._replace(value=value, children=children))
        return found

    def first_bytes(self, node: Node) -> bytes:
        """Return the tag and length of a field, with a short value; of what cannot be read the first bytes."""
        body = self.piece.body or b""
        if node.problem is not None and not node.children:
            return b"" if self._mask.hides_some else body[node.offset : node.offset + TAG_BYTES]
        has_value = not node.children and node.value is not None and not isinstance(node.value, Hidden)
        is_short = node.end - node.offset <= TAG_BYTES
        return body[node.offset : node.end if has_value and is_short else node.start]


def _is_readable(nodes: Iterable[Node]) -> bool:
    return all(node.problem is None and _is_readable(node.children) for node in nodes)


def _class_of(piece: Piece) -> Descriptor | None:
    is_request = piece.sender is Role.CLIENT
    if _mistakes_of(piece) & {"request_for_response", "response_for_request"}:
        is_request = piece.sender is not Role.CLIENT
    found = registry.message_class(piece.proto_id, is_request=is_request)
    if found is None:
        return None
    descriptor = descriptor_of(found)
    if _is_guessed(piece):
        return descriptor.fields_by_name["c2s"].message_type
    return descriptor


def _is_guessed(piece: Piece) -> bool:
    return "c2s_without_request" in _mistakes_of(piece)


def _mistakes_of(piece: Piece) -> set[str]:
    return {finding.mistake.id for finding in piece.findings}
