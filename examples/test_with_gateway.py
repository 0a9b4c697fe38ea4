"""A test of a client of yours against a gateway that answers from a made-up market.

pytest test_with_gateway.py
"""

from collections.abc import Iterator

import pytest

from ftwire_tools.client import BlockingClient
from ftwire_tools.testing import RunningGateway, gateway


@pytest.fixture
def running() -> Iterator[RunningGateway]:
    """Run a gateway while a test runs."""
    with gateway() as found:
        yield found


def test_my_client_gets_a_name(running: RunningGateway) -> None:
    """Yours stands here in place of BlockingClient."""
    with BlockingClient(running.host, running.port) as client:
        client.subscribe("HK.00700", "Basic", push=False)
        reply = client.request("Qot_GetBasicQot", {"securityList": ["HK.00700"]})
    assert reply.s2c.basicQotList[0].security.code == "00700"
