"""The memory that all clients together may make a gateway hold."""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["Budget", "Holder"]


class Holder(Protocol):
    """A client that bytes are held for."""

    def held(self) -> int:
        """Return the bytes that wait from it (requests begun) and for it (what it has not read)."""
        ...

    def cut_off(self, reason: str) -> None:
        """Log a reason and close the connection at once."""
        ...


class Budget:
    """Bytes held for all clients. Above ``limit`` the client with the most is cut off.

    An honest client holds a few hundred bytes, so that those who fill the memory are cut off before it, however many
    they are.
    """

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self.total = 0
        """Bytes held, as far as they were noted."""
        self._held: Final[dict[Holder, int]] = {}

    def note(self, holder: Holder, held: int) -> None:
        """Take note of the bytes that one client holds now."""
        self.total += held - self._held.get(holder, 0)
        if held:
            self._held[holder] = held
        else:
            self._held.pop(holder, None)
        if self.total > self.limit:
            self._shrink()

    def forget(self, holder: Holder) -> None:
        """Take note that a client holds nothing any more."""
        self.total -= self._held.pop(holder, 0)

    def _shrink(self) -> None:
        # What was noted may have been sent since.
        self._held.update((holder, holder.held()) for holder in list(self._held))
        self.total = sum(self._held.values())
        while self.total > self.limit:
            most = max(self._held, key=self._held.__getitem__)
            held = self._held[most]
            self.forget(most)
            most.cut_off(f"all clients together may hold {self.limit} bytes, and it holds the most, {held}")
