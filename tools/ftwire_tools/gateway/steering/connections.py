"""Verbs about the connections of clients."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ftwire_tools.gateway.steering.interfaces import SteeringGroup
from ftwire_tools.gateway.verbs import Number, SteeringError, verb

__all__ = ["ConnectionVerbs"]


class ConnectionVerbs(SteeringGroup):
    """The connections of clients."""

    group: ClassVar[str] = "connections"

    @verb
    def close(
        self,
        client: Annotated[
            int,
            Number("number of the only client whose connection is cut, as the log has it; without, all are", 1, 10**9),
        ]
        | None = None,
    ) -> None:
        """Cut connections, of all clients or of one, at once and without a word."""
        found = [session for session in self._steering.sessions() if client in {None, session.number}]
        if client is not None and not found:
            raise SteeringError(f"there is no client {client}")
        for session in found:
            session.cut_off("cut by a verb")
