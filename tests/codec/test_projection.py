"""A few values of a body: what the message has there, whoever picks them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.test_transcode import CLASSES, EVERYTHING, damaged
from ftwire._core import core
from ftwire._render import is_repeated
from ftwire.errors import BodyError
from ftwire.messages import Qot_GetRT
from ftwire.projection import Projection
from ftwire.strategies import messages
from support.cores import needs_core
from support.frames import rt_request, rt_response


def test_values_are_picked_in_the_order_of_the_paths() -> None:
    paths = ["s2c.rtList", "retType", "s2c", "s2c.security.code", "s2c.rtList.minute", "s2c.name", "retMsg"]
    picker = Projection(Qot_GetRT.Response, paths)
    assert picker.paths == tuple(paths)
    message = rt_response([570, 571, 572])
    message.s2c.ClearField("name")
    picked = (3, 0, True, "00700", 570, None, None)
    assert picker.of(message) == picker.decode(message.SerializeToString()) == picked
    assert picker.decode(b"") == (None,) * 7
    assert Projection(Qot_GetRT.Response, ()).decode(b"") == ()


@pytest.mark.parametrize("path", ["", "nothing", "retType.x", "s2c.", ".s2c", "s2c.rtList.0", "s2c..name"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"Qot_GetRT\.Response has nothing at"):
        Projection(Qot_GetRT.Response, [path])


def test_a_path_is_given_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Projection(Qot_GetRT.Response, ["retType", "s2c", "retType"])


def test_a_picker_keeps_to_its_class() -> None:
    with pytest.raises(TypeError, match=r"out of Qot_GetRT\.Response, not out of Qot_GetRT\.Request"):
        Projection(Qot_GetRT.Response, ["retType"]).of(rt_request())


def test_a_body_that_does_not_parse_is_an_error_wherever_it_is_broken() -> None:
    body = rt_response().SerializeToString()
    with pytest.raises(BodyError, match="rtList"):
        Projection(Qot_GetRT.Response, ["retType"]).decode(
            body.replace(b"\x0a\x13", b"\x0f\x13")
        )  # there is no wire type 7


@needs_core
def test_the_core_refuses_what_the_library_would_not_ask() -> None:
    assert core is not None
    wrong: list[list[list[int]]] = [[[]], [[2]], [[1, 1]], [[1], [1]]]
    for paths in wrong:
        with pytest.raises(ValueError, match="nothing at"):
            core.Picker([[(1, 5, False, "one", 0, [])]], paths)
    with pytest.raises(ValueError, match="no such message"):
        core.Picker([], [])


def paths_of(descriptor: Any, depth: int = 4) -> list[str]:
    paths: list[str] = []
    for field in descriptor.fields:
        paths.append(field.name)
        if field.message_type is not None and depth:
            paths += [f"{field.name}.{below}" for below in paths_of(field.message_type, depth - 1)]
    return paths


def check(picker: Projection, body: bytes, message_class: type[Message]) -> bool:
    """Compare what the core picks with what the message has; say whether it picked anything."""
    found = None if picker._core is None else picker._core.pick(body)
    try:
        expected = picker.of(message_class.FromString(body))
    except Exception:
        assert found is None
        return False
    # repr: a NaN is not equal to itself.
    assert found is None or repr(found) == repr(expected)
    assert repr(picker.decode(body)) == repr(expected)
    return found is not None


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from([*CLASSES, *[EVERYTHING] * 40]), seed=st.integers(0, 2**32), data=st.data())
def test_whatever_is_picked_is_what_the_message_has(
    message_class: type[Message], seed: int, data: st.DataObject
) -> None:
    chance = Random(seed)  # noqa: S311 - damage, not a secret
    paths = paths_of(message_class.DESCRIPTOR, 1 if message_class is EVERYTHING else 4)
    picker = Projection(message_class, chance.sample(paths, min(len(paths), 40)))
    message = data.draw(messages(message_class))
    body = message.SerializePartialToString()
    for _ in range(20):
        check(picker, damaged(body, chance), message_class)
    check(picker, body, message_class)
    message.DiscardUnknownFields()
    assert check(picker, message.SerializePartialToString(), message_class) is (core is not None)


def test_lists_are_counted_packed_or_not() -> None:
    descriptor: Any = EVERYTHING.DESCRIPTOR
    for each in descriptor.fields:
        if is_repeated(each) and each.message_type is None and each.type not in (9, 12):
            picker = Projection(EVERYTHING, [each.name])
            message: Any = EVERYTHING()
            getattr(message, each.name).extend([1] * 300)
            assert check(picker, message.SerializeToString(), EVERYTHING) is (core is not None)
            assert picker.of(message) == (300,)
