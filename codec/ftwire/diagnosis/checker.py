"""Check a conversation frame by frame, and as a whole.

``ConversationChecker`` keeps what earlier frames have shown: the handshake and the cipher it agreed on, requests
without a reply, serials, times. Each frame is decrypted as agreed; where that fails, every known mistake is tried
until one explains the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ftwire._renamed import renamed_keyword
from ftwire.body import decode_body
from ftwire.cipher import NONE, RsaKey
from ftwire.connection import INIT_CONNECT
from ftwire.diagnosis.bodies import (
    body_finding,
    is_exactly,
    looks_like_json,
    other_protocol_finding,
    reads,
    side_of,
)
from ftwire.diagnosis.bounds import Bounds, bounds_finding, cut_finding, is_plausible, swapped
from ftwire.diagnosis.digests import Work, digest_source, is_no_digest
from ftwire.diagnosis.encryption import UNKNOWN, Encryption, OpenedPayload
from ftwire.diagnosis.envelopes import envelope_finding
from ftwire.diagnosis.exchange import ExchangeChecker
from ftwire.diagnosis.handshakes import looks_like_rsa
from ftwire.diagnosis.header_layouts import HeaderLayouts, LaidOutFrame, header_findings, misplaced_digest
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.other_protocols import protocol_of
from ftwire.diagnosis.payloads import SessionKeys
from ftwire.diagnosis.pieces import Piece
from ftwire.errors import BodyError
from ftwire.frame import Role
from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC, BodyFormat, Header
from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.websocket import Envelope

__all__ = ["ConversationChecker"]

SPARE_WORK: Final = 256
"""Bytes that may be decrypted or hashed without success, for each byte read."""
SPARE_WORK_FLOOR: Final = 1 << 28
"""Bytes that may be decrypted or hashed without success on top of that, however little is read."""
TRIALS: Final = 64
"""About how often each byte of a frame that does not open is decrypted or hashed: once for each mistake tried."""
FAR: Final = 1 << 16
"""Bytes after a header that are looked at for the real length of its body, however small the one it has."""
MAX_FAR: Final = 256
"""Frames of one conversation for which that is done."""
MAX_OTHERS: Final = 64
"""Bodies of one conversation that are compared with the messages of all protocols."""
MAX_DIGESTS: Final = 1 << 16
"""Digests of earlier bodies that are remembered."""


class ConversationChecker:
    """Checks one conversation on TCP or WebSocket.

    ``keys`` are RSA private keys to open the handshake with; ``secrets`` are the AES key and IV of a handshake that
    was not captured, and ``mode`` is the name of its cipher, if known. ``from_start``: the conversation was captured
    from its first byte on. ``alone``: the bytes are the input that a program could not read, not captured traffic, so
    that encryption without a key is a finding.

    Pass the frames of both directions in the order they were captured: bytes to ``read``, or frames that an observer
    has cut to ``check_frame``; then call ``close``. Never raises on account of the bytes.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        secrets: SessionKeys | None = None,
        mode: str | None = None,
        registry: Registry = registry,
        from_start: bool = True,
        alone: bool = False,
    ) -> None:
        self._registry: Final = registry
        self._ids: Final = frozenset(registry.ids)
        self._alone: Final = alone
        self._encryption: Final = Encryption(keys, secrets, mode, registry, alone=alone)
        self._exchange: Final = ExchangeChecker(registry, from_start=from_start)
        self.work: Final = Work()
        """What the searches for digests and layouts have cost so far."""
        self._layouts: Final = HeaderLayouts(registry, self.work)
        self._digests: Final[dict[bytes, int]] = {}
        self._guessed: tuple[tuple[int, Header, bytes | None], Role] | None = None
        self._far = 0
        self._others = 0
        self._count = 0
        self._window = 0  # bytes that may have been decrypted or hashed for the piece being read

    def read(self, data: bytes, sender: Role | None = None, time: int = 0) -> Iterator[Piece]:
        """Read frames that follow each other, to the end of ``data``.

        Without ``sender``, it is worked out from each frame's content.
        """
        at = 0
        spare = SPARE_WORK_FLOOR + SPARE_WORK * len(data)
        while at < len(data):
            if spare < 0:
                # Happens only for bytes made for this purpose: many headers whose frames lie inside each other.
                yield self._refused(data[at:], at, sender)
                return
            piece = self._next(data, at, sender, time)
            yield piece
            at += len(piece.raw)
            if piece.body is None or piece.findings:
                spare -= TRIALS * self._window

    def check_frame(self, header: Header, payload: bytes, sender: Role, time: int = 0) -> list[Piece]:
        """Read one frame whose length is the one in its header; return several pieces where that length is wrong.

        ``time`` is in nanoseconds, 0 if unknown.
        """
        opened = self._encryption.open(header, payload, sender)
        if opened.findings or (opened.body is None and not opened.key_unknown) or header.proto_id not in self._registry:
            # The header itself may be wrong.
            return list(self.read(header.encode() + payload, sender, time))
        return [self._finish(header, header, payload, sender, opened, 0, time)]

    def check_envelope(self, envelope: Envelope, time: int = 0) -> Piece:
        """Read one WebSocket message."""
        raw = envelope.encode()
        found = envelope_finding(raw, envelope.sender, self._registry)
        if found is not None or envelope.error is not None:
            wrong = found or Finding(MISTAKES["no_envelope"], f"{envelope.error}.", envelope.sender)
            return self._wrong_envelope(envelope, raw, wrong)
        findings = self._exchange.check_header(
            self._count, envelope.proto_id, envelope.serial, envelope.sender, time, websocket=True
        )
        if envelope.sender is Role.CLIENT and envelope.proto_id not in self._registry:
            proof = f"The command is {envelope.proto_id} ({envelope.proto_id:#x})."
            findings += (Finding(MISTAKES["unknown_protocol"], proof, Role.CLIENT, proven=False),)
        if envelope.sender is Role.CLIENT and envelope.proto_id == INIT_CONNECT:
            proof = "The command is 1001; the vendor's SDK sends it on TCP alone, and begins with command 1 here."
            findings += (Finding(MISTAKES["init_connect_on_websocket"], proof, Role.CLIENT, proven=False),)
        body = envelope.body
        if body or not getattr(envelope, "error_code", 0):
            # OpenD's own errors on WebSocket come without a body.
            in_body = body_finding(body, envelope.proto_id, BodyFormat.PROTOBUF, envelope.sender, self._registry)
            findings += (in_body,) if in_body else ()
        message = self._message(envelope.proto_id, 0, body, envelope.sender)
        findings += self._exchange.check_body(
            message, envelope.sender, envelope.proto_id, envelope.serial, unparsed=bool(findings)
        )
        if findings:
            self._exchange.note_wrong(envelope.proto_id, envelope.serial, envelope.sender)
        return Piece(
            self._number(),
            0,
            envelope.sender,
            raw,
            None,
            body,
            NONE.name,
            body,
            findings,
            envelope=envelope,
            proto_id=envelope.proto_id,
        )

    def _wrong_envelope(self, envelope: Envelope, raw: bytes, wrong: Finding) -> Piece:
        payload, sender = envelope.payload, envelope.sender
        body, proto_id = None, 0
        if wrong.mistake.id == "envelope_little_endian":
            meant = int.from_bytes(raw[8:12], "little")
            if reads(payload, meant, BodyFormat.PROTOBUF, sender, self._registry):
                body, proto_id = payload, meant
        cipher = UNKNOWN if body is None else NONE.name
        return Piece(
            self._number(), 0, sender, raw, None, payload, cipher, body, (wrong,), envelope=envelope, proto_id=proto_id
        )

    def skip(self) -> None:
        """Note that bytes are missing: from here on nothing is reported that depends on having every byte."""
        self._exchange.incomplete()

    @property
    def open_pieces(self) -> set[int]:
        """Numbers of the pieces that ``close`` may still return a finding about."""
        return self._exchange.open_pieces

    def close(self, time: int = 0, *, ended: bool = False) -> list[tuple[int, Finding]]:
        """End the conversation; return the last findings, each with the number of the piece it is about.

        ``ended``: the connection is known to have ended, so that what was not answered never will be.
        """
        return self._exchange.close(time, ended=ended, handshake=self._encryption.handshake_text())

    def _number(self) -> int:
        """Return the number of the next piece."""
        self._count += 1
        return self._count - 1

    def _next(self, data: bytes, at: int, sender: Role | None, time: int) -> Piece:
        """Read the piece at ``at``."""
        self._window = HEADER_SIZE
        if not data.startswith(MAGIC, at) or len(data) - at < HEADER_SIZE:
            return self._laid_out(data, at, sender, time) or self._no_frame(data, at, sender)
        header = Header.decode(data[at : at + HEADER_SIZE])
        end = at + HEADER_SIZE + header.body_length
        payload = data[at + HEADER_SIZE : end]
        whole = end <= len(data)
        self._window += len(payload)
        opened = self._encryption.open(header, payload, sender) if whole else OpenedPayload(UNKNOWN, None)
        if sender is None and whole:
            side = self._guess(header, opened.body)
            # A body that a search has found does not depend on who sent it.
            is_found = opened.cipher == UNKNOWN and opened.body is not None
            if (opened.findings and not is_found) or opened.key_unknown:
                opened = self._encryption.open(header, payload, side)
        turned = header.proto_id not in self._registry and swapped(header.proto_id) in self._registry
        explained = opened.body is not None or any(found.mistake.rank < 3 for found in opened.findings)
        if whole and explained and not turned and header.proto_id not in self._ids:
            # Small serials are IDs of WebSocket: only a message of the protocol is believed.
            meant = header.serial
            if meant >= INIT_CONNECT and is_exactly(payload, meant, header.body_format, sender, self._registry):
                laid_out = self._laid_out(data, at, sender, time)
                if laid_out is not None:
                    return laid_out
        if turned or not (whole and explained):
            bounds = self._bounds(data, at, header, sender)
            if bounds is not None:
                payload = data[at + HEADER_SIZE : at + bounds.size]
                found = self._encryption.opening(bounds.header, payload) if bounds.body is not None else None
                finding = bounds.finding._replace(sender=sender)
                opened = OpenedPayload(found[0] if found else UNKNOWN, bounds.body, (finding,))
                return self._finish(header, bounds.header, payload, sender, opened, at, time)
            laid_out = self._laid_out(data, at, sender, time)
            if laid_out is not None:
                return laid_out
        is_unexplained = whole and [found.mistake.id for found in opened.findings] == ["unexplained_digest"]
        if is_unexplained:
            opened = self._with_source(header, payload, sender, opened)
            explained = opened.findings[0].mistake.id != "unexplained_digest"
        if not (whole and explained):
            cut = self._cut(data, at, header)
            if cut is not None:
                payload = data[at + HEADER_SIZE : at + cut.size]
                opened = OpenedPayload(UNKNOWN, None, (cut.finding._replace(sender=sender),))
                return self._finish(header, header, payload, sender, opened, at, time)
        if not whole:
            return self._no_frame(data, at, sender)
        return self._finish(header, header, payload, sender, opened, at, time)

    def _with_source(self, header: Header, payload: bytes, sender: Role | None, opened: OpenedPayload) -> OpenedPayload:
        """Return a frame with what its digest is the digest of, if that is found."""
        decrypted = self._encryption.decrypted(header, payload)
        cipher, body = decrypted or (NONE.name, payload)
        found_again = self._digests.get(header.sha1)
        if found_again is None and self.work.is_spent and not is_no_digest(header.sha1):
            return opened
        side = sender or self._guess(header, body)
        if found_again is not None:
            mistake = "sha1_of_earlier_body"
            proof = f"the SHA-1 is that of the body of a frame before it, {self._count - found_again} back"
        else:
            message_class = self._registry.message_class(header.proto_id, is_request=side is Role.CLIENT)
            keys = self._encryption.key_bytes()
            source = digest_source(header, payload, body if decrypted else None, message_class, self.work, keys)
            if source is None:
                return opened
            mistake, proof = source.mistake, source.what
        finding = Finding(MISTAKES[mistake], f"{proof[0].upper() if proof[0] == 't' else proof[0]}{proof[1:]}.", side)
        if not reads(body, header.proto_id, header.body_format, side, self._registry) and not _is_bare(
            body, header, side, self._registry
        ):
            return OpenedPayload(UNKNOWN, None, (finding,))
        return OpenedPayload(cipher, body, (finding,))

    def _laid_out(self, data: bytes, at: int, sender: Role | None, time: int) -> Piece | None:
        """Return the frame at ``at`` as a piece if its header has another layout."""

        def reads_exactly(header: Header, body: bytes) -> bool:
            if header.proto_id == INIT_CONNECT and looks_like_rsa(body) and not looks_like_json(body):
                return True
            return is_exactly(body, header.proto_id, header.body_format, sender, self._registry)

        frame = self._layouts.find(data, at, reads_exactly)
        if frame is None:
            return self._misplaced(data, at, sender) if not data.startswith(MAGIC, at) else None
        self._window = frame.size
        return self._finish_laid_out(data[at : at + frame.size], frame, sender, at, time)

    def _finish_laid_out(self, raw: bytes, frame: LaidOutFrame, sender: Role | None, at: int, time: int) -> Piece:
        payload = raw[frame.header_size :]
        opened = OpenedPayload(NONE.name if frame.body is not None else UNKNOWN, frame.body, frame.findings)
        return self._finish(None, frame.header, payload, sender, opened, at, time, raw=raw)

    def _bounds(self, data: bytes, at: int, header: Header, sender: Role | None) -> Bounds | None:
        """Look for a mistake in the length of the frame at ``at``, or in the fields that decide it."""
        lengths = self._encryption.encrypted_lengths(header)
        turned = swapped(header.body_length)
        # Enough for any interpretation of the length, and the next header.
        reach = max([header.body_length, *lengths, turned if turned <= len(data) - at else 0]) + 2 * HEADER_SIZE
        self._window = len(data[at : at + reach])
        if reach < FAR and self._far < MAX_FAR:
            self._far += 1
            reach = FAR
        window = data[at : at + reach]
        return bounds_finding(
            window,
            header,
            lambda meant, body: self._encryption.body_of(meant, body, sender),
            self._registry,
            encrypted_lengths=lengths,
            work=self.work,
            final=len(window) == len(data) - at,
            alone=self._alone,
        )

    def _cut(self, data: bytes, at: int, header: Header) -> Bounds | None:
        window = data[at : at + header.body_length + 2 * HEADER_SIZE]
        return cut_finding(window, header, self._registry, final=len(window) == len(data) - at)

    def _misplaced(self, data: bytes, at: int, sender: Role | None) -> Piece | None:
        raw = data[at : self._next_frame(data, at)]
        found = misplaced_digest(raw, self.work)
        if found is None:
            return None
        finding, start = found
        return Piece(
            self._number(), at, sender, raw, None, raw[start:], UNKNOWN, None, (finding._replace(sender=sender),)
        )

    def _refused(self, data: bytes, at: int, sender: Role | None) -> Piece:
        proof = "Too much here begins like a frame and is none: the rest was not looked at."
        found = Finding(MISTAKES["no_frame"], proof, sender, proven=False)
        return Piece(self._number(), at, sender, data, None, data, UNKNOWN, None, (found,))

    def _no_frame(self, data: bytes, at: int, sender: Role | None) -> Piece:
        """Return the bytes from ``at``, where no frame begins, up to where one does, as a piece."""
        raw = data[at : self._next_frame(data, at)]
        header, unquoted = None, None
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
        elif (between := self._between(raw, data, at)) is not None:
            mistake, proof = "bytes_between_frames", between
        else:
            other = protocol_of(raw)
            so_begins = f": so begins {other}" if other else ""
            mistake, proof = "no_frame", f'A frame begins with "FT" (46 54), here is {raw[:8].hex(" ")}{so_begins}.'
            unquoted = f'A frame begins with "FT" (46 54), here is {raw[:2].hex(" ")}{so_begins}.'
        is_proven = mistake != "no_frame" and " may be " not in proof
        found = Finding(MISTAKES[mistake], proof, sender, proven=is_proven, unquoted=unquoted)
        payload = raw[HEADER_SIZE:] if header else raw
        return Piece(self._number(), at, sender, raw, header, payload, UNKNOWN, None, (found,))

    def _between(self, raw: bytes, data: bytes, at: int) -> str | None:
        """Return what bytes beside a frame are that are no part of any; ``None`` if they may be a damaged one."""
        end = at + len(raw)
        if not (self._count or end < len(data)):
            return None
        where = "behind a frame" if self._count else "in front of a frame"
        if not raw.strip(b"\0"):
            return f"{len(raw)} zero bytes stand {where}."
        if not raw.strip(b"\r\n \t"):
            return f"White space ({raw[:8].hex(' ')}) stands {where}."
        if len(raw) not in (2, 4, 8):
            return None
        size = int.from_bytes(data[end + 12 : end + 16], "little") + HEADER_SIZE
        for order in ("little", "big"):
            value = int.from_bytes(raw, "big" if order == "big" else "little")
            if value in (size, size - HEADER_SIZE, size + len(raw)) and end < len(data):
                return f"{len(raw)} bytes in front of a frame are its length, {value} in {order}-endian."
            if HEADER_SIZE <= value <= FAR and end == len(data):
                return f"{len(raw)} bytes {where} may be the length of what follows, {value} in {order}-endian."
        return None

    def _next_frame(self, data: bytes, at: int) -> int:
        while True:
            at = data.find(MAGIC, at + 1)
            if at < 0:
                return len(data)
            # Most places are none: two bytes show that before a header is made.
            if len(data) - at < HEADER_SIZE or data[at + 6] > BodyFormat.JSON or data[at + 7]:
                continue
            if int.from_bytes(data[at + 2 : at + 6], "little") not in self._ids:
                continue
            header = Header.decode(data[at : at + HEADER_SIZE])
            if is_plausible(header, self._registry) and at + HEADER_SIZE + header.body_length <= len(data):
                return at

    def _finish(
        self,
        on_wire: Header | None,
        header: Header,
        payload: bytes,
        sender: Role | None,
        opened: OpenedPayload,
        offset: int,
        time: int,
        *,
        raw: bytes = b"",
    ) -> Piece:
        """Check the body, and the frame against those before it.

        ``on_wire`` is the header as it was sent; ``None`` for one with another layout, whose frame is ``raw``.
        """
        body = opened.body
        side = sender or self._guess(header, body)
        findings = tuple(
            found if found.sender or found.mistake.id == "encryption_one_sided" else found._replace(sender=side)
            for found in opened.findings
        )
        if on_wire is not None and body is not None and not findings:
            findings = header_findings(on_wire, side, self._registry)
        first = self._count
        findings += self._exchange.check_header(
            first, header.proto_id, header.serial, side, time, is_wrong=bool(findings)
        )
        if body is not None:
            wrong = body_finding(body, header.proto_id, header.body_format, side, self._registry)
            if wrong is not None:
                wrong = self._other_protocol(header, body, side, wrong) or wrong
                findings += (wrong,)
            message = self._message(header.proto_id, header.body_format, body, side)
            findings += self._exchange.check_body(
                message, side, header.proto_id, header.serial, unparsed=wrong is not None
            )
            if header.proto_id == INIT_CONNECT:
                findings += self._encryption.learn(message, side, opened.cipher)
        if header.proto_id == INIT_CONNECT:
            if body is None and looks_like_rsa(payload):
                findings += self._encryption.sides_differ(side, rsa=True)
        else:
            findings += self._encryption.note(side, payload, opened)
        is_right = not opened.findings or (body is not None and self.work.sha1(body) == header.sha1)
        if body and is_right and len(self._digests) < MAX_DIGESTS:
            self._digests.setdefault(header.sha1, self._count)
        if findings:
            self._exchange.note_wrong(header.proto_id, header.serial, side)
        raw = raw if on_wire is None else on_wire.encode() + payload
        return Piece(
            self._number(),
            offset,
            side,
            raw,
            on_wire,
            payload,
            opened.cipher,
            body,
            findings,
            key_unknown=opened.key_unknown,
            proto_id=header.proto_id,
        )

    def _other_protocol(self, header: Header, body: bytes, side: Role, wrong: Finding) -> Finding | None:
        """Return the finding for a body that is another protocol's message, where it is not nearly its own's."""
        if wrong.mistake.id not in ("body_unreadable", "fields_missing", "ret_type_absent"):
            return None
        if self._others >= MAX_OTHERS or len(body) > FAR:
            return None
        self._others += 1
        return other_protocol_finding(body, header.proto_id, header.body_format, side, self._registry)

    def _message(self, proto_id: int, body_format: int, body: bytes, sender: Role) -> Message | None:
        message_class = self._registry.message_class(proto_id, is_request=sender is Role.CLIENT)
        if message_class is None or body_format > BodyFormat.JSON:
            return None
        try:
            return decode_body(body, message_class, body_format, check_required=False)
        except BodyError:
            return None

    def _guess(self, header: Header, body: bytes | None) -> Role:
        """Return the sender of a frame by its content, or by the frames before it."""
        # One frame is looked at up to three times, and parsing it each time costs most of what a wrong frame costs.
        guessed_for = self._count, header, body
        if self._guessed is None or self._guessed[0] != guessed_for:
            self._guessed = guessed_for, self._guess_anew(header, body)
        return self._guessed[1]

    def _guess_anew(self, header: Header, body: bytes | None) -> Role:
        protocol = self._registry.get(header.proto_id)
        if protocol is not None and protocol.is_push:
            return Role.SERVER
        if body:
            waits = self._exchange.waits(header.proto_id, header.serial)
            side = side_of(
                body, header.proto_id, header.body_format, self._registry, first=Role.SERVER if waits else Role.CLIENT
            )
            if side is not None:
                return side
        if body:
            if looks_like_json(body):
                return Role.CLIENT if b'"c2s"' in body or not (b'"retType"' in body or waits) else Role.SERVER
            # Field 1 as a message is c2s, as a number retType; what has neither may answer an open request.
            if body[:1] in (b"\x0a", b"\x08"):
                return Role.CLIENT if body[:1] == b"\x0a" else Role.SERVER
            return Role.SERVER if waits else Role.CLIENT
        return Role.SERVER if self._exchange.waits(header.proto_id, header.serial) else Role.CLIENT


def _is_bare(body: bytes, header: Header, side: Role, registry: Registry) -> bool:
    """Return whether a body has a mistake of its own that is known: it is the one that was sent."""
    found = body_finding(body, header.proto_id, header.body_format, side, registry)
    return found is not None and found.mistake.id not in ("body_unreadable", "fields_missing", "ret_type_absent")
