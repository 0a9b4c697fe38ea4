"""What the library returns and raises can be copied, and sent to another process, as ``multiprocessing`` does."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import ftwire
from ftwire import errors
from ftwire.cipher import RsaKey
from ftwire.errors import EnvelopeError
from ftwire.frame import MessageClasses, Role
from ftwire.messages import InitConnect
from ftwire.protocols import Registry
from ftwire.schema import Schema, schema
from ftwire.stream import FrameDecoder
from ftwire.websocket import BadEnvelope
from ftwire_tools.client import errors as client_errors
from support.frames import request
from support.places import ROOT

CAPTURES = ROOT / "fixtures" / "captures"
KEY = RsaKey.from_pem((ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem").read_bytes())
ERRORS = [
    found
    for module in (errors, client_errors)
    for name in module.__all__
    if isinstance(found := getattr(module, name), type) and issubclass(found, Exception)
]
VALUES = {
    "int": 17,
    "float": 0.5,
    "int | str": 17,
    "bytes": bytes(20),
    "str": "x",
    "bool": True,
    "Sequence[str]": ["x"],
    "Message": InitConnect.Response(),
}


def copied_by_pickle(found: Any) -> Any:
    return pickle.loads(pickle.dumps(found))  # noqa: S301 - our own bytes


def example_of(error: type[Exception]) -> Exception:
    """Make an error from the types of what it takes."""
    given: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in list(inspect.signature(error.__init__).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = VALUES.get(parameter.annotation)
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            given.append(VALUES[parameter.annotation])
    return error(*given, **named)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("copied", [copy.copy, copied_by_pickle])
def test_errors_keep_their_facts(error: type[Exception], copied: Callable[[Exception], Exception]) -> None:
    made = example_of(error)
    made.add_note("frame 17")
    found = copied(made)
    assert type(found) is error
    assert (str(found), vars(found)) == (str(made), vars(made))


@pytest.mark.parametrize(
    "name",
    [
        "futu-api-10.11-plain.pcap",
        "futu-api-10.11-aes_cbc.pcapng",
        "futu-api-10.11-json.pcap",
        "npm-futu-api-10.11-websocket.pcapng",
    ],
)
@pytest.mark.parametrize("keys", [[], [KEY]], ids=["without key", "key"])
def test_frames_of_a_capture_are_the_same_in_another_process(name: str, keys: list[RsaKey]) -> None:
    frames = list(ftwire.read(CAPTURES / name, keys=keys))
    sent = pickle.dumps(frames)
    assert copied_by_pickle(frames) == copy.deepcopy(frames) == frames
    script = "import pickle, sys; print([repr(each) for each in pickle.load(sys.stdin.buffer)])"
    done = subprocess.run([sys.executable, "-c", script], input=sent, capture_output=True, check=True)
    assert done.stdout.decode().strip() == repr([repr(each) for each in frames])


def test_what_cannot_be_read_keeps_its_reason() -> None:
    spoilt = request().encode()[:-1] + b"?"
    (frame,) = FrameDecoder(Role.CLIENT).feed(spoilt)
    copied = copied_by_pickle(frame)
    assert copied.error.frame is copied
    assert (str(copied.error), copied) == (str(frame.error), frame)

    envelope = BadEnvelope(MessageClasses(Role.CLIENT), EnvelopeError(reason="it is no envelope", data=b"ft-v2.0"))
    assert str(copied_by_pickle(envelope).error) == str(envelope.error)
    assert copied_by_pickle(envelope).payload == b"ft-v2.0"


def test_messages_of_copied_frames_are_of_the_same_class() -> None:
    frames = list(ftwire.read(CAPTURES / "futu-api-10.11-plain.pcap"))
    for frame, copied in zip(frames, copied_by_pickle(frames), strict=True):
        assert copied.protocol is frame.protocol or copied.protocol == frame.protocol
        assert type(copied.frame.message) is type(frame.frame.message)
        assert copied.frame.message == frame.frame.message


def test_frames_of_other_definitions_bring_them_along() -> None:
    files = FileDescriptorSet()
    for file in schema.file_names:
        files.file.add().ParseFromString(schema.serialized_file(file))
    other = Registry(Schema.from_descriptor_set(files.SerializeToString()))
    capture = CAPTURES / "futu-api-10.11-plain.pcap"
    (first, *_) = ftwire.read(capture, registry=other)
    copied = copied_by_pickle(first)
    assert str(copied.frame.message) == str(first.frame.message)
    assert copied == first
