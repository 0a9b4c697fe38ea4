"""Frames whose header describes their body."""

from __future__ import annotations

from hypothesis import strategies as st

from ftwire._renamed import renamed_keyword
from ftwire.cipher import NONE, Cipher
from ftwire.frame import Frame, Kind, Role
from ftwire.header import BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.strategies._bodies import any_proto, bodies, kinds_of
from ftwire.strategies._headers import serials

__all__ = ["frames"]


@renamed_keyword("known", "registry")
@st.composite
def frames(
    draw: st.DrawFn,
    proto: int | str | None = None,
    *,
    kind: Kind | None = None,
    format: BodyFormat | None = None,  # noqa: A002 - the field's own name
    cipher: Cipher | st.SearchStrategy[Cipher] = NONE,
    body: st.SearchStrategy[bytes] | None = None,
    registry: Registry = registry,
) -> Frame:
    """Frames of a protocol (ID or name; ``None`` for any), their digest and length as they should be.

    An ID that ``registry`` does not hold has any bytes for bodies, and is a response's unless ``kind`` is a request.
    ``kind`` chooses requests, responses or pushes, and so the side that sent them; ``format`` is the body format,
    ``None`` means any. ``cipher`` encrypts the body: one cipher, or a strategy for them (``ciphers()``).
    ``body`` replaces the bodies that the protocol has by any others. Raises as ``messages`` does.
    """
    if proto is None:
        proto = draw(any_proto(registry, kind))
    entry = registry[proto] if isinstance(proto, str) else registry.get(proto)
    if entry is None:
        body = body if body is not None else st.binary(max_size=100)
    if kind is not None:
        chosen = kind
    else:
        chosen = Kind.RESPONSE if entry is None else draw(st.sampled_from(kinds_of(proto, registry)))
    body_format = format if format is not None else draw(_FORMATS)
    plain = draw(body if body is not None else bodies(proto, kind=chosen, format=body_format, registry=registry))
    return Frame.build(
        int(proto) if entry is None else entry.proto_id,
        draw(_SERIALS),
        plain,
        sender=Role.CLIENT if chosen is Kind.REQUEST else Role.SERVER,
        body_format=body_format,
        cipher=draw(cipher) if isinstance(cipher, st.SearchStrategy) else cipher,
        registry=registry,
    )


_FORMATS = st.sampled_from(BodyFormat)
_SERIALS = serials()
