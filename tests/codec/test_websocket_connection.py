"""The gateway's side of a WebSocket connection."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.connection import State
from ftwire.errors import EnvelopeError, LocalProtocolError, RemoteProtocolError, UnknownProtocolError, WireError
from ftwire.frame import Role
from ftwire.messages import InitWebSocket, Qot_UpdateRT
from ftwire.strategies import mutations
from ftwire.websocket import INIT, Envelope, websocket_key_digest
from ftwire.websocket_connection import WebSocketConnection
from support.frames import rt_request, rt_response


def init(key: str = "", section: int = 2) -> bytes:
    request = InitWebSocket.Request()
    request.c2s.websocketKey = websocket_key_digest(key)
    return Envelope.build(INIT, section, request, sender=Role.CLIENT).encode()


def sent(connection: WebSocketConnection) -> list[Envelope]:
    return [Envelope.decode(message, sender=Role.SERVER) for message in connection.messages_to_send()]


def opened() -> WebSocketConnection:
    connection = WebSocketConnection()
    connection.accept(connection.receive_message(init()), conn_id=1 << 62, server_time=1623202200)
    sent(connection)
    return connection


def test_a_client_is_accepted_and_answered() -> None:
    connection = WebSocketConnection(key="secret")
    request = connection.receive_message(init("secret"))
    assert connection.knows_key(request)
    connection.accept(request, conn_id=1 << 62, server_time=1623202200)
    (reply,) = sent(connection)
    assert (reply.command, reply.section, reply.error_code) == (INIT, 2, 0)
    assert reply.message.s2c.connID == 1 << 62  # type: ignore[union-attr]
    assert reply.message.s2c.serverTime == 1623202200  # type: ignore[union-attr]

    question = Envelope.build(3008, 3, rt_request(), sender=Role.CLIENT)
    assert connection.receive_message(question.encode()) == question
    connection.reply(question, rt_response())
    push = Qot_UpdateRT.Response(retType=0)
    connection.push("Qot_UpdateRT", push)
    reply, pushed = sent(connection)
    connection.push_encoded(pushed.encode())
    assert sent(connection) == [pushed]
    assert (reply.command, reply.section, reply.message) == (3008, 3, rt_response())
    assert (pushed.command, pushed.section, pushed.message) == (3009, 0, push)
    assert connection.messages_to_send() == []


def test_a_wrong_key_is_refused_and_may_be_corrected() -> None:
    connection = WebSocketConnection(key="secret")
    for wrong in ("", "other", "SECRET"):
        request = connection.receive_message(init(wrong))
        assert not connection.knows_key(request)
        connection.refuse(request, "wrong key")
        (reply,) = sent(connection)
        assert (reply.section, reply.error_code, reply.error_text, reply.body) == (2, 1, "wrong key", b"")
    assert connection.state is State.NEW
    assert connection.knows_key(connection.receive_message(init("secret")))


def test_without_a_key_any_client_is_welcome() -> None:
    connection = WebSocketConnection()
    assert connection.knows_key(connection.receive_message(init("whatever")))


def test_what_is_no_handshake_ends_the_connection() -> None:
    connection = WebSocketConnection()
    with pytest.raises(RemoteProtocolError, match="first request is command 3008"):
        connection.receive_message(Envelope.build(3008, 2, rt_request(), sender=Role.CLIENT).encode())
    with pytest.raises(LocalProtocolError, match="closed"):
        connection.receive_message(init())


def test_a_handshake_that_cannot_be_read() -> None:
    connection = WebSocketConnection(key="secret")
    request = connection.receive_message(Envelope.build(INIT, 2, b"\x0a\xff", sender=Role.CLIENT).encode())
    with pytest.raises(RemoteProtocolError, match="handshake cannot be read"):
        connection.knows_key(request)


def test_a_body_above_the_limit() -> None:
    connection = WebSocketConnection(max_body=100)
    with pytest.raises(EnvelopeError, match="the limit is 100"):
        connection.receive_message(Envelope.build(INIT, 2, bytes(101), sender=Role.CLIENT).encode())


def test_what_our_side_must_not_do() -> None:
    connection = WebSocketConnection()
    request = connection.receive_message(init())
    with pytest.raises(LocalProtocolError, match="no push while the connection is new"):
        connection.push("Qot_UpdateRT", b"")
    with pytest.raises(LocalProtocolError, match="no push while the connection is new"):
        connection.push_encoded(b"")
    connection = opened()
    with pytest.raises(LocalProtocolError, match="accept answers"):
        connection.accept(request, conn_id=1, server_time=0)
    with pytest.raises(LocalProtocolError, match="not a push"):
        connection.push("Qot_GetRT", b"")
    with pytest.raises(UnknownProtocolError):
        connection.push(9999, b"")
    connection.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        connection.reply(request, b"")
    assert connection.messages_to_send() == []


@given(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda tail: b"ft-v1.0\0" + tail)
    | mutations(init()).map(lambda mutation: mutation.data)
)
def test_anything_is_a_request_or_a_documented_error(data: bytes) -> None:
    for connection in (WebSocketConnection(), opened()):
        try:
            request = connection.receive_message(data)
        except WireError as error:
            assert str(error)
        else:
            assert request.encode() == data
            with suppress(WireError):
                assert connection.knows_key(request) in (True, False)
