"""Everything that can go wrong, as a tree.

::

    WireError
    ├── HeaderError               44 bytes that are no header
    │   ├── TruncatedHeaderError  fewer than 44 of them
    │   ├── BadMagicError         they do not start with "FT"
    │   └── BodyTooLargeError     they announce more than the limit
    ├── DigestError               the plain body's SHA-1 is not the header's
    ├── CipherError
    │   ├── KeyFormatError        a PEM, key or IV that cannot be used
    │   ├── KeyRequiredError      encrypted, and the key is missing
    │   └── DecryptionError       ciphertext that no such key or mode can have made
    ├── BodyError                 a verified body that is not the message it should be
    │   └── MissingFieldsError    it parses, but lacks required fields
    ├── SchemaError
    │   ├── DescriptorError       a descriptor set that cannot be loaded
    │   └── UnknownProtocolError  an ID or a name the registry does not hold (also a KeyError)
    ├── EnvelopeError             a WebSocket message that is no "ft-v1.0" envelope
    ├── MemoryLimitError          bytes of a capture that took too much memory to wait for the rest of their frame
    ├── ProtocolError             correct frames in an order the protocol does not allow
    │   ├── LocalProtocolError    our side asked for it: a bug in the caller
    │   └── RemoteProtocolError   their side sent it
    └── CaptureError              a capture file or packet (see ``ftwire.pcap``)
        ├── NotACaptureError      neither pcap nor pcapng
        │   └── UnsupportedCompressionError  compressed in a way that is not undone here
        ├── CaptureFormatError    a record whose lengths contradict each other
        ├── TruncatedCaptureError the file ends inside a record
        ├── UnsupportedLinkError  a link type that is not taken apart
        └── PacketError           one packet whose headers do not hold together
            ├── CutPacketError    the capture kept too few bytes of it
            ├── ClosedTunnelError a tunnel that is not looked into
            └── SequenceError     a segment whose number does not fit its connection

Errors carry facts as attributes and write their sentence in ``__str__``. Branch on types and attributes,
never on the sentence.
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.frame import Frame

__all__ = [
    "BadMagicError",
    "BodyError",
    "BodyTooLargeError",
    "CaptureError",
    "CaptureFormatError",
    "CipherError",
    "ClosedTunnelError",
    "CutPacketError",
    "DecryptionError",
    "DescriptorError",
    "DigestError",
    "EnvelopeError",
    "HeaderError",
    "KeyFormatError",
    "KeyRequiredError",
    "LocalProtocolError",
    "MemoryLimitError",
    "MissingFieldsError",
    "NotACaptureError",
    "PacketError",
    "ProtocolError",
    "RemoteProtocolError",
    "SchemaError",
    "SequenceError",
    "TruncatedCaptureError",
    "TruncatedHeaderError",
    "UnknownProtocolError",
    "UnsupportedCompressionError",
    "UnsupportedLinkError",
    "WireError",
]


class WireError(Exception):
    """The root: every error ftwire raises on account of its input."""

    def __reduce__(self) -> tuple[object, ...]:
        # BaseException's calls the class with its positional arguments only, which fails where facts are given by name:
        # a process pool would break, or wait for ever, instead of raising the error.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class HeaderError(WireError):
    """Bytes that are no frame header."""


class TruncatedHeaderError(HeaderError):
    """Fewer bytes than a header has.

    Raised only where a whole header was promised (``Header.decode``); a stream waits instead.
    """

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        """Bytes a header takes: 44."""
        self.actual = actual
        """Bytes there were."""

    def __str__(self) -> str:
        return f"a header is {self.expected} bytes, here are {self.actual}"


class BadMagicError(HeaderError):
    """A header that does not start with ``FT``."""

    def __init__(self, *, actual: bytes, offset: int = 0) -> None:
        super().__init__(actual, offset)
        self.actual = actual
        """The bytes found: two, or the first where no more were there yet and it is wrong by itself."""
        self.offset = offset
        """Where in the stream they are, in bytes from its start."""

    def __str__(self) -> str:
        return f'a frame starts with "FT" (4654), here is {self.actual.hex()} at stream offset {self.offset}'


class BodyTooLargeError(HeaderError):
    """A header that announces a body above the limit of this decoder."""

    def __init__(self, *, limit: int, actual: int, proto_id: int = 0, offset: int = 0) -> None:
        super().__init__(limit, actual, proto_id, offset)
        self.limit = limit
        """Largest body this decoder takes, in bytes."""
        self.actual = actual
        """Body length the header announces, in bytes."""
        self.proto_id = proto_id
        """Protocol ID of that header."""
        self.offset = offset
        """Where in the stream the header is, in bytes from its start."""

    def __str__(self) -> str:
        return (
            f"protocol {self.proto_id} announces a body of {self.actual} bytes, the limit is {self.limit} "
            f"(stream offset {self.offset})"
        )


class DigestError(WireError):
    """The SHA-1 in a header is not that of the plain body: this one frame cannot be trusted."""

    def __init__(self, *, expected: bytes, actual: bytes, frame: Frame | None = None) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        """The 20 bytes the header carries."""
        self.actual = actual
        """The 20 bytes of the body as decrypted."""
        self.frame = frame
        """The frame, with its header and its bytes as they came."""

    def __str__(self) -> str:
        return f"SHA-1 of the body is {self.actual.hex()}, the header says {self.expected.hex()}"


class CipherError(WireError):
    """Encryption that cannot be set up or undone."""


class KeyFormatError(CipherError):
    """A PEM, AES key or IV that cannot be used. Never quotes key material."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class KeyRequiredError(CipherError):
    """The frame is encrypted and its key is missing: not passed in, or not learnt from the handshake."""

    def __init__(self, needed: str = "the RSA private key") -> None:
        super().__init__(needed)
        self.needed = needed

    def __str__(self) -> str:
        return f"encrypted: {self.needed} is needed to read it"


class DecryptionError(CipherError):
    """Ciphertext that this cipher cannot have made."""

    def __init__(self, *, cipher: str, reason: str) -> None:
        super().__init__(cipher, reason)
        self.cipher = cipher
        """Name of the cipher that was tried: ``rsa``, ``ftaes_ecb``, ``aes_ecb`` or ``aes_cbc``."""
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.cipher}: {self.reason}"


class BodyError(WireError):
    """A body whose bytes arrived as sent, but that is not the message its header announces."""

    def __init__(self, *, message: str, body: bytes, offset: int | None, reason: str, path: str = "") -> None:
        super().__init__(message, offset, reason)
        self.message = message
        """Full name of the message class that was tried, e.g. ``Qot_GetRT.Response``."""
        self.body = body
        """The plain body, untouched."""
        self.offset = offset
        """Where in the body reading failed, in bytes (JSON: in characters), when it is known."""
        self.reason = reason
        self.path = path
        """Where in a JSON body, as a path of fields (``c2s.header.accID``); empty when it is not known."""

    @property
    def unquoted(self) -> str:
        """The text of the error without its reason, which may quote the body."""
        where = "" if self.offset is None else f" at offset {self.offset}"
        return f"not a {self.message}{where}"

    def __str__(self) -> str:
        return f"{self.unquoted}: {self.reason}"


MAX_NAMED = 8
"""Missing fields that a sentence names: a long list lacks them in every item."""


class MissingFieldsError(BodyError):
    """A body that parses, and lacks fields that its message requires: their values were never sent."""

    def __init__(self, *, message: str, body: bytes, fields: Sequence[str]) -> None:
        names = ", ".join(fields[:MAX_NAMED])
        more = len(fields) - MAX_NAMED
        reason = f"required fields are missing: {names}" + (f" and {more} more" if more > 0 else "")
        super().__init__(message=message, body=body, offset=None, reason=reason)
        self.fields = tuple(fields)
        """Their paths, e.g. ``s2c.rtList[3].time``."""

    @property
    def unquoted(self) -> str:
        """The whole text: it is made of the names of fields, and quotes nothing of the body."""
        return f"{self.message}: {self.reason}"

    def __str__(self) -> str:
        return self.unquoted


class SchemaError(WireError):
    """Message definitions that are missing or unusable."""


class DescriptorError(SchemaError):
    """A descriptor set that cannot be loaded."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class UnknownProtocolError(SchemaError, KeyError):
    """An ID or a name that the registry does not hold."""

    def __init__(self, key: int | str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        what = "protocol ID" if isinstance(self.key, int) else "protocol"
        return f"{what} {self.key} is not in the registry"


class EnvelopeError(WireError):
    """A WebSocket message that is no ``ft-v1.0`` envelope."""

    def __init__(self, *, reason: str, data: bytes = b"", unquoted: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.data = data
        """The message as it came."""
        self.unquoted = reason if unquoted is None else unquoted
        """The reason without what it quotes of the message, if it does."""

    def __str__(self) -> str:
        return self.reason


class MemoryLimitError(WireError):
    """Bytes given up before their frame was whole: all that a capture makes wait took more memory than it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
        """What was allowed, in bytes (``ftwire.pcap.Limits.max_memory``)."""

    def __str__(self) -> str:
        return f"given up before the frame was whole: all that waits took more than {self.limit} bytes of memory"


class ProtocolError(WireError):
    """Correct frames, in an order or a state the protocol does not allow."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class LocalProtocolError(ProtocolError):
    """Our side would have broken the protocol; nothing was sent. A bug in the calling program."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the protocol."""


class CaptureError(WireError):
    """A capture that cannot be read any further, or one packet of it that cannot."""

    def __init__(self, reason: str, *, offset: int | None = None) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset
        """Where in the (decompressed) file, in bytes, when it is known."""

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (file offset {self.offset})"


class NotACaptureError(CaptureError):
    """Neither pcap nor pcapng, by the first bytes."""


class UnsupportedCompressionError(NotACaptureError):
    """A file compressed in a way that is not undone here, or not without a package that is not installed."""

    def __init__(self, compression: str, *, command: str, extra: str | None = None) -> None:
        super().__init__(compression)
        self.compression = compression
        """Name of the format."""
        self.command = command
        """What decompresses a file to standard output."""
        self.extra = extra
        """The extra of ftwire that brings the package; ``None`` where there is none for it."""

    def __str__(self) -> str:
        install = f"install what decompresses it (pip install 'ftwire[{self.extra}]'), or " if self.extra else ""
        return f"compressed with {self.compression}: {install}decompress it first: {self.command} FILE | ftwire dump -"


class CaptureFormatError(CaptureError):
    """A record or block whose lengths contradict each other or their file."""


class TruncatedCaptureError(CaptureError):
    """The file ends inside a record: the capture was cut, what came before is good."""


class UnsupportedLinkError(CaptureError):
    """A link type that is not taken apart here."""


class PacketError(CaptureError):
    """One packet whose headers do not hold together; the packets around it are not touched."""


class CutPacketError(PacketError):
    """One packet of which the capture kept too few bytes to tell what it carries: a snap length cut its headers."""


class ClosedTunnelError(PacketError):
    """One packet of a tunnel that is encrypted, or of a kind that is not looked into."""

    def __init__(self, tunnel: str) -> None:
        super().__init__(f"a tunnel of {tunnel}")
        self.tunnel = tunnel
        """Name of its kind."""


class SequenceError(PacketError):
    """A TCP segment that is no part of its connection: its sequence number does not fit (RFC 9293, RFC 5961)."""

    def __init__(self, reason: str, *, length: int = 0) -> None:
        super().__init__(reason)
        self.length = length
        """Bytes of its payload that are in no stream; 0 for one that would only begin, end or reset a connection."""
