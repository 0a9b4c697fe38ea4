"""``--to HOST:PORT``: a gateway's address as an option's value."""

from __future__ import annotations

from typing import Final

import click

from ftwire_tools.addresses import LOOPBACK, Address, parse_address

__all__ = ["ADDRESS", "DEFAULT_ADDRESS"]

DEFAULT_ADDRESS: Final = f"{LOOPBACK}:11111"
"""Where OpenD listens by its own default configuration."""


class _AddressType(click.ParamType["Address"]):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an option's text."""
        if isinstance(value, Address):
            return value
        try:
            address = parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not address.port:
            self.fail(f"{value!r}: nobody listens on port 0", param, ctx)
        return address


ADDRESS: Final = _AddressType()
"""The type of such an option."""
