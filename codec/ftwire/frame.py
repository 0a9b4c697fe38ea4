"""One frame: header, payload, plain body, and the message the body is.

Header and digest are read when a frame is taken from its stream. The body becomes a message only when ``message`` is
first read, so that choosing frames by their header costs no protobuf.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, StrEnum
from hashlib import sha1
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeVar

from google.protobuf.message import DecodeError

from ftwire._json import body_to_json
from ftwire._renamed import renamed_keyword
from ftwire.body import decode_body, encode_body, to_json
from ftwire.cipher import NONE, Cipher, codec_of
from ftwire.errors import BodyError, DigestError, UnknownProtocolError, WireError
from ftwire.header import (
    HEADER_SIZE,
    MAGIC,
    BodyFormat,
    Header,
    PackedHeader,
    pack_header,
    pack_packed_header,
    unpack_header,
    unpack_packed_header,
)
from ftwire.protocols import Protocol, Registry, registry

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "BadFrame",
    "BaseFrame",
    "Frame",
    "FrameType",
    "Kind",
    "MessageClasses",
    "Role",
    "UnknownBody",
    "encode_frame",
    "sender_of_body",
]

MessageT = TypeVar("MessageT", bound="Message")

_RESERVED: Final = bytes(8)

NOTHING_HASHED: Final = sha1(usedforsecurity=False)
"""The SHA-1 of nothing so far. Copying it is faster than ``sha1()``, with which OpenSSL looks the algorithm up again:
a tenth of a small frame's cost."""


def body_digest(body: bytes) -> bytes:
    """Return the SHA-1 of a plain body, 20 bytes."""
    hashed = NOTHING_HASHED.copy()
    hashed.update(body)
    return hashed.digest()


class Role(Enum):
    """A side of a connection."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def peer(self) -> Role:
        """The other side."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class Kind(StrEnum):
    """Whether a frame is a request, its response, or a push."""

    REQUEST = "request"
    RESPONSE = "response"
    PUSH = "push"


class UnknownBody(NamedTuple):
    """The body of a protocol that the registry does not hold, or of a format that is neither protobuf nor JSON."""

    proto_id: int
    body_format: int
    body: bytes
    """The plain body, untouched."""


class MessageClasses(dict[int, "type[Message] | None"]):
    """Protocol ID to the message class of what one side sends, looked up on first use.

    The class is ``None`` for IDs that the registry does not hold, and for pushes, which clients do not send.
    """

    __slots__ = ("formers", "frame_types", "kinds", "registry", "sender")

    @renamed_keyword("known", "registry")
    def __init__(self, sender: Role, registry: Registry = registry) -> None:
        super().__init__()
        self.sender: Final = sender
        self.registry: Final = registry
        self.kinds: Final[dict[int, Kind]] = _Kinds(sender, registry)
        """Protocol ID to the kind of frame that this side sends under it. Only the protocol ID marks a push."""
        self.formers: Final[dict[int, tuple[type[Message], ...]]] = {}
        """Classes of older releases, for the few IDs that had other ones; filled as IDs are looked up."""
        self.frame_types: Final[dict[int, FrameType]] = _FrameTypes(self)
        """The first eight bytes of a header, as a number, to the frame type; ``ValueError`` without magic."""

    def __reduce__(self) -> tuple[type[MessageClasses], tuple[Role, Registry]]:
        # Frames are copied and sent to other processes, where the classes are made again.
        return MessageClasses, (self.sender, self.registry)

    def __missing__(self, proto_id: int) -> type[Message] | None:
        protocol = self.registry.get(proto_id)
        if protocol is None:
            # Not stored: a peer that sends unknown IDs could make this grow without limit.
            return None
        found, *formers = (
            entry.request if self.sender is Role.CLIENT else entry.response for entry in self.registry.all(proto_id)
        )
        if formers:
            self.formers[proto_id] = tuple(former for former in formers if former is not None)
        self[proto_id] = found
        return found

    def body_class(self, proto_id: int, body_format: int) -> type[Message] | None:
        """Return the class of such bodies if they are protobuf and the ID had no other class in older releases."""
        found = self[proto_id]
        return found if body_format == BodyFormat.PROTOBUF and proto_id not in self.formers else None


class _Kinds(dict[int, Kind]):
    __slots__ = ("_registry", "_sender")

    def __init__(self, sender: Role, registry: Registry) -> None:
        super().__init__()
        self._sender = sender
        self._registry = registry

    def __missing__(self, proto_id: int) -> Kind:
        if self._sender is Role.CLIENT:
            return Kind.REQUEST
        protocol = self._registry.get(proto_id)
        if protocol is None:
            return Kind.RESPONSE
        found = self[proto_id] = Kind.PUSH if protocol.is_push else Kind.RESPONSE
        return found


def _not_yet(body: bytes) -> NoReturn:  # noqa: ARG001 - a parser's signature
    """Raise ``DecodeError``: the parser of a frame type whose message class was not looked up yet."""
    raise DecodeError


class FrameType:
    """What the first eight bytes of a header determine, in frames of one side."""

    __slots__ = ("body_class", "body_format", "classes", "is_learnt", "kind", "parse", "proto_id", "version")

    def __init__(self, proto_id: int, body_format: int, version: int, classes: MessageClasses) -> None:
        self.proto_id: Final = proto_id
        self.body_format: Final = body_format
        self.version: Final = version
        self.kind: Final = classes.kinds[proto_id]
        self.classes: Final = classes
        self.parse: Callable[[bytes], Message] = _not_yet
        """Parses a body; raises ``DecodeError`` where that takes more than one call (``learn``)."""
        self.body_class: type[Message] | None = None
        """See ``BaseFrame.body_class``, once learnt."""
        self.is_learnt = False

    def __reduce__(self) -> tuple[type[FrameType], tuple[int, int, int, MessageClasses]]:
        return FrameType, (self.proto_id, self.body_format, self.version, self.classes)

    def learn(self) -> None:
        """Look the message class up, and set ``parse`` to its parser where one call of that is enough."""
        self.body_class = self.classes.body_class(self.proto_id, self.body_format)
        if self.body_class is not None:
            self.parse = self.body_class.FromString
        self.is_learnt = True


class _FrameTypes(dict[int, FrameType]):
    __slots__ = ("_classes",)

    def __init__(self, classes: MessageClasses) -> None:
        super().__init__()
        self._classes = classes

    def __missing__(self, first: int) -> FrameType:
        magic, proto_id, body_format, version, *_ = unpack_header(pack_packed_header(first, 0, 0, b"", 0))
        if magic != MAGIC:
            raise ValueError(f"a header starts with {MAGIC!r}, not {magic!r}")
        frame_type = FrameType(proto_id, body_format, version, self._classes)
        if body_format <= BodyFormat.JSON and version == 0 and self._classes.registry.get(proto_id) is not None:
            # Others are not stored: a peer that sends them could make this grow without limit.
            self[first] = frame_type
        return frame_type


class BaseFrame:
    """What a ``Frame`` on TCP and an ``Envelope`` on WebSocket have in common: a body, and ways to read it."""

    __slots__ = ("_message", "body", "payload")

    error: WireError | None = None
    """Why the body cannot be read: ``None`` here, set in ``BadFrame`` and ``BadEnvelope``."""
    encryption: str
    """Name of the cipher that opened it, or failed to: ``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb``, ``aes_cbc``, or
    ``unknown`` where it is encrypted and there is no key."""

    payload: bytes
    """The bytes after the header, as they were on the wire: ciphertext when encrypted."""
    body: bytes
    """The plain body."""
    _message: Message | UnknownBody | None

    @property
    def classes(self) -> MessageClasses:
        """Where the message class is looked up, for frames of the side that sent it."""
        raise NotImplementedError

    @property
    def proto_id(self) -> int:
        """Protocol ID."""
        raise NotImplementedError

    @property
    def body_format(self) -> int:
        """0 protobuf, 1 JSON (``BodyFormat``); other values as they came."""
        raise NotImplementedError

    @property
    def serial(self) -> int:
        """Serial number."""
        raise NotImplementedError

    @property
    def sender(self) -> Role:
        """The side that sent it."""
        return self.classes.sender

    @property
    def kind(self) -> Kind:
        """Request, response or push."""
        return self.classes.kinds[self.proto_id]

    @property
    def protocol(self) -> Protocol | None:
        """The registry's entry, ``None`` for an ID it does not hold."""
        return self.classes.registry.get(self.proto_id)

    @property
    def body_class(self) -> type[Message] | None:
        """The message class of the body, where any protobuf parser can read its bytes as that class.

        ``None`` for JSON, for protocols that are not known, and for the few that had another class in older releases.
        """
        return self.classes.body_class(self.proto_id, self.body_format)

    @property
    def message(self) -> Message | UnknownBody:
        """The body as a message, parsed on first use; ``UnknownBody`` where no class is known for it.

        Required fields that are missing are no error here, as in the vendor's SDK: what there is can be read
        (``ftwire.body.missing_fields`` names them). A renamed protocol's body that the newer class refuses is
        read with the class of its former name.
        Raises ``BodyError`` for a body that is not such a message, and its own ``error`` where there is one.
        """
        message = self._message
        if message is None:
            message = self._message = self._decode()
        return message

    def as_(self, message_class: type[MessageT]) -> MessageT:
        """Return ``message`` as the class that the caller knows it to have, which type checkers then know too.

        ``frame.as_(Qot_GetRT.Response).s2c.rtList``. Raises ``TypeError`` where it is of another class, and what
        ``message`` raises.
        """
        message = self.message
        if not isinstance(message, message_class):
            raise TypeError(f"{self!r} is no {message_class.DESCRIPTOR.full_name}")
        return message

    def _decode(self) -> Message | UnknownBody:
        proto_id, body_format = self.proto_id, self.body_format
        found = self.classes[proto_id]
        if found is None or body_format > BodyFormat.JSON:
            return UnknownBody(proto_id, body_format, self.body)
        if proto_id in self.classes.formers:
            for candidate in (found, *self.classes.formers[proto_id]):
                with suppress(BodyError):
                    return decode_body(self.body, candidate, body_format)
        return decode_body(self.body, found, body_format, check_required=False)

    def to_json(self, *, lower_camel: bool = False) -> str:
        """Return the body as JSON text on one line: what ``ftwire.body.to_json`` makes of ``message``.

        The compiled core reads a protobuf body that is in order by itself, and no message is made.
        Raises what ``message`` raises, and ``UnknownProtocolError`` where that is an ``UnknownBody``.
        """
        message = self._message
        if message is None:
            body, found = self.body, self.body_class
            if found is not None:
                text = body_to_json(body, found, lower_camel=lower_camel)
                if text is not None:
                    return text
            message = self.message
        if isinstance(message, UnknownBody):
            raise UnknownProtocolError(message.proto_id)
        return to_json(message, lower_camel=lower_camel)

    def encode(self) -> bytes:
        """Return its bytes: exactly those it was decoded from."""
        raise NotImplementedError


class Frame(BaseFrame):
    """One frame whose digest agrees.

    Made by ``FrameDecoder`` or ``Frame.build``. Immutable in meaning: only the decoded message is filled in,
    on first use.
    """

    __slots__ = ("encryption", "frame_type", "packed_header")

    packed_header: PackedHeader
    """The header as few integers and its digest; ``header`` is the record of its fields."""
    frame_type: FrameType
    """What the first eight bytes of its header determine. Frames of one side of one connection with the same eight
    bytes share it, if their protocol is known."""

    def __init__(
        self, packed_header: PackedHeader, payload: bytes, body: bytes, frame_type: FrameType, encryption: str
    ) -> None:
        self.packed_header = packed_header
        self.payload = payload
        self.body = body
        self.frame_type = frame_type
        self.encryption = encryption
        self._message = None

    @classmethod
    @renamed_keyword("known", "registry")
    def build(
        cls,
        proto_id: int,
        serial: int,
        body: Message | bytes,
        *,
        sender: Role,
        body_format: int = BodyFormat.PROTOBUF,
        cipher: Cipher = NONE,
        registry: Registry = registry,
    ) -> Frame:
        """Return the frame that ``sender`` would send; ``frame.encode()`` returns its bytes.

        ``body`` is a message or plain body bytes. Raises ``ValueError`` for an ID or serial above u32.
        """
        plain = body if isinstance(body, bytes) else encode_body(body, body_format)
        payload = cipher.encrypt(plain)
        header = Header(proto_id, serial, len(payload), body_digest(plain), body_format)
        packed = unpack_packed_header(header.encode())
        return cls(packed, payload, plain, MessageClasses(sender, registry).frame_types[packed[0]], cipher.name)

    @property
    def header(self) -> Header:
        """The header as a record."""
        return Header.decode(pack_packed_header(*self.packed_header))

    @property
    def message(self) -> Message | UnknownBody:
        """The body as a message, parsed on first use: see ``BaseFrame.message``."""
        message = self._message
        if message is None:
            try:
                self._message = message = self.frame_type.parse(self.body)
            except DecodeError:
                # The first body of this type, or one that takes more than one call, or one to be refused with the
                # reason.
                self.frame_type.learn()
                self._message = message = self._decode()
        return message

    @property
    def body_class(self) -> type[Message] | None:
        """The message class of the body, where it is certain: see ``BaseFrame.body_class``."""
        frame_type = self.frame_type
        if not frame_type.is_learnt:
            frame_type.learn()
        return frame_type.body_class

    @property
    def classes(self) -> MessageClasses:
        """Where the message class is looked up, for frames of the side that sent it."""
        return self.frame_type.classes

    @property
    def kind(self) -> Kind:
        """Request, response or push."""
        return self.frame_type.kind

    @property
    def proto_id(self) -> int:
        """Protocol ID."""
        return self.frame_type.proto_id

    @property
    def body_format(self) -> int:
        """0 protobuf, 1 JSON (``BodyFormat``); other values as they came."""
        return self.frame_type.body_format

    @property
    def serial(self) -> int:
        """Serial number."""
        return self.packed_header[1]

    def encode(self) -> bytes:
        """Return the frame's bytes: exactly those it was decoded from."""
        return pack_packed_header(*self.packed_header) + self.payload

    def __len__(self) -> int:
        """Return the bytes the frame takes on the wire."""
        return HEADER_SIZE + len(self.payload)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return (type(self), self.packed_header, self.payload, self.sender) == (
            type(other),
            other.packed_header,
            other.payload,
            other.sender,
        )

    def __hash__(self) -> int:
        return hash((self.packed_header, self.payload))

    def __repr__(self) -> str:
        protocol = self.protocol
        name = protocol.name if protocol else "unknown"
        return (
            f"<{type(self).__name__} {self.proto_id} {name} {self.kind} serial={self.serial} {len(self.payload)} bytes>"
        )


class BadFrame(Frame):
    """A frame that was taken from its stream whole, but whose body cannot be read; ``error`` is the reason.

    ``body`` and ``message`` raise that error, so that nothing untrusted is read by accident. The stream goes on after
    it. Its ``encryption`` is that of the cipher that did not open it.
    """

    __slots__ = ("error",)

    error: WireError

    def __init__(
        self, packed_header: PackedHeader, payload: bytes, frame_type: FrameType, encryption: str, error: WireError
    ) -> None:
        self.packed_header = packed_header
        self.payload = payload
        self.frame_type = frame_type
        self.encryption = encryption
        self._message = None
        self.error = error
        if isinstance(error, DigestError) and error.frame is None:
            error.frame = self

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        # A copy is made of all slots but ``body``, which is refused.
        names = ("packed_header", "payload", "frame_type", "encryption", "_message", "error")
        return None, {name: getattr(self, name) for name in names}

    @property
    def body(self) -> bytes:  # type: ignore[override]  # a slot in Frame, refused here
        """Raise ``error``."""
        raise self.error


def encode_frame(
    proto_id: int,
    serial: int,
    body: bytes,
    *,
    body_format: int = BodyFormat.PROTOBUF,
    cipher: Cipher = NONE,
) -> bytes:
    """Return the bytes of a frame with this plain body: header, then the body or its ciphertext.

    Raises ``struct.error`` for numbers that their fields cannot hold.
    """
    codec = codec_of(cipher)
    if codec is not None:
        frame = codec.encode(proto_id, body_format, serial, body)
        if frame is not None:
            return frame
    payload = cipher.encrypt(body)
    digest = body_digest(body)
    return pack_header(MAGIC, proto_id, body_format, 0, serial, len(payload), digest, _RESERVED) + payload


def open_frame(packed_header: PackedHeader, payload: bytes, cipher: Cipher, frame_type: FrameType) -> Frame:
    """Return the frame of a header and its payload, decrypted and verified: a ``BadFrame`` where that fails."""
    try:
        body = cipher.decrypt(payload)
    except WireError as error:
        return BadFrame(packed_header, payload, frame_type, cipher.name, error)
    expected, actual = packed_header[3], body_digest(body)
    if actual != expected:
        wrong = DigestError(expected=expected, actual=actual)
        return BadFrame(packed_header, payload, frame_type, cipher.name, wrong)
    return Frame(packed_header, payload, body, frame_type, cipher.name)


def sender_of_body(body: bytes, body_format: int) -> Role | None:
    """Return which side sends such a plain body: a request has ``c2s`` (field 1), a response ``retType``."""
    if body_format == BodyFormat.JSON:
        if b'"c2s"' in body:
            return Role.CLIENT
        return Role.SERVER if b'"retType"' in body else None
    # Field 1 as a message, and as a number.
    return {b"\x0a": Role.CLIENT, b"\x08": Role.SERVER}.get(body[:1])
