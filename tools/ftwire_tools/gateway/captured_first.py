"""The answer source for captures with a market behind them: captured answers first, then those of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.synthetic import Synthetic

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.header import BodyFormat
    from ftwire.protocols import Protocol as Entry
    from ftwire_tools.gateway.answer_source import Answer, Subscriber
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.push import Push, PushRun
    from ftwire_tools.gateway.replay import Replay
    from ftwire_tools.gateway.subscriptions import SubscriptionChange, Subscriptions

__all__ = ["CapturedFirst"]


class CapturedFirst(Synthetic):
    """Gives the captured reply to a request that has one, and the market's to any other.

    Topics of which pushes were captured get these, and none of the market.
    """

    def __init__(self, replay: Replay, **market: Any) -> None:
        """``market`` are the arguments of ``Synthetic``."""
        super().__init__(**market)
        self._replay: Final = replay
        self._behind: Final[dict[int, _MarketClient]] = {}

    def handshake(self) -> dict[str, Any]:
        """Return version and user, the captured ones where there are some."""
        return {**super().handshake(), **self._replay.handshake()}

    def join(self, client: Subscriber) -> None:
        """Add a client."""
        behind = self._behind[client.number] = _MarketClient(client, self._replay)
        super().join(behind)
        self._replay.join(client)

    def leave(self, client: Subscriber) -> None:
        """Remove a client."""
        self._replay.leave(client)
        behind = self._behind.pop(client.number, None)
        if behind is not None:
            super().leave(behind)

    def answer(self, client: Subscriber, entry: Entry, request: Message) -> Answer:
        """Return the captured reply, else the market's."""
        found = self._replay.captured(client, entry, request)
        return super().answer(self._behind[client.number], entry, request) if found is None else found

    def subscribed(self, client: Subscriber, change: SubscriptionChange) -> None:
        """Begin with captured pushes of new topics, and with the market's of the others."""
        self._replay.subscribed(client, change)
        super().subscribed(self._behind[client.number], change)


class _MarketClient:
    """A client as the market sees it: one that does not want what was captured."""

    def __init__(self, client: Subscriber, replay: Replay) -> None:
        self._client: Final = client
        self._replay: Final = replay

    @property
    def number(self) -> int:
        """Number of its connection."""
        return self._client.number

    @property
    def conn_id(self) -> int:
        """The ``connID`` of its connection."""
        return self._client.conn_id

    @property
    def push_format(self) -> BodyFormat:
        """The body format that it has asked for its pushes."""
        return self._client.push_format

    @property
    def subscriptions(self) -> Subscriptions:
        """What it has subscribed to."""
        return self._client.subscriptions

    @property
    def limits(self) -> Limits:
        """The gateway's limits."""
        return self._client.limits

    def push(self, push: Push) -> bool:
        """Send a push, unless pushes of its topic were captured."""
        return not any(map(self._replay.has_pushes, push.topics or ())) and self._client.push(push)

    def push_run(self, run: PushRun) -> None:
        """Send those pushes of a run whose topics were not captured."""
        for push in run.pushes:
            self.push(push)

    async def drained(self) -> None:
        """Wait until the client has read enough."""
        await self._client.drained()
