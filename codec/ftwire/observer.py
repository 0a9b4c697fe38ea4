"""One conversation on TCP, observed: the bytes of both directions in, a record of every frame out.

``Observer`` follows a conversation that is known to speak this protocol and whose client is known. It finds out by
itself whether the conversation is encrypted, installs the agreed cipher, pairs replies with their requests, and goes on
where bytes are missing or damaged.

Never raises on account of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ftwire._renamed import renamed_keyword
from ftwire.cipher import KEY_UNKNOWN, NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import negotiated_cipher
from ftwire.errors import KeyRequiredError, WireError
from ftwire.events import FrameObserved, KeyMissing, Observation, UndecodedObserved
from ftwire.frame import BadFrame, Frame, Kind, Role, open_frame
from ftwire.framing import INIT_CONNECT
from ftwire.protocols import Registry, registry
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ftwire.websocket import Envelope

__all__ = ["BLOCK", "Observer", "PendingRequests"]

BLOCK: Final = 16
RSA_BLOCK: Final = 128
"""Bytes in an RSA block of the smallest key, 1024 bits."""
MAX_HANDSHAKE: Final = 64 * 1024
"""Largest InitConnect payload that keys are tried on, in bytes: RSA costs a millisecond a block."""
MAX_ATTEMPTS: Final = 64
"""Payloads of one conversation that keys are tried on."""
MAX_PENDING: Final = 4096
"""Requests kept for pairing."""
MAX_PENDING_BYTES: Final = 16 * 1024 * 1024
"""The same in bytes of their payloads."""
_REQUEST_OVERHEAD: Final = 1024
"""What keeping a request takes besides its payload, about: the frame, a small message if it was read, the entry."""


class PendingRequests:
    """Requests observed and not answered yet; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self.waiting: Final[dict[tuple[int, int], tuple[Frame | Envelope, int]]] = {}
        """Those requests, by (protocol ID, serial), each with its time: to be read, not changed."""
        self._bytes = 0

    def add(self, frame: Frame | Envelope, time: int) -> None:
        """Remember a request."""
        requests = self.waiting
        key = frame.proto_id, frame.serial
        self.take(key)
        requests[key] = frame, time
        self._bytes += len(frame.payload)
        while len(requests) > MAX_PENDING or (self._bytes > MAX_PENDING_BYTES and len(requests) > 1):
            self.take(next(iter(requests)))

    @property
    def memory(self) -> int:
        """Bytes of memory that they take, about."""
        return self._bytes + _REQUEST_OVERHEAD * len(self.waiting)

    def clear(self) -> None:
        """Forget all of them."""
        self.waiting.clear()
        self._bytes = 0

    def take(self, key: tuple[int, int]) -> tuple[Frame | Envelope, int] | None:
        """Forget the request of this (protocol ID, serial) and return it with its time, if it is known."""
        found = self.waiting.pop(key, None)
        if found is not None:
            self._bytes -= len(found[0].payload)
        return found

    def answer(self, key: tuple[int, int], time: int) -> tuple[Frame | Envelope | None, int | None]:
        """Forget the request that a response at ``time`` answers; return it, if known, and the nanoseconds in between.

        Those are ``None`` where either time is 0, which is none.
        """
        found = self.take(key)
        if found is None:
            return None, None
        request, asked = found
        return request, time - asked if time and asked else None


# Reading a member of an enum costs as much as a call.
_CLIENT, _REQUEST, _PUSH = Role.CLIENT, Kind.REQUEST, Kind.PUSH
_UNKNOWN: Final = KEY_UNKNOWN.name
# A NamedTuple's own constructor sorts its arguments out first: 0.57 us for a FrameObserved instead of 0.24, of the 2 us
# that a push takes from packet to observation.
_new: Final = tuple.__new__


class Observer:
    """One conversation on TCP, observed.

    ``keys`` are RSA private keys to try on its handshake. ``receive`` the bytes of each side in their order, ``skip``
    what the capture lacks, ``close`` at the end: all three return a list of observations.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        registry: Registry = registry,
        max_body: int = DEFAULT_MAX_BODY,
    ) -> None:
        self._ciphers_to_try: Final = [Rsa(key) for key in keys]
        self._client: Final = ResyncDecoder(Role.CLIENT, max_body=max_body, registry=registry, recover=self._recover)
        self.from_server: Final = ResyncDecoder(
            Role.SERVER, max_body=max_body, registry=registry, recover=self._recover
        )
        """What the server's bytes go through. As long as nothing is ``unconfirmed`` its ``read_into`` may take some of
        them, before ``receive`` takes what is left: pushes mean nothing for frames that follow."""
        self._pending: Final = PendingRequests()
        self._init: Frame | None = None
        self._rsa: Rsa | None = None  # what opened the handshake
        self._alternatives: list[Cipher] = []  # what else could be meant by the handshake
        self._attempts = 0
        self._key_missing = False  # reported already
        self.unconfirmed: Final[dict[Role, tuple[int, int]]] = {}
        """Time and packet of each side's frame that does not open and waits for what follows it."""

    def receive(self, sender: Role, data: Buffer, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take bytes that ``sender`` sent, captured at ``time`` in packet number ``packet``; a time of 0 is none."""
        decoder = self._client if sender is _CLIENT else self.from_server
        settled = self._settle(sender) if self.unconfirmed else None
        seen = self._observe(decoder.read(data), sender, time, packet)
        while decoder.buffer.lacking <= 0:
            seen += self._observe(decoder.read(), sender, time, packet)
        if decoder.unconfirmed:
            self.unconfirmed[sender] = time, packet
        return settled + seen if settled else seen

    def _settle(self, sender: Role) -> list[Observation]:
        """Observe the other side's unconfirmed frame: ``sender`` has answered it."""
        other, decoder = (Role.SERVER, self.from_server) if sender is _CLIENT else (Role.CLIENT, self._client)
        return self._observe(decoder.settle(), other, 0, 0) if other in self.unconfirmed else []

    def skip(self, sender: Role, length: int, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the capture lacks the next ``length`` bytes that ``sender`` sent."""
        decoder = self._client if sender is _CLIENT else self.from_server
        return self._observe(decoder.skip(length), sender, time, packet)

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for frames to come: parts of frames, and requests without an answer."""
        return self._client.buffer.memory + self.from_server.buffer.memory + self._pending.memory

    def give_up(self, error: WireError, time: int = 0, packet: int = 0) -> list[Observation]:
        """Give up, for this reason, what takes memory: the bytes that wait for the rest of their frame are undecoded.

        Requests are forgotten, so that their answers come without them. What follows is observed as usual.
        """
        self._pending.clear()
        return [
            observation
            for sender, decoder in ((Role.CLIENT, self._client), (Role.SERVER, self.from_server))
            for observation in self._observe(decoder.give_up(error), sender, time, packet)
        ]

    def close(self, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the conversation has ended; what is left of both directions is settled."""
        return [
            observation
            for sender, decoder in ((Role.CLIENT, self._client), (Role.SERVER, self.from_server))
            for observation in self._observe(decoder.close(), sender, time, packet)
        ]

    def _observe(
        self, items: Iterable[Frame | UndecodedBytes], sender: Role, time: int, packet: int
    ) -> list[Observation]:
        """Return an observation of each item, and do what it means for those that follow."""
        seen: list[Observation] = []
        if self.unconfirmed and sender in self.unconfirmed:
            items = iter(items)
            first = next(items, None)
            if first is None:
                return seen
            received = self.unconfirmed.pop(sender)
            if isinstance(first, BadFrame):
                seen = self._observe((first,), sender, *received)
            else:
                items = chain((first,), items)
        for item in items:
            if not isinstance(item, Frame):
                seen.append(UndecodedObserved(item, sender, time, packet))
                continue
            kind, encryption = item.frame_type.kind, item.encryption
            request: Frame | Envelope | None = None
            latency: int | None = None
            if kind is not _PUSH:
                if kind is _REQUEST:
                    self._pending.add(item, time)
                else:
                    request, latency = self._pending.answer((item.proto_id, item.serial), time)
                if item.proto_id == INIT_CONNECT and item.error is None:
                    self._handshake(item)
            if encryption == _UNKNOWN and not self._key_missing:
                self._key_missing = True
                seen.append(KeyMissing(str(item.error), time, packet))
            seen.append(_new(FrameObserved, (item, sender, kind, encryption, time, packet, request, latency)))
        return seen

    def _handshake(self, frame: Frame) -> None:
        """Learn from one InitConnect frame which cipher comes next."""
        if frame.kind is Kind.REQUEST:
            self._init = frame
            if self._rsa is None:
                self._install(NONE)
            return
        if self._rsa is None:
            self._install(NONE)
            return
        try:
            asked: Any = self._init.message if self._init is not None else None
            response: Any = frame.message
            if response.retType:
                return
            self._install(negotiated_cipher(asked, response))
            key, iv = response.s2c.connAESKey, response.s2c.aesCBCiv
            self._alternatives = [FtAesEcb(key), AesEcb(key), NONE]
            if iv:
                self._alternatives.insert(0, AesCbc(key, iv))
        except (WireError, AttributeError):
            # A handshake that verifies but makes no sense: what follows is encrypted with a key nobody has.
            self._install(KEY_UNKNOWN)

    def _install(self, cipher: Cipher) -> None:
        self._client.cipher = self.from_server.cipher = cipher

    def _recover(self, bad: BadFrame) -> Frame:
        """Try what else may open a frame that the agreed cipher does not: a key, another mode, no encryption."""
        payload = bad.payload
        if bad.proto_id == INIT_CONNECT:
            return self._recover_handshake(bad)
        for cipher in self._alternatives or [NONE]:
            frame = _reopened(bad, cipher)
            if frame.error is None:
                # The handshake announced another one, but the digest agrees.
                self._install(cipher)
                return frame
        if not self._alternatives and payload and len(payload) % BLOCK == 0:
            if isinstance(bad.error, KeyRequiredError):
                return bad
            if self._init is None:
                return _key_unknown(bad, "the handshake, which was not captured,")
        return bad

    def _recover_handshake(self, bad: BadFrame) -> Frame:
        payload = bad.payload
        plain = _reopened(bad, NONE)
        if plain.error is None:
            self._rsa = None
            return plain
        if not payload or len(payload) % BLOCK or len(payload) > MAX_HANDSHAKE:
            return bad
        if self._attempts < MAX_ATTEMPTS:
            self._attempts += 1
            for rsa in self._ciphers_to_try:
                frame = _reopened(bad, rsa)
                if frame.error is None:
                    self._rsa = rsa
                    return frame
        if len(payload) < RSA_BLOCK:
            return bad
        self._install(KEY_UNKNOWN)
        needed = "another RSA private key than those given" if self._ciphers_to_try else "the RSA private key"
        return _key_unknown(bad, needed)


def _reopened(bad: BadFrame, cipher: Cipher) -> Frame:
    return open_frame(bad.packed_header, bad.payload, cipher, bad.frame_type)


def _key_unknown(bad: BadFrame, needed: str) -> BadFrame:
    error = KeyRequiredError(needed)
    return BadFrame(bad.packed_header, bad.payload, bad.frame_type, KEY_UNKNOWN.name, error)
