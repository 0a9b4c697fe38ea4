"""Frames shown while they pass: what a recorder or a proxy prints of the traffic it carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ftwire.conversation import ConversationObserver
from ftwire.pcap import Direction
from ftwire_tools.captures.sighting import Talk
from ftwire_tools.recording.proxy import Opened, Received, Reset, Traffic

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire_tools.dumping.dumper import Dump

__all__ = ["LiveDump"]


class _Watched:
    """One connection."""

    def __init__(self, opened: Opened, keys: Sequence[RsaKey]) -> None:
        self.opened = opened
        self.conversation = ConversationObserver(keys=keys, client=0)
        self.talk: Talk | None = None
        self.closed: set[Direction] = set()

    def told(self, observations: Iterable[Observation]) -> Iterator[tuple[Talk, Observation]]:
        """Give the observations with their conversation, which is known by the first of them."""
        for seen in observations:
            if self.talk is None:
                opened = self.opened
                transport = str(self.conversation.transport)
                self.talk = Talk(opened.connection, transport, str(opened.client), str(opened.gateway))
            yield self.talk, seen


class LiveDump:
    """Shows what passes as ``ftwire dump`` shows what is in a file.

    ``dump`` does the showing, ``keys`` decrypt.
    """

    def __init__(self, dump: Dump, *, keys: Sequence[RsaKey] = ()) -> None:
        self._dump: Final = dump
        self._keys: Final = keys
        self._watched: Final[dict[int, _Watched]] = {}

    def show(self, batch: Iterable[Traffic]) -> None:
        """Print what is in this traffic. Raises ``OutputError``."""
        self._dump.show(self._observed(batch))
        self._dump.flush()

    def _observed(self, batch: Iterable[Traffic]) -> Iterator[tuple[Talk, Observation]]:
        for traffic in batch:
            if isinstance(traffic, Opened):
                self._watched[traffic.connection] = _Watched(traffic, self._keys)
                continue
            watched = self._watched.get(traffic.connection)
            if watched is None:
                continue
            conversation = watched.conversation
            if isinstance(traffic, Received):
                yield from watched.told(conversation.receive(traffic.direction.value, traffic.data, traffic.time_ns))
                continue
            watched.closed.add(traffic.direction)
            if isinstance(traffic, Reset) or len(watched.closed) == len(Direction):
                del self._watched[traffic.connection]
                yield from watched.told(conversation.close(traffic.time_ns))
