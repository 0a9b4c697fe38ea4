"""``ftwire fuzz client``: a hostile gateway."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from ftwire_tools.commands._addresses import LISTEN
from ftwire_tools.commands.fuzz._shared import FuzzOptions, run, shared_options
from ftwire_tools.fuzz.plans import client_plan
from ftwire_tools.terminal.addresses import Address, is_loopback

__all__ = ["command"]


@click.command(
    "client",
    epilog="Exit codes: 0 nothing found (or, with --replay, not provoked any more), 1 something found, or no client, "
    "2 wrong usage.",
)
@click.option("--listen", "address", type=LISTEN, required=True, metavar="[HOST:]PORT", help="Where clients connect.")
@shared_options(30.0, "Start the client so, for each run.")
@click.option("--keep-running", is_flag=True, help="The --command connects again and again: start it once.")
@click.option(
    "--come-back",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a client may stay away.",
)
@click.option(
    "--exit-code",
    "exit_codes",
    type=int,
    multiple=True,
    default=(0, 1),
    show_default=True,
    metavar="N",
    help="An exit code that is no crash; repeatable.",
)
@click.option("--crash-text", metavar="REGEX", help="What in the --command's output is a crash, too.")
@click.option("--allow-remote", is_flag=True, help="Let --listen be reached from other machines.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    address: Address,
    keep_running: bool,
    come_back: float,
    exit_codes: tuple[int, ...],
    crash_text: str | None,
    allow_remote: bool,
    **given: Any,
) -> None:
    """Be a hostile gateway to the clients that connect, and report what they do.

    Each run is one connection of a client, which gets the smallest legal answers but for what is drawn to be wrong,
    then legal ones again. A client may close, come back, fail. It must not crash, send what is no frame, send nothing
    for ever, or stay away: docs/fuzzing.md says what is a finding. A client that connects by itself has to come back;
    with --command it is started for each run, and its exit code counts.

    \b
    Examples:
      ftwire fuzz client --listen 11111 --command 'python my_client.py --port 11111'
      ftwire fuzz client --listen 11111 --minutes 10 --output found
      ftwire fuzz client --listen 11111 --command ./client --crash-text 'panicked at|Traceback' --exit-code 0
      ftwire fuzz client --listen 11111 --command ./client --replay found/crashed-1/crash.json
      ftwire fuzz client --listen 33333 --ws --command 'node client.js' --exit-code 0

    TCP, or with --ws WebSocket (without TLS; any --ws-key of a client will do).
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
    options = FuzzOptions(**given)
    if not is_loopback(address.host) and not allow_remote:
        raise click.UsageError(f"--listen {address} can be reached from other machines (--allow-remote)")
    if options.program_line is None and (keep_running or crash_text is not None):
        raise click.UsageError("--keep-running and --crash-text need --command")
    setup = options.setup("client", come_back=come_back, exit_codes=exit_codes, crash_text=crash_text or "")
    plan = partial(client_plan, most=options.steps, websocket=setup.websocket)
    run(ctx, setup, options, address, plan, keep_running=keep_running)
