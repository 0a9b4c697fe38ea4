"""Hypothesis strategies for frames, sessions and captures; needs the extra ``fuzz``.

To test a program that uses OpenD, or replaces it::

    @given(frames(3008, kind=Kind.RESPONSE))
    def test_every_reply_is_read(frame): ...

    @given(conversations(key=key), st.data())
    def test_any_chunking(session, data):
        for chunk in data.draw(chunkings(session.stream(Role.SERVER))): ...

    @given(conversations().flatmap(mutations))
    def test_damage(mutation): ...

From the inside out, each in a module of its own:

========================  =====================================================================
``messages``              a protocol's messages, or those of any class, from its descriptor
``bodies``                plain bodies: such messages as protobuf or JSON
``headers``               frame headers, any value in any field
``ciphers``               the three AES modes
``frames``                frames with the body and digest they should have
``conversations``         legal sessions: handshake, requests, replies, pushes, KeepAlive
``chunkings``             one stream, cut into chunks
``mutations``             a frame, envelope, stream or capture, damaged
``segment_schedules``     one stream as TCP segments: lost, late, repeated, contradicting
========================  =====================================================================

Everything shrinks towards what is small and legal: no optional field, zeros, one chunk, no damage. An example that
consists of several parts is a record of them.
"""

from warnings import warn as _warn

try:
    from ftwire.strategies._bodies import bodies
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        'ftwire.strategies needs the package "hypothesis": pip install "ftwire[fuzz]"', name="hypothesis"
    ) from None
from ftwire.strategies._chunkings import chunkings
from ftwire.strategies._ciphers import RepeatableRsa, ciphers
from ftwire.strategies._conversations import SentFrame, Session, conversations
from ftwire.strategies._frames import frames
from ftwire.strategies._headers import headers
from ftwire.strategies._messages import messages
from ftwire.strategies._mutations import Mutation, mutations
from ftwire.strategies._segments import Segment, SegmentSchedule, segment_schedules

__all__ = [
    "Mutation",
    "RepeatableRsa",
    "Segment",
    "SegmentSchedule",
    "SentFrame",
    "Session",
    "bodies",
    "chunkings",
    "ciphers",
    "conversations",
    "frames",
    "headers",
    "messages",
    "mutations",
    "segment_schedules",
]


def __getattr__(name: str) -> type[SentFrame]:
    if name != "Said":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _warn("ftwire.strategies.Said is called ftwire.strategies.SentFrame now", DeprecationWarning, stacklevel=2)
    return SentFrame
