"""``--json``: one object a line and frame, the keys always the same and in the same order.

Integers that JavaScript cannot hold are strings: times in nanoseconds here, 64-bit fields in bodies.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import to_dict, to_json
from ftwire.capture import status_of
from ftwire.errors import DigestError, WireError
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.field_paths import value_at
from ftwire_tools.messages.masking import error_text, mask, may_hold_secrets
from ftwire_tools.render.hexdump import bytes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from ftwire.frame import Frame, Role
    from ftwire.websocket import Envelope
    from ftwire_tools.render import ShownFrame

__all__ = ["JsonRenderer", "dump_json"]

NO_STATUS: Final = ', "opend_error": null'
FORMATS: Final = {0: '"protobuf"', 1: '"json"'}


def dump_json(value: Any) -> str:
    """Return JSON in the style of ``ftwire.body.to_json``, so that lines look alike."""
    return json.dumps(value)


class JsonRenderer:
    """Frames as JSON, one a line."""

    def __init__(
        self,
        *,
        fields: Sequence[tuple[str, ...]] = (),
        show_secrets: bool = False,
        with_bytes: bool = False,
        file: str | None = None,
    ) -> None:
        self._fields: Final = fields
        self._show_secrets: Final = show_secrets
        self._with_bytes: Final = with_bytes
        self._start: Final = "{" if file is None else f'{{"file": {dump_json(file)}, '
        self._ends: Final[dict[tuple[int, Role], str]] = {}

    def frame(self, sighting: ShownFrame) -> str:
        """Return the line of one frame."""
        number, talk, seen, message, error, text = sighting
        frame, sender, kind, encryption, time, packet, _, latency = seen
        ends = self._ends.get((talk.number, sender))
        if ends is None:
            pair = talk.ends(sender)
            ends = self._ends[talk.number, sender] = (
                f'"conversation": {talk.number}, "src": {dump_json(pair[0])}, "dst": {dump_json(pair[1])}, '
                f'"transport": "{talk.transport}", '
            )
        protocol = frame.protocol
        name = "null" if protocol is None else f'"{protocol.name}"'
        body_format = frame.body_format
        if error is None:
            reason = '"error": null, "error_type": null'
        else:
            why = error_text(error, frame, show_secrets=self._show_secrets)
            reason = f'"error": {dump_json(why)}, "error_type": "{type(error).__name__}"'
        sha1_ok = "null" if talk.transport == "websocket" else _sha1_ok(frame.error)
        return (
            f'{self._start}"number": {number}, "time": {_quoted(time or None)}, "packet": {packet or "null"}, {ends}'
            f'"kind": "{kind}", "proto_id": {frame.proto_id}, "proto": {name}, "serial": {frame.serial}, '
            f'"format": {FORMATS.get(body_format, body_format)}, "encryption": "{encryption}", '
            f'"body_length": {len(frame.payload)}, "sha1_ok": {sha1_ok}, "latency_ns": {_quoted(latency)}, '
            f'"body": {text or ("null" if message is None else self._body(message))}, {reason}'
            f"{_status(frame) if talk.transport == 'websocket' else NO_STATUS}"
            f"{self._bytes(sighting) if self._with_bytes else ''}}}\n"
        )

    def _body(self, message: Message) -> str:
        if self._fields:
            found = {".".join(path): value_at(message, path, show_secrets=self._show_secrets) for path in self._fields}
            return dump_json(found)
        if not self._show_secrets and may_hold_secrets(descriptor_of(message)):
            return dump_json(mask(to_dict(message, lower_camel=True), descriptor_of(message)))
        return to_json(message, lower_camel=True)

    def _bytes(self, sighting: ShownFrame) -> str:
        header, body, _ = bytes_of(sighting, show_secrets=self._show_secrets)
        return f', "header_hex": "{header.hex()}", "body_hex": {"null" if body is None else _quoted(body.hex())}'


def _status(frame: Frame | Envelope) -> str:
    status = status_of(frame)
    return f', "opend_error": {dump_json(status)}' if status else NO_STATUS


def _sha1_ok(error: WireError | None) -> str:
    """Say whether the digest agrees; nobody knows that of a body that could not be decrypted."""
    if error is None:
        return "true"
    return "false" if isinstance(error, DigestError) else "null"


def _quoted(value: object) -> str:
    return "null" if value is None else f'"{value}"'
