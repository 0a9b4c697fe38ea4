"""Required fields that a body lacks: each way to show a frame names them, and none shows a default in their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ftwire
from ftwire.body import missing_fields
from ftwire.errors import MissingFieldsError
from ftwire.frame import Frame, Role
from ftwire.header import BodyFormat
from ftwire.messages import Qot_GetRT, Qot_UpdateRT
from ftwire.websocket import Envelope
from ftwire_tools.client.errors import ReplyError
from ftwire_tools.commands import ftwire as command
from ftwire_tools.render.frame_view import FrameView
from support.captures import Said, answered, asked, pcap, session

RESPONSE = Qot_GetRT.Response()
RESPONSE.s2c.security.market = 1
RESPONSE.s2c.rtList.add(time="10:00", minute=600)
REQUEST = Qot_GetRT.Request()
REQUEST.c2s.security.code = "00700"
PUSH = Qot_UpdateRT.Response(retType=0)
PUSH.s2c.security.market = 1

LACKED = ["retType", "s2c.security.code", "s2c.rtList[0].isBlank"]
RESPONSE_TEXT = f"Qot_GetRT.Response: required fields are missing: {', '.join(LACKED)}"
REQUEST_TEXT = "Qot_GetRT.Request: required fields are missing: c2s.security.market"
PUSH_TEXT = "Qot_UpdateRT.Response: required fields are missing: s2c.security.code"

JSON_RESPONSE = b'{"s2c":{"security":{"market":1},"rtList":[{"time":"10:00","minute":600}]}}'


def dump(capture: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["dump", *words, str(capture)])


def frames_of(result: Result) -> list[str]:
    """The lines of frames, without those about the capture."""
    return [line for line in result.stdout.splitlines() if not line.startswith("---")]


@pytest.fixture(params=["protobuf", "json"])
def capture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A good session, then a request (frame 6), its response (7) and a push (8) that lack fields."""
    path = tmp_path / "incomplete.pcap"
    response = answered(3008, 3, RESPONSE.SerializePartialToString())
    if request.param == "json":
        frame = Frame.build(3008, 3, JSON_RESPONSE, sender=Role.SERVER, body_format=BodyFormat.JSON)
        response = Said(Role.SERVER, frame.encode())
    lacking = [
        asked(3008, 3, REQUEST.SerializePartialToString()),
        response,
        answered(3009, 0, PUSH.SerializePartialToString()),
    ]
    path.write_bytes(pcap([*session(), *lacking]))
    return path


def test_lines(capture: Path) -> None:
    result = dump(capture)
    assert result.exit_code == 3
    request, response, push = frames_of(result)[-3:]
    assert request.endswith(f" ?.00700 MissingFieldsError: {REQUEST_TEXT}")
    assert response.endswith(f" retType absent HK.? rtList[1] MissingFieldsError: {RESPONSE_TEXT}")
    assert push.endswith(f" HK.? MissingFieldsError: {PUSH_TEXT}")
    assert "-400" not in result.stdout


def test_trees(capture: Path) -> None:
    lines = [line.strip() for line in dump(capture, "-v").stdout.splitlines()]
    start = next(at for at, line in enumerate(lines) if RESPONSE_TEXT in line)
    assert lines[start + 1 : start + 11] == [
        *("s2c:", "security:", "market: 1 (QotMarket_HK_Security)", "code: absent, and required"),
        *("rtList: 1 item", "[0]", 'time: "10:00"', "minute: 600", "isBlank: absent, and required"),
        "retType: absent, and required",
    ]


def test_json(capture: Path) -> None:
    rows = [json.loads(line) for line in dump(capture, "--json").stdout.splitlines()]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}, "the same keys in every line"
    request, response, push = rows[-3:]
    assert request["body"] == {"c2s": {"security": {"code": "00700"}}}
    assert response["body"] == {"s2c": {"security": {"market": 1}, "rtList": [{"time": "10:00", "minute": 600}]}}
    assert push["body"] == {"retType": 0, "s2c": {"security": {"market": 1}}}
    assert [row["error"] for row in rows] == [None] * 5 + [REQUEST_TEXT, RESPONSE_TEXT, PUSH_TEXT]
    assert {row["error_type"] for row in rows[-3:]} == {"MissingFieldsError"}
    assert {row["sha1_ok"] for row in rows} == {True}


def test_fields_and_errors(capture: Path) -> None:
    lines = frames_of(dump(capture, "--fields", "retType,security.market,security.code", "--errors"))[-3:]
    assert f" retType=- security.market=- security.code=00700 MissingFieldsError: {REQUEST_TEXT}" in lines[0]
    assert f" retType=- security.market=1 security.code=- MissingFieldsError: {RESPONSE_TEXT}" in lines[1]
    assert f" retType=0 security.market=1 security.code=- MissingFieldsError: {PUSH_TEXT}" in lines[2]
    result = dump(capture, "--fields", "retType,security.code", "--json")
    assert [json.loads(line)["body"] for line in result.stdout.splitlines()[-3:]] == [
        {"retType": None, "security.code": "00700"},
        {"retType": None, "security.code": None},
        {"retType": 0, "security.code": None},
    ]


def test_tables(capture: Path) -> None:
    result = dump(capture, "--table", "--json", "--kind", "response")
    assert result.exit_code == 3
    row = json.loads(result.stdout.splitlines()[-1])
    assert (row["code"], row["is_blank"], row["opened_mins"], row["time"]) == ("HK.?", None, 600, "10:00")
    columns, cells = (line.split() for line in frames_of(dump(capture, "--table"))[-3:-1])
    shown = dict(zip(columns, cells, strict=True))
    assert (shown["code"], shown["is_blank"], shown["opened_mins"]) == ("HK.?", "-", "600")


def test_explain_and_stats_name_them(capture: Path) -> None:
    explained = CliRunner().invoke(command, ["explain", "--brief", str(capture)])
    assert explained.exit_code == 3
    assert "c2s.security.market" in explained.output
    assert "s2c.rtList[0].isBlank" in explained.output
    assert "MissingFieldsError" in dump(capture, "--stats").stderr


def test_the_library_gives_message_and_error(capture: Path) -> None:
    *good, request, response, push = ftwire.read(capture)
    assert [frame.error for frame in good] == [None] * 5
    for frame, sent in ((request, REQUEST), (response, RESPONSE), (push, PUSH)):
        assert frame.message == sent
        assert isinstance(frame.error, MissingFieldsError)
        assert list(frame.error.fields) == missing_fields(sent)
        assert frame.error.message == sent.DESCRIPTOR.full_name


def test_envelopes_are_no_exception() -> None:
    envelope = Envelope.build(3008, 3, RESPONSE.SerializePartialToString(), sender=Role.SERVER)
    view = FrameView(envelope, show_secrets=False)
    assert (view.summary, str(view.error), view.why) == ("retType absent HK.? rtList[1]", RESPONSE_TEXT, RESPONSE_TEXT)
    assert json.loads(str(view.json)) == json.loads(JSON_RESPONSE)


def test_a_long_list_of_them_is_cut_short() -> None:
    message = Qot_GetRT.Response(retType=0)
    message.s2c.security.market, message.s2c.security.code = 1, "00700"
    for _ in range(1000):
        message.s2c.rtList.add()
    view = FrameView(Frame.build(3008, 1, message.SerializePartialToString(), sender=Role.SERVER), show_secrets=False)
    assert isinstance(view.error, MissingFieldsError)
    assert len(view.error.fields) == 3000
    assert str(view.error).endswith(", s2c.rtList[2].minute and 2992 more")


def test_a_reply_without_ret_type_is_no_success_and_has_no_code() -> None:
    response: Any = Qot_GetRT.Response(retMsg="no luck")
    error = ReplyError("Qot_GetRT", response)
    assert (error.ret_type, str(error)) == (-400, "Qot_GetRT failed: retType absent no luck")
