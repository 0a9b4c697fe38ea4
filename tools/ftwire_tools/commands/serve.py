"""``ftwire serve``: a gateway that answers from captures, or from a made-up market."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from ftwire_tools.commands._addresses import ADDRESS
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._keys import PEM, read_key, read_ws_key
from ftwire_tools.gateway.faults import NAMES, FaultError, Rule, parse_rule
from ftwire_tools.gateway.load import LoadError, load
from ftwire_tools.gateway.log import Log, as_json, as_text
from ftwire_tools.gateway.matching import Match
from ftwire_tools.gateway.push_scheduler import MAX_PAUSE, Pace
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.gateway.settings import Settings, SettingsError
from ftwire_tools.terminal.addresses import LOOPBACK, Address
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import AnswerSource

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


def _rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    try:
        return tuple(parse_rule(text) for text in texts)
    except FaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


async def _serve(source: AnswerSource, settings: Settings, log: Log) -> bool:
    """Serve until a signal comes; return whether that was Ctrl-C."""
    from ftwire_tools.gateway.server import Gateway

    stop = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    with calls_on_signals({INTERRUPT: interrupt, END: stop.set}):
        async with Gateway(source, settings, log) as gateway:
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
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the market and of faults.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:p=,n=,proto=,client=]",
    help="Make something go wrong; repeatable. --list-faults shows the names.",
)
@click.option("--list-faults", is_flag=True, help="Show what can go wrong, and exit.")
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
@click.option("--log-json", is_flag=True, help="Events as JSON lines.")
@click.option("--quiet", "-q", is_flag=True, help="No events.")
def command(
    captures: tuple[str, ...],
    synthetic: bool,
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
    seed: int,
    faults: tuple[str, ...],
    list_faults: bool,
    max_clients: int,
    max_unsent: int,
    max_held: int,
    login_timeout: float,
    silence: float,
    keep_alive: int,
    log_json: bool,
    quiet: bool,
) -> None:
    """Be a gateway: answer clients from CAPTURE, or from a made-up market, as OpenD would.

    Any client of OpenD connects, on TCP and, with --ws-port, on WebSocket, with protobuf or JSON, plain or under
    the RSA key of --key. Requests get the captured reply to the same request; captured pushes go, with their
    rhythm, to those who subscribed. Several captures are the parts of one. "-" reads a capture from standard
    input. Events go to standard error.

    \b
    Examples:
      ftwire serve capture.pcapng
      ftwire serve --synthetic --ws-port 33333
      ftwire serve --synthetic --fault drop:p=0.1 --fault cut:proto=Qot_GetRT,n=2
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if list_faults:
        for name, meaning in NAMES.items():
            click.echo(f"{name:18}{meaning}")
        return
    if synthetic == bool(captures):
        raise click.UsageError(
            "give captures, or --synthetic" if not captures else "a capture or --synthetic, not both"
        )
    if (on_miss == OnMiss.FORWARD) != (forward is not None):
        raise click.UsageError("--on-miss forward and --forward HOST:PORT need each other")
    log = Log((lambda *_: None) if quiet else as_json if log_json else as_text)
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
        seed=seed,
        faults=_rules(faults),
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

        source = Synthetic(seed=seed, pace=pace, now=now)
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
    try:
        interrupted = asyncio.run(_serve(source, settings, log))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}: {error.strerror or error}") from None
    if interrupted:
        click.get_current_context().exit(INTERRUPTED)
