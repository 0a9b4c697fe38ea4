"""Days of trading, from the first handshake to the last push, in a capture of a wanted size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.protocols import registry
from ftwire_tools.markets.trading_clock import TradingClock
from ftwire_tools.synthetic.capture import Connection, File
from ftwire_tools.synthetic.market import KINDS, MARKETS, Market, Security

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["MIX", "Plan", "Written", "write_capture"]

MIX: Final = {"ticker": 50.0, "order_book": 30.0, "basic_quote": 12.0, "time_share": 5.0, "kline": 3.0}
"""How many of a hundred pushes are of a kind, unless asked otherwise."""

BURST: Final = 12
"""Pushes that are sent together, on average half of it."""
SAMPLE: Final = 2000
"""Pushes written to nowhere, to learn how large one is."""
MAX_POINTS: Final = 330
"""Minutes in the replies at the beginning: at most a day of Hong Kong's."""
POINT_SIZE: Final = 90
"""Bytes of one, about."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write."""

    size: int
    """Bytes of the file, met within a few packets."""
    seed: int = 1
    market: str = "HK"
    symbols: int = 20
    first: date = date(2024, 1, 2)
    days: int = 1
    """Trading days over which the pushes are spread."""
    connections: int = 1
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    key: RsaKey | None = None
    cipher: str = "aes_cbc"
    """Used where there is a key."""
    loss: float = 0.0
    """Share of packets that the capture lacks."""
    kind: str = "pcap"


class Written(NamedTuple):
    """What was written."""

    size: int
    packets: int
    lost: int
    frames: dict[str, int]
    """Protocol to its frames, those lost included."""


def write_capture(plan: Plan, write: Callable[[bytes], object], progress: Callable[[int, int], None]) -> Written:
    """Write a capture through ``write``, telling ``progress`` of bytes and frames from time to time."""
    each = _bytes_a_push(plan)
    file = File(write, plan.kind, plan.loss, Random(plan.seed + 1))  # noqa: S311 - nothing is to be kept secret
    feed = _Feed(plan, file)
    feed.begin()
    pushes = max(1, int((plan.size - file.size) / each))
    step = feed.clock.seconds_a_day * plan.days * 1_000_000_000 // pushes
    feed.go_on(plan.size, step, progress)
    file.flush()
    frames: Counter[str] = Counter()
    for connection in feed.connections:
        frames.update(connection.frames)
    return Written(file.size, file.packets, file.lost, dict(sorted(frames.items())))


def _bytes_a_push(plan: Plan) -> float:
    file = File(lambda _: None, plan.kind, plan.loss, Random(plan.seed))  # noqa: S311
    feed = _Feed(plan, file)
    feed.begin()
    before = file.size
    sent = 0
    while sent < SAMPLE:
        sent += feed.burst(0)
    return (file.size - before) / sent


class _Feed:
    """Connections and a market that speaks to them."""

    def __init__(self, plan: Plan, file: File) -> None:
        self._plan: Final = plan
        self._file: Final = file
        self._random: Final = Random(plan.seed)  # noqa: S311
        digits = "{:05}" if plan.market == "HK" else "SYM{}"
        names = [digits.format(number + 1) for number in range(plan.symbols)]
        securities = [Security(plan.market, name, self._random) for name in names]
        self._market: Final = Market(securities, self._random)
        self._kinds: Final = [name for name, share in plan.mix.items() if share > 0]
        self._weights: Final = list(accumulate(plan.mix[name] for name in self._kinds))
        self._ids: Final = {name: (KINDS[name], registry[KINDS[name]].proto_id) for name in self._kinds}
        self.clock: Final = TradingClock(plan.market, plan.first)
        self.connections: Final = [
            Connection(number, file, plan.key, plan.cipher, self._random) for number in range(plan.connections)
        ]

    def begin(self) -> None:
        """Connect, subscribe and ask for the day so far."""
        plan = self._plan
        moment = self.clock.at(0)
        start = (moment.unix - 60) * 1_000_000_000
        subscribe: Any = registry["Qot_Sub"]
        ask: Any = registry["Qot_GetRT"]
        for number, connection in enumerate(self.connections):
            at = start + number * 10_000_000
            connection.open(at)
            request, reply = subscribe.request(), subscribe.response(retType=0)
            reply.s2c.SetInParent()
            request.c2s.isSubOrUnSub = True
            request.c2s.subTypeList.extend([1, 2, 4, 5, 11])
            for security in self._market.securities:
                named = request.c2s.securityList.add()
                named.market, named.code = MARKETS[security.market], security.code
            connection.ask("Qot_Sub", request, reply, at + 2_000_000)
            # A tenth of the capture is enough for replies.
            points = plan.size // (10 * POINT_SIZE * plan.connections * plan.symbols)
            for place, security in enumerate(self._market.securities):
                asked = ask.request()
                asked.c2s.security.market, asked.c2s.security.code = (
                    request.c2s.securityList[place].market,
                    security.code,
                )
                body = self._market.time_shares(security, self.clock, min(max(points, 1), MAX_POINTS))
                connection.ask("Qot_GetRT", asked, body, at + 4_000_000 + place * 1_100_000)

    def go_on(self, size: int, step: int, progress: Callable[[int, int], None]) -> None:
        """Push until the file has its size; ``step`` is the trading time from push to push, in nanoseconds."""
        now = sent = 0
        # How large a push is was learnt from a sample: what comes in excess comes in the last second.
        last = self.clock.seconds_a_day * self._plan.days * 1_000_000_000 - 1
        while self._file.size < size:
            sent_now = self.burst(now)
            now = min(now + step * sent_now, last)
            sent += sent_now
            if sent % 64 < sent_now:
                progress(self._file.size, sent)
        seconds, rest = divmod(now, 1_000_000_000)
        for connection in self.connections:
            connection.close(self.clock.at(seconds).unix * 1_000_000_000 + rest)

    def burst(self, now: int) -> int:
        """Send some pushes on one connection; return how many."""
        random, market, ids = self._random, self._market, self._ids
        seconds, rest = divmod(now, 1_000_000_000)
        moment = self.clock.at(seconds)
        count = random.randrange(1, BURST)
        connection = self.connections[random.randrange(len(self.connections))]
        securities, makers, roll = market.securities, market.makers, random.random
        bodies = []
        for kind in random.choices(self._kinds, cum_weights=self._weights, k=count):
            name, proto_id = ids[kind]
            # Few securities make most of the noise.
            security = securities[int(len(securities) * roll() ** 2)]
            bodies.append((name, proto_id, makers[kind](security, moment)))
        connection.push(bodies, moment.unix * 1_000_000_000 + rest)
        return count
