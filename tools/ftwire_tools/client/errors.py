"""The errors of ``ftwire_tools.client``, as a tree.

::

    ClientError
    ├── ConnectError              no connection came about: refused, unreachable, no answer in time
    │   ├── HandshakeError        connected, but InitConnect had no readable answer: as a rule the RSA key
    │   └── RefusedError          the gateway answered InitConnect with a retType other than 0
    ├── ConnectionLostError       the connection ended; requests that were under way may have been carried out
    ├── RequestTimeoutError       no reply in time (also a TimeoutError); the connection goes on
    ├── ReplyDamagedError         the reply came and cannot be read; ``__cause__`` is ftwire's own error
    ├── ReplyError                the reply's retType is not 0
    └── ClientClosedError         used before it was opened, or after it was closed

Requests that break the protocol (an unknown name, a message that lacks a field) raise the library's own
``ftwire.WireError`` and are not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftwire.errors import BadMagicError, WireError

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "ClientClosedError",
    "ClientError",
    "ConnectError",
    "ConnectionLostError",
    "HandshakeError",
    "RefusedError",
    "ReplyDamagedError",
    "ReplyError",
    "RequestTimeoutError",
]


class ClientError(Exception):
    """The root."""

    __reduce__ = WireError.__reduce__


class ConnectError(ClientError):
    """No connection with a gateway came about."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host = host
        self.port = port
        self.reason = reason
        """What happened, in words."""

    def __str__(self) -> str:
        return f"no connection to {self.host}:{self.port}: {self.reason}"


class HandshakeError(ConnectError):
    """Connected, but InitConnect had no answer that can be decoded."""

    def __init__(self, host: str, port: int, reason: str, *, has_key: bool) -> None:
        super().__init__(host, port, reason)
        self.has_key = has_key
        """Whether an RSA key was used."""

    @property
    def may_be_key(self) -> bool:
        """Whether the RSA key may be the reason: with a wrong one, OpenD's answer is a frame all the same, or none."""
        return not isinstance(self.__cause__, BadMagicError)

    @property
    def hint(self) -> str:
        """The most likely reason; OpenD does not answer at all where the key is wrong."""
        if not self.may_be_key:
            return f"this is no port on which OpenD speaks TCP: ftwire doctor {self.host}:{self.port} tells more"
        if self.has_key:
            return "the gateway may hold another RSA key, or none"
        return "the gateway may need an RSA key"

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.hint})"


class RefusedError(ConnectError):
    """The gateway refused InitConnect."""

    def __init__(self, host: str, port: int, ret_type: int, ret_msg: str) -> None:
        super().__init__(host, port, f"the gateway refuses InitConnect: retType {ret_type} {ret_msg}".rstrip())
        self.ret_type = ret_type
        self.ret_msg = ret_msg


class ConnectionLostError(ClientError):
    """The connection ended. Whether a request that was under way was carried out is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection is lost: {self.reason}"


class RequestTimeoutError(ClientError, TimeoutError):
    """No reply came in time."""

    def __init__(self, protocol: str, seconds: float, *, was_sent: bool = True) -> None:
        super().__init__(protocol, seconds, was_sent)
        self.protocol = protocol
        self.seconds = seconds
        self.was_sent = was_sent
        """Whether the request may have reached the gateway; if not, there was no connection to send it on."""

    def __str__(self) -> str:
        why = "" if self.was_sent else ", there was no connection to send it on"
        return f"no reply to {self.protocol} within {self.seconds:g} s{why}"


class ReplyDamagedError(ClientError):
    """A reply that cannot be decoded."""

    def __init__(self, protocol: str, serial: int, reason: str) -> None:
        super().__init__(protocol, serial, reason)
        self.protocol = protocol
        self.serial = serial
        self.reason = reason

    def __str__(self) -> str:
        return f"the reply to {self.protocol} (serial {self.serial}) cannot be read: {self.reason}"


class ReplyError(ClientError):
    """A reply with a ``retType`` other than 0."""

    def __init__(self, protocol: str, message: Message) -> None:
        super().__init__(protocol, message)
        self.protocol = protocol
        self.message = message
        """The whole reply."""
        self.ret_type: int = message.retType  # type: ignore[attr-defined]  # every response has these
        """-400, the schema's default, where the reply has none, which is no success."""
        self.ret_msg: str = message.retMsg  # type: ignore[attr-defined]
        self.err_code: int = message.errCode  # type: ignore[attr-defined]

    def __str__(self) -> str:
        code = f" errCode {self.err_code}" if self.err_code else ""
        ret_type = self.ret_type if self.message.HasField("retType") else "absent"
        return f"{self.protocol} failed: retType {ret_type}{code} {self.ret_msg}".rstrip()


class ClientClosedError(ClientError):
    """The client is not open."""

    def __str__(self) -> str:
        return "the client is not open"
