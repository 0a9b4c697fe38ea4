"""The client without ``await``, held against the asyncio client and a gateway."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator

import pytest

from ftwire.messages import Qot_GetRT
from ftwire_tools.client import BlockingClient, Client
from ftwire_tools.client.errors import ConnectError, ReplyError
from ftwire_tools.testing import RunningGateway, gateway
from support.places import ROOT

CAPTURE = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"


@pytest.fixture
def running() -> Iterator[RunningGateway]:
    with gateway(CAPTURE) as found:
        yield found


def test_it_has_the_names_of_the_asyncio_client() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    # Those that the asyncio client sets in its constructor.
    assert public(BlockingClient) - {"body_format", "host", "port"} == public(Client)
    for name in ("exchange", "request", "subscribe", "unsubscribe", "get_rt_data", "pushes"):
        ours, theirs = (inspect.signature(getattr(cls, name)).parameters for cls in (BlockingClient, Client))
        assert ours == theirs, name


def test_requests_tables_and_pushes(running: RunningGateway) -> None:
    with BlockingClient(running.host, running.port) as client, client.pushes("Qot_UpdateRT") as pushes:
        assert client.connected is not None
        assert repr(client) == f"<BlockingClient of {running.host}:{running.port}, connected>"
        client.subscribe(["US.AAPL", "HK.00700"], "RT")
        reply = client.request("Qot_GetRT", {"security": "HK.00700"})
        assert isinstance(reply, Qot_GetRT.Response)
        assert len(reply.s2c.rtList) == len(client.get_rt_data("HK.00700")) == 3
        first = next(pushes)
        assert (first.proto_id, first.kind) == (3009, "push")
        assert client.exchange(3008, {"security": "US.AAPL"}).latency > 0
        with pytest.raises(ReplyError, match="duration"):  # of a minute at least, as of OpenD
            client.unsubscribe_all()
        with client.pushes("Notify") as silent, pytest.raises(TimeoutError):
            silent.take(timeout=0.01)
    assert [thread for thread in threading.enumerate() if thread.name == "ftwire-client"] == []


def test_streams_end_with_the_client(running: RunningGateway) -> None:
    client = BlockingClient(running.host, running.port)
    client.open()
    stream = client.pushes()
    taken: list[int] = []
    reader = threading.Thread(target=lambda: taken.extend(frame.proto_id for frame in stream))
    reader.start()
    client.close()
    reader.join(10)
    assert not reader.is_alive()
    assert repr(client).endswith(f"{running.port}, not connected>")
    with pytest.raises(RuntimeError, match="closed"):
        client.subscribe("HK.00700", "RT")
    client.close()  # as in a finally around a with


def test_errors_are_those_of_the_asyncio_client(running: RunningGateway) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        BlockingClient().unsubscribe_all()
    with pytest.raises(ConnectError), BlockingClient("127.0.0.1", 1, timeout=5):
        pass
    with BlockingClient(running.host, running.port) as client, pytest.raises(ReplyError):
        client.request("Qot_GetRT", {"security": "HK.99999"})
