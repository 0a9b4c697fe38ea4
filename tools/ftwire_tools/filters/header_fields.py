"""The names in filters that are no field paths: a frame's header, its place in the capture, and its exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from ftwire.errors import DigestError, WireError
from ftwire.frame import Kind
from ftwire_tools.messages.securities import securities_of_frame

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = [
    "ALIASES",
    "HEADER_FIELDS",
    "WIRESHARK_NAMES",
    "HeaderField",
    "code_key",
    "codes_of",
    "end_matches",
    "is_code",
]

FieldType: TypeAlias = Literal["number", "size", "duration", "time", "word", "end", "flag", "proto", "code"]

_FORMATS: Final = {0: "protobuf", 1: "json"}


class HeaderField(NamedTuple):
    """A name in filters, and where its value is read."""

    type: FieldType
    read: Callable[[Any], Any]
    """Return the value of a ``DissectedFrame``, ``None`` where it has none."""
    about: str
    """What it is, in one line."""
    is_always_set: bool = False
    needs_body: bool = False
    is_place: bool = False
    """What is no frame has it too: ``read`` takes anything with ``conversation`` and ``time``."""
    is_type: bool = False
    """All pushes of a protocol have the same."""
    words: tuple[str, ...] = ()
    """The values there are of a ``word``, if only some."""


def _sha1_ok(frame: DissectedFrame) -> bool | None:
    """Return whether the digest agrees; ``None`` on WebSocket, which has none, and of what could not be decrypted."""
    if frame.conversation.transport == "websocket":
        return None
    error = frame.frame.error
    return True if error is None else False if isinstance(error, DigestError) else None


def _format(frame: DissectedFrame) -> str:
    number = frame.frame.body_format
    return _FORMATS.get(number) or str(number)


def _error(frame: DissectedFrame) -> str | None:
    error = frame.error
    return None if error is None else type(error).__name__


def _proto(frame: DissectedFrame) -> str | None:
    protocol = frame.protocol
    return None if protocol is None else protocol.name


def _not_here(frame: DissectedFrame) -> None:
    """Return nothing: what comes before and after a frame decides, and the compiler reads it."""


HEADER_FIELDS: Final[dict[str, HeaderField]] = {
    "proto": HeaderField("proto", _proto, "name of the protocol, its present one or an older one", is_type=True),
    "proto_id": HeaderField(
        "number", lambda frame: frame.observation.frame.proto_id, "number of the protocol", True, is_type=True
    ),
    "kind": HeaderField(
        "word",
        lambda frame: frame.observation.kind,
        "request, response or push",
        True,
        is_type=True,
        words=tuple(str(kind) for kind in Kind),
    ),
    "serial": HeaderField("number", lambda frame: frame.observation.frame.serial, "serial number", True),
    "number": HeaderField("number", lambda frame: frame.number, "running number of the frame, from 1", True),
    "conversation": HeaderField(
        "number", lambda frame: frame.conversation.number, "number of the conversation", True, is_place=True
    ),
    "client": HeaderField(
        "end", lambda frame: frame.conversation.client, "the client's HOST:PORT", True, is_place=True
    ),
    "server": HeaderField("end", lambda frame: frame.conversation.server, "OpenD's HOST:PORT", True, is_place=True),
    "src": HeaderField(
        "end", lambda frame: frame.conversation.ends(frame.sender)[0], "HOST:PORT of the side that sent it", True
    ),
    "dst": HeaderField(
        "end", lambda frame: frame.conversation.ends(frame.sender)[1], "HOST:PORT of the other side", True
    ),
    "time": HeaderField("time", lambda frame: frame.time or None, "when its last byte was captured", is_place=True),
    "body_length": HeaderField(
        "size", lambda frame: len(frame.observation.frame.payload), "bytes of the body on the wire", True
    ),
    "format": HeaderField("word", _format, "protobuf, json, or another number", True),
    "encryption": HeaderField(
        "word",
        lambda frame: frame.observation.encryption,
        "how the body was encrypted",
        True,
        words=("none", "rsa", "ftaes_ecb", "aes_ecb", "aes_cbc", "unknown"),
    ),
    "sha1_ok": HeaderField("flag", _sha1_ok, "whether the digest agrees; not set on WebSocket"),
    "latency": HeaderField("duration", lambda frame: frame.observation.latency, "time since the request"),
    "latency_ns": HeaderField("number", lambda frame: frame.observation.latency, "the same, in nanoseconds"),
    "request": HeaderField("number", _not_here, "number of the request that a response answers"),
    "unanswered": HeaderField("flag", _not_here, "a request whose response is not in the capture"),
    "error": HeaderField("word", _error, "what is wrong, as error_type of --json", needs_body=True),
    "code": HeaderField(
        "code", _not_here, "a security in the body or in that of its request, as HK.00700", needs_body=True
    ),
}
"""Every name, in the order of the documentation."""

ALIASES: Final = {
    "length": "body_length",
    "error_type": "error",
    "ret_type": "retType",
    "err_code": "errCode",
    "ret_msg": "retMsg",
}
"""Other names, of the fields above and of fields that every reply has in its body."""


WIRESHARK_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "frame.number": ("number",),
    "frame.time": ("time",),
    "frame.time_epoch": ("time",),
    "frame.len": ("body_length",),
    "tcp.len": ("body_length",),
    "tcp.stream": ("conversation",),
    **dict.fromkeys(("ip.addr", "ipv6.addr", "ip.host", "tcp.port"), ("client", "server")),
    **dict.fromkeys(("ip.src", "ipv6.src", "tcp.srcport"), ("src",)),
    **dict.fromkeys(("ip.dst", "ipv6.dst", "tcp.dstport"), ("dst",)),
    **{f"opend.{name}": (name,) for name in HEADER_FIELDS},
    "opend.request_in": ("request",),
}
"""Names that Wireshark has for the fields above: what errors suggest for them."""


def end_matches(end: str, named: str) -> bool:
    """Return whether an end is the one named: ``HOST:PORT``, ``:PORT`` or ``HOST``."""
    if named.startswith(":") and named[1:].isdecimal():
        return end.endswith(named)
    return end == named or end.rpartition(":")[0].strip("[]") == named.strip("[]") != ""


def is_code(name: str, wanted: str) -> bool:
    """Return whether a security, ``HK.00700``, is the one wanted, which may lack its market: ``00700``."""
    return wanted in (name, name.partition(".")[2])


def code_key(text: str) -> str:
    """Return a code as codes are compared: without regard to the case of its letters, unless some are not ASCII."""
    return text.upper() if text.isascii() else text


def codes_of(frame: Frame | Envelope | None) -> list[str]:
    """Return the securities in the body of a frame, as ``HK.00700``; none where it cannot be read."""
    if frame is None:
        return []
    try:
        return [code_key(name) for name in securities_of_frame(frame)]
    except WireError:
        return []
