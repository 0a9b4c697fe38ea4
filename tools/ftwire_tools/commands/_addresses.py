"""Option types for addresses: ``--to HOST:PORT`` and ``--listen [HOST:]PORT``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from ftwire_tools.terminal.addresses import LOOPBACK, Address, parse_address

__all__ = ["ADDRESS", "DEFAULT_ADDRESS", "LISTEN", "gateway_option"]

DEFAULT_ADDRESS: Final = f"{LOOPBACK}:11111"
"""Where OpenD listens by default."""


class _ListenType(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click only
    name = "[host:]port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Parse an option's value."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _AddressType(_ListenType):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Parse an option's value."""
        address = super().convert(value, param, ctx)
        if not address.port:
            self.fail(f"{value!r}: port 0 is no address to connect to", param, ctx)
        return address


ADDRESS: Final = _AddressType()
"""The type of an option that names a gateway."""
LISTEN: Final = _ListenType()
"""The type of an option for an address to listen on: loopback if only a port is given; port 0 is any free one."""

gateway_option: Final[Callable[[Any], Any]] = click.option(
    "--to",
    type=ADDRESS,
    default=DEFAULT_ADDRESS,
    envvar="FTWIRE_TO",
    show_envvar=True,
    metavar="HOST:PORT",
    show_default=True,
    help="The gateway.",
)
