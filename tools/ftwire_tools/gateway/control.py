"""The control port: verbs and state of a gateway over HTTP, for programs in any language on this machine.

A request needs the token, and passes the checks of ``local_http``. It is one verb with plain values: nothing in it is a
path or code.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ftwire import __version__
from ftwire_tools.gateway.control_description import describe
from ftwire_tools.gateway.steering import VERBS
from ftwire_tools.gateway.verbs import SteeringError
from ftwire_tools.local_http import LocalServer, RefusedError, Reply, Request, is_token, json_members, json_reply
from ftwire_tools.messages.masking import MessageView

if TYPE_CHECKING:
    from ftwire_tools.gateway.session_context import ReceivedRequest
    from ftwire_tools.gateway.steering import Steering

__all__ = ["ControlServer", "RequestLog"]

MAX_BODY: Final = 64 << 10
"""Most bytes of a request's body."""
KEPT_REQUESTS: Final = 1000
"""Requests of clients that are kept to be listed; the oldest are forgotten."""
KEPT_MESSAGE: Final = 16 << 10
"""Largest message that is kept with its request, in bytes."""


class RequestLog:
    """The last requests that clients have sent, as plain data without secrets."""

    def __init__(self) -> None:
        self._kept: Final[deque[ReceivedRequest]] = deque(maxlen=KEPT_REQUESTS)
        self._count = 0

    def add(self, request: ReceivedRequest) -> None:
        """Add a request."""
        self._count += 1
        if request.message is not None and request.message.ByteSize() > KEPT_MESSAGE:
            request = request._replace(message=None)
        self._kept.append(request)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()
        self._count = 0

    def listed(self) -> dict[str, Any]:
        """Return them, and how many there were since they were last forgotten."""
        rows = [
            {
                "client": one.client,
                "proto_id": one.proto_id,
                "proto": one.name,
                "message": None if one.message is None else MessageView(one.message, show_secrets=False).to_dict(),
            }
            for one in self._kept
        ]
        return {"count": self._count, "requests": rows}


class ControlServer(LocalServer):
    """Listens for requests that steer a gateway: ``async with ControlServer(...)`` until the block is left."""

    def __init__(self, steering: Steering, requests: RequestLog, *, token: str, port: int = 0) -> None:
        super().__init__(self._reply, port=port)
        self._steering: Final = steering
        self._requests: Final = requests
        self._token: Final = token
        steering.when_reset(requests.clear)

    async def _reply(self, request: Request) -> Reply:
        """Return the reply to a request. Raises ``RefusedError``."""
        self._check_token(request.headers)
        method, target = request.method, request.target
        reads = {
            "/v1/openapi.json": lambda: describe(__version__),
            "/v1/state": self._steering.state,
            "/v1/requests": self._requests.listed,
        }
        if target in reads:
            if method != "GET":
                raise RefusedError(405, f"{target} is read with GET", ("Allow", "GET"))
            return json_reply(200, reads[target]())
        path = target.removeprefix("/v1/").replace("/", ".")
        if not target.startswith("/v1/") or path not in VERBS or "." in target.removeprefix("/v1/"):
            raise RefusedError(404, f"there is no {target!r:.80}; GET /v1/openapi.json has all there is")
        if method != "POST":
            raise RefusedError(405, f"{path} is called with POST", ("Allow", "POST"))
        if (
            request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
            != "application/json"
        ):
            raise RefusedError(415, "the body is JSON: Content-Type: application/json")
        arguments = json_members(await request.body(MAX_BODY))
        try:
            result = self._steering.call(path, arguments)
        except SteeringError as error:
            raise RefusedError(422, str(error)) from None
        return json_reply(200, {"done": path} if result is None else {"done": path, "result": result})

    def _check_token(self, headers: dict[str, str]) -> None:
        """Raise ``RefusedError`` for a request that lacks the token."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_token(token.strip(), self._token):
            raise RefusedError(
                401,
                "the token is missing, or is another one: Authorization: Bearer TOKEN",
                ("WWW-Authenticate", "Bearer"),
            )
