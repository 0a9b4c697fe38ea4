"""Signals: the one place that handles them, for event loops with and without signal handlers, and without a loop.

Windows has Ctrl-C (SIGINT) and Ctrl-Break (SIGBREAK), no SIGTERM from another process, and event loops that take no
signal handlers.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["END", "INTERRUPT", "calls_on_signals", "default_interrupt", "interrupt_on_end"]

INTERRUPT: Final = signal.SIGINT
"""Ctrl-C."""
END: Final[signal.Signals] = getattr(signal, "SIGBREAK", signal.SIGTERM)
"""What asks a program to end: SIGTERM; on Windows Ctrl-Break."""


@contextmanager
def calls_on_signals(calls: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Call functions from the running event loop when their signals come, until the block ends.

    In the main thread only: signals come to no other.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}
    added: list[signal.Signals] = []
    try:
        for number, call in calls.items():
            try:
                loop.add_signal_handler(number, call)
                added.append(number)
            except NotImplementedError:
                # Python's own handler runs between two steps of the loop, or wakes it; the loop then makes the call.
                before[number] = signal.signal(number, _caller(loop, call))
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)
        for number, handler in before.items():
            signal.signal(number, handler)


def _caller(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> Callable[..., None]:
    def handle(*_: object) -> None:
        loop.call_soon_threadsafe(call)

    return handle


@contextmanager
def interrupt_on_end() -> Iterator[None]:
    """Let what asks the program to end do what Ctrl-C does, in a block without an event loop."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(END, interrupt)
    try:
        yield
    finally:
        signal.signal(END, before)


def default_interrupt() -> None:
    """Let Ctrl-C end this process at once, without a traceback: for workers, whose parent says what happened."""
    signal.signal(INTERRUPT, signal.SIG_DFL)
