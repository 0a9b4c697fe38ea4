"""The pytest plugin: the fixture ``opend``, a gateway for each test. Nothing else is imported until a test asks for it.

A gateway is started with the first test that needs one and lives as long as the run; before each test it is reset,
which takes milliseconds. Its market is the made-up one, and its clock stands still until the test moves it, so that
what a test sees does not depend on how long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftwire_tools.testing import RunningGateway

__all__ = ["opend"]


@pytest.fixture(scope="session")
def _ftwire_gateway() -> Iterator[RunningGateway]:
    from ftwire_tools.testing import gateway

    with gateway(synthetic=True, always_open=True) as running:
        running.clock.stop()
        yield running


@pytest.fixture
def opend(_ftwire_gateway: RunningGateway) -> RunningGateway:
    """A gateway in place of OpenD: connect a client to ``opend.host`` and ``opend.port``, and steer it.

    ``opend.market``, ``opend.orders``, ``opend.clock`` and others change what it does, ``opend.requests`` lists what it
    was asked. Its market's clock stands still: ``opend.clock.advance(seconds)``. See docs/scripting.md of ftwire.
    """
    _ftwire_gateway.clock.stop()
    _ftwire_gateway.reset()
    return _ftwire_gateway
