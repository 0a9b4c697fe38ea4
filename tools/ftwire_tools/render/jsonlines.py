"""``--json``: one object a line and frame, the keys always the same and in the same order.

Integers that JavaScript cannot hold are strings: times in nanoseconds here, 64-bit fields in bodies.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ftwire.errors import DigestError, WireError
from ftwire.frame import Frame
from ftwire_tools.captures.request_numbers import RequestNumbers
from ftwire_tools.messages.masking import status_text
from ftwire_tools.render.frame_view import FrameView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.frame import FrameType
    from ftwire.websocket import Envelope

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
        with_bytes: bool = False,
        file: str | None = None,
        show_secrets: bool = False,
        requests: RequestNumbers | None = None,
    ) -> None:
        """``requests`` has taken the frames that are not shown, too."""
        self._requests: Final = RequestNumbers() if requests is None else requests
        self._fields: Final = fields
        self._shows_secrets: Final = show_secrets
        self._with_bytes: Final = with_bytes
        self._start = "{"
        if file is not None:
            self.name_file(file)
        # The conversation of the last line, and what lines of its types of frames have in common.
        self._conversation: Conversation | None = None
        self._forms: Final[dict[FrameType, tuple[str, str]]] = {}

    def name_file(self, file: str) -> None:
        """Name this file as that of the frames to come."""
        self._start = f'{{"file": {dump_json(file)}, '

    def frame(self, dissected: DissectedFrame) -> tuple[str, WireError | None]:
        """Return the line of one frame, and why its body cannot be had."""
        number, conversation, observation = dissected
        frame, _, _, encryption, time, packet, _, latency = observation
        if conversation is not self._conversation:
            self._conversation = conversation
            self._forms.clear()
        form = self._forms.get(frame.frame_type) if type(frame) is Frame else None
        before_serial, behind_serial = form or self._form(dissected)
        view = FrameView(frame, show_secrets=self._shows_secrets)
        text = self._chosen(view) if self._fields else view.json
        error = view.error
        if error is None:
            reason = '"error": null, "error_type": null'
        else:
            reason = f'"error": {dump_json(view.why)}, "error_type": "{type(error).__name__}"'
        sha1_ok = "null" if conversation.transport == "websocket" else _sha1_ok(frame.error)
        line = (
            f'{self._start}"number": {number}, "time": {_quoted(time or None)}, "packet": {packet or "null"}, '
            f'{before_serial}"serial": {frame.serial}, {behind_serial}"encryption": "{encryption}", '
            f'"body_length": {len(frame.payload)}, "sha1_ok": {sha1_ok}, '
            f'"request": {self._requests.add(dissected) or "null"}, "latency_ns": {_quoted(latency)}, '
            f'"body": {text or "null"}, {reason}'
            f"{self._status(frame) if conversation.transport == 'websocket' else NO_STATUS}"
            f"{_bytes(view) if self._with_bytes else ''}}}\n"
        )
        return line, error

    def _form(self, dissected: DissectedFrame) -> tuple[str, str]:
        """Return what the lines of such frames have in this conversation in front of the serial and behind it."""
        _, conversation, observation = dissected
        frame, protocol = observation.frame, dissected.protocol
        source, destination = map(dump_json, conversation.ends(observation.sender))
        name = "null" if protocol is None else f'"{protocol.name}"'
        form = (
            f'"conversation": {conversation.number}, "src": {source}, "dst": {destination}, '
            f'"transport": "{conversation.transport}", '
            f'"kind": "{observation.kind}", "proto_id": {frame.proto_id}, "proto": {name}, ',
            f'"format": {FORMATS.get(frame.body_format, frame.body_format)}, ',
        )
        if protocol is not None and type(frame) is Frame:
            # The sender of unknown IDs cannot make this grow.
            self._forms[frame.frame_type] = form
        return form

    def _status(self, frame: Frame | Envelope) -> str:
        status = status_text(frame, show_secrets=self._shows_secrets)
        return f', "opend_error": {dump_json(status)}' if status else NO_STATUS

    def _chosen(self, view: FrameView) -> str | None:
        """Return the fields that were asked for."""
        message = view.message
        return None if message is None else dump_json({".".join(path): message.at(path) for path in self._fields})


def _bytes(view: FrameView) -> str:
    found = view.body_bytes
    return (
        f', "header_hex": "{view.header_bytes.hex()}", "body_hex": {"null" if found is None else _quoted(found.hex())}'
    )


def _sha1_ok(error: WireError | None) -> str:
    """Return whether the digest agrees; ``null`` for a body that could not be decrypted."""
    if error is None:
        return "true"
    return "false" if isinstance(error, DigestError) else "null"


def _quoted(value: object) -> str:
    return "null" if value is None else f'"{value}"'
