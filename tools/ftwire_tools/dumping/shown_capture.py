"""``ftwire dump -w``: the frames that are shown, as a capture of their own.

Their packets are made anew, with the times, addresses and bytes of the old ones. Nothing is missing between them, so
that any reader shows the same frames at the same times: of the old packets, with others left out between them, every
reader would wait for the bytes in between and then show frames late, or not at all. An encrypted conversation is
written with the InitConnect that its key is in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ftwire.capture import ConversationClosed, ConversationOpened, DissectedBytes, DissectedFrame
from ftwire.cipher import NONE
from ftwire.connection import INIT_CONNECT
from ftwire.websocket import BadEnvelope, Envelope
from ftwire_tools.captures.frame_packets import FramePackets
from ftwire_tools.dumping.errors import NotWrittenError
from ftwire_tools.terminal.output_file import OutputFile

if TYPE_CHECKING:
    from ftwire.capture import Dissected

__all__ = ["ShownCapture"]

_MOST_HANDSHAKES: Final = 4
"""Frames of InitConnect that are kept of a conversation until a frame of it is shown: one pair is normal."""
_LARGEST_HANDSHAKE: Final = 1 << 16
"""Bytes of a body above which a frame is no InitConnect that anybody would accept."""
_BATCH: Final = 1 << 16
"""Bytes that are written at once."""


@dataclass(slots=True)
class _Conversation:
    opened: ConversationOpened
    handshakes: list[DissectedFrame] = field(default_factory=list)
    """Frames of InitConnect that were not shown, and may be needed to decrypt those that will be."""
    is_begun: bool = False


class ShownCapture:
    """A pcapng file of what is shown; ``add`` takes every report, ``close`` ends the file.

    Only the owner can read it: what ``--show-secrets`` hides on the terminal is in it.
    """

    def __init__(self, path: str, *, overwrite: bool) -> None:
        """Begin the file beside ``path``. Raises ``FileExistsError`` and other ``OSError``."""
        self._file: Final = OutputFile(path, overwrite=overwrite, private=True)
        self._packets: Final = FramePackets("what ftwire dump showed: times and bytes are real, packets are made up")
        self._conversations: Final[dict[int, _Conversation]] = {}
        self._out = bytearray(self._packets.header())
        self.frames = 0
        """Frames that were shown and are in the file."""
        self.handshakes = 0
        """Frames that were not shown, and are in it for the key in them."""
        self.left_out = 0
        """Bytes in no frame that were shown and are not in the file: they are not kept on WebSocket."""

    def add(self, report: Dissected, *, is_shown: bool) -> None:
        """Take a report, and write it if it is shown.

        Raises ``NotWrittenError``, also for a stream without addresses.
        """
        if isinstance(report, ConversationOpened):
            self._conversations[report.conversation.number] = _Conversation(report)
        elif isinstance(report, DissectedFrame):
            known = self._conversations[report.conversation.number]
            if is_shown:
                self._begin(known)
                if report.encryption != NONE.name:
                    for each in known.handshakes:
                        self._send(each)
                    self.handshakes += len(known.handshakes)
                    known.handshakes.clear()
                self._send(report)
                self.frames += 1
            elif (
                report.proto_id == INIT_CONNECT
                and len(known.handshakes) < _MOST_HANDSHAKES
                and len(report.frame.payload) <= _LARGEST_HANDSHAKE
            ):
                known.handshakes.append(report)
        elif isinstance(report, DissectedBytes):
            if is_shown:
                self._add_bytes(report)
        elif isinstance(report, ConversationClosed):
            known = self._conversations.pop(report.conversation.number)
            if known.is_begun:
                self._packets.close(report.conversation.number, report.reason, report.time)
        else:
            return
        for packet in self._packets.release(report.time):
            self._out += packet
        if len(self._out) >= _BATCH:
            self._flush()

    def close(self) -> None:
        """Write what waits and give the file its name. Raises ``NotWrittenError``, after which there is no file."""
        for packet in self._packets.release(None):
            self._out += packet
        self._flush()
        try:
            self._file.close()
        except OSError as error:
            raise NotWrittenError(error.strerror or str(error)) from None

    def discard(self) -> None:
        """End and remove the file."""
        self._file.discard()

    def _begin(self, known: _Conversation) -> None:
        opened = known.opened
        if known.is_begun:
            return
        if opened.client is None or opened.server is None:
            raise NotWrittenError("raw bytes have no addresses: -w writes what is shown of a capture")
        known.is_begun = True
        conversation = opened.conversation
        self._packets.open(
            conversation.number,
            opened.client,
            opened.server,
            opened.time,
            from_start=opened.from_start,
            transport=conversation.transport,
        )

    def _send(self, report: DissectedFrame) -> None:
        frame, number = report.frame, report.conversation.number
        data = frame.encode()
        if isinstance(frame, Envelope | BadEnvelope):
            self._packets.send_message(number, report.sender, data, report.time)
        else:
            self._packets.send(number, report.sender, data, report.time)

    def _add_bytes(self, report: DissectedBytes) -> None:
        undecoded, sender = report.observation.undecoded, report.observation.sender
        present = undecoded.length - undecoded.missing
        if len(report.data) != present:
            self.left_out += present
            return
        known = self._conversations[report.conversation.number]
        self._begin(known)
        self._packets.send(report.conversation.number, sender, report.data, report.time)
        self._packets.skip(report.conversation.number, sender, undecoded.missing)

    def _flush(self) -> None:
        try:
            self._file.write(self._out)
        except OSError as error:
            raise NotWrittenError(error.strerror or str(error)) from None
        self._out.clear()
