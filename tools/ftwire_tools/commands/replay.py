"""``ftwire replay``: send a capture's requests to a live gateway, and compare the replies."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from ftwire.errors import NotACaptureError
from ftwire.header import BodyFormat
from ftwire_tools.captures.input_files import open_input
from ftwire_tools.commands._addresses import gateway_option
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._keys import PEM, key_option, read_key
from ftwire_tools.commands._options import SDK_TIMEOUT, colour_option, show_secrets_option, timeout_option
from ftwire_tools.messages.comparison import CONNECTION_BOUND, Comparison, Tolerance, parse_tolerance
from ftwire_tools.messages.summary import summary_of
from ftwire_tools.render.stats import duration
from ftwire_tools.replaying.capture_script import CaptureScript, Part, read_script
from ftwire_tools.replaying.replayer import Outcome, ReplayOptions, ReplayStatus, perform
from ftwire_tools.terminal.addresses import Address
from ftwire_tools.terminal.cells import screen_of, wrapped
from ftwire_tools.terminal.exit_codes import FAILED, NOT_DECODED
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import PLAIN, Paint, paint_for, printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["command"]

MAX_DIFFERENCES: Final = 20
INDENT: Final = " " * 9
"""In front of lines that belong to a request."""


class ReplayReport:
    """Prints results as they come, and counts them."""

    def __init__(self, *, as_json: bool, only_differences: bool) -> None:
        self._as_json: Final = as_json
        self._only_differences: Final = only_differences
        self._paint: Final[Paint] = PLAIN if as_json else paint_for(sys.stdout)
        self._screen: Final = screen_of(sys.stdout)
        self.counts: Final[Counter[ReplayStatus]] = Counter()
        self.left_out: Final[Counter[str]] = Counter()

    def outcome(self, outcome: Outcome) -> None:
        """Print one result and count it."""
        self.counts[outcome.status] += 1
        if outcome.status is ReplayStatus.LEFT_OUT:
            self.left_out[outcome.reason] += 1
        if self._only_differences and outcome.status in {ReplayStatus.SAME, ReplayStatus.UNCOMPARED}:
            return
        write(self._json(outcome) if self._as_json else self._lines(outcome))

    def summary(self, unreadable: list[str]) -> None:
        """Print the counts, and which requests were not sent."""
        counts = {status.value: self.counts[status] for status in ReplayStatus if self.counts[status]}
        if self._as_json:
            facts = {
                "summary": counts,
                "left_out": [{"reason": reason, "count": count} for reason, count in self.left_out.items()],
                "unreadable": unreadable,
            }
            write(f"{json.dumps(facts)}\n")
        else:
            total = sum(counts.values())
            parts = ", ".join(f"{count} {name}" for name, count in counts.items())
            write(f"--- {total} {'request' if total == 1 else 'requests'}: {parts or 'none'}\n")
        for reason, count in self.left_out.items():
            sys.stderr.write(f"ftwire: left out {count}x {printable(reason)}\n")
        for sentence in unreadable:
            sys.stderr.write(f"ftwire: not read: {printable(sentence)}\n")

    def _lines(self, outcome: Outcome) -> str:
        step, paint = outcome.step, self._paint
        colour = {ReplayStatus.SAME: paint.response, ReplayStatus.LEFT_OUT: paint.push}.get(outcome.status, paint.bad)
        copy = f"/{outcome.copy}" if outcome.copy > 1 else ""
        took = "" if outcome.latency is None else duration(outcome.latency)
        head = (
            f"{step.number:>6} {outcome.part.conversation.number}{copy} {colour}{outcome.status:<10}{paint.reset} "
            f"{step.proto_id} {step.name:<24} {took:>8}  "
        )
        line = f"{head}{printable(outcome.reason) or summary_of(step.request)}".rstrip()
        below = [*map(str, outcome.differences), *[f"and {outcome.more} more"] * bool(outcome.more)]
        screen = self._screen
        if screen is not None and (cut := screen.cut(line)) is not line:
            if outcome.reason:
                # It is never cut off.
                cut, below = screen.cut(head.rstrip()), [outcome.reason, *below]
            line = cut
        return f"{line}\n" + "".join(
            f"{INDENT}{each}\n" for text in below for each in wrapped(printable(text), len(INDENT), screen)
        )

    def _json(self, outcome: Outcome) -> str:
        step = outcome.step
        facts = {
            "number": step.number,
            "conversation": outcome.part.conversation.number,
            "connection": outcome.copy,
            "proto_id": step.proto_id,
            "proto": step.name,
            "serial": step.serial,
            "status": outcome.status.value,
            "reason": outcome.reason or None,
            "latency_ns": None if outcome.latency is None else str(outcome.latency),
            "captured_latency_ns": None if step.latency is None else str(step.latency),
            "differences": [
                {"path": each.path, "expected": each.expected, "actual": each.actual, "is_length": each.is_length}
                for each in outcome.differences
            ],
            "more_differences": outcome.more,
        }
        return f"{json.dumps(facts)}\n"


async def play(
    script: CaptureScript,
    to: Address,
    key: RsaKey | None,
    copies: int,
    timeout: float,
    options: ReplayOptions,
    report: ReplayReport,
) -> None:
    """Send the requests of every captured client on its connections. Raises ``ConnectError`` if one cannot be made."""
    from ftwire_tools.client import Client

    def client_for(part: Part) -> Client:
        formats = Counter(step.body_format for step in part.steps)
        return Client(
            to.host,
            to.port,
            key=key,
            body_format=formats.most_common(1)[0][0] if formats else BodyFormat.PROTOBUF,
            timeout=timeout,
            reconnect=None,
            init=part.init,
        )

    cast = [(part, copy, client_for(part)) for part in script.parts for copy in range(1, copies + 1)]
    try:
        # All are connected before the first one begins.
        for _, _, client in cast:
            await client.open()
        async with asyncio.TaskGroup() as group:
            for part, copy, client in cast:
                group.create_task(perform(client, part, copy, options, report.outcome))
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    finally:
        for _, _, client in cast:
            await client.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ended the tasks, for example a closed output."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def load(path: str, key: RsaKey | None) -> CaptureScript:
    """Read the capture. Raises ``click.ClickException``."""
    with file_errors(path, NotACaptureError), open_input(path) as source_input:
        script = read_script(source_input, [] if key is None else [key])
    if not script.parts:
        why = f": {script.unreadable[0]}" if script.unreadable else ""
        raise click.ClickException(f"{path}: no request that could be sent again{why}")
    return script


class _ToleranceType(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click only
    name = "tolerance"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Tolerance:
        """Convert the text of an option."""
        if isinstance(value, Tolerance):
            return value
        try:
            return parse_tolerance(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    epilog="Exit codes: 0 every reply is as captured, 1 a reply differs or failed, or there was no connection, "
    "2 wrong usage, 3 all that was sent is as captured, but part of the capture could not be read."
)
@click.argument("capture", metavar="CAPTURE", shell_complete=complete_files)
@gateway_option
@key_option("RSA private key of the gateway; also opens an encrypted capture.")
@click.option(
    "--capture-key", type=PEM, metavar="PEM", help="RSA private key that opens the capture, when it is another."
)
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="PATH",
    help="Fields not compared, e.g. s2c.time or rtList.*; repeatable.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    type=_ToleranceType(),
    metavar="[PATH=]N[%]",
    help="How far numbers may lie apart, everywhere or in one field; repeatable.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="How many times as fast as captured.",
)
@click.option("--topspeed", is_flag=True, help="Do not wait for captured times, only for replies.")
@click.option(
    "--connections",
    type=click.IntRange(min=1, max=128),
    default=1,
    show_default=True,
    metavar="N",
    help="Play each captured client this many times at once.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and request, the last one a summary.")
@click.option("--only-differences", is_flag=True, help="Leave out requests whose replies agree.")
@colour_option
@timeout_option(SDK_TIMEOUT)
@click.option("--allow-trading", is_flag=True, help="Send requests that place, change, unlock or confirm, too.")
@show_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    capture: str,
    to: Address,
    key: str | None,
    capture_key: str | None,
    ignored: tuple[str, ...],
    tolerances: tuple[Tolerance, ...],
    speed: float,
    topspeed: bool,
    connections: int,
    as_json: bool,
    only_differences: bool,
    timeout: float,
    allow_trading: bool,
    show_secrets: bool,
) -> None:
    """Send the requests in CAPTURE to a gateway again, and compare its replies with the captured ones.

    Each captured client gets a connection of its own, on TCP, with serial numbers, connection and packet IDs and
    keys of that connection; IDs of orders placed on the way are put in place of the captured ones.

    \b
    Examples:
      ftwire replay session.pcap
      ftwire replay session.pcapng --to 10.0.0.5:11111 --key rsa.pem --topspeed
      ftwire replay session.pcap --ignore s2c.time --tolerance price=0.01 --tolerance volume=1%

    Without --allow-trading, requests that trade are left out and listed.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.client.errors import ClientError, HandshakeError

    try:
        comparison = Comparison(ignore=(*CONNECTION_BOUND, *ignored), tolerances=tolerances, show_secrets=show_secrets)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ignore") from None
    gateway_key = read_key(key)
    script = load(capture, read_key(capture_key) or gateway_key)
    options = ReplayOptions(
        comparison=comparison,
        start=min((step.time for part in script.parts for step in part.steps if step.time), default=0),
        speed=None if topspeed else speed,
        allow_trading=allow_trading,
        max_differences=MAX_DIFFERENCES,
    )
    report = ReplayReport(as_json=as_json, only_differences=only_differences)
    try:
        asyncio.run(play(script, to, gateway_key, connections, timeout, options, report))
    except HandshakeError as error:
        option = "; --key names its PEM file" if error.may_be_key else ""
        raise click.ClickException(f"{printable(str(error))}{option}") from None
    except ClientError as error:
        raise click.ClickException(printable(str(error))) from None
    report.summary(script.unreadable)
    if report.counts[ReplayStatus.DIFFERENT] or report.counts[ReplayStatus.FAILED]:
        ctx.exit(FAILED)
    ctx.exit(NOT_DECODED if script.unreadable else 0)
