"""``ftwire serve``: a gateway that answers from captures, or from a made-up market.

The command is here; options that belong together, and what is made of them, are in modules of their own:

=============  =======================================================================================
``_settings``  where it listens, what clients may do, how many there may be
``_captures``  answers from captures
``_pace``      how fast pushes are sent, or the market's time passes
``_market``    answers from the made-up market
``_log``       what is logged
=============  =======================================================================================
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._control import (
    Control,
    control_options,
    open_control,
    read_control,
    read_script,
    script_option,
)
from ftwire_tools.commands._faults import fault_options
from ftwire_tools.commands._live_page import LivePage
from ftwire_tools.commands.serve._captures import CaptureOptions, capture_options, read_captures
from ftwire_tools.commands.serve._log import LogOptions, log_options, open_logs
from ftwire_tools.commands.serve._market import MarketOptions, make_market, market_options
from ftwire_tools.commands.serve._pace import PaceOptions, pace_options
from ftwire_tools.commands.serve._settings import (
    ClientOptions,
    LimitOptions,
    ListenOptions,
    client_options,
    limit_options,
    listen_options,
    read_settings,
)
from ftwire_tools.terminal.addresses import Address
from ftwire_tools.terminal.exit_codes import INTERRUPTED
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftwire_tools.gateway.answer_source import AnswerSource
    from ftwire_tools.gateway.hooks import Script
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.request_log import ExchangeLog
    from ftwire_tools.gateway.settings import Settings
    from ftwire_tools.recording.recorder import Recorder

__all__ = ["command"]


def _show_protocols(*, as_json_lines: bool) -> None:
    from ftwire_tools.gateway.protocol_table import protocol_table

    for row in protocol_table():
        if as_json_lines:
            click.echo(json.dumps(row._asdict(), ensure_ascii=False))
        else:
            click.echo(f"{row.proto_id:<6}{row.protocol:<40}{row.handling:<12}{row.answer}".rstrip())


@contextmanager
def _recorded(page: LivePage, log: Log) -> Iterator[Recorder]:
    """Return what records for the page, while the block lasts. Raises ``ClickException``."""
    from ftwire_tools.recording.recorder import Recorder

    about = "recorded by a gateway of ftwire's own: times and bytes are real, packets are made up"
    recorder = Recorder(None, lambda text: log("page", reason=text), lambda: None, about=about, spool=page.spool)
    recorder.start(time.time_ns())
    try:
        yield recorder
    finally:
        recorder.close()


async def _serve(
    source: AnswerSource,
    settings: Settings,
    log: Log,
    request_log: ExchangeLog | None,
    script: Script | None,
    control: Control | None,
    page: LivePage | None,
) -> bool:
    """Serve until a signal comes; return whether that was Ctrl-C. Raises ``click.ClickException``."""
    from ftwire_tools.gateway.server import Gateway

    stop = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    on_request = None if control is None else control.requests.add
    async with AsyncExitStack() as stack:
        stack.enter_context(calls_on_signals({INTERRUPT: interrupt, END: stop.set}))
        recorder = None if page is None else stack.enter_context(_recorded(page, log))
        gateway = await stack.enter_async_context(
            Gateway(source, settings, log, on_request=on_request, script=script, request_log=request_log, tap=recorder)
        )
        await stack.enter_async_context(open_control(control, gateway.steering, log))
        if page is not None:
            place = Address(settings.host, gateway.port)
            keys = [] if settings.key is None else [settings.key]
            beside = page.beside(
                f"gateway on {page.end(place)}",
                routes=[(place, place)],
                keys=keys,
                steering=gateway.steering,
                report=lambda text: log("page", reason=text),
            )
            await stack.enter_async_context(beside)
        gateway.when_failed(stop.set)
        await stop.wait()
        gateway.raise_failure()
    return interrupted


@click.command(
    epilog="Exit codes: 0 closed by SIGTERM, 130 by Ctrl-C, 1 failed, 2 wrong usage.",
)
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", shell_complete=complete_files)
@click.option("--synthetic", is_flag=True, help="Answer from a made-up market, with captures what these lack.")
@click.option(
    "--universe",
    "universe_path",
    metavar="FILE",
    shell_complete=complete_files,
    help="Instruments of the made-up market: a CSV table in place of ours, which has the same columns.",
)
@click.option("--list-protocols", is_flag=True, help="Show what the made-up market does with each request, and exit.")
@click.option("--json", "as_json_lines", is_flag=True, help="With --list-protocols: as JSON lines.")
@click.option("--show-universe", is_flag=True, help="Write the table of our instruments, and exit.")
@listen_options
@capture_options
@pace_options
@market_options
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the market and of faults.")
@fault_options("Make something go wrong")
@limit_options
@client_options
@script_option("Run a Python script whose functions see, answer, alter, delay or drop what passes; it may steer, too.")
@control_options
@log_options
def command(
    captures: tuple[str, ...],
    synthetic: bool,
    universe_path: str | None,
    list_protocols: bool,
    as_json_lines: bool,
    show_universe: bool,
    listening: ListenOptions,
    answering: CaptureOptions,
    pacing: PaceOptions,
    trading: MarketOptions,
    seed: int,
    faults: tuple[str, ...],
    limiting: LimitOptions,
    clients: ClientOptions,
    script_path: str | None,
    control_port: int | None,
    token_file: str | None,
    logging: LogOptions,
) -> None:
    """Be a gateway: answer clients from CAPTURE, or from a made-up market, as OpenD would.

    Any client of OpenD connects, on TCP and, with --ws-port, on WebSocket, with protobuf or JSON, plain or under
    the RSA key of --key. Requests get the captured reply to the same request; captured pushes go, with their
    rhythm, to those who subscribed. Several captures are the parts of one. "-" reads a capture from standard
    input. With --synthetic as well, what was not captured is answered from the market. A line for each request and
    each event goes to standard error.

    OpenD's limits hold as for an account with a quota of 1000, with OpenD's texts; --limits off switches them off.

    \b
    Examples:
      ftwire serve capture.pcapng
      ftwire serve --synthetic --ws-port 33333
      ftwire serve --synthetic --data bars.csv --data tables/ --speed 60
      ftwire serve capture.pcapng --synthetic
      ftwire serve --synthetic --fault drop:p=0.1 --fault cut:proto=Qot_GetRT,n=2
      ftwire serve --synthetic --fault 'refuse:proto=Trd_PlaceOrder,every=3,ret_msg=Not enough power'
      ftwire serve --synthetic --limits 300 --limit Qot_GetOptionChain=60 --lang chs
      ftwire serve --synthetic -Y 'ret_type != 0 or latency > 50ms'
      ftwire serve --synthetic --script scenario.py
      ftwire serve --synthetic --control 11180 --control-token-file token.txt
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if as_json_lines and not list_protocols:
        raise click.UsageError("--json is for --list-protocols")
    if list_protocols:
        _show_protocols(as_json_lines=as_json_lines)
        return
    if show_universe:
        from ftwire_tools.synthetic.universe import default_table

        click.echo(default_table(), nl=False)
        return
    if universe_path is not None and not synthetic:
        raise click.UsageError("--universe is for --synthetic")
    trading.check(synthetic=synthetic, shift_time=pacing.shift_time)
    if not synthetic and not captures:
        raise click.UsageError("give captures, or --synthetic, or both")
    answering.check(synthetic=synthetic)
    logging.check()
    log, request_log = open_logs(logging)
    settings = read_settings(listening, limiting, clients, seed=seed, faults=faults)
    pace, now = pacing.pace, pacing.now()
    replay = None
    if captures:
        replay = read_captures(captures, answering, listening.key_path, pace=pace, now=now, log=log)
    source: AnswerSource
    if replay is not None and not synthetic:
        source = replay
    else:
        source = make_market(
            trading, universe_path, replay, seed=seed, pace=pace, now=now, language=limiting.language, log=log
        )
    script = read_script(script_path)
    control = read_control(control_port, token_file, quiet=logging.quiet)
    try:
        page = click.get_current_context().find_object(LivePage)
        interrupted = asyncio.run(_serve(source, settings, log, request_log, script, control, page))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {listening.host}: {error.strerror or error}") from None
    if interrupted:
        click.get_current_context().exit(INTERRUPTED)
