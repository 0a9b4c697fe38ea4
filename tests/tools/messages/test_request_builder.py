"""Requests from what people write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.protocols import registry
from ftwire_tools.markets.codes import parse_security, security_name
from ftwire_tools.markets.exchanges import QOT_PREFIXES
from ftwire_tools.messages.request_builder import RequestError, build_request
from ftwire_tools.schemas.outline import describe, description, template


def build(name: str, values: dict[str, Any]) -> Any:
    return build_request(registry[name], values)


def test_securities_enum_names_and_lists_of_one() -> None:
    request = build("Qot_Sub", {"securityList": ["HK.00700", "us.AAPL"], "subTypeList": "rt", "isSubOrUnSub": True})
    assert [(each.market, each.code) for each in request.c2s.securityList] == [(1, "00700"), (11, "AAPL")]
    assert list(request.c2s.subTypeList) == [5]
    assert build("Qot_Sub", {"subTypeList": ["SubType_KL_Day", 5, "7"], "isSubOrUnSub": True}).c2s.subTypeList == [
        6,
        5,
        7,
    ]


def test_c2s_may_be_there_and_so_may_whole_messages() -> None:
    long = build("Qot_GetRT", {"c2s": {"security": {"market": "HK_Security", "code": "00700"}}})
    assert long == build("Qot_GetRT", {"security": "HK.00700"})
    assert build("SkillWrap_TechnicalUnusual", {"stock_symbol": "HK.00700"}).stock_symbol == "HK.00700"


def test_packet_ids_may_be_left_out_or_given() -> None:
    order = {
        "header": {"trdEnv": "Simulate", "accID": "5", "trdMarket": "HK"},
        "trdSide": "Buy",
        "orderType": "Normal",
        "code": "00700",
        "qty": 1,
    }
    assert not build("Trd_PlaceOrder", order).c2s.HasField("packetID")
    given = build("Trd_PlaceOrder", {**order, "packetID": {"connID": "9007199254740993", "serialNo": 7}})
    assert given.c2s.packetID.connID == 9007199254740993


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("Qot_GetRT", {}, "required fields are missing: c2s.security"),
        ("Qot_GetRT", {"security": "00700"}, "c2s.security: '00700' is no security"),
        ("Qot_GetRT", {"security": "XX.1"}, "the prefix one of HK, HK_FUTURE, US"),
        ("Qot_GetRT", {"securty": "HK.00700"}, "did you mean security?"),
        (
            "Qot_GetRT",
            {"security": {"market": 1, "code": "1", "x": 1}},
            "c2s.security.x: Qot_Common.Security has no such",
        ),
        ("Qot_GetRT", {"security": 7}, "c2s.security: an object is expected, here is 7"),
        (
            "Qot_Sub",
            {"subTypeList": ["RT", "TR"], "isSubOrUnSub": True},
            "c2s.subTypeList[1]: 'TR' is none of None, Basic",
        ),
        ("Qot_Sub", {"subTypeList": [2.5], "isSubOrUnSub": True}, "c2s.subTypeList[0]: an integer is expected"),
        ("Qot_Sub", {"subTypeList": [2**40], "isSubOrUnSub": True}, "is not between"),
        ("Qot_UpdateRT", {}, "Qot_UpdateRT is a push"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(name: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(name, values)
    assert said in str(caught.value)


@pytest.mark.parametrize("entry", [entry for entry in registry if not entry.is_push], ids=lambda entry: entry.name)
def test_every_template_is_a_request(entry: Any) -> None:
    values = template(entry)
    assert isinstance(build_request(entry, values), entry.request)
    if values.get("header"):
        assert values["header"]["trdEnv"] == 0, "simulated"


@pytest.mark.parametrize("entry", list(registry), ids=lambda entry: f"{entry.proto_id}-{entry.name}")
def test_every_protocol_is_described_with_every_field(entry: Any) -> None:
    text, facts = describe(entry), description(entry)
    assert text.startswith(f"protocol {entry.proto_id} {entry.name}, ")
    for fields in facts["messages"].values():
        for field in fields:
            assert f" {field['name']} " in text
    assert facts["response"] in facts["messages"]


@given(st.sampled_from(sorted(QOT_PREFIXES)), st.text(min_size=1, max_size=20))
def test_securities_are_read_as_they_are_written(market: int, code: str) -> None:
    assert parse_security(security_name(market, code)) == (market, code)


@given(st.text(max_size=12) | st.builds("{}.{}".format, st.sampled_from(["HK", "us", "11", ""]), st.text(max_size=8)))
def test_any_text_is_a_security_or_a_value_error(text: str) -> None:
    try:
        market, code = parse_security(text)
    except ValueError:
        return
    assert market >= 0
    assert code
