"""One conversation on TCP whose two sides come as one stream, as "follow stream" saves them: told apart frame by frame.

A frame's side is certain where its protocol is a push, and where its plain body has the first field of a request or
that of a response. Any other frame, such as an encrypted one, is the server's if it has the protocol ID and serial of a
request before it, and else the client's, provided that there are two sides: both were certain of some frame, or an ID
and serial came twice. Until that is known such frames wait, for a while; then the stream is taken for that of one side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.cipher import KEY_UNKNOWN, RsaKey
from ftwire.errors import KeyRequiredError, WireError
from ftwire.events import Observation
from ftwire.frame import BadFrame, Frame, Role, sender_of_body
from ftwire.observer import BLOCK, Observer
from ftwire.protocols import Registry, registry
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MixedObserver"]

MAX_WAITING: Final = 64
"""Frames that wait until it is known whether there are two sides: a client rarely has more requests unanswered."""
MAX_WAITING_BYTES: Final = 4 << 20
"""The same in bytes."""
MAX_ASKED: Final = 4096
"""Requests remembered, by protocol ID and serial."""


class _Piece(NamedTuple):
    """A frame or undecoded bytes."""

    data: bytes
    key: tuple[int, int] | None
    """Protocol ID and serial of a frame."""
    sender: Role | None
    """The side that is certain to have sent it."""


class MixedObserver:
    """A conversation whose two sides come as one stream, observed.

    ``receive`` the bytes in their order, each time with the side that sent them if there is only one; ``close`` at the
    end. Both return what an ``Observer`` of two streams returns; offsets of undecoded bytes are those within a side.
    ``keys`` are RSA private keys to try on the handshake.
    """

    def __init__(
        self, *, keys: Sequence[RsaKey] = (), registry: Registry = registry, max_body: int = DEFAULT_MAX_BODY
    ) -> None:
        self._observer: Final = Observer(keys=keys, registry=registry, max_body=max_body)
        self._cutter: Final = ResyncDecoder(max_body=max_body, registry=registry, recover=self._recover)
        self._data = bytearray()  # received, and part of no piece yet
        self._plain_seen = False
        self._waiting: list[_Piece] = []
        self._waiting_bytes = 0
        self._waiting_keys: set[tuple[int, int] | None] = set()
        self._asked: dict[tuple[int, int], None] = {}  # requests without a response so far, the oldest first
        self._certain: set[Role] = set()
        self._both = False  # there are two sides
        self._is_decided = False  # nothing waits any more
        self._last: Role | None = None  # the side of the last piece

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for what is to come."""
        return len(self._data) + self._waiting_bytes + self._observer.memory

    def give_up(self, error: WireError, time: int = 0, packet: int = 0) -> list[Observation]:
        """Give up, for this reason, what takes memory, as ``ftwire.observer.Observer.give_up`` does."""
        seen = self._pass_on(self._cutter.give_up(error), self._last or Role.CLIENT, time, packet)
        return seen + self._observer.give_up(error, time, packet)

    def receive(self, sender: Role, data: Buffer, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take the next bytes of the stream."""
        self._data += data
        return self._pass_on(self._cutter.feed(data), sender, time, packet)

    def skip(self, sender: Role, length: int, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the capture lacks the next ``length`` bytes, which count as those of the last frame's side."""
        seen = self._pass_on(self._cutter.close(), sender, time, packet)
        return seen + self._observer.skip(self._last or sender, length, time, packet)

    def close(self, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the stream has ended; what is left of it is settled."""
        sender = self._last or Role.CLIENT
        seen = self._pass_on(self._cutter.close(), sender, time, packet)
        self._is_decided = True
        return seen + self._pass_on((), sender, time, packet) + self._observer.close(time, packet)

    def _recover(self, bad: BadFrame) -> Frame:
        """Take a frame that does not verify for an encrypted one, as long as none has verified."""
        if self._plain_seen or not bad.payload or len(bad.payload) % BLOCK:
            return bad
        return BadFrame(bad.packed_header, bad.payload, bad.frame_type, KEY_UNKNOWN.name, KeyRequiredError())

    def _pass_on(
        self, items: Iterable[Frame | UndecodedBytes], sender: Role, time: int, packet: int
    ) -> list[Observation]:
        """Observe everything whose side is known, what waited included. No piece's side depends on later chunks."""
        runs: list[tuple[Role, bytearray]] = []
        self._release(sender, runs)
        for item in items:
            piece = self._piece(item)
            self._weigh(piece)
            self._waiting.append(piece)
            self._waiting_bytes += len(piece.data)
            if len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
                self._is_decided = True
            self._release(sender, runs)
        return [seen for side, data in runs for seen in self._observer.receive(side, bytes(data), time, packet)]

    def _piece(self, item: Frame | UndecodedBytes) -> _Piece:
        size = len(item) if isinstance(item, Frame) else item.length
        data = bytes(self._data[:size])
        del self._data[:size]
        if not isinstance(item, Frame):
            return _Piece(data, None, None)
        protocol = item.protocol
        side: Role | None = None
        if protocol is not None and protocol.is_push:
            side = Role.SERVER
        elif item.error is None:
            self._plain_seen = True
            side = sender_of_body(item.body, item.body_format)
        return _Piece(data, (item.proto_id, item.serial), side)

    def _weigh(self, piece: _Piece) -> None:
        """Find out from one more piece whether there are two sides."""
        if self._both or piece.key is None:
            return
        if piece.sender is not None:
            self._certain.add(piece.sender)
            self._both = len(self._certain) > 1
        else:
            self._both = piece.key in self._waiting_keys or piece.key in self._asked
            self._waiting_keys.add(piece.key)
        self._is_decided = self._is_decided or self._both

    def _release(self, sender: Role, runs: list[tuple[Role, bytearray]]) -> None:
        """Append the pieces whose side is known to ``runs``, up to the first that has to wait."""
        count = 0
        for piece in self._waiting:
            if piece.key is not None and piece.sender is None and not self._is_decided:
                break
            side = self._last = self._side_of(piece, self._last or sender, sender)
            if not runs or runs[-1][0] is not side:
                runs.append((side, bytearray()))
            runs[-1][1].extend(piece.data)
            self._waiting_bytes -= len(piece.data)
            self._waiting_keys.discard(piece.key)
            count += 1
        if count:
            del self._waiting[:count]

    def _side_of(self, piece: _Piece, last: Role, sender: Role) -> Role:
        """Return the side of a piece that comes behind one of ``last``; ``sender`` is that of a stream of one side."""
        key = piece.key
        if key is None:
            return last
        side = piece.sender
        if side is None:
            if not self._both:
                (side,) = self._certain or {sender}
            else:
                side = Role.SERVER if key in self._asked else Role.CLIENT
        if side is Role.SERVER:
            self._asked.pop(key, None)
        else:
            self._asked[key] = None
            if len(self._asked) > MAX_ASKED:
                del self._asked[next(iter(self._asked))]
        return side
