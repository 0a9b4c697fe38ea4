"""Somebody else's connection, watched: both directions in, a record of every frame out.

``Observer`` follows one conversation on TCP that is known to speak OpenD's frames and whose client is known.
It finds out by itself whether the conversation is encrypted, installs the agreed cipher, pairs replies with
their requests, and goes on where bytes are missing or damaged.

Never raises on account of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ftwire.chunks import SMALL_CHUNK
from ftwire.cipher import KEY_UNKNOWN, NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import INIT_CONNECT, negotiated_cipher
from ftwire.errors import KeyRequiredError, WireError
from ftwire.events import FrameObserved, KeyMissing, Observation, UndecodedObserved
from ftwire.frame import BadFrame, Frame, Kind, MessageClasses, Role, open_frame
from ftwire.header import HeaderFields
from ftwire.protocols import Registry, registry
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ftwire.websocket import Envelope

__all__ = ["Observer", "PendingRequests"]

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


class PendingRequests:
    """Requests seen and not yet answered, the oldest forgotten when there are too many."""

    def __init__(self) -> None:
        self.waiting: Final[dict[tuple[int, int], tuple[Frame | Envelope, int]]] = {}
        """Those requests, by (protocol ID, serial), each with its time: to be looked at."""
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

    def take(self, key: tuple[int, int]) -> tuple[Frame | Envelope, int] | None:
        """Forget the request of this (protocol ID, serial) and return it with its time, if it is known."""
        found = self.waiting.pop(key, None)
        if found is not None:
            self._bytes -= len(found[0].payload)
        return found


_MAKE: Final = tuple.__new__
"""What a NamedTuple's own constructor does after sorting its arguments out, in half the time."""


# Reading a member of an enum costs as much as a call.
_CLIENT, _PUSH = Role.CLIENT, Kind.PUSH


class Observer:
    """One conversation of OpenD's frames on TCP.

    ``keys`` are RSA private keys to try on its handshake. ``receive`` the bytes of each side in their order,
    ``skip`` what the capture lacks, ``close`` at the end: all three return an iterator to be run through.
    """

    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        known: Registry = registry,
        max_body: int = DEFAULT_MAX_BODY,
    ) -> None:
        self._ciphers_to_try: Final = [Rsa(key) for key in keys]
        self._client: Final = ResyncDecoder(Role.CLIENT, max_body=max_body, known=known, recover=self._recover_client)
        self._server: Final = ResyncDecoder(Role.SERVER, max_body=max_body, known=known, recover=self._recover_server)
        self._pending: Final = PendingRequests()
        self._init: Frame | None = None
        self._rsa: Rsa | None = None
        self._alternatives: list[Cipher] = []
        self._exception: tuple[Frame, Cipher] | None = None  # a frame not opened by its scanner's cipher
        self._attempts = 0
        self._told = False

    def receive(self, sender: Role, data: Buffer, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Take bytes that ``sender`` sent, captured at ``time`` in packet number ``packet``."""
        scanner = self._client if sender is _CLIENT else self._server
        if type(data) is bytes and len(data) <= SMALL_CHUNK and (frame := scanner.whole(data)) is not None:
            if frame.frame_type.kind is _PUSH:
                name = scanner.cipher.name
                return iter((_MAKE(FrameObserved, (frame, sender, _PUSH, name, time, packet, None, None)),))
            return self._observe(scanner, iter((frame,)), sender, time, packet)
        return self._observe(scanner, scanner.feed(data), sender, time, packet)

    def skip(self, sender: Role, length: int, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Say that the capture lacks the next ``length`` bytes that ``sender`` sent."""
        scanner = self._client if sender is Role.CLIENT else self._server
        return self._observe(scanner, scanner.skip(length), sender, time, packet)

    def close(self, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Say that the conversation has ended; what is left of both directions is settled."""
        for sender, scanner in ((Role.CLIENT, self._client), (Role.SERVER, self._server)):
            yield from self._observe(scanner, scanner.close(), sender, time, packet)

    def _observe(
        self,
        scanner: ResyncDecoder,
        items: Iterator[Frame | UndecodedBytes],
        sender: Role,
        time: int,
        packet: int,
    ) -> Iterator[Observation]:
        pending = self._pending
        make = _MAKE
        request: Frame | Envelope | None
        latency: int | None
        push, response = Kind.PUSH, Kind.RESPONSE
        waiting = pending.waiting
        for item in items:
            exception = self._exception
            if type(item) is Frame and (exception is None or exception[0] is not item):
                # Nearly all there is on a busy connection.
                frame_type = item.frame_type
                kind = frame_type.kind
                if kind is push or (kind is response and not waiting and frame_type.proto_id != INIT_CONNECT):
                    yield make(FrameObserved, (item, sender, kind, scanner.cipher.name, time, packet, None, None))
                    continue
            if isinstance(item, UndecodedBytes):
                yield UndecodedObserved(item, sender, time, packet)
                continue
            cipher = scanner.cipher if exception is None or exception[0] is not item else exception[1]
            kind = item.kind
            request = latency = None
            if kind is Kind.REQUEST:
                pending.add(item, time)
            elif kind is Kind.RESPONSE:
                found = pending.take((item.proto_id, item.serial))
                if found is not None:
                    request, latency = found[0], time - found[1]
            error = item.error
            if error is None:
                if item.proto_id == INIT_CONNECT:
                    self._handshake(item)
            elif not self._told and isinstance(error, KeyRequiredError):
                self._told = True
                yield KeyMissing(str(error), time, packet)
            yield make(FrameObserved, (item, sender, kind, cipher.name, time, packet, request, latency))

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
        for scanner in (self._client, self._server):
            scanner.cipher = cipher

    def _recover_client(self, fields: HeaderFields, payload: bytes, bad: BadFrame) -> Frame:
        return self._recover(fields, payload, bad, self._client.classes)

    def _recover_server(self, fields: HeaderFields, payload: bytes, bad: BadFrame) -> Frame:
        return self._recover(fields, payload, bad, self._server.classes)

    def _recover(self, fields: HeaderFields, payload: bytes, bad: BadFrame, classes: MessageClasses) -> Frame:
        """Try what else may open a frame that the rule does not: a key, another mode, no encryption."""
        if fields[1] == INIT_CONNECT:
            return self._recover_handshake(fields, payload, bad, classes)
        for cipher in self._alternatives or [NONE]:
            frame = open_frame(fields, payload, cipher, classes)
            if frame.error is None:
                # The handshake said otherwise, but the digest does not lie.
                self._install(cipher)
                return self._except(frame, cipher)
        if not self._alternatives and payload and len(payload) % BLOCK == 0:
            if isinstance(bad.error, KeyRequiredError):
                return bad
            if self._init is None:
                error = KeyRequiredError("the handshake, which was not captured,")
                return self._except(BadFrame(fields, payload, classes, error), KEY_UNKNOWN)
        return bad

    def _recover_handshake(self, fields: HeaderFields, payload: bytes, bad: BadFrame, classes: MessageClasses) -> Frame:
        plain = open_frame(fields, payload, NONE, classes)
        if plain.error is None:
            self._rsa = None
            return self._except(plain, NONE)
        if not payload or len(payload) % BLOCK or len(payload) > MAX_HANDSHAKE:
            return bad
        if self._attempts < MAX_ATTEMPTS:
            self._attempts += 1
            for rsa in self._ciphers_to_try:
                frame = open_frame(fields, payload, rsa, classes)
                if frame.error is None:
                    self._rsa = rsa
                    return self._except(frame, rsa)
        if len(payload) < RSA_BLOCK:
            return bad
        self._install(KEY_UNKNOWN)
        needed = "another RSA private key than those given" if self._ciphers_to_try else "the RSA private key"
        return self._except(BadFrame(fields, payload, classes, KeyRequiredError(needed)), KEY_UNKNOWN)

    def _except(self, frame: Frame, cipher: Cipher) -> Frame:
        """Note that this frame was opened, or not, with another cipher than its direction's."""
        self._exception = frame, cipher
        return frame
