"""Captured requests, made to fit a connection of today.

Serial numbers and keys are the connection's; ``PacketID`` is left for it to fill in. What remains are numbers
that a gateway gave and that come back in later requests: the user, and the orders placed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Rewriter", "UnknownOrderError"]

ORDER_FIELDS: Final = ("orderID", "orderIDEx")
PLACING: Final = frozenset({2202, 2227})
"""Protocols whose reply names a new order."""


class UnknownOrderError(Exception):
    """A request is about an order that the replay should have placed and has not."""


class Rewriter:
    """The numbers of one connection."""

    def __init__(self, *, conn_id: tuple[int, int], user_id: tuple[int, int]) -> None:
        """Each pair is what the capture has, and what stands for it now."""
        self._numbers: Final = {"connID": conn_id, "userID": user_id, "loginUserID": user_id}
        self._orders: Final[dict[str, dict[int | str, int | str | None]]] = {name: {} for name in ORDER_FIELDS}

    def request(self, captured: Message) -> Message:
        """Return the request to send. Raises ``UnknownOrderError``."""
        made: Any = type(captured)()
        made.CopyFrom(captured)
        c2s = getattr(made, "c2s", None)
        if c2s is not None:
            if "packetID" in c2s.DESCRIPTOR.fields_by_name:
                c2s.ClearField("packetID")
            self._walk(c2s)
        result: Message = made
        return result

    def learn(self, proto_id: int, captured: Any, live: Any | None) -> None:
        """Take note of which order stands for which; ``live`` is ``None`` where none was placed."""
        if proto_id not in PLACING or captured is None or captured.retType:
            return
        for name in ORDER_FIELDS:
            if name not in captured.s2c.DESCRIPTOR.fields_by_name:
                continue
            before = getattr(captured.s2c, name)
            if before:
                now = None if live is None or live.retType else getattr(live.s2c, name)
                self._orders[name][before] = now or None

    def _walk(self, message: Any) -> None:
        for field, value in message.ListFields():
            if field.message_type is not None:
                for item in value if is_repeated(field) else (value,):
                    self._walk(item)
            elif field.name in self._numbers:
                before, now = self._numbers[field.name]
                if value == before:
                    setattr(message, field.name, now)
            elif field.name in self._orders and not is_repeated(field):
                known = self._orders[field.name]
                if value in known:
                    order = known[value]
                    if order is None:
                        name = descriptor_of(message).full_name
                        raise UnknownOrderError(f"{name}.{field.name} is of an order that was not placed this time")
                    setattr(message, field.name, order)
