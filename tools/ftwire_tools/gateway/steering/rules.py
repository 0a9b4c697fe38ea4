"""Verbs about faults and limits: what a gateway does wrong on purpose, and what clients may request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from ftwire_tools.gateway.faults import FaultError
from ftwire_tools.gateway.limits import LimitError
from ftwire_tools.gateway.verbs import Number, SteeringError, Text, VerbGroup, verb

if TYPE_CHECKING:
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.steering.interfaces import SteeredGateway

__all__ = ["FaultVerbs", "LimitVerbs"]

Quota = Annotated[int, Number("the quota", 0, 1_000_000)]


class FaultVerbs(VerbGroup):
    """What the gateway does wrong on purpose, as ``--fault`` has it."""

    group: ClassVar[str] = "faults"

    def __init__(self, steering: SteeredGateway, faults: Faults | None) -> None:
        super().__init__(steering.run)
        self._faults: Final = faults
        self._first: Final = None if faults is None else faults.rules

    @verb
    def add(self, rule: Annotated[str, Text("the rule, as for --fault: drop:p=0.1", 1000)]) -> int:
        """Add a rule, and return its number."""
        try:
            return self._of_gateway().add(rule)
        except FaultError as error:
            raise SteeringError(str(error)) from None

    @verb
    def remove(self, number: Annotated[int, Number("number of the rule", 1, 10**9)]) -> None:
        """Remove a rule; what it holds back is sent soon."""
        try:
            self._of_gateway().remove(number)
        except KeyError:
            raise SteeringError(f"there is no rule {number}") from None

    @verb
    def clear(self) -> None:
        """Remove all rules, those of the command line included."""
        self._of_gateway().clear()

    def begin_again(self) -> None:
        """Have the rules of the start again."""
        if self._faults is not None and self._first is not None:
            self._faults.rules = self._first

    @property
    def rules(self) -> dict[str, str]:
        """The rules by their numbers, as they are written."""
        rules = {} if self._faults is None else self._faults.rules
        return {str(number): str(rule) for number, rule in rules.items()}

    def _of_gateway(self) -> Faults:
        if self._faults is None:
            raise SteeringError("there are no faults here to switch")
        return self._faults


class LimitVerbs(VerbGroup):
    """What clients may request, as ``--limits`` and ``--limit`` have it."""

    group: ClassVar[str] = "limits"

    def __init__(self, steering: SteeredGateway, limits: Limits | None) -> None:
        super().__init__(steering.run)
        self._limits: Final = limits
        self._first: Final = None if limits is None else limits.settings

    @property
    def counted(self) -> Limits:
        """The limits with what is used of them. Raises ``SteeringError`` where a gateway has none of its own."""
        if self._limits is None:
            raise SteeringError("there are no limits here to set: they are the real gateway's")
        return self._limits

    @verb
    def set_subscription_quota(self, quota: Quota) -> None:
        """Set how many topics all clients together may subscribe to; what they have subscribed to stays."""
        self._set(subscriptions=quota)

    @verb
    def set_history_quota(self, quota: Quota) -> None:
        """Set of how many securities history may be requested; those already requested count."""
        self._set(history=quota)

    @verb
    def set(
        self,
        limit: Annotated[str, Text("the limit, as for --limit: order-gap, or a protocol", 64)],
        value: Annotated[str, Text("its value, as for --limit: a number, or for a protocol off too", 20)],
    ) -> None:
        """Set any limit; limits are enforced from then on, even where ``--limits off`` has been given."""
        try:
            changed = self.counted.settings.changed(f"{limit}={value}")
        except LimitError as error:
            raise SteeringError(str(error)) from None
        self.counted.settings = replace(changed, is_enforced=True)

    @verb
    def forget(self) -> None:
        """Forget what was requested so far: nothing is too frequent, and no minute has to pass."""
        self.counted.reset()

    def _set(self, **values: int) -> None:
        self.counted.settings = replace(self.counted.settings, is_enforced=True, **values)  # type: ignore[arg-type]  # numbers

    def begin_again(self) -> None:
        """Have the limits of the start again, with nothing used."""
        if self._limits is not None and self._first is not None:
            self._limits.settings = self._first
            self._limits.reset()

    @property
    def state(self) -> dict[str, Any] | None:
        """What may be used and what is, as plain data; ``None`` where there are no limits."""
        if self._limits is None:
            return None
        settings = self._limits.settings
        return {
            "enforced": settings.is_enforced,
            "subscription_quota": settings.subscriptions,
            "subscriptions_used": self._limits.subscriptions_used().stocks,
            "history_quota": settings.history,
            "history_used": self._limits.history_used().stocks,
        }
