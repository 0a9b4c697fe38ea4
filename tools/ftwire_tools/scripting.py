"""What scripts of ``ftwire serve --script`` and ``ftwire record --script`` import: the types of what they are given.

::

    from ftwire_tools.scripting import RequestEvent

    def on_request(event: RequestEvent):
        if event.name == "Qot_GetRT":
            event.gateway.market.set_price("HK.00700", 400)
            return event.refused("not now")

Hooks are ``on_start``, ``on_request``, ``on_reply`` and ``on_push``; docs/scripting.md describes them.
"""

from __future__ import annotations

from ftwire_tools.gateway.hooks import PushEvent, ReplyEvent, RequestEvent, Script
from ftwire_tools.gateway.steering import Steering as Gateway
from ftwire_tools.gateway.verbs import SteeringError

__all__ = ["Gateway", "PushEvent", "ReplyEvent", "RequestEvent", "Script", "SteeringError"]
