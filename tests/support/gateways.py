"""A plain client on blocking sockets, for tests of the gateway: the library's connection and nothing else."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.connection import Connection, State
from ftwire.events import Connected, Event, PushReceived, Refused, ReplyReceived
from ftwire.frame import Frame, Role
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from support.places import ROOT

CAPTURES = ROOT / "fixtures" / "captures"
HK, US = 1, 11
SECONDS = 10.0


class PlainClient:
    """A client that connects, sends requests and keeps every event."""

    def __init__(self, port: int, *, key: RsaKey | None = None, **handshake: Any) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if buffer := handshake.pop("buffer", 0):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self.connection = Connection(Role.CLIENT, key=key)
        self.format = handshake.pop("body_format", BodyFormat.PROTOBUF)
        self.events: list[Event] = []
        self.connection.initiate(time.monotonic_ns(), client_id="test", body_format=self.format, **handshake)
        self.send()
        self.until(lambda event: isinstance(event, Connected | Refused))

    def __enter__(self) -> PlainClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def receive(self) -> list[Event]:
        """Receive once and return the events; raises ``ConnectionError`` where the gateway has closed."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the gateway has closed the connection")
        found = list(self.connection.receive_data(data, time.monotonic_ns()))
        self.events += found
        return found

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        while True:
            for event in self.receive():
                if wanted(event):
                    return event

    def ask(self, protocol: str, **fields: Any) -> Any:
        """Send a request whose ``c2s`` has these fields, and return the message of its reply."""
        request: Any = registry[protocol].request()  # type: ignore[misc]
        request.c2s.SetInParent()
        fill(request.c2s, fields)
        serial = self.connection.request(protocol, request, time.monotonic_ns(), body_format=self.format)
        self.send()
        found = self.until(lambda event: isinstance(event, ReplyReceived) and event.frame.serial == serial)
        assert isinstance(found, ReplyReceived)
        return found.frame.message

    def subscribe(self, *codes: str, sub_types: tuple[int, ...] = (5,), **more: Any) -> Any:
        fields = {"isSubOrUnSub": True, "isRegOrUnRegPush": True, "isFirstPush": True, **more}
        return self.ask("Qot_Sub", securityList=[security(code) for code in codes], subTypeList=sub_types, **fields)

    @property
    def pushes(self) -> list[Frame]:
        return [event.frame for event in self.events if isinstance(event, PushReceived)]

    def wait_for_pushes(self, count: int) -> list[Any]:
        """Return the ``s2c`` of so many pushes, once they have come."""
        while len(self.pushes) < count:
            self.receive()
        return [frame.message.s2c for frame in self.pushes[:count]]  # type: ignore[union-attr]

    def wait_for_end(self) -> None:
        """Read until the gateway closes."""
        try:
            while True:
                self.receive()
        except ConnectionError:
            return

    @property
    def is_open(self) -> bool:
        return self.connection.state is State.OPEN


def security(code: str) -> dict[str, Any]:
    market, _, rest = code.partition(".")
    return {"market": {"HK": HK, "US": US}[market], "code": rest}


def fill(message: Any, fields: dict[str, Any]) -> None:
    """Set fields of a message: dicts for messages, lists for repeated ones."""
    for name, value in fields.items():
        if isinstance(value, dict):
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        elif isinstance(value, list | tuple):
            for item in value:
                if isinstance(item, dict):
                    fill(getattr(message, name).add(), item)
                else:
                    getattr(message, name).append(item)
        else:
            setattr(message, name, value)


ENCRYPTIONS = {
    "none": PacketEncAlgo.NONE,
    "ftaes_ecb": PacketEncAlgo.FTAES_ECB,
    "aes_ecb": PacketEncAlgo.AES_ECB,
    "aes_cbc": PacketEncAlgo.AES_CBC,
}
