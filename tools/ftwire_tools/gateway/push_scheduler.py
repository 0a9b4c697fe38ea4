"""The push scheduler: sends recorded pushes to one client when they are due."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ftwire_tools.gateway.push import PushRun
from ftwire_tools.gateway.topics import Topic

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.push_recording import Cause, Track

__all__ = ["MAX_PAUSE", "SECOND", "Pace", "PushScheduler"]

SECOND: Final = 1_000_000_000
"""In nanoseconds."""
MAX_PAUSE: Final = 60.0
"""Seconds that a client waits at most, by default, for the next captured push."""
BATCH: Final = 256
"""Pushes at top speed between two checks of how much the client has read."""


class Pace:
    """How fast pushes are sent, and whether they are repeated."""

    __slots__ = ("loop", "max_pause", "speed")

    def __init__(self, speed: float | None = 1.0, *, loop: bool = False, max_pause: float | None = MAX_PAUSE) -> None:
        self.speed: Final = speed
        """Multiple of the captured speed; ``None`` sends as fast as the client reads."""
        self.loop: Final = loop
        """Whether a track begins again after its last push."""
        self.max_pause: Final = max_pause
        """Most seconds (of the client, not of the capture) without a push while one is to come; ``None`` for any."""


Send = Callable[["Push"], object]
SendRun = Callable[[PushRun], object]


class PushScheduler:
    """Sends tracks of pushes to one client, by ``send`` and ``send_run``.

    All tracks of a client follow one clock. Where the next push is due only after ``pace.max_pause``, that clock is put
    forward after so many seconds: a pause that all tracks have is shortened, and their pushes keep their order.
    """

    def __init__(self, client: Subscriber, pace: Pace, send: Send, send_run: SendRun, log: Log | None = None) -> None:
        self._client: Final = client
        self._pace: Final = pace
        self._send: Final = send
        self._send_run: Final = send_run
        # A heap of tracks: when the next push is due (nanoseconds of captured time since this client joined), a
        # counter that keeps the order of pushes due at one time, the track, and the index of that push.
        self._due: list[tuple[int, int, Cause, Track, int]] = []
        self._count = 0
        self._wake: Final = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._started = time.monotonic_ns()
        self._log: Final = log
        self._skipped = 0  # nanoseconds of captured time that the clock was put forward by
        self._pause_end: int | None = None  # when a long pause is over; ``None`` outside one
        self._is_over = False

    def start(self, cause: Cause, track: Track) -> None:
        """Start a track; one that has started already begins again."""
        self._due = [item for item in self._due if item[2] != cause or isinstance(cause, int)]
        heapq.heapify(self._due)
        if track:
            self._count += 1
            heapq.heappush(self._due, (self._now() + track[0].offset, self._count, cause, track, 0))
            self._wake.set()
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self) -> None:
        """Stop the tracks of topics that the client has no longer subscribed to."""
        pushed = self._client.subscriptions.pushed
        self._due = [item for item in self._due if not isinstance(item[2], Topic) or item[2] in pushed]
        heapq.heapify(self._due)

    def stop(self) -> None:
        """Send nothing more."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._due = []

    def _now(self) -> int:
        """Return the nanoseconds of captured time since the client joined."""
        return int((time.monotonic_ns() - self._started) * (self._pace.speed or 1.0)) + self._skipped

    async def _run(self) -> None:
        sent = 0
        while True:
            if not self._due:
                self._pause_end = None
                self._wake.clear()
                await self._wake.wait()
                continue
            due = self._due[0][0]
            if self._pace.speed is not None and (wait := due - self._now()) > 0:
                seconds = self._shortened(wait, self._pace.speed)
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._wake.wait()
                continue
            self._pause_end = None
            sent += self._send_due()
            if self._is_over:
                return  # the client was cut off for not reading
            if sent >= BATCH:
                # All pushes may be due at once: other clients get their turn, and the client reads before more follows.
                sent = 0
                await asyncio.sleep(0)
                if self._pace.speed is None:
                    await self._client.drained()

    def _shortened(self, wait: int, speed: float) -> float:
        """Return the seconds to wait where the next push is due in ``wait`` nanoseconds of captured time.

        0 at the end of a long pause, whose rest is skipped.
        """
        seconds, limit = wait / SECOND / speed, self._pace.max_pause
        if self._pause_end is None:
            if seconds <= (MAX_PAUSE if limit is None else limit):
                return seconds
            pause = seconds if limit is None else limit
            self._pause_end = time.monotonic_ns() + int(pause * SECOND)
            if self._log is not None:
                self._log(
                    "pause", client=self._client.number, captured=f"{wait / SECOND:.0f} s", waits=f"{pause:.0f} s"
                )
        if limit is None:
            return seconds
        rest = (self._pause_end - time.monotonic_ns()) / SECOND
        if rest <= 0:
            self._skipped += wait
        return max(min(rest, seconds), 0)

    def _send_due(self) -> int:
        """Send pushes that are due, in order of time, a batch at most; return how many were sent."""
        now = self._now() if self._pace.speed is not None else None
        due = self._due
        single: list[Push] = []
        while due and len(single) < BATCH and (now is None or due[0][0] <= now):
            moment, _, cause, track, index = due[0]
            base = moment - track[index].offset
            run = track.run(index)
            if run is None or not self._is_alone(base + track[index + len(run.pushes) - 1].offset, now):
                single.append(track[index].push)
                index += 1
            elif single:
                break  # these are due first
            else:
                self._advance(base, cause, track, index + len(run.pushes))
                self._send_run(run)
                return len(run.pushes)
            self._advance(base, cause, track, index)
        if len(single) == 1:
            self._send(single[0])
        else:
            self._send_run(PushRun(single))
        return len(single)

    def _is_alone(self, end: int, now: int | None) -> bool:
        """Return whether all pushes of the first track up to ``end`` are due, and due before those of other tracks."""
        others = self._due[1:3]  # in a heap the second smallest is one of these
        return (now is None or end <= now) and all(end < other[0] for other in others)

    def _advance(self, base: int, cause: Cause, track: Track, index: int) -> None:
        """Continue the first track with its push ``index``."""
        if index == len(track):
            if not self._pace.loop or cause is None or isinstance(cause, int):
                heapq.heappop(self._due)
                return
            base, index = base + _period(track), 0
        self._count += 1
        heapq.heapreplace(self._due, (base + track[index].offset, self._count, cause, track, index))


def _period(track: Track) -> int:
    """Return the nanoseconds after which a track begins again: its length and one average pause."""
    first, last = track[0].offset, track[-1].offset
    pause = (last - first) // (len(track) - 1) if len(track) > 1 else 0
    return last - first + (pause or SECOND)
