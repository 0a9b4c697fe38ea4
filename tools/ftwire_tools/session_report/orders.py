"""Life cycles of orders: placed, changed, reported and filled, by the number of the order."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.exchanges import TRADE_PREFIXES
from ftwire_tools.messages.enums import enum_name, short_enum_name
from ftwire_tools.messages.masking import MessageView

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame

__all__ = ["Orders"]

MOST: Final = 2000
"""Orders that are followed."""
MOST_EVENTS: Final = 200
"""Events of an order."""
_MOST_WAITING: Final = 1000

PLACE, LIST, HISTORY, MODIFY, UPDATE, FILL = 2202, 2201, 2221, 2205, 2208, 2218


class Orders:
    """Follows orders through requests, replies and pushes."""

    def __init__(self) -> None:
        self._orders: Final[dict[str, dict[str, Any]]] = {}
        self._names: Final[dict[str, str]] = {}
        """Other number of an order -> the one that it is known by here."""
        self._waiting: Final[dict[int, dict[str, Any]]] = {}
        """What was asked for, by the number of the request."""
        self.left_out = 0
        """Events of orders above ``MOST``."""

    def add(self, frame: DissectedFrame, view: MessageView | None, request: int | None) -> None:
        """Take a frame and its message; ``request`` is the number of a response's request."""
        proto_id = frame.observation.frame.proto_id
        if proto_id not in (PLACE, LIST, HISTORY, MODIFY, UPDATE, FILL) or view is None:
            return
        asked = _inner(view, "c2s")
        if asked is not None:
            if proto_id in (PLACE, MODIFY):
                self._waiting[frame.number] = _asked(asked) | {"number": frame.number, "time": str(frame.time)}
                if len(self._waiting) > _MOST_WAITING:
                    del self._waiting[next(iter(self._waiting))]
                if proto_id == MODIFY:
                    what = _named(asked, "modifyOrderOp") or "changed"
                    self._event(frame, asked, {"what": f"asked: {what}", **_numbers(asked)})
            return
        answer = _inner(view, "s2c")
        if proto_id in (PLACE, MODIFY):
            self._answered(frame, view, answer, self._waiting.pop(request or 0, None), is_new=proto_id == PLACE)
        elif answer is None:
            return
        elif proto_id == FILL and (fill := _inner(answer, "orderFill")) is not None:
            self._event(frame, fill, {"what": "filled", **_numbers(fill)}, _facts(fill, is_order=False))
        elif proto_id == UPDATE and (order := _inner(answer, "order")) is not None:
            self._reported(frame, order)
        elif proto_id in (LIST, HISTORY):
            for order in answer.get("orderList") or ():
                self._reported(frame, order)

    def _answered(
        self,
        frame: DissectedFrame,
        view: MessageView,
        answer: MessageView | None,
        asked: dict[str, Any] | None,
        *,
        is_new: bool,
    ) -> None:
        failed = view.get("retType") != 0
        text = f"refused: {view.get('retMsg') or view.get('retType')}" if failed else "accepted"
        if answer is None or not _ids(answer):
            if is_new and asked is not None:
                # A refused order has no number: it is known by that of its request.
                order = self._order([f"request {asked['number']}"])
                if order is not None:
                    order.update(asked["facts"])
                    order["events"].append(
                        {"number": asked["number"], "time": asked["time"], "what": "asked: place", **asked["values"]}
                    )
                    order["events"].append(_base(frame) | {"what": text})
            return
        if is_new and asked is not None and (order := self._order(_ids(answer))) is not None:
            order.update(asked["facts"])
            order["events"].append(
                {"number": asked["number"], "time": asked["time"], "what": "asked: place", **asked["values"]}
            )
        self._event(frame, answer, {"what": text})

    def _reported(self, frame: DissectedFrame, order: MessageView) -> None:
        status = _named(order, "orderStatus") or str(order.get("orderStatus"))
        event = {"what": "status", "status": status, **_numbers(order)}
        found = self._order(_ids(order))
        before = None if found is None else next((each for each in reversed(found["events"]) if "status" in each), None)
        if before is not None and {**before, "number": 0, "time": ""} == {**event, "number": 0, "time": ""}:
            return  # a list that has no news
        self._event(frame, order, event, _facts(order))

    def _event(
        self, frame: DissectedFrame, named: MessageView, event: dict[str, Any], facts: dict[str, Any] | None = None
    ) -> None:
        order = self._order(_ids(named))
        if order is None:
            self.left_out += 1
            return
        order.update(facts or {})
        if len(order["events"]) < MOST_EVENTS:
            order["events"].append(_base(frame) | event)
        else:
            order["more"] = order.get("more", 0) + 1

    def _order(self, ids: list[str]) -> dict[str, Any] | None:
        known = next((self._names[each] for each in ids if each in self._names), None)
        if known is None:
            if not ids or len(self._orders) >= MOST:
                return None
            known = ids[0]
            self._orders[known] = {"id": known, "events": []}
        for each in ids:
            self._names.setdefault(each, known)
        return self._orders[known]

    def values(self) -> dict[str, Any]:
        """Return the orders, in the order in which they were first met."""
        return {"orders": list(self._orders.values()), "left_out": self.left_out}


def _base(frame: DissectedFrame) -> dict[str, Any]:
    return {"number": frame.number, "time": str(frame.time)}


def _inner(view: MessageView, name: str) -> MessageView | None:
    found = view.get(name)
    return found if isinstance(found, MessageView) else None


def _named(view: MessageView, name: str) -> str | None:
    """Return the short name of an enum value."""
    value = view.get(name)
    field = view.descriptor.fields_by_name.get(name)
    found = None if field is None or not isinstance(value, int) else enum_name(field, value)
    return None if found is None else short_enum_name(found)


def _ids(view: MessageView) -> list[str]:
    """Return the numbers of an order in a message; 0 and an empty text are none."""
    return [str(value) for name in ("orderID", "orderIDEx") if (value := view.get(name))]


def _numbers(view: MessageView) -> dict[str, Any]:
    return {
        name: value
        for name in ("qty", "price", "fillQty", "fillAvgPrice")
        if isinstance(value := view.get(name), float | int) and isfinite(value)
    }


def _asked(view: MessageView) -> dict[str, Any]:
    facts = {name: _named(view, name) for name in ("trdSide", "orderType", "timeInForce") if view.get(name) is not None}
    return {"facts": {"code": _code(view), **facts}, "values": _numbers(view)}


def _facts(view: MessageView, *, is_order: bool = True) -> dict[str, Any]:
    names = ("trdSide", "orderType", "timeInForce") if is_order else ("trdSide",)
    found: dict[str, Any] = {name: _named(view, name) for name in names if view.get(name) is not None}
    return {"code": _code(view), **found}


def _code(view: MessageView) -> str:
    code, market = view.get("code"), view.get("secMarket")
    return security_name(market, code, TRADE_PREFIXES) if market else str(code or "")
