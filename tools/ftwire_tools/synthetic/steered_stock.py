"""An instrument whose price is set from outside: held, moved, halted, and what it would be by itself."""

from __future__ import annotations

from bisect import bisect_right

from ftwire_tools.synthetic.prices import UNIT
from ftwire_tools.synthetic.stock_now import StockNow
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, MinuteTicks

__all__ = ["SteeredStock"]


class SteeredStock(StockNow):
    """What can be done to an instrument from outside."""

    @property
    def is_steered(self) -> bool:
        """Whether its price was changed, or it is suspended."""
        return self.is_halted or not self._steering.is_untouched

    def halt(self) -> None:
        """Suspend it."""
        self._steering.halt(self._market.now, round(self.latest * UNIT))
        self._look_again()

    def resume(self) -> None:
        """Trade it again after a halt."""
        if self.is_halted:
            self._steering.resume(self._market.now, self._unsteered(self._market.now))
            self._look_again()

    def hold(self, price: float) -> None:
        """Trade at a price now, and hold it there. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        self._steering.hold(self._now, self._ladder.legal(price * UNIT))
        self._look_again()

    def gap(self, share: float) -> None:
        """Let the price jump by a share of it, and move on from there. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        price = self._ladder.legal(self.latest * (1 + share) * UNIT)
        self._steering.move(self._now, self._unsteered(self._now), price)
        self._look_again()

    def spike(self, share: float, seconds: int) -> None:
        """Let the price jump by a share of it, for some seconds. Raises ``ValueError`` where nothing trades."""
        self._check_open()
        price = self._ladder.legal(self.latest * (1 + share) * UNIT)
        self._steering.spike(self._now, self._unsteered(self._now), price, seconds)
        self._look_again()

    def release(self) -> None:
        """Let a price that is held move again, from where it is."""
        self._steering.release(self._now, self._unsteered(self._now))
        self._look_again()

    @property
    def steered(self) -> dict[str, object]:
        """What is done to its price, as plain data; empty where nothing is."""
        if self._steering.is_untouched:
            return {}
        held = self._steering.held_at(self._now) is not None
        return {"price": self.latest, "held": held, "halted": self.is_halted}

    def _check_open(self) -> None:
        if self.is_halted:
            raise ValueError(f"{self.name} is halted: nothing sets its price until it is resumed")
        if not self.is_open:
            at = self.time().isoformat(" ", "minutes")
            raise ValueError(
                f"{self.name} is not traded now, at {at} of its exchange: no price is made until its market opens "
                "(--hours always keeps all markets open)"
            )

    def _unsteered(self, now: int) -> int:
        """Return the last price in any session, as it would be by itself."""
        day = self.hours.day_at(now, ALL_SESSIONS & self._sessions)
        begun = [each for each in self.hours.trading(day) if each.start <= now]
        base = self._market.minutes(self._key, day, begun[-1].session)
        over, age = base.place(now)
        made = self._market.ticks(self._key, day, base.session, over) if age >= 0 else MinuteTicks([])
        if (upto := bisect_right(made.seconds, age)) > 0:
            return made.ticks[upto - 1].price
        last = base.last_traded(over - 1) if over else None
        if last is None:
            return self._price_before(base)
        return self._market.ticks(self._key, day, base.session, last).ticks[-1].price

    def _look_again(self) -> None:
        """Forget what was shown so far."""
        self._current.clear()
        self._summarized = None
