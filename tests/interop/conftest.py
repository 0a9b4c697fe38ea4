"""Peers for the tests here; tests of a peer that cannot be installed are skipped, and fail where ``CI`` is set."""

from collections.abc import Callable

import pytest

from interop.peers import Peer, PeerUnavailableError, ensure
from support.programs import absent


@pytest.fixture(scope="session")
def peer() -> Callable[[str], Peer]:
    """``peer(name)``: the peer of that name, installed."""

    def get(name: str) -> Peer:
        try:
            return ensure(name)
        except PeerUnavailableError as error:
            absent(str(error))

    return get
