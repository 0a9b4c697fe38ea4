"""A body in a few words: what a phrase refuses, and that it is only for plain bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from codec.test_transcode import EVERYTHING
from ftwire._core import core
from ftwire.messages import Qot_Common, Qot_GetRT, Qot_UpdateOrderBook
from ftwire.phrase import Fact, Phrase
from support import frames
from support.cores import needs_core


def rt_response(minutes: list[int]) -> Qot_GetRT.Response:
    message = frames.rt_response(minutes)
    message.s2c.name = "TENCENT"
    return message


FACTS = [Fact("security", ("market", "code"), {1: "HK"}), Fact("rtList", ("price",)), Fact("name")]


def phrase(facts: Sequence[Fact] = FACTS, most: int = 7) -> Phrase:
    return Phrase(Qot_GetRT.Response, facts, payload="s2c", zero="retType", most=most)


@needs_core
def test_facts_are_said_in_the_order_of_the_fields() -> None:
    body = rt_response([570, 571]).SerializeToString()
    assert phrase().text(body) == "HK.00700 rtList[2] name=TENCENT"
    assert phrase([*reversed(FACTS)]).text(body) == "HK.00700 rtList[2] name=TENCENT"
    assert phrase(FACTS[2:]).text(body) == "name=TENCENT"
    assert phrase([]).text(body) == ""


@needs_core
def test_a_list_of_one_says_what_is_in_it() -> None:
    message = rt_response([570])
    message.s2c.rtList[0].price = 600.5
    assert phrase().text(message.SerializeToString()) == "HK.00700 rtList[1] price=600.5 name=TENCENT"
    message.s2c.rtList[0].ClearField("price")
    assert phrase().text(message.SerializePartialToString()) == "HK.00700 rtList[1] name=TENCENT"


@needs_core
def test_no_more_is_said_than_wanted_but_all_of_it_must_parse() -> None:
    message = rt_response([570])
    assert phrase(most=1).text(message.SerializeToString()) == "HK.00700"
    assert phrase(most=0).text(message.SerializeToString()) == ""
    message.s2c.name = "\x1b"
    assert phrase(most=1).text(message.SerializeToString()) is None


@needs_core
def test_what_is_refused_or_does_not_say_takes_a_message() -> None:
    message = rt_response([570])
    message.retType = -1
    assert phrase().text(message.SerializeToString()) is None
    message.ClearField("retType")
    assert phrase().text(message.SerializePartialToString()) is None
    assert phrase().text(b"") is None


@needs_core
def test_every_scalar_is_said_as_python_writes_it() -> None:
    descriptor: Any = EVERYTHING.DESCRIPTOR
    message: Any = EVERYTHING()
    values = {field.name: field for field in descriptor.fields if field.message_type is None}
    scalars = [field for field in values.values() if not isinstance(getattr(message, field.name), (str, bytes))]
    singles = [field for field in scalars if not hasattr(getattr(message, field.name), "append")]
    assert len(singles) > 10
    for field in singles:
        for value in (1, 0, -3, 2.5, True, 1 << 31, (1 << 63) - 1):
            message.Clear()
            try:
                setattr(message, field.name, value)
            except (TypeError, ValueError):
                continue
            if field.enum_type is None:
                said = getattr(message, field.name)
                expected = f"{field.name}={str(said).lower() if isinstance(said, bool) else said}"
                assert Phrase(EVERYTHING, [Fact(field.name)]).text(message.SerializeToString()) == expected


@needs_core
def test_numbers_have_names() -> None:
    body = Qot_Common.Security(market=2, code="HSI").SerializeToString()
    assert Phrase(Qot_Common.Security, [Fact("market", names={1: "HK", 2: "FUT"})]).text(body) == "market=FUT"
    assert Phrase(Qot_Common.Security, [Fact("market", names={1: "HK", 3: "X"})]).text(body) == "market=2"


@pytest.mark.parametrize(
    "facts", [[Fact("nothing")], [Fact("security", ("market", "nothing"))], [Fact("name", ("length",))]]
)
def test_a_field_that_is_not_there_is_refused(facts: list[Fact]) -> None:
    with pytest.raises(ValueError, match="has no field"):
        phrase(facts)


@needs_core
@pytest.mark.parametrize(
    "fact", [Fact("security"), Fact("security", ("code", "market")), Fact("rtList", ("price", "minute"))]
)
def test_a_field_that_cannot_be_spoken_of_so_is_refused(fact: Fact) -> None:
    with pytest.raises(ValueError, match="no such fact"):
        phrase([fact])


@needs_core
def test_the_core_refuses_what_the_library_would_not_ask() -> None:
    assert core is not None
    one: list[Any] = [[(1, 5, False, "one", 0, [])]]
    for messages, payload, zero, facts, match in (
        ([], None, None, [], "message"),
        (one, 1, None, [], "field"),
        (one, 2, None, [], "field"),
        (one, None, 2, [], "field"),
        (one, None, 1, [(2, "two", [], "", [])], "field"),
    ):
        with pytest.raises(ValueError, match=f"no such {match}"):
            core.Phrase(messages, payload, zero, facts, 7)


def test_without_the_core_there_are_no_phrases() -> None:
    body = Qot_UpdateOrderBook.Response(retType=0).SerializeToString()
    found = Phrase(Qot_UpdateOrderBook.Response, [], payload="s2c", zero="retType")
    assert found.text(body) == (None if core is None else "")
    assert found.line("%s", (), body) is None


FORMS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "plain": ("%d %s: %s", (5, "none")),
    "wide": ("%6d|%-6d|%06d|%9s|%-9s|%s\n", (1, 2, 3, "none", "none")),
    "wider than wide": ("%2d|%-2d|%02d|%2s|%-2s|%s\n", (2**64 - 1, 12345, 12345, "none", "none")),
    "nothing else": ("%s", ()),
}
OTHER_FORMS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "negative": ("%d %s", (-1,)),
    "too large": ("%d %s", (2**64,)),
    "not ASCII": ("%4s %s", ("\xe9",)),
    "percent": ("%d%% %s", (5,)),
    "percent behind": ("%s%%", ()),
    "other flags": ("%+d %s", (5,)),
    "both flags": ("%-05d %s", (5,)),
    "float": ("%f %s", (5,)),
    "precision": ("%.0s %s", ("x",)),
    "far too wide": ("%99d %s", (5,)),
    "wide text": ("%9s", ()),
    "number for text": ("%s %s", (5,)),
    "text for a number": ("%d %s", ("5",)),
    "too few": ("%d %s", ()),
    "too many": ("%d %s", (1, 2)),
    "cut": ("%d %", (1,)),
    "not there": ("", ()),
}


@needs_core
@pytest.mark.parametrize("name", FORMS)
def test_a_line_is_what_python_writes(name: str) -> None:
    form, values = FORMS[name]
    body = rt_response([570, 571]).SerializeToString()
    assert phrase().line(form, values, body) == form % (*values, phrase().text(body))


@needs_core
@pytest.mark.parametrize("name", OTHER_FORMS)
def test_other_forms_are_left_to_python(name: str) -> None:
    form, values = OTHER_FORMS[name]
    assert phrase().line(form, values, rt_response([570]).SerializeToString()) is None


@needs_core
def test_there_is_no_line_without_a_text() -> None:
    message = rt_response([570])
    assert phrase([]).line("%s", (), message.SerializeToString()) is None
    message.s2c.security.code = "00700 "
    assert phrase(FACTS[:1]).text(message.SerializeToString()) == "HK.00700 "
    assert phrase(FACTS[:1]).line("%s", (), message.SerializeToString()) is None
