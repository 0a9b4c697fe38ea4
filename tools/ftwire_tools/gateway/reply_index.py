"""The reply index: captured replies, looked up by their request.

Each client gets the replies to one request in the order of their capture, beginning with the first. After the last
one it gets the last again (``reuse``), or none.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire_tools.gateway.matching import Match, exact_key, security_key

if TYPE_CHECKING:
    from collections.abc import Hashable

    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["CapturedReply", "Position", "ReplyIndex"]

Key = tuple[int, "Hashable"]
"""Protocol ID, and what identifies a request under one way of matching: see ``matching``."""
Position = dict["Key | CapturedReply", int]
"""What one client has got so far: the number of replies by key, and each reply if none is sent twice."""


class CapturedReply:
    """One captured reply."""

    __slots__ = ("frame", "index", "is_fixed", "proto_id", "time")

    def __init__(self, frame: Frame | Envelope, index: int, time: int) -> None:
        self.frame: Final = frame
        self.proto_id: Final = frame.proto_id
        self.index: Final = index
        """Its number in the index, from 0."""
        self.time: Final = time
        """When it was captured, in nanoseconds."""
        message = self.message
        s2c = getattr(message, "s2c", None)
        self.is_fixed: Final = s2c is None or "connID" not in s2c.DESCRIPTOR.fields_by_name
        """Whether it holds nothing that differs from connection to connection (``connID``)."""

    @property
    def message(self) -> Message:
        """The ``Response``."""
        message = self.frame.message
        if isinstance(message, UnknownBody):
            raise TypeError("the index holds replies of known protocols only")
        return message


class ReplyIndex:
    """All replies of one or more captures."""

    def __init__(self) -> None:
        self._entries: Final[dict[Key, list[CapturedReply]]] = defaultdict(list)
        self._securities: Final[set[str]] = set()
        self.replies = 0
        """How many there are."""
        self.left_out = 0
        """Replies that cannot be decoded and are not in the index."""

    def add(self, request: Frame | Envelope | None, reply: Frame | Envelope, time: int) -> CapturedReply | None:
        """Add a reply, with its request where that was captured; return ``None`` for one that cannot be decoded.

        ``time`` is in nanoseconds since 1970.
        """
        try:
            answer = reply.message
            asked = request.message if request is not None else None
        except WireError:
            self.left_out += 1
            return None
        if isinstance(answer, UnknownBody) or isinstance(asked, UnknownBody):
            self.left_out += 1
            return None
        entry = CapturedReply(reply, self.replies, time)
        self.replies += 1
        proto_id = reply.proto_id
        about = security_key(asked) if asked is not None else frozenset()
        if asked is not None:
            self._entries[proto_id, exact_key(asked)].append(entry)
        self._entries[proto_id, about or security_key(answer)].append(entry)
        self._entries[proto_id, None].append(entry)
        self.add_securities(asked)
        self.add_securities(answer)
        return entry

    def add_securities(self, message: Message | None) -> None:
        """Add the securities of a message to those that occur in the captures."""
        if message is not None:
            self._securities.update(security_key(message))

    def has_securities(self, securities: frozenset[str]) -> bool:
        """Return whether each of these securities occurs in the captures."""
        return securities <= self._securities

    def find(
        self, proto_id: int, request: Message, match: Match, position: Position, *, reuse: bool
    ) -> CapturedReply | None:
        """Return the reply to a request, and advance the client's position."""
        keys: list[Key] = [(proto_id, exact_key(request))]
        if match is not Match.EXACT and (about := security_key(request)):
            keys.append((proto_id, about))
        if match is Match.PROTOCOL or (match is Match.SECURITY and not security_key(request)):
            keys.append((proto_id, None))
        for key in keys:
            found = self._entries.get(key)
            if not found:
                continue
            if not reuse:
                # A reply is listed under several keys; once sent it counts as sent under all of them.
                entry = next((entry for entry in found if entry not in position), None)
                if entry is not None:
                    position[entry] = 1
                    return entry
                continue
            given = position.get(key, 0)
            position[key] = given + 1
            return found[min(given, len(found) - 1)]
        return None
