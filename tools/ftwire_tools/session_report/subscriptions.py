"""What was subscribed to, and the quota: one for each security and type."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.enums import enum_name, short_enum_name
from ftwire_tools.messages.masking import MessageView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.capture import DissectedFrame

__all__ = ["SubscriptionHistory"]

MOST_EVENTS: Final = 500
MOST_NAMED: Final = 2000
"""Subscriptions of a conversation that are listed."""
MOST_HELD: Final = 20_000
"""Subscriptions of a conversation that are followed; OpenD grants some thousands."""
_MOST_WAITING: Final = 1000

_MOST_TYPES: Final = 50

SUBSCRIBE, SUBSCRIBED = 3001, 3003


class SubscriptionHistory:
    """Follows the subscriptions of each conversation."""

    def __init__(self) -> None:
        self._held: Final[dict[int, dict[tuple[str, str], None]]] = {}
        self._most: Final[dict[int, int]] = {}
        self._waiting: Final[dict[int, tuple[dict[str, Any], list[str], list[str]]]] = {}
        self._events: Final[list[dict[str, Any]]] = []
        self._quotas: Final[list[dict[str, Any]]] = []
        self.left_out = 0
        """Events above ``MOST_EVENTS``."""

    def add(self, frame: DissectedFrame, view: MessageView | None, codes: Sequence[str], request: int | None) -> None:
        """Take a frame, its message, and the securities in it; ``request`` is the number of a response's request."""
        proto_id = frame.observation.frame.proto_id
        if proto_id not in (SUBSCRIBE, SUBSCRIBED) or view is None:
            return
        asked, answer = view.get("c2s"), view.get("s2c")
        if proto_id == SUBSCRIBED:
            if isinstance(answer, MessageView):
                self._quotas.append(
                    {
                        "number": frame.number,
                        "time": str(frame.time),
                        "used": answer.get("totalUsedQuota"),
                        "left": answer.get("remainQuota"),
                    }
                )
                del self._quotas[:-MOST_EVENTS]
        elif isinstance(asked, MessageView):
            verb = "all ended" if asked.get("isUnsubAll") else "begun" if asked.get("isSubOrUnSub") else "ended"
            about = {"number": frame.number, "time": str(frame.time), "what": verb}
            self._waiting[frame.number] = about, list(dict.fromkeys(codes)), _types(asked)
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        elif request is not None and (found := self._waiting.pop(request, None)) is not None:
            self._answered(frame, view.get("retType") == 0, *found)

    def _answered(
        self, frame: DissectedFrame, succeeded: bool, about: dict[str, Any], codes: list[str], types: list[str]
    ) -> None:
        number = frame.conversation.number
        held = self._held.setdefault(number, {})
        if succeeded:
            if about["what"] == "all ended":
                held.clear()
            for pair in islice(product(codes, types), MOST_HELD):
                if about["what"] != "begun":
                    held.pop(pair, None)
                elif len(held) < MOST_HELD:
                    held[pair] = None
            self._most[number] = max(self._most.get(number, 0), len(held))
        if len(self._events) >= MOST_EVENTS:
            self.left_out += 1
            return
        self._events.append(
            {
                **about,
                "conversation": number,
                "codes": codes[:50],
                "more_codes": max(len(codes) - 50, 0),
                "types": types[:_MOST_TYPES],
                "ok": succeeded,
                "held": len(held),
            }
        )

    def values(self) -> dict[str, Any]:
        """Return the events, what each conversation held at its end, and the quota as OpenD reported it."""
        held = [
            {
                "conversation": number,
                "most": self._most.get(number, 0),
                "at_end": [list(pair) for pair in pairs][:MOST_NAMED],
                "count": len(pairs),
            }
            for number, pairs in sorted(self._held.items())
        ]
        return {"events": self._events, "held": held, "quota": self._quotas, "left_out": self.left_out}


def _types(view: MessageView) -> list[str]:
    field = view.descriptor.fields_by_name["subTypeList"]
    names = [(number, enum_name(field, number)) for number in view.get("subTypeList") or ()]
    return list(dict.fromkeys(short_enum_name(name) if name else str(number) for number, name in names))
