"""Verbs about the script that a gateway runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ftwire_tools.gateway.verbs import SteeringError, VerbGroup, verb

if TYPE_CHECKING:
    from ftwire_tools.gateway.steering.interfaces import SteeredGateway

__all__ = ["ScriptVerbs", "SwitchedScript"]


class SwitchedScript(Protocol):
    """The functions of a script, as far as verbs are concerned."""

    @property
    def name(self) -> str:
        """Name of its file."""
        ...

    is_on: bool
    """Whether its functions are called."""


class ScriptVerbs(VerbGroup):
    """The script that the gateway was started with, as ``--script`` has it."""

    group: ClassVar[str] = "script"

    def __init__(self, steering: SteeredGateway) -> None:
        super().__init__(steering.run)
        self._script: SwitchedScript | None = None

    @verb
    def switch_off(self) -> None:
        """Call no function of the script any more; what ``on_start`` has begun goes on."""
        self._of_gateway().is_on = False

    @verb
    def switch_on(self) -> None:
        """Call the functions of the script again."""
        self._of_gateway().is_on = True

    def attach(self, script: SwitchedScript) -> None:
        """Switch this script from now on."""
        self._script = script

    def begin_again(self) -> None:
        """Have it on, as at the start."""
        if self._script is not None:
            self._script.is_on = True

    @property
    def state(self) -> dict[str, Any] | None:
        """Its name and whether it is on, as plain data; ``None`` where there is none."""
        return None if self._script is None else {"name": self._script.name, "on": self._script.is_on}

    def _of_gateway(self) -> SwitchedScript:
        if self._script is None:
            raise SteeringError("there is no script here to switch")
        return self._script
