"""``ftwire call``: one request to a live gateway, and its pushes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from ftwire.errors import WireError
from ftwire.events import FrameDamaged
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.commands._addresses import gateway_option
from ftwire_tools.commands._call_plan import CallPlan, find_protocol, plan
from ftwire_tools.commands._completion import complete_protocols
from ftwire_tools.commands._keys import key_option, read_key
from ftwire_tools.commands._options import SDK_TIMEOUT, show_secrets_option, timeout_option
from ftwire_tools.messages.enums import enum_name
from ftwire_tools.messages.request_builder import RequestError
from ftwire_tools.messages.trading import trades
from ftwire_tools.terminal.addresses import Address
from ftwire_tools.terminal.cells import screen_of
from ftwire_tools.terminal.exit_codes import FAILED, NOT_DECODED
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.frame import Frame
    from ftwire_tools.client import Client, ClientEvent

__all__ = ["command"]

RECONNECT: Final = 6.0
"""Longest pause between attempts to reconnect, in seconds, where pushes are watched."""

FrameWriter = Callable[["Frame", "int | None"], None]
"""Writes a frame, and its latency in nanoseconds if it is a reply."""


async def run(client: Client, job: CallPlan, write_frame: FrameWriter) -> int:
    """Carry out a plan, and return the exit code."""
    async with client:
        # Before the subscription is sent, so that no push is missed.
        stream = client.pushes(*(entry.proto_id for entry in job.watched)) if job.watched else None
        if job.subscription is not None:
            await client.request("Qot_Sub", job.subscription)
        if job.protocol is not None and job.request is not None:
            reply = await client.exchange(job.protocol.proto_id, job.request)
            write_frame(reply.frame, reply.latency)
            message: Any = reply.frame.message
            if message.retType:
                name = enum_name(message.DESCRIPTOR.fields_by_name["retType"], message.retType)
                label = f"{message.retType} ({name})" if name else str(message.retType)
                if not message.HasField("retType"):
                    # The schema's default, which nobody sent.
                    label = "absent"
                complain(f"{job.protocol.name} failed: retType {label} {message.retMsg}".rstrip())
                return FAILED
        code = 0
        if stream is not None:
            shown = 0
            async for frame in stream:
                try:
                    write_frame(frame, None)
                except WireError as error:
                    complain(str(error))
                    code = NOT_DECODED
                shown += 1
                if shown == job.limit:
                    break
    return code


def complain(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"ftwire: {printable(text)}\n")


def report(event: ClientEvent) -> None:
    """Write what happens to the connection to standard error."""
    from ftwire_tools.client import ConnectionLost, ConnectionRestored, SubscriptionRefused

    if isinstance(event, ConnectionLost):
        complain(event.reason)
    elif isinstance(event, ConnectionRestored):
        complain(f"connected again (attempt {event.attempts}), {event.subscriptions} subscription requests repeated")
    elif isinstance(event, SubscriptionRefused):
        complain(f"a subscription is not granted again: {event.error}")
    elif isinstance(event, FrameDamaged):
        complain(f"a frame of protocol {event.frame.proto_id} cannot be read: {event.frame.error}")
    else:
        complain(f"a reply that nothing waits for: protocol {event.frame.proto_id}, serial {event.frame.serial}")


def call(
    job: CallPlan, to: Address, key: RsaKey | None, body_format: BodyFormat, timeout: float, write_frame: FrameWriter
) -> int:
    """Connect and carry out a plan. Raises ``click.ClickException`` for what goes wrong."""
    from ftwire_tools.client import Client
    from ftwire_tools.client.errors import ClientError, HandshakeError

    client = Client(
        to.host,
        to.port,
        key=key,
        body_format=body_format,
        timeout=timeout,
        reconnect=RECONNECT if job.watched else None,
        on_event=report if job.watched else None,
    )
    try:
        return asyncio.run(run(client, job, write_frame))
    except HandshakeError as error:
        option = "; --key names its PEM file" if error.may_be_key else ""
        raise click.ClickException(f"{printable(str(error))}{option}") from None
    except (ClientError, WireError, RequestError) as error:
        raise click.ClickException(printable(str(error))) from None


def show_list(pattern: str | None, *, as_json: bool) -> None:
    """Write the protocols whose names match."""
    from ftwire_tools.schemas.outline import kind_of

    found = registry.find(pattern or "*")
    if not found:
        raise click.UsageError(f"No protocol is called {pattern!r}.")
    for entry in found:
        kind = kind_of(entry)
        if as_json:
            facts = {"proto_id": entry.proto_id, "proto": entry.name, "kind": kind, "retired": entry.is_retired}
            write(f"{json.dumps(facts)}\n")
        else:
            notes = [f"formerly {name}" for name in entry.former_names]
            notes += ["WebSocket only"] if entry.is_websocket_only else []
            notes += [f"until SDK {entry.last}"] if entry.last else []
            notes += ["needs --allow-trading"] if not entry.is_push and trades(entry.proto_id) else []
            write(f"{entry.proto_id:>5}  {kind:<7}  {entry.name:<36}  {', '.join(notes)}".rstrip() + "\n")


def show_description(text: str, *, as_json: bool) -> None:
    """Write what a protocol's messages look like."""
    from ftwire_tools.schemas.outline import describe, description

    protocol = find_protocol(text)
    write(f"{json.dumps(description(protocol))}\n" if as_json else describe(protocol))


def refuse(reason: str) -> NoReturn:
    """Raise the usage error for a request that trades."""
    raise click.UsageError(f"Not sent. {reason}. --allow-trading sends it all the same.")


@click.command(
    epilog="Exit codes: 0 fine, 1 failed (no connection, no reply, or a retType other than 0), 2 wrong usage, "
    "3 finished, but a push could not be decoded."
)
@click.argument("protocol", required=False, metavar="PROTO", shell_complete=complete_protocols)
@click.argument("body", required=False, metavar="[JSON|@FILE|-]")
@gateway_option
@click.option("--subscribe", is_flag=True, help="Subscribe to what the request asks for before sending it.")
@click.option(
    "--watch", multiple=True, metavar="PUSH", help="Show these pushes afterwards; a name, ID or glob; repeatable."
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="With --watch: stop after N pushes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the frame's facts.")
@click.option("--table", is_flag=True, help="The reply's list as a table; with --json one object a row.")
@key_option("RSA private key, where the gateway has one.")
@click.option(
    "--format",
    "body_format",
    type=click.Choice(["protobuf", "json"]),
    default="protobuf",
    show_default=True,
    help="How bodies travel.",
)
@timeout_option(SDK_TIMEOUT)
@click.option("--list", "list_them", is_flag=True, help="List the protocols; PROTO may be a glob.")
@click.option("--describe", is_flag=True, help="Show PROTO's messages, enums and a request to start from.")
@click.option("--allow-trading", is_flag=True, help="Send requests that place, change, unlock or confirm.")
@show_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    protocol: str | None,
    body: str | None,
    to: Address,
    subscribe: bool,
    watch: tuple[str, ...],
    count: int | None,
    as_json: bool,
    table: bool,
    key: str | None,
    body_format: str,
    timeout: float,
    list_them: bool,
    describe: bool,
    allow_trading: bool,
    show_secrets: bool,
) -> None:
    """Send a request to a gateway and show its reply.

    PROTO is a protocol's name or ID; its request is JSON on the command line, in a file, or on standard input
    ("-"). "c2s" may be left out, securities are written HK.00700, enum values may be names. With --watch, pushes
    are shown until Ctrl-C.

    \b
    Examples:
      ftwire call GetGlobalState '{"userID": 0}'
      ftwire call Qot_GetRT '{"security": "HK.00700"}' --subscribe --table
      ftwire call --watch Qot_UpdateRT HK.00700 --count 10
      ftwire call --describe Qot_GetRT
      ftwire call --list 'Qot_Get*'

    Requests that trade are not sent without --allow-trading.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if list_them:
        show_list(protocol, as_json=as_json)
        return
    if describe:
        if protocol is None:
            raise click.UsageError("Missing argument 'PROTO'.")
        show_description(protocol, as_json=as_json)
        return
    if count is not None and not watch:
        raise click.UsageError("--count counts pushes: it needs --watch.")
    job = plan(protocol, body, subscribe=subscribe, watch=watch, count=count)
    if job.protocol is not None and not allow_trading:
        reason = trades(job.protocol.proto_id)
        if reason is not None:
            refuse(reason)
    # Imported only now, since it takes time that a usage error does not need.
    from ftwire_tools.messages.masking import message_view
    from ftwire_tools.render.reply import AnswerRenderer

    renderer = AnswerRenderer(as_json=as_json, table=table, screen=screen_of(sys.stdout))

    def write_frame(frame: Frame, latency: int | None) -> None:
        write(renderer.frame(frame, message_view(frame, show_secrets=show_secrets), latency))

    ctx.exit(call(job, to, read_key(key), BodyFormat[body_format.upper()], timeout, write_frame))
