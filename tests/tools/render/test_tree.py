"""JSON on a terminal: every character is visible, and none is a control character."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ftwire.messages import InitConnect, Qot_GetRT
from ftwire_tools.messages.masking import MessageView
from ftwire_tools.render.tree import tree_of
from ftwire_tools.terminal.json_text import readable_json
from support.frames import rt_response

TEXTS = st.text(st.characters(codec=None, categories=None))
VALUES = st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))


@given(VALUES, st.sampled_from([None, 2]))
def test_it_is_json_of_the_same_value_and_every_terminal_shows_it(value: Any, indent: int | None) -> None:
    text = readable_json(value, indent=indent)
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode()


def test_names_stay_readable() -> None:
    assert readable_json({"name": "腾讯控股"}) == '{"name": "腾讯控股"}'
    assert readable_json("\x9b2J\u202e") == r'"\u009b2J\u202e"'


def test_a_tree_obeys_no_text_of_its_message() -> None:
    message = rt_response([570])
    message.s2c.name = "\x9b2J"
    lines = tree_of(MessageView(message, show_secrets=False)).splitlines()
    assert all(line.isprintable() for line in lines)
    assert any(line.endswith(r'name: "\u009b2J"') for line in lines)


def test_a_tree_has_fields_that_the_class_does_not() -> None:
    # Field 77: a varint, text, a group with a fixed32 in it; and the same inside s2c.
    unknown = bytes.fromhex("e80405 ea0402686f eb04 0d01000000 ec04")
    message = Qot_GetRT.Response.FromString(rt_response([]).SerializeToString() + unknown)
    message.s2c.MergeFromString(unknown)
    lines = tree_of(MessageView(message, show_secrets=False), indent="").splitlines()
    shown = ["field 77: 5", "field 77: hex 686f", "field 77: group", "  field 1: 1"]
    assert lines[-4:] == shown
    assert lines[-8:-4] == [f"  {line}" for line in shown]


def test_fields_that_nobody_knows_may_be_secrets() -> None:
    message = InitConnect.Response.FromString(bytes.fromhex("0800 e80405 ea0402686f"))
    hidden, shown = (MessageView(message, show_secrets=shows) for shows in (False, True))
    assert tree_of(hidden, indent="").splitlines()[1:] == ["field 77: ***"] * 2
    assert tree_of(shown, indent="").splitlines()[1:] == ["field 77: 5", "field 77: hex 686f"]
