"""The interceptor: lets a script see and change what passes a proxy, frame by frame.

It is between the two sides of one connection: bytes of either go in, and what the script has made of them goes out. A
frame that nothing changes goes out as it came; another message is encoded anew, with its digest, in the format and
under the cipher of its connection. The handshake always passes unchanged.

Requests that trade (see ``ftwire_tools.messages.trading``) do not reach the gateway unless that is allowed, whatever a
script returns: who puts a script between a program and a real account does not expect orders of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from ftwire.body import encode_body
from ftwire.capture import read_body
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import BadFrame, Frame, Kind, Role, encode_frame
from ftwire.header import MAGIC, BodyFormat
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import failure
from ftwire_tools.gateway.faults import ClientFaults, Faults
from ftwire_tools.gateway.hooks import HookOutcome, Hooks, PushEvent, ReplyEvent, RequestEvent, Script
from ftwire_tools.gateway.responder import REFUSED
from ftwire_tools.gateway.session_context import ReceivedRequest
from ftwire_tools.gateway.steering import Steering
from ftwire_tools.messages.trading import trades
from ftwire_tools.recording.faulty_wires import FaultyWires
from ftwire_tools.recording.intercepted_encryption import InterceptedEncryption
from ftwire_tools.recording.proxy import StreamError, Wires

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire_tools.gateway.push import Push

__all__ = ["Interceptor"]

MAX_LATE: Final = 1000
"""Most messages of one connection that a script may hold back at a time; the connection waits above."""
MAX_PENDING: Final = 4096
"""Requests whose replies are awaited; the oldest are forgotten above."""
NEED_KEY: Final = frozenset({"bad-body", "refuse"})
"""Faults that take a message to encrypt."""
LOCKED: Final = "trading is locked here: ftwire record --allow-trading"
"""``retMsg`` of requests that trade, where that is not allowed."""


class Interceptor:
    """One connection.

    ``keys`` are RSA private keys to read the connection with; ``all_faults`` are the rules for all connections;
    ``report`` is called with messages for the user.
    """

    def __init__(
        self,
        number: int,
        wires: Wires,
        *,
        hooks: Hooks,
        steering: Steering,
        keys: Sequence[RsaKey],
        all_faults: Faults,
        allow_trading: bool,
        report: Callable[[str], None],
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> None:
        self.number: Final = number
        self.peer: Final = wires.peer
        self.subscribed: Final = None
        """How many topics the client has subscribed to: the gateway knows."""
        self._all_faults: Final = all_faults
        self._faults: Final = ClientFaults(all_faults, number)
        self._faulty: Final = FaultyWires(wires, self._faults)
        self._send: Final = self._faulty.send
        self._hooks: Final = hooks
        self._steering: Final = steering
        self._encryption: Final = InterceptedEncryption(keys)
        self._allow_trading: Final = allow_trading
        self._report: Final = report
        self._on_request: Final = on_request
        self._cut: Final = wires.cut
        self._is_raw = False
        self._begun: bytes | None = b""  # the client's first bytes, until it is known what they are
        self._requests: Final[dict[tuple[int, int], tuple[ProtocolEntry, Any]]] = {}
        self._late: Final[dict[Role, set[asyncio.Task[None]]]] = {role: set() for role in Role}

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done, and can be read."""
        return self._encryption.is_agreed

    async def receive(self, sender: Role, data: bytes) -> None:
        """Take bytes of a side, and send what becomes of them.

        Raises ``OSError`` where a side cannot be sent to, ``StreamError`` where the client sends what is no frame.
        """
        if sender is Role.CLIENT and self._begun is not None:
            data = self._begun + data
            if len(data) < len(MAGIC) and MAGIC.startswith(data):
                self._begun = data
                return
            self._begun = None
            self._is_raw = not data.startswith(MAGIC)
            if self._is_raw:
                self._check_raw()
        if self._is_raw:
            await self._send(sender.peer, data)
            return
        handle = self._from_client if sender is Role.CLIENT else self._from_gateway
        frames = iter(self._encryption.decoders[sender].feed(data))
        while True:
            try:
                frame = next(frames, None)
            except WireError as error:
                raise StreamError(f"the {sender.value} sends what is no frame: {error}") from None
            if frame is None:
                return
            await handle(frame)

    async def finish(self, sender: Role) -> None:
        """Wait until all that a side has sent has been passed on: it sends nothing more."""
        await asyncio.gather(*self._late[sender.peer], return_exceptions=True)
        if sender is Role.SERVER:
            await self._faulty.finish()

    def stop(self) -> None:
        """Drop what is held back: the connection is over."""
        self._faulty.stop()
        for tasks in self._late.values():
            for task in tasks:
                task.cancel()

    # Client of the steering

    def push(self, push: Push) -> bool:
        """Send a notice to the client, in protobuf; return whether that was possible."""
        if self._is_raw or not self.is_open:
            return False
        frame = encode_frame(
            push.proto_id, 0, push.body(BodyFormat.PROTOBUF), cipher=self._encryption.cipher(Role.SERVER)
        )
        self._start(Role.CLIENT, self._send(Role.CLIENT, frame))
        return True

    def cut_off(self, reason: str) -> None:
        """Close the connection at once."""
        self._report(f"connection {self.number}: {reason}")
        self._cut()

    # Frames

    async def _from_client(self, frame: Frame) -> None:
        frame = self._encryption.opened(frame)
        if self._faults.strikes("lose", frame.proto_id):
            return
        if frame.proto_id == INIT_CONNECT:
            self._begin(frame)
            if not await self._refuse(frame, frame.protocol):
                await self._send(Role.SERVER, frame.encode())
            return
        entry = frame.protocol
        message = None if isinstance(frame, BadFrame) or entry is None or entry.is_push else read_body(frame)[0]
        if message is None or entry is None:
            await self._forward(frame, None, entry)
            return
        if self._on_request is not None:
            self._on_request(ReceivedRequest(self.number, frame.proto_id, entry.name, message))
        if await self._refuse(frame, entry):
            return
        key = frame.proto_id, frame.serial
        self._requests[key] = entry, message
        if len(self._requests) > MAX_PENDING:
            del self._requests[next(iter(self._requests))]
        if not self._hooks.sees_requests:
            await self._follow_request(frame, entry, HookOutcome(message))
            return
        outcome = self._hooks.request(RequestEvent(self.number, entry, message, self._steering))
        if isinstance(outcome, HookOutcome):
            await self._follow_request(frame, entry, outcome)
        else:
            await self._later(Role.SERVER, self._follow_request_later(frame, entry, outcome))

    async def _refuse(self, frame: Frame, entry: ProtocolEntry | None) -> bool:
        """Answer a request with an error where a fault demands it; return whether that was so."""
        rule = None if entry is None else self._faults.struck_by("refuse", entry.proto_id)
        if rule is None or entry is None:
            return False
        await self._answer(frame, failure(entry, rule.ret_msg or REFUSED, rule.ret_type, rule.err_code))
        return True

    async def _follow_request_later(self, frame: Frame, entry: ProtocolEntry, awaited: Awaitable[HookOutcome]) -> None:
        await self._follow_request(frame, entry, await awaited)

    async def _follow_request(self, frame: Frame, entry: ProtocolEntry, outcome: HookOutcome) -> None:
        if outcome.message is None:
            return
        if outcome.is_answer:
            await self._answer(frame, outcome.message)
            return
        refusal = self._steering.refusal(entry)
        if refusal is not None:
            await self._answer(frame, refusal)
            return
        await self._forward(frame, outcome.message, entry)

    async def _forward(self, frame: Frame, message: Message | None, entry: ProtocolEntry | None) -> None:
        """Pass a request on to the gateway, unless it trades; ``message`` is what it is now, ``None`` if unknown."""
        reason = None if self._allow_trading else trades(frame.proto_id)
        if reason is not None:
            self._report(f"connection {self.number}: not passed on, for it is trading: {reason} (--allow-trading)")
            if self.is_open:
                await self._answer(frame, failure(entry or registry[KEEP_ALIVE], LOCKED))
            return
        await self._send(Role.SERVER, self._encoded(frame, message))

    async def _answer(self, request: Frame, message: Any) -> None:
        """Send a reply to the client in place of the gateway's."""
        self._requests.pop((request.proto_id, request.serial), None)
        body_format = BodyFormat.JSON if request.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF
        body, cipher = encode_body(message, body_format), self._encryption.reply_cipher
        reply = encode_frame(request.proto_id, request.serial, body, body_format=body_format, cipher=cipher)
        await self._send(Role.CLIENT, reply)

    async def _from_gateway(self, frame: Frame) -> None:
        frame = self._encryption.opened(frame)
        if frame.proto_id == INIT_CONNECT:
            await self._send(Role.CLIENT, frame.encode())
            self._encryption.agree(frame)
            return
        entry = frame.protocol
        message = None if isinstance(frame, BadFrame) or entry is None else read_body(frame)[0]
        if message is None or entry is None:
            await self._send(Role.CLIENT, frame.encode())
            return
        outcome: HookOutcome | Awaitable[HookOutcome]
        if frame.kind is Kind.PUSH:
            if self._steering.withholds_pushes:
                return
            outcome = HookOutcome(message)
            if self._hooks.sees_pushes:
                outcome = self._hooks.push(PushEvent(self.number, entry, message, self._steering))
        else:
            found = self._requests.pop((frame.proto_id, frame.serial), None)
            altered = self._steering.altered(entry, message)
            outcome = HookOutcome(altered)
            if self._hooks.sees_replies:
                request = found[1] if found is not None else None
                outcome = self._hooks.reply(ReplyEvent(self.number, entry, altered, self._steering, request))
        if isinstance(outcome, HookOutcome):
            await self._follow_from_gateway(frame, outcome)
        else:
            await self._later(Role.CLIENT, self._follow_from_gateway_later(frame, outcome))

    async def _follow_from_gateway_later(self, frame: Frame, awaited: Awaitable[HookOutcome]) -> None:
        await self._follow_from_gateway(frame, await awaited)

    async def _follow_from_gateway(self, frame: Frame, outcome: HookOutcome) -> None:
        if outcome.message is not None:
            encoded = self._encoded(frame, outcome.message)
            if self._faults.is_active and self._faults.strikes("bad-body", frame.proto_id):
                body = self._faults.spoil_body(frame.body)
                cipher = self._encryption.cipher(Role.SERVER)
                encoded = encode_frame(frame.proto_id, frame.serial, body, body_format=frame.body_format, cipher=cipher)
            await self._send(Role.CLIENT, encoded)

    def _encoded(self, frame: Frame, message: Message | None) -> bytes:
        """Return a frame with a message, as it came where that is its own."""
        if message is None or message is read_body(frame)[0]:
            return frame.encode()
        cipher = self._encryption.cipher(frame.sender)
        try:
            body = encode_body(message, frame.body_format)
        except WireError as error:
            self._report(f"connection {self.number}: passed on unchanged: {error}")
            return frame.encode()
        return encode_frame(frame.proto_id, frame.serial, body, body_format=frame.body_format, cipher=cipher)

    def _begin(self, frame: Frame) -> None:
        """Take note of the client's handshake."""
        if isinstance(frame, BadFrame):
            needing = NEED_KEY & {rule.name for rule in self._all_faults.rules.values()}
            if needing:
                raise StreamError(
                    f"it is encrypted, and without --key there is no --fault {', '.join(sorted(needing))}"
                )
            self._report(f"connection {self.number}: it is encrypted, and the script sees nothing of it without --key")
        else:
            self._encryption.asked = read_body(frame)[0]

    def _check_raw(self) -> None:
        """Decide on a connection that is none of TCP clients. Raises ``StreamError``."""
        what = (
            "it does not begin with a frame (WebSocket? TLS?): the script sees nothing of it, and no fault strikes it"
        )
        if not self._allow_trading:
            raise StreamError(f"{what}; with --allow-trading it passes unchanged")
        self._report(f"connection {self.number}: {what}")

    async def _later(self, to: Role, work: Any) -> None:
        """Do what has to wait while others pass; wait for it where too much waits already."""
        if len(self._late[to]) >= MAX_LATE:
            await work
        else:
            self._start(to, work)

    def _start(self, to: Role, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(_quietly(work))
        self._late[to].add(task)
        task.add_done_callback(self._late[to].discard)


class Interception:
    """Puts an interceptor between the sides of each connection of a proxy: ``async with`` while the proxy runs.

    ``on_request`` is called with each request that can be read; ``report`` with messages for the user.
    """

    def __init__(
        self,
        script: Script | None,
        *,
        faults: Faults | None = None,
        keys: Sequence[RsaKey],
        allow_trading: bool,
        report: Callable[[str], None],
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> None:
        self._open: Final[WeakValueDictionary[int, Interceptor]] = WeakValueDictionary()
        self._keys: Final = keys
        self._allow_trading: Final = allow_trading
        self._report: Final = report
        self._on_request: Final = on_request
        self.faults: Final = Faults() if faults is None else faults
        """The rules of faults, which may change while the proxy runs."""
        self.steering: Final = Steering(None, lambda: list(self._open.values()), faults=self.faults)
        """The verbs. Those about a market, orders and the clock have nothing here to steer."""
        self._hooks: Final = Hooks(script or Script(), self.log)

    async def __aenter__(self) -> Interception:
        self.steering.attach()
        self._hooks.start(self.steering)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hooks.stop()

    def begin(self, number: int, wires: Wires) -> Interceptor:
        """Return the interceptor of a connection."""
        made = self._open[number] = Interceptor(
            number,
            wires,
            hooks=self._hooks,
            steering=self.steering,
            keys=self._keys,
            all_faults=self.faults,
            allow_trading=self._allow_trading,
            report=self._report,
            on_request=self._on_request,
        )
        return made

    def log(self, event: str, **facts: object) -> None:
        """Report an event, such as a script's error, with its facts."""
        self._report(" ".join([event, *(f"{name}={value}" for name, value in facts.items())]))


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(OSError):  # whoever reads the side's bytes sees that it has gone
        await work
