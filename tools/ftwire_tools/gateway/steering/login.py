"""Verbs about OpenD's connection to its servers, and about the notices that it sends to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from ftwire.messages import Notify
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import RET_FAILED, failure, success
from ftwire_tools.gateway.steering.interfaces import SteeringGroup
from ftwire_tools.gateway.topics import NOTIFY
from ftwire_tools.gateway.verbs import Number, Text, verb

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol
    from ftwire_tools.gateway.steering.interfaces import SteeredGateway

__all__ = ["LoginVerbs", "NoticeVerbs"]

FIRST_TRADED: Final = 2000
"""Protocols from this ID on are about accounts and quotes: they need OpenD to be logged in."""
GET_GLOBAL_STATE: Final = 1002
NOT_LOGGED_IN: Final = "OpenD is not logged in"
"""``retMsg`` of what is asked for while OpenD is logged out. OpenD's own text is not known."""

_EVENTS: Final = tuple(value.name for value in Notify.DESCRIPTOR.enum_types_by_name["GtwEventType"].values)


class LoginVerbs(SteeringGroup):
    """Whether OpenD is logged in at its servers."""

    group: ClassVar[str] = "login"

    def __init__(self, steering: SteeredGateway) -> None:
        super().__init__(steering)
        self.is_logged_in = True

    @verb
    def log_out(self) -> None:
        """Lose the connection to the servers: a Notify says so, pushes end, requests for accounts and quotes fail."""
        self._change(False)

    @verb
    def log_in(self) -> None:
        """Be connected to the servers again: a Notify says so."""
        self._change(True)

    def refusal(self, entry: Protocol) -> Message | None:
        """Return the error that a request is answered with while OpenD is logged out, if it needs the servers."""
        if self.is_logged_in or entry.proto_id < FIRST_TRADED:
            return None
        return failure(entry, NOT_LOGGED_IN, RET_FAILED)  # type: ignore[no-any-return]  # a Response

    def altered(self, entry: Protocol, response: Any) -> Any:
        """Return the reply to a request, the global state with OpenD logged out where it is."""
        if self.is_logged_in or entry.proto_id != GET_GLOBAL_STATE or response.retType:
            return response
        copy = type(response)()
        copy.CopyFrom(response)
        copy.s2c.qotLogined = copy.s2c.trdLogined = False
        return copy

    def _change(self, is_logged_in: bool) -> None:
        if self.is_logged_in == is_logged_in:
            return
        self.is_logged_in = is_logged_in
        notice = _notice(Notify.NotifyType_ConnStatus)
        notice.s2c.connectStatus.qotLogined = notice.s2c.connectStatus.trdLogined = is_logged_in
        self._steering.send(notice)


class NoticeVerbs(SteeringGroup):
    """System notices (Notify, 1003), for clients that have asked for them (``recvNotify``)."""

    group: ClassVar[str] = "notices"

    @verb
    def send_event(
        self,
        event: Annotated[
            str,
            Text(
                "the event, by the end of its name in Notify.GtwEventType",
                choices=tuple(name.removeprefix("GtwEventType_") for name in _EVENTS),
            ),
        ],
        text: Annotated[str, Text("its description", 500)] = "",
    ) -> None:
        """Push the notice of an event of OpenD, such as KickedOut."""
        notice = _notice(Notify.NotifyType_GtwEvent)
        notice.s2c.event.eventType = Notify.GtwEventType.Value(f"GtwEventType_{event}")
        notice.s2c.event.desc = text
        self._steering.send(notice)

    @verb
    def send_quota(
        self,
        subscriptions: Annotated[int, Number("subscriptions of the account", 0, 1_000_000)],
        history: Annotated[int, Number("securities whose history it may request", 0, 1_000_000)],
    ) -> None:
        """Push the notice that the account's quotas are others; what the gateway allows is not changed by it."""
        notice = _notice(Notify.NotifyType_APIQuota)
        notice.s2c.apiQuota.subQuota, notice.s2c.apiQuota.historyKLQuota = subscriptions, history
        self._steering.send(notice)


def _notice(kind: int) -> Any:
    response = success(registry[NOTIFY])
    response.s2c.type = kind
    return response
