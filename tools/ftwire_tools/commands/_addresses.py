"""``--to HOST:PORT`` and ``--listen [HOST:]PORT``: addresses as an option's value."""

from __future__ import annotations

from typing import Final

import click

from ftwire_tools.terminal.addresses import LOOPBACK, Address, parse_address

__all__ = ["ADDRESS", "DEFAULT_ADDRESS", "LISTEN"]

DEFAULT_ADDRESS: Final = f"{LOOPBACK}:11111"
"""Where OpenD listens by its own default configuration."""


class _ListenType(click.ParamType["Address"]):
    name = "[host:]port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an option's text."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _AddressType(_ListenType):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an option's text."""
        address = super().convert(value, param, ctx)
        if not address.port:
            self.fail(f"{value!r}: nobody listens on port 0", param, ctx)
        return address


ADDRESS: Final = _AddressType()
"""The type of an option that names a gateway."""
LISTEN: Final = _ListenType()
"""The type of an option that says where to listen: loopback where only a port is given, port 0 is any free one."""
