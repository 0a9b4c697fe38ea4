"""Trading on the made-up market as the vendor's Python SDK sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from ftwire_tools.testing import gateway
from interop.peers import Peer, environment, python
from interop.sdk_program import CLIENTS, SDK, sdk_program

REFUSED = {
    # Paper accounts: the vendor's questions and answers, Q1, and its texts as client authors have seen them.
    ("paper", "deal_list_query"): "Simulated trade does not support deal list",
    ("paper", "history_deal_list_query"): "Simulated trade does not support deal list",
    ("paper", "order_fee_query"): "Simulated trade is not supported",
    ("paper", "get_acc_cash_flow"): "Paper trading does not support requesting cash flow data.",
    ("paper", "cancel_all_order"): "a paper account's orders cannot be cancelled all at once",
    ("paper", "place_combo_order"): "a paper account does not take combinations",
    ("paper", "comboorder_tradinginfo_query"): "a paper account does not take combinations",
    # What is not modelled.
    ("real", "place_combo_order"): "combinations are not modelled: nothing was placed",
    ("real", "comboorder_tradinginfo_query"): "combinations are not modelled: nothing was placed",
    # Margin ratios are those of stocks; the SDK takes the first real account for them.
    ("futures", "get_margin_ratio"): "margin ratios are those of stocks of Hong Kong and the US",
    ("crypto", "get_margin_ratio"): "margin ratios are those of stocks of Hong Kong and the US",
    # Orders for crypto are cancelled and placed anew.
    ("crypto", "modify_order"): "an order cannot be changed in way 1",
    ("crypto", "change_order"): "an order cannot be changed in way 1",
}


def refusal_of(context: str, call: str) -> str | None:
    account, _, kind = context.partition(" ")
    found = [REFUSED.get((word, call)) for word in (kind, account, "real" if account == "crypto" else account)]
    return next((text for text in found if text is not None), None)


def test_every_call_of_every_context_has_data_or_the_documented_refusal(peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    with gateway(synthetic=True, always_open=True, limits="off", fills="instant") as opend:
        words = [str(python(SDK)), str(CLIENTS / "every_trade_call.py"), str(opend.port)]
        done = subprocess.run(
            words, capture_output=True, env=environment(SDK), encoding="utf-8", timeout=120, check=False
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    contexts = {each["context"] for each in answers}
    assert len(contexts) == 7, done.stderr
    assert all(sum(each["context"] == name for each in answers) == 19 for name in contexts), done.stderr
    for each in answers:
        expected = refusal_of(each["context"], each["call"])
        if expected is not None:
            assert (each["ok"], each["data"]) == (False, expected), each
        else:
            assert each["ok"], each
    rows = {(each["context"], each["call"]): each["data"] for each in answers}
    for name in contexts:
        # The universal account is that of two contexts: its lists have the orders of both, the newest first.
        bought = rows[name, "order_list_query"][1]
        held = {row["code"]: row["qty"] for row in rows[name, "position_list_query"]}
        assert held[bought["code"]] == bought["qty"] == bought["dealt_qty"]
        states = [row["order_status"] for row in rows[name, "order_list_query"]]
        assert states[1] == "FILLED_ALL"
        assert states[0] == ("SUBMITTED" if name.startswith("paper") else "CANCELLED_ALL")
        assert rows[name, "order_list_query"] == rows[name, "history_order_list_query"]
        if not name.startswith("paper"):
            deal, past = rows[name, "deal_list_query"][0], rows[name, "history_deal_list_query"][0]
            # The SDK says in two ways that a deal has no counter broker.
            assert {key: past[key] for key in past if "broker" not in key}.items() <= deal.items()
            assert [row["fee_amount"] > 0 for row in rows[name, "order_fee_query"]] == [True, False]
            flows = rows[name, "get_acc_cash_flow"]
            assert sum(row["cashflow_amount"] for row in flows) < 0
    assert rows["real US", "get_margin_ratio"][0]["im_long_ratio"] == 35


def test_a_stop_loss_program_survives_a_crash(peer: Callable[[str], Peer]) -> None:
    """The price gaps through the stop: it sells below it, once, and the money is right to the cent."""
    peer(SDK)
    with gateway(synthetic=True, always_open=True, fills="book") as opend:
        opend.clock.stop()
        opend.market.set_price("US.AAPL", 200.0)
        with sdk_program("stop_loss.py", opend.port) as running:
            bought = running.until(event="protected")
            for price in (210.0, 196.0, 191.0):  # up, down, and not yet at the stop
                opend.market.set_price("US.AAPL", price)
                opend.clock.advance(2)
            opend.market.set_price("US.AAPL", 160.0)
            for _ in range(20):  # the book that the crash leaves may be thin
                opend.clock.advance(1)
            over = running.until(event="over")
    assert bought["paid"] == pytest.approx(200.01, abs=0.05)
    assert over["sold"] == pytest.approx(160.0, abs=1.0)
    assert over["positions"] == 0
    assert over["change"] == pytest.approx(100 * (over["sold"] - over["paid"]) - over["fees"], abs=0.011)
    states = [line["status"] for line in running.lines if line["event"] == "order" and line["id"] == bought["stop"]]
    assert states[:3] == ["WAITING_SUBMIT", "SUBMITTING", "SUBMITTED"]
    assert states[-1] == "FILLED_ALL"
    sold = [line for line in running.lines if line["event"] == "deal" and line["order"] == bought["stop"]]
    assert sum(deal["qty"] for deal in sold) == 100
    assert over["stop"] == {
        "order_type": "STOP",
        "aux_price": round(bought["paid"] * 0.95, 2),
        "time_in_force": "DAY",
        "remark": "stop loss",
        "order_status": "FILLED_ALL",
    }
