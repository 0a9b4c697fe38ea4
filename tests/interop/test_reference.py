"""Every quote method of the vendor's SDK gets data from the made-up market that the SDK turns into its tables."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftwire_tools.testing import gateway
from interop.peers import PEERS, Peer, environment, python

SDK = "futu-api-10.11"
CLIENT = Path(__file__).parent / "clients" / "reference_client.py"
WITHOUT_DATA = {
    "subscribe", "verification", "set_option_event_alert", "subscribe_event_contract", "unsubscribe_event_contract",
    "unsubscribe_all", "unsubscribe_all_event_contract",
}  # fmt: skip
"""Methods that return nothing where they succeed."""
SPARSE = {
    "get_stock_quote", "get_ipo_list", "get_rehab", "get_option_event_alert", "get_corporate_actions_buybacks",
}  # fmt: skip
"""Methods whose tables have columns for several kinds of instruments or events, of which a row is one."""


@pytest.fixture(scope="module")
def lines(peer: Callable[[str], Peer]) -> list[dict[str, Any]]:
    peer(SDK)
    with gateway(synthetic=True, limits="off") as opened:
        words = [str(python(SDK)), str(CLIENT), PEERS[SDK].module, str(opened.port)]
        done = subprocess.run(words, env=environment(SDK), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_quote_method_is_answered_with_data(lines: list[dict[str, Any]]) -> None:
    *called, last = lines
    assert {each["method"]: each["said"] for each in called if each["status"]} == {}
    assert {each["method"] for each in called if not each["rows"]} <= WITHOUT_DATA
    assert last == {"uncalled": ["test_cmd", "unsubscribe"]}
    assert len({each["method"] for each in called}) > 130


def test_the_sdks_columns_are_filled(lines: list[dict[str, Any]]) -> None:
    for each in lines[:-1]:
        columns = each["columns"]
        filled = sum(count > 0 for count in columns.values())
        if columns and each["method"] not in SPARSE:
            assert filled >= 0.6 * len(columns), (each["method"], columns)


SAMPLES = {
    "get_mkt_snapshot_demo": r"from 1, total \d+",
    "simple_filter_demo": r"MTR CORPORATION\n\d",
    "stocksell_demo": r"unlock_trade success",
    "quote_and_trade_demo": r"subscribe : \(0, None\)(?s:.*)TickerTest",
    "quote_push": r"subscribe : \(0, None\)",
}
"""Sample programs inside the SDK's wheel, and what they print where they succeed."""
BY_TODAY = {"macd_strategy": r"^解锁交易成功!$"}
"""The one that takes dates from the machine's clock, and so needs a market of today."""
UNLOCK = "123456"
"""The password that the sample programs have in them."""
ENDLESS = "quote_push"
"""The one that listens until it is stopped."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("samples", "is_today"), [(SAMPLES, False), (BY_TODAY, True)], ids=["2024", "today"])
def test_the_vendors_sample_programs_run(
    samples: dict[str, str], is_today: bool, peer: Callable[[str], Peer], tmp_path: Path
) -> None:
    (folder,) = peer(SDK).folder.glob("venv/lib/python*/site-packages/futu/examples")
    running: dict[str, subprocess.Popen[str]] = {}
    outputs = {name: tmp_path / f"{name}.txt" for name in samples}
    with gateway(synthetic=True, always_open=True, shift_to_now=is_today, trade_password=UNLOCK) as opened:
        for name, output in outputs.items():
            program = tmp_path / f"{name}.py"
            program.write_text((folder / program.name).read_text(encoding="utf-8").replace("11111", str(opened.port)))
            with output.open("w") as file:
                words = [str(python(SDK)), "-u", str(program)]
                running[name] = subprocess.Popen(
                    words, env=environment(SDK), stdout=file, stderr=subprocess.STDOUT, text=True
                )
        endless = running.pop(ENDLESS, None)
        statuses = {name: process.wait(150) for name, process in running.items()}
        if endless is not None:
            assert endless.poll() is None
            endless.kill()
            endless.wait()
    said = {name: output.read_text() for name, output in outputs.items()}
    assert statuses == dict.fromkeys(running, 0), said
    for name, pattern in samples.items():
        assert re.search(pattern, said[name], re.MULTILINE), (name, said[name][-1000:])
        assert "Traceback" not in said[name]
        assert "request_history_kline fail" not in said[name]
