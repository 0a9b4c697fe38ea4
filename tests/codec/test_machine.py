"""Our client against our server through a hostile network, and both against a model of the protocol.

The network delivers bytes in any chunks, whenever it likes, and cuts the connection anywhere. The model knows when
each frame's last byte has arrived, and thereby which event is due at which call, no sooner and no later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.connection import CLIENT_SILENCE, REQUEST_TIMEOUT, SECOND, SERVER_SILENCE, Connection, State
from ftwire.errors import LocalProtocolError, RemoteProtocolError
from ftwire.events import (
    Connected,
    PeerSilent,
    PushReceived,
    Refused,
    ReplyReceived,
    RequestReceived,
    RequestTimedOut,
    UnmatchedReply,
)
from ftwire.frame import Frame, Kind, Role
from ftwire.header import BodyFormat
from ftwire.messages import InitConnect
from ftwire.strategies import messages
from support.contracts import AES, IV, key

KEEP_ALIVE = 10 * SECOND
NAMES = {PacketEncAlgo.NONE: "none", PacketEncAlgo.FTAES_ECB: "ftaes_ecb", PacketEncAlgo.AES_ECB: "aes_ecb",
         PacketEncAlgo.AES_CBC: "aes_cbc"}  # fmt: skip
REQUESTS = st.sampled_from([3008, 3001, 1002]).flatmap(
    lambda proto_id: st.tuples(
        st.just(proto_id), messages(proto_id, Kind.REQUEST, max_items=2, finite=True, unknown=False)
    )
)
PUSHES = st.sampled_from([3009, 2208]).flatmap(
    lambda proto_id: st.tuples(
        st.just(proto_id), messages(proto_id, Kind.PUSH, max_items=2, finite=True, unknown=False)
    )
)
SIZES = st.just(1 << 20) | st.sampled_from([1, 10, 43, 44, 45, 100]) | st.integers(1, 300)
"""Bytes that arrive at once; often all there are."""


@dataclass
class Wire:
    """One direction: bytes under way, and the frames they are."""

    sent: bytes = b""
    delivered: int = 0
    due: list[tuple[int, Any]] = field(default_factory=list)
    """Where each frame ends, and what it is, oldest first."""
    ends: set[int] = field(default_factory=lambda: {0})

    def send(self, data: bytes, what: Any) -> None:
        self.sent += data
        self.ends.add(len(self.sent))
        self.due.append((len(self.sent), what))

    def take(self, count: int) -> tuple[bytes, list[Any]]:
        """The next bytes, and what they complete."""
        data = self.sent[self.delivered : self.delivered + count]
        self.delivered += len(data)
        whole = [what for end, what in self.due if end <= self.delivered]
        self.due = self.due[len(whole) :]
        return data, whole

    @property
    def inside_a_frame(self) -> bool:
        return self.delivered not in self.ends


class Session(RuleBasedStateMachine):
    now = 0

    @initialize(
        is_open=st.sampled_from([True, True, False]),
        use_key=st.booleans(),
        algorithm=st.sampled_from(PacketEncAlgo),
        push_format=st.sampled_from(BodyFormat),
    )
    def begin(self, is_open: bool, use_key: bool, algorithm: PacketEncAlgo, push_format: BodyFormat) -> None:
        """Begin before the handshake or, more often, behind it: few runs would come so far by themselves."""
        self.rsa: RsaKey | None = None
        self.new_connections()
        if is_open:
            self.initiate(use_key, algorithm, push_format, BodyFormat.PROTOBUF)
            self.deliver_to_server(len(self.up.sent))
            self.accept(self.waiting.pop())
            self.deliver_to_client(len(self.down.sent))
            assert self.client.state is self.server.state is State.OPEN

    def new_connections(self) -> None:
        self.client = Connection(Role.CLIENT, key=self.rsa)
        self.server = Connection(Role.SERVER, key=self.rsa)
        self.up, self.down = Wire(), Wire()
        self.serial = 0
        self.asked: dict[int, tuple[int, int, Any]] = {}  # serial: protocol, when, message
        self.waiting: list[Frame] = []  # what the server has to answer
        self.heard: dict[Role, int | None] = {Role.CLIENT: None, Role.SERVER: None}
        self.alive_due: int | None = None
        self.algorithm = PacketEncAlgo.NONE
        self.late_handshake: int | None = None

    # The client

    @precondition(lambda self: self.client.state is State.NEW)
    @rule(
        use_key=st.booleans(),
        algorithm=st.sampled_from(PacketEncAlgo),
        push_format=st.sampled_from(BodyFormat),
        body_format=st.sampled_from(BodyFormat),
    )
    def initiate(
        self, use_key: bool, algorithm: PacketEncAlgo, push_format: BodyFormat, body_format: BodyFormat
    ) -> None:
        if self.serial == 0:
            self.rsa = key() if use_key else None
            self.new_connections()
        self.algorithm = algorithm
        self.push_format = push_format
        serial = self.client.initiate(
            self.now, client_id="m", packet_enc_algo=algorithm, push_format=push_format, body_format=body_format
        )
        self.heard[Role.CLIENT] = self.now
        self.sent_by_client(1001, serial, None)

    def sent_by_client(self, proto_id: int, serial: int, message: Any) -> None:
        self.serial += 1
        assert serial == self.serial
        self.asked[serial] = proto_id, self.now, message
        self.up.send(self.client.data_to_send(), (proto_id, serial, message))
        if self.client.keep_alive:
            self.alive_due = self.now + KEEP_ALIVE * 4 // 5

    @precondition(lambda self: self.client.state is State.OPEN)
    @rule(request=REQUESTS, body_format=st.sampled_from(BodyFormat))
    def request(self, request: tuple[int, Any], body_format: BodyFormat) -> None:
        proto_id, message = request
        self.sent_by_client(
            proto_id, self.client.request(proto_id, message, self.now, body_format=body_format), message
        )

    @precondition(lambda self: self.client.state is not State.OPEN)
    @rule(request=REQUESTS)
    def request_too_soon(self, request: tuple[int, Any]) -> None:
        with pytest.raises(LocalProtocolError):
            self.client.request(*request, self.now)
        assert self.client.data_to_send() == b""

    # The server

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), accept=st.sampled_from([True, True, True, False]))
    def answer(self, data: st.DataObject, accept: bool) -> None:
        frame = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if frame.proto_id != 1001:
            reply = data.draw(messages(frame.proto_id, Kind.RESPONSE, max_items=2, finite=True, unknown=False))
            self.server.reply(frame, reply)
            self.down.send(self.server.data_to_send(), (frame.proto_id, frame.serial, reply))
        elif accept:
            self.accept(frame)
        else:
            self.server.reply(frame, InitConnect.Response(retType=-1, retMsg="no"))
            self.down.send(self.server.data_to_send(), (1001, frame.serial, None))

    def accept(self, frame: Frame) -> None:
        event = self.server.accept(frame, conn_id=7, aes_key=AES, aes_iv=IV, keep_alive=KEEP_ALIVE)
        assert isinstance(event, Connected)
        self.down.send(self.server.data_to_send(), (1001, frame.serial, None))

    @precondition(lambda self: self.server.state is State.OPEN)
    @rule(push=PUSHES, serial=st.integers(0, 3))
    def push(self, push: tuple[int, Any], serial: int) -> None:
        self.server.push(*push, serial=serial)
        self.down.send(self.server.data_to_send(), (push[0], None, push[1]))

    @precondition(lambda self: self.server.state is not State.OPEN)
    @rule(push=PUSHES)
    def push_too_soon(self, push: tuple[int, Any]) -> None:
        with pytest.raises(LocalProtocolError):
            self.server.push(*push)
        assert self.server.data_to_send() == b""

    # The network

    @precondition(lambda self: self.up.delivered < len(self.up.sent))
    @rule(count=SIZES)
    def deliver_to_server(self, count: int) -> None:
        data, whole = self.up.take(count)
        self.heard[Role.SERVER] = self.now
        events = list(self.server.receive_data(data, self.now))
        assert len(events) == len(whole)
        for event, (proto_id, serial, message) in zip(events, whole, strict=True):
            assert isinstance(event, RequestReceived)
            assert (event.frame.proto_id, event.frame.serial) == (proto_id, serial)
            if message is not None:
                assert event.frame.message == message
            self.waiting.append(event.frame)

    @precondition(lambda self: self.down.delivered < len(self.down.sent))
    @rule(count=SIZES)
    def deliver_to_client(self, count: int) -> None:
        data, whole = self.down.take(count)
        self.heard[Role.CLIENT] = self.now
        events = list(self.client.receive_data(data, self.now))
        assert len(events) == len(whole)
        for event, (proto_id, serial, message) in zip(events, whole, strict=True):
            self.check_client_event(event, proto_id, serial, message)

    def check_client_event(self, event: Any, proto_id: int, serial: int | None, message: Any) -> None:
        assert event.frame.proto_id == proto_id
        if serial is None:
            assert isinstance(event, PushReceived)
            assert event.frame.message == message
            assert event.frame.body_format == self.push_format
            return
        asked = self.asked.pop(serial, None)
        if asked is None and serial != self.late_handshake:
            assert isinstance(event, UnmatchedReply)  # it had timed out
            return
        if proto_id != 1001:
            assert asked is not None
            assert isinstance(event, ReplyReceived)
            assert event.frame.message == message
            assert (event.request.serial, event.latency) == (serial, self.now - asked[1])
        elif isinstance(event, Refused):
            assert event.ret_type == -1
            assert self.client.state is State.NEW
        else:
            assert isinstance(event, Connected)
            assert (event.conn_id, event.keep_alive) == (7, KEEP_ALIVE)
            assert event.encryption == ("none" if self.rsa is None else NAMES[self.algorithm])
            self.alive_due = self.now + KEEP_ALIVE * 4 // 5

    @precondition(lambda self: self.up.sent)
    @rule(times=st.integers(0, 4))
    def cut(self, times: int) -> None:
        if times:
            return  # every fifth time is often enough: what follows begins with another handshake
        for side, wire in ((self.client, self.down), (self.server, self.up)):
            if wire.inside_a_frame:
                with pytest.raises(RemoteProtocolError):
                    side.close()
            else:
                side.close()
            with pytest.raises(LocalProtocolError):
                list(side.receive_data(b"FT", self.now))
        self.new_connections()

    # Time

    @rule(
        passed=st.sampled_from([1, SECOND, 8 * SECOND, 12 * SECOND, 30 * SECOND, 33 * SECOND])
        | st.integers(1, SECOND)
        | st.integers(1, 40 * SECOND)
    )
    def wait(self, passed: int) -> None:
        self.now += passed
        self.client_timer()
        self.server_timer()

    @rule()
    def wait_for_the_next_timer(self) -> None:
        timers = [timer for side in (self.client, self.server) if (timer := side.next_timer()) is not None]
        self.now = max([self.now, *sorted(timers)[:1]])
        self.client_timer()
        self.server_timer()

    def client_timer(self) -> None:
        late = [serial for serial, (_, when, _) in self.asked.items() if when + REQUEST_TIMEOUT <= self.now]
        heard = self.heard[Role.CLIENT]
        silent = heard is not None and heard + CLIENT_SILENCE <= self.now
        events = self.client.handle_timer(self.now)
        timed_out = [event.request.serial for event in events if isinstance(event, RequestTimedOut)]
        assert timed_out == late
        for serial in late:
            if self.asked.pop(serial)[0] == 1001:
                self.late_handshake = serial
        assert [event.since for event in events if isinstance(event, PeerSilent)] == ([heard] if silent else [])
        if self.alive_due is not None and self.alive_due <= self.now and not silent:
            self.sent_by_client(1004, self.serial + 1, None)
            assert self.up.sent[self.up.delivered :]
        assert self.client.data_to_send() == b""

    def server_timer(self) -> None:
        heard = self.heard[Role.SERVER]
        silent = heard is not None and heard + SERVER_SILENCE <= self.now
        assert self.server.handle_timer(self.now) == ([PeerSilent(heard)] if silent and heard is not None else [])
        assert self.server.data_to_send() == b""

    # Always

    @invariant()
    def both_sides_agree(self) -> None:
        if self.client.state is State.OPEN and self.server.state is State.OPEN:
            assert self.client.encryption == self.server.encryption
            assert self.client.conn_id == self.server.conn_id == 7

    @invariant()
    def timers_are_those_of_the_model(self) -> None:
        due = [when + REQUEST_TIMEOUT for _, when, _ in list(self.asked.values())[:1]]
        heard = self.heard[Role.CLIENT]
        if heard is not None:
            due.append(heard + CLIENT_SILENCE)
        if self.alive_due is not None:
            due.append(self.alive_due)
        assert self.client.next_timer() == min(due, default=None)


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=settings().max_examples * 3 // 5, stateful_step_count=40)


def late_keep_alive(self: Connection, now: int) -> list[Any]:
    return HANDLE_TIMER(self, now - 1)


def forgetful_close(self: Connection) -> None:
    self.state = State.CLOSED


def skipping_request(self: Connection, *arguments: Any, **options: Any) -> int:
    self.last_serial += 1
    return REQUEST(self, *arguments, **options)


HANDLE_TIMER, REQUEST = Connection.handle_timer, Connection.request


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("handle_timer", late_keep_alive),
        ("close", forgetful_close),
        ("request", skipping_request),
    ],
    ids=["timers a nanosecond late", "a cut frame unnoticed", "serials skipped"],
)
def test_the_machine_finds_what_is_wrong(name: str, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, name, mutant)
    with pytest.raises((AssertionError, BaseExceptionGroup, pytest.fail.Exception)):
        run_state_machine_as_test(
            Session,
            settings=settings(
                max_examples=300,
                stateful_step_count=40,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
            ),
        )
