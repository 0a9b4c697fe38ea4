"""Verbs about the replies that clients get."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from ftwire.connection import INIT_CONNECT
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import failure
from ftwire_tools.gateway.steering.parameters import Count, Reason
from ftwire_tools.gateway.verbs import Number, SteeringError, Text, VerbGroup, verb

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol
    from ftwire_tools.gateway.steering.interfaces import SteeredGateway

__all__ = ["ReplyVerbs"]

ProtocolName = Annotated[str, Text("the protocol, by name or ID: Qot_GetRT or 3008", 64)]


class ReplyVerbs(VerbGroup):
    """What clients get as replies."""

    group: ClassVar[str] = "replies"

    def __init__(self, steering: SteeredGateway) -> None:
        super().__init__(steering.run)
        self._refusals: Final[dict[int, deque[tuple[str, int, int]]]] = {}

    @verb
    def refuse_next(
        self,
        protocol: ProtocolName,
        reason: Reason = "refused",
        ret_type: Annotated[int, Number("retType of the reply; -1 is a failure", -2_147_483_648, 2_147_483_647)] = -1,
        err_code: Annotated[int, Number("errCode of the reply", -2_147_483_648, 2_147_483_647)] = 0,
        count: Count = 1,
    ) -> None:
        """Answer the next requests of a protocol with an error, whoever sends them."""
        entry = registry.get(int(protocol) if protocol.isdecimal() else protocol)
        if entry is None or entry.is_push or entry.request is None:
            raise SteeringError(f"there is no request {protocol!r}")
        if entry.proto_id == INIT_CONNECT:
            raise SteeringError("a verb cannot refuse the handshake, InitConnect: --fault refuse does")
        self._refusals.setdefault(entry.proto_id, deque(maxlen=10_000)).extend([(reason, ret_type, err_code)] * count)

    def refusal(self, entry: Protocol) -> Message | None:
        """Return the error that a request of a protocol is to be answered with, if one is due."""
        waiting = self._refusals.get(entry.proto_id)
        if not waiting:
            return None
        reason, ret_type, err_code = waiting.popleft()
        response = failure(entry, reason, ret_type)
        response.errCode = err_code
        return response  # type: ignore[no-any-return]  # a Response

    def clear(self) -> None:
        """Refuse nothing any more."""
        self._refusals.clear()

    @property
    def waiting(self) -> dict[str, int]:
        """How many requests are still to be refused, by protocol."""
        return {registry[proto_id].name: len(waiting) for proto_id, waiting in self._refusals.items() if waiting}
