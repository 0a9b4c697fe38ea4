"""Plain bodies: messages as the bytes that a frame carries."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ftwire._renamed import renamed_keyword
from ftwire.body import encode_body
from ftwire.header import BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.strategies._messages import messages

if TYPE_CHECKING:
    from ftwire.frame import Kind

__all__ = ["any_proto", "bodies", "kinds_of"]


@renamed_keyword("known", "registry")
def bodies(
    proto: int | str | None = None,
    *,
    kind: Kind | None = None,
    format: BodyFormat | None = None,  # noqa: A002 - the field's own name
    registry: Registry = registry,
) -> st.SearchStrategy[bytes]:
    """Plain bodies of a protocol (ID or name; ``None`` for any that ``registry`` holds).

    ``kind`` and ``format`` narrow them down, ``None`` means any. JSON bodies carry no unknown fields: JSON has
    none. Raises as ``messages`` does.
    """
    if proto is None:
        return any_proto(registry, kind).flatmap(lambda each: bodies(each, kind=kind, format=format, registry=registry))
    # Errors are raised here, not at the first draw.
    messages(proto, kind, registry=registry)
    return _bodies(proto, kind, format, registry)


@lru_cache(maxsize=1024)
def _bodies(
    proto: int | str, kind: Kind | None, body_format: BodyFormat | None, registry: Registry
) -> st.SearchStrategy[bytes]:
    protobuf = messages(proto, kind, registry=registry).map(encode_body)
    json = messages(proto, kind, registry=registry, unknown=False).map(lambda each: encode_body(each, BodyFormat.JSON))
    if body_format is None:
        return protobuf | json
    return json if body_format is BodyFormat.JSON else protobuf


@lru_cache(maxsize=64)
def any_proto(registry: Registry, kind: Kind | None) -> st.SearchStrategy[int]:
    """IDs of protocols that have a message of that kind, 3008 first if it is one of them."""
    ids = sorted({entry.proto_id for entry in registry if kind is None or kind in kinds_of(entry.proto_id, registry)})
    return st.sampled_from(sorted(ids, key=lambda proto_id: proto_id != 3008))


def kinds_of(proto: int | str, registry: Registry) -> tuple[Kind, ...]:
    """Return the kinds of frames that a protocol has, that of the server first."""
    from ftwire.frame import Kind

    return (Kind.PUSH,) if registry[proto].is_push else (Kind.RESPONSE, Kind.REQUEST)
