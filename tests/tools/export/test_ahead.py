"""Iterators in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ftwire_tools.export.ahead import ahead


def numbers(count: int, made: list[int] | None = None) -> Iterator[int]:
    for number in range(count):
        if made is not None:
            made.append(number)
        yield number


@pytest.mark.parametrize("most", [1, 3])
def test_items_come_in_their_order(most: int) -> None:
    assert list(ahead(numbers(100), most)) == list(range(100))
    assert list(ahead(ahead(numbers(50), most), most)) == list(range(50))
    assert list(ahead(iter(()), most)) == []


def test_it_runs_in_another_thread() -> None:
    (name,) = ahead((threading.current_thread().name for _ in range(1)), 1)
    assert name != threading.current_thread().name


def test_an_error_comes_behind_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = ahead(broken(), 5)
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_it_is_only_so_many_items_ahead_and_stops_when_it_is_closed() -> None:
    made: list[int] = []
    ended = threading.Event()

    def watched() -> Iterator[int]:
        try:
            yield from numbers(1000, made)
        finally:
            ended.set()

    items = ahead(watched(), 2)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]  # it is a generator
    assert ended.wait(30)
    assert len(made) <= 6
