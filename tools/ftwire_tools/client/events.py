"""What ``Client`` reports by ``on_event``: what happens to its connection beside requests and pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftwire.events import FrameDamaged, UnmatchedReply

if TYPE_CHECKING:
    from ftwire_tools.client.errors import ClientError

__all__ = ["ClientEvent", "ConnectionLost", "ConnectionRestored", "SubscriptionRefused"]


class ConnectionLost(NamedTuple):
    """The connection ended; a new one is being made if the client reconnects."""

    reason: str


class ConnectionRestored(NamedTuple):
    """A new connection is up and the subscriptions are there again."""

    attempts: int
    """How many it took."""
    subscriptions: int
    """How many requests restored the subscriptions."""


class SubscriptionRefused(NamedTuple):
    """The gateway refused to restore a subscription on a new connection."""

    error: ClientError


ClientEvent = ConnectionLost | ConnectionRestored | SubscriptionRefused | FrameDamaged | UnmatchedReply
"""The last two are the library's: they cost one frame, and the connection goes on."""
