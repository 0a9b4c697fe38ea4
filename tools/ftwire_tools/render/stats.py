"""Counts for ``--stats``: frames, errors and latency by protocol, and rates over time, in memory that does not grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.capture import read_body
from ftwire.projection import Projection
from ftwire_tools.terminal.times import SECOND, Clock

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import DissectedFrame
    from ftwire.errors import WireError
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.terminal.cells import Screen

__all__ = ["Latencies", "Outcomes", "Rates", "Stats", "duration"]

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
DROPPED: Final = ("p90", "p99", "bytes", "p50", "max")
"""Columns that a narrow terminal goes without, the first one first."""
SHORTEST_NAME: Final = 12
"""Columns of a protocol's ID and name that stay where even that is not enough."""
MAX_WAITING: Final = 10_000
"""Requests that are remembered until their response comes. More wait at the same time only where none comes."""
MAX_SLOTS: Final = 24
"""Rows of the rates: as many as a screen has beside the other table."""
_SLOT_SECONDS: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400)
"""Lengths of slots. Each divides the next, so that a slot is a part of one longer slot only."""
BAR: Final = 20
"""Columns of the longest bar."""
_DAY: Final = 86_400


def duration(nanoseconds: int) -> str:
    """Write a time span in the unit that suits it, with three to four digits."""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds)}"
    for limit, unit in ((1_000, "ns"), (1_000_000, "us"), (1_000_000_000, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / (limit // 1000):.4g}{unit}"
    return f"{nanoseconds / 1_000_000_000:.4g}s"


class Latencies:
    """Quantiles of time spans, exact to three digits: spans are counted by their first three."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.longest = 0

    def add(self, span: int) -> None:
        """Count one time span in nanoseconds."""
        self.count += 1
        if span > self.longest:
            self.longest = span
        unit = 10 ** max(len(str(span)) - 3, 0)
        rounded = span // unit * unit
        self._counts[rounded] = self._counts.get(rounded, 0) + 1

    def quantile(self, share: float) -> int:
        """Return the span that this share of all does not exceed."""
        if share * self.count > self.count - 1:
            return self.longest  # which is known to all its digits
        left = share * self.count
        for span in sorted(self._counts):
            left -= self._counts[span]
            if left <= 0:
                return span
        return self.longest


class Rates:
    """Frames and bytes by time, in at most ``MAX_SLOTS`` slots of equal length.

    The length is a second as long as that is enough; it grows with the time between the first frame and the last.
    """

    def __init__(self) -> None:
        self.seconds = 1
        """Length of a slot."""
        self._slots: dict[int, list[int]] = {}
        self._first = self._last = 0

    def add(self, time: int, length: int) -> None:
        """Count a frame of so many bytes."""
        index = time // SECOND // self.seconds
        slot = self._slots.get(index)
        if slot is None:
            self._first = min(self._first, index) if self._slots else index
            self._last = max(self._last, index) if self._slots else index
            slot = self._slots[index] = [0, 0]
        slot[0] += 1
        slot[1] += length
        while self._last - self._first >= MAX_SLOTS:
            self._widen()

    def _widen(self) -> None:
        before = self.seconds
        self.seconds = next((each for each in _SLOT_SECONDS if each > before), before * 2)
        slots: dict[int, list[int]] = {}
        for index, (frames, length) in self._slots.items():
            slot = slots.setdefault(index * before // self.seconds, [0, 0])
            slot[0] += frames
            slot[1] += length
        self._slots = slots
        self._first, self._last = min(slots), max(slots)

    def slots(self) -> Iterator[tuple[int, int, int]]:
        """Return begin (in seconds since 1970), frames and bytes of each slot from the first to the last."""
        for index in range(self._first, self._last + 1) if self._slots else ():
            frames, length = self._slots.get(index, (0, 0))
            yield index * self.seconds, frames, length


class _Row:
    __slots__ = ("bytes", "errors", "failed", "frames", "latencies", "unanswered")

    def __init__(self) -> None:
        self.frames = self.bytes = self.errors = self.failed = self.unanswered = 0
        self.latencies = Latencies()


class Outcomes:
    """Reads from responses whether OpenD refused the request."""

    def __init__(self) -> None:
        self._readers: Final[dict[type[Message], Projection | None]] = {}

    def failed(self, frame: Frame | Envelope) -> bool:
        """Return whether OpenD refused the request: ``retType`` is another than 0, or is missing."""
        found = frame.body_class
        if getattr(frame, "error_code", 0):
            return True
        if found is None:
            return False
        if found not in self._readers:
            has = "retType" in found.DESCRIPTOR.fields_by_name
            self._readers[found] = Projection(found, ["retType"]) if has else None
        outcome = self._readers[found]
        if outcome is None:
            return False
        values = outcome.decode_plain(frame.body)
        if values is None:
            # JSON, or protobuf as serializers do not write it.
            message = read_body(frame)[0]
            values = (None,) if message is None else outcome.of(message)
        return bool(values[0] != 0)


class Stats:
    """Counts of the frames that were shown."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, str], _Row] = {}
        self._reasons: dict[str, int] = {}
        self._gaps = 0
        self._gap_bytes = 0
        self._rates: Final = Rates()
        self._waiting: Final[dict[tuple[int, int, int], _Row]] = {}
        self._outcomes: Final = Outcomes()

    def frame(self, dissected: DissectedFrame, error: WireError | None) -> None:
        """Count one frame; ``error`` is why its body cannot be had."""
        observation = dissected.observation
        frame, protocol = observation.frame, observation.frame.protocol
        key = frame.proto_id, protocol.name if protocol else "?"
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row()
        row.frames += 1
        row.bytes += len(frame)
        if observation.time:
            self._rates.add(observation.time, len(frame))
        if observation.latency is not None:
            row.latencies.add(observation.latency)
        if observation.kind == "request":
            self._wait(dissected, row)
        elif observation.kind == "response":
            self.answered(dissected)
            row.failed += error is None and self._outcomes.failed(frame)
        if error is not None:
            row.errors += 1
            reason = type(error).__name__
            self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def answered(self, dissected: DissectedFrame) -> None:
        """Take a response as the one that a request waits for; those that are not shown count, too."""
        if dissected.observation.request is not None:
            frame = dissected.observation.frame
            row = self._waiting.pop((dissected.conversation.number, frame.proto_id, frame.serial), None)
            if row is not None:
                row.unanswered -= 1

    def gap(self, length: int) -> None:
        """Count bytes that are in no frame."""
        self._gaps += 1
        self._gap_bytes += length

    def _wait(self, dissected: DissectedFrame, row: _Row) -> None:
        row.unanswered += 1
        frame = dissected.observation.frame
        self._waiting[dissected.conversation.number, frame.proto_id, frame.serial] = row
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _total(self) -> _Row:
        total = _Row()
        for row in self._rows.values():
            for name in ("frames", "bytes", "errors", "failed", "unanswered"):
                setattr(total, name, getattr(total, name) + getattr(row, name))
        return total

    def lines(self, *, screen: Screen | None = None, local: bool = False) -> Iterator[str]:
        """Write the report, for a terminal that it is to fit, or ``None``; ``local``: with local times."""
        rows = [(f"{proto_id} {name}", row) for (proto_id, name), row in sorted(self._rows.items())]
        table = [_cells(label, row) for label, row in (*rows, ("all", self._total()))]
        columns = list(table[0])
        for name in (None, *DROPPED):
            if name is not None:
                columns.remove(name)
            widths = [max(len(name), *(len(cells[name]) for cells in table)) for name in columns]
            if screen is None or sum(widths) + 2 * len(widths) - 2 <= screen.columns:
                break
        if screen is not None:
            widths[0] = max(min(widths[0], screen.columns - sum(widths[1:]) - 2 * len(widths[1:])), SHORTEST_NAME)
            for cells in table:
                cells["protocol"] = screen._replace(columns=widths[0]).cut(cells["protocol"])
        for cells in ({name: name for name in columns}, *table):
            first, *others = (cells[name].rjust(width) for name, width in zip(columns, widths, strict=True))
            line = f"{first.strip():<{widths[0]}}  {'  '.join(others)}".rstrip()
            yield line if screen is None else screen.cut(line)
        if self._gaps:
            yield f"{self._gaps} gap{'s' if self._gaps != 1 else ''}, {self._gap_bytes} bytes in no frame"
        for reason, count in sorted(self._reasons.items()):
            yield f"{reason}: {count}"
        yield from self._rate_lines(bar="#" if screen is None or screen.mark.isascii() else "█", local=local)

    def _rate_lines(self, *, bar: str, local: bool) -> Iterator[str]:
        """Write the rates as a table with bars; nothing where all frames are in one second."""
        slots = list(self._rates.slots())
        if len(slots) < 2:
            return
        seconds = self._rates.seconds
        clock = Clock(local=local)
        most = max(frames for _, frames, _ in slots)
        widths = [
            max(len("frames/s"), len(f"{most / seconds:.1f}")),
            max(len("bytes/s"), *(len(str(size // seconds)) for *_, size in slots)),
        ]
        yield ""
        yield f"{'every ' + _span(seconds):<19}  {'frames/s':>{widths[0]}}  {'bytes/s':>{widths[1]}}"
        for begin, frames, size in slots:
            time = clock.time(begin * SECOND)[:8] if begin else "00:00:00"
            day = clock.new_day(begin * SECOND)
            at = f"{time}" if day is None else f"{day[:10]} {time}"
            drawn = bar * -(-frames * BAR // most)
            yield f"{at:>19}  {frames / seconds:>{widths[0]}.1f}  {size // seconds:>{widths[1]}}  {drawn}".rstrip()

    def json(self) -> str:
        """Return the report as one JSON object on a line; times are strings of nanoseconds, as in frames."""
        return json.dumps(self.values())

    def values(self) -> dict[str, Any]:
        """Return what ``json`` writes."""
        protocols = [
            {"proto_id": proto_id, "proto": None if name == "?" else name, **_members(row)}
            for (proto_id, name), row in sorted(self._rows.items())
        ]
        total = _members(self._total())
        del total["latency_ns"]
        slots = [
            {"time": str(begin * SECOND), "frames": frames, "bytes": size}
            for begin, frames, size in self._rates.slots()
        ]
        return {
            "protocols": protocols,
            "all": total,
            "gaps": {"count": self._gaps, "bytes": self._gap_bytes},
            "errors": dict(sorted(self._reasons.items())),
            "rates": {"seconds": self._rates.seconds, "slots": slots},
        }


def _members(row: _Row) -> dict[str, Any]:
    spans = row.latencies
    quantiles = {name: str(spans.quantile(share)) for name, share in QUANTILES.items()}
    return {
        "frames": row.frames,
        "bytes": row.bytes,
        "errors": row.errors,
        "failed": row.failed,
        "unanswered": row.unanswered,
        "latency_ns": quantiles if spans.count else None,
    }


def _cells(label: str, row: _Row) -> dict[str, str]:
    """Return the texts of a row by the column that they are in."""
    spans = row.latencies
    return {
        "protocol": label,
        "frames": str(row.frames),
        "bytes": str(row.bytes),
        "errors": str(row.errors),
        "failed": str(row.failed),
        "unanswered": str(row.unanswered),
        **{name: duration(spans.quantile(share)) if spans.count else "" for name, share in QUANTILES.items()},
    }


def _span(seconds: int) -> str:
    for unit, length in (("d", _DAY), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
