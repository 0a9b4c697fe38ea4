"""One client's requests with their answers, and the time between, for the log of requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.request_log import LoggedExchange

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.faults import ClientFaults
    from ftwire_tools.gateway.request_log import ExchangeLog

__all__ = ["ClientExchanges"]

MAX_STARTED: Final = 4096
"""Requests without an answer whose time is kept."""


class ClientExchanges:
    """Passes each request of a client with its answer to the log, if there is one."""

    def __init__(self, client: int, ends: tuple[str, str], faults: ClientFaults, log: ExchangeLog | None) -> None:
        """``client`` is the number of the connection, ``ends`` are the addresses of client and gateway."""
        self._client: Final = client
        self._ends: Final = ends
        self._faults: Final = faults
        self._log: Final = log
        self._current: Frame | Envelope | None = None  # the last request, until it is answered, and when it came
        self._current_since = 0
        self._started: Final[dict[tuple[int, int], int]] = {}  # the same of requests before it, by protocol and serial

    def begin(self, request: Frame | Envelope) -> None:
        """Remember when a request came."""
        if self._log is None:
            return
        waiting = self._current
        if waiting is not None:
            self._started[waiting.proto_id, waiting.serial] = self._current_since
            if len(self._started) > MAX_STARTED:
                del self._started[next(iter(self._started))]
        self._current, self._current_since = request, time.perf_counter_ns()

    def end(self, request: Frame | Envelope, reply: Any, *, failure: str = "") -> None:
        """Pass a request and its answer to the log; ``reply`` is ``None`` for that of the handshake."""
        if self._log is None:
            return
        started = self._current_since if request is self._current else 0
        self._current = None if started else self._current
        faults = self._faults.recent
        failed = bool(failure or faults) if reply is None else bool(reply.retType or faults)
        if self._log.count(failed):
            return
        started = started or self._started.pop((request.proto_id, request.serial), 0)
        latency = time.perf_counter_ns() - started if started else None
        self._log.add(LoggedExchange(self._client, request, reply, latency, failure, tuple(faults), self._ends))
