"""Filters agree with the same conditions written in Python over ``ftwire.read``, with the core and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ftwire
from ftwire.capture import CaptureReader, Conversation, DissectedFrame
from ftwire.frame import Frame
from ftwire.messages import Qot_GetRT
from ftwire.websocket import Envelope
from ftwire_tools.filters import parse
from ftwire_tools.filters.unanswered import unanswered_requests
from ftwire_tools.messages.securities import securities_of
from support.captures import START, answered, asked, init_request, pcap, push
from support.frames import init_response, rt_request, rt_response
from support.places import ROOT

CAPTURES = sorted(path for path in (ROOT / "fixtures" / "captures").iterdir() if path.suffix in (".pcap", ".pcapng"))
PEMS = [path.read_text() for path in sorted((ROOT / "fixtures" / "keys").glob("TEST-ONLY-[0-9]*.pem"))]

Condition = Callable[[DissectedFrame], bool]


def frames_of(capture: Path | bytes) -> list[DissectedFrame]:
    return list(ftwire.read(str(capture) if isinstance(capture, Path) else capture, keys=PEMS))


def at(message: Any, *names: str) -> list[Any]:
    """Return what is set at a path of a message."""
    if message is None or names[0] not in message.DESCRIPTOR.fields_by_name:
        return []
    value = getattr(message, names[0])
    if hasattr(value, "append") or hasattr(value, "extend"):
        items = list(value)
    else:
        items = [value] if message.HasField(names[0]) else []
    return items if len(names) == 1 else [each for item in items for each in at(item, *names[1:])]


def values(frame: DissectedFrame, *names: str) -> list[Any]:
    message: Any = frame.message
    return at(message, *names) or at(message, "s2c", *names) or at(message, "c2s", *names)


def codes(frame: DissectedFrame) -> list[str]:
    messages: list[Any] = [frame.message, None if frame.request is None else frame.request.message]
    return [name for each in messages if hasattr(each, "DESCRIPTOR") for name in securities_of(each)]


def moment(frame: DissectedFrame) -> datetime:
    return datetime.fromtimestamp(frame.time // 10**9, UTC)


def name_of(frame: DissectedFrame) -> str:
    return "" if frame.protocol is None else frame.protocol.name


CONDITIONS: dict[str, Condition] = {
    "proto == Qot_GetRT": lambda f: name_of(f) == "Qot_GetRT",
    "proto != qot_getrt": lambda f: name_of(f) not in ("", "Qot_GetRT"),
    "proto ~ Qot_Get*": lambda f: fnmatchcase(name_of(f), "Qot_Get*"),
    "proto ~ /^qot_(sub|update)/": lambda f: re.search("^Qot_(Sub|Update)", name_of(f)) is not None,
    "proto in {Qot_GetRT, 1001}": lambda f: f.proto_id in (3008, 1001),
    "proto_id >= 3000": lambda f: f.proto_id >= 3000,
    "kind == push or kind == request": lambda f: f.kind in ("push", "request"),
    "kind ~ re*": lambda f: f.kind.startswith("re"),
    "not kind in {push}": lambda f: f.kind != "push",
    "serial > 0x10": lambda f: f.frame.serial > 16,
    "number < 5": lambda f: f.number < 5,
    "conversation == 2": lambda f: f.conversation.number == 2,
    "body_length > 0.1k and length <= 300": lambda f: 102.4 < len(f.frame.payload) <= 300,
    "server == :11111": lambda f: f.conversation.server.endswith(":11111"),
    "server == 127.0.0.1:33333": lambda f: f.conversation.server == "127.0.0.1:33333",
    "src != :11111": lambda f: not f.conversation.ends(f.sender)[0].endswith(":11111"),
    'dst ~ "*:1*"': lambda f: ":1" in f.conversation.ends(f.sender)[1],
    'time >= "2026-11-22 08:02:45"': lambda f: moment(f) >= datetime(2026, 11, 22, 8, 2, 45, tzinfo=UTC),
    "time < 2026-11-22T16:02:50+08:00": lambda f: moment(f) < datetime(2026, 11, 22, 8, 2, 50, tzinfo=UTC),
    "time > 08:02:40": lambda f: f.time % (86400 * 10**9) > (8 * 3600 + 160) * 10**9,
    "format == json": lambda f: f.frame.body_format == 1,
    "encryption in {aes_cbc, rsa}": lambda f: f.encryption in ("aes_cbc", "rsa"),
    "encryption != none": lambda f: f.encryption != "none",
    "sha1_ok": lambda f: f.conversation.transport == "tcp" and f.frame.error is None,
    "latency": lambda f: f.latency is not None,
    "latency > 1.5ms": lambda f: f.latency is not None and f.latency > 1_500_000,
    "latency != 1ms": lambda f: f.latency is not None and f.latency != 1_000_000,
    "latency_ns <= 800000": lambda f: f.latency is not None and f.latency <= 800_000,
    "error": lambda f: f.error is not None,
    "not error": lambda f: f.error is None,
    "code == HK.00700": lambda f: "HK.00700" in codes(f),
    "code == 00700": lambda f: any(name.endswith(".00700") for name in codes(f)),
    "code != HK.00700": lambda f: bool(codes(f)) and "HK.00700" not in codes(f),
    "code ~ US.*": lambda f: any(name.startswith("US.") for name in codes(f)),
    "code": lambda f: bool(codes(f)),
    "code in {US.AAPL, hk.00001}": lambda f: bool({"US.AAPL", "HK.00001"} & set(codes(f))),
    "ret_type == 0": lambda f: 0 in values(f, "retType"),
    "ret_type != RetType_Succeed": lambda f: any(values(f, "retType")),
    "s2c.rtList.price > 300": lambda f: any(price > 300 for price in values(f, "rtList", "price")),
    "rtList.price <= 300": lambda f: any(price <= 300 for price in values(f, "rtList", "price")),
    "not rtList.price > 300": lambda f: not any(price > 300 for price in values(f, "rtList", "price")),
    "rtList.price != 600": lambda f: bool(values(f, "rtList", "price")) and 600 not in values(f, "rtList", "price"),
    "not rtList.price == 600": lambda f: 600 not in values(f, "rtList", "price"),
    "rtList": lambda f: bool(values(f, "rtList")),
    "rtList.isBlank == false": lambda f: False in values(f, "rtList", "isBlank"),
    "security.market == QotMarket_HK_Security": lambda f: 1 in values(f, "security", "market"),
    "security.market in {11, HK_Security}": lambda f: bool({1, 11} & set(values(f, "security", "market"))),
    "packetEncAlgo > -2 and packetEncAlgo < +1": lambda f: any(-2 < each < 1 for each in values(f, "packetEncAlgo")),
    "packetEncAlgo >= 0x0": lambda f: any(each >= 0 for each in values(f, "packetEncAlgo")),
    "subTypeList == SubType_RT": lambda f: 5 in values(f, "subTypeList"),
    "subTypeList ~ /rt$/": lambda f: 5 in values(f, "subTypeList"),
    "name ~ tenc*": lambda f: any(text.casefold().startswith("tenc") for text in values(f, "name")),
    "c2s.clientVer >= 300": lambda f: any(number >= 300 for number in values(f, "clientVer")),
    "proto ~ Qot_* and (latency > 1ms or rtList.price > 599.5) and not kind == push": lambda f: (
        name_of(f).startswith("Qot_")
        and ((f.latency or 0) > 1_000_000 or any(price > 599.5 for price in values(f, "rtList", "price")))
        and f.kind != "push"
    ),
}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_filters_agree_with_conditions(capture: Path) -> None:
    frames = frames_of(capture)
    for text, condition in CONDITIONS.items():
        chosen = parse(text)
        assert [f.number for f in frames if chosen.matches(f)] == [f.number for f in frames if condition(f)], text


def test_most_conditions_choose_something_and_leave_something_out() -> None:
    refused = Qot_GetRT.Response(retType=-1, retMsg="no quota")
    begin = [asked(1001, 1, init_request()), answered(1001, 1, init_response("0" * 16, "1" * 16))]
    failed = pcap([*begin, answered(3008, 2, refused), answered(3008, 3, b"damaged")])
    captures: list[Path | bytes] = [*CAPTURES, failed]
    frames = [frame for capture in captures for frame in frames_of(capture)]
    for text, condition in CONDITIONS.items():
        assert 0 < sum(map(condition, frames)) < len(frames), text


PARTS = st.sampled_from(
    [text for text in CONDITIONS if " and " not in text and " or " not in text and not text.startswith("not")]
)


def _both(first: Condition, second: Condition) -> Condition:
    return lambda frame: first(frame) and second(frame)


def _either(first: Condition, second: Condition) -> Condition:
    return lambda frame: first(frame) or second(frame)


def _opposite(condition: Condition) -> Condition:
    return lambda frame: not condition(frame)


@st.composite
def combined(draw: st.DrawFn) -> tuple[str, Condition]:
    """Return a filter, and the condition that it is."""
    text = draw(PARTS)
    condition = CONDITIONS[text]
    for _ in range(draw(st.integers(0, 3))):
        other = draw(PARTS)
        match draw(st.sampled_from(["and", "or", "not"])):
            case "and":
                text, condition = f"({text}) and {other}", _both(condition, CONDITIONS[other])
            case "or":
                text, condition = f"{other} or ({text})", _either(CONDITIONS[other], condition)
            case _:
                text, condition = f"not ({text})", _opposite(condition)
    return text, condition


MADE = st.lists(
    st.one_of(
        st.builds(lambda serial: asked(3008, serial, rt_request()), st.integers(2, 40)),
        st.builds(
            lambda serial, prices: answered(3008, serial, rt_response(prices)),
            st.integers(2, 40),
            st.lists(st.integers(298, 602), max_size=3),
        ),
        st.builds(lambda: answered(3009, 0, push())),
        st.builds(lambda body: answered(3008, 7, body), st.binary(max_size=20)),
        st.builds(lambda body: asked(9999, 8, body), st.binary(max_size=20)),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(MADE, combined())
def test_filters_agree_on_any_session(made: list[Any], chosen: tuple[str, Condition]) -> None:
    text, condition = chosen
    begin = [asked(1001, 1, init_request()), answered(1001, 1, init_response("0" * 16, "1" * 16))]
    frames = frames_of(pcap([*begin, *made]))
    assert len(frames) == 2 + len(made)
    found = parse(text)
    assert [f.number for f in frames if found.matches(f)] == [f.number for f in frames if condition(f)]


@settings(deadline=None)
@given(MADE)
def test_requests_and_their_answers(made: list[Any]) -> None:
    capture = pcap([asked(1001, 1, init_request()), answered(1001, 1, init_response("0" * 16, "1" * 16)), *made])
    frames = frames_of(capture)
    numbers = {id(f.frame): f.number for f in frames}
    answers = {f.number: numbers[id(f.request)] for f in frames if f.request is not None}
    for number in range(1, len(frames) + 1):
        chosen = parse(f"request == {number}")
        assert [f.number for f in frames if chosen.matches(f)] == [a for a, r in answers.items() if r == number]
    unanswered = parse("unanswered")
    assert unanswered.needs_unanswered
    unanswered.unanswered = unanswered_requests(CaptureReader().read([capture]))
    expected = [f.number for f in frames if f.kind == "request" and f.number not in answers.values()]
    assert [f.number for f in frames if unanswered.matches(f)] == expected


HEADER_ONLY = [text for text in CONDITIONS if not parse(text).needs_body]


@pytest.fixture
def some_frames() -> list[DissectedFrame]:
    return frames_of(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every look at a body: at its class, which every reader of bytes needs, and at the message."""
    looked: list[str] = []
    for frame_class in (Frame, Envelope):
        for name in ("message", "body_class", "body"):
            found: Any = getattr(frame_class, name)

            def noted(self: Any, found: Any = found, name: str = name) -> Any:
                looked.append(name)
                return found.__get__(self)

            monkeypatch.setattr(frame_class, name, property(noted))
    return looked


def test_conditions_on_the_header_touch_no_body(some_frames: list[DissectedFrame], bodies: list[str]) -> None:
    frames = some_frames
    assert len(HEADER_ONLY) > 20
    bodies.clear()
    for text in HEADER_ONLY:
        chosen = parse(text)
        for frame in frames:
            chosen.matches(frame)
    assert not bodies
    chosen = parse("kind == push and rtList.price > 0")
    pushes = [frame for frame in frames if frame.kind == "push"]
    for frame in frames:
        chosen.matches(frame)
    assert 0 < len([look for look in bodies if look == "body_class"]) <= len(pushes)


@pytest.mark.parametrize(
    ("end", "named", "same"),
    [
        ("10.0.0.1:5", "10.0.0.1:5", True),
        ("10.0.0.1:5", "10.0.0.1", True),
        ("10.0.0.1:5", ":5", True),
        ("10.0.0.1:15", ":5", False),
        ("10.0.0.11:5", "10.0.0.1", False),
        ("[::1]:5", "::1", True),
        ("[::1]:5", "[::1]:5", True),
        ("[::1]:5", ":5", True),
        ("[fd00::1]:5", "FD00::1", True),
        ("[fd00::1]:5", "[FD00::1]:5", True),
        ("client", "client", True),
        ("client", "", False),
    ],
)
def test_ends_are_named_whole_or_by_host_or_port(end: str, named: str, same: bool) -> None:
    conversation = Conversation(1, "tcp", end, "10.9.9.9:11111")
    assert parse(f'client == "{named}"').may_match(conversation, START) is same
    assert parse(f'client != "{named}"').may_match(conversation, START) is not same


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("conversation == 2", (2, START), True),
        ("conversation == 2", (1, START), False),
        ("conversation == 2 and proto == Qot_GetRT", (2, START), True),
        ("conversation == 2 and proto == Qot_GetRT", (1, START), False),
        ("conversation == 2 or proto == Qot_GetRT", (1, START), True),
        ("not (conversation == 1 or error)", (1, START), False),
        ("time > 2022-01-01", (1, START), False),
        ("not time > 2022-01-01", (1, START), True),
        ("client == :5", (1, START), True),
        ("rtList.price > 5", (1, START), True),
    ],
)
def test_what_is_no_frame_is_shown_unless_its_place_rules_it_out(
    text: str, place: tuple[int, int], shown: bool
) -> None:
    conversation = Conversation(place[0], "tcp", "10.0.0.1:5", "10.0.0.2:11111")
    assert parse(text).may_match(conversation, place[1]) is shown
