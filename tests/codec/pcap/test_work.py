"""The work of taking a capture apart grows with its size and no faster: lines of Python executed are counted.

Each hostile capture is made in two sizes. Where the work for one more packet depends on what came before it, the larger
one costs more than its share.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from ftwire.capture import CaptureReader
from ftwire.pcap import Dissector, Limits
from support.pcap_model import ACK, FIN, RST, SYN, A, B, Snapped, dissect, frame, pcap
from support.work import lines_executed

FEW, MANY = 500, 2000
HEADERS = 54


def snapped_over_all(count: int) -> list[bytes | Snapped]:
    """Pieces with holes between them, then packets that span all of them and of which only headers were captured."""
    holes: list[bytes | Snapped] = [frame(A, B, 11 + 2 * at, b"x") for at in range(count)]
    span = frame(A, B, 11, bytes(8000))
    return holes + [Snapped(span, HEADERS)] * count


def snapped_and_moving(count: int) -> list[bytes | Snapped]:
    """The same, each a little further on."""
    holes: list[bytes | Snapped] = [frame(A, B, 11 + 2 * at, b"x") for at in range(count)]
    return holes + [Snapped(frame(A, B, 11 + at, bytes(8000)), HEADERS) for at in range(count)]


def snapped_in_turn(count: int) -> list[bytes | Snapped]:
    """Headers only, ahead of a byte that never comes."""
    return [Snapped(frame(A, B, 11 + 100 * at, bytes(100)), HEADERS) for at in range(count)]


def reversed_order(count: int) -> list[bytes | Snapped]:
    return [frame(A, B, 11 + 8 * at, bytes(8)) for at in range(count)[::-1]]


def any_order(count: int) -> list[bytes | Snapped]:
    order = list(range(count))
    random.Random(1).shuffle(order)  # noqa: S311 - an order, not a secret
    return [frame(A, B, 11 + 8 * at, bytes(8)) for at in order]


def holes_acknowledged_one_by_one(count: int) -> list[bytes | Snapped]:
    ahead: list[bytes | Snapped] = [frame(A, B, 11 + 8 * at, bytes(4)) for at in range(count)]
    return ahead + [frame(B, A, 1, ack=15 + 8 * at) for at in range(count)]


def repeated_in_one_place(count: int) -> list[bytes | Snapped]:
    return [frame(A, B, 11, bytes(100))] * count


def other_bytes_in_one_place(count: int) -> list[bytes | Snapped]:
    return [frame(A, B, 11, bytes([at % 256]) * 100) for at in range(count)]


def behind_the_end(count: int) -> list[bytes | Snapped]:
    """A FIN, and in front of every further byte another one."""
    return [frame(A, B, 2 + at // 2, b"x" * (at % 2), flags=ACK | (FIN if at % 2 == 0 else 0)) for at in range(count)]


def closed_and_going_on(count: int) -> list[bytes | Snapped]:
    """A reset behind every byte, and two more bytes."""
    return [frame(A, B, 2 + 2 * (at // 3) + at % 3, b"x", flags=RST if at % 3 == 2 else ACK) for at in range(count)]


def doubtful_handshakes(count: int) -> list[bytes | Snapped]:
    return [frame(A, B, 2, b"x"), *(frame(A, B, 99 + 2 * at, b"y", flags=SYN) for at in range(count))]


def half_open(count: int) -> list[bytes | Snapped]:
    return [frame(A._replace(port=1000 + at), B, 1, flags=SYN) for at in range(count)]


def brief(count: int) -> list[bytes | Snapped]:
    return [frame(A._replace(port=1000 + at // 2), B, 1 + at % 2, flags=RST if at % 2 else SYN) for at in range(count)]


def many_that_wait(count: int) -> list[bytes | Snapped]:
    return [frame(A._replace(port=1000 + at // 2), B, 1 + 9 * (at % 2), bytes(at % 2), flags=0) for at in range(count)]


SHAPES: list[Callable[[int], list[bytes | Snapped]]] = [
    snapped_over_all,
    snapped_and_moving,
    snapped_in_turn,
    reversed_order,
    any_order,
    holes_acknowledged_one_by_one,
    repeated_in_one_place,
    other_bytes_in_one_place,
    behind_the_end,
    closed_and_going_on,
    doubtful_handshakes,
    half_open,
    brief,
    many_that_wait,
]
LIMITS = {
    "default": Limits(),
    "few": Limits(max_flows=50, max_flow_segments=100, max_buffered_bytes=10_000, patience_packets=1),
}


def work(packets: list[bytes | Snapped], limits: Limits) -> int:
    file = pcap([frame(A, B, 1, flags=SYN), *packets])
    return lines_executed(partial(dissect, [file], Dissector(limits)))


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_no_packet_costs_more_because_of_those_before_it(
    shape: Callable[[int], list[bytes | Snapped]], limits: str
) -> None:
    few, many = (work(shape(count), LIMITS[limits]) for count in (FEW, MANY))
    assert many < 1.5 * MANY / FEW * few


def test_the_measure_is_of_this_kind() -> None:
    """A quadratic cost is found: comparing each of the pieces with all others."""
    few, many = (lines_executed(partial(quadratic, count), package=__name__) for count in (100, 800))
    assert many > 1.5 * 8 * few


def quadratic(count: int) -> int:
    total = 0
    for one in range(count):
        for other in range(count):
            total += one == other
    return total


def candidates(count: int) -> list[bytes]:
    """A stream cut into single bytes, full of headers that announce frames which are never whole."""
    header = b"FT" + (1).to_bytes(4, "little") + bytes(38)
    stream = b"".join(header[:12] + (200_000).to_bytes(4, "little") + header[16:] for _ in range(count // 44))
    return [frame(B, A, 1 + at, stream[at : at + 1]) for at in range(len(stream))]


@pytest.mark.long
def test_no_packet_of_an_unknown_connection_costs_more_because_of_those_before_it() -> None:
    def read(count: int) -> None:
        for _ in CaptureReader().read([pcap(candidates(count))]):
            pass

    few, many = (lines_executed(partial(read, count)) for count in (4400, 17600))
    assert many < 1.5 * 4 * few
