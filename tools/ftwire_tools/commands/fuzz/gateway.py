"""``ftwire fuzz gateway``: a hostile client."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from ftwire_tools.commands._addresses import ADDRESS
from ftwire_tools.commands._keys import read_ws_key
from ftwire_tools.commands.fuzz._shared import FuzzOptions, run, shared_options
from ftwire_tools.fuzz.plans import gateway_plan, requests_to_draw
from ftwire_tools.terminal.addresses import Address, is_loopback

__all__ = ["command"]


@click.command(
    "gateway",
    epilog="Exit codes: 0 nothing found (or, with --replay, not provoked any more), 1 something found, or no gateway, "
    "2 wrong usage.",
)
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@shared_options(5.0, "Start the gateway so, and anew when it is dead.")
@click.option(
    "--ws-key", default="", metavar="TEXT", help="Key that WebSocket clients must know (shown in the process list)."
)
@click.option("--ws-key-file", metavar="FILE", help="The same, from a file.")
@click.option("--allow-remote", is_flag=True, help="Fuzz a gateway on another machine.")
@click.option("--allow-trading", is_flag=True, help="Send requests that trade or change something, too.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    address: Address,
    ws_key: str,
    ws_key_file: str | None,
    allow_remote: bool,
    allow_trading: bool,
    **given: Any,
) -> None:
    """Be a hostile client of the gateway at HOST:PORT, and report what it does.

    Each run is a session, legal but for what is drawn to be wrong in it. A gateway may answer, ignore or refuse what
    is wrong, and close. It must answer legal requests on connections it leaves open, and serve others: docs/fuzzing.md
    says what is a finding. Findings are shortened and, with --output, saved as crash.json, session.pcap and
    test_crash.py.

    \b
    Examples:
      ftwire fuzz gateway 127.0.0.1:11111
      ftwire fuzz gateway :11111 --key rsa.pem --minutes 10 --output found --json
      ftwire fuzz gateway :11111 --command './my-gateway --port 11111' --seed 7
      ftwire fuzz gateway :11111 --replay found/hung-1/crash.json
      ftwire fuzz gateway :33333 --ws --ws-key-file key.txt --minutes 10

    TCP, or with --ws WebSocket (without TLS). Never a trading request (Trd_*), nor one that changes something, without
    --allow-trading.
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
    options = FuzzOptions(**given)
    if not is_loopback(address.host) and not allow_remote:
        raise click.UsageError(f"{address} is not on this machine (--allow-remote)")
    if (ws_key or ws_key_file is not None) and not options.websocket:
        raise click.UsageError("--ws-key and --ws-key-file need --ws")
    setup = options.setup("gateway")
    plan = partial(
        gateway_plan,
        most=options.steps,
        requests=requests_to_draw(allow_trading=allow_trading),
        encrypted=setup.encrypted,
        websocket=setup.websocket,
    )
    run(ctx, setup, options, address, plan, ws_key=read_ws_key(ws_key, ws_key_file))
