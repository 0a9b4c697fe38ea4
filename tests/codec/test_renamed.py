"""Former names of parameters and attributes: they work, with a warning."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import ftwire
from ftwire import Envelope, Frame, Registry, Role, conversation, strategies
from ftwire.diagnosis import ConversationChecker
from ftwire.frame import MessageClasses
from ftwire.websocket_resync import WebSocketResyncDecoder
from ftwire_tools.client import Client

REGISTRY = Registry()
ENVELOPE = Envelope.build(3008, 1, b"", sender=Role.SERVER).encode()

CALLS: dict[str, Callable[..., Any]] = {
    "FrameDecoder": ftwire.FrameDecoder,
    "ResyncDecoder": lambda **keywords: ftwire.ResyncDecoder(Role.SERVER, **keywords),
    "WebSocketResyncDecoder": lambda **keywords: WebSocketResyncDecoder(Role.SERVER, **keywords),
    "MessageClasses": lambda **keywords: MessageClasses(Role.SERVER, **keywords),
    "Frame.build": lambda **keywords: Frame.build(3008, 1, b"", sender=Role.SERVER, **keywords),
    "Envelope.build": lambda **keywords: Envelope.build(3008, 1, b"", sender=Role.SERVER, **keywords),
    "Envelope.decode": lambda **keywords: Envelope.decode(ENVELOPE, sender=Role.SERVER, **keywords),
    "Connection": lambda **keywords: ftwire.Connection(Role.CLIENT, **keywords),
    "WebSocketConnection": ftwire.WebSocketConnection,
    "Observer": ftwire.Observer,
    "WebSocketObserver": ftwire.WebSocketObserver,
    "ConversationObserver": ftwire.ConversationObserver,
    "ConversationChecker": ConversationChecker,
    "Client": Client,
    "messages": lambda **keywords: strategies.messages(3008, **keywords),
    "bodies": lambda **keywords: strategies.bodies(3008, **keywords),
    "frames": strategies.frames,
    "conversations": strategies.conversations,
}


@pytest.mark.parametrize("name", CALLS)
def test_the_registry_may_be_passed_as_known(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"{name}.*\(known=\.\.\.\) is called registry=\.\.\. now"):
        made = CALLS[name](known=REGISTRY)
    if hasattr(made, "classes"):
        assert made.classes.registry is REGISTRY
    elif hasattr(made, "registry"):
        assert made.registry is REGISTRY
    with pytest.raises(TypeError, match="not both"):
        CALLS[name](known=REGISTRY, registry=REGISTRY)
    with warnings.catch_warnings(action="error"):
        CALLS[name](registry=REGISTRY)


def test_the_registry_of_a_connection_may_be_read_as_known() -> None:
    connection = ftwire.Connection(Role.CLIENT, registry=REGISTRY)
    with pytest.warns(DeprecationWarning, match=r"Connection\.known is called registry now"):
        assert connection.known is REGISTRY


def test_the_frames_of_a_drawn_session_may_be_read_as_said() -> None:
    session = strategies.Session((), "none", 1, None)
    with pytest.warns(DeprecationWarning, match=r"Session\.said is called sent now"):
        assert session.said is session.sent
    with pytest.warns(DeprecationWarning, match=r"Said is called ftwire\.strategies\.SentFrame now"):
        assert strategies.Said is strategies.SentFrame
    assert not hasattr(strategies, "Sold")


def test_an_end_of_a_conversation_may_be_called_endpoint() -> None:
    with pytest.warns(DeprecationWarning, match=r"conversation\.Endpoint is called ftwire\.conversation\.End now"):
        assert conversation.Endpoint is conversation.End
    assert not hasattr(conversation, "Ending")
