"""``ftwire doctor``: what works of a gateway, and what to do about the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._addresses import ADDRESS, DEFAULT_ADDRESS
from ftwire_tools.commands._keys import read_key, read_ws_key
from ftwire_tools.commands._options import show_secrets_option, timeout_option
from ftwire_tools.terminal.addresses import Address, is_loopback
from ftwire_tools.terminal.exit_codes import FAILED

if TYPE_CHECKING:
    from ftwire_tools.doctor import Check, ExaminedGateway

__all__ = ["command"]


async def _examine(gateway: ExaminedGateway, *, as_json: bool) -> list[Check]:
    """Print the checks as they come, or keep them for JSON; return them all."""
    from ftwire_tools.doctor import examine
    from ftwire_tools.doctor.report import print_check

    checks = []
    async for check in examine(gateway):
        checks.append(check)
        if not as_json:
            print_check(check)
    return checks


@click.command(
    epilog="Exit codes: 0 nothing failed (there may be warnings), 1 a check failed, 2 wrong usage.",
)
@click.argument("address", type=ADDRESS, default=DEFAULT_ADDRESS, metavar="[HOST:PORT]")
@click.option("--key", metavar="PEM", help="RSA private key, where the gateway has one.")
@click.option("--ws-key", default="", metavar="TEXT", help="Key of WebSocket clients (shown in the process list).")
@click.option("--ws-key-file", metavar="FILE", help="The same, from a file.")
@timeout_option(5.0)
@click.option("--allow-remote", is_flag=True, help="Connect to a gateway on another machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@show_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    address: Address,
    key: str | None,
    ws_key: str,
    ws_key_file: str | None,
    timeout: float,
    allow_remote: bool,
    as_json: bool,
    show_secrets: bool,
) -> None:
    """Connect to a gateway as a client and show what works: every failure with its remedy.

    Looked at: whether the port can be reached, what answers there (TCP or WebSocket, or no OpenD), the key, the
    handshake, version, clock, login, quote rights, quotas and latency. HOST:PORT is 127.0.0.1:11111 by default.
    Only requests that read are sent, never one that trades.

    \b
    Examples:
      ftwire doctor
      ftwire doctor 127.0.0.1:33333 --ws-key-file websocket.key
      ftwire doctor gateway.lan:11111 --key rsa.pem --allow-remote --json
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if not is_loopback(address.host) and not allow_remote:
        raise click.UsageError(f"{address} is on another machine (--allow-remote)")
    from ftwire_tools.doctor import ExaminedGateway
    from ftwire_tools.doctor.checks import Status
    from ftwire_tools.doctor.report import print_end, print_json

    gateway = ExaminedGateway(
        address=address,
        key=read_key(key),
        ws_key=read_ws_key(ws_key, ws_key_file),
        timeout=timeout,
        show_secrets=show_secrets,
    )
    checks = asyncio.run(_examine(gateway, as_json=as_json))
    if as_json:
        print_json(address, checks)
    else:
        print_end(checks)
    ctx.exit(FAILED if any(check.status is Status.FAILED for check in checks) else 0)
