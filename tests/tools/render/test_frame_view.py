"""A frame as it may be shown: its summary and its JSON, whoever reads the body, and no secrets."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.test_json import CLASSES, damaged
from ftwire.capture import Conversation, DissectedFrame
from ftwire.errors import BodyError, MissingFieldsError
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Role
from ftwire.messages import (
    InitConnect,
    Qot_GetOptionChain,
    Qot_Sub,
    Qot_UpdateBasicQot,
    Trd_GetPositionList,
    Trd_UpdateOrder,
)
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire.websocket import Envelope
from ftwire_tools.messages.masking import MessageView, mask_of
from ftwire_tools.messages.summary import summary_of
from ftwire_tools.render import Renderer
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer
from support.cores import needs_core
from support.frames import init_response, rt_response

TALK = Conversation(1, "tcp", "127.0.0.1:50112", "127.0.0.1:11111")
KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"


def observed(frame: Frame | Envelope, *, time: int = 10**18, latency: int | None = None) -> FrameObserved:
    return FrameObserved(frame, frame.sender, frame.kind, "none", time, 1, None, latency)


def view_of(frame: Frame | Envelope, *, show_secrets: bool = False) -> FrameView:
    return FrameView(frame, show_secrets=show_secrets)


def text_of(renderer: Renderer, frame: Frame | Envelope) -> str:
    return renderer.frame(DissectedFrame(1, TALK, observed(frame)))[0]


@needs_core
def test_a_line_takes_no_message_where_the_core_is(monkeypatch: pytest.MonkeyPatch) -> None:
    body = rt_response([570]).SerializeToString()

    def no_message(frame: Frame) -> Message:
        raise AssertionError(f"a message of {frame.proto_id} was made")

    monkeypatch.setattr(Frame, "message", property(no_message))
    for renderer, text in ((LineRenderer(), "HK.00700 rtList[1] price="), (JsonRenderer(), '{"retType"')):
        frame = Frame.build(3009, 1, body, sender=Role.SERVER)
        shown, error = renderer.frame(DissectedFrame(1, TALK, observed(frame)))
        assert text in shown
        assert error is None


def test_secrets_are_masked() -> None:
    body = init_response(KEY, IV).SerializeToString()
    for shown in (False, True):
        frame = Frame.build(1001, 1, body, sender=Role.SERVER)
        view = view_of(frame, show_secrets=shown)
        assert KEY not in text_of(LineRenderer(show_secrets=shown), frame)
        assert (KEY in text_of(JsonRenderer(show_secrets=shown), frame)) is shown
        assert ((view.body_bytes or b"").find(KEY.encode()) > 0) is shown
        assert isinstance(view.message, MessageView)
        assert (KEY in str(view.message.at(("connAESKey",)))) is shown


def test_secrets_of_a_former_class_are_masked_too() -> None:
    body = init_response(KEY, None).SerializeToString()
    frame = Frame.build(3009, 1, body, sender=Role.SERVER)
    assert not mask_of(frame, show_secrets=False).hides_some
    frame.classes.formers[3009] = (InitConnect.Response,)
    line = text_of(JsonRenderer(), frame)
    assert '"connAESKey": "***"' in line
    assert KEY not in line
    assert KEY in text_of(JsonRenderer(show_secrets=True), frame)


def test_hidden_values_are_compared_and_not_shown() -> None:
    first, same, other = (MessageView(init_response(key, None), show_secrets=False) for key in (KEY, KEY, IV))
    path = ("s2c", "connAESKey")
    assert str(first.at(path)) == f"{first.at(path)}" == "***"
    assert first.at(path) == same.at(path)
    assert first.at(path) != other.at(path)
    assert first.at(path) != "***"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from(CLASSES), seed=st.integers(0, 2**32), data=st.data())
def test_lines_are_the_same_whoever_reads_the_body(
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
            dissected = DissectedFrame(1, TALK, observed(build(proto_id, 7, body, sender=sender)))
            line, line_error = LineRenderer().frame(dissected)
            text, text_error = JsonRenderer().frame(dissected)
            try:
                parsed: Any = message_class.FromString(body)
            except Exception:
                assert isinstance(line_error, BodyError)
                assert isinstance(text_error, BodyError)
                assert "BodyError" in line
            else:
                last, body_text = line.splitlines()[-1], MessageView(parsed, show_secrets=False).to_json()
                lacking = tuple(parsed.FindInitializationErrors())
                if lacking:
                    assert isinstance(line_error, MissingFieldsError)
                    assert isinstance(text_error, MissingFieldsError)
                    assert line_error.fields == text_error.fields == lacking
                    assert last.endswith(f"{summary_of(parsed)} MissingFieldsError: {line_error}".lstrip())
                    assert f'"body": {body_text}, "error": "{line_error}"' in text
                else:
                    assert (line_error, text_error) == (None, None)
                    assert last.endswith(summary_of(parsed).rstrip())
                    assert f'"body": {body_text}, "error": null' in text
            # Whatever came over the wire, a terminal shows it and obeys nothing.
            assert all(each.isprintable() for each in (line + text).split("\n"))
        body = damaged(body, chance)


def test_lines_of_one_second_differ_in_what_differs() -> None:
    frame = Frame.build(3009, 1, rt_response([570]), sender=Role.SERVER)
    renderer = LineRenderer()
    first = renderer.frame(DissectedFrame(7, TALK, observed(frame)))[0]
    assert first.count("\n") == 3, "a day and a conversation come before it"
    soon = observed(frame, time=10**18 + 5_000, latency=1_500)
    again = renderer.frame(DissectedFrame(8, TALK, soon))[0]
    before, line = first.splitlines()[-1], again.removesuffix("\n")
    assert (before[:6], line[:6]) == ("     7", "     8")
    assert (before[16:22], line[16:22]) == ("000000", "000005")
    assert "1.5us" in line
    assert line.replace("1.5us", "     ")[22:] == before[22:]
    later = renderer.frame(DissectedFrame(9, TALK, observed(frame, time=10**18 + 10**9)))[0]
    assert later[7:15] != line[7:15]
    other = renderer.frame(DissectedFrame(10, TALK._replace(number=2), observed(frame)))[0]
    assert other.splitlines()[0] == "--- 2: client 127.0.0.1:50112, server 127.0.0.1:11111, tcp"
    assert " 2 <- push" in other


def test_frames_without_a_time_have_no_second() -> None:
    frame = Frame.build(3009, 1, rt_response([570]), sender=Role.SERVER)
    renderer = LineRenderer()
    for time, shown in ((0, "--:--:--.------"), (1_000, "00:00:00.000001"), (0, "--:--:--.------"), (0, "-")):
        assert f"     1 {shown}" in renderer.frame(DissectedFrame(1, TALK, observed(frame, time=time)))[0]


def rt_push(**fields: Any) -> Frame:
    message = rt_response([570])
    for name, value in fields.items():
        setattr(message.s2c.security if name == "code" else message.s2c, name, value)
    return Frame.build(3009, 1, message, sender=Role.SERVER)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TENCENT", "name=TENCENT"),
        ("\u817e\u8baf\u63a7\u80a1", "name=\u817e\u8baf\u63a7\u80a1"),
        ("TENCENT HOLDINGS", 'name="TENCENT HOLDINGS"'),
        ("T" * 33, f'name="{"T" * 29}..."'),
        ("\u817e" * 33, 'name="' + "\u817e" * 29 + '..."'),
        ("Nestl\u00e9", "name=Nestl\u00e9"),
        ("\x1b[2J", r'name="\x1b[2J"'),
        ("", 'name=""'),
    ],
)
def test_names_are_short_and_printable(name: str, text: str) -> None:
    assert view_of(rt_push(name=name)).summary.endswith(f" {text}")


@pytest.mark.parametrize(
    ("code", "text"),
    [("00700", "HK.00700"), ("BRK.B", "HK.BRK.B"), ("0" * 30, f"HK.{'0' * 26}..."), ("\n", r"HK.\n"), ("", "HK.")],
)
def test_codes_are_short_and_printable(code: str, text: str) -> None:
    assert view_of(rt_push(code=code)).summary.startswith(f"{text} rtList[1]")


def test_the_same_value_is_written_in_the_same_way_again() -> None:
    for price in (0.0, -0.0, 0.0, 600.5, -0.0):
        message = rt_response([570])
        message.s2c.rtList[0].price = price
        frame = Frame.build(3009, 1, message, sender=Role.SERVER)
        assert view_of(frame).summary == f"HK.00700 rtList[1] price={price}"


def quotes(*codes: str) -> Qot_UpdateBasicQot.Response:
    message = Qot_UpdateBasicQot.Response(retType=0)
    for code in codes:
        quote = message.s2c.basicQotList.add(curPrice=1.5)
        quote.security.market, quote.security.code = 1, code
    return message


def order(**fields: Any) -> Trd_UpdateOrder.Response:
    message = Trd_UpdateOrder.Response(retType=0)
    message.s2c.header.trdEnv, message.s2c.header.accID, message.s2c.header.trdMarket = 1, 281_756, 2
    for name, value in {"code": "AAPL", "secMarket": 2, "trdSide": 1, "orderStatus": 5, **fields}.items():
        setattr(message.s2c.order, name, value)
    return message


def chain() -> Qot_GetOptionChain.Response:
    message = Qot_GetOptionChain.Response(retType=0)
    for code in ("A", "B"):
        basic = message.s2c.optionChain.add().option.add().call.basic
        basic.security.market, basic.security.code = 11, code
    return message


def refused(**fields: Any) -> Trd_GetPositionList.Response:
    return Trd_GetPositionList.Response(retType=-1, **fields)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (quotes("00700"), "basicQotList[1] HK.00700 curPrice=1.5"),
        (quotes("1", "2", "1", "3", "4"), "basicQotList[5] HK.1,HK.2,HK.3,..."),
        (order(qty=100.0), "trdEnv=Real trdMarket=US US.AAPL trdSide=Buy orderStatus=Submitted qty=100.0"),
        (chain(), "optionChain[2] US.A,US.B"),
        (Qot_Sub.Request(c2s=Qot_Sub.C2S(subTypeList=[1, 4, 99])), "subTypeList=Basic,Ticker,99"),
        (refused(errCode=4, retMsg="no such account"), 'retType=-1(Failed) errCode=4 "no such account"'),
        (refused(errCode=0, retMsg=""), "retType=-1(Failed)"),
        (Trd_GetPositionList.Response(), "retType absent"),
        (Trd_GetPositionList.Response(retType=0), ""),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)  # fmt: skip
def test_summaries(message: Message, text: str) -> None:
    assert summary_of(message) == text
    proto_id, sender = next(
        (entry.proto_id, role)
        for entry in registry
        for role, sent in ((Role.CLIENT, entry.request), (Role.SERVER, entry.response))
        if sent is type(message)
    )
    frame = Frame.build(proto_id, 1, message.SerializePartialToString(), sender=sender)
    assert view_of(frame).summary == text


def test_json_and_damaged_bodies_are_summarized_too() -> None:
    frame = Frame.build(3009, 1, rt_response([570]), sender=Role.SERVER, body_format=1)
    assert " json HK.00700 rtList[1]" in text_of(LineRenderer(), frame)
    frame = Frame.build(3005, 1, b"\x0f", sender=Role.SERVER)
    assert "BodyError: " in text_of(LineRenderer(), frame)
    broken = view_of(frame)
    assert (broken.summary, broken.json, broken.message) == ("", None, None)


def test_what_would_move_the_cursor_is_shown_instead() -> None:
    frame = rt_push(code="\x1b[2J\n")
    assert summary_of(frame.message).startswith(r"HK.\x1b[2J\n rtList[1]")  # type: ignore[arg-type]
    quotes = Qot_UpdateBasicQot.Response(retType=0)
    security = quotes.s2c.basicQotList.add().security
    security.market, security.code = 11, "A" * 40 + "\x1b"
    assert summary_of(quotes) == f"basicQotList[1] US.{'A' * 26}..."
