"""Connection: a client and a server of ours talking, and what each may not do."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import PacketEncAlgo, Rsa, RsaKey
from ftwire.connection import SECOND, Connection, State
from ftwire.errors import (
    BadMagicError,
    HeaderError,
    LocalProtocolError,
    RemoteProtocolError,
    UnknownProtocolError,
)
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
    UnmatchedReply,
)
from ftwire.frame import Frame, Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.messages import InitConnect, KeepAlive, Qot_UpdateRT, Trd_PlaceOrder
from support.frames import chunked, rt_request, rt_response

KEY = RsaKey(rsa.generate_private_key(65537, 1024))
AES, IV = "0123456789ABCDEF", "FEDCBA9876543210"
NOW = 1_700_000_000 * SECOND


def received(connection: Connection, data: bytes, now: int = NOW, source: st.DataObject | None = None) -> list[Event]:
    return [event for chunk in chunked(data, source) for event in connection.receive_data(chunk, now)]


def accept(server: Connection, data: bytes, **options: Any) -> Event:
    (hello,) = received(server, data)
    assert isinstance(hello, RequestReceived)
    return server.accept(hello.frame, conn_id=7262309301, aes_key=AES, aes_iv=IV, **options)


def connected(key: RsaKey | None = None, **options: Any) -> tuple[Connection, Connection]:
    client, server = Connection(Role.CLIENT, key=key), Connection(Role.SERVER, key=key)
    client.initiate(NOW, client_id="test", **options)
    accept(server, client.data_to_send())
    (event,) = received(client, server.data_to_send())
    assert isinstance(event, Connected)
    return client, server


def exchange(client: Connection, server: Connection, source: st.DataObject | None = None) -> list[Event]:
    """One 3008 request, its reply and a 3009 push; returns what the client saw."""
    client.request("Qot_GetRT", rt_request(), NOW)
    (asked,) = received(server, client.data_to_send(), source=source)
    assert isinstance(asked, RequestReceived)
    assert asked.frame.message == rt_request()
    server.reply(asked.frame, rt_response())
    push = Qot_UpdateRT.Response(retType=0)
    push.s2c.security.CopyFrom(rt_request().c2s.security)
    server.push("Qot_UpdateRT", push)
    return received(client, server.data_to_send(), NOW + SECOND, source)


@pytest.mark.parametrize(
    ("key", "algo", "name"),
    [
        (None, None, "none"),
        (None, PacketEncAlgo.AES_CBC, "none"),
        (KEY, None, "aes_cbc"),
        (KEY, PacketEncAlgo.NONE, "none"),
        (KEY, PacketEncAlgo.FTAES_ECB, "ftaes_ecb"),
        (KEY, PacketEncAlgo.AES_ECB, "aes_ecb"),
        (KEY, PacketEncAlgo.AES_CBC, "aes_cbc"),
    ],
)
@given(source=st.data())
def test_a_session(key: RsaKey | None, algo: PacketEncAlgo | None, name: str, source: st.DataObject) -> None:
    client, server = connected(key, packet_enc_algo=algo)
    assert client.encryption == server.encryption == name
    assert client.conn_id == 7262309301
    reply, push = exchange(client, server, source)
    assert isinstance(reply, ReplyReceived)
    assert reply.frame.message == rt_response()
    assert reply.latency == SECOND
    assert isinstance(push, PushReceived)
    assert push.frame.proto_id == 3009


def test_the_handshake_is_rsa_in_both_directions() -> None:
    client, server = Connection(Role.CLIENT, key=KEY), Connection(Role.SERVER, key=KEY)
    client.initiate(NOW, client_id="test")
    hello = client.data_to_send()
    request = InitConnect.Request.FromString(Rsa(KEY).decrypt(hello[44:]))
    assert request.c2s.packetEncAlgo == PacketEncAlgo.AES_CBC
    accept(server, hello)
    assert InitConnect.Response.FromString(Rsa(KEY).decrypt(server.data_to_send()[44:])).s2c.aesCBCiv == IV


def test_json_is_answered_in_json_and_pushed_as_asked() -> None:
    client, server = connected(push_format=BodyFormat.JSON, body_format=BodyFormat.JSON)
    assert server.push_format is BodyFormat.JSON
    client.request(3008, rt_request(), NOW, body_format=BodyFormat.JSON)
    (asked,) = received(server, client.data_to_send())
    assert isinstance(asked, RequestReceived)
    server.reply(asked.frame, rt_response())
    push = Qot_UpdateRT.Response(retType=0)
    server.push(3009, push)
    reply, pushed = received(client, server.data_to_send())
    assert isinstance(reply, ReplyReceived)
    assert isinstance(pushed, PushReceived)
    assert {reply.frame.body_format, pushed.frame.body_format} == {BodyFormat.JSON}
    assert reply.frame.message == rt_response()


def test_a_refused_handshake() -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    client.initiate(NOW, client_id="test")
    (hello,) = received(server, client.data_to_send())
    assert isinstance(hello, RequestReceived)
    server.reply(hello.frame, InitConnect.Response(retType=-1, retMsg="too many"))
    (event,) = received(client, server.data_to_send())
    assert isinstance(event, Refused)
    assert (event.ret_type, event.ret_msg, client.state) == (-1, "too many", State.NEW)


def test_an_absent_ret_type_is_no_success() -> None:
    client = Connection(Role.CLIENT)
    serial = client.initiate(NOW, client_id="test")
    body = b'{"s2c":{"serverVer":1,"loginUserID":1,"connID":1,"connAESKey":"","keepAliveInterval":10},"retType":-400}'
    (event,) = received(client, encode_frame(1001, serial, body, body_format=1))
    assert isinstance(event, Refused)


def test_the_error_of_a_handshake_does_not_quote_its_keys() -> None:
    client = Connection(Role.CLIENT)
    serial = client.initiate(NOW, client_id="test")
    body = (
        b'{"s2c":{"serverVer":1,"loginUserID":1,"connID":1,"connAESKey":1234567890,"keepAliveInterval":10},"retType":0}'
    )
    with pytest.raises(RemoteProtocolError, match="not a InitConnect") as caught:
        received(client, encode_frame(1001, serial, body, body_format=1))
    assert "1234567890" not in str(caught.value)
    assert "1234567890" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "reply", [InitConnect.Response(retType=0).SerializeToString(), b"\xff\xff", b"\x08", b"not protobuf"]
)
def test_a_handshake_reply_that_makes_no_sense_ends_the_connection(reply: bytes) -> None:
    client = Connection(Role.CLIENT)
    serial = client.initiate(NOW, client_id="test")
    with pytest.raises(RemoteProtocolError):
        received(client, encode_frame(1001, serial, reply))
    assert client.state is State.CLOSED


def test_trading_requests_get_their_packet_id() -> None:
    client, server = connected()
    order = Trd_PlaceOrder.Request()
    order.c2s.header.trdEnv = order.c2s.header.trdMarket = order.c2s.trdSide = order.c2s.orderType = 1
    order.c2s.header.accID = 5
    order.c2s.code = "00700"
    order.c2s.qty = 100
    serial = client.request("Trd_PlaceOrder", order, NOW)
    (event,) = received(server, client.data_to_send())
    assert isinstance(event, RequestReceived)
    packet_id = event.frame.message.c2s.packetID  # type: ignore[union-attr]
    assert (packet_id.connID, packet_id.serialNo) == (client.conn_id, serial)


def test_what_nobody_asked_for_and_what_came_twice() -> None:
    client, server = connected()
    client.request(3008, rt_request(), NOW)
    (asked,) = received(server, client.data_to_send())
    assert isinstance(asked, RequestReceived)
    server.reply(asked.frame, rt_response())
    reply = server.data_to_send()
    assert [type(event) for event in received(client, reply + reply)] == [ReplyReceived, UnmatchedReply]


def test_a_damaged_reply_fails_its_request_and_nothing_else() -> None:
    client, server = connected()
    serials = [client.request(3008, rt_request(), NOW) for _ in range(2)]
    first, second = received(server, client.data_to_send())
    for event in (first, second):
        assert isinstance(event, RequestReceived)
        server.reply(event.frame, rt_response())
    data = bytearray(server.data_to_send())
    data[50] ^= 1
    damaged, reply = received(client, bytes(data))
    assert isinstance(damaged, FrameDamaged)
    assert damaged.request is not None
    assert damaged.request.serial == serials[0]
    assert isinstance(reply, ReplyReceived)
    assert reply.request.serial == serials[1]


def test_serials_wrap_and_pass_over_those_in_use() -> None:
    client, _ = connected()
    client.last_serial = 2**32 - 2
    serials = [client.request(3008, rt_request(), NOW) for _ in range(3)]
    assert serials == [2**32 - 1, 1, 2]
    client.last_serial = 2**32 - 2
    assert client.request(3008, rt_request(), NOW) == 3


def test_a_request_times_out_and_its_reply_comes_late() -> None:
    client, server = connected()
    client.request(3008, rt_request(), NOW + SECOND)
    assert client.next_timer() == NOW + 9 * SECOND  # KeepAlive: 4/5 of 10 s after the request
    assert client.handle_timer(NOW + 13 * SECOND - 1)[:1] == []
    (late,) = client.handle_timer(NOW + 13 * SECOND)
    assert isinstance(late, RequestTimedOut)
    assert late.request.proto_id == 3008
    asked = received(server, client.data_to_send())[0]
    assert isinstance(asked, RequestReceived)
    server.reply(asked.frame, rt_response())
    (event,) = received(client, server.data_to_send())
    assert isinstance(event, UnmatchedReply)


def test_keep_alive_and_silence() -> None:
    client, server = connected()
    due = client.next_timer()
    assert due == NOW + 8 * SECOND
    assert client.handle_timer(due) == []
    (alive,) = received(server, client.data_to_send(), due)
    assert isinstance(alive, RequestReceived)
    assert alive.frame.proto_id == 1004
    assert alive.frame.message.c2s.time == due // SECOND  # type: ignore[union-attr]
    answer = KeepAlive.Response(retType=0)
    answer.s2c.time = due // SECOND
    server.reply(alive.frame, answer)
    (event,) = received(client, server.data_to_send(), due)
    assert isinstance(event, ReplyReceived)
    events = client.handle_timer(due + 33 * SECOND)
    assert events[-1] == PeerSilent(due)
    assert server.handle_timer(due + 30 * SECOND - 1) == []
    assert server.handle_timer(due + 30 * SECOND) == [PeerSilent(due)]


@pytest.mark.parametrize("key", [None, KEY])
def test_a_request_before_the_handshake(key: RsaKey | None) -> None:
    client, server = Connection(Role.CLIENT, key=key), Connection(Role.SERVER)
    with pytest.raises(LocalProtocolError, match="while the connection is new"):
        client.request(3008, rt_request(), NOW)
    assert client.data_to_send() == b""
    with pytest.raises(RemoteProtocolError, match="must be InitConnect"):
        received(server, encode_frame(3008, 1, rt_request().SerializeToString()))
    assert server.state is State.CLOSED


def test_local_misuse() -> None:
    client, server = connected()
    with pytest.raises(LocalProtocolError, match="is a push"):
        client.request("Qot_UpdateRT", b"", NOW)
    with pytest.raises(LocalProtocolError, match="only a client"):
        server.request(3008, b"", NOW)
    with pytest.raises(LocalProtocolError, match="not a push"):
        server.push(3008, b"")
    with pytest.raises(LocalProtocolError, match="not a push"):
        client.push(3009, b"")
    with pytest.raises(LocalProtocolError, match="only a server"):
        client.reply(Frame.build(3008, 1, b"", sender=Role.CLIENT), b"")
    with pytest.raises(LocalProtocolError, match="while the connection is open"):
        client.initiate(NOW, client_id="again")
    with pytest.raises(LocalProtocolError, match="opens a connection"):
        server.accept(Frame.build(1001, 1, b"", sender=Role.CLIENT), conn_id=1, aes_key=AES, aes_iv=IV)
    with pytest.raises(LocalProtocolError, match="no push while"):
        Connection(Role.SERVER).push(3009, b"")
    with pytest.raises(UnknownProtocolError):
        client.request("Qot_Nothing", b"", NOW)
    client.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        list(client.receive_data(b"", NOW))


def test_garbage_ends_a_live_connection() -> None:
    client, _ = connected()
    with pytest.raises(BadMagicError):
        received(client, b"HTTP/1.1 400 Bad Request\r\n")
    assert client.state is State.CLOSED


def test_a_stream_that_ends_inside_a_frame() -> None:
    client, _ = connected()
    received(client, encode_frame(3009, 1, bytes(100))[:80])
    with pytest.raises(RemoteProtocolError, match="80 bytes into a frame"):
        client.close()


def test_a_client_without_the_key_is_noticed() -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER, key=KEY)
    client.initiate(NOW, client_id="test")
    (event,) = received(server, client.data_to_send())
    assert isinstance(event, FrameDamaged)


@given(st.binary(max_size=300), st.sampled_from([None, KEY]), st.sampled_from(list(Role)))
def test_any_bytes_give_events_or_a_documented_error(raw: bytes, key: RsaKey | None, role: Role) -> None:
    def streams() -> Iterator[tuple[Connection, bytes]]:
        client, server = connected(key)
        side = client if role is Role.CLIENT else server
        yield side, raw
        side = Connection(role, key=key)
        if role is Role.CLIENT:
            side.initiate(NOW, client_id="test")
        yield side, encode_frame(1001, 1, raw)

    for side, data in streams():
        try:
            received(side, data)
        except (HeaderError, RemoteProtocolError):
            assert side.state is State.CLOSED


def test_one_encoding_of_a_push_serves_many_clients() -> None:
    frame = encode_frame(3009, 0, b"\x08\x00")
    for _ in range(2):
        client, server = connected()
        server.push_encoded(frame)
        (event,) = received(client, server.data_to_send())
        assert isinstance(event, PushReceived)
        assert event.frame.encode() == frame
    client, server = connected(KEY)
    with pytest.raises(LocalProtocolError, match="encrypted"):
        server.push_encoded(frame)
    for wrong in (client, Connection(Role.SERVER)):
        with pytest.raises(LocalProtocolError, match="no push"):
            wrong.push_encoded(frame)
    assert server.data_to_send() == b""


def test_a_handshake_that_comes_late_still_counts() -> None:
    """The gateway speaks the agreed cipher after it, whether or not we had given up."""
    client, server = Connection(Role.CLIENT, key=KEY), Connection(Role.SERVER, key=KEY)
    client.initiate(NOW, client_id="test", packet_enc_algo=PacketEncAlgo.FTAES_ECB)
    accept(server, client.data_to_send())
    (late,) = client.handle_timer(NOW + 12 * SECOND)
    assert isinstance(late, RequestTimedOut)
    server.push(3009, Qot_UpdateRT.Response(retType=0))
    connected_, push = received(client, server.data_to_send(), NOW + 13 * SECOND)
    assert isinstance(connected_, Connected)
    assert isinstance(push, PushReceived)
