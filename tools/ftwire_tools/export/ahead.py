"""An iterator that runs in a thread of its own, some items ahead of whoever takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import Final, NamedTuple, TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")

_POLL: Final = 0.2
"""Seconds after which a thread that waits looks whether anybody still wants its items."""


class _Ended(NamedTuple):
    """The iterator has ended, or raised this."""

    error: BaseException | None


def ahead(items: Iterator[Item], most: int) -> Iterator[Item]:
    """Return the items of an iterator that runs in a thread of its own, with at most ``most`` of them waiting.

    What the iterator raises is raised here, behind the items before it. When this iterator is closed, the other one
    is closed too, in its thread, as soon as it has made its next item.
    """
    queue: Queue[Item | _Ended] = Queue(most)
    closed = threading.Event()

    def put(item: Item | _Ended) -> bool:
        while not closed.is_set():
            try:
                queue.put(item, timeout=_POLL)
            except Full:
                continue
            return True
        return False

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as raised:
            error = raised
        if closed.is_set() and (close := getattr(items, "close", None)) is not None:
            close()
        put(_Ended(error))

    thread = threading.Thread(target=run, name="ftwire-export", daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _Ended):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item  # a batch of rows: not to be held while the next one is waited for
    finally:
        closed.set()
        while True:
            try:
                queue.get_nowait()
            except Empty:
                break
        # A thread that waits for a pipe's next bytes ends with the process.
        thread.join(_POLL)
