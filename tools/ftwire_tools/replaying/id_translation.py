"""Translate the IDs in captured requests to those of a live connection.

Serial numbers, keys and ``PacketID`` are set by the connection itself. What remains are IDs that a gateway has assigned
and that later requests repeat: that of the user, and those of orders placed during the replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["IdTranslation", "UnknownOrderError"]

ORDER_FIELDS: Final = ("orderID", "orderIDEx")
PLACING: Final = frozenset({2202, 2227})
"""Protocols whose reply has the ID of a new order."""


class UnknownOrderError(Exception):
    """A request needs an order that the replay should have placed and has not."""


class IdTranslation:
    """The IDs of one connection."""

    def __init__(self, *, conn_id: tuple[int, int], user_id: tuple[int, int]) -> None:
        """Each pair is a captured ID and its live counterpart."""
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
        """Remember the live counterpart of a captured order; ``live`` is ``None`` if none was placed."""
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
