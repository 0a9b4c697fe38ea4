"""Captures read as frames: from the bytes of a file, or of a live capture, to messages.

The three-line program::

    import ftwire

    for frame in ftwire.read("session.pcap", keys=[open("rsa.pem").read()]):
        print(frame.number, frame.time, frame.conversation, frame.sender, frame.kind, frame.message)

Programs that receive a capture piece by piece, or want to know about everything that is in it, feed a
``CaptureReader``. A map, in the order in which each builds on those before::

    bodies         the message of a frame, and what counts as an error
    dissected      what a reader reports: frames, undecoded bytes, missing keys, begin and end of conversations
    account        what a reader did not turn into frames, counted by reason
    other_files    files that are given for a capture and are none
    embedded_key   the RSA private key that a pcapng file may carry
    kept           bytes that are kept for a diagnosis
    packets        packets -> TCP streams -> frames of numbered conversations
    raw            the same for the bytes that one side of one connection sent, or both as one stream
    reader         CaptureReader: either of the two, decided by the first bytes
    files          read: opens a path and iterates over its frames
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftwire.capture.account import Account
    from ftwire.capture.bodies import LOWEST_PROTOCOL, fault_of, missing_error, read_body, status_of
    from ftwire.capture.dissected import (
        CollectedFrames,
        Conversation,
        ConversationClosed,
        ConversationOpened,
        Dissected,
        DissectedBytes,
        DissectedFrame,
        KeyNeeded,
        UnrecognisedConnection,
    )
    from ftwire.capture.embedded_key import SECRETS_TYPE, embedded_keys, pem_of
    from ftwire.capture.files import FrameIterator, read
    from ftwire.capture.reader import ENOUGH_TO_TELL, CaptureReader, is_capture

__all__ = [
    "ENOUGH_TO_TELL",
    "LOWEST_PROTOCOL",
    "SECRETS_TYPE",
    "Account",
    "CaptureReader",
    "CollectedFrames",
    "Conversation",
    "ConversationClosed",
    "ConversationOpened",
    "Dissected",
    "DissectedBytes",
    "DissectedFrame",
    "FrameIterator",
    "KeyNeeded",
    "UnrecognisedConnection",
    "embedded_keys",
    "fault_of",
    "is_capture",
    "missing_error",
    "pem_of",
    "read",
    "read_body",
    "status_of",
]

_HOME = {
    "ENOUGH_TO_TELL": "reader",
    "LOWEST_PROTOCOL": "bodies",
    "SECRETS_TYPE": "embedded_key",
    "Account": "account",
    "CaptureReader": "reader",
    "CollectedFrames": "dissected",
    "Conversation": "dissected",
    "ConversationClosed": "dissected",
    "ConversationOpened": "dissected",
    "Dissected": "dissected",
    "DissectedBytes": "dissected",
    "DissectedFrame": "dissected",
    "FrameIterator": "files",
    "KeyNeeded": "dissected",
    "UnrecognisedConnection": "dissected",
    "embedded_keys": "embedded_key",
    "fault_of": "bodies",
    "is_capture": "reader",
    "missing_error": "bodies",
    "pem_of": "embedded_key",
    "read": "files",
    "read_body": "bodies",
    "status_of": "bodies",
}
"""Module that each public name is taken from when it is first used: a renderer needs no packets."""


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
