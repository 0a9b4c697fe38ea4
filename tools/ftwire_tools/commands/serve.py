"""``ftwire serve``: a gateway that answers from captures, or from a made-up market."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from ftwire_tools.commands._addresses import ADDRESS
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._control import (
    Control,
    control_options,
    open_control,
    read_control,
    read_script,
    script_option,
)
from ftwire_tools.commands._faults import fault_options, read_rules
from ftwire_tools.commands._filters import filter_of, filter_option
from ftwire_tools.commands._keys import PEM, read_key, read_ws_key
from ftwire_tools.gateway.limits import ACCOUNTS, LANGUAGES, Language, LimitError, LimitSettings
from ftwire_tools.gateway.load import LoadError, load
from ftwire_tools.gateway.log import JsonLog, Log, LogOutput, TextLog
from ftwire_tools.gateway.matching import Match
from ftwire_tools.gateway.push_scheduler import MAX_PAUSE, SECOND, Pace
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.gateway.request_log import ExchangeLog, JsonRequests, TextRequests
from ftwire_tools.gateway.settings import Settings, SettingsError
from ftwire_tools.terminal.addresses import LOOPBACK, Address
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals

if TYPE_CHECKING:
    from ftwire_tools.filters.compiler import Filter
    from ftwire_tools.gateway.answer_source import AnswerSource
    from ftwire_tools.gateway.hooks import Script
    from ftwire_tools.gateway.trading.fill_model import FillModel
    from ftwire_tools.synthetic.universe import Universe

__all__ = ["command"]

MIB: Final = 1 << 20
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the number of the signal."""


def _read_tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise click.UsageError("--tls-key needs --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.ClickException(f"{certificate}: {reason}") from None
    return context


def _universe(path: str | None) -> Universe:
    from ftwire_tools.synthetic.universe import UniverseError, default_universe, load_universe, read_universe

    if path is None:
        return default_universe()
    try:
        if path == "-":
            with click.open_file("-", encoding="utf-8") as lines:
                return read_universe(lines, "standard input")
        return load_universe(path)
    except UniverseError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None


def _fills(text: str) -> FillModel:
    from ftwire_tools.gateway.trading.fill_model import FillModelError, parse_fills

    try:
        return parse_fills(text)
    except FillModelError as error:
        raise click.BadParameter(str(error), param_hint="--fills") from None


def _passwords(texts: Sequence[str]) -> tuple[str | None, dict[int, str]]:
    """Return the password of all firms, ``None`` where none was given, and those of single ones."""
    from ftwire_tools.gateway.trading.order_types import SecurityFirm

    common, own = None, {}
    for text in texts:
        firm, separator, password = text.partition("=")
        if separator and firm in SecurityFirm.__members__:
            own[int(SecurityFirm[firm])] = password
        else:
            common = text
    return common, own


def _limits(account: str, changes: Sequence[str]) -> LimitSettings:
    try:
        return LimitSettings.of(account, changes)
    except LimitError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from None


def _logs(chosen: Filter | None, *, quiet: bool, as_json: bool) -> tuple[Log, ExchangeLog | None]:
    """Return the log of events and that of the requests which pass a filter."""
    if quiet:
        return Log(lambda *_: None), None
    output = LogOutput()
    requests: JsonRequests | TextRequests
    events: JsonLog | TextLog
    if as_json:
        events, requests = JsonLog(output.put), JsonRequests(output.put)
    else:
        events = text = TextLog(output.put)
        requests = TextRequests(
            text.line, later=lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call)
        )
    request_log = ExchangeLog(requests, chosen)

    def close() -> None:
        request_log.close()
        output.close()

    click.get_current_context().call_on_close(close)
    return Log(events), request_log


def _show_protocols(*, as_json_lines: bool) -> None:
    from ftwire_tools.gateway.protocol_table import protocol_table

    for row in protocol_table():
        if as_json_lines:
            click.echo(json.dumps(row._asdict(), ensure_ascii=False))
        else:
            click.echo(f"{row.proto_id:<6}{row.protocol:<40}{row.handling:<12}{row.answer}".rstrip())


async def _serve(
    source: AnswerSource,
    settings: Settings,
    log: Log,
    request_log: ExchangeLog | None,
    script: Script | None,
    control: Control | None,
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
    with calls_on_signals({INTERRUPT: interrupt, END: stop.set}):
        async with (
            Gateway(source, settings, log, on_request=on_request, script=script, request_log=request_log) as gateway,
            open_control(control, gateway.steering, log),
        ):
            gateway.when_failed(stop.set)
            await stop.wait()
            gateway.raise_failure()
    return interrupted


@click.command(
    epilog="Exit codes: 0 closed by SIGTERM, 130 by Ctrl-C, 1 failed, 2 wrong usage.",
)
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", shell_complete=complete_files)
@click.option("--synthetic", is_flag=True, help="Answer from a small made-up market instead of a capture.")
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
@click.option(
    "--host", default=LOOPBACK, show_default=True, help="Address to listen on; one that is not local needs --key."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=11111, show_default=True, help="TCP port; 0 takes a free one."
)
@click.option(
    "--ws-port", type=click.IntRange(0, 65535), help="Listen for WebSocket clients too; OpenD's custom is 33333."
)
@click.option(
    "--ws-key", default="", metavar="TEXT", help="Key that WebSocket clients must know (shown in the process list)."
)
@click.option("--ws-key-file", metavar="FILE", help="The same, from a file.")
@click.option("--tls-cert", metavar="PEM", help="Certificate for wss://.")
@click.option("--tls-key", metavar="PEM", help="Its key, where the certificate's file does not hold it.")
@click.option(
    "--key",
    "key_path",
    type=PEM,
    metavar="PEM",
    help="RSA private key that the clients hold too: switches encryption on.",
)
@click.option(
    "--capture-key",
    "capture_keys",
    multiple=True,
    metavar="PEM",
    help="RSA private key to decrypt captures with; repeatable. --key is tried too.",
)
@click.option(
    "--match",
    type=click.Choice([one.value for one in Match]),
    default=Match.EXACT.value,
    show_default=True,
    help="What of a request must agree with a captured one: the whole body, else its securities, else its protocol.",
)
@click.option(
    "--on-miss",
    type=click.Choice([one.value for one in OnMiss]),
    default=OnMiss.ERROR.value,
    show_default=True,
    help="What a request without captured reply gets.",
)
@click.option("--forward", type=ADDRESS, metavar="HOST:PORT", help="The real gateway for --on-miss forward.")
@click.option("--forward-key", metavar="PEM", help="RSA private key of that gateway.")
@click.option("--allow-trading", is_flag=True, help="Forward requests that place, change or unlock too.")
@click.option(
    "--reuse/--no-reuse",
    default=True,
    show_default=True,
    help="Whether the last captured reply to a request is given again.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Pushes at so many times their captured rhythm, or market seconds a second.",
)
@click.option("--topspeed", is_flag=True, help="Pushes as fast as clients read.")
@click.option(
    "--max-pause",
    type=click.FloatRange(min=0),
    default=MAX_PAUSE,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the next captured push: longer pauses, such as a night, are shortened; inf for none.",
)
@click.option("--loop", "looped", is_flag=True, help="Begin captured pushes again when they are over.")
@click.option(
    "--shift-time",
    type=click.Choice(["now"]),
    help="Move times in messages so that the capture, or the market, begins now.",
)
@click.option(
    "--fills",
    default="book",
    show_default=True,
    metavar="MODEL[:share=,slippage=,latency=]",
    help="How orders are filled: book (against the made-up order book), instant, or half (in halves, each second).",
)
@click.option(
    "--trade-password",
    "trade_passwords",
    multiple=True,
    envvar="FTWIRE_TRADE_PASSWORD",
    show_envvar=True,
    metavar="[FIRM=]TEXT",
    help="Password that unlocks trading, of one firm (FUTUINC=...) or of all; repeatable. Without: 123456.",
)
@click.option(
    "--clock",
    metavar="us-open|hk-open|TIME",
    help="When the made-up market begins: half an hour after New York (the default) or Hong Kong has opened on"
    " 2024-06-12, or a time in ISO 8601 such as 2024-07-03T12:55:00-04:00.",
)
@click.option(
    "--hours",
    type=click.Choice(["exchange", "always"]),
    default="exchange",
    show_default=True,
    help="When the made-up market trades: in the hours of each exchange, or always, as in its regular session.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the market and of faults.")
@fault_options("Make something go wrong")
@click.option(
    "--limits",
    "account",
    type=click.Choice([*ACCOUNTS, "off"]),
    default="1000",
    show_default=True,
    help="Enforce OpenD's limits (frequencies, quotas, a minute before unsubscribing) for an account of this quota.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change one: Qot_GetOptionChain=60 (requests in 30 s, or off), history-days=30; docs/faults.md lists them.",
)
@click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Language of OpenD's texts.",
)
@click.option(
    "--max-clients",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Clients at once; as many again may be about to log in.",
)
@click.option(
    "--max-unsent",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="MIB",
    help="What may wait for a client that does not read, before it is cut off.",
)
@click.option(
    "--max-held",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="MIB",
    help="What may wait from and for all clients together; above, the one with the most is cut off.",
)
@click.option(
    "--login-timeout",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a client may take to log in; --silence counts where it is shorter.",
)
@click.option(
    "--silence",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a client on TCP is dropped; a request once begun must be whole in that time.",
)
@click.option(
    "--keep-alive",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="KeepAlive interval sent to clients.",
)
@script_option("Run a Python script whose functions see, answer, alter, delay or drop what passes; it may steer, too.")
@control_options
@filter_option("Log only requests that match, or whose replies do")
@click.option("--log-json", is_flag=True, help="Requests and events as JSON lines, all of them.")
@click.option("--quiet", "-q", is_flag=True, help="No log.")
def command(
    captures: tuple[str, ...],
    synthetic: bool,
    universe_path: str | None,
    show_universe: bool,
    host: str,
    port: int,
    ws_port: int | None,
    ws_key: str,
    ws_key_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    key_path: str | None,
    capture_keys: tuple[str, ...],
    match: str,
    on_miss: str,
    forward: Address | None,
    forward_key: str | None,
    allow_trading: bool,
    reuse: bool,
    speed: float,
    topspeed: bool,
    max_pause: float,
    looped: bool,
    shift_time: str | None,
    fills: str,
    trade_passwords: tuple[str, ...],
    clock: str | None,
    hours: str,
    seed: int,
    faults: tuple[str, ...],
    account: str,
    limits: tuple[str, ...],
    language: Language,
    list_protocols: bool,
    as_json_lines: bool,
    max_clients: int,
    max_unsent: int,
    max_held: int,
    login_timeout: float,
    silence: float,
    keep_alive: int,
    script_path: str | None,
    control_port: int | None,
    token_file: str | None,
    expression: str | None,
    log_json: bool,
    quiet: bool,
) -> None:
    """Be a gateway: answer clients from CAPTURE, or from a made-up market, as OpenD would.

    Any client of OpenD connects, on TCP and, with --ws-port, on WebSocket, with protobuf or JSON, plain or under
    the RSA key of --key. Requests get the captured reply to the same request; captured pushes go, with their
    rhythm, to those who subscribed. Several captures are the parts of one. "-" reads a capture from standard
    input. A line for each request and each event goes to standard error.

    OpenD's limits hold as for an account with a quota of 1000, with OpenD's texts; --limits off switches them off.

    \b
    Examples:
      ftwire serve capture.pcapng
      ftwire serve --synthetic --ws-port 33333
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
    if not synthetic:
        context = click.get_current_context()
        for name, option in (("fills", "--fills"), ("trade_passwords", "--trade-password")):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"{option} is for --synthetic")
    if clock is not None and shift_time is not None:
        raise click.UsageError("--clock or --shift-time, not both: each says when the market begins")
    if not synthetic and (clock is not None or hours != "exchange"):
        raise click.UsageError("--clock and --hours are for --synthetic")
    if synthetic == bool(captures):
        raise click.UsageError(
            "give captures, or --synthetic" if not captures else "a capture or --synthetic, not both"
        )
    if (on_miss == OnMiss.FORWARD) != (forward is not None):
        raise click.UsageError("--on-miss forward and --forward HOST:PORT need each other")
    if quiet and expression is not None:
        raise click.UsageError("-Y chooses what is logged, and --quiet logs nothing")
    log, request_log = _logs(filter_of(expression), quiet=quiet, as_json=log_json)
    key = read_key(key_path)
    settings = Settings(
        host=host,
        port=port,
        ws_port=ws_port,
        key=key,
        ws_key=read_ws_key(ws_key, ws_key_file),
        tls=_read_tls(tls_cert, tls_key),
        max_clients=max_clients,
        max_waiting=max_clients,
        login_timeout=login_timeout,
        keep_alive=keep_alive,
        silence=silence,
        max_unsent=max_unsent * MIB,
        max_held=max_held * MIB,
        limits=_limits(account, limits),
        language=language,
        seed=seed,
        faults=read_rules(faults),
    )
    try:
        settings.check()
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    pace = Pace(None if topspeed else speed, loop=looped, max_pause=None if math.isinf(max_pause) else max_pause)
    now = time.time_ns() if shift_time == "now" else None
    source: AnswerSource
    if synthetic:
        from ftwire_tools.gateway.synthetic import Synthetic
        from ftwire_tools.gateway.trading.requests import DEFAULT_PASSWORD
        from ftwire_tools.synthetic.trading_day import ClockError, start_time

        try:
            if clock is not None:
                now = start_time(clock) * SECOND
        except ClockError as error:
            raise click.BadParameter(str(error), param_hint="--clock") from None
        password, passwords = _passwords(trade_passwords)
        try:
            source = Synthetic(
                seed=seed,
                pace=pace,
                now=now,
                universe=_universe(universe_path),
                always_open=hours == "always",
                fills=_fills(fills),
                password=DEFAULT_PASSWORD if password is None else password,
                passwords=passwords,
                language=language,
            )
        except ClockError as error:
            raise click.UsageError(f"{error}; with --hours always none are needed") from None
    else:
        forwarding = None
        if forward is not None:
            from ftwire_tools.gateway.forward import Forward

            forwarding = Forward(*forward, key=read_key(forward_key), allow_trading=allow_trading, log=log)
        replay = Replay(
            match=Match(match), on_miss=OnMiss(on_miss), reuse=reuse, pace=pace, now=now, forward=forwarding, log=log
        )
        keys = [found for found in map(read_key, (*capture_keys, key_path)) if found is not None]
        try:
            load(replay, captures, keys, log)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None
        except LoadError as error:
            raise click.ClickException(str(error)) from None
        source = replay
    script = read_script(script_path)
    control = read_control(control_port, token_file, quiet=quiet)
    try:
        interrupted = asyncio.run(_serve(source, settings, log, request_log, script, control))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}: {error.strerror or error}") from None
    if interrupted:
        click.get_current_context().exit(INTERRUPTED)
