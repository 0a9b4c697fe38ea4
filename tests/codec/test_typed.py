"""Types of messages, where the caller knows the protocol."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, assert_type

import pytest

import ftwire
from ftwire.messages import Qot_GetRT, Qot_UpdateRT, Trd_GetMaxTrdQtys
from support.frames import rt_request
from support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from ftwire_tools.client import BlockingClient, Client

CAPTURE = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"


def test_a_registered_name_or_id_has_the_classes_of_its_protocol() -> None:
    # Held by mypy; at run time these are the same objects.
    assert_type(ftwire.registry["Qot_GetRT"].response, type[Qot_GetRT.Response])
    assert_type(ftwire.registry[3008].request, type[Qot_GetRT.Request])
    assert_type(ftwire.registry[3009].request, None)
    assert_type(ftwire.registry["Trd_GetAccTradingInfo"].response, type[Trd_GetMaxTrdQtys.Response])
    assert ftwire.registry["Qot_GetRT"].response is Qot_GetRT.Response
    assert ftwire.registry["Trd_GetAccTradingInfo"].response is Trd_GetMaxTrdQtys.Response
    assert_type(ftwire.registry[ftwire.registry.names[0]], ftwire.Protocol)


async def requests(client: Client, blocking: BlockingClient, values: Mapping[str, object], message: Message) -> None:
    """Checked by mypy, never run."""
    assert_type(await client.request("Qot_GetRT", values), Qot_GetRT.Response)
    assert_type(await client.request(3008, Qot_GetRT.Request()), Qot_GetRT.Response)
    assert_type(blocking.request("Qot_GetRT", b""), Qot_GetRT.Response)
    assert_type(blocking.request(int("3008"), message), Any)


def test_a_frame_is_read_as_the_class_that_is_named() -> None:
    frame = ftwire.Frame.build(3008, 1, rt_request(), sender=ftwire.Role.CLIENT)
    request = assert_type(frame.as_(Qot_GetRT.Request), Qot_GetRT.Request)
    assert request is frame.message
    with pytest.raises(TypeError, match=r"3008 Qot_GetRT request.* is no Qot_UpdateRT\.Response"):
        frame.as_(Qot_UpdateRT.Response)


def test_a_frame_of_a_capture_is_read_as_the_class_that_is_named() -> None:
    pushes = [frame for frame in ftwire.read(CAPTURE, keys=[]) if frame.kind == "push"]
    assert [len(frame.as_(Qot_UpdateRT.Response).s2c.rtList) for frame in pushes] == [1, 1, 1, 1]
    with pytest.raises(TypeError, match=r"is no Qot_GetRT\.Response"):
        pushes[0].as_(Qot_GetRT.Response)


def test_what_is_shown_of_frames_and_registries_is_short_and_says_what_they_are() -> None:
    frame = next(iter(ftwire.read(CAPTURE, keys=[])))
    assert repr(frame) == (
        "<DissectedFrame 1 of conversation 1: <Frame 1001 InitConnect request serial=4554 40 bytes>>"
    )
    decoder = ftwire.FrameDecoder(ftwire.Role.CLIENT)
    assert list(decoder.feed(ftwire.Frame.build(1004, 1, b"", sender=ftwire.Role.CLIENT).encode() + b"FT"))
    assert repr(decoder) == "<FrameDecoder: 44 bytes of whole frames, 2 of the next>"
    frames = ftwire.read(CAPTURE)
    assert [next(frames).number, repr(frames)] == [1, "<FrameIterator, frames so far: 1>"]
    reader = ftwire.CaptureReader()
    assert list(reader.read([CAPTURE.read_bytes()]))
    assert repr(reader) == "<CaptureReader, frames so far: 12>"
    assert repr(ftwire.registry) == f"<Registry of {len(ftwire.registry)} protocols>"


def test_a_message_class_is_shown_with_its_module_and_its_messages_can_be_pickled() -> None:
    assert repr(Qot_GetRT.Response) == "<class 'ftwire.messages.Qot_GetRT.Response'>"
    assert pickle.loads(pickle.dumps(rt_request())) == rt_request()  # noqa: S301 - our own bytes


def test_a_frame_that_cannot_be_read_raises_why() -> None:
    stream = bytearray(ftwire.Frame.build(3008, 1, rt_request(), sender=ftwire.Role.CLIENT).encode())
    stream[-1] ^= 1
    (frame,) = ftwire.read(bytes(stream), keys=[])
    with pytest.raises(ftwire.DigestError):
        frame.as_(Qot_GetRT.Request)
