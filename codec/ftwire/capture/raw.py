"""The bytes of one connection, without packets, turned into frames: what one side sent, or both as one stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ftwire.capture.account import Account
from ftwire.capture.dissected import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Dissected,
)
from ftwire.capture.other_files import other_file, text_file
from ftwire.capture.packets import report_of
from ftwire.conversation import ConversationObserver
from ftwire.errors import BadMagicError, BodyTooLargeError, NotACaptureError, TruncatedHeaderError, WireError
from ftwire.events import Observation, UndecodedObserved
from ftwire.frame import Role
from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.pcap import CloseReason
from ftwire.resemblance import resemblance_of
from ftwire.resync import UndecodedBytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftwire.cipher import RsaKey
    from ftwire.protocols import Registry

__all__ = ["NEITHER", "RawFrames"]

NEITHER: Final = "neither a capture (pcap or pcapng, compressed or not) nor OpenD frames"

BOTH_SIDES: Final = (
    "both sides of a WebSocket connection in one stream, which are not told apart: save each side by itself, "
    "or the packets"
)
MAX_HANDSHAKE: Final = 16 * 1024
"""Bytes in which a client's WebSocket handshake ends."""

SEARCH_LIMIT: Final = 4 << 20
"""Bytes searched for the first frame. More than in a captured connection, since a frame is expected."""


class RawFrames:
    """What is reported of a stream without packets: one conversation, without times and addresses."""

    def __init__(
        self, account: Account, *, keys: Sequence[RsaKey], max_body: int, registry: Registry, sender: Role | None
    ) -> None:
        """``sender`` is the side that sent the bytes; without it, their content decides, frame by frame on TCP."""
        self._account: Final = account
        self._observer: Final = ConversationObserver(
            keys=keys,
            client=None if sender is None else 0 if sender is Role.CLIENT else 1,
            registry=registry,
            max_body=max_body,
            search_limit=SEARCH_LIMIT,
            mixed=sender is None,
        )
        self._max_body: Final = max_body
        self._sender: Final = sender
        self._registry: Final = registry
        self._head = b""
        self._opening = b"" if sender is None else None  # while it may be a WebSocket handshake
        self._size = 0
        self._conversation: Conversation | None = None

    def feed(self, chunk: bytes) -> Iterator[Dissected]:
        """Take the next bytes of the stream.

        The first are four at least. The iterator raises ``NotACaptureError`` where they are those of another kind of
        file, or of both sides of a WebSocket connection.
        """
        if not self._size and (other := other_file(chunk)) is not None:
            self._size = len(chunk)
            return self._refuse(f"{NEITHER}, but {other}")
        if len(self._head) < HEADER_SIZE:
            self._head += chunk[: HEADER_SIZE - len(self._head)]
        self._size += len(chunk)
        if self._opening is not None and self._has_both_handshakes(chunk):
            return self._refuse(BOTH_SIDES)
        return self._reports(self._observer.receive(0, chunk), None)

    def _has_both_handshakes(self, chunk: bytes) -> bool:
        """Return whether a client's WebSocket handshake at the start of the stream is followed by the server's."""
        opening = (self._opening or b"") + chunk[:MAX_HANDSHAKE]
        is_handshake = opening[:4] == b"GET "[: len(opening)]
        self._opening = opening if is_handshake and len(opening) < MAX_HANDSHAKE else None
        return is_handshake and b"\r\n\r\nHTTP/1." in opening

    def _refuse(self, reason: str) -> Iterator[Dissected]:
        raise self._nothing(reason)
        yield  # which makes it an iterator

    def close(self) -> Iterator[Dissected]:
        """Settle what waits, at the end of the stream. Raises ``NotACaptureError`` where it holds no frame."""
        if self._account.damage is not None:
            # It was refused, and that was reported.
            return
        yield from self._reports(self._observer.close(), CloseReason.END)
        if self._conversation is None:
            yield from self._reports([self._damaged_frame()], CloseReason.END)
        if self._conversation is not None:
            yield ConversationClosed(self._conversation, CloseReason.END, 0, 0)

    def _reports(self, observations: Iterable[Observation], ended: CloseReason | None) -> Iterator[Dissected]:
        conversation = self._conversation
        for observation in observations:
            if conversation is None:
                transport = str(self._observer.transport or "tcp")
                conversation = self._conversation = Conversation(1, transport, "client", "server")
                self._account.conversations = 1
                yield ConversationOpened(conversation, None, None, False, 0)
            yield report_of(self._account, conversation, observation, b"", ended)

    def _damaged_frame(self) -> UndecodedObserved:
        """Return a stream that begins like a frame and holds none as undecoded bytes. Raises ``NotACaptureError``."""
        if not self._size:
            raise self._nothing("empty: neither a capture nor OpenD frames")
        error = self._damage()
        if error is None:
            looks = resemblance_of(self._head, self._registry)
            text = text_file(self._head)
            if looks and looks.is_certain:
                raise self._nothing(f"{NEITHER}, though it begins with {looks.reason}")
            raise self._nothing(f"{NEITHER}, but {text}" if text else NEITHER)
        undecoded = UndecodedBytes(0, self._size, 0, truncated=True, error=error)
        return UndecodedObserved(undecoded, self._sender or Role.CLIENT, 0, 0)

    def _nothing(self, reason: str) -> NotACaptureError:
        error = self._account.damage = NotACaptureError(reason)
        return error

    def _damage(self) -> WireError | None:
        """Return what is wrong with the frame that the stream begins with; ``None`` where it does not begin so."""
        head = self._head
        if not head.startswith(MAGIC) or int.from_bytes(head[2:6], "little") not in self._registry:
            return None
        try:
            header = Header.decode(head)
        except (TruncatedHeaderError, BadMagicError) as error:
            return error
        return BodyTooLargeError(limit=self._max_body, actual=header.body_length, proto_id=header.proto_id)
