"""The mistake that explains what could not be decoded, once a conversation, in one line.

For commands that show or record frames and do not check each of them, as ``ftwire explain`` does: only what cannot be
decoded is looked at, with the handshake before it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from ftwire.capture import (
    CaptureReader,
    ConversationClosed,
    Dissected,
    DissectedBytes,
    DissectedFrame,
    UnrecognisedConnection,
)
from ftwire.connection import INIT_CONNECT
from ftwire.diagnosis import ConversationChecker, Finding, Piece
from ftwire.errors import CaptureError
from ftwire.frame import Frame
from ftwire.websocket import INIT, Envelope
from ftwire_tools.captures.input_files import open_input
from ftwire_tools.explaining.checked_capture import CaptureChecker
from ftwire_tools.explaining.report import Place

if TYPE_CHECKING:
    from ftwire.capture import Conversation
    from ftwire.cipher import RsaKey

__all__ = ["FirstFindings", "LiveFindings", "findings_in_files"]

UNEXPLAINED: Final = 3
"""Rank of the mistakes that say no more than that something cannot be read (``ftwire.diagnosis.Mistake.rank``)."""
MAX_TRIES: Final = 16
"""Frames, and runs of other bytes, that are looked at in a conversation until one is explained."""
MAX_SIZE: Final = 1 << 20
"""Bytes of the largest of them."""
FIRST_FRAMES: Final = 64
"""Frames of a conversation whose bodies are read; later ones are judged by header and digest."""


class _Watched:
    """One conversation: its handshake, and how much of it was looked at."""

    def __init__(self) -> None:
        self.handshake: list[DissectedFrame] = []
        self.frames = 0
        self.tries = 0
        self.checker: ConversationChecker | None = None
        self.is_done = False


class FirstFindings:
    """Finds the first mistake of each conversation of a capture.

    ``keys`` are RSA private keys to open handshakes with; ``only`` are numbers of the conversations to look at.
    ``unexplained``: lines about bytes that no known mistake explains too.
    """

    def __init__(
        self, keys: Sequence[RsaKey] = (), only: Container[int] | None = None, *, unexplained: bool = True
    ) -> None:
        self._keys: Final = keys
        self._highest: Final = UNEXPLAINED if unexplained else UNEXPLAINED - 1
        self._only: Final = only
        self._watched: Final[dict[int, _Watched]] = {}
        self._settled: Final[set[int]] = set()  # conversations of which only damaged frames matter any more

    def check(self, report: Dissected) -> str:
        """Return the line about a mistake that a reader's next report shows; empty for nothing new.

        The reader has ``keep_bytes``.
        """
        if type(report) is DissectedFrame:
            # Nearly every report: no damaged frame, which would be a BadFrame, and not one of the first.
            _, conversation, observation = report
            kind = type(observation.frame)
            if (kind is Frame or kind is Envelope) and conversation.number in self._settled:
                return ""
        if isinstance(report, UnrecognisedConnection):
            return self._check_unrecognised(report)
        number = report.conversation.number
        if isinstance(report, ConversationClosed):
            self._watched.pop(number, None)
            self._settled.discard(number)
            return ""
        if not isinstance(report, DissectedFrame | DissectedBytes) or (
            self._only is not None and number not in self._only
        ):
            return ""
        watched = self._watched.setdefault(number, _Watched())
        if watched.frames >= FIRST_FRAMES:
            self._settled.add(number)
        if watched.is_done:
            return ""
        finding = self._look(watched, report)
        if finding is None or finding.mistake.rank > self._highest:
            return ""
        watched.is_done = True
        place = f", frame {report.number}" if isinstance(report, DissectedFrame) else ""
        return _line(f"conversation {number}{place}", finding)

    def _look(self, watched: _Watched, report: DissectedFrame | DissectedBytes) -> Finding | None:
        if isinstance(report, DissectedFrame):
            watched.frames += 1
            is_broken = report.frame.error is not None or (watched.frames <= FIRST_FRAMES and report.error is not None)
            if not is_broken:
                if report.proto_id in {INIT_CONNECT, INIT} and len(watched.handshake) < 2:
                    watched.handshake.append(report)
                return None
            size = len(report.frame)
        else:
            if report.observation.undecoded.missing:
                return None
            size = len(report.data)
        if size > MAX_SIZE or watched.tries >= MAX_TRIES:
            return None
        watched.tries += 1
        if watched.checker is None:
            watched.checker = ConversationChecker(keys=self._keys, from_start=False)
            for frame in watched.handshake:
                _pieces(watched.checker, frame)
            # What lies between is not read, so nothing can be said about serials and times.
            watched.checker.skip()
        return _best(_pieces(watched.checker, report))

    def _check_unrecognised(self, report: UnrecognisedConnection) -> str:
        places = CaptureChecker(self._keys).check(report) if report.sent else ()
        finding = _best(found.piece for found in places if isinstance(found, Place))
        where = f"{report.conversation.client} -> {report.conversation.server}"
        return "" if finding is None or finding.mistake.rank > self._highest else _line(where, finding)


def _pieces(checker: ConversationChecker, report: DissectedFrame | DissectedBytes) -> list[Piece]:
    if isinstance(report, DissectedBytes):
        return list(checker.read(report.data, report.observation.sender, report.time))
    frame = report.frame
    if isinstance(frame, Frame):
        return checker.check_frame(frame.header, frame.payload, report.sender, report.time)
    return [checker.check_envelope(frame, report.time)]


def _best(pieces: Iterable[Piece]) -> Finding | None:
    """Return the finding that explains most."""
    findings = [found for piece in pieces for found in piece.findings]
    return min(findings, key=lambda found: (found.mistake.rank, not found.proven), default=None)


def _line(where: str, finding: Finding) -> str:
    mistake = finding.mistake
    sender = f", {finding.sender.value}" if finding.sender is not None else ""
    # A proof may quote the body, which may hold secrets.
    return f"{where}: {mistake.title} {finding.unquoted or finding.proof} [{mistake.id}{sender}]"


class LiveFindings:
    """Finds mistakes in a capture while it is written. ``keys`` are RSA private keys, ``watch`` gets every frame.

    It gives up, without a word, where the package for WebSocket connections is not installed.
    """

    def __init__(self, keys: Sequence[RsaKey] = (), *, watch: Callable[[DissectedFrame], None] | None = None) -> None:
        self._watch: Final = watch
        self._reader: Final = CaptureReader(keys=keys, raw=False, keep_bytes=True)
        self._findings: Final = FirstFindings(keys)
        self._is_over = False

    def feed(self, blocks: bytes) -> list[str]:
        """Take the next bytes of the capture; return a line for each conversation whose mistake they show."""
        return [] if self._is_over else self._lines(self._reader.feed(blocks))

    def close(self) -> list[str]:
        """End the capture; return the lines about what had to wait for that."""
        return [] if self._is_over else self._lines(self._reader.close())

    def _lines(self, reports: Iterator[Dissected]) -> list[str]:
        try:
            return [line for report in self._watched(reports) if (line := self._findings.check(report))]
        except ImportError:
            self._is_over = True
            return []

    def _watched(self, reports: Iterator[Dissected]) -> Iterator[Dissected]:
        """Pass reports on, frames to ``watch`` as well."""
        if self._watch is None:
            return reports
        return self._shown_to(self._watch, reports)

    @staticmethod
    def _shown_to(watch: Callable[[DissectedFrame], None], reports: Iterator[Dissected]) -> Iterator[Dissected]:
        for report in reports:
            if isinstance(report, DissectedFrame):
                watch(report)
            yield report


def findings_in_files(
    paths: Sequence[str],
    keys: Sequence[RsaKey],
    conversations: Container[int],
    is_shown: Callable[[Conversation, int], bool],
) -> Iterator[str]:
    """Read the parts of one capture; yield a line for each of these conversations whose mistake is found.

    Of connections that were not recognised, ``is_shown`` is called with the ends and the time. Raises ``OSError``.
    """
    found = FirstFindings(keys, conversations, unexplained=False)
    reader = CaptureReader(keys=keys, keep_bytes=True)
    with ExitStack() as stack:
        streams = [stack.enter_context(open_input(path)).stream for path in paths]
        try:
            for report in reader.read_files(streams, progress=lambda _: None, at_once=False):
                if isinstance(report, UnrecognisedConnection) and not is_shown(report.conversation, report.time):
                    continue
                if line := found.check(report):
                    yield line
        except CaptureError:
            return  # what is damaged was shown already
