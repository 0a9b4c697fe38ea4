"""Rows of replies show what only their requests say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_GetKL, Trd_GetFunds, Trd_PlaceOrder, Trd_UnlockTrade
from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.request_columns import SECURITY, request_fields
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.sensitive_fields import Category, category_of, is_secret
from support.captures import Said, answered, asked, pcap, session
from support.places import ROOT

HELLO = session()[:2]


def rows_of(tmp_path: Path, said: list[Said], **options: Any) -> dict[str, list[dict[str, Any]]]:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    found: dict[str, list[dict[str, Any]]] = {}
    for table, batch in tables([str(path)], **options):
        found.setdefault(table, []).extend(batch.drop_columns(["time"]).to_pylist())
    return found


def kl_request(kind: int, rehab: int) -> Qot_GetKL.Request:
    request = Qot_GetKL.Request()
    request.c2s.klType, request.c2s.rehabType, request.c2s.reqNum = kind, rehab, 100
    request.c2s.security.market, request.c2s.security.code = 1, "00700"
    return request


def kl_response(close: float, items: int = 2) -> Qot_GetKL.Response:
    response = Qot_GetKL.Response(retType=0)
    response.s2c.security.market, response.s2c.security.code = 1, "00700"
    for number in range(items):
        response.s2c.klList.add(time=f"2024-01-0{number + 2} 00:00:00", isBlank=False, closePrice=close)
    return response


def test_a_k_line_knows_its_period_and_its_request(tmp_path: Path) -> None:
    """Two requests under way at once, answered in the other order."""
    said = [
        *HELLO,
        asked(3006, 2, kl_request(2, 1)),
        asked(3006, 3, kl_request(1, 0)),
        answered(3006, 3, kl_response(3.0)),
        answered(3006, 2, kl_response(2.0, items=1)),
    ]
    found = rows_of(tmp_path, said)
    rows = [*found["kline_1min_none"], *found["kline_day_forward"]]
    assert [(row["number"], row["request"], row["closePrice"]) for row in rows] == [
        (5, 4, 3.0),
        (5, 4, 3.0),
        (6, 3, 2.0),
    ]
    assert [(row["klType_name"], row["rehabType_name"], row["reqNum"]) for row in rows] == [
        ("1Min", "None", 100),
        ("1Min", "None", 100),
        ("Day", "Forward", 100),
    ]
    assert all(row["latency_ns"] > 0 for row in rows)


def test_a_reply_to_an_order_knows_what_was_ordered(tmp_path: Path) -> None:
    request, response = Trd_PlaceOrder.Request(), Trd_PlaceOrder.Response(retType=0)
    request.c2s.packetID.connID, request.c2s.packetID.serialNo = 1, 1
    for header in (request.c2s.header, response.s2c.header):
        header.trdEnv, header.accID, header.trdMarket = 0, 9, 1
    request.c2s.trdSide, request.c2s.orderType, request.c2s.code, request.c2s.secMarket = 1, 2, "00700", 1
    request.c2s.qty, request.c2s.price = 200.0, 600.5
    response.s2c.orderID = 7130123456789012345
    (row,) = rows_of(tmp_path, [*HELLO, asked(2202, 2, request), answered(2202, 2, response)])["trd_place_order"]
    assert (row["orderID"], row["code"], row["trdSide_name"]) == (7130123456789012345, "HK.00700", "Buy")
    assert (row["qty"], row["price"], row["market"]) == (200.0, 600.5, "HK")
    assert "packetID_connID" not in row


def test_what_a_reply_says_itself_is_not_taken_from_the_request(tmp_path: Path) -> None:
    request, response = kl_request(2, 1), kl_response(1.0)
    request.c2s.security.code = "00001"
    rows = rows_of(tmp_path, [*HELLO, asked(3006, 2, request), answered(3006, 2, response)])["kline_day_forward"]
    assert {row["code"] for row in rows} == {"HK.00700"}


def test_secrets_of_requests_stay_there(tmp_path: Path) -> None:
    request = Trd_UnlockTrade.Request()
    request.c2s.unlock, request.c2s.pwdMD5, request.c2s.securityFirm = True, "0" * 32, 1
    said = [*HELLO, asked(2005, 2, request), answered(2005, 2, Trd_UnlockTrade.Response(retType=0))]
    for shown in (False, True):
        found = rows_of(tmp_path, said, show_secrets=shown)
        (row,) = found["trd_unlock_trade"]
        assert (row["unlock"], row["securityFirm_name"]) == (True, "FutuSecurities")
        assert not any("pwd" in name for name in row)
        (asking,) = found["trd_unlock_trade_request"]
        assert asking["pwdMD5"] == ("0" * 32 if shown else "***")


def test_a_reply_without_its_request_is_counted(tmp_path: Path) -> None:
    """Its parameters are null, and whoever exports is told."""
    path = tmp_path / "a.pcap"
    lost = [answered(3006, 8, kl_response(8.0, items=1)), answered(3006, 9, kl_response(9.0, items=1))]
    path.write_bytes(pcap([*HELLO, asked(3006, 2, kl_request(2, 1)), answered(3006, 2, kl_response(2.0)), *lost]))
    done = CliRunner().invoke(ftwire, ["export", str(path), "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["without_request"] == 2
    assert "2 replies without their request in the capture" in done.stderr
    rows = rows_of(tmp_path, [*HELLO, *lost])["kline_unknown"]
    assert [(row["request"], row["klType"], row["latency_ns"]) for row in rows] == [(None, None, None)] * 2


def test_requests_and_pushes_have_no_request(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, session())
    assert {row["request"] for row in rows["qot_get_rt_request"]} == {None}
    assert {(row["kind"], row["request"]) for row in rows["time_share"]} == {("response", 3), ("push", None)}


def test_a_request_that_is_damaged_is_named_and_gives_no_values(tmp_path: Path) -> None:
    broken = kl_request(2, 1).SerializeToString()[:-2]
    said = [*HELLO, asked(3006, 2, broken), answered(3006, 2, kl_response(2.0, items=1))]
    rows = rows_of(tmp_path, said)
    (row,) = rows["kline_unknown"]
    assert (row["request"], row["klType"]) == (3, None)
    assert [error["number"] for error in rows["errors"]] == [3]


@pytest.mark.parametrize(
    "capture", ["futu-api-10.11-json.pcap", "npm-futu-api-10.11-websocket.pcapng", "futu-api-9.6-quotes.pcapng"]
)
def test_bodies_in_json_and_envelopes_are_requests_too(capture: str) -> None:
    path = ROOT / "fixtures" / "captures" / capture
    rows = [
        row
        for table, batch in tables([str(path)])
        if table == "qot_sub"
        for row in batch.drop_columns(["time"]).to_pylist()
    ]
    assert rows
    assert all(row["isSubOrUnSub"] and row["request"] == row["number"] - 1 for row in rows)


PAIRS = [entry for entry in registry if entry.request is not None and entry.response is not None and not entry.is_push]


@pytest.mark.parametrize("entry", PAIRS, ids=lambda entry: entry.name)
def test_the_rule_holds_for_every_protocol(entry: Any) -> None:
    """What is carried: the request's scalars, enums and securities that the reply has not, but secrets and tokens."""
    request: Any = descriptor_of(entry.request).fields_by_name.get("c2s")
    shown = request_fields(descriptor_of(entry.response))
    if request is None:
        assert shown is None
        return
    replied: Any = descriptor_of(entry.response).fields_by_name.get("s2c")
    replied_names = {field.name for field in replied.message_type.fields} if replied else set()
    wanted = {
        field.name
        for field in request.message_type.fields
        if not is_repeated(field)
        and (field.message_type is None or field.message_type.full_name == SECURITY)
        and not is_secret(field)
        and category_of(field) != Category.TOKEN
        and field.name not in replied_names
    }
    carried = set() if shown is None else {field.name for field in shown.payload.fields} - shown.left_out
    assert carried == wanted


def test_every_currency_of_funds_was_asked_for_by_name(tmp_path: Path) -> None:
    """A reply that has no list: one row, in the table of its protocol."""
    request, response = Trd_GetFunds.Request(), Trd_GetFunds.Response(retType=0)
    request.c2s.header.trdEnv, request.c2s.header.accID, request.c2s.header.trdMarket = 0, 9, 1
    request.c2s.currency = 2
    response.s2c.header.CopyFrom(request.c2s.header)
    (row,) = rows_of(
        tmp_path, [*HELLO, asked(2101, 2, request), answered(2101, 2, response.SerializePartialToString())]
    )["trd_get_funds"]
    assert (row["currency_name"], row["funds_currency"], row["request"]) == ("USD", None, 3)
