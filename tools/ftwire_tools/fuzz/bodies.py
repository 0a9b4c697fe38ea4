"""The smallest legal messages of both sides."""

from __future__ import annotations

from typing import Any, Final

from ftwire.body import decode_body
from ftwire.connection import INIT_CONNECT
from ftwire.errors import WireError
from ftwire.frame import MessageClasses, Role
from ftwire.header import BodyFormat
from ftwire.websocket import INIT
from ftwire_tools.messages.descriptors import copy_field, is_repeated, is_required

__all__ = ["CLASSES", "init_request", "parsed", "request_message", "response_message"]

CLASSES: Final[dict[Role, Any]] = {role: MessageClasses(role) for role in Role}
"""Side to protocol ID to the class of what that side sends under it, ``None`` where there is none."""
CONN_ID: Final = 4711
MARKET: Final = 1
CODE: Final = "00700"
MOMENT: Final = "2026-01-05 09:30:00"
SECONDS: Final = 1_767_576_600
"""The same in seconds since 1970."""
MAX_DEPTH: Final = 6


def _fill(message: Any, like: Any = None, depth: int = 0) -> None:
    """Set the required fields of a message, and one item of each list of messages.

    Values are those of the fields of the same name in ``like``, or plausible ones.
    """
    for field in message.DESCRIPTOR.fields:
        is_message = field.message_type is not None
        if is_repeated(field):
            if is_message and 0 < depth <= 2:
                _fill(getattr(message, field.name).add(), like, depth + 1)
        elif (is_required(field) or (depth == 0 and field.name == "s2c")) and depth <= MAX_DEPTH:
            if like is not None and copy_field(like, message, field):
                continue
            if is_message:
                getattr(message, field.name).SetInParent()
                _fill(getattr(message, field.name), like, depth + 1)
            else:
                setattr(message, field.name, _plausible(field))


def _plausible(field: Any) -> Any:
    if field.cpp_type == field.CPPTYPE_ENUM:
        return field.enum_type.values[0].number
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return b""
        name = field.name.lower()
        return MOMENT if "time" in name or "date" in name else CODE
    return {"market": MARKET, "retType": 0}.get(field.name, 1)


def init_request(*, websocket: bool, encrypted: bool = False) -> Any:
    """Return the request of a handshake, InitConnect or InitWebSocket, without secrets."""
    message = CLASSES[Role.CLIENT][INIT if websocket else INIT_CONNECT]()
    message.c2s.clientID = "ftwire-fuzz"
    message.c2s.programmingLanguage = "JavaScript" if websocket else "Python"
    if not websocket:
        message.c2s.clientVer = 1011
        message.c2s.recvNotify = True
        message.c2s.packetEncAlgo = 2 if encrypted else -1
    return message


def request_message(proto_id: int) -> Any:
    """Return a legal request; a subscription is to a stock's time shares, with pushes."""
    message = CLASSES[Role.CLIENT][proto_id]()
    _fill(message)
    if hasattr(message.c2s, "securityList") and not message.c2s.securityList:
        message.c2s.securityList.add(market=MARKET, code=CODE)
    if proto_id == 3001:
        message.c2s.subTypeList.append(5)
        message.c2s.isSubOrUnSub = message.c2s.isRegOrUnRegPush = message.c2s.isFirstPush = True
    return message


def response_message(proto_id: int, request: Any, keep_alive: int) -> Any:
    """Return a success that answers a request; ``keep_alive`` in seconds. ``request`` is ``None`` for a push."""
    message = CLASSES[Role.SERVER][proto_id]()
    like = None if request is None else request.c2s
    _fill(message, like)
    message.retType = 0
    if proto_id == 1:
        message.s2c.connID, message.s2c.serverTime = CONN_ID, SECONDS
    if proto_id == 1001:
        s2c = message.s2c
        s2c.serverVer, s2c.loginUserID, s2c.connID, s2c.keepAliveInterval = 1011, 1, CONN_ID, keep_alive
        s2c.connAESKey = "ftwire-fuzz-key0"  # public, for nothing secret is sent
        if like is not None and like.packetEncAlgo == 2:
            s2c.aesCBCiv = "ftwire-fuzz-iv-0"
    return message


def parsed(body: bytes, body_format: int, message_class: Any) -> Any:
    """Return a plain protobuf body as a message, ``None`` for one that is not protobuf or has no class."""
    if body_format != BodyFormat.PROTOBUF or message_class is None:
        return None
    try:
        return decode_body(body, message_class, check_required=False)
    except WireError:
        return None
