"""The wire protocol of OpenD, the gateway of the Futu and moomoo trading APIs.

A map, from the bytes up; each module imports only what stands above it:

===============================  ==============================================================================
``ftwire.errors``                the tree of everything that can go wrong
``ftwire.layout``                what the headers look like, declared with construct
``ftwire.header``                the 44-byte header in front of every frame on TCP
``ftwire.cipher``                RSA for the handshake, AES for what follows
``ftwire.schema``                message definitions in a descriptor pool of their own
``ftwire.protocols``             from a protocol's ID or name to its messages
``ftwire.body``                  messages from and to protobuf or JSON bytes
``ftwire.body_check``            which of many bodies are no messages, without making any
``ftwire.projection``            the values at a few paths of a body, without the rest
``ftwire.frame``                 one frame: header, payload, plain body, message
``ftwire.framing``               whole frames at the front of a buffer, and the buffer a stream is received into
``ftwire.body_columns``          bodies of many frames in columns, without an object a frame
``ftwire.stream``                frames out of a live byte stream
``ftwire.resync``                frames out of a captured stream, past damage and holes
``ftwire.events``                what connections and observers report
``ftwire.connection``            one side of a connection, without a socket
``ftwire.observer``              one conversation on TCP, observed
``ftwire.mixed_observer``        the same where both sides come as one stream
``ftwire.websocket``             the WebSocket envelope of JavaScript clients
``ftwire.websocket_resync``      envelopes out of a captured WebSocket stream
``ftwire.websocket_connection``  the gateway's side of a WebSocket connection, without a socket
``ftwire.websocket_observer``    one conversation on WebSocket, observed
``ftwire.resemblance``           what makes bytes look like this protocol where there is no frame
``ftwire.conversation``          what a TCP connection carries, recognised by its content, then observed
``ftwire.capture``               captures read as frames, from the bytes of a file to messages
``ftwire.diagnosis``             the mistakes that implementations make, and which of them explains given bytes
``ftwire.messages``              the message classes by name: ``from ftwire.messages import Qot_GetRT``
``ftwire.pcap``                  capture files, packets, TCP reassembly; knows nothing of OpenD
``ftwire.frame_mutations``       what can be wrong with a frame, by name
``ftwire.envelope_mutations``    what can be wrong with an envelope, by name
``ftwire.body_mutations``        what can be wrong with a body in a correct frame or envelope, by name
``ftwire.strategies``            Hypothesis strategies for all of it (extra ``fuzz``)
===============================  ==============================================================================

The library opens no socket and asks no clock: bytes, times and keys come in as arguments. It opens no file but its own
definitions, with one exception: ``ftwire.read`` opens the path that it is given. Names below are imported when first
used, so ``import ftwire`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from warnings import warn

if TYPE_CHECKING:
    from ftwire import diagnosis, messages, pcap, strategies
    from ftwire._core import compiled
    from ftwire.body import decode_body, encode_body
    from ftwire.capture import CaptureReader, read
    from ftwire.cipher import Cipher, RsaKey, cipher_for
    from ftwire.connection import Connection
    from ftwire.conversation import ConversationObserver
    from ftwire.errors import (
        BodyError,
        CaptureError,
        CipherError,
        DigestError,
        EnvelopeError,
        HeaderError,
        LocalProtocolError,
        MissingFieldsError,
        ProtocolError,
        RemoteProtocolError,
        SchemaError,
        UnknownProtocolError,
        WireError,
    )
    from ftwire.frame import BadFrame, Frame, Kind, Role, UnknownBody, encode_frame
    from ftwire.header import BodyFormat, Header
    from ftwire.observer import Observer
    from ftwire.projection import Projection
    from ftwire.protocols import Protocol, Registry, registry
    from ftwire.resync import ResyncDecoder, UndecodedBytes
    from ftwire.schema import Schema
    from ftwire.stream import FrameDecoder
    from ftwire.websocket import BadEnvelope, Envelope
    from ftwire.websocket_connection import WebSocketConnection
    from ftwire.websocket_observer import WebSocketObserver

__version__ = "0.2.0"

__all__ = [
    "BadEnvelope",
    "BadFrame",
    "BodyError",
    "BodyFormat",
    "CaptureError",
    "CaptureReader",
    "Cipher",
    "CipherError",
    "Connection",
    "ConversationObserver",
    "DigestError",
    "Envelope",
    "EnvelopeError",
    "Frame",
    "FrameDecoder",
    "Header",
    "HeaderError",
    "Kind",
    "LocalProtocolError",
    "MissingFieldsError",
    "Observer",
    "Projection",
    "Protocol",
    "ProtocolError",
    "Registry",
    "RemoteProtocolError",
    "ResyncDecoder",
    "Role",
    "RsaKey",
    "Schema",
    "SchemaError",
    "UndecodedBytes",
    "UnknownBody",
    "UnknownProtocolError",
    "WebSocketConnection",
    "WebSocketObserver",
    "WireError",
    "cipher_for",
    "compiled",
    "decode_body",
    "diagnosis",
    "encode_body",
    "encode_frame",
    "messages",
    "pcap",
    "read",
    "registry",
    "strategies",
]

_ERRORS = {name: "errors" for name in __all__ if name.endswith("Error")}
_HOME = _ERRORS | {
    "BadEnvelope": "websocket",
    "BadFrame": "frame",
    "BodyFormat": "header",
    "CaptureReader": "capture",
    "Cipher": "cipher",
    "Connection": "connection",
    "ConversationObserver": "conversation",
    "Envelope": "websocket",
    "Frame": "frame",
    "FrameDecoder": "stream",
    "ResyncDecoder": "resync",
    "UndecodedBytes": "resync",
    "Header": "header",
    "Kind": "frame",
    "Observer": "observer",
    "Projection": "projection",
    "Protocol": "protocols",
    "Registry": "protocols",
    "Role": "frame",
    "RsaKey": "cipher",
    "Schema": "schema",
    "UnknownBody": "frame",
    "WebSocketConnection": "websocket_connection",
    "WebSocketObserver": "websocket_observer",
    "cipher_for": "cipher",
    "compiled": "_core",
    "decode_body": "body",
    "diagnosis": None,
    "encode_body": "body",
    "encode_frame": "frame",
    "messages": None,
    "pcap": None,
    "read": "capture",
    "registry": "protocols",
    "strategies": None,
}
"""Module that each public name is taken from; ``None`` for a module itself."""


_RENAMED = {
    "Conversation": "ConversationObserver",
    "FrameScanner": "ResyncDecoder",
    "Gap": "UndecodedBytes",
    "Picker": "Projection",
}
"""Names of 0.1 that are called something else now: they still work, with a warning."""


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warn(f"ftwire.{name} is called ftwire.{_RENAMED[name]} now", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    if home is None:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # help() reads everything named here, and stops at the first that cannot be imported.
    missing = set() if find_spec("hypothesis") else {"strategies"}
    return sorted({*globals(), *__all__} - missing)
