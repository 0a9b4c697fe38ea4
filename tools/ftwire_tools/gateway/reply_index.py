"""Captured replies, looked up by their request.

Replies to the same request are given in the order they were captured in, to every client from the first one on.
What comes after the last is a matter of ``reuse``: the last again, or nothing.
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

__all__ = ["Book", "Entry", "Place"]

Key = tuple[int, "Hashable"]
Place = dict["Key | Entry", int]
"""How far one client has come: replies that it was given, by key."""


class Entry:
    """One captured reply."""

    __slots__ = ("frame", "index", "is_fixed", "proto_id", "time")

    def __init__(self, frame: Frame | Envelope, index: int, time: int) -> None:
        self.frame: Final = frame
        self.proto_id: Final = frame.proto_id
        self.index: Final = index
        """Its number in the book."""
        self.time: Final = time
        """When it was captured, in nanoseconds."""
        message = self.message
        s2c = getattr(message, "s2c", None)
        self.is_fixed: Final = s2c is None or "connID" not in s2c.DESCRIPTOR.fields_by_name
        """Whether the same bytes do for every connection."""

    @property
    def message(self) -> Message:
        """The ``Response``."""
        message = self.frame.message
        if isinstance(message, UnknownBody):
            raise TypeError("the book holds known protocols only")
        return message


class Book:
    """All replies of some captures."""

    def __init__(self) -> None:
        self._entries: Final[dict[Key, list[Entry]]] = defaultdict(list)
        self._securities: Final[set[str]] = set()
        self.replies = 0
        """How many there are."""
        self.left_out = 0
        """Replies that cannot be read, and so cannot be given."""

    def add(self, request: Frame | Envelope | None, reply: Frame | Envelope, time: int) -> Entry | None:
        """Take a reply, and the request it answers where that was seen; ``None`` for one that cannot be read."""
        try:
            answer = reply.message
            asked = request.message if request is not None else None
        except WireError:
            self.left_out += 1
            return None
        if isinstance(answer, UnknownBody) or isinstance(asked, UnknownBody):
            self.left_out += 1
            return None
        entry = Entry(reply, self.replies, time)
        self.replies += 1
        proto_id = reply.proto_id
        about = security_key(asked) if asked is not None else frozenset()
        if asked is not None:
            self._entries[proto_id, exact_key(asked)].append(entry)
        self._entries[proto_id, about or security_key(answer)].append(entry)
        self._entries[proto_id, None].append(entry)
        self.know(asked)
        self.know(answer)
        return entry

    def know(self, message: Message | None) -> None:
        """Note the securities of a message as ones that the capture knows."""
        if message is not None:
            self._securities.update(security_key(message))

    def knows(self, securities: frozenset[str]) -> bool:
        """Whether the capture has something about each of these."""
        return securities <= self._securities

    def find(self, proto_id: int, request: Message, match: Match, place: Place, *, reuse: bool) -> Entry | None:
        """Return the reply to give to a request, and move the client's place on."""
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
                # One captured reply stands under several keys: it is used up under all of them.
                entry = next((entry for entry in found if entry not in place), None)
                if entry is not None:
                    place[entry] = 1
                    return entry
                continue
            given = place.get(key, 0)
            place[key] = given + 1
            return found[min(given, len(found) - 1)]
        return None
