"""The known mistake that explains what a client sends, found while it is connected.

A gateway looks for it when a request cannot be read, and reports the first one of a connection. Only so much is looked
at, and so often, that hostile clients cost no more by it.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from ftwire.diagnosis import MISTAKES, ConversationChecker, Finding, SessionKeys
from ftwire.errors import EnvelopeError
from ftwire.frame import MessageClasses, Role
from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.protocols import registry
from ftwire.websocket import BadEnvelope, Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftwire.cipher import RsaKey
    from ftwire.diagnosis import Piece
    from ftwire.frame import Frame
    from ftwire_tools.gateway.log import Log

__all__ = ["BegunFrame", "DiagnosisBudget", "MistakeFinder", "MistakeReport"]

PAUSE: Final = 0.1
"""Shortest time, in seconds, between two diagnoses of one gateway, whatever the number of its clients."""
SHARE: Final = 20
"""So many times as long as a diagnosis took is the pause after it, if that is longer."""
MAX_BEGUN: Final = 4096
"""Bytes kept of a frame that is not whole."""
MAX_PIECES: Final = 32
"""Frames of a stream that are looked at."""
MAX_FRAME: Final = 16 * 1024
"""Bytes of the largest frame that is looked at."""
ONE_FRAME: Final = 2
"""Rank of mistakes in a single frame, which explain no more than its error does (``ftwire.diagnosis.Mistake.rank``)."""


class DiagnosisBudget:
    """The time that all diagnoses of one gateway may take."""

    def __init__(self) -> None:
        self._next = 0.0

    def find(self, find: Callable[[], Finding | None]) -> Finding | None:
        """Return what ``find`` returns; ``None`` where the latest diagnosis was too short a time ago."""
        start = time.monotonic()
        if start < self._next:
            return None
        found = find()
        end = time.monotonic()
        self._next = end + max(PAUSE, SHARE * (end - start))
        return found


class BegunFrame:
    """The first bytes of a frame that a client has begun and not finished."""

    def __init__(self) -> None:
        self.data = b""
        """At most ``MAX_BEGUN`` bytes from the frame's first on."""

    def receive(self, data: bytes, pending: int) -> None:
        """Take the next bytes of the stream; ``pending`` is how many of all so far are in no whole frame."""
        joined = self.data + data if len(self.data) < MAX_BEGUN or pending <= len(data) else self.data
        if pending <= len(joined):
            joined = joined[len(joined) - pending :]
        self.data = joined[:MAX_BEGUN]


class MistakeFinder:
    """Looks for the mistake in what one client sent."""

    def __init__(self, key: RsaKey | None) -> None:
        self._keys: Final = [key] if key is not None else []
        self._agreed: tuple[str, str, str] | None = None

    def agree(self, encryption: str, aes_key: str, aes_iv: str) -> None:
        """Take note of what the handshake agreed on: the cipher's name, and the keys that it gave."""
        self._agreed = None if encryption == "none" else (encryption, aes_key, aes_iv)

    def in_stream(self, data: bytes) -> Finding | None:
        """Return the first mistake in bytes that begin where a frame should."""
        pieces = islice(self._checker().read(data[:MAX_BEGUN], Role.CLIENT), MAX_PIECES)
        # What follows the first piece with a mistake depends on where that ends.
        wrong = next((piece for piece in pieces if piece.findings), None)
        found = None if wrong is None else _first([wrong])
        if found is None or found.mistake.id == "no_frame":
            return _big_endian(data) or found
        return found

    def in_frame(self, frame: Frame) -> Finding | None:
        """Return the mistake in a frame that could be cut from the stream, if it is small enough to be looked at."""
        if HEADER_SIZE + len(frame.payload) > MAX_FRAME:
            return None
        return _first(self._checker().check_frame(frame.header, frame.payload, Role.CLIENT))

    def in_message(self, message: bytes) -> Finding | None:
        """Return the mistake in a WebSocket message, if it is small enough to be looked at."""
        if len(message) > MAX_FRAME:
            return None
        try:
            envelope = Envelope.decode(message, sender=Role.CLIENT)
        except EnvelopeError as error:
            envelope = BadEnvelope(MessageClasses(Role.CLIENT, registry), error)
        return _first([self._checker().check_envelope(envelope)])

    def _checker(self) -> ConversationChecker:
        mode, aes_key, aes_iv = self._agreed or (None, "", "")
        secrets = SessionKeys(aes_key, aes_iv) if mode is not None else None
        return ConversationChecker(keys=self._keys, secrets=secrets, mode=mode, from_start=False)


class MistakeReport:
    """Reports the mistake of one client, once."""

    def __init__(self, client: int, budget: DiagnosisBudget, log: Log) -> None:
        """``client`` is the number of the connection."""
        self._client: Final = client
        self._budget: Final = budget
        self._log: Final = log
        self._is_made = False

    def report(self, find: Callable[[], Finding | None]) -> str:
        """Report the mistake that is found; return its title, empty where none explains what the client sent."""
        finding = None if self._is_made else self._budget.find(find)
        if finding is None:
            return ""
        self._is_made = True
        self._log(
            "mistake",
            client=self._client,
            mistake=finding.mistake.id,
            what=finding.mistake.title,
            # A proof may quote the body, which may hold what nobody else should see.
            proof=finding.unquoted or finding.proof,
            certain=finding.proven,
            remedy=finding.mistake.remedy,
            more="ftwire record -w FILE, then ftwire explain FILE",
        )
        return finding.mistake.title if finding.mistake.rank < ONE_FRAME else ""


def _big_endian(data: bytes) -> Finding | None:
    """Return the finding for a header in big-endian order whose body has not come yet, so that no digest proves it."""
    if not data.startswith(MAGIC) or len(data) < HEADER_SIZE:
        return None
    header = Header.decode(data[:HEADER_SIZE])
    proto_id, length = (int.from_bytes(n.to_bytes(4, "little"), "big") for n in (header.proto_id, header.body_length))
    if header.proto_id in registry or proto_id not in registry or length >= header.body_length:
        return None
    proof = f"Read in big-endian nProtoID is {proto_id} and nBodyLen is {length}."
    return Finding(MISTAKES["big_endian_header"], proof, Role.CLIENT, proven=False)


def _first(pieces: Iterable[Piece]) -> Finding | None:
    """Return the finding that explains most."""
    # A frame that is not whole yet is no mistake while the client is connected.
    findings = [found for piece in pieces for found in piece.findings if found.mistake.id != "frame_cut"]
    return min(findings, key=lambda found: found.mistake.rank, default=None)
