"""From a protocol's ID or name to its messages.

::

    from ftwire.protocols import registry

    registry[3008].name                 # 'Qot_GetRT'
    registry["Qot_GetRT"].response      # the class of a reply, built on first use
    registry["Trd_GetAccTradingInfo"]   # an old name: the entry of 2111, Trd_GetMaxTrdQtys today
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

from ftwire.errors import UnknownProtocolError
from ftwire.schema import ProtocolRow, Schema

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire._schema.typed import TypedRegistry

__all__ = ["Protocol", "Registry", "registry"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: its ID, its name and the messages it carries."""

    proto_id: int
    """Number in the frame header (``nProtoID``), or in the WebSocket envelope's command."""
    name: str
    """Its name today, e.g. ``Qot_GetRT``."""
    file: str
    """The ``.proto`` file that defines its messages."""
    request_name: str | None
    """Full name of the request message, e.g. ``Qot_GetRT.Request``; None for a push."""
    response_name: str
    """Full name of the message in a reply or push, e.g. ``Qot_GetRT.Response``."""
    since: str | None
    """First SDK release that lists it; None when the oldest one published (3.6.3) does already."""
    last: str | None
    """Last SDK release that lists it; None while the newest does."""
    is_websocket_only: bool
    """Never in a 44-byte frame header, only in the WebSocket envelope."""
    former_names: tuple[str, ...]
    """Names of this ID in older SDK releases."""
    _schema: Schema = field(repr=False, compare=False)

    @property
    def is_push(self) -> bool:
        """Sent by OpenD on its own: it has no request."""
        return self.request_name is None

    @property
    def is_retired(self) -> bool:
        """No longer in the newest SDK; old captures still carry it."""
        return self.last is not None

    @property
    def request(self) -> type[Message] | None:
        """The class of a request, built on first use; None for a push."""
        return None if self.request_name is None else self._schema.message(self.request_name)

    @property
    def response(self) -> type[Message]:
        """The class of a reply or push, built on first use."""
        return self._schema.message(self.response_name)


class _Classes(dict[int, "type[Message] | None"]):
    """Protocol ID to message class, filled as IDs are met; ``None`` for one without a class."""

    __slots__ = ("_is_request", "_registry")

    def __init__(self, registry: Registry, *, is_request: bool) -> None:
        self._registry = registry
        self._is_request = is_request

    def __missing__(self, proto_id: int) -> type[Message] | None:
        entry = self._registry.get(proto_id)
        if entry is None:
            # Not stored: unknown IDs, which a sender chooses, must not make this grow.
            return None
        found = self[proto_id] = entry.request if self._is_request else entry.response
        return found


class Registry:
    """Every protocol that can be decoded, by ID and by name. Iterating yields entries in ID order."""

    requests: dict[int, type[Message] | None]
    """``requests[proto_id]``: class of a request; None for a push or an unknown ID."""
    responses: dict[int, type[Message] | None]
    """``responses[proto_id]``: class of a reply or push; None for an unknown ID."""

    def __init__(self, *schemas: Schema) -> None:
        """A registry of the protocols of ``schemas``; of two that declare one ID the first is preferred.

        Without any, of the built-in ones, which are then read on first use.
        """
        self._given = schemas
        self._names: dict[str, tuple[int, int]] = {}
        self._ids: tuple[int, ...] = ()
        self._entries: dict[int, tuple[Protocol, ...]] = {}
        self.requests = _Classes(self, is_request=True)
        self.responses = _Classes(self, is_request=False)

    def __reduce__(self) -> str | tuple[type[Registry], tuple[Schema, ...]]:
        # The built-in one is itself wherever it is unpickled, so that classes of messages stay the same.
        return "registry" if self is registry else (Registry, self._given)

    @property
    def _schemas(self) -> tuple[Schema, ...]:
        if not self._given:
            from ftwire.schema import schema

            self._given = (schema,)
        return self._given

    def _ids_by_name(self) -> dict[str, tuple[int, int]]:
        """Every name, with its ID and its place among the entries of that ID."""
        if not self._names:
            former: list[tuple[str, tuple[int, int]]] = []
            for entry, where in (
                (entry, (key, place)) for key in self.ids for place, entry in enumerate(self.all(key))
            ):
                self._names.setdefault(entry.name, where)
                former += [(name, where) for name in entry.former_names]
            # A current name takes precedence over the same name in older releases.
            for name, where in former:
                self._names.setdefault(name, where)
        return self._names

    def __getitem__(self, key: int | str) -> Protocol:
        """Return the entry of an ID or a name, old names included.

        Raises ``UnknownProtocolError`` (a ``KeyError``).
        """
        found = self.get(key)
        if found is None:
            raise UnknownProtocolError(key)
        return found

    def get(self, key: int | str) -> Protocol | None:
        """Return the entry of an ID or a name, or None."""
        place = 0
        if isinstance(key, str):
            where = self._ids_by_name().get(key)
            if where is None:
                return None
            key, place = where
        found = self.all(key)
        return found[place] if found else None

    def all(self, proto_id: int) -> tuple[Protocol, ...]:
        """Return every entry of an ID, newest first; empty for an unknown one.

        More than one when the ID had other messages in older releases, or when several schemas declare it.
        """
        found = self._entries.get(proto_id)
        if found is None:
            # One ID at a time: making entries of all 185 would take longer than parsing the messages of the one
            # protocol that a short program uses.
            rows = [(row, schema) for schema in self._schemas for row in schema.protocols_of(proto_id)]
            if not rows:
                return ()
            # A stable sort: within current and within retired entries, the order of the schemas is kept.
            rows.sort(key=lambda pair: pair[0].last is not None)
            found = self._entries[proto_id] = tuple(_protocol(row, schema) for row, schema in rows)
        return found

    def find(self, pattern: str) -> list[Protocol]:
        """Return the entries whose current or old name matches a glob such as ``Qot_Update*``, in any letter case."""
        folded = pattern.casefold()
        return [
            entry
            for entry in self
            if any(fnmatchcase(name.casefold(), folded) for name in (entry.name, *entry.former_names))
        ]

    def message_class(self, proto_id: int, *, is_request: bool) -> type[Message] | None:
        """The class to decode a body with: None for an unknown ID, and for the request of a push."""
        return (self.requests if is_request else self.responses)[proto_id]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int | str) and self.get(key) is not None

    def __iter__(self) -> Iterator[Protocol]:
        return (entry for proto_id in self.ids for entry in self.all(proto_id))

    def __len__(self) -> int:
        return sum(len(self.all(proto_id)) for proto_id in self.ids)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} protocols>"

    def beside(self, schema: Schema) -> Registry:
        """Return a registry that prefers the protocols of ``schema`` and falls back to those of this one."""
        return Registry(schema, *self._schemas)

    @property
    def ids(self) -> tuple[int, ...]:
        """Every protocol ID, in order."""
        if not self._ids:
            self._ids = tuple(sorted({row.proto_id for schema in self._schemas for row in schema.protocols}))
        return self._ids

    @property
    def names(self) -> tuple[str, ...]:
        """Today's name of every entry, in ID order."""
        return tuple(entry.name for entry in self)


def _protocol(row: ProtocolRow, schema: Schema) -> Protocol:
    return Protocol(
        proto_id=row.proto_id,
        name=row.name,
        file=row.file,
        request_name=row.request,
        response_name=row.response,
        since=row.since,
        last=row.last,
        is_websocket_only=row.websocket,
        former_names=row.formerly,
        _schema=schema,
    )


registry = cast("TypedRegistry", Registry())
"""The built-in protocols: all those of the vendor's SDKs since 3.6.3, and InitWebSocket.

Type checkers know what classes ``registry["Qot_GetRT"].response`` and ``.request`` are."""
