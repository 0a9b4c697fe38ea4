"""Frame headers, with any value in any field."""

from __future__ import annotations

from hypothesis import strategies as st

from ftwire.header import Header

__all__ = ["headers", "proto_ids", "serials"]

_U32 = (1 << 32) - 1
_EDGES = [0, 1, 0x7FFF_FFFF, 0x8000_0000, _U32]


def _u32(usual: list[int]) -> st.SearchStrategy[int]:
    return st.sampled_from(usual) | st.sampled_from(_EDGES) | st.integers(0, _U32)


def proto_ids() -> st.SearchStrategy[int]:
    """Protocol IDs that exist, existed, or never did."""
    return _u32([3008, 1001, 1004, 3001, 3009, 2208, 3017, 1, 99_999])


def serials() -> st.SearchStrategy[int]:
    """Serial numbers, u32."""
    return st.integers(1, 20) | _u32(_EDGES)


def headers() -> st.SearchStrategy[Header]:
    """Frame headers (``Header``): each field any value it has bytes for, mostly a usual one.

    ``body_length`` reaches 4 GiB - 1, reserved bytes need not be zero. No body goes with them: ``frames`` makes frames
    whose header describes their body.
    """
    return st.builds(
        Header,
        proto_id=proto_ids(),
        serial=serials(),
        body_length=_u32([0, 1, 44, 16, 128, 65_536, 1 << 26]),
        sha1=st.just(bytes(20)) | st.binary(min_size=20, max_size=20),
        body_format=st.sampled_from([0, 1]) | st.integers(0, 255),
        version=st.just(0) | st.integers(0, 255),
        reserved=st.just(bytes(8)) | st.binary(min_size=8, max_size=8),
    )
