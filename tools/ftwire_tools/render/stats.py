"""Counts for ``--stats``: frames, bytes, errors and latency by protocol, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.errors import WireError

__all__ = ["Latencies", "Stats", "duration"]

QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)


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
        if share >= 1:
            return self.longest
        left = share * self.count
        for span in sorted(self._counts):
            left -= self._counts[span]
            if left <= 0:
                return span
        return self.longest


class _Row:
    __slots__ = ("bytes", "errors", "frames", "latencies")

    def __init__(self) -> None:
        self.frames = self.bytes = self.errors = 0
        self.latencies = Latencies()


class Stats:
    """Counts of the frames that were shown."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, str], _Row] = {}
        self._reasons: dict[str, int] = {}
        self._gaps = 0
        self._gap_bytes = 0

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
        if observation.latency is not None:
            row.latencies.add(observation.latency)
        if error is not None:
            row.errors += 1
            reason = type(error).__name__
            self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def gap(self, length: int) -> None:
        """Count bytes that are in no frame."""
        self._gaps += 1
        self._gap_bytes += length

    def lines(self) -> Iterator[str]:
        """Write the report."""
        total = _Row()
        header = ("protocol", "frames", "bytes", "errors", "p50", "p90", "p99", "max")
        table: list[tuple[str, ...]] = [header]
        for (proto_id, name), row in sorted(self._rows.items()):
            total.frames += row.frames
            total.bytes += row.bytes
            total.errors += row.errors
            table.append(_cells(f"{proto_id} {name}", row))
        table.append(_cells("all", total))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for cells in table:
            first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
            yield f"{first.strip():<{widths[0]}}  {'  '.join(others)}".rstrip()
        if self._gaps:
            yield f"{self._gaps} gaps of {self._gap_bytes} bytes together"
        for reason, count in sorted(self._reasons.items()):
            yield f"{reason}: {count}"


def _cells(label: str, row: _Row) -> tuple[str, ...]:
    spans = row.latencies
    quantiles = (duration(spans.quantile(share)) if spans.count else "" for share in QUANTILES)
    return (label, str(row.frames), str(row.bytes), str(row.errors), *quantiles)
