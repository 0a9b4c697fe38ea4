"""The smallest legal messages: what a session consists of before anything is wrong with it."""

from __future__ import annotations

from typing import Any, Final

from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import is_repeated, is_required

__all__ = ["AES_IV", "AES_KEY", "init_connect", "init_websocket", "request_message", "response_message"]

AES_KEY: Final = "ftwire-fuzz-key0"
"""``connAESKey`` of the hostile gateway: public, for nothing secret is sent."""
AES_IV: Final = "ftwire-fuzz-iv-0"
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
        is_message = field.cpp_type == field.CPPTYPE_MESSAGE
        if is_repeated(field):
            if is_message and 0 < depth <= 2:
                _fill(getattr(message, field.name).add(), like, depth + 1)
        elif (is_required(field) or (depth == 0 and field.name == "s2c")) and depth <= MAX_DEPTH:
            known = _same_field(field, like)
            if is_message and known is not None:
                getattr(message, field.name).CopyFrom(known)
            elif is_message:
                getattr(message, field.name).SetInParent()
                _fill(getattr(message, field.name), like, depth + 1)
            else:
                setattr(message, field.name, _plausible(field) if known is None else known)


def _same_field(field: Any, like: Any) -> Any:
    """Return what ``like`` has in a field of the same name and type, ``None`` where there is none."""
    found = None if like is None else like.DESCRIPTOR.fields_by_name.get(field.name)
    if found is None or is_repeated(found) or not like.HasField(field.name):
        return None
    is_same = found.cpp_type == field.cpp_type and found.message_type is field.message_type
    return getattr(like, field.name) if is_same else None


def _plausible(field: Any) -> Any:
    if field.cpp_type == field.CPPTYPE_ENUM:
        return field.enum_type.values[0].number
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return b""
        name = field.name.lower()
        return MOMENT if "time" in name or "date" in name else CODE
    return {"market": MARKET, "retType": 0}.get(field.name, 1)


def init_connect(*, encrypted: bool) -> Any:
    """Return an InitConnect request."""
    made: Any = registry[1001].request
    message = made()
    message.c2s.clientVer = 1011
    message.c2s.clientID = "ftwire-fuzz"
    message.c2s.recvNotify = True
    message.c2s.packetEncAlgo = 2 if encrypted else -1
    message.c2s.programmingLanguage = "Python"
    return message


def init_websocket() -> Any:
    """Return an InitWebSocket request, without the digest of a key."""
    made: Any = registry[1].request
    message = made()
    message.c2s.clientID = "ftwire-fuzz"
    message.c2s.programmingLanguage = "JavaScript"
    return message


def request_message(proto_id: int) -> Any:
    """Return a legal request; a subscription is to a stock's time shares, with pushes."""
    made: Any = registry[proto_id].request
    message = made()
    _fill(message)
    if hasattr(message.c2s, "securityList") and not message.c2s.securityList:
        message.c2s.securityList.add(market=MARKET, code=CODE)
    if proto_id == 3001:
        message.c2s.subTypeList.append(5)
        message.c2s.isSubOrUnSub = True
        message.c2s.isRegOrUnRegPush = True
        message.c2s.isFirstPush = True
    return message


def response_message(proto_id: int, request: Any, keep_alive: int) -> Any:
    """Return a success that answers a request; ``keep_alive`` in seconds. ``request`` is ``None`` for a push."""
    message: Any = registry[proto_id].response()
    like = None if request is None else request.c2s
    _fill(message, like)
    message.retType = 0
    if proto_id == 1:
        message.s2c.connID, message.s2c.serverTime = CONN_ID, SECONDS
    if proto_id == 1001:
        s2c = message.s2c
        s2c.serverVer, s2c.loginUserID, s2c.connID, s2c.keepAliveInterval = 1011, 1, CONN_ID, keep_alive
        s2c.connAESKey = AES_KEY
        if like is not None and like.packetEncAlgo == 2:
            s2c.aesCBCiv = AES_IV
    return message
