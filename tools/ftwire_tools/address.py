"""``HOST:PORT`` as an option's value, with OpenD's own port where none is given."""

from __future__ import annotations

from typing import Final, NamedTuple

import click

__all__ = ["ADDRESS", "DEFAULT_ADDRESS", "Address", "parse_address"]

DEFAULT_PORT: Final = 11111
"""OpenD's TCP port by its own default configuration."""
DEFAULT_ADDRESS: Final = f"127.0.0.1:{DEFAULT_PORT}"


class Address(NamedTuple):
    """Where a gateway listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT``, ``HOST``, ``:PORT``, ``[IPv6]:PORT`` or ``[IPv6]``. Raises ``ValueError``."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, [::1]:{DEFAULT_PORT}")
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r}: {port!r} is no port, 1 to 65535")
    return Address(host or "127.0.0.1", int(port))


class _AddressType(click.ParamType["Address"]):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an option's text."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS: Final = _AddressType()
"""The type of an option that takes one."""
