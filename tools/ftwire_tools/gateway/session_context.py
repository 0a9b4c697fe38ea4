"""What every session of one gateway shares, and the values that a gateway makes for each connection.

Sessions and transports depend on this instead of on the server, which creates them.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.errors import WireError
from ftwire.frame import UnknownBody

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.answer_source import AnswerSource
    from ftwire_tools.gateway.budget import Budget
    from ftwire_tools.gateway.client_mistakes import DiagnosisBudget
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.hooks import Hooks
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.request_log import ExchangeLog
    from ftwire_tools.gateway.settings import Settings
    from ftwire_tools.gateway.steering import Steering
    from ftwire_tools.gateway.subscriptions import Subscriptions

__all__ = ["Credentials", "ReceivedRequest", "SessionContext", "random_credentials"]

_KEY_CHARACTERS: Final = string.ascii_uppercase + string.digits


class Credentials(NamedTuple):
    """The values for one connection that a gateway sends in the handshake."""

    conn_id: int
    """``connID``."""
    aes_key: str
    """``connAESKey``: 16 ASCII characters."""
    aes_iv: str
    """``aesCBCiv``: 16 ASCII characters, sent where AES_CBC is agreed on."""


def random_credentials(_: int) -> Credentials:
    """Return credentials as OpenD makes them: a large ``connID``, keys of letters and digits."""
    return Credentials(secrets.randbits(62) | 1 << 62, _random_key(), _random_key())


def _random_key() -> str:
    return "".join(secrets.choice(_KEY_CHARACTERS) for _ in range(16))


class ReceivedRequest(NamedTuple):
    """A request that a client has sent."""

    client: int
    """Number of its connection, from 1."""
    proto_id: int
    name: str
    """Name of its protocol; empty for an unknown one."""
    message: Any
    """The ``Request``; ``None`` where it cannot be decoded."""

    @classmethod
    def of(cls, client: int, request: Frame | Envelope) -> ReceivedRequest:
        """Return the request of a frame or an envelope."""
        try:
            message = request.message
        except WireError:
            message = None
        entry = request.protocol
        decoded = None if isinstance(message, UnknownBody) else message
        return cls(client, request.proto_id, entry.name if entry is not None else "", decoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What the sessions of one gateway share."""

    source: AnswerSource
    settings: Settings
    log: Log
    credentials: Callable[[int], Credentials] = random_credentials
    """Returns the credentials of the connection with this number."""
    budget: Budget
    """Counts the bytes held for all clients."""
    limits: Limits
    """What the clients may request, and what they have used of it."""
    faults: Faults
    """The rules of faults, which may change while the gateway runs."""
    is_full: Callable[[], bool]
    """Returns whether as many clients have logged in as may."""
    diagnoses: DiagnosisBudget
    """Limits how often a client's mistake is looked for."""
    all_subscriptions: Callable[[], list[Subscriptions]]
    """Returns the subscriptions of every client that has logged in, in the order of connecting."""
    steering: Steering
    """What verbs have made of the gateway."""
    hooks: Hooks | None = None
    """The hooks of a script."""
    request_log: ExchangeLog | None = None
    """Takes each request with its answer."""
    on_request: Callable[[ReceivedRequest], None] | None = None
    """Called with each request before it is answered, the handshake and KeepAlive included."""
