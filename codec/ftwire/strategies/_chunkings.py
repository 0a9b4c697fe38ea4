"""One stream, cut into chunks as a socket might return them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from ftwire.header import HEADER_SIZE

__all__ = ["chunkings"]


@st.composite
def chunkings(draw: st.DrawFn, data: bytes, *, max_cuts: int = 12) -> list[bytes]:
    """Lists of chunks that joined are ``data``: whole, byte by byte, evenly cut, or cut in up to ``max_cuts`` places.

    Chunks may be empty, as a read may be.
    """
    size = len(data)
    if not size:
        return draw(st.lists(st.just(b""), max_size=2))
    # Whole comes first: Hypothesis takes the example of fewer draws for the simpler one.
    step = draw(st.sampled_from([size, 0, 0, 0, 0, 1, 2, 7, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 1, 1448]))
    if step:
        return [data[start : start + step] for start in range(0, size, step)]
    cuts = sorted(draw(st.lists(st.integers(0, size), max_size=max_cuts)))
    return [data[low:high] for low, high in pairwise([0, *cuts, size])]
