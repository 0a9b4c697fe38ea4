"""Send the requests of one captured client again, on a live connection.

A request is sent after the replies that the captured client had received before it, since it may depend on them, and
at its captured time, unless top speed is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire.capture import read_body
from ftwire.errors import WireError
from ftwire_tools.client.errors import ClientError
from ftwire_tools.messages.masking import message_of
from ftwire_tools.messages.trading import trades
from ftwire_tools.replaying.id_translation import IdTranslation, UnknownOrderError

if TYPE_CHECKING:
    from ftwire_tools.client import Client
    from ftwire_tools.messages.comparison import Comparison, Difference
    from ftwire_tools.replaying.capture_script import Part, ScriptStep

__all__ = ["Outcome", "ReplayOptions", "ReplayStatus", "perform"]

SECOND: Final = 1_000_000_000


class ReplayStatus(StrEnum):
    """Result of sending one captured request."""

    SAME = "same"
    """The reply equals the captured one."""
    DIFFERENT = "different"
    UNCOMPARED = "uncompared"
    """Answered, but the capture has no readable reply to it."""
    FAILED = "failed"
    """Not answered."""
    LEFT_OUT = "left out"
    """Not sent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A captured request that was sent or left out, with its result."""

    step: ScriptStep
    part: Part
    copy: int
    """Number of the connection, from 1, among those that send the same requests."""
    status: ReplayStatus
    differences: tuple[Difference, ...] = ()
    more: int = 0
    """Number of differences beyond those kept."""
    reason: str = ""
    """Why it failed or was left out."""
    latency: int | None = None
    """Time until the reply, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a replay is sent."""

    comparison: Comparison
    start: int
    """Captured time that corresponds to the start of the replay, in nanoseconds."""
    speed: float | None
    """Speed as a multiple of the captured one; ``None``: as fast as replies come."""
    allow_trading: bool
    max_differences: int
    """Largest number of differences kept of one reply."""


async def perform(
    client: Client, part: Part, copy: int, options: ReplayOptions, done: Callable[[Outcome], None]
) -> None:
    """Send all requests on an open client; ``done`` is called with the result of each."""
    performer = _Performer(client, part, copy, options, done)
    await performer.run()


class _Performer:
    def __init__(
        self, client: Client, part: Part, copy: int, options: ReplayOptions, done: Callable[[Outcome], None]
    ) -> None:
        self._client: Final = client
        self._part: Final = part
        self._copy: Final = copy
        self._options: Final = options
        self._done: Final = done
        connected = client.connected
        init: Any = None if connected is None else connected.frame.message
        self._rewriter: Final = IdTranslation(
            conn_id=(part.conn_id, 0 if connected is None else connected.conn_id),
            user_id=(part.user_id, 0 if init is None else init.s2c.loginUserID),
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for step in self._part.steps:
                if self._options.speed is not None:
                    due = begin + (step.time - self._options.start) / SECOND / self._options.speed
                    await asyncio.sleep(max(due - loop.time(), 0))
                earlier = [task for task in tasks[: step.after] if not task.done()]
                if earlier:
                    await asyncio.wait(earlier)
                tasks.append(group.create_task(self._play(step)))
                # Let the task start, and so send, before the next request is looked at.
                await asyncio.sleep(0)

    async def _play(self, step: ScriptStep) -> None:
        expected: Any = None if step.reply is None else read_body(step.reply)[0]
        reason = None if self._options.allow_trading else trades(step.proto_id)
        if reason is not None:
            self._rewriter.learn(step.proto_id, expected, None)
            self._finish(step, ReplayStatus.LEFT_OUT, reason=reason)
            return
        actual: Any = None
        try:
            request = self._rewriter.request(step.request)
            reply = await self._client.exchange(step.proto_id, request)
            actual = message_of(reply.frame)
        except UnknownOrderError as error:
            self._finish(step, ReplayStatus.LEFT_OUT, reason=str(error))
            return
        except (ClientError, WireError) as error:
            self._rewriter.learn(step.proto_id, expected, None)
            self._finish(step, ReplayStatus.FAILED, reason=str(error))
            return
        self._rewriter.learn(step.proto_id, expected, actual)
        if expected is None or type(expected) is not type(actual):
            self._finish(step, ReplayStatus.UNCOMPARED, latency=reply.latency)
            return
        found = list(self._options.comparison.differences(expected, actual))
        kept = self._options.max_differences
        self._finish(
            step,
            ReplayStatus.DIFFERENT if found else ReplayStatus.SAME,
            differences=tuple(found[:kept]),
            more=max(len(found) - kept, 0),
            latency=reply.latency,
        )

    def _finish(self, step: ScriptStep, status: ReplayStatus, **facts: Any) -> None:
        self._done(Outcome(step, self._part, self._copy, status, **facts))
