"""``ftwire fuzz client``: a hostile gateway."""

from __future__ import annotations

from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from ftwire.frame import Role
from ftwire_tools.commands._addresses import LISTEN
from ftwire_tools.commands._keys import read_key
from ftwire_tools.commands.fuzz._shared import FuzzOptions, fuzz, program_of, replay, saved_crash, shared_options
from ftwire_tools.fuzz.hostile_gateway import listen
from ftwire_tools.fuzz.plans import client_plan
from ftwire_tools.fuzz.saving import COME_BACK
from ftwire_tools.fuzz.targets import ClientTarget
from ftwire_tools.fuzz.transport import transport_for
from ftwire_tools.terminal.addresses import Address, is_loopback

__all__ = ["command"]


@click.command(
    "client",
    epilog="Exit codes: 0 nothing found (or, with --replay, not provoked any more), 1 something found, or no client, "
    "2 wrong usage.",
)
@click.option("--listen", "address", type=LISTEN, required=True, metavar="[HOST:]PORT", help="Where clients connect.")
@shared_options(30.0)
@click.option("--command", "program_line", metavar="PROGRAM", help="Start the client so, for each run.")
@click.option("--keep-running", is_flag=True, help="The --command connects again and again: start it once.")
@click.option(
    "--come-back",
    type=click.FloatRange(min=0, min_open=True),
    default=COME_BACK,
    show_default=True,
    metavar="SECONDS",
    help="How long a client may stay away.",
)
@click.option(
    "--exit-code",
    "allowed",
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
    program_line: str | None,
    keep_running: bool,
    come_back: float,
    allowed: tuple[int, ...],
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
    if program_line is None and (keep_running or crash_text is not None):
        raise click.UsageError("--keep-running and --crash-text need --command")
    crash = saved_crash(options, "client")
    if crash is not None:
        crash_text = crash.crash_text if crash_text is None else crash_text
        if crash.exit_codes is not None and ctx.get_parameter_source("allowed") is ParameterSource.DEFAULT:
            allowed = crash.exit_codes
    transport = transport_for(Role.SERVER, address, key=read_key(options.key), websocket=options.websocket)
    program = program_of(program_line, allowed, crash_text)
    try:
        listening = listen(address.host, address.port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}: {error.strerror or error}") from None
    target = ClientTarget(
        listening,
        transport=transport,
        timeout=options.timeout if crash is None else crash.timeout,
        come_back=come_back if crash is None or crash.come_back is None else crash.come_back,
        program=program,
        keep_running=keep_running,
    )
    if program is None:
        port = listening.getsockname()[1]
        click.echo(f"ftwire: listening on {Address(address.host, port)} for clients", err=True)
    if crash is not None:
        ctx.exit(replay(crash, target, as_json=options.as_json))
    of_client: dict[str, Any] = {"come_back": come_back}
    if program is not None:
        of_client["exit_codes"] = list(allowed)
        of_client |= {} if crash_text is None else {"crash_text": crash_text}
    plan = partial(client_plan, most=options.steps, websocket=options.websocket)
    ctx.exit(fuzz(target, plan, options, mode="client", of_client=of_client))
