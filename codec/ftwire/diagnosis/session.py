"""A conversation, checked frame by frame and as a whole.

``Session`` keeps what the frames before have shown: the handshake and what it agreed, requests that wait, serials,
times. Each frame is opened as agreed; where that fails, every known mistake is tried until one explains the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.body import decode_body
from ftwire.cipher import NONE, Cipher, Rsa, RsaKey, cipher_for
from ftwire.connection import INIT_CONNECT, negotiated_cipher
from ftwire.diagnosis.bodies import body_finding, is_exactly, looks_like_json, reads, side_of, zigzag_finding
from ftwire.diagnosis.bounds import Bounds, bounds_finding, is_plausible, swapped
from ftwire.diagnosis.envelopes import envelope_finding
from ftwire.diagnosis.exchange import Exchange
from ftwire.diagnosis.handshakes import handshake_finding, looks_like_rsa, rsa_lengths
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.payloads import MODES, Secrets, cipher_of, opened_by, payload_mistake
from ftwire.errors import BodyError, WireError
from ftwire.frame import Role
from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC, BodyFormat, Header
from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.websocket import Envelope

__all__ = ["Piece", "Session"]

BLOCK: Final = 16
UNKNOWN: Final = "unknown"
SPARE_WORK: Final = 256
"""Bytes that may be decrypted or hashed in vain for each byte read."""
SPARE_WORK_FLOOR: Final = 1 << 28
"""The same, in bytes, on top."""
TRIALS: Final = 64
"""Readings of a frame that does not open, roughly: what each of its bytes may cost."""
MAX_HANDSHAKE: Final = 16 * 1024
"""Largest InitConnect payload that keys are tried on, in bytes: RSA costs a millisecond a block."""
MAX_ATTEMPTS: Final = 64
"""Payloads of one conversation that keys are tried on."""


class Piece(NamedTuple):
    """Bytes of a conversation, read: a frame, an envelope, or what is neither."""

    number: int
    """Its place among the pieces of its session, from 0."""
    offset: int
    """Where it begins, in bytes from the start of what was read."""
    sender: Role | None
    """Who sent it, as far as is known."""
    raw: bytes
    """All its bytes."""
    header: Header | None
    """The header as it stands on the wire; ``None`` for what has none of TCP."""
    payload: bytes
    """What follows the header: ciphertext when encrypted."""
    cipher: str
    """What opened it: ``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb``, ``aes_cbc``; ``unknown`` where nothing did."""
    body: bytes | None
    """The plain body."""
    findings: tuple[Finding, ...]
    """What is wrong with it."""
    sealed: bool = False
    """It is encrypted as far as can be told, and the key for it is not known."""
    envelope: Envelope | None = None
    """The envelope, on WebSocket."""
    proto_id: int = 0
    """Protocol ID, as it was meant."""


class _Opened(NamedTuple):
    cipher: str
    body: bytes | None
    findings: tuple[Finding, ...] = ()
    sealed: bool = False


class Session:
    """One conversation on TCP or WebSocket.

    ``keys`` are RSA private keys to open the handshake with; ``secrets`` what a handshake that was not seen gave,
    and ``mode`` the cipher that it agreed, if known. ``from_start`` says that the conversation is seen from its
    first byte. ``alone`` says that the bytes are what a program could not read, rather than traffic that passed
    by: encryption without a key is then a finding.

    Give it frames in the order they were captured, both directions: ``read`` bytes, or ``see`` what an observer
    has cut, then ``close``. Never raises on account of the bytes.
    """

    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        secrets: Secrets | None = None,
        mode: str | None = None,
        known: Registry = registry,
        from_start: bool = True,
        alone: bool = False,
    ) -> None:
        self.secrets = secrets
        """Key and IV for the frames after the handshake, as soon as they are known."""
        self.agreed: Cipher | None = None
        """What encrypts the frames after the handshake, as soon as that is settled."""
        if secrets is not None and mode is not None:
            self.agreed = cipher_of(mode, secrets)
        self._keys: Final = keys
        self._known: Final = known
        self._alone: Final = alone
        self._exchange: Final = Exchange(known, from_start=from_start)
        self._count = 0
        self._init: Message | None = None
        self._rsa: Final[dict[Role, bool]] = {}
        self._last: Final[dict[Role, bytes]] = {}
        self._plain: Final[set[Role]] = set()
        self._sealed: Final[set[Role]] = set()
        self._told: Final[set[str]] = set()
        self._window = 0  # bytes that the piece being read may have cost
        self._attempts = 0

    def read(self, data: bytes, sender: Role | None = None, time: int = 0) -> Iterator[Piece]:
        """Read frames that follow each other, to the end of ``data``.

        Where ``sender`` is not given, each frame's content tells.
        """
        at = 0
        spare = SPARE_WORK_FLOOR + SPARE_WORK * len(data)
        while at < len(data):
            if spare < 0:
                # Only bytes made for it bring this about: many headers whose frames lie inside each other.
                yield self._refused(data[at:], at, sender)
                return
            piece = self._next(data, at, sender, time)
            yield piece
            at += len(piece.raw)
            if piece.body is None or piece.findings:
                spare -= TRIALS * self._window

    def see(self, header: Header, payload: bytes, sender: Role, time: int = 0) -> list[Piece]:
        """Read one frame of the length that its header says: several pieces where that is wrong.

        ``time`` is in nanoseconds, 0 if unknown.
        """
        opened = self._open(header, payload, sender)
        if opened.findings or (opened.body is None and not opened.sealed) or header.proto_id not in self._known:
            # The header itself may be wrong.
            return list(self.read(header.encode() + payload, sender, time))
        return [self._finish(header, header, payload, sender, opened, 0, time)]

    def see_envelope(self, envelope: Envelope, time: int = 0) -> Piece:
        """Read one WebSocket message."""
        raw = envelope.encode()
        found = envelope_finding(raw, envelope.sender, self._known)
        if found is not None or envelope.error is not None:
            wrong = found or Finding(MISTAKES["no_envelope"], f"{envelope.error}.", envelope.sender)
            return self._piece(
                0, envelope.sender, raw, None, envelope.payload, UNKNOWN, None, (wrong,), envelope=envelope
            )
        findings = self._exchange.see(
            self._count, envelope.proto_id, envelope.serial, envelope.sender, time, websocket=True
        )
        body = envelope.body
        if body or not getattr(envelope, "error_code", 0):
            # OpenD's own errors on WebSocket come without a body.
            in_body = body_finding(body, envelope.proto_id, BodyFormat.PROTOBUF, envelope.sender, self._known)
            findings += (in_body,) if in_body else ()
        message = self._message(envelope.proto_id, 0, body, envelope.sender)
        findings += self._exchange.message(message, envelope.sender)
        return self._piece(
            0,
            envelope.sender,
            raw,
            None,
            body,
            "none",
            body,
            findings,
            envelope=envelope,
            proto_id=envelope.proto_id,
        )

    def skip(self) -> None:
        """Say that bytes are missing: what depends on having seen everything is not judged from here on."""
        self._exchange.incomplete()

    def close(self, time: int = 0) -> list[tuple[int, Finding]]:
        """Say that the conversation has ended; return findings with the number of the piece that each is about."""
        return self._exchange.close(time)

    def _piece(
        self,
        offset: int,
        sender: Role | None,
        raw: bytes,
        header: Header | None,
        payload: bytes,
        cipher: str,
        body: bytes | None,
        findings: tuple[Finding, ...],
        *,
        sealed: bool = False,
        envelope: Envelope | None = None,
        proto_id: int = 0,
    ) -> Piece:
        number = self._count
        self._count += 1
        return Piece(number, offset, sender, raw, header, payload, cipher, body, findings, sealed, envelope, proto_id)

    def _next(self, data: bytes, at: int, sender: Role | None, time: int) -> Piece:
        """Read the piece at ``at``."""
        self._window = HEADER_SIZE
        if not data.startswith(MAGIC, at) or len(data) - at < HEADER_SIZE:
            return self._no_frame(data, at, sender)
        header = Header.decode(data[at : at + HEADER_SIZE])
        end = at + HEADER_SIZE + header.body_length
        payload = data[at + HEADER_SIZE : end]
        whole = end <= len(data)
        self._window += len(payload)
        opened = self._open(header, payload, sender) if whole else _Opened(UNKNOWN, None)
        if sender is None and whole:
            side = self._guess(header, opened.body)
            if opened.findings or opened.sealed:
                opened = self._open(header, payload, side)
        turned = header.proto_id not in self._known and swapped(header.proto_id) in self._known
        explained = opened.body is not None or any(found.mistake.rank < 3 for found in opened.findings)
        if turned or not (whole and explained):
            bounds = self._bounds(data, at, header, sender)
            if bounds is not None:
                name = UNKNOWN if bounds.body is None else self._cipher_name(bounds.header)
                finding = bounds.finding._replace(sender=sender)
                opened = _Opened(name, bounds.body, (finding,))
                payload = data[at + HEADER_SIZE : at + bounds.size]
                return self._finish(header, bounds.header, payload, sender, opened, at, time)
        if not whole:
            return self._no_frame(data, at, sender)
        return self._finish(header, header, payload, sender, opened, at, time)

    def _bounds(self, data: bytes, at: int, header: Header, sender: Role | None) -> Bounds | None:
        """Look for what is wrong with the length of the frame at ``at``, and with what that depends on."""
        lengths = self._encrypted_lengths(header)
        turned = swapped(header.body_length)
        # As far as any reading of the length goes, and a header more.
        reach = max([header.body_length, *lengths, turned if turned <= len(data) - at else 0]) + 2 * HEADER_SIZE
        window = data[at : at + reach]
        self._window = len(window)
        return bounds_finding(
            window,
            header,
            lambda meant, body: self._body_of(meant, body, sender),
            self._known,
            encrypted_lengths=lengths,
            final=len(window) == len(data) - at,
        )

    def _refused(self, data: bytes, at: int, sender: Role | None) -> Piece:
        proof = "Too much here begins like a frame and is none: the rest was not looked at."
        found = Finding(MISTAKES["no_frame"], proof, sender, proven=False)
        return self._piece(at, sender, data, None, data, UNKNOWN, None, (found,))

    def _no_frame(self, data: bytes, at: int, sender: Role | None) -> Piece:
        """Read what starts no frame, up to where one starts."""
        raw = data[at : self._next_frame(data, at)]
        header = None
        if raw.startswith(ENVELOPE_MAGIC):
            mistake, proof = "envelope_on_tcp", 'The bytes begin with "ft-v1.0", not with "FT".'
        elif MAGIC.startswith(raw[:2]) or raw.startswith(MAGIC):
            if len(raw) < HEADER_SIZE:
                mistake, proof = "frame_cut", f"A header has 44 bytes, here are {len(raw)}."
            else:
                header = Header.decode(raw)
                mistake = "no_frame"
                proof = (
                    f"The header announces {header.body_length} bytes for protocol {header.proto_id}, which no reading "
                    "of it explains."
                )
        else:
            mistake, proof = "no_frame", f'A frame begins with "FT" (46 54), here is {raw[:8].hex(" ")}.'
        found = Finding(MISTAKES[mistake], proof, sender, proven=mistake != "no_frame")
        payload = raw[HEADER_SIZE:] if header else raw
        return self._piece(at, sender, raw, header, payload, UNKNOWN, None, (found,))

    def _next_frame(self, data: bytes, at: int) -> int:
        while True:
            at = data.find(MAGIC, at + 1)
            if at < 0:
                return len(data)
            if len(data) - at < HEADER_SIZE:
                continue
            header = Header.decode(data[at : at + HEADER_SIZE])
            if is_plausible(header, self._known) and at + HEADER_SIZE + header.body_length <= len(data):
                return at

    def _ciphers(self) -> Iterator[Cipher]:
        """Give what may open a frame after the handshake, as far as is known."""
        if self.agreed is not None:
            yield self.agreed
        elif self.secrets is not None:
            for mode in MODES:
                cipher = cipher_of(mode, self.secrets)
                if cipher is not None:
                    yield cipher
        yield NONE

    def _opening(self, header: Header, payload: bytes) -> tuple[str, bytes] | None:
        """Return the body that the digest agrees with, and what opened it."""
        if header.proto_id == INIT_CONNECT:
            ciphers: Iterator[Cipher] = iter((NONE, *(Rsa(key) for key in self._keys_for(payload))))
        else:
            ciphers = self._ciphers()
        for cipher in ciphers:
            body = opened_by(payload, header.sha1, cipher)
            if body is not None:
                return cipher.name, body
        return None

    def _keys_for(self, payload: bytes) -> Sequence[RsaKey]:
        """Return the keys to try on an InitConnect payload: none on one too large, or on one too many."""
        if not self._keys or not payload or len(payload) > MAX_HANDSHAKE or self._attempts >= MAX_ATTEMPTS:
            return ()
        self._attempts += 1
        return self._keys

    def _body_of(self, header: Header, payload: bytes, sender: Role | None) -> bytes | None:
        """Return the body of a payload cut otherwise than its header says."""
        found = self._opening(header, payload)
        if found is None:
            return None
        name, body = found
        if name == "none" and self.agreed is not None and self.agreed is not NONE and body:
            return body if reads(body, header.proto_id, header.body_format, sender, self._known) else None
        return body

    def _cipher_name(self, header: Header) -> str:
        if header.proto_id == INIT_CONNECT:
            return "rsa" if self._keys else "none"
        return self.agreed.name if self.agreed is not None else "none"

    def _encrypted_lengths(self, header: Header) -> set[int]:
        plain = header.body_length
        if plain > 1 << 24:
            return set()
        if header.proto_id == INIT_CONNECT:
            return {length for key in self._keys for length in rsa_lengths(plain, key)}
        return {len(cipher.encrypt(bytes(plain))) for cipher in self._ciphers()}

    def _open(self, header: Header, payload: bytes, sender: Role | None) -> _Opened:
        """Decrypt and verify a frame; say what is wrong with its encryption."""
        found = self._opening(header, payload)
        if header.proto_id == INIT_CONNECT:
            return self._open_handshake(header, payload, sender, found)
        if found is None:
            return self._not_opened(header, payload, sender)
        name, body = found
        agreed = self.agreed
        if agreed is None and self._is_sealed(header, payload, sender):
            proof = f"The SHA-1 is that of the {len(payload)} bytes on the wire, whole AES blocks and no message."
            found_here = Finding(MISTAKES["sha1_of_ciphertext"], proof, sender, proven=False)
            return _Opened(UNKNOWN, None, (found_here,), sealed=True)
        if agreed is None or name == agreed.name or not payload:
            return _Opened(name, body)
        # Plain, where encryption was agreed.
        if not reads(body, header.proto_id, header.body_format, sender, self._known):
            inner = _decrypted(agreed, payload)
            if inner is not None and reads(inner, header.proto_id, header.body_format, sender, self._known):
                proof = (
                    f"Decrypted with {agreed.name.upper()} the payload is a whole message, and the SHA-1 is that of "
                    f"the {len(payload)} encrypted bytes."
                )
                return _Opened(agreed.name, inner, (Finding(MISTAKES["sha1_of_ciphertext"], proof, sender),))
        return _Opened(name, body, (self._plain_finding(sender, agreed),))

    def _is_sealed(self, header: Header, payload: bytes, sender: Role | None) -> bool:
        """Say whether bytes whose own SHA-1 agrees are AES blocks all the same, of a handshake not opened."""
        return (
            any(self._rsa.values())
            and self.secrets is None
            and bool(payload)
            and len(payload) % BLOCK == 0
            and header.proto_id in self._known
            and not reads(payload, header.proto_id, header.body_format, sender, self._known)
            and not looks_like_json(payload)
        )

    def _plain_finding(self, sender: Role | None, agreed: Cipher) -> Finding:
        asked = self._asked()
        if sender is Role.CLIENT and asked == 1:
            proof = "The client asked for 1 (AES_ECB) and sends plain bodies: 1 is -1 (none) written as sint32."
            return Finding(MISTAKES["packet_enc_algo_sint32"], proof, sender)
        proof = f"{agreed.name.upper()} was agreed, and the SHA-1 agrees with the body as it stands, unencrypted."
        return Finding(MISTAKES["encryption_one_sided"], proof, sender)

    def _asked(self) -> int | None:
        init: Any = self._init
        if init is None or not init.c2s.HasField("packetEncAlgo"):
            return None
        asked: int = init.c2s.packetEncAlgo
        return asked

    def _open_handshake(
        self, header: Header, payload: bytes, sender: Role | None, found: tuple[str, bytes] | None
    ) -> _Opened:
        if found is not None:
            name, body = found
            is_plain = name != "none" or reads(body, INIT_CONNECT, header.body_format, sender, self._known)
            if is_plain or not looks_like_rsa(payload) or looks_like_json(body):
                return _Opened(name, body)
        keys = self._keys_for(payload)
        if self._keys and not keys:
            return _Opened(*found) if found is not None else _Opened(UNKNOWN, None, sealed=True)
        finding = handshake_finding(payload, header.sha1, header.body_format, sender, keys, self._known)
        if found is not None and finding is None:
            return _Opened(*found)
        if finding is None:
            if looks_like_rsa(payload) and not reads(payload, INIT_CONNECT, header.body_format, sender, self._known):
                return _Opened(UNKNOWN, None, sealed=True)
            return _Opened(UNKNOWN, None, (self._unexplained(header, payload, sender),))
        if finding.mistake.id == "rsa_not_decrypted" and not self._alone:
            return _Opened(UNKNOWN, None, sealed=True)
        if finding.mistake.id == "sha1_of_ciphertext":
            for key in self._keys:
                inner = _decrypted(Rsa(key), payload)
                if inner is not None and reads(inner, INIT_CONNECT, header.body_format, sender, self._known):
                    return _Opened("rsa", inner, (finding,))
        return _Opened(UNKNOWN, None, (finding,), sealed=True)

    def _not_opened(self, header: Header, payload: bytes, sender: Role | None) -> _Opened:
        """Say why a frame after the handshake does not open."""
        if self.secrets is not None:
            sides = Role if sender is None else (sender, sender.peer)
            previous = [self._last[side] for side in sides if side in self._last]
            agreed = "none" if self.agreed is None else self.agreed.name
            mistake = payload_mistake(payload, header.sha1, agreed, self.secrets, previous)
            if mistake is not None:
                which, proof, body = mistake
                return _Opened(UNKNOWN, body, (Finding(MISTAKES[which], proof, sender),))
            return _Opened(UNKNOWN, None, (self._unexplained(header, payload, sender),))
        may_be_sealed = (
            self.agreed is None
            and payload
            and len(payload) % BLOCK == 0
            and sender not in self._plain
            and not is_exactly(payload, header.proto_id, header.body_format, sender, self._known)
        )
        if may_be_sealed:
            if sender is not None and sender.peer in self._plain:
                return _Opened(UNKNOWN, None, (self._one_sided(sender),), sealed=True)
            return _Opened(UNKNOWN, None, sealed=True)
        return _Opened(UNKNOWN, None, (self._unexplained(header, payload, sender),))

    def _one_sided(self, encrypts: Role) -> Finding:
        proof = (
            f"The {encrypts.peer.value}'s bodies are plain and their SHA-1 agrees; the {encrypts.value}'s are whole "
            "AES blocks that no SHA-1 agrees with."
        )
        return Finding(MISTAKES["encryption_one_sided"], proof, proven=False)

    def _unexplained(self, header: Header, payload: bytes, sender: Role | None) -> Finding:
        actual = sha1(payload, usedforsecurity=False).hexdigest()
        proof = (
            f"The header says {header.sha1.hex()[:12]}..., the {len(payload)} bytes that follow give {actual[:12]}..."
        )
        if self.agreed is not None and self.agreed is not NONE:
            proof += f" as they are, and decrypted with {self.agreed.name.upper()} something else too"
        return Finding(MISTAKES["unexplained_digest"], proof + ".", sender, proven=False)

    def _finish(
        self,
        on_wire: Header,
        header: Header,
        payload: bytes,
        sender: Role | None,
        opened: _Opened,
        offset: int,
        time: int,
    ) -> Piece:
        """Check what is in the body, and what the frame is to those before it."""
        body = opened.body
        side = sender or self._guess(header, body)
        findings = tuple(
            found if found.sender or found.mistake.id == "encryption_one_sided" else found._replace(sender=side)
            for found in opened.findings
        )
        first = self._count
        findings += self._exchange.see(first, header.proto_id, header.serial, side, time)
        if body is not None:
            wrong = body_finding(body, header.proto_id, header.body_format, side, self._known)
            if wrong is not None:
                findings += (wrong,)
            message = self._message(header.proto_id, header.body_format, body, side)
            findings += self._exchange.message(message, side)
            if header.proto_id == INIT_CONNECT:
                findings += self._handshake(message, side, opened.cipher)
        if header.proto_id == INIT_CONNECT:
            if body is None and looks_like_rsa(payload):
                findings += self._sides_differ(side, rsa=True)
        else:
            findings += self._note_side(side, opened)
            self._last[side] = payload
        raw = on_wire.encode() + payload
        return self._piece(
            offset,
            side,
            raw,
            on_wire,
            payload,
            opened.cipher,
            body,
            findings,
            sealed=opened.sealed,
            proto_id=header.proto_id,
        )

    def _note_side(self, side: Role, opened: _Opened) -> tuple[Finding, ...]:
        """Remember who encrypts, where no key tells what was agreed."""
        if self.agreed is not None or self.secrets is not None:
            return ()
        if opened.sealed:
            self._sealed.add(side)
        elif opened.cipher == "none" and opened.body:
            self._plain.add(side)
            if side.peer in self._sealed and "one_sided" not in self._told:
                self._told.add("one_sided")
                return (self._one_sided(side.peer),)
        return ()

    def _message(self, proto_id: int, body_format: int, body: bytes, sender: Role) -> Message | None:
        message_class = self._known.message_class(proto_id, is_request=sender is Role.CLIENT)
        if message_class is None or body_format > BodyFormat.JSON:
            return None
        try:
            return decode_body(body, message_class, body_format, check_required=False)
        except BodyError:
            return None

    def _guess(self, header: Header, body: bytes | None) -> Role:
        """Tell who sent a frame by what is in it, or by what was seen before."""
        protocol = self._known.get(header.proto_id)
        if protocol is not None and protocol.is_push:
            return Role.SERVER
        if body:
            waits = self._exchange.waits(header.proto_id, header.serial)
            told = side_of(
                body, header.proto_id, header.body_format, self._known, first=Role.SERVER if waits else Role.CLIENT
            )
            if told is not None:
                return told
        if body:
            if looks_like_json(body):
                return Role.CLIENT if b'"c2s"' in body else Role.SERVER
            # Field 1 as a message is c2s; a Response has a number there, or other fields only.
            return Role.CLIENT if body[:1] == b"\x0a" else Role.SERVER
        return Role.SERVER if self._exchange.waits(header.proto_id, header.serial) else Role.CLIENT

    def _handshake(self, message: Any, side: Role, cipher: str) -> tuple[Finding, ...]:
        """Learn from an InitConnect what comes after it."""
        findings = self._sides_differ(side, rsa=cipher == "rsa")
        if message is None:
            return findings
        if side is Role.CLIENT:
            self._init = message
            asked = self._asked()
            zigzag = None if asked is None else zigzag_finding(asked)
            return findings + ((zigzag,) if zigzag else ())
        if message.retType or not message.s2c.connAESKey:
            return findings
        s2c = message.s2c
        iv = s2c.aesCBCiv if s2c.HasField("aesCBCiv") else None
        self.secrets = Secrets(s2c.connAESKey, iv)
        if len(set(self._rsa.values())) > 1:
            # One side encrypted its handshake and the other did not: nothing was agreed.
            self.agreed = None
        elif not self._rsa[side]:
            self.agreed = NONE
        else:
            try:
                self.agreed = negotiated_cipher(self._init, message)
            except WireError:
                self.agreed = _by_reply(self.secrets)
        return findings

    def _sides_differ(self, side: Role, *, rsa: bool) -> tuple[Finding, ...]:
        self._rsa[side] = rsa
        other = self._rsa.get(side.peer)
        if other is None or other is rsa or "handshake" in self._told:
            return ()
        self._told.add("handshake")
        encrypts = side if rsa else side.peer
        proof = f"The {encrypts.value}'s InitConnect is RSA ciphertext, the {encrypts.peer.value}'s is plain."
        return (Finding(MISTAKES["encryption_one_sided"], proof, encrypts.peer),)


def _decrypted(cipher: Cipher, payload: bytes) -> bytes | None:
    try:
        return cipher.decrypt(payload)
    except WireError:
        return None


def _by_reply(secrets: Secrets) -> Cipher | None:
    try:
        return cipher_for(None, secrets.key, secrets.iv)
    except WireError:
        return None
