"""The envelope of OpenD's WebSocket clients: ``ft-v1.0``, one in each binary message.

It differs from the frame on TCP: big-endian, no digest, no encryption, bodies always protobuf, and a header that
depends on the direction. An ``Envelope`` has the attributes of a ``Frame`` all the same: its command is a protocol ID,
its section a serial.

::

    Envelope.decode(message, sender=Role.SERVER).message
    Envelope.build(3008, 7, request, sender=Role.CLIENT).encode()
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import md5
from typing import TYPE_CHECKING, Final

from ftwire._renamed import renamed_keyword
from ftwire.body import encode_body
from ftwire.errors import EnvelopeError
from ftwire.frame import BaseFrame, Kind, MessageClasses, Role
from ftwire.header import CLIENT_ENVELOPE_STRUCT, ENVELOPE_MAGIC, SERVER_ENVELOPE_STRUCT, BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Buffer

__all__ = [
    "CLIENT_HEADER_SIZE",
    "DISCONNECTED",
    "ENVELOPE_MAGIC",
    "INIT",
    "SERVER_HEADER_SIZE",
    "BadEnvelope",
    "Envelope",
    "EnvelopeStatus",
    "websocket_key_digest",
]

CLIENT_HEADER_SIZE: Final = CLIENT_ENVELOPE_STRUCT.size
"""Bytes before the body in what a client sends: 20."""
SERVER_HEADER_SIZE: Final = SERVER_ENVELOPE_STRUCT.size
"""Bytes before the body in what OpenD sends: 44."""

INIT: Final = 1
"""Command of ``InitWebSocket``, the first request of every connection."""
DISCONNECTED: Final = 2
"""Command of the push that announces that OpenD has lost its own connection. Commands below 100 are reserved; those
of 1001 and above are protocol IDs."""

_U32: Final = 0xFFFF_FFFF
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_TEXT_SIZE: Final = 20


class EnvelopeStatus(IntEnum):
    """What the error code of an envelope from OpenD means."""

    OK = 0
    TIMEOUT = 1
    OPEND_TIMEOUT = 2
    DISCONNECTED = 3


_Fields = tuple[bytes, int, int] | tuple[bytes, int, int, int, bytes]


class Envelope(BaseFrame):
    """One envelope, its header field for field as it was on the wire.

    Made by ``Envelope.decode`` or ``Envelope.build``. Immutable in meaning: only the decoded message is filled
    in, on first use.
    """

    __slots__ = ("_classes", "_fields")

    encryption = "none"
    """Nothing is encrypted inside an envelope."""
    _fields: _Fields

    def __init__(self, fields: _Fields, body: bytes, classes: MessageClasses) -> None:
        self._fields = fields
        self.payload = body
        self.body = body
        self._classes = classes
        self._message = None

    @classmethod
    @renamed_keyword("known", "registry")
    def build(
        cls,
        command: int,
        section: int,
        body: Message | bytes,
        *,
        sender: Role,
        error_code: int = EnvelopeStatus.OK,
        error_text: str = "",
        registry: Registry = registry,
    ) -> Envelope:
        """Return the envelope that ``sender`` would send; ``envelope.encode()`` returns its bytes.

        ``body`` is a message or its bytes. Raises ``ValueError`` for what its field cannot hold, and for an
        error from a client, which has no field for one.
        """
        text = error_text.encode()
        for name, value, low, high in (
            ("command", command, 0, _U32),
            ("section", section, 0, _U64),
            ("error_code", error_code, -(1 << 31), (1 << 31) - 1),
            ("error_text (UTF-8 bytes)", len(text), 0, _TEXT_SIZE),
        ):
            if not low <= value <= high:
                raise ValueError(f"envelope field {name} holds {low} to {high}, not {value}")
        plain = body if isinstance(body, bytes) else encode_body(body, BodyFormat.PROTOBUF)
        classes = MessageClasses(sender, registry)
        if sender is Role.SERVER:
            padded = text.ljust(_TEXT_SIZE, b"\0")
            return cls((ENVELOPE_MAGIC, command, section, int(error_code), padded), plain, classes)
        if error_code or text:
            raise ValueError("an envelope from a client has no field for an error")
        return cls((ENVELOPE_MAGIC, command, section), plain, classes)

    @classmethod
    @renamed_keyword("known", "registry")
    def decode(
        cls,
        data: Buffer,
        *,
        sender: Role,
        max_body: int = DEFAULT_MAX_BODY,
        registry: Registry = registry,
    ) -> Envelope:
        """Read one binary message that ``sender`` sent.

        Raises ``EnvelopeError`` for one that is no envelope, or whose body has more than ``max_body`` bytes.
        """
        return open_envelope(bytes(data), MessageClasses(sender, registry), max_body)

    @property
    def classes(self) -> MessageClasses:
        """Where the message class is looked up, for envelopes of the side that sent it."""
        return self._classes

    @property
    def command(self) -> int:
        """What is asked for or answered: a protocol ID, or ``INIT`` or ``DISCONNECTED``; u32."""
        return self._fields[1]

    @property
    def section(self) -> int:
        """Number of the request, u64, repeated by its reply. The vendor's client counts from 2."""
        return self._fields[2]

    @property
    def error_code(self) -> int:
        """OpenD's result of the request (``EnvelopeStatus``), i32; 0 in what a client sends."""
        return self._fields[3] if len(self._fields) == 5 else EnvelopeStatus.OK

    @property
    def error_bytes(self) -> bytes:
        """The field for ``error_text`` as it came, 20 bytes; empty in what a client sends."""
        return self._fields[4] if len(self._fields) == 5 else b""

    @property
    def error_text(self) -> str:
        """OpenD's text to its error code, up to the first NUL. Bytes that are not UTF-8 are replaced."""
        return self.error_bytes.partition(b"\0")[0].decode(errors="replace")

    @property
    def proto_id(self) -> int:
        """The command under the name it has in a ``Frame``."""
        return self._fields[1]

    @property
    def serial(self) -> int:
        """The section under the name it has in a ``Frame``."""
        return self._fields[2]

    @property
    def body_format(self) -> int:
        """0: envelopes carry protobuf only."""
        return BodyFormat.PROTOBUF

    @property
    def kind(self) -> Kind:
        """Request, response or push, as far as the command determines.

        The vendor's client takes any section that it does not wait for as a push. For commands that the registry does
        not hold, that can be decided only with the whole conversation (``WebSocketObserver``).
        """
        if self._fields[1] == DISCONNECTED and self.sender is Role.SERVER:
            return Kind.PUSH
        return self.classes.kinds[self._fields[1]]

    def encode(self) -> bytes:
        """Return the envelope's bytes: exactly those it was decoded from."""
        header = CLIENT_ENVELOPE_STRUCT if len(self._fields) == 3 else SERVER_ENVELOPE_STRUCT
        return header.pack(*self._fields) + self.payload

    def __len__(self) -> int:
        """Return the bytes the envelope takes, without WebSocket's own framing."""
        return (CLIENT_HEADER_SIZE if len(self._fields) == 3 else SERVER_HEADER_SIZE) + len(self.payload)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Envelope):
            return NotImplemented
        return (type(self), self._fields, self.payload, self.sender) == (
            type(other),
            other._fields,
            other.payload,
            other.sender,
        )

    def __hash__(self) -> int:
        return hash((self._fields, self.payload))

    def __repr__(self) -> str:
        protocol = self.protocol
        name = protocol.name if protocol else "unknown"
        return f"<Envelope {self.command} {name} {self.kind} section={self.section} {len(self.payload)} bytes>"


class BadEnvelope(Envelope):
    """A WebSocket message that is no envelope, or that cannot be read; ``error`` is the reason.

    ``payload`` is the message, or as much of it as could be read. ``body`` and ``message`` raise the error.
    Command and section are 0.
    """

    __slots__ = ("error",)

    error: EnvelopeError

    def __init__(self, classes: MessageClasses, error: EnvelopeError) -> None:
        self._fields = (b"", 0, 0)
        self.payload = error.data
        self._classes = classes
        self._message = None
        self.error = error

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        return None, {name: getattr(self, name) for name in ("_fields", "payload", "_classes", "_message", "error")}

    @property
    def body(self) -> bytes:  # type: ignore[override]  # a slot in BaseFrame, refused here
        """Raise ``error``."""
        raise self.error

    def _decode(self) -> Message:
        raise self.error

    def encode(self) -> bytes:
        """Return the message as it came."""
        return self.payload

    def __len__(self) -> int:
        """Return the bytes of the message."""
        return len(self.payload)

    def __repr__(self) -> str:
        return f"<BadEnvelope {self.kind} {len(self.payload)} bytes: {self.error}>"


def open_envelope(data: bytes, classes: MessageClasses, max_body: int) -> Envelope:
    """Return a message as an envelope; raises ``EnvelopeError``."""
    header = CLIENT_ENVELOPE_STRUCT if classes.sender is Role.CLIENT else SERVER_ENVELOPE_STRUCT
    if not data.startswith(ENVELOPE_MAGIC):
        start = data[: len(ENVELOPE_MAGIC)].hex()
        rule = 'an envelope starts with "ft-v1.0\\0"'
        raise EnvelopeError(
            reason=f"{rule}, here is {start or 'nothing'}",
            data=data,
            unquoted=f"{rule}, here is {'something else' if start else 'nothing'}",
        )
    if len(data) < header.size:
        raise EnvelopeError(
            reason=f"the header of an envelope from the {classes.sender.value} is {header.size} bytes, "
            f"here are {len(data)}",
            data=data,
        )
    length = len(data) - header.size
    if length > max_body:
        raise EnvelopeError(reason=f"a body of {length} bytes, the limit is {max_body}", data=data)
    fields: _Fields = header.unpack_from(data)
    return Envelope(fields, data[header.size :], classes)


def websocket_key_digest(key: str | bytes | None) -> str:
    """Return what ``InitWebSocket`` carries as ``websocketKey``: the shared key's MD5 in lower-case hex.

    Empty where there is no key.
    """
    if not key:
        return ""
    return md5(key.encode() if isinstance(key, str) else key, usedforsecurity=False).hexdigest()
