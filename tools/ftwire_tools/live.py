"""Frames shown while they pass: what a recorder or a proxy prints of the traffic it carries."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ftwire.conversation import Conversation
from ftwire.events import FrameSeen, GapSeen
from ftwire.pcap import Direction
from ftwire_tools.paint import PLAIN, paint_for
from ftwire_tools.relay import Opened, Received, Reset, Traffic
from ftwire_tools.render.line import LineRenderer, gap_text
from ftwire_tools.sighting import Sighting, Talk, read_body

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire_tools.render import Renderer

__all__ = ["LiveDump"]


class _Watched:
    """One connection."""

    def __init__(self, opened: Opened, keys: Sequence[RsaKey]) -> None:
        self.opened = opened
        self.conversation = Conversation(keys=keys, client=0)
        self.talk: Talk | None = None
        self.closed: set[Direction] = set()


class LiveDump:
    """Lines, or with ``as_json`` objects, on standard output: as ``ftwire dump`` shows them."""

    def __init__(self, *, keys: Sequence[RsaKey] = (), as_json: bool = False, show_secrets: bool = False) -> None:
        self._keys: Final = keys
        self._as_json: Final = as_json
        paint = PLAIN if as_json else paint_for(sys.stdout)
        self._lines: Final = LineRenderer(paint=paint, show_secrets=show_secrets)
        self._renderer: Renderer = self._lines
        if as_json:
            from ftwire_tools.render.jsonlines import JsonRenderer

            self._renderer = JsonRenderer(show_secrets=show_secrets)
        self._watched: Final[dict[int, _Watched]] = {}
        self._frames = 0

    def show(self, batch: Iterable[Traffic]) -> None:
        """Print what is in this traffic. Raises ``OSError``, ``BrokenPipeError`` where nobody reads any more."""
        out: list[str] = []
        for traffic in batch:
            if isinstance(traffic, Opened):
                self._watched[traffic.connection] = _Watched(traffic, self._keys)
                continue
            watched = self._watched.get(traffic.connection)
            if watched is None:
                continue
            if isinstance(traffic, Received):
                found = watched.conversation.receive(traffic.direction.value, traffic.data, traffic.time_ns)
                out += self._shown(watched, found)
                continue
            watched.closed.add(traffic.direction)
            if isinstance(traffic, Reset) or len(watched.closed) == len(Direction):
                del self._watched[traffic.connection]
                out += self._shown(watched, watched.conversation.close(traffic.time_ns))
        if out:
            sys.stdout.write("".join(out))
            sys.stdout.flush()

    def _shown(self, watched: _Watched, observations: Iterable[Observation]) -> list[str]:
        out = []
        for seen in observations:
            talk = watched.talk
            if talk is None:
                opened = watched.opened
                transport = str(watched.conversation.transport)
                talk = watched.talk = Talk(opened.connection, transport, str(opened.client), str(opened.gateway))
            if isinstance(seen, FrameSeen):
                self._frames += 1
                out.append(self._renderer.frame(Sighting(self._frames, talk, seen, *read_body(seen.frame))))
            elif isinstance(seen, GapSeen):
                out.append(self._note(talk, gap_text(seen)) if self._as_json else self._lines.gap(talk, seen))
            else:
                out.append(self._note(talk, f"{seen.reason} (--key)"))
        return out

    def _note(self, talk: Talk, text: str) -> str:
        """Return a line about no single frame; beside JSON it goes to standard error."""
        sentence = f"{talk.number}: {talk.client} -> {talk.server}: {text}"
        if not self._as_json:
            return self._lines.note(sentence)
        sys.stderr.write(f"ftwire: {sentence}\n")
        return ""
