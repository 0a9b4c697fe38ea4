"""``ftwire record``: a proxy in front of a gateway that records what passes."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ftwire.errors import KeyFormatError
from ftwire.frame import Kind
from ftwire_tools.captures.capture_writer import CaptureFiles
from ftwire_tools.captures.input_files import read_file
from ftwire_tools.commands._addresses import ADDRESS, LISTEN
from ftwire_tools.commands._amounts import SECONDS, SIZES, Amount
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
from ftwire_tools.commands._keys import PEM, read_key
from ftwire_tools.commands._live_page import LivePage
from ftwire_tools.commands._options import colour_option
from ftwire_tools.explaining.first_findings import LiveFindings
from ftwire_tools.gateway.faults import Faults
from ftwire_tools.gateway.log import LogOutput, TextLog
from ftwire_tools.gateway.request_log import ExchangeLog, TextRequests, exchange_of_frames
from ftwire_tools.recording.proxy import Proxy
from ftwire_tools.recording.recorder import Recorder
from ftwire_tools.terminal.addresses import Address, is_loopback, leads_to, parse_address
from ftwire_tools.terminal.output import ClosedOutputError
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftwire.capture import DissectedFrame
    from ftwire.cipher import RsaKey
    from ftwire_tools.filters.compiler import Filter
    from ftwire_tools.recording.interceptor import Interception
    from ftwire_tools.recording.live_dump import LiveDump

__all__ = ["command"]

DEFAULT_LISTEN: Final = "127.0.0.1:11112"
"""One above OpenD's own port."""
SMALLEST_FILE: Final = 4096
"""Smallest size to rotate by, in bytes: about that of one reply."""


class _Log:
    """What is written to standard error: messages, and a line for each request unless ``is_quiet``."""

    def __init__(self, chosen: Filter | None, *, is_quiet: bool) -> None:
        self._output: Final = LogOutput()
        requests = TextRequests(TextLog(self._output.put).line)
        self._exchanges: Final = None if is_quiet else ExchangeLog(requests, chosen)

    def report(self, text: str) -> None:
        """Write a message."""
        self._output.put(f"ftwire: {printable(text)}")

    @property
    def watch(self) -> Callable[[DissectedFrame], None] | None:
        """What takes all frames that pass, where requests are logged."""
        return None if self._exchanges is None else self._take

    def _take(self, frame: DissectedFrame) -> None:
        if self._exchanges is not None and frame.kind is Kind.RESPONSE:
            exchange = exchange_of_frames(frame)
            if exchange is not None:
                self._exchanges.add(exchange)

    def close(self) -> None:
        """Write what is left."""
        if self._exchanges is not None:
            self._exchanges.close()
        self._output.close()


def _pem(path: str) -> bytes:
    """Return the private key of a PEM file, without anything else in the file."""
    from ftwire.capture import pem_of

    try:
        return pem_of(read_file(path))
    except (OSError, KeyFormatError) as error:
        raise click.ClickException(f"{path}: {error}") from None


class _Settings(NamedTuple):
    """Which gateways to proxy, and how to record."""

    routes: tuple[tuple[Address, Address], ...]
    path: str
    files: CaptureFiles
    seen: CaptureFiles | None
    """Where to record what clients have got, faults included."""
    log: _Log
    live: LiveDump | None
    pem: bytes | None
    keys: Sequence[RsaKey]
    interception: Interception | None
    control: Control | None
    page: LivePage | None
    """What shows all of it, where ``ftwire view`` runs the proxy."""


async def _run(settings: _Settings) -> Recorder:
    """Proxy and record until a signal comes. Raises ``ClickException``."""
    stop = asyncio.Event()
    with calls_on_signals({INTERRUPT: stop.set, END: stop.set}):
        return await _record(settings, stop)


async def _record(settings: _Settings, stop: asyncio.Event) -> Recorder:
    """Proxy and record until ``stop`` is set. Raises ``ClickException``."""
    loop = asyncio.get_running_loop()
    report, page = settings.log.report, settings.page

    def give_up() -> None:
        loop.call_soon_threadsafe(stop.set)

    routes = ", ".join(f"{at} to {to}" for at, to in settings.routes)
    about = f"recorded by a proxy, {routes}: times and bytes are real, packets are made up"
    recorder = Recorder(
        settings.files,
        report,
        give_up,
        about=about,
        pem=settings.pem,
        live=settings.live,
        diagnosis=LiveFindings(settings.keys, watch=settings.log.watch),
        spool=None if page is None else page.spool,
    )
    seen = None
    if settings.seen is not None:
        seen = Recorder(settings.seen, report, give_up, about=f"{about}; as clients got them, faults included")
    interception = settings.interception
    proxy = Proxy(recorder, report, None if interception is None else interception.begin, seen)
    try:
        places = [(_listen(proxy, at, to), to) for at, to in settings.routes]
        for place, to in itertools.product([place for place, _ in places], [to for _, to in places]):
            if leads_to(to, place):
                # Each connection would make another, until there are no descriptors left.
                raise click.UsageError(f"--to {to} is where this proxy listens itself; --listen takes another port")
        for each in filter(None, (recorder, seen)):
            _start(each, settings.path)
        for place, to in places:
            report(f"listening on {place} for the gateway {to}")
        async with AsyncExitStack() as stack:
            steering = None
            if interception is not None:
                steering = interception.steering
                await stack.enter_async_context(interception)
                await stack.enter_async_context(open_control(settings.control, steering, interception.log))
            if page is not None:
                ways = [(to, place) for place, to in places]
                title = ", ".join(f"proxy at {page.end(place)} to {page.end(to)}" for place, to in places)
                beside = page.beside(title, routes=ways, keys=settings.keys, steering=steering, report=report)
                await stack.enter_async_context(beside)
            await stop.wait()
    finally:
        await proxy.close()
        recorder.close()
        if seen is not None:
            seen.close()
    if interception is not None and (struck := interception.faults.struck):
        told = ", ".join(f"{interception.faults.text_of(number)} {count}" for number, count in sorted(struck.items()))
        report(f"faults: {told}")
    files = settings.files.paths
    where = f"{files[0]} to {files[-1]}" if len(files) > 1 else str(files[0]) if files else "standard output"
    report(f"{proxy.connections} connections, {recorder.packets} packets in {where}")
    return recorder


def _listen(proxy: Proxy, at: Address, to: Address) -> Address:
    """Listen for clients of a gateway; return the address. Raises ``ClickException``."""
    try:
        return proxy.listen(at, to)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {at}: {error.strerror or error}") from None


def _start(recorder: Recorder, path: str) -> None:
    """Begin the first file. Raises ``ClickException``; ``path`` is named where the error names no file."""
    try:
        recorder.start(time.time_ns())
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} exists (--overwrite)") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {error.strerror or error}") from None


@click.command(
    epilog="Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 failed, or could not write all of it, 2 wrong usage.",
)
@click.option(
    "--listen",
    "listen",
    type=LISTEN,
    multiple=True,
    metavar="[HOST:]PORT",
    help=f"Where clients connect; {DEFAULT_LISTEN} by default. One for each --to.",
)
@click.option(
    "--to",
    type=ADDRESS,
    multiple=True,
    required=True,
    envvar="FTWIRE_TO",
    show_envvar=True,
    metavar="HOST:PORT",
    help="The gateway; repeatable.",
)
@click.option(
    "-w", "path", required=True, metavar="FILE", help='The pcapng to write, readable by you alone; "-" for stdout.'
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@click.option(
    "--rotate-size",
    type=Amount("bytes", SIZES, SMALLEST_FILE),
    default=0,
    metavar="N[k|M|G]",
    help="Begin another file before one passes this size (copied first exchanges aside).",
)
@click.option(
    "--rotate-time",
    type=Amount("seconds", SECONDS, 1),
    default=0,
    metavar="N[s|m|h|d]",
    help="Begin another file after this time.",
)
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N files, delete those before.")
@click.option("--dump", is_flag=True, help="Show frames as they pass, as ftwire dump does.")
@click.option("--json", "as_json", is_flag=True, help="Show them as JSON, one object a line.")
@colour_option
@filter_option("Show only frames that match, or log only their requests (all are recorded)")
@click.option("--quiet", "-q", is_flag=True, help="No line for each request on standard error.")
@click.option("--show-secrets", is_flag=True, help="Do not mask keys, passwords, account and user IDs on the terminal.")
@click.option(
    "--key", "keys", multiple=True, type=PEM, metavar="PEM", help="RSA private key to show encrypted traffic with."
)
@click.option("--embed-key", is_flag=True, help="Put the --key into the capture: whoever has the file can read it.")
@click.option("--allow-remote", is_flag=True, help="Let --listen be reached from other machines.")
@fault_options("Do something wrong on the way to the clients")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the faults' chances.")
@click.option(
    "--seen",
    "seen_path",
    metavar="FILE",
    help="With --fault: write another pcapng, with what clients have got; -w has what the gateway sent.",
)
@script_option("Run a Python script whose functions see, answer, alter, delay or drop what passes.")
@control_options
@click.option(
    "--allow-trading",
    is_flag=True,
    help="With --script, --control or --fault: pass requests on that place, change or unlock, and what cannot be read.",
)
@click.pass_context
def command(
    ctx: click.Context,
    listen: tuple[Address, ...],
    to: tuple[Address, ...],
    path: str,
    overwrite: bool,
    rotate_size: int,
    rotate_time: int,
    keep: int | None,
    dump: bool,
    as_json: bool,
    expression: str | None,
    quiet: bool,
    show_secrets: bool,
    keys: tuple[str, ...],
    embed_key: bool,
    allow_remote: bool,
    faults: tuple[str, ...],
    seed: int,
    seen_path: str | None,
    script_path: str | None,
    control_port: int | None,
    token_file: str | None,
    allow_trading: bool,
) -> None:
    """Record what clients and a gateway send each other, as a proxy between them.

    Clients connect to --listen instead of the gateway. All bytes pass unchanged and at once, on TCP and
    WebSocket alike, plain or encrypted (wss:// too, which cannot be decrypted). It works without the rights that
    capturing packets takes.

    \b
    Examples:
      ftwire record --to 127.0.0.1:11111 -w session.pcapng --dump
      ftwire record --to :11111 -w session.pcapng --dump -Y 'ret_type != 0 or latency > 50ms'
      ftwire record --listen 11112 --to :11111 --listen 33334 --to :33333 -w both.pcapng
      ftwire record --to :11111 -w day.pcapng --rotate-time 1h --rotate-size 100M --keep 48
      ftwire record --to :11111 -w - | wireshark -k -i -
      ftwire record --to :11111 -w session.pcapng --script scenario.py
      ftwire record --to :11111 -w sent.pcapng --fault drop:p=0.05 --seed 7 --seen got.pcapng

    Whatever ends the recording, what was written can be read: FILE has its name from the start. With --rotate-...
    files are numbered (day-0001.pcapng), and each begins with a copy of the first exchange of every connection still
    open, so that it can be decrypted by itself. A file that cannot be written any more (disk full) keeps all whole
    packets; the bytes go on passing, unrecorded, and the exit code is 1.

    A line for each request with its answer goes to standard error, unless frames are shown (--dump, --json).

    With --fault, clients meet faults in front of the gateway; FILE has what the gateway sent, --seen what clients got.
    Requests that trade do not reach the gateway then, unless --allow-trading says so: who does not get the reply to an
    order may place it again.

    With --script, a function of yours sees each message and may change it; FILE has what clients sent and got. Requests
    that trade do not reach the gateway then, whatever the script returns, unless --allow-trading says so.

    A gateway demands a key of remote clients; through this proxy all are local. Hence --allow-remote.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    addresses = listen or (parse_address(DEFAULT_LISTEN),)
    if len(addresses) != len(to):
        raise click.UsageError(f"one --listen for each --to, not {len(addresses)} for {len(to)}")
    for address in addresses:
        if not is_loopback(address.host) and not allow_remote:
            raise click.UsageError(f"--listen {address} can be reached from other machines (--allow-remote)")
    if keep is not None and not (rotate_size or rotate_time):
        raise click.UsageError("--keep needs --rotate-size or --rotate-time")
    shown = dump or as_json
    if path == "-":
        if shown:
            raise click.UsageError("standard output cannot take both the capture and the dump")
        if rotate_size or rotate_time:
            raise click.UsageError("standard output cannot be rotated")
        if sys.stdout.isatty():
            raise click.UsageError("a capture is not for a terminal")
    if embed_key and len(keys) != 1:
        raise click.UsageError("--embed-key needs one --key")
    page = ctx.find_object(LivePage)
    rules = read_rules(faults)
    intercepts = script_path is not None or control_port is not None or bool(rules)
    if keys and quiet and page is None and not (shown or embed_key or intercepts):
        raise click.UsageError("--key needs something to read with it, and --quiet shows no requests")
    if allow_trading and not intercepts:
        hint = "" if page is None else "; before --record it is about requests that the page sends again"
        raise click.UsageError(
            f"--allow-trading needs --script, --control or --fault: without them all bytes pass{hint}"
        )
    if expression is not None and quiet and not shown:
        raise click.UsageError("-Y chooses what is shown, and --quiet shows nothing (everything is recorded)")
    if seen_path is not None and not intercepts:
        raise click.UsageError("--seen needs --fault or --control: without faults, clients get what is recorded")
    if seen_path in {path, "-"}:
        raise click.UsageError("--seen is for a file of its own")
    chosen = filter_of(expression, show_secrets=show_secrets)
    rsa_keys = [key for key in map(read_key, keys) if key is not None]
    pem = _pem(keys[0]) if embed_key else None
    live = None
    if shown:
        from ftwire_tools.dumping.dumper import Dump, DumpForm
        from ftwire_tools.filters.frame_filter import FrameFilter
        from ftwire_tools.recording.live_dump import LiveDump

        form = DumpForm(as_json=as_json, tree=False, with_hex=False, table=False, fields=(), show_secrets=show_secrets)
        live = LiveDump(Dump(form, chosen or FrameFilter(), None, file=None), keys=rsa_keys)
    log = _Log(chosen, is_quiet=quiet or shown)
    script = read_script(script_path)
    control = read_control(control_port, token_file, quiet=False)
    interception = None
    if intercepts:
        from ftwire_tools.recording.interceptor import Interception

        interception = Interception(
            script,
            faults=Faults(rules, seed=seed),
            keys=rsa_keys,
            allow_trading=allow_trading,
            report=log.report,
            on_request=None if control is None else control.requests.add,
        )
    files = CaptureFiles(path, max_size=rotate_size, max_age=rotate_time, keep=keep or 0, overwrite=overwrite)
    seen = None if seen_path is None else CaptureFiles(seen_path, max_size=0, max_age=0, keep=0, overwrite=overwrite)
    routes = tuple(zip(addresses, to, strict=True))
    settings = _Settings(routes, path, files, seen, log, live, pem, rsa_keys, interception, control, page)
    try:
        recorder = asyncio.run(_run(settings))
    finally:
        log.close()
    if recorder.unread:
        raise ClosedOutputError("closed")
    ctx.exit(int(recorder.failed))
