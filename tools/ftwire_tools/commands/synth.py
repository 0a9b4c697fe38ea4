"""``ftwire synth``: writes captures of any size, of a made-up market."""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from typing import Final

import click

from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._keys import PEM, read_key
from ftwire_tools.terminal.output import ClosedOutputError, OutputError, write
from ftwire_tools.terminal.output_file import OutputFile
from ftwire_tools.terminal.progress import Progress
from ftwire_tools.terminal.style import printable

__all__ = ["command"]

UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
MIX_ITEM: Final = re.compile(r"([a-z_]+)=(\d+(?:\.\d+)?)")


def _size(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)B?", value.strip().upper())
    if not found:
        raise click.BadParameter(f"{value!r} is no size such as 500K, 20MB or 1.5G")
    return int(float(found[1]) * UNITS[found[2]])


def _mix(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, float] | None:
    from ftwire_tools.synthetic.bodies import KINDS

    if value is None:
        return None
    mix = {}
    for item in value.split(","):
        found = MIX_ITEM.fullmatch(item.strip())
        if not found or found[1] not in KINDS:
            raise click.BadParameter(f"{item.strip()!r} is not NAME=NUMBER with a name of {', '.join(KINDS)}")
        mix[found[1]] = float(found[2])
    if not any(mix.values()):
        raise click.BadParameter("nothing is left to be pushed")
    return mix


def _day(_context: click.Context, _parameter: click.Parameter, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no day such as 2024-01-02") from None


@click.command()
@click.argument("output", metavar="FILE", shell_complete=complete_files)
@click.option(
    "--size", callback=_size, default="10MB", metavar="BYTES", help="Of the file: 500K, 1.5G. 10MB by default."
)
@click.option("--seed", type=int, default=1, metavar="N", help="The same seed gives the same capture; 1 by default.")
@click.option("--market", type=click.Choice(["HK", "US"]), default="HK", help="Whose hours and codes; HK by default.")
@click.option("--symbols", type=click.IntRange(1, 10_000), default=20, metavar="N", help="Securities; 20 by default.")
@click.option("--start", "first", callback=_day, default="2024-01-02", metavar="DAY", help="First day; 2024-01-02.")
@click.option("--days", type=click.IntRange(1, 1000), default=1, metavar="N", help="Trading days; 1 by default.")
@click.option("--connections", type=click.IntRange(1, 1000), default=1, metavar="N", help="Clients; 1 by default.")
@click.option(
    "--mix",
    callback=_mix,
    metavar="NAME=N,...",
    help="Shares of what is pushed: ticker=50,order_book=30,basic_quote=12,time_share=5,kline=3 by default.",
)
@click.option("--key", type=PEM, metavar="PEM", help="RSA private key: everything is encrypted then.")
@click.option(
    "--cipher",
    type=click.Choice(["ftaes_ecb", "aes_ecb", "aes_cbc"]),
    default="aes_cbc",
    help="Cipher behind the handshake, with --key; aes_cbc by default.",
)
@click.option(
    "--loss",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    metavar="SHARE",
    help="Share of packets left out.",
)
@click.option("--json", "as_json", is_flag=True, help="What was written as a JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    output: str,
    size: int,
    seed: int,
    market: str,
    symbols: int,
    first: date,
    days: int,
    connections: int,
    mix: dict[str, float] | None,
    key: str | None,
    cipher: str,
    loss: float,
    as_json: bool,
) -> None:
    """Write a capture of made-up trading to FILE: pcapng if it is called so, else pcap. "-" is standard output.

    Connections with handshake, subscription and replies, then pushes over the market's hours. The same seed results in
    the same bytes (but for the handshake with --key: RSA pads with random ones). Numbers and names mean nothing.
    A FILE that exists is replaced, when the new one is complete.

    \b
    Examples:
      ftwire synth load.pcap --size 1G --symbols 200 --days 5 --connections 8
      ftwire synth - --size 1MB --loss 0.01 | ftwire dump --stats -
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.markets.trading_days import CalendarRangeError
    from ftwire_tools.synthetic.day import MIX, Plan, write_capture

    plan = Plan(
        size=size,
        seed=seed,
        market=market,
        symbols=symbols,
        first=first,
        days=days,
        connections=connections,
        mix=MIX if mix is None else mix,
        key=read_key(key),
        cipher=cipher,
        loss=loss,
        kind="pcapng" if output.endswith(".pcapng") else "pcap",
    )
    progress = Progress(size, prints=output == "-")
    try:
        if output == "-":
            if as_json:
                raise click.UsageError("--json and a capture do not go to the same standard output")
            write_capture(plan, _to_stdout, progress.update)
            ctx.exit(0)
        with OutputFile(output, overwrite=True) as file:
            written = write_capture(plan, file.write, progress.update)
    except CalendarRangeError as error:
        raise click.UsageError(f"--start and --days: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from None
    finally:
        progress.clear()
    if as_json:
        write(json.dumps(written._asdict()) + "\n")
    else:
        count = sum(written.frames.values())
        what = f"{written.size} bytes, {written.packets} packets, {written.lost} lost, {count} frames"
        write(f"{printable(output)}: {what}\n")


def _to_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise ClosedOutputError("closed") from None
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from None
