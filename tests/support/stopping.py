"""A store of exports whose process ends in the middle of one of its changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ftwire_tools.export.store import Store

__all__ = ["Stopped", "StoppingStore"]


class Stopped(BaseException):
    """The process ends here."""


class StoppingStore(Store):
    """A store whose process ends in the middle of its ``steps``-th change."""

    def __init__(self, root: str, steps: int) -> None:
        super().__init__(root)
        self.steps = steps

    def _step(self, change: Callable[[], Any]) -> Any:
        self.steps -= 1
        if self.steps < 0:
            raise Stopped
        return change()

    def create(self, task: str, name: str) -> Any:
        return self._step(lambda: super(StoppingStore, self).create(task, name))

    def complete(self, task: str, names: Any) -> None:
        root = Path(self.place)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            self._step(partial((root / ".partial" / task / name).replace, root / name))
        self._step(lambda: self.abandon(task))

    def remove(self, names: Any) -> None:
        for name in names:
            self._step(partial(super().remove, [name]))
