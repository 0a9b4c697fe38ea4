"""Writes a capture of a given size: connections, their handshakes, and pushes over days of trading."""

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
from ftwire_tools.synthetic.bodies import KINDS, Bodies, TemplateStock, moments
from ftwire_tools.synthetic.capture import CaptureOutput, RecordedClient
from ftwire_tools.synthetic.market import made_up_listings

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["MIX", "Plan", "Written", "write_capture"]

MIX: Final = {"ticker": 50.0, "order_book": 30.0, "basic_quote": 12.0, "time_share": 5.0, "kline": 3.0}
"""Of a hundred pushes, how many are of each kind by default."""

BURST: Final = 12
"""Most pushes that are sent together, and one more; on average there are half as many."""
SAMPLE: Final = 2000
"""Pushes made before writing, to measure how large one is on average."""
MAX_POINTS: Final = 330
"""Most points in a reply at the beginning: the minutes of a day in Hong Kong."""
POINT_SIZE: Final = 90
"""Bytes of a point, roughly."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a capture is to hold."""

    size: int
    """Bytes of the file; reached to within a few packets."""
    seed: int = 1
    market: str = "HK"
    """Prefix of the exchange: HK or US."""
    symbols: int = 20
    first: date = date(2024, 1, 2)
    days: int = 1
    """Trading days over which the pushes are spread."""
    connections: int = 1
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    key: RsaKey | None = None
    cipher: str = "aes_cbc"
    """Cipher after the handshake, where there is a key."""
    loss: float = 0.0
    """Share of packets that the capture lacks."""
    kind: str = "pcap"


class Written(NamedTuple):
    """What a capture holds."""

    size: int
    packets: int
    lost: int
    frames: dict[str, int]
    """Protocol to the number of its frames, those in lost packets included."""


def write_capture(plan: Plan, write: Callable[[bytes], object], progress: Callable[[int, int], None]) -> Written:
    """Write a capture by ``write``; ``progress`` is called with bytes and pushes so far from time to time."""
    each = _bytes_a_push(plan)
    file = CaptureOutput(write, plan.kind, plan.loss, Random(plan.seed + 1))  # noqa: S311 - reproducible, not secret
    feed = _Feed(plan, file)
    feed.begin()
    pushes = max(1, int((plan.size - file.size) / each))
    step = feed.clock.seconds(plan.days) * 1_000_000_000 // pushes
    feed.go_on(plan.size, step, progress)
    file.flush()
    frames: Counter[str] = Counter()
    for connection in feed.connections:
        frames.update(connection.frames)
    return Written(file.size, file.packets, file.lost, dict(sorted(frames.items())))


def _bytes_a_push(plan: Plan) -> float:
    file = CaptureOutput(lambda _: None, plan.kind, plan.loss, Random(plan.seed))  # noqa: S311
    feed = _Feed(plan, file)
    feed.begin()
    before = file.size
    sent = 0
    while sent < SAMPLE:
        sent += feed.burst(0)
    return (file.size - before) / sent


class _Feed:
    """The connections of a capture, and the market whose pushes they get."""

    def __init__(self, plan: Plan, file: CaptureOutput) -> None:
        self._plan: Final = plan
        self._file: Final = file
        self._random: Final = Random(plan.seed)  # noqa: S311
        listings = made_up_listings(plan.market, plan.symbols, self._random)
        self._stocks: Final = [TemplateStock(listing, self._random) for listing in listings]
        self._bodies: Final = Bodies(self._random)
        self._kinds: Final = [name for name, share in plan.mix.items() if share > 0]
        self._weights: Final = list(accumulate(plan.mix[name] for name in self._kinds))
        self._ids: Final = {name: (KINDS[name], registry[KINDS[name]].proto_id) for name in self._kinds}
        self.clock: Final = TradingClock(plan.market, plan.first)
        self._moment: Final = moments(self.clock)
        self.connections: Final = [
            RecordedClient(number, file, plan.key, plan.cipher, self._random) for number in range(plan.connections)
        ]

    def begin(self) -> None:
        """Connect, subscribe, and request the day so far."""
        plan = self._plan
        moment = self._moment(0)
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
            for stock in self._stocks:
                request.c2s.securityList.add(market=stock.listing.market, code=stock.listing.code)
            connection.ask("Qot_Sub", request, reply, at + 2_000_000)
            # Replies take a tenth of the capture at most.
            points = plan.size // (10 * POINT_SIZE * plan.connections * plan.symbols)
            for place, stock in enumerate(self._stocks):
                asked = ask.request()
                asked.c2s.security.CopyFrom(request.c2s.securityList[place])
                body = self._bodies.time_shares(stock, self._moment, min(max(points, 1), MAX_POINTS))
                connection.ask("Qot_GetRT", asked, body, at + 4_000_000 + place * 1_100_000)

    def go_on(self, size: int, step: int, progress: Callable[[int, int], None]) -> None:
        """Push until the file has its size; ``step`` is the trading time between pushes, in nanoseconds."""
        now = sent = 0
        # The size of a push is an estimate: pushes in excess of the plan share the last second.
        last = self.clock.seconds(self._plan.days) * 1_000_000_000 - 1
        while self._file.size < size:
            sent_now = self.burst(now)
            now = min(now + step * sent_now, last)
            sent += sent_now
            if sent % 64 < sent_now:
                progress(self._file.size, sent)
        seconds, rest = divmod(now, 1_000_000_000)
        for connection in self.connections:
            connection.close(self._moment(seconds).unix * 1_000_000_000 + rest)

    def burst(self, now: int) -> int:
        """Send some pushes together on one connection; return how many."""
        random, ids = self._random, self._ids
        seconds, rest = divmod(now, 1_000_000_000)
        moment = self._moment(seconds)
        count = random.randrange(1, BURST)
        connection = self.connections[random.randrange(len(self.connections))]
        stocks, makers, roll = self._stocks, self._bodies.makers, random.random
        bodies = []
        for kind in random.choices(self._kinds, cum_weights=self._weights, k=count):
            name, proto_id = ids[kind]
            # Few stocks have most of the pushes.
            stock = stocks[int(len(stocks) * roll() ** 2)]
            bodies.append((name, proto_id, makers[kind](stock, moment)))
        connection.push(bodies, moment.unix * 1_000_000_000 + rest)
        return count
