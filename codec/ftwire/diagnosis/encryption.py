"""The encryption of a conversation: which cipher opens a frame, and why none does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.cipher import NONE, Cipher, Rsa, RsaKey, cipher_for
from ftwire.connection import INIT_CONNECT, negotiated_cipher
from ftwire.diagnosis.bodies import enc_algo_finding, is_exactly, looks_like_json, reads
from ftwire.diagnosis.handshakes import aes_finding, handshake_finding, looks_like_rsa, rsa_lengths
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.other_encryptions import MAX_SIZE, EncryptionSearch
from ftwire.diagnosis.payloads import MODES, SessionKeys, cipher_of, opened_by
from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire.header import Header
from ftwire.protocols import Registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["UNKNOWN", "Encryption", "OpenedPayload"]

BLOCK: Final = 16
UNKNOWN: Final = "unknown"
"""Name in place of a cipher for a frame that none has opened."""
MAX_HANDSHAKE: Final = 16 * 1024
"""Largest InitConnect payload that keys are tried on, in bytes: RSA costs a millisecond a block."""
MAX_ATTEMPTS: Final = 64
"""Payloads of one conversation that keys are tried on."""
MAX_SEARCHES: Final = 256
"""Payloads of one conversation on which everything is tried, a millisecond each; then only what explained one.

A payload counts once for each ``SEARCH_SIZE`` bytes that it has, up to the largest on which everything is tried.
"""
SEARCH_SIZE: Final = 1 << 14


class OpenedPayload(NamedTuple):
    """A payload with its plain body, or with the reason that there is none."""

    cipher: str
    body: bytes | None
    findings: tuple[Finding, ...] = ()
    key_unknown: bool = False


class Encryption:
    """The encryption of one conversation; see ``ConversationChecker`` for the arguments."""

    def __init__(
        self, keys: Sequence[RsaKey], secrets: SessionKeys | None, mode: str | None, registry: Registry, *, alone: bool
    ) -> None:
        self.secrets = secrets
        """AES key and IV of the frames after the handshake, once known."""
        self.agreed: Cipher | None = None
        """Name of the cipher of the frames after the handshake, once known."""
        if secrets is not None and mode is not None:
            self.agreed = cipher_of(mode, secrets)
        self._keys: Final = keys
        self._registry: Final = registry
        self._alone: Final = alone
        self._init: Message | None = None
        self._rsa: Final[dict[Role, bool]] = {}
        self._last: Final[dict[Role, bytes]] = {}
        self._plain: Final[set[Role]] = set()
        self._encrypting: Final[set[Role]] = set()
        self._reported: Final[set[str]] = set()
        self._attempts = 0
        self._aes_attempts = 0
        self._search: EncryptionSearch | None = None
        self._searches = 0

    def key_bytes(self) -> list[tuple[str, bytes]]:
        """Return AES key and IV with their names, as far as they are known."""
        named = () if self.secrets is None else (("connAESKey", self.secrets.key), ("aesCBCiv", self.secrets.iv))
        return [(name, text.encode()) for name, text in named if text]

    def _ciphers(self) -> Iterator[Cipher]:
        """Yield the ciphers that may open a frame after the handshake."""
        if self.agreed is not None:
            yield self.agreed
        elif self.secrets is not None:
            for mode in MODES:
                cipher = cipher_of(mode, self.secrets)
                if cipher is not None:
                    yield cipher
        yield NONE

    def opening(self, header: Header, payload: bytes) -> tuple[str, bytes] | None:
        """Return the body whose digest is the header's, and the name of the cipher that opened it."""
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

    def body_of(self, header: Header, payload: bytes, sender: Role | None) -> bytes | None:
        """Return the body of a payload whose length is not the one in its header."""
        found = self.opening(header, payload)
        if found is None:
            return None
        name, body = found
        if name == "none" and self.agreed is not None and self.agreed is not NONE and body:
            return body if reads(body, header.proto_id, header.body_format, sender, self._registry) else None
        return body

    def decrypted(self, header: Header, payload: bytes) -> tuple[str, bytes] | None:
        """Return the name of the cipher agreed on and what it makes of a payload, whatever its digest."""
        if header.proto_id == INIT_CONNECT:
            inner = self._handshake_body(header, payload, None)
            return None if inner is None else ("rsa", inner)
        if self.agreed is None or self.agreed is NONE:
            return None
        body = _decrypted(self.agreed, payload)
        return None if body is None else (self.agreed.name, body)

    def encrypted_lengths(self, header: Header) -> set[int]:
        """Return the lengths on the wire that a plain body of the announced length may have."""
        plain = header.body_length
        if plain > 1 << 24:
            return set()
        if header.proto_id == INIT_CONNECT:
            return {length for key in self._keys for length in rsa_lengths(plain, key)}
        return {len(cipher.encrypt(bytes(plain))) for cipher in self._ciphers()}

    def open(self, header: Header, payload: bytes, sender: Role | None) -> OpenedPayload:
        """Decrypt and verify a frame; find mistakes in its encryption."""
        found = self.opening(header, payload)
        if header.proto_id == INIT_CONNECT:
            return self._open_handshake(header, payload, sender, found)
        if found is None:
            return self._not_opened(header, payload, sender)
        name, body = found
        agreed = self.agreed
        if agreed is None and self._is_key_unknown(header, payload, sender):
            proof = f"The SHA-1 is that of the {len(payload)} bytes on the wire, whole AES blocks and no message."
            found_here = Finding(MISTAKES["sha1_of_ciphertext"], proof, sender, proven=False)
            return OpenedPayload(UNKNOWN, None, (found_here,), key_unknown=True)
        if agreed is NONE and payload and (one_sided := self._needless(header, payload, sender)) is not None:
            return one_sided
        if agreed is None or name == agreed.name or not payload:
            return OpenedPayload(name, body)
        # Plain, where encryption was agreed.
        if not reads(body, header.proto_id, header.body_format, sender, self._registry):
            inner = _decrypted(agreed, payload)
            if inner is not None and reads(inner, header.proto_id, header.body_format, sender, self._registry):
                proof = (
                    f"Decrypted with {agreed.name.upper()} the payload is a whole message, and the SHA-1 is that of "
                    f"the {len(payload)} encrypted bytes."
                )
                return OpenedPayload(agreed.name, inner, (Finding(MISTAKES["sha1_of_ciphertext"], proof, sender),))
        return OpenedPayload(name, body, (self._plain_finding(sender, agreed),))

    def _needless(self, header: Header, payload: bytes, sender: Role | None) -> OpenedPayload | None:
        """Return a body that is encrypted, its digest that of the ciphertext, where no encryption was agreed."""
        if self.secrets is None or len(payload) % BLOCK:
            return None
        if reads(payload, header.proto_id, header.body_format, sender, self._registry) or looks_like_json(payload):
            return None
        for mode in MODES:
            cipher = cipher_of(mode, self.secrets)
            inner = None if cipher is None else _decrypted(cipher, payload)
            if inner and is_exactly(inner, header.proto_id, header.body_format, sender, self._registry):
                proof = (
                    f"No encryption was agreed, the payload is {mode.upper()} with connAESKey, and the SHA-1 is that "
                    "of the ciphertext: the other side takes the ciphertext for the body, and cannot parse it."
                )
                return OpenedPayload(mode, inner, (Finding(MISTAKES["encryption_one_sided"], proof, sender),))
        return None

    def _is_key_unknown(self, header: Header, payload: bytes, sender: Role | None) -> bool:
        """Return whether bytes are AES blocks although their own SHA-1 is the header's."""
        return (
            any(self._rsa.values())
            and self.secrets is None
            and bool(payload)
            and len(payload) % BLOCK == 0
            and header.proto_id in self._registry
            and not reads(payload, header.proto_id, header.body_format, sender, self._registry)
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
    ) -> OpenedPayload:
        if found is not None:
            name, body = found
            is_plain = name != "none" or reads(body, INIT_CONNECT, header.body_format, sender, self._registry)
            if is_plain or not looks_like_rsa(payload) or looks_like_json(body):
                return OpenedPayload(name, body)
        keys = self._keys_for(payload)
        if self._keys and not keys:
            return OpenedPayload(*found) if found is not None else OpenedPayload(UNKNOWN, None, key_unknown=True)
        finding = None
        if found is None and len(payload) <= MAX_HANDSHAKE and self._aes_attempts < MAX_ATTEMPTS:
            self._aes_attempts += 1
            finding = aes_finding(payload, header.sha1, sender)
        if finding is None:
            finding = handshake_finding(payload, header.sha1, header.body_format, sender, keys, self._registry)
        if found is not None and finding is None:
            return OpenedPayload(*found)
        if finding is None:
            inner = self._handshake_body(header, payload, sender)
            if inner is not None:
                return OpenedPayload("rsa", inner, (self._unexplained(header, payload, sender),))
            if looks_like_rsa(payload) and not reads(payload, INIT_CONNECT, header.body_format, sender, self._registry):
                return OpenedPayload(UNKNOWN, None, key_unknown=True)
            return OpenedPayload(UNKNOWN, None, (self._unexplained(header, payload, sender),))
        if finding.mistake.id == "rsa_not_decrypted" and not self._alone:
            return OpenedPayload(UNKNOWN, None, key_unknown=True)
        if finding.mistake.id == "sha1_of_ciphertext":
            inner = self._handshake_body(header, payload, sender)
            if inner is not None:
                return OpenedPayload("rsa", inner, (finding,))
        return OpenedPayload(UNKNOWN, None, (finding,), key_unknown=True)

    def _handshake_body(self, header: Header, payload: bytes, sender: Role | None) -> bytes | None:
        """Return the InitConnect that a key makes of a payload, whatever its digest; ``None`` if none makes one."""
        if not payload or len(payload) > MAX_HANDSHAKE:
            return None
        for key in self._keys[:4]:
            inner = _decrypted(Rsa(key), payload)
            if inner and reads(inner, INIT_CONNECT, header.body_format, sender, self._registry):
                return inner
        return None

    def _not_opened(self, header: Header, payload: bytes, sender: Role | None) -> OpenedPayload:
        """Return why a frame after the handshake does not open."""
        if self.secrets is not None:
            sides = Role if sender is None else (sender, sender.peer)
            previous = [self._last[side] for side in sides if side in self._last]
            may_search = self._searches < MAX_SEARCHES
            if self._search is None and may_search:
                agreed = "none" if self.agreed is None else self.agreed.name
                self._search = EncryptionSearch(agreed, self.secrets, self._keys)
            found = None
            if self._search is not None:
                found, searched = self._search.find(payload, header.sha1, previous, only_likely=not may_search)
                if searched:
                    self._searches += 1 + min(len(payload), MAX_SIZE) // SEARCH_SIZE
            if found is not None:
                which, proof, body = found
                return OpenedPayload(UNKNOWN, body, (Finding(MISTAKES[which], proof, sender),))
            return OpenedPayload(UNKNOWN, None, (self._unexplained(header, payload, sender),))
        may_be_encrypted = (
            self.agreed is None
            and payload
            and len(payload) % BLOCK == 0
            and sender not in self._plain
            and not is_exactly(payload, header.proto_id, header.body_format, sender, self._registry)
        )
        if may_be_encrypted:
            if sender is not None and sender.peer in self._plain:
                return OpenedPayload(UNKNOWN, None, (self._one_sided(sender),), key_unknown=True)
            return OpenedPayload(UNKNOWN, None, key_unknown=True)
        return OpenedPayload(UNKNOWN, None, (self._unexplained(header, payload, sender),))

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
            body = _decrypted(self.agreed, payload)
            padding = 0 if body is None else len(payload) - len(body)
            # One byte of padding is there by chance in one of 256 payloads.
            if self.agreed.name != "ftaes_ecb" and len(payload) > BLOCK and padding > 1:
                wrong = "the IV is not, or bytes" if self.agreed.name == "aes_cbc" else "bytes"
                proof += f"; its end is PKCS#7 padding of {padding} bytes, so connAESKey is right, and {wrong} "
                proof += "in front of it were changed"
        return Finding(MISTAKES["unexplained_digest"], proof + ".", sender, proven=False)

    def note(self, side: Role, payload: bytes, opened: OpenedPayload) -> tuple[Finding, ...]:
        """Remember a frame after the handshake: its last block and, if no key is known, whether its sender encrypts."""
        self._last[side] = payload
        if self.agreed is not None or self.secrets is not None:
            return ()
        if opened.key_unknown:
            self._encrypting.add(side)
        elif opened.cipher == "none" and opened.body:
            self._plain.add(side)
            if side.peer in self._encrypting and "one_sided" not in self._reported:
                self._reported.add("one_sided")
                return (self._one_sided(side.peer),)
        return ()

    def handshake_text(self) -> str:
        """Describe InitConnect as the client sent it, for who looks for the reason that it has no reply."""
        encrypted = self._rsa.get(Role.CLIENT)
        if encrypted is None:
            return ""
        if not encrypted:
            return "It is plain: a gateway that has an RSA key expects it encrypted."
        if self._init is None:
            return "It is RSA ciphertext, for a key that is not known here: a gateway needs the same key to read it."
        return "It is RSA ciphertext, and the key given opens it: a gateway without this key cannot read it."

    def learn(self, message: Any, side: Role, cipher: str) -> tuple[Finding, ...]:
        """Take key, IV and cipher of the frames that follow from an InitConnect."""
        findings = self.sides_differ(side, rsa=cipher == "rsa")
        if message is None:
            return findings
        if side is Role.CLIENT:
            self._init = message
            asked = self._asked()
            unknown = None if asked is None else enc_algo_finding(asked)
            return findings + ((unknown,) if unknown else ())
        if message.retType or not message.s2c.connAESKey:
            return findings
        s2c = message.s2c
        iv = s2c.aesCBCiv if s2c.HasField("aesCBCiv") else None
        self.secrets = SessionKeys(_text(s2c.connAESKey), iv if iv is None else _text(iv))
        self._search = None
        if len(set(self._rsa.values())) > 1:
            # One side encrypted its handshake and the other did not: nothing was agreed.
            self.agreed = None
        elif not self._rsa[side]:
            self.agreed = NONE
        elif self._init is None and iv is None:
            # FTAES_ECB or AES_ECB: only the request, which the capture lacks, has it. Either may open what follows.
            self.agreed = None
        else:
            try:
                self.agreed = negotiated_cipher(self._init, message)
            except WireError:
                self.agreed = _by_reply(self.secrets)
        return findings

    def sides_differ(self, side: Role, *, rsa: bool) -> tuple[Finding, ...]:
        """Note whether a side's InitConnect is RSA ciphertext; return the finding if only one side's is."""
        self._rsa[side] = rsa
        other = self._rsa.get(side.peer)
        if other is None or other is rsa or "handshake" in self._reported:
            return ()
        self._reported.add("handshake")
        encrypts = side if rsa else side.peer
        proof = f"The {encrypts.value}'s InitConnect is RSA ciphertext, the {encrypts.peer.value}'s is plain."
        return (Finding(MISTAKES["encryption_one_sided"], proof, encrypts.peer),)


def _decrypted(cipher: Cipher, payload: bytes) -> bytes | None:
    try:
        return cipher.decrypt(payload)
    except WireError:
        return None


def _text(value: str | bytes) -> str:
    """Return a string field as text: protobuf's parser leaves what is no UTF-8 as bytes."""
    return value if isinstance(value, str) else value.decode("latin-1")


def _by_reply(secrets: SessionKeys) -> Cipher | None:
    try:
        return cipher_for(None, secrets.key, secrets.iv)
    except WireError:
        return None
