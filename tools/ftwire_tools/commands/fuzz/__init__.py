"""``ftwire fuzz``: a hostile client and a hostile gateway. The subcommands are ``gateway`` and ``client`` here."""

from __future__ import annotations

from typing import Final

import click

from ftwire_tools.commands._group import LazyGroup

__all__ = ["COMMANDS", "command"]

COMMANDS: Final = {
    "gateway": "Be a hostile client of a gateway.",
    "client": "Be a hostile gateway to whatever client connects.",
}
"""Subcommand, which is also the module here, to its line of help."""


@click.group(cls=LazyGroup, package="ftwire_tools.commands.fuzz", table=COMMANDS)
def command() -> None:
    """Find out what a gateway or a client does with input that it should never get.

    \b
    Examples:
      ftwire fuzz gateway 127.0.0.1:11111 --minutes 5 --output found
      ftwire fuzz client --listen 11111 --command 'python my_client.py' --runs 200
      ftwire fuzz client --listen 33333 --ws --command 'node client.js' --exit-code 0
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
