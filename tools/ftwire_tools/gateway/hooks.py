"""Hooks: functions of a script that see requests, replies and pushes on their way, and may change them.

A hook gets an event and returns nothing, or the message that goes on in place of the one it was given. It may be an
``async`` function. An exception in it is reported with the script's file and line, and everything goes on as if the
hook had not been called.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ftwire.body import missing_fields
from ftwire_tools.gateway.answer_source import RET_FAILED, failure, success

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire_tools.gateway.steering import Steering

__all__ = ["Event", "HookOutcome", "Hooks", "PushEvent", "ReplyEvent", "RequestEvent", "Script"]

LONGEST_DELAY: Final = 3600.0
"""Seconds that a hook may delay something by."""


class Event:
    """What a hook is called with: a message on its way, and what may be done about it."""

    def __init__(self, client: int, entry: ProtocolEntry, message: Any, gateway: Steering) -> None:
        self.client: Final = client
        """Number of the client's connection, from 1."""
        self.name: Final = entry.name
        """Name of the protocol, such as ``Qot_GetRT``."""
        self.proto_id: Final = entry.proto_id
        self.message: Any = message
        """The message, of a class in ``ftwire.messages``. It is the hook's own: it may be changed in place."""
        self.gateway: Final = gateway
        """The verbs that steer the gateway: ``event.gateway.market.set_price("HK.00700", 400)``."""
        self.delayed = 0.0
        """Seconds that it is delayed by."""
        self.is_dropped = False
        """Whether it goes no further."""
        self._entry: Final = entry

    def delay(self, seconds: float) -> None:
        """Let it go on later, by up to an hour. Raises ``ValueError``."""
        if not 0 <= seconds <= LONGEST_DELAY:
            raise ValueError(f"a delay is 0 to {LONGEST_DELAY:g} seconds, not {seconds}")
        self.delayed = seconds

    def drop(self) -> None:
        """Let it go no further: a request gets no reply, a reply or a push does not reach the client."""
        self.is_dropped = True


class RequestEvent(Event):
    """A client's request, before it is answered.

    Return ``None`` to have it answered as usual, with what you have changed in ``message``; or a ``Response``, which
    becomes the reply.
    """

    def refused(self, reason: str, ret_type: int = RET_FAILED, err_code: int = 0) -> Any:
        """Return a ``Response`` that refuses the request."""
        response = failure(self._entry, reason, ret_type)
        response.errCode = err_code
        return response

    def success(self) -> Any:
        """Return a ``Response`` with ``retType`` 0 and an empty ``s2c``, to be filled in."""
        return success(self._entry)


class ReplyEvent(Event):
    """The gateway's reply, before the client gets it. Return ``None``, or another ``Response``."""

    def __init__(self, client: int, entry: ProtocolEntry, message: Any, gateway: Steering, request: Any) -> None:
        super().__init__(client, entry, message, gateway)
        self.request: Final = request
        """The ``Request`` that it answers: to be read only."""


class PushEvent(Event):
    """A push to one client, before it gets it. Return ``None``, or another ``Response``."""


class Script(NamedTuple):
    """The functions of a script; each may be ``async``, and each may be absent."""

    path: str = ""
    """Its file, as messages about errors name it; empty for functions that were not read from one."""
    on_start: Callable[[Steering], Any] | None = None
    """Called with the verbs when the gateway listens. An ``async`` one goes on beside the gateway."""
    on_request: Callable[[RequestEvent], Any] | None = None
    on_reply: Callable[[ReplyEvent], Any] | None = None
    on_push: Callable[[PushEvent], Any] | None = None


class HookOutcome(NamedTuple):
    """What a hook has decided."""

    message: Any
    """The message that goes on; ``None`` where nothing does."""
    is_answer: bool = False
    """Whether it is the reply to a request, made by the hook."""


E = TypeVar("E", bound=Event)


class Hooks:
    """The hooks of one script, with what is done about their errors."""

    def __init__(self, script: Script, log: Callable[..., None]) -> None:
        self._script: Final = script
        self._log: Final = log
        self._running: asyncio.Task[None] | None = None
        self.is_on = True
        """Whether its functions are called."""
        self.sees_requests: Final = script.on_request is not None
        self.sees_replies: Final = script.on_reply is not None
        self.sees_pushes: Final = script.on_push is not None

    def start(self, gateway: Steering) -> None:
        """Call ``on_start``, and let the script be switched."""
        if any(self._script[1:]):
            gateway.script.attach(self)
        if self._script.on_start is None:
            return
        try:
            found = self._script.on_start(gateway)
        except (Exception, SystemExit) as error:
            self._report(self._script.on_start, error)
            return
        if inspect.isawaitable(found):
            self._running = asyncio.get_running_loop().create_task(self._finish_start(self._script.on_start, found))

    @property
    def name(self) -> str:
        """Name of the script's file; of functions that were not read from one, that of their program's."""
        hooks: list[Callable[..., Any] | None] = list(self._script[1:])
        hook = next(filter(None, hooks), None)
        return PurePath(self._script.path if hook is None else self._path(hook)).name

    async def _finish_start(self, hook: Callable[..., Any], found: Awaitable[Any]) -> None:
        try:
            await found
        except (Exception, SystemExit) as error:
            self._report(hook, error)

    async def stop(self) -> None:
        """End an ``on_start`` that goes on."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def request(self, event: RequestEvent) -> HookOutcome | Awaitable[HookOutcome]:
        """Call ``on_request``."""
        return self._call(self._script.on_request, event)

    def reply(self, event: ReplyEvent) -> HookOutcome | Awaitable[HookOutcome]:
        """Call ``on_reply``."""
        return self._call(self._script.on_reply, event)

    def push(self, event: PushEvent) -> HookOutcome | Awaitable[HookOutcome]:
        """Call ``on_push``."""
        return self._call(self._script.on_push, event)

    def _call(self, hook: Callable[[E], Any] | None, event: E) -> HookOutcome | Awaitable[HookOutcome]:
        original = event.message
        if hook is None or not self.is_on:
            return HookOutcome(original)
        event.message = _copy(original)
        try:
            found = hook(event)
        except (Exception, SystemExit) as error:
            self._report(hook, error)
            return HookOutcome(original)
        if inspect.isawaitable(found):
            return self._finish(hook, event, original, found)
        outcome = self._outcome(hook, event, original, found)
        return _later(outcome, event.delayed) if event.delayed else outcome

    async def _finish(self, hook: Callable[[E], Any], event: E, original: Any, found: Awaitable[Any]) -> HookOutcome:
        try:
            result = await found
        except (Exception, SystemExit) as error:
            self._report(hook, error)
            return HookOutcome(original)
        outcome = self._outcome(hook, event, original, result)
        if event.delayed:
            await asyncio.sleep(event.delayed)
        return outcome

    def _outcome(self, hook: Callable[[E], Any], event: E, original: Any, result: Any) -> HookOutcome:
        """Return what a hook has decided, or the original where that makes no sense."""
        if event.is_dropped:
            return HookOutcome(None)
        chosen, is_answer = (event.message, False) if result is None else (result, False)
        if not isinstance(chosen, type(original)):
            is_answer = isinstance(event, RequestEvent) and isinstance(chosen, type(event.success()))
            if not is_answer:
                wanted = type(original).DESCRIPTOR.full_name + (
                    f" or {event.success().DESCRIPTOR.full_name}" if isinstance(event, RequestEvent) else ""
                )
                self._complain(hook, f"it gave {_kind(chosen)} for {event.name}; it may give {wanted}, or None")
                return HookOutcome(original)
        if missing := missing_fields(chosen):
            self._complain(hook, f"its {chosen.DESCRIPTOR.full_name} lacks {', '.join(missing[:8])}")
            return HookOutcome(original)
        # What is unchanged goes on as it is: its encoding may be there already.
        return HookOutcome(original if chosen == original else chosen, is_answer)

    def _report(self, hook: Callable[..., Any], error: BaseException) -> None:
        """Log an exception with the last line of the script that it came through."""
        path = self._path(hook)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        reason = "".join(traceback.format_exception_only(error)).strip()
        self._log("script-error", at=f"{path}:{lines[-1]}" if lines else path, hook=_name(hook), error=reason)

    def _complain(self, hook: Callable[..., Any], reason: str) -> None:
        """Log what is wrong with what a hook has given."""
        code = getattr(hook, "__code__", None)
        at = self._path(hook) if code is None else f"{self._path(hook)}:{code.co_firstlineno}"
        self._log("script-error", at=at, hook=_name(hook), error=reason)

    def _path(self, hook: Callable[..., Any]) -> str:
        code = getattr(hook, "__code__", None)
        return self._script.path or getattr(code, "co_filename", "script")


def _name(hook: Callable[..., Any]) -> str:
    return getattr(hook, "__name__", type(hook).__name__)


async def _later(outcome: HookOutcome, seconds: float) -> HookOutcome:
    await asyncio.sleep(seconds)
    return outcome


def _copy(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _kind(value: object) -> str:
    descriptor = getattr(value, "DESCRIPTOR", None)
    return getattr(descriptor, "full_name", None) or type(value).__name__
