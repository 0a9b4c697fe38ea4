"""What makes bytes look like this protocol although no frame is recognised in them: the first attempts of a client.

The rule, for the first bytes that an endpoint sends at once (of a packet, or of a WebSocket message). They resemble a
frame, whatever the port, if

* an F and a T in any case and order, or those in hexadecimal as text, come first, and the ID of a known protocol two
  bytes later, or four (a padded struct), in either byte order; or
* ``ft-v`` in any case comes first, as in an envelope; or
* there is no magic: the ID of a known protocol comes first, in either byte order, then the number of a format and
  version 0, and in the place of the body's length how many bytes follow a header without magic, with the reserved bytes
  or without.

Less than that counts only where one end of the connection has a port of OpenD's: F and T before anything else, an ID
without a length that agrees, a WebSocket handshake, TLS. A port alone is never enough.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC
from ftwire.protocols import Registry

__all__ = ["PORTS", "TLS", "Resemblance", "resemblance_of"]

PORTS: Final = frozenset({11111, 33333})
"""Ports of OpenD: the default on TCP, and the usual one on WebSocket."""

_ORDERS: Final[tuple[Literal["little", "big"], ...]] = ("little", "big")
_ENOUGH: Final = 8
"""Bytes that show magic and protocol ID, wherever a compiler puts that."""
_BARE: Final = HEADER_SIZE - len(MAGIC)
"""Bytes of a header without magic."""
_RESERVED: Final = 8
TLS: Final = b"\x16\x03"
"""What a TLS connection begins with: a record of the handshake, of version 3."""


class Resemblance(NamedTuple):
    """What bytes have in common with frames."""

    reason: str
    """What they begin with."""
    is_certain: bool
    """Bytes of other protocols do not begin so; otherwise only a port of OpenD's makes it likely."""


def resemblance_of(data: bytes, registry: Registry) -> Resemblance | None:
    """Return what makes the bytes look like this protocol, ``None`` where nothing does."""
    magic = data[:2]
    if magic.upper() in (b"FT", b"TF"):
        return _with_magic(data, registry)
    if data[:4].lower() == ENVELOPE_MAGIC[:4]:
        return Resemblance(f'"{ENVELOPE_MAGIC[:4].decode()}"', is_certain=True)
    if magic == MAGIC.hex().encode()[:2]:
        return _in_hexadecimal(data, registry)
    if magic == TLS:
        return Resemblance("TLS, as of WebSocket over TLS (wss)", is_certain=False)
    return _without_magic(data, registry)


def _with_magic(data: bytes, registry: Registry) -> Resemblance:
    magic = data[:2].decode()
    if magic.upper() == "FT" and data[2:4].lower() == b"-v":
        # An envelope, not a frame.
        return Resemblance(f'"{data[:4].decode()}"', is_certain=True)
    for at in (2, 4):
        for order in _ORDERS:
            name = _id_in(data[at : at + 4], order, registry)
            if name is not None:
                where = " two bytes too late" if at > len(MAGIC) else ""
                return Resemblance(f'"{magic}" and {name}{where}', is_certain=True)
    return Resemblance(f'"{magic}"', is_certain=False)


def _in_hexadecimal(data: bytes, registry: Registry) -> Resemblance | None:
    try:
        found = resemblance_of(bytes.fromhex(data[: 2 * _ENOUGH].decode("ascii")), registry)
    except ValueError:
        return None
    return found and found._replace(reason=f"{found.reason}, in hexadecimal")


def _without_magic(data: bytes, registry: Registry) -> Resemblance | None:
    if len(data) < _BARE - _RESERVED or data[4] > 1 or data[5]:
        return None
    for order in _ORDERS:
        name = _id_in(data[:4], order, registry)
        if name is not None:
            header = len(data) - int.from_bytes(data[10:14], order)
            return Resemblance(f'{name} without "FT" before it', is_certain=header in (_BARE, _BARE - _RESERVED))
    return None


def _id_in(data: bytes, order: Literal["little", "big"], registry: Registry) -> str | None:
    """Return how a protocol ID in these four bytes is written in a reason, ``None`` where they hold none."""
    entry = registry.get(int.from_bytes(data, order)) if len(data) == 4 else None
    if entry is None or entry.is_websocket_only:
        return None
    return f"protocol ID {entry.proto_id} ({entry.name}){' in big-endian order' if order == 'big' else ''}"
