"""``ftwire fuzz``: a hostile client and a hostile gateway. The subcommands are ``gateway`` and ``client`` here."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import click
from click.core import ParameterSource

from ftwire_tools.captures.input_files import open_input
from ftwire_tools.commands._addresses import ADDRESS, LISTEN
from ftwire_tools.commands._keys import PEM, read_key, read_ws_key
from ftwire_tools.commands._options import colour_option
from ftwire_tools.fuzz.campaign import Campaign
from ftwire_tools.fuzz.hostile_gateway import ClientTarget
from ftwire_tools.fuzz.plans import client_plan, gateway_plan, requests_to_draw
from ftwire_tools.fuzz.report import CampaignReport, write_replay
from ftwire_tools.fuzz.saving import OF_CLIENT, CrashFile, CrashFileError, load_crash, target_for
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.targets import FuzzTarget, LostTargetError, ProgramError
from ftwire_tools.terminal.addresses import Address, is_loopback
from ftwire_tools.terminal.output import Interrupted
from ftwire_tools.terminal.signals import interrupt_on_end
from ftwire_tools.terminal.style import printable

__all__ = ["command"]

EXIT_CODES: Final = (
    "Exit codes: 0 nothing found (or, with --replay, not provoked any more), 1 something found, or no {}, "
    "2 wrong usage."
)
DEFAULT_RUNS: Final = 200
POSITIVE: Final = click.FloatRange(min=0, min_open=True)
SECONDS: Final[dict[str, Any]] = {"type": POSITIVE, "metavar": "SECONDS", "show_default": True}


def shared_options(default_timeout: float, when: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options that both subcommands have; ``when`` says when the program is started."""
    folder = click.Path(path_type=Path, file_okay=False)
    shown: dict[str, Any] = {"show_default": True}
    tries: dict[str, Any] = {"type": click.IntRange(min=0), "metavar": "N", "default": 200, **shown}
    options = (
        click.option("--seed", type=int, metavar="N", help="Draw the same again; by default a random one is printed."),
        click.option("--runs", type=click.IntRange(min=1), metavar="N", help=f"How many runs; {DEFAULT_RUNS}."),
        click.option("--minutes", type=POSITIVE, metavar="M", help="Go on for so long instead, or at most."),
        click.option("--steps", type=click.IntRange(1, 1000), default=8, metavar="N", help="Most in one run.", **shown),
        click.option("--timeout", default=default_timeout, help="What counts as hung.", **SECONDS),
        click.option("--shrink-tries", help="Most performances that shortening one finding may take.", **tries),
        click.option("--output", type=folder, metavar="DIR", help="Keep finds here."),
        click.option("--replay", metavar="FILE", help='Perform a saved crash.json again; "-" for stdin.'),
        click.option(
            "--key", type=PEM, metavar="PEM", help="RSA private key that both sides hold; everything is encrypted."
        ),
        click.option("--ws", "websocket", is_flag=True, help="Speak WebSocket, as browsers and Node.js do (no TLS)."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a find, then one for the whole."),
        click.option("--command", "program_line", metavar="PROGRAM", help=when),
        click.option("--allow-remote", is_flag=True, help="Reach other machines, or be reached from them."),
        colour_option,
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@click.group()
def command() -> None:
    """Find out what a gateway or a client does with input that it should never get.

    \b
    Examples:
      ftwire fuzz gateway 127.0.0.1:11111 --minutes 5 --output found
      ftwire fuzz client --listen 11111 --command 'python my_client.py' --runs 200
      ftwire fuzz client --listen 33333 --ws --command 'node client.js' --exit-code 0
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace


@command.command("gateway", short_help="Be a hostile client of a gateway.", epilog=EXIT_CODES.format("gateway"))
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@shared_options(5.0, "Start the gateway so, and anew when it is dead.")
@click.option(
    "--ws-key", default="", metavar="TEXT", help="Key that WebSocket clients must know (shown in the process list)."
)
@click.option("--ws-key-file", metavar="FILE", help="The same, from a file.")
@click.option("--allow-trading", is_flag=True, help="Send requests that trade or change something, too.")
@click.pass_context
def gateway(ctx: click.Context, /, ws_key: str, ws_key_file: str | None, allow_trading: bool, **_: Any) -> None:
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
    setup = setup_of(ctx, "gateway")
    if (ws_key or ws_key_file is not None) and not setup.websocket:
        raise click.UsageError("--ws-key and --ws-key-file need --ws")
    requests = requests_to_draw(allow_trading=allow_trading)
    plan = partial(gateway_plan, requests=requests, encrypted=setup.encrypted)
    run(ctx, setup, plan, ws_key=read_ws_key(ws_key, ws_key_file))


@command.command(
    "client", short_help="Be a hostile gateway to whatever client connects.", epilog=EXIT_CODES.format("client")
)
@click.option("--listen", "address", type=LISTEN, required=True, metavar="[HOST:]PORT", help="Where clients connect.")
@shared_options(30.0, "Start the client so, for each run.")
@click.option("--keep-running", is_flag=True, help="The --command connects again and again: start it once.")
@click.option("--come-back", default=30.0, help="How long a client may stay away.", **SECONDS)
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
@click.pass_context
def client(
    ctx: click.Context,
    /,
    program_line: str | None,
    keep_running: bool,
    come_back: float,
    exit_codes: tuple[int, ...],
    crash_text: str | None,
    **_: Any,
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
    if program_line is None and (keep_running or crash_text is not None):
        raise click.UsageError("--keep-running and --crash-text need --command")
    setup = setup_of(ctx, "client", come_back=come_back, exit_codes=exit_codes, crash_text=crash_text or "")
    run(ctx, setup, client_plan, keep_running=keep_running)


def setup_of(ctx: click.Context, mode: str, **of_client: Any) -> FuzzSetup:
    """Return the setup that the options describe. Raises click's error where they contradict each other."""
    encrypted, websocket = ctx.params["key"] is not None, ctx.params["websocket"]
    if encrypted and websocket:
        raise click.UsageError("--key is for TCP: nothing is encrypted on WebSocket")
    return FuzzSetup(mode, ctx.params["timeout"], encrypted=encrypted, websocket=websocket, **of_client)


def run(ctx: click.Context, setup: FuzzSetup, plan: Callable[..., tuple[FuzzStep, ...]], **more: Any) -> None:
    """Run a campaign, or replay a saved crash, and exit; ``more`` is for the target. Raises click's errors."""
    options = ctx.params
    address, program_line = options["address"], options["program_line"]
    if not is_loopback(address.host) and not options["allow_remote"]:
        raise click.UsageError(f"{address} reaches beyond this machine (--allow-remote)")
    crash = None if options["replay"] is None else _saved_crash(options["replay"], setup)
    if crash is not None:
        # Options of this command line go before the values of the file.
        given = [name for name in OF_CLIENT if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        setup = replace(crash.setup, **{name: getattr(setup, name) for name in given})
    try:
        target = target_for(setup, address, program_line, key=read_key(options["key"]), **more)
    except ProgramError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}: {error.strerror or error}") from None
    if program_line is None and isinstance(target, ClientTarget):
        click.echo(f"ftwire: listening on {Address(address.host, target.port)} for clients", err=True)
    try:
        with interrupt_on_end():  # SIGTERM ends the target as Ctrl-C does: no program stays behind
            if crash is not None:
                found = write_replay(target.play(crash.steps, fresh=True), crash.kind, as_json=options["as_json"])
            else:
                plan = partial(plan, most=options["steps"], websocket=setup.websocket)
                found = _fuzz(target, plan, setup, options)
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        target.close()
    ctx.exit(int(found))


def _saved_crash(path: str, setup: FuzzSetup) -> CrashFile:
    """Read a ``crash.json`` and check it against the other options. Raises click's errors."""
    try:
        with open_input(path) as source:
            crash = load_crash(b"".join(source.chunks()).decode(), setup.mode)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (CrashFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {printable(str(error))}") from None
    for option, name in (("--key", "encrypted"), ("--ws", "websocket")):
        if (needs := getattr(crash.setup, name)) != getattr(setup, name):
            raise click.UsageError(f"{path} is of a session {'with' if needs else 'without'} {option}")
    return crash


def _fuzz(
    target: FuzzTarget, plan: Callable[[Random], tuple[FuzzStep, ...]], setup: FuzzSetup, options: dict[str, Any]
) -> bool:
    """Run a campaign; returns whether anything was found."""
    seed = secrets.randbelow(1 << 32) if options["seed"] is None else options["seed"]
    runs, minutes = options["runs"], options["minutes"]
    if runs is None and minutes is None:
        runs = DEFAULT_RUNS
    report = CampaignReport(setup, seed, folder=options["output"], as_json=options["as_json"])
    campaign = Campaign(target, plan, seed, options["shrink_tries"], report.finding, report.progress)
    try:
        campaign.run(runs, None if minutes is None else minutes * 60)
    except KeyboardInterrupt:
        report.summary(campaign.totals, interrupted=True)
        raise
    report.summary(campaign.totals)
    return bool(campaign.totals.found)
