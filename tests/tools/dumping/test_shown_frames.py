"""Reading bodies for the tools: what is an error there, and what is not."""

from __future__ import annotations

import json

import pytest

from ftwire.capture import Conversation, DissectedFrame
from ftwire.errors import BodyError, UnknownProtocolError
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Role
from ftwire.websocket import DISCONNECTED, Envelope, EnvelopeStatus
from ftwire_tools.dumping.dumper import Dump, DumpForm
from ftwire_tools.filters.frame_filter import FrameFilter
from ftwire_tools.render.frame_view import FrameView
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer
from support.frames import rt_request, rt_response

TALK = Conversation(1, "websocket", "127.0.0.1:50112", "127.0.0.1:33333")


def envelope(command: int, body: bytes = b"", **error: object) -> Envelope:
    return Envelope.build(command, 7, body, sender=Role.SERVER, **error)  # type: ignore[arg-type]


def view_of(frame: Frame | Envelope) -> FrameView:
    return FrameView(frame, show_secrets=False)


def dissected(frame: Frame | Envelope) -> DissectedFrame:
    return DissectedFrame(1, TALK, FrameObserved(frame, frame.sender, frame.kind, "none", 1, 1, None, None))


def test_an_error_of_opends_own_has_no_body_and_is_none_of_ours() -> None:
    refused = envelope(3008, error_code=EnvelopeStatus.TIMEOUT, error_text="too\x1blate")
    assert (view_of(refused).message, view_of(refused).error) == (None, None)
    line, error = LineRenderer().frame(dissected(refused))
    assert error is None
    assert "OpenD says: error 1 too\\x1blate" in line
    found = json.loads(JsonRenderer().frame(dissected(refused))[0])
    assert (found["opend_error"], found["body"], found["error"], found["sha1_ok"]) == (
        "1 too\x1blate",
        None,
        None,
        None,
    )


def test_an_empty_body_is_an_error_where_opend_reports_none() -> None:
    assert isinstance(view_of(envelope(3008, b"\x08")).error, BodyError)


def test_the_push_that_opend_was_disconnected_says_all_by_its_command() -> None:
    frame = envelope(DISCONNECTED)
    found = view_of(frame)
    assert (found.message, found.error, frame.kind) == (None, None, "push")


def test_unknown_protocols_are_errors_on_either_transport() -> None:
    assert isinstance(view_of(envelope(9999)).error, UnknownProtocolError)
    frame = Frame.build(9999, 1, rt_request().SerializeToString(), sender=Role.CLIENT)
    assert isinstance(view_of(frame).error, UnknownProtocolError)


def test_an_error_beside_a_body_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    body = rt_response().SerializeToString()
    observation = dissected(envelope(3008, body, error_code=EnvelopeStatus.TIMEOUT, error_text="late")).observation
    form = DumpForm(as_json=False, tree=False, with_hex=False, table=False, fields=(), show_secrets=False)
    dump = Dump(form, FrameFilter(), None, file=None)
    dump.show([DissectedFrame(1, TALK, observation)])
    dump.flush()
    assert "OpenD says: error 1 late HK.00700 rtList[" in capsys.readouterr().out
