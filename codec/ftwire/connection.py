"""One side of a connection to or from OpenD, without a socket: bytes and times in, events and bytes out.

A client::

    connection = Connection(Role.CLIENT, key=key)
    connection.initiate(now, client_id="my-client")
    send(connection.data_to_send())
    for event in connection.receive_data(received, now):
        ...
    wake_me_at(connection.next_timer())     # then: connection.handle_timer(now)

A server gets ``RequestReceived`` for the InitConnect and answers with ``accept``, later with ``reply`` and
``push``. A call that the protocol does not allow raises ``LocalProtocolError`` and sends nothing; bytes of the other
side that it does not allow raise ``RemoteProtocolError`` (or a ``HeaderError``) from ``receive_data``, and the
connection is over.

Times are nanoseconds of any steady clock. ``time.time_ns`` is a good choice, since KeepAlive carries the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ftwire._renamed import renamed_attribute, renamed_keyword
from ftwire.body import encode_body
from ftwire.cipher import NONE, Cipher, PacketEncAlgo, Rsa, RsaKey, cipher_for
from ftwire.errors import BodyError, LocalProtocolError, RemoteProtocolError, WireError
from ftwire.events import (
    Connected,
    Event,
    FrameDamaged,
    PeerSilent,
    PushReceived,
    Refused,
    ReplyReceived,
    RequestReceived,
    RequestTimedOut,
    SentRequest,
    UnmatchedReply,
)
from ftwire.frame import BadFrame, Frame, Kind, Role, UnknownBody, encode_frame
from ftwire.framing import INIT_CONNECT
from ftwire.header import BodyFormat
from ftwire.protocols import Protocol, Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY, FrameDecoder

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Buffer

__all__ = ["INIT_CONNECT", "KEEP_ALIVE", "SECOND", "Connection", "State", "negotiated_cipher"]

KEEP_ALIVE: Final = 1004
"""Protocol ID of the heartbeat."""

SECOND: Final = 1_000_000_000
"""Nanoseconds in a second."""
REQUEST_TIMEOUT: Final = 12 * SECOND
"""How long the vendor's SDK waits for a reply."""
CLIENT_SILENCE: Final = 33 * SECOND
"""Silence after which the vendor's SDK closes the connection."""
SERVER_SILENCE: Final = 30 * SECOND
"""Silence after which OpenD closes a connection."""

_SERIALS: Final = 1 << 32


class State(Enum):
    """How far a connection has come."""

    NEW = "new"
    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


def negotiated_cipher(request: Any, response: Any) -> Cipher:
    """Return the cipher that an InitConnect pair made under an RSA key settles on.

    ``request`` and ``response`` are ``InitConnect.Request`` and ``InitConnect.Response`` messages; ``request``
    may be ``None`` where it was not captured. Raises ``KeyFormatError`` (see ``cipher_for``).
    """
    asked = None
    if request is not None and request.c2s.HasField("packetEncAlgo"):
        asked = request.c2s.packetEncAlgo
    s2c = response.s2c
    return cipher_for(asked, s2c.connAESKey, s2c.aesCBCiv if s2c.HasField("aesCBCiv") else None)


class Connection:
    """One side of a connection: its state, ciphers, serials, waiting requests and timers.

    ``key`` is the RSA private key that both sides hold; with none, nothing is encrypted. ``max_body`` is in
    bytes, ``request_timeout`` and ``silence`` in nanoseconds; the defaults are those of the vendor's SDK
    (client) and of OpenD (server).
    """

    known = renamed_attribute("known", "registry")

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        role: Role,
        *,
        key: RsaKey | None = None,
        registry: Registry = registry,
        max_body: int = DEFAULT_MAX_BODY,
        request_timeout: int = REQUEST_TIMEOUT,
        silence: int | None = None,
    ) -> None:
        self.role: Final = role
        self.registry: Final = registry
        self.state = State.NEW
        """How far the connection has come."""
        self.conn_id = 0
        """``connID`` of the handshake."""
        self.keep_alive = 0
        """``keepAliveInterval`` in nanoseconds, 0 before the handshake."""
        self._key = key
        self._cipher: Cipher = Rsa(key) if key is not None else NONE
        self._decoder = FrameDecoder(role.peer, cipher=self._cipher, max_body=max_body, registry=registry)
        self._out: list[bytes] = []
        self.last_serial = 0
        """Client: serial of the last request; the next has the one after it. 0 before the first."""
        self._waiting: dict[tuple[int, int], SentRequest] = {}  # in the order of sending
        self._timeout: Final = request_timeout
        self._silence: Final = silence or (CLIENT_SILENCE if role is Role.CLIENT else SERVER_SILENCE)
        self._received_at: int | None = None
        self._keep_alive_due: int | None = None
        self._init: Message | None = None
        self._init_serial = 0
        self._push_format = BodyFormat.PROTOBUF
        self._push_number = int(self._push_format)  # struct packs a number in half the time that an enum takes
        self._push_ids: dict[int | str, int] = {}  # of what was pushed already

    @property
    def encryption(self) -> str:
        """Name of the cipher that the next frame is sent with."""
        return self._cipher.name

    @property
    def push_format(self) -> BodyFormat:
        """Server: the format that the client asked its pushes in (``pushProtoFmt``), protobuf if it did not."""
        return self._push_format

    @property
    def pending(self) -> int:
        """Bytes received that no event has been returned for: mostly the beginning of a frame."""
        return self._decoder.pending

    # Both sides

    def data_to_send(self) -> bytes:
        """Return the bytes to write to the socket, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: Buffer, now: int) -> Iterator[Event]:
        """Take bytes from the socket; iterate over the events they bring.

        Events that were not taken come first in the next iteration, for which ``data`` may be empty.

        Raises ``HeaderError`` or ``RemoteProtocolError`` where the bytes that follow cannot be read; the events before
        them have been returned by then.
        """
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")
        self._received_at = now
        is_client = self.role is Role.CLIENT
        react = self._react_client if is_client else self._react_server
        waiting, push = self._waiting, Kind.PUSH
        make = tuple.__new__  # what a NamedTuple's own constructor does after sorting its arguments out
        try:
            for frame in self._decoder.feed(data):
                if is_client and type(frame) is Frame:
                    # Nearly all that a client gets: pushes, and replies once the handshake is over.
                    if frame.kind is push:
                        yield make(PushReceived, (frame,))
                        continue
                    if self.state is State.OPEN:
                        request = waiting.pop((frame.proto_id, frame.serial), None)
                        if request is not None:
                            yield make(ReplyReceived, (frame, request, now - request.time))
                            continue
                yield react(frame, now)
        except WireError:
            self.state = State.CLOSED
            raise

    def close(self) -> None:
        """Take note that the connection has ended, and drop what was received or is to be sent.

        Raises ``RemoteProtocolError`` where the other side has ended inside a frame.
        """
        self.state = State.CLOSED
        self._waiting.clear()
        self._out.clear()
        self._decoder.close()

    def next_timer(self) -> int | None:
        """Return when ``handle_timer`` is due, ``None`` if nothing is."""
        due = [first.time + self._timeout for first in list(self._waiting.values())[:1]]
        if self._received_at is not None and self.state is not State.CLOSED:
            due.append(self._received_at + self._silence)
        if self._keep_alive_due is not None:
            due.append(self._keep_alive_due)
        return min(due, default=None)

    def handle_timer(self, now: int) -> list[Event]:
        """Do what is due: time requests out, send a KeepAlive, notice silence."""
        events: list[Event] = []
        for key, request in list(self._waiting.items()):
            if request.time + self._timeout > now:
                break
            del self._waiting[key]
            events.append(RequestTimedOut(request))
        if self._received_at is not None and self._received_at + self._silence <= now:
            events.append(PeerSilent(self._received_at))
        elif self._keep_alive_due is not None and self._keep_alive_due <= now:
            alive = self._request_message(KEEP_ALIVE)
            alive.c2s.time = now // SECOND
            self.request(KEEP_ALIVE, alive, now)
        return events

    # The client's side

    def initiate(
        self,
        now: int,
        *,
        client_id: str,
        client_ver: int = 1000,
        recv_notify: bool = True,
        packet_enc_algo: PacketEncAlgo | None = None,
        push_format: BodyFormat = BodyFormat.PROTOBUF,
        programming_language: str = "Python",
        body_format: BodyFormat = BodyFormat.PROTOBUF,
    ) -> int:
        """Client: send InitConnect and return its serial.

        ``packet_enc_algo`` defaults to what the vendor's SDK asks for: AES_CBC with a key, none without.
        """
        init = self._request_message(INIT_CONNECT)
        c2s = init.c2s
        c2s.clientVer = client_ver
        c2s.clientID = client_id
        c2s.recvNotify = recv_notify
        if packet_enc_algo is None:
            packet_enc_algo = PacketEncAlgo.NONE if self._key is None else PacketEncAlgo.AES_CBC
        c2s.packetEncAlgo = packet_enc_algo
        c2s.pushProtoFmt = push_format
        c2s.programmingLanguage = programming_language
        return self.request(INIT_CONNECT, init, now, body_format=body_format)

    def request(
        self,
        protocol: int | str,
        message: Message | bytes,
        now: int,
        *,
        body_format: BodyFormat = BodyFormat.PROTOBUF,
    ) -> int:
        """Client: send a request and return its serial.

        Where the message has a ``PacketID`` that is not set, it is filled in. Raises ``LocalProtocolError``
        before the handshake (except for InitConnect itself), for a push, and on the server's side.
        """
        entry = self._protocol(protocol)
        if self.role is not Role.CLIENT:
            raise LocalProtocolError("only a client sends requests")
        if entry.is_push:
            raise LocalProtocolError(f"{entry.name} is a push: only the gateway sends it")
        opening = entry.proto_id == INIT_CONNECT
        if self.state is not (State.NEW if opening else State.OPEN):
            raise LocalProtocolError(f"{entry.name} cannot be sent while the connection is {self.state.value}")
        serial = self._next_serial(entry.proto_id)
        if isinstance(message, bytes):
            body = message
        else:
            _stamp_packet_id(message, self.conn_id, serial)
            body = encode_body(message, body_format)
        self._send(entry.proto_id, serial, body, body_format)
        self._waiting[entry.proto_id, serial] = SentRequest(entry.proto_id, serial, now)
        if opening:
            self._init = message if not isinstance(message, bytes) else None
            self._init_serial = serial
            self.state = State.HANDSHAKE
            self._received_at = now
        if self.keep_alive:
            self._keep_alive_due = now + self.keep_alive * 4 // 5
        return serial

    def _react_client(self, frame: Frame, now: int) -> Event:
        key = frame.proto_id, frame.serial
        if isinstance(frame, BadFrame):
            return FrameDamaged(frame, self._waiting.pop(key, None))
        request = self._waiting.pop(key, None)
        if self.state is State.HANDSHAKE and key == (INIT_CONNECT, self._init_serial):
            # Even where it has timed out: the gateway uses the agreed cipher from here on.
            return self._finish_handshake(frame, now)
        if request is None:
            return UnmatchedReply(frame)
        return ReplyReceived(frame, request, now - request.time)

    def _finish_handshake(self, frame: Frame, now: int) -> Event:
        response = _message(frame)
        if response.retType:
            self.state = State.NEW
            return Refused(frame, response.retType, response.retMsg)
        if not response.HasField("s2c"):
            raise RemoteProtocolError("InitConnect succeeded without s2c")
        self._open(self._init, response)
        self._keep_alive_due = now + self.keep_alive * 4 // 5 if self.keep_alive else None
        return Connected(frame, self.conn_id, self.keep_alive, self.encryption)

    # The server's side

    def accept(
        self,
        request: Frame,
        *,
        conn_id: int,
        aes_key: str,
        aes_iv: str,
        keep_alive: int = 10 * SECOND,
        server_ver: int = 1011,
        login_user_id: int = 0,
        fields: dict[str, Any] | None = None,
    ) -> Event:
        """Server: answer InitConnect with success, and use the agreed cipher from the next frame on.

        ``aes_key`` and ``aes_iv`` are 16 ASCII characters each; ``aes_iv`` is sent only where the client asked
        for AES_CBC. ``fields`` are further fields of ``InitConnect.S2C``.
        """
        if self.role is not Role.SERVER or self.state is not State.NEW or request.proto_id != INIT_CONNECT:
            raise LocalProtocolError("accept answers the InitConnect that opens a connection")
        asked = _message(request)
        protocol = self._protocol(INIT_CONNECT)
        response: Any = protocol.response()
        response.retType = 0
        s2c = response.s2c
        s2c.serverVer = server_ver
        s2c.loginUserID = login_user_id
        s2c.connID = conn_id
        s2c.connAESKey = aes_key
        s2c.keepAliveInterval = keep_alive // SECOND
        if asked.c2s.packetEncAlgo == PacketEncAlgo.AES_CBC:
            s2c.aesCBCiv = aes_iv
        for name, value in (fields or {}).items():
            setattr(s2c, name, value)
        self.reply(request, response)
        self._push_format = BodyFormat.JSON if asked.c2s.pushProtoFmt == BodyFormat.JSON else BodyFormat.PROTOBUF
        self._push_number = int(self._push_format)
        self._open(asked, response)
        return Connected(request, conn_id, self.keep_alive, self.encryption)

    def reply(self, request: Frame, message: Message | bytes) -> None:
        """Server: answer a request in its format, with its protocol ID and serial."""
        if self.role is not Role.SERVER:
            raise LocalProtocolError("only a server replies")
        body_format = BodyFormat.JSON if request.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF
        body = message if isinstance(message, bytes) else encode_body(message, body_format)
        self._send(request.proto_id, request.serial, body, body_format)

    def push(
        self,
        protocol: int | str,
        message: Message | bytes,
        *,
        serial: int = 0,
        body_format: int | None = None,
    ) -> None:
        """Server: send a push, by default in the format the client asked for.

        Raises ``LocalProtocolError`` before the handshake and for a protocol that is no push.
        """
        proto_id = self._push_ids.get(protocol)
        if proto_id is None:
            proto_id = self._push_ids[protocol] = self._push_id(protocol)
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"no push while the connection is {self.state.value}")
        chosen = self._push_number if body_format is None else body_format
        body = message if isinstance(message, bytes) else encode_body(message, chosen)
        self._out.append(encode_frame(proto_id, serial, body, body_format=chosen, cipher=self._cipher))

    def _push_id(self, protocol: int | str) -> int:
        entry = self._protocol(protocol)
        if self.role is not Role.SERVER or not entry.is_push:
            raise LocalProtocolError(f"{entry.name} is not a push of a server")
        return entry.proto_id

    def push_encoded(self, frames: bytes) -> None:
        """Server: send pushes that ``encode_frame`` has made, one or many, so that clients share one encoding.

        Raises ``LocalProtocolError`` before the handshake, and where the connection is encrypted: its frames are
        its own then.
        """
        if self.role is not Role.SERVER or self.state is not State.OPEN:
            raise LocalProtocolError(f"no push while the connection is {self.state.value}")
        if self._cipher is not NONE:
            raise LocalProtocolError(f"the connection is encrypted ({self._cipher.name})")
        self._out.append(frames)

    def _react_server(self, frame: Frame, now: int) -> Event:  # noqa: ARG002 - one signature for both sides
        if isinstance(frame, BadFrame):
            return FrameDamaged(frame, None)
        if self.state is State.NEW and frame.proto_id != INIT_CONNECT:
            raise RemoteProtocolError(
                f"the first request is protocol {frame.proto_id}, it must be InitConnect ({INIT_CONNECT})"
            )
        return RequestReceived(frame)

    # Common parts

    def _protocol(self, key: int | str) -> Protocol:
        return self.registry[key]

    def _request_message(self, proto_id: int) -> Any:
        """Return a new request message; its fields are accessed by name, since the registry may be the user's own."""
        made = self._protocol(proto_id).request
        if made is None:
            raise LocalProtocolError(f"protocol {proto_id} has no request in this registry")
        return made()

    def _next_serial(self, proto_id: int) -> int:
        """Return the next serial: 1 to 2**32 - 1, then from 1 again; never that of a request without its reply."""
        while True:
            self.last_serial = (self.last_serial + 1) % _SERIALS
            if self.last_serial and (proto_id, self.last_serial) not in self._waiting:
                return self.last_serial

    def _send(self, proto_id: int, serial: int, body: bytes, body_format: int) -> None:
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")
        self._out.append(encode_frame(proto_id, serial, body, body_format=body_format, cipher=self._cipher))

    def _open(self, request: Any, response: Any) -> None:
        """Use the agreed cipher, as both sides do from the frame after the InitConnect reply."""
        if self._key is not None:
            self._cipher = self._decoder.cipher = negotiated_cipher(request, response)
        self.conn_id = response.s2c.connID
        self.keep_alive = max(response.s2c.keepAliveInterval, 0) * SECOND
        self.state = State.OPEN


def _message(frame: Frame) -> Any:
    """Return the message of a handshake frame; raises ``RemoteProtocolError`` where it cannot be read."""
    try:
        message = frame.message
    except WireError as error:
        # It holds keys, which the reason may quote.
        text = error.unquoted if isinstance(error, BodyError) else str(error)
        raise RemoteProtocolError(f"the handshake cannot be read: {text}") from error
    if isinstance(message, UnknownBody):
        raise RemoteProtocolError(f"the handshake is in unknown format {message.body_format}")
    return message


def _stamp_packet_id(message: Any, conn_id: int, serial: int) -> None:
    """Fill in ``c2s.packetID``, the replay protection of trading requests, where there is one to fill."""
    c2s = getattr(message, "c2s", None)
    if c2s is None or "packetID" not in c2s.DESCRIPTOR.fields_by_name or c2s.HasField("packetID"):
        return
    c2s.packetID.connID = conn_id
    c2s.packetID.serialNo = serial
