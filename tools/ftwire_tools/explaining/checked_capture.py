"""The conversations of a capture, checked for mistakes.

``CaptureChecker`` takes the reports of a ``CaptureReader`` with ``keep_bytes``. Bytes in no frame are checked as well
as frames: a frame whose length is wrong is among them. So are connections that were not recognised: all their frames
may have the same mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.capture import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Dissected,
    DissectedBytes,
    DissectedFrame,
    UnrecognisedConnection,
)
from ftwire.diagnosis import ConversationChecker, Piece
from ftwire.events import FrameObserved
from ftwire.frame import Frame
from ftwire.pcap import CloseReason
from ftwire.websocket import Envelope
from ftwire_tools.explaining.report import Place, PlacedFinding

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["CaptureChecker", "CheckedEnd"]


MOST_PLACES: Final = 1 << 12
"""Places that are remembered of a conversation before those are forgotten that nothing can be found about any more."""


class CheckedEnd(NamedTuple):
    """The end of a conversation."""

    conversation: Conversation
    findings: list[PlacedFinding]
    """Mistakes that are certain only now."""
    cut: bool
    """The capture ends within a frame of this conversation."""


class _Checked:
    """One conversation while it is checked."""

    def __init__(self, conversation: Conversation, keys: Sequence[RsaKey], *, from_start: bool) -> None:
        self.conversation: Final = conversation
        self.from_start: Final = from_start
        self.whole = from_start
        """Nothing is missing so far."""
        self.cut = False
        self.checker: Final = ConversationChecker(keys=keys, from_start=from_start)
        self._places: dict[int, tuple[int, int]] = {}  # frame and packet, by the number of the piece
        self._most_places = MOST_PLACES

    def place(self, pieces: Iterable[Piece], time: int, packet: int, number: int = 0) -> Iterator[Place]:
        """Return pieces with their place; ``number`` is that of the frame."""
        for piece in pieces:
            if len(self._places) >= self._most_places:
                self._places = {each: self._places[each] for each in self.checker.open_pieces if each in self._places}
                # What stays must double before it is gone through again: so the time is linear.
                self._most_places = MOST_PLACES + 2 * len(self._places)
            self._places[piece.number] = number, packet
            yield Place(number, piece, self.conversation, time, packet)

    def end(self, time: int, reason: CloseReason) -> CheckedEnd:
        """Return what is certain at the end of the conversation."""
        findings = [
            PlacedFinding(finding, number, self.conversation, packet)
            for index, finding in self.checker.close(time, ended=reason in (CloseReason.FIN, CloseReason.RST))
            for number, packet in [self._places[index]]
        ]
        return CheckedEnd(self.conversation, findings, self.cut)


class CaptureChecker:
    """Checks the conversations of one capture. ``keys`` are RSA private keys to open handshakes with."""

    def __init__(self, keys: Sequence[RsaKey] = ()) -> None:
        self._keys: Final = keys
        self._open: Final[dict[int, _Checked]] = {}
        self.unchecked_bytes = 0
        """Bytes in no frame that were not checked, since the capture lacks what they belong to."""

    def check(self, report: Dissected) -> Iterator[Place | CheckedEnd]:
        """Return what is found out by a reader's next report."""
        if isinstance(report, ConversationOpened):
            number = report.conversation.number
            self._open[number] = _Checked(report.conversation, self._keys, from_start=report.from_start)
        elif isinstance(report, DissectedFrame):
            checked = self._open[report.conversation.number]
            pieces = _pieces_of_frame(checked, report)
            yield from checked.place(pieces, report.time, report.packet, report.number)
        elif isinstance(report, DissectedBytes):
            checked = self._open[report.conversation.number]
            if _is_whole(checked, report):
                yield from checked.place(_pieces_of_bytes(checked, report), report.time, report.observation.packet)
            else:
                undecoded = report.observation.undecoded
                self.unchecked_bytes += undecoded.length - undecoded.missing
        elif isinstance(report, ConversationClosed):
            yield self._open.pop(report.conversation.number).end(report.time, report.reason)
        elif isinstance(report, UnrecognisedConnection):
            yield from _check_unrecognised(report, self._keys)


def _pieces_of_frame(checked: _Checked, report: DissectedFrame) -> list[Piece]:
    frame = report.frame
    if isinstance(frame, Frame):
        return checked.checker.check_frame(frame.header, frame.payload, report.sender, report.time)
    if frame.error is not None and not checked.whole:
        # It may refer to messages that were not captured.
        return []
    return [checked.checker.check_envelope(frame, report.time)]


def _is_whole(checked: _Checked, report: DissectedBytes) -> bool:
    """Return whether bytes in no frame are all that the two sides sent there, so that a mistake may be in them."""
    undecoded = report.observation.undecoded
    is_tcp = report.conversation.transport == "tcp"
    joined_late = is_tcp and undecoded.offset == 0 and not checked.from_start
    if undecoded.missing or joined_late:
        # The capture is incomplete, which is no mistake of the two sides.
        checked.whole = False
        checked.checker.skip()
    return is_tcp and not undecoded.missing and not joined_late


def _pieces_of_bytes(checked: _Checked, report: DissectedBytes) -> list[Piece]:
    pieces = list(checked.checker.read(report.data, report.observation.sender, report.time))
    capture_ended = report.ended not in (None, CloseReason.FIN, CloseReason.RST)
    if capture_ended and pieces and [one.mistake.id for one in pieces[-1].findings] == ["frame_cut"]:
        checked.cut = True
        pieces[-1] = pieces[-1]._replace(findings=())
    return pieces


def _check_unrecognised(report: UnrecognisedConnection, keys: Sequence[RsaKey]) -> Iterator[Place | CheckedEnd]:
    """Check a connection that looks like this protocol, and in which no frame was recognised."""
    first = report.sent[0].data
    if first.startswith(b"GET "):
        checked = _unrecognised(report, keys, "websocket")
        for observed in _envelopes_of(report):
            frame = observed.frame
            if isinstance(frame, Envelope) and (frame.error is None or checked.whole):
                pieces = [checked.checker.check_envelope(frame, observed.time)]
                yield from checked.place(pieces, observed.time, observed.packet)
    else:
        checked = _unrecognised(report, keys, "tcp")
        for sent in report.sent:
            yield from checked.place(checked.checker.read(sent.data, sent.sender, sent.time), sent.time, sent.packet)
    yield checked.end(report.time, report.reason)


def _unrecognised(report: UnrecognisedConnection, keys: Sequence[RsaKey], transport: str) -> _Checked:
    return _Checked(report.conversation._replace(transport=transport), keys, from_start=report.from_start)


def _envelopes_of(report: UnrecognisedConnection) -> list[FrameObserved]:
    from ftwire.websocket_observer import WebSocketObserver

    observer = WebSocketObserver()
    return [
        observed
        for sent in report.sent
        for observed in observer.receive(sent.sender, sent.data, sent.time, sent.packet)
        if isinstance(observed, FrameObserved)
    ]
