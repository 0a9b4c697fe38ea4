"""The values at a few paths of a body: those that the message has there, whichever twin reads them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ftwire
from codec.test_json import CLASSES, EVERYTHING, damaged
from ftwire.errors import BodyError
from ftwire.messages import Qot_GetOptionChain, Qot_GetRT, Qot_Sub, Qot_UpdateBasicQot
from ftwire.projection import Projection
from ftwire.schema import is_repeated
from ftwire.strategies import messages
from support.cores import needs_core
from support.frames import rt_request, rt_response


def test_values_come_in_the_order_of_the_paths() -> None:
    paths = ["s2c.rtList", "retType", "s2c", "s2c.security.code", "s2c.rtList.minute", "s2c.name", "retMsg"]
    projection = Projection(Qot_GetRT.Response, paths)
    assert projection.paths == tuple(paths)
    message = rt_response([570, 571, 572])
    message.s2c.ClearField("name")
    values = (3, 0, True, "00700", 570, None, None)
    assert projection.of(message) == projection.decode(message.SerializeToString()) == values
    assert projection.decode(b"") == (None,) * 7
    assert Projection(Qot_GetRT.Response, ()).decode(b"") == ()


def test_every_item_of_a_list_has_an_entry() -> None:
    quotes = Qot_UpdateBasicQot.Response(retType=0)
    for market, code in ((1, "00700"), (11, None), (1, "09988")):
        security = quotes.s2c.basicQotList.add().security
        security.market = market
        if code is not None:
            security.code = code
    paths = [f"s2c.basicQotList{path}" for path in ("[].security.market", "", "[].security.code", ".security.code")]
    projection = Projection(Qot_UpdateBasicQot.Response, paths)
    values = ([1, 11, 1], 3, ["00700", None, "09988"], "00700")
    assert projection.of(quotes) == projection.decode(quotes.SerializePartialToString()) == values
    assert projection.decode(b"") == (None,) * 4


def test_lists_in_lists_give_lists_of_lists() -> None:
    chain = Qot_GetOptionChain.Response(retType=0)
    for codes in (["A", "B"], [], ["C"]):
        options = chain.s2c.optionChain.add(strikeTime="x")
        for code in codes:
            options.option.add().call.basic.security.code = code
    paths = ["s2c.optionChain[].option[].call.basic.security.code", "s2c.optionChain[].option"]
    projection = Projection(Qot_GetOptionChain.Response, paths)
    values = ([["A", "B"], None, ["C"]], [2, None, 1])
    assert projection.of(chain) == projection.decode(chain.SerializePartialToString()) == values


def test_a_list_of_scalars_is_counted_or_given() -> None:
    request = Qot_Sub.Request()
    request.c2s.subTypeList.extend([1, 4])
    projection = Projection(Qot_Sub.Request, ["c2s.subTypeList[]", "c2s.subTypeList"])
    assert projection.of(request) == projection.decode(request.SerializePartialToString()) == ([1, 4], 2)


@pytest.mark.parametrize(
    "path", ["", "nothing", "retType.x", "s2c.", ".s2c", "s2c.rtList.0", "s2c..name", "retType[]", "s2c[].name", "[]"]
)
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"Qot_GetRT\.Response has nothing at"):
        Projection(Qot_GetRT.Response, [path])


def test_messages_of_a_list_are_no_values() -> None:
    with pytest.raises(ValueError, match=r"has messages at 's2c\.rtList\[\]'"):
        Projection(Qot_GetRT.Response, ["s2c.rtList[]"])


def test_a_path_is_given_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Projection(Qot_GetRT.Response, ["retType", "s2c", "retType"])


def test_a_projection_reads_its_own_class() -> None:
    with pytest.raises(TypeError, match=r"of Qot_GetRT\.Response cannot read Qot_GetRT\.Request"):
        Projection(Qot_GetRT.Response, ["retType"]).of(rt_request())


def test_a_body_that_does_not_parse_is_an_error_wherever_it_is_broken() -> None:
    body = rt_response().SerializeToString()
    with pytest.raises(BodyError, match="rtList"):
        Projection(Qot_GetRT.Response, ["retType"]).decode(
            body.replace(b"\x0a\x13", b"\x0f\x13")
        )  # there is no wire type 7


@needs_core
def test_the_core_refuses_what_the_library_would_not_ask() -> None:
    import ftwire_core

    fields: list[Any] = [(1, 5, 1, "one", 0, []), (3, 5, 3, "many", 0, []), (4, 11, 3, "messages", 0, [])]
    once, every = False, True
    wrong: list[list[list[tuple[int, bool]]]] = [
        [[]],
        [[(2, once)]],
        [[(1, once), (1, once)]],
        [[(1, once)], [(1, once)]],
        [[(1, every)]],
        [[(3, every)], [(3, every)]],
        [[(3, every), (1, once)]],
        [[(4, every)]],
    ]
    for paths in wrong:
        with pytest.raises(ValueError, match="nothing at"):
            ftwire_core.Projection([fields], paths)
    with pytest.raises(ValueError, match="no such message"):
        ftwire_core.Projection([], [])


def paths_of(descriptor: Any, depth: int = 4) -> list[str]:
    paths: list[str] = []
    for field in descriptor.fields:
        names = [field.name, f"{field.name}[]"] if is_repeated(field) else [field.name]
        paths += names if field.message_type is None else names[:1]
        if field.message_type is not None and depth:
            below = paths_of(field.message_type, depth - 1)
            paths += [f"{name}.{path}" for name in names for path in below]
    return paths


def check(projection: Projection, body: bytes) -> bool:
    """Compare what is read from a body with what its message has; return whether the core read it."""
    found = projection.decode_plain(body)
    try:
        message = projection.message_class.FromString(body)
    except Exception:
        assert found is None
        with pytest.raises(BodyError):
            projection.decode(body)
        return False
    expected = projection.of(message)
    # repr: a NaN is not equal to itself.
    assert found is None or repr(found) == repr(expected)
    assert repr(projection.decode(body)) == repr(expected)
    return found is not None


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from([*CLASSES, *[EVERYTHING] * 40]), seed=st.integers(0, 2**32), data=st.data())
def test_whatever_is_read_is_what_the_message_has(message_class: type[Message], seed: int, data: st.DataObject) -> None:
    chance = Random(seed)  # noqa: S311 - damage, not a secret
    paths = paths_of(message_class.DESCRIPTOR, 1 if message_class is EVERYTHING else 4)
    projection = Projection(message_class, chance.sample(paths, min(len(paths), 40)))
    message = data.draw(messages(message_class))
    body = message.SerializePartialToString()
    for _ in range(20):
        check(projection, damaged(body, chance))
    check(projection, body)
    message.DiscardUnknownFields()
    assert check(projection, message.SerializePartialToString()) is ftwire.compiled


def value_at(message: Any, path: str) -> Any:
    """The value at a path, found in another way: field by field, without a plan."""
    name, _, rest = path.partition(".")
    every = name.endswith("[]")
    name = name.removesuffix("[]")
    value = getattr(message, name)
    if is_repeated(message.DESCRIPTOR.fields_by_name[name]):
        if not value:
            return None
        if every:
            return [value_at(item, rest) if rest else item for item in value]
        return value_at(value[0], rest) if rest else len(value)
    if not message.HasField(name):
        return None
    if rest:
        return value_at(value, rest)
    return True if isinstance(value, Message) else value


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from([*CLASSES, *[EVERYTHING] * 40]), seed=st.integers(0, 2**32), data=st.data())
def test_each_path_is_followed_step_by_step(message_class: type[Message], seed: int, data: st.DataObject) -> None:
    paths = paths_of(message_class.DESCRIPTOR, 1 if message_class is EVERYTHING else 4)
    some = Random(seed).sample(paths, min(len(paths), 40))  # noqa: S311 - a choice, not a secret
    message = data.draw(messages(message_class))
    assert repr(Projection(message_class, some).of(message)) == repr(tuple(value_at(message, path) for path in some))


def test_lists_are_counted_and_given_packed_or_not() -> None:
    descriptor: Any = EVERYTHING.DESCRIPTOR
    for each in descriptor.fields:
        if is_repeated(each) and each.message_type is None and each.type not in (9, 12):
            projection = Projection(EVERYTHING, [each.name, f"{each.name}[]"])
            message: Any = EVERYTHING()
            getattr(message, each.name).extend([1] * 300)
            assert check(projection, message.SerializeToString()) is ftwire.compiled
            assert projection.of(message) == (300, [1] * 300)
