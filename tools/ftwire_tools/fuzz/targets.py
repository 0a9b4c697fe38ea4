"""What is fuzzed, with a program that we start or without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ftwire.cipher import RsaKey
from ftwire.frame import Role
from ftwire_tools.fuzz.judgement import PlayRecord
from ftwire_tools.fuzz.program import Program
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.transport import FrameTransport, FuzzTransport

__all__ = ["EXIT_SECONDS", "START_SECONDS", "FuzzTarget", "LostTargetError"]

START_SECONDS: Final = 30.0
"""Time for a gateway to serve its first session, or to come back; for a client to connect the first time."""
EXIT_SECONDS: Final = 0.5
"""Time for a program to end after its connections."""


class LostTargetError(Exception):
    """There is nobody to fuzz any more; the sentence says why."""


class FuzzTarget(ABC):
    """What steps are performed against, at ``address``; ``program`` is what we start, ``None`` where nothing is.

    ``key`` is the RSA key of both sides, ``ws_key`` the key of a gateway's WebSocket clients. ``new_transport`` makes
    the transport of a connection.
    """

    role: Role
    """Our side."""

    def __init__(
        self, setup: FuzzSetup, address: tuple[str, int], *, key: RsaKey | None = None, ws_key: str = ""
    ) -> None:
        self.program: Program | None = None
        self.setup: Final = setup
        self.address: Final = address
        self.new_transport: Callable[[], FuzzTransport] = partial(FrameTransport, self.role, key)
        if setup.websocket:
            # Here, not above: TCP needs no WebSocket library.
            from ftwire_tools.fuzz.websocket import EnvelopeTransport

            self.new_transport = partial(EnvelopeTransport, self.role, address, ws_key)

    @abstractmethod
    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """Perform steps; ``fresh`` against a program started for them alone. Raises ``LostTargetError``."""

    def close(self) -> None:
        """End what was started."""
        if self.program is not None:
            self.program.close()
