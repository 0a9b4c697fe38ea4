"""Pushes to one client that a script sees, and may alter, hold back or drop, before they are sent."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.hooks import HookOutcome, PushEvent
from ftwire_tools.gateway.push import Push

if TYPE_CHECKING:
    from ftwire_tools.gateway.hooks import Hooks
    from ftwire_tools.gateway.session_context import SessionContext

__all__ = ["ScriptedPushes"]

MAX_LATE: Final = 1000
"""Most pushes to one client that a script may hold back at a time."""


class ScriptedPushes:
    """Sends pushes to one client as a script decides; each call is given what sends: nothing here keeps it."""

    def __init__(self, client: int, hooks: Hooks, context: SessionContext) -> None:
        """``client`` is the number of the connection."""
        self._client: Final = client
        self._hooks: Final = hooks
        self._context: Final = context
        self._late: Final[set[asyncio.Task[None]]] = set()
        self._is_over = False

    def push(self, push: Push, send: Callable[[Push], bool]) -> bool:
        """Send a push as the script decides; return whether it was sent, or will be if the script does not drop it.

        ``send`` sends a push and returns whether it was sent.
        """
        entry = registry[push.proto_id]
        outcome = self._hooks.push(PushEvent(self._client, entry, push.message, self._context.steering))
        if isinstance(outcome, HookOutcome):
            return self._send_outcome(push, outcome, send)
        if len(self._late) >= MAX_LATE:
            if inspect.iscoroutine(outcome):
                outcome.close()
            self._context.log(
                "push-left-out", client=self._client, proto=push.proto_id, reason="too many wait for the script"
            )
            return False
        task = asyncio.get_running_loop().create_task(self._push_later(push, outcome, send))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return True

    def stop(self) -> None:
        """Send nothing more."""
        self._is_over = True
        for task in self._late:
            task.cancel()

    async def _push_later(self, push: Push, awaited: Awaitable[HookOutcome], send: Callable[[Push], bool]) -> None:
        self._send_outcome(push, await awaited, send)

    def _send_outcome(self, push: Push, outcome: HookOutcome, send: Callable[[Push], bool]) -> bool:
        if outcome.message is None or self._is_over:
            return False
        return send(push if outcome.message is push.message else Push(push.proto_id, outcome.message))
