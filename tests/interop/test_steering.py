"""What verbs do to a gateway, as the vendor's Python SDK sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from ftwire_tools.testing import RunningGateway, gateway
from interop.peers import Peer
from interop.sdk_program import SDK, SdkProgram, sdk_program

CODE = "HK.00700"


@pytest.fixture(scope="module")
def opend() -> Iterator[RunningGateway]:
    with gateway(synthetic=True, always_open=True) as running:
        running.clock.stop()
        yield running


@pytest.fixture(scope="module")
def sdk(opend: RunningGateway, peer: Callable[[str], Peer]) -> Iterator[SdkProgram]:
    peer(SDK)
    with sdk_program("steered.py", opend.port) as found:
        found.until(event="ready")
        yield found


def test_a_price_comes_as_push_and_as_quote(opend: RunningGateway, sdk: SdkProgram) -> None:
    opend.market.set_price(CODE, 401.2)
    assert sdk.until(what="quote")["price"] == 401.2
    assert sdk.ask("quote")["data"] == 401.2
    opend.market.gap(CODE, -10)
    assert sdk.until(what="quote")["price"] == pytest.approx(361.0, abs=0.3)


def test_a_rejected_order_comes_as_failed(opend: RunningGateway, sdk: SdkProgram) -> None:
    opend.orders.reject_next(reason="no short selling today")
    assert sdk.ask("buy", 500)["code"] == 0
    opend.clock.advance(2)
    assert sdk.until(what="order", status="FAILED")["reason"] == "no short selling today"


def test_a_refused_request_comes_as_error(opend: RunningGateway, sdk: SdkProgram) -> None:
    opend.replies.refuse_next("Trd_PlaceOrder", reason="too busy")
    refused = sdk.ask("buy", 500)
    assert refused["code"] == -1
    assert "too busy" in refused["data"]


def test_logging_out_comes_as_notice(opend: RunningGateway, sdk: SdkProgram) -> None:
    opend.login.log_out()
    assert sdk.until(what="notify")["content"] == {"qot_logined": False, "trd_logined": False}
    assert sdk.ask("state")["data"] == {"qot_logined": False, "trd_logined": False}
    assert sdk.ask("quote")["code"] == -1
    opend.login.log_in()
    assert sdk.until(what="notify")["content"] == {"qot_logined": True, "trd_logined": True}
    assert sdk.ask("quote")["code"] == 0


def test_an_event_comes_as_notice(opend: RunningGateway, sdk: SdkProgram) -> None:
    opend.notices.send_event("KickedOut", "logged in elsewhere")
    found = sdk.until(what="notify")
    assert "logged in elsewhere" in json.dumps(found)
