"""What a frame says in a few words, with a message of its body made and without."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.test_transcode import CLASSES, damaged
from ftwire.capture import Conversation
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Role
from ftwire.messages import InitConnect, Qot_UpdateBasicQot
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire.websocket import Envelope
from ftwire_tools.dumping.body_view import read_brief, read_message, read_text
from ftwire_tools.messages.masking import may_be_secret
from ftwire_tools.messages.summary import facts_of
from ftwire_tools.render import ShownFrame
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer
from support.cores import needs_core
from support.frames import init_response, rt_response

TALK = Conversation(1, "tcp", "127.0.0.1:50112", "127.0.0.1:11111")


@needs_core
def test_a_line_takes_no_message_where_the_core_is() -> None:
    for read, said in (
        (read_brief, "HK.00700 rtList[1] price="),
        (partial(read_text, show_secrets=False), '{"retType"'),
    ):
        frame = Frame.build(3009, 1, rt_response([570]).SerializeToString(), sender=Role.SERVER)
        message, error, text = read(frame)
        assert (message, error, frame._message) == (None, None, None)
        assert text is not None
        assert text.startswith(said)


def test_secrets_are_masked_as_before() -> None:
    body = init_response("0123456789ABCDEF", "FEDCBA9876543210").SerializeToString()
    frame = Frame.build(1001, 1, body, sender=Role.SERVER)
    seen = FrameObserved(frame, Role.SERVER, frame.kind, "none", 1, 1, None, None)
    read = {shown: read_text(frame, show_secrets=shown) for shown in (False, True)}
    assert read[False][2] is None
    for shown in (False, True):
        for line in (
            JsonRenderer(show_secrets=shown).frame(ShownFrame(1, TALK, seen, *read[shown])),
            LineRenderer(show_secrets=shown).frame(ShownFrame(1, TALK, seen, *read_brief(frame))),
        ):
            assert ("0123456789ABCDEF" in line) is (shown and line.startswith("{"))


def test_secrets_of_a_former_class_are_masked_too() -> None:
    body = init_response("0123456789ABCDEF", None).SerializeToString()
    frame = Frame.build(3009, 1, body, sender=Role.SERVER)
    assert not may_be_secret(frame)
    frame.classes.formers[3009] = (InitConnect.Response,)
    message, error, text = read_text(frame, show_secrets=False)
    assert isinstance(message, InitConnect.Response)
    assert (error, text) == (None, None)
    seen = FrameObserved(frame, Role.SERVER, frame.kind, "none", 1, 1, None, None)
    line = JsonRenderer().frame(ShownFrame(1, TALK, seen, message, error, text))
    assert '"connAESKey": "***"' in line
    assert "0123456789ABCDEF" in str(read_text(frame, show_secrets=True)[2])


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from(CLASSES), seed=st.integers(0, 2**32), data=st.data())
def test_lines_are_the_same_with_and_without_a_message(
    message_class: type[Message], seed: int, data: st.DataObject
) -> None:
    chance = Random(seed)  # noqa: S311 - damage, not a secret
    message: Any = data.draw(messages(message_class))
    if "retType" in message.DESCRIPTOR.fields_by_name and chance.random() < 0.8:
        message.retType = 0
    proto_id, sender = next(
        (entry.proto_id, role)
        for entry in registry
        for role, sent in ((Role.CLIENT, entry.request), (Role.SERVER, entry.response))
        if sent is message_class
    )
    body = message.SerializePartialToString()
    for _ in range(8):
        for build in (Frame.build, Envelope.build):
            lines = []
            for renderer, readers in (
                (LineRenderer, (read_brief, read_message)),
                (JsonRenderer, (lambda frame: read_text(frame, show_secrets=False), read_message)),
            ):
                for read in readers:
                    frame = build(proto_id, 7, body, sender=sender)
                    seen = FrameObserved(frame, sender, frame.kind, "none", 1, 1, None, None)
                    lines.append(renderer().frame(ShownFrame(1, TALK, seen, *read(frame))))
            assert lines[0] == lines[1]
            assert lines[2] == lines[3]
            # Whatever came over the wire, a terminal shows it and obeys nothing.
            assert all(line.isprintable() for text in lines for line in text.split("\n"))
        frame = Frame.build(proto_id, 7, body, sender=sender)
        check_brief(FrameObserved(frame, sender, frame.kind, "none", 10**18, 1, None, 1_500))
        body = damaged(body, chance)


def check_brief(seen: FrameObserved) -> bool:
    """Compare the line that comes without a message with the one that comes with it; say if there is one."""
    renderer = LineRenderer()
    assert renderer.brief(8, TALK, seen) is None, "no line came before it"
    first = renderer.frame(ShownFrame(7, TALK, seen, *read_message(seen.frame)))
    assert first.count("\n") == 3
    usual = renderer.frame(ShownFrame(8, TALK, seen, *read_message(seen.frame)))
    brief = renderer.brief(8, TALK, seen)
    assert brief in {None, usual}
    for time in (10**18 + 10**9, 10**18 - 1, 0):
        assert renderer.brief(8, TALK, seen._replace(time=time)) is None, "another second"
    assert renderer.brief(8, TALK._replace(number=2), seen) is None, "another conversation"
    return brief is not None


def test_frames_without_a_time_have_no_second() -> None:
    frame = rt_push()
    renderer = LineRenderer()
    for time, shown in ((0, "--:--:--.------"), (1_000, "00:00:00.000001"), (0, "--:--:--.------"), (0, "-")):
        seen = FrameObserved(frame, Role.SERVER, frame.kind, "none", time, 1, None, None)
        line = renderer.brief(1, TALK, seen) or renderer.frame(ShownFrame(1, TALK, seen, *read_message(frame)))
        assert f"     1 {shown}" in line


def rt_push(**fields: Any) -> Frame:
    message = rt_response([570])
    for name, value in fields.items():
        setattr(message.s2c.security if name == "code" else message.s2c, name, value)
    return Frame.build(3009, 1, message, sender=Role.SERVER)


NAMES = {
    "plain": ("TENCENT", True),
    "Chinese": ("\u817e\u8baf\u63a7\u80a1", True),
    "two words": ("TENCENT HOLDINGS", True),
    "long": ("T" * 33, False),
    "long Chinese": ("\u817e" * 11, False),
    "accented": ("Nestl\u00e9", False),
    "control": ("\x1b[2J", False),
    "none": ("", True),
}


@needs_core
@pytest.mark.parametrize("name", NAMES)
def test_names_are_said_as_with_a_message(name: str) -> None:
    text, is_brief = NAMES[name]
    frame = rt_push(name=text)
    assert check_brief(FrameObserved(frame, Role.SERVER, frame.kind, "none", 10**18, 1, None, None)) is is_brief


@needs_core
@pytest.mark.parametrize(
    ("code", "is_brief"), [("00700", True), ("BRK.B", True), ("00700 ", True), ("0" * 30, False), ("\n", False)]
)
def test_codes_are_said_as_with_a_message(code: str, is_brief: bool) -> None:
    frame = rt_push(code=code)
    assert check_brief(FrameObserved(frame, Role.SERVER, frame.kind, "none", 10**18, 1, None, None)) is is_brief


def test_what_no_phrase_can_say_a_message_says_in_the_same_way() -> None:
    quotes = Qot_UpdateBasicQot.Response(retType=0)
    for code in ("00700", "09988"):
        security = quotes.s2c.basicQotList.add().security
        security.market, security.code = 1, code
    frames = {
        "said": (Frame.build(3005, 1, quotes.SerializePartialToString(), sender=Role.SERVER), True),
        "refused": (Frame.build(3005, 1, Qot_UpdateBasicQot.Response(retType=-1), sender=Role.SERVER), True),
        "nothing": (Frame.build(3005, 1, Qot_UpdateBasicQot.Response(retType=0), sender=Role.SERVER), False),
        "damaged": (Frame.build(3005, 1, b"\x0f", sender=Role.SERVER), False),
        "JSON": (Frame.build(3005, 1, b"{}", sender=Role.SERVER, body_format=1), False),
    }
    for what, (frame, is_brief) in frames.items():
        assert check_brief(FrameObserved(frame, Role.SERVER, frame.kind, "none", 10**18, 1, None, None)) is is_brief, (
            what
        )


def test_what_would_move_the_cursor_is_shown_instead() -> None:
    frame = rt_push(code="\x1b[2J\n")
    assert facts_of(frame.message).startswith(r"HK.\x1b[2J\n rtList[1]")  # type: ignore[arg-type]
    quotes = Qot_UpdateBasicQot.Response(retType=0)
    security = quotes.s2c.basicQotList.add().security
    security.market, security.code = 11, "A" * 40 + "\x1b"
    assert facts_of(quotes) == f"basicQotList[1] US.{'A' * 26}..."
