"""Replies compared field by field."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from ftwire.messages import GetGlobalState, InitConnect, Qot_GetRT
from ftwire.strategies import messages
from ftwire_tools.messages.comparison import CONNECTION_BOUND, Comparison, parse_tolerance
from support.frames import rt_response


def differences(
    expected: object, actual: object, *, ignore: tuple[str, ...] = (), tolerances: tuple[str, ...] = ()
) -> list[str]:
    comparison = Comparison(
        ignore=(*CONNECTION_BOUND, *ignore), tolerances=[parse_tolerance(text) for text in tolerances]
    )
    return [str(each) for each in comparison.differences(expected, actual)]


def changed(**values: object) -> Qot_GetRT.Response:
    response = rt_response()
    for name, value in values.items():
        setattr(response.s2c.rtList[1], name, value)
    return response


def test_equal_messages_do_not_differ() -> None:
    assert differences(rt_response(), rt_response()) == []


def test_each_difference_has_its_path() -> None:
    actual = changed(price=600.5, isBlank=True, time="2021-06-09 09:32:00")
    actual.s2c.name = "TENCENT"
    actual.s2c.rtList[0].ClearField("volume")
    assert differences(rt_response(), actual) == [
        "s2c.name: absent -> 'TENCENT'",
        "s2c.rtList[0].volume: 255100 -> absent",
        "s2c.rtList[1].time: '2021-06-09 09:31:00' -> '2021-06-09 09:32:00'",
        "s2c.rtList[1].isBlank: False -> True",
        "s2c.rtList[1].price: 600.0 -> 600.5",
    ]


def test_lists_of_different_length_say_so_and_compare_what_both_have() -> None:
    assert differences(rt_response((570, 571)), rt_response((569,))) == [
        "s2c.rtList: 2 items -> 1 items",
        "s2c.rtList[0].time: '2021-06-09 09:30:00' -> '2021-06-09 09:29:00'",
        "s2c.rtList[0].minute: 570 -> 569",
    ]


@pytest.mark.parametrize(
    "pattern",
    ["price", "rtList.price", "s2c.rtList.price", "s2c.rtList[1].price", "rtList.*", "s2c.**", "rtList", "*.pr*ce"],
)
def test_patterns_that_ignore_a_price(pattern: str) -> None:
    assert differences(rt_response(), changed(price=1.0), ignore=(pattern,)) == []


@pytest.mark.parametrize("pattern", ["ice", "s2c.price", "Price", "s2c.*", "c2s.**", "rtList.price.x"])
def test_patterns_that_do_not(pattern: str) -> None:
    found = differences(rt_response(), changed(price=1.0), ignore=(pattern,))
    assert (found == []) == (pattern == "s2c.*")  # what is in an ignored field is ignored too


@pytest.mark.parametrize(
    ("tolerance", "price", "same"),
    [
        ("0.5", 600.5, True),
        ("0.4", 600.5, False),
        ("1%", 605.0, True),
        ("1%", 610.0, False),
        ("price=0.5", 600.5, True),
        ("avgPrice=0.5", 600.5, False),
        ("s2c.rtList.price=.5", 599.5, True),
        ("1e-1%", 600.5, True),
    ],
)
def test_tolerances(tolerance: str, price: float, same: bool) -> None:
    assert (differences(rt_response(), changed(price=price), tolerances=(tolerance,)) == []) == same


def test_tolerances_are_for_numbers_integers_too() -> None:
    assert differences(rt_response(), changed(volume=255_101), tolerances=("1",)) == []
    assert differences(rt_response(), changed(isBlank=True), tolerances=("1",)) != []
    assert differences(rt_response(), changed(time="x"), tolerances=("1",)) != []


@pytest.mark.parametrize("text", ["", "x", "1%%", "=1", "price=", "-1", "price=x"])
def test_what_is_no_tolerance(text: str) -> None:
    with pytest.raises(ValueError, match=r"tolerance|path"):
        parse_tolerance(text)


def test_nan_is_nan() -> None:
    assert differences(changed(price=math.nan), changed(price=math.nan)) == []
    assert differences(changed(price=math.nan), changed(price=1.0), tolerances=("5",)) == [
        "s2c.rtList[1].price: nan -> 1.0"
    ]


def test_what_belongs_to_the_connection_is_passed_over() -> None:
    first, second = GetGlobalState.Response(retType=0), GetGlobalState.Response(retType=0)
    first.s2c.connID, second.s2c.connID = 1, 2
    assert differences(first, second) == []


def test_secrets_are_masked() -> None:
    first, second = InitConnect.Response(retType=0), InitConnect.Response(retType=0)
    first.s2c.connAESKey, second.s2c.connAESKey = "0123456789ABCDEF", "FEDCBA9876543210"
    assert differences(first, second) == ["s2c.connAESKey: '***' -> '***'"]


@given(messages(Qot_GetRT.Response), messages(Qot_GetRT.Response))
def test_messages_differ_exactly_when_they_are_not_equal(first: Qot_GetRT.Response, second: Qot_GetRT.Response) -> None:
    assert differences(first, first) == []
    found = differences(first, second)
    assert len(found) == len(differences(second, first))
    if first == second:
        assert found == []
    elif first.SerializePartialToString(deterministic=True) != second.SerializePartialToString(deterministic=True):
        assert found or _has_the_same_numbers(first, second)


def _has_the_same_numbers(first: Qot_GetRT.Response, second: Qot_GetRT.Response) -> bool:
    """NaN is NaN, -0 is 0, and unknown fields do not count."""
    for message in (first, second):
        message.DiscardUnknownFields()
    return str(first).replace(": -0\n", ": 0\n") == str(second).replace(": -0\n", ": 0\n")
