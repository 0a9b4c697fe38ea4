"""A frame is delivered with the chunk that completes it, wherever the stream was cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import accumulate
from typing import Any

import pytest

from ftwire.cipher import AesCbc, Cipher, FtAesEcb, NoCipher
from ftwire.frame import Frame, Role
from ftwire.resync import ResyncDecoder
from ftwire.stream import FrameDecoder
from ftwire.websocket import Envelope
from ftwire.websocket_resync import WebSocketResyncDecoder
from support.cores import needs_core, pure

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
CIPHERS: list[Callable[[], Cipher]] = [NoCipher, lambda: FtAesEcb(KEY), lambda: AesCbc(KEY, IV)]
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def frames_of(sizes: list[int], cipher: Cipher) -> list[bytes]:
    return [
        Frame.build(3008, serial, bytes(size), sender=Role.SERVER, cipher=cipher).encode()
        for serial, size in enumerate(sizes, 1)
    ]


def messages_of(sizes: list[int]) -> list[bytes]:
    """Envelopes, each in a WebSocket frame of a server (RFC 6455, section 5.2)."""
    found = []
    for section, size in enumerate(sizes, 2):
        data = Envelope.build(3008, section, bytes(size), sender=Role.SERVER).encode()
        length = bytes([len(data)]) if len(data) < 126 else bytes([126]) + len(data).to_bytes(2, "big")
        found.append(b"\x82" + length + data)
    return found


def two_cuts(size: int, first: range) -> Iterator[tuple[int, int]]:
    """Every way to cut in two places, the first of them in a range."""
    return ((low, high) for low in first for high in range(low, size + 1))


def withheld(make: Callable[[], Any], head: bytes, items: list[bytes], first: range | None = None) -> list[object]:
    """The splits after one of whose chunks fewer items had come than were whole by then, or more."""
    stream = head + b"".join(items)
    ends = list(accumulate(map(len, items), initial=len(head)))[1:]
    wrong: list[object] = []
    for low, high in two_cuts(len(stream), first or range(len(stream) + 1)):
        decoder, came = make(), 0
        for start, end in ((0, low), (low, high), (high, len(stream))):
            came += len(list(decoder.feed(stream[start:end])))
            if came != sum(whole <= end for whole in ends):
                wrong.append((low, high, end, came))
    return wrong


SIZES = [[0, 30, 1], [17, 60]]
"""Small streams, of which every split is tried."""
LARGE = [[1, 1200], [1, 11, 4200]]
"""Streams whose last frame waits for longer, cut near their beginning and anywhere behind."""


@pytest.mark.sampled(4)
@pytest.mark.parametrize("in_core", [False, pytest.param(True, marks=needs_core)])
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("sizes", SIZES)
def test_every_split_of_a_small_stream(
    start: type, cipher: Callable[[], Cipher], sizes: list[int], in_core: bool
) -> None:
    with nullcontext() if in_core else pure():
        assert withheld(lambda: start(cipher=cipher()), b"", frames_of(sizes, cipher())) == []


@pytest.mark.parametrize("in_core", [False, pytest.param(True, marks=needs_core)])
@pytest.mark.parametrize("start", [FrameDecoder, ResyncDecoder])
@pytest.mark.parametrize("sizes", LARGE)
def test_splits_of_a_stream_with_a_large_frame(start: type, sizes: list[int], in_core: bool) -> None:
    items = frames_of(sizes, NoCipher())
    with nullcontext() if in_core else pure():
        assert withheld(start, b"", items, range(43, 46)) == []
        assert withheld(start, b"", items, range(len(b"".join(items)) - 2, len(b"".join(items)))) == []


@pytest.mark.parametrize("sizes", SIZES)
def test_every_split_of_envelopes(sizes: list[int]) -> None:
    assert (
        withheld(WebSocketResyncDecoder, UPGRADED, messages_of(sizes), range(len(UPGRADED) - 5, len(UPGRADED) + 90))
        == []
    )


def test_splits_of_a_large_envelope() -> None:
    at = len(UPGRADED)
    assert withheld(WebSocketResyncDecoder, UPGRADED, messages_of([1, 1200]), range(at + 45, at + 52)) == []
