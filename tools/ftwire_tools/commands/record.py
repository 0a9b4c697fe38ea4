"""``ftwire record``: a proxy in front of a gateway that records what passes."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ftwire.errors import KeyFormatError
from ftwire_tools.captures.capture_writer import CaptureFiles
from ftwire_tools.captures.input_files import read_file
from ftwire_tools.commands._addresses import ADDRESS, LISTEN
from ftwire_tools.commands._control import (
    Control,
    control_options,
    open_control,
    read_control,
    read_script,
    script_option,
)
from ftwire_tools.commands._filters import filter_of, filter_option
from ftwire_tools.commands._keys import PEM, read_key
from ftwire_tools.commands._options import colour_option
from ftwire_tools.explaining.first_findings import LiveFindings
from ftwire_tools.recording.proxy import Proxy
from ftwire_tools.recording.recorder import Recorder
from ftwire_tools.terminal.addresses import Address, is_loopback, parse_address
from ftwire_tools.terminal.output import ClosedOutputError
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.cipher import RsaKey
    from ftwire_tools.recording.interceptor import Interception
    from ftwire_tools.recording.live_dump import LiveDump

__all__ = ["command"]

DEFAULT_LISTEN: Final = "127.0.0.1:11112"
"""One above OpenD's own port."""
SMALLEST_FILE: Final = 4096
"""Smallest size to rotate by, in bytes: about that of one reply."""

_SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class _Amount(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click only
    """A number with a unit after it."""

    def __init__(self, name: str, units: dict[str, int], smallest: int) -> None:
        self.name = name
        self._units = units
        self._smallest = smallest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse an option's text."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,12})([a-z]?)", str(value).lower())
        if found is None or found[2] not in self._units:
            self.fail(
                f"{value!r} is no number with one of the units {', '.join(filter(None, self._units))}", param, ctx
            )
        amount = int(found[1]) * self._units[found[2]]
        if amount < self._smallest:
            self.fail(f"{value!r} is less than the smallest, {self._smallest}", param, ctx)
        return amount


def _report(text: str) -> None:
    sys.stderr.write(f"ftwire: {printable(text)}\n")
    sys.stderr.flush()


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
    live: LiveDump | None
    pem: bytes | None
    keys: Sequence[RsaKey]
    interception: Interception | None
    control: Control | None


async def _run(settings: _Settings) -> Recorder:
    """Proxy and record until a signal comes. Raises ``ClickException``."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)

    def give_up() -> None:
        loop.call_soon_threadsafe(stop.set)

    routes = ", ".join(f"{at} to {to}" for at, to in settings.routes)
    recorder = Recorder(
        settings.files,
        _report,
        give_up,
        about=f"recorded by a proxy, {routes}: times and bytes are real, packets are made up",
        pem=settings.pem,
        live=settings.live,
        diagnosis=LiveFindings(settings.keys),
    )
    interception = settings.interception
    proxy = Proxy(recorder, _report, None if interception is None else interception.begin)
    try:
        places = []
        for at, to in settings.routes:
            try:
                places.append((proxy.listen(at, to), to))
            except OSError as error:
                raise click.ClickException(f"cannot listen on {at}: {error.strerror or error}") from None
        try:
            recorder.start(time.time_ns())
        except FileExistsError as error:
            raise click.ClickException(f"{error.filename} exists (--overwrite)") from None
        except OSError as error:
            raise click.ClickException(f"{settings.path}: {error.strerror or error}") from None
        for place, to in places:
            _report(f"listening on {place} for the gateway {to}")
        if interception is None:
            await stop.wait()
        else:
            async with interception, open_control(settings.control, interception.steering, interception.log):
                await stop.wait()
    finally:
        await proxy.close()
        recorder.close()
    files = settings.files.paths
    where = f"{files[0]} to {files[-1]}" if len(files) > 1 else str(files[0]) if files else "standard output"
    _report(f"{proxy.connections} connections, {recorder.packets} packets in {where}")
    return recorder


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
    type=_Amount("size", _SIZES, SMALLEST_FILE),
    default=0,
    metavar="N[k|M|G]",
    help="Begin another file before one passes this size (copied first exchanges aside).",
)
@click.option(
    "--rotate-time",
    type=_Amount("time", _SECONDS, 1),
    default=0,
    metavar="N[s|m|h|d]",
    help="Begin another file after this time.",
)
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N files, delete those before.")
@click.option("--dump", is_flag=True, help="Show frames as they pass, as ftwire dump does.")
@click.option("--json", "as_json", is_flag=True, help="Show them as JSON, one object a line.")
@colour_option
@filter_option("Show only frames that match (all are recorded)")
@click.option("--show-secrets", is_flag=True, help="Do not mask keys, passwords, account and user IDs on the terminal.")
@click.option(
    "--key", "keys", multiple=True, type=PEM, metavar="PEM", help="RSA private key to show encrypted traffic with."
)
@click.option("--embed-key", is_flag=True, help="Put the --key into the capture: whoever has the file can read it.")
@click.option("--allow-remote", is_flag=True, help="Let --listen be reached from other machines.")
@script_option("Run a Python script whose functions see, answer, alter, delay or drop what passes.")
@control_options
@click.option(
    "--allow-trading",
    is_flag=True,
    help="With --script or --control: pass requests on that place, change or unlock, and what cannot be read.",
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
    show_secrets: bool,
    keys: tuple[str, ...],
    embed_key: bool,
    allow_remote: bool,
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

    Whatever ends the recording, what was written can be read: FILE has its name from the start. With --rotate-...
    files are numbered (day-0001.pcapng), and each begins with a copy of the first exchange of every connection still
    open, so that it can be decrypted by itself. A file that cannot be written any more (disk full) keeps all whole
    packets; the bytes go on passing, unrecorded, and the exit code is 1.

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
    intercepts = script_path is not None or control_port is not None
    if keys and not (shown or embed_key or intercepts):
        raise click.UsageError("--key needs --dump, --json, --script, --control or --embed-key")
    if allow_trading and not intercepts:
        raise click.UsageError("--allow-trading needs --script or --control: without them all bytes pass")
    if expression is not None and not shown:
        raise click.UsageError("-Y chooses what is shown: it needs --dump or --json (everything is recorded)")
    chosen = filter_of(expression, show_secrets=show_secrets)
    rsa_keys = [key for key in map(read_key, keys) if key is not None]
    pem = _pem(keys[0]) if embed_key else None
    live = None
    if shown:
        from ftwire_tools.dumping.dumper import Dump, Form
        from ftwire_tools.filters.frame_filter import FrameFilter
        from ftwire_tools.recording.live_dump import LiveDump

        form = Form(as_json=as_json, tree=False, with_hex=False, table=False, fields=(), show_secrets=show_secrets)
        live = LiveDump(Dump(form, chosen or FrameFilter(), None, file=None), keys=rsa_keys)
    script = read_script(script_path)
    control = read_control(control_port, token_file, quiet=False)
    interception = None
    if intercepts:
        from ftwire_tools.recording.interceptor import Interception

        interception = Interception(
            script,
            keys=rsa_keys,
            allow_trading=allow_trading,
            report=_report,
            on_request=None if control is None else control.requests.add,
        )
    files = CaptureFiles(path, max_size=rotate_size, max_age=rotate_time, keep=keep or 0, overwrite=overwrite)
    recorder = asyncio.run(
        _run(_Settings(tuple(zip(addresses, to, strict=True)), path, files, live, pem, rsa_keys, interception, control))
    )
    if recorder.unread:
        raise ClosedOutputError("closed")
    ctx.exit(int(recorder.failed))
