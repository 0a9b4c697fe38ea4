"""``ftwire call``: one request to a live gateway, and its pushes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import click

from ftwire.errors import WireError
from ftwire.events import FrameDamaged
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.commands._addresses import ADDRESS, DEFAULT_ADDRESS
from ftwire_tools.commands._keys import read_key
from ftwire_tools.commands._options import show_secrets_option
from ftwire_tools.markets.securities import parse_security
from ftwire_tools.messages.enums import enum_name
from ftwire_tools.messages.request_builder import RequestError, build_request
from ftwire_tools.messages.subscription_types import needed_types, securities_in, watched_types
from ftwire_tools.messages.trading import trades
from ftwire_tools.terminal.addresses import Address
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.frame import Frame
    from ftwire.protocols import Protocol
    from ftwire_tools.client import Client, ClientEvent

__all__ = ["command"]

FAILED: Final = 1
NOT_DECODED: Final = 3
RECONNECT: Final = 6.0
"""Seconds between attempts, when watching."""


class Job(NamedTuple):
    """What to do on the connection."""

    protocol: Protocol | None
    request: Message | None
    subscription: dict[str, Any] | None
    """Content of a Qot_Sub that goes first."""
    watched: tuple[Protocol, ...]
    limit: int | None
    """Pushes to show."""


def find_protocol(text: str) -> Protocol:
    """Return the protocol of a name or an ID; one that does not exist is a usage error with near names."""
    found = registry.get(int(text) if text.isdecimal() else text)
    if found is None:
        folded = {name.casefold(): name for entry in registry for name in (entry.name, *entry.former_names)}
        same = folded.get(text.casefold())
        if same is not None:
            return registry[same]
        near = get_close_matches(text.casefold(), folded, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(folded[name] for name in near)}?" if near else ""
        raise click.UsageError(f"There is no protocol {text!r}.{hint} (ftwire call --list shows all)")
    return found


def read_values(text: str) -> Mapping[str, Any]:
    """Read a request's values: JSON, ``@FILE``, or ``-`` for standard input."""
    source = "the request"
    try:
        if text == "-":
            source = "standard input"
            text = sys.stdin.buffer.read().decode()
        elif text.startswith("@"):
            source = text[1:]
            text = Path(source).read_bytes().decode()
    except OSError as error:
        raise click.ClickException(f"{source}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{source}: byte {error.start} is not UTF-8") from None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        near = error.doc[max(error.pos - 10, 0) : error.pos + 10].replace("\n", " ")
        raise click.UsageError(
            f"{source} is no JSON: {error.msg} at line {error.lineno} column {error.colno}, near {near!r}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise click.UsageError(f"{source} is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise click.UsageError(f"{source} is no JSON object: {text.strip()[:40]}")
    return values


def make_request(protocol: Protocol, values: Mapping[str, Any]) -> Message:
    """Build the request; what does not fit is a usage error."""
    try:
        return build_request(protocol, values)
    except RequestError as error:
        raise click.UsageError(f"{error}\n(ftwire call --describe {protocol.name} shows the fields)") from None


def subscription_of(values: Mapping[str, Any], types: Sequence[str], *, push: bool) -> dict[str, Any]:
    """Return the content of a Qot_Sub: ``values`` may have ``security``, and any of its fields."""
    content = dict(values)
    securities = content.pop("securityList", [])
    securities = list(securities) if isinstance(securities, list) else [securities]
    if "security" in content:
        securities.append(content.pop("security"))
    return {
        "subTypeList": list(types),
        "isSubOrUnSub": True,
        "isRegOrUnRegPush": push,
        **content,
        "securityList": securities,
    }


def watched_protocols(patterns: Sequence[str]) -> tuple[Protocol, ...]:
    """Return the pushes that names, IDs and globs stand for."""
    found: list[Protocol] = []
    for pattern in patterns:
        is_glob = any(character in pattern for character in "*?[")
        matching = [entry for entry in registry.find(pattern) if entry.is_push] if is_glob else [find_protocol(pattern)]
        if not matching:
            raise click.UsageError(f"No push is called {pattern!r}.")
        for entry in matching:
            if not entry.is_push:
                raise click.UsageError(f"{entry.name} is no push, it cannot be watched.")
            if entry not in found:
                found.append(entry)
    return tuple(found)


def plan(
    protocol_text: str | None, body: str | None, *, subscribe: bool, watch: Sequence[str], count: int | None
) -> Job:
    """Work out from the arguments what to do; raises ``click.ClickException``."""
    watched = watched_protocols(watch)
    if watched and body is None and (protocol_text is None or is_body(protocol_text)):
        if protocol_text is None:
            return Job(None, None, None, watched, count)
        types = types_for(watched)
        if not types:
            raise click.UsageError(
                f"{watched[0].name} does not come by Qot_Sub; name the request that brings it, "
                f'e.g. ftwire call Trd_SubAccPush \'{{"accIDList": ["1"]}}\' --watch {watched[0].name}'
            )
        values = {"security": protocol_text} if is_security(protocol_text) else read_values(protocol_text)
        subscription = subscription_of(values, types, push=True)
        make_request(registry["Qot_Sub"], subscription)
        return Job(None, None, subscription, watched, count)
    if protocol_text is None:
        raise click.UsageError("Missing argument 'PROTO'.")
    protocol = find_protocol(protocol_text)
    if protocol.is_push:
        raise click.UsageError(f"{protocol.name} is a push: ftwire call --watch {protocol.name}")
    if protocol.is_websocket_only:
        raise click.UsageError(f"{protocol.name} is spoken on WebSocket only; this is a client on TCP.")
    request = make_request(protocol, {} if body is None else read_values(body))
    wanted: dict[str, Any] | None = None
    if subscribe:
        types = types_for(watched, needed_types(protocol, request))
        codes = securities_in(request)
        if not types or not codes:
            raise click.UsageError(f"{protocol.name} needs no subscription: leave out --subscribe.")
        wanted = subscription_of({"securityList": codes}, types, push=bool(watched))
    return Job(protocol, request, wanted, watched, count)


def types_for(watched: Sequence[Protocol], needed: Sequence[str] = ()) -> list[str]:
    """Return what to subscribe to, for a request and for the pushes that are watched."""
    return sorted({*needed, *(name for entry in watched for name in watched_types(entry, needed))})


def is_security(text: str) -> bool:
    """Say whether a text is ``HK.00700`` or the like."""
    try:
        parse_security(text)
    except ValueError:
        return False
    return True


def is_body(text: str) -> bool:
    """Say whether an argument is a request's values rather than a protocol."""
    return text.startswith(("{", "@")) or text == "-" or is_security(text)


async def run(client: Client, job: Job, write_frame: Callable[[Frame, int | None], None]) -> int:
    """Do the job, and return the exit code. ``write_frame`` takes a frame and its latency in nanoseconds."""
    async with client:
        # Collecting begins before what brings the pushes is sent.
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
                complain(f"{job.protocol.name} failed: retType {label} {message.retMsg}".rstrip())
                return FAILED
        code = 0
        if stream is not None:
            seen = 0
            async for frame in stream:
                try:
                    write_frame(frame, None)
                except WireError as error:
                    complain(str(error))
                    code = NOT_DECODED
                seen += 1
                if seen == job.limit:
                    break
    return code


def complain(text: str) -> None:
    """Say something beside the output."""
    sys.stderr.write(f"ftwire: {printable(text)}\n")


def tell(event: ClientEvent) -> None:
    """Report what happens to the connection meanwhile."""
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
    job: Job,
    to: Address,
    key: RsaKey | None,
    body_format: BodyFormat,
    timeout: float,
    write_frame: Callable[[Frame, int | None], None],
) -> int:
    """Connect, run, and turn what goes wrong into one line."""
    from ftwire_tools.client import Client
    from ftwire_tools.client.errors import ClientError, HandshakeError

    client = Client(
        to.host,
        to.port,
        key=key,
        body_format=body_format,
        timeout=timeout,
        reconnect=RECONNECT if job.watched else None,
        on_event=tell if job.watched else None,
    )
    try:
        return asyncio.run(run(client, job, write_frame))
    except HandshakeError as error:
        raise click.ClickException(f"{printable(str(error))}; --key names its PEM file") from None
    except (ClientError, WireError, RequestError) as error:
        raise click.ClickException(printable(str(error))) from None


def show_list(pattern: str | None, *, as_json: bool) -> None:
    """Write the protocols whose names match."""
    found = registry.find(pattern or "*")
    if not found:
        raise click.UsageError(f"No protocol is called {pattern!r}.")
    for entry in found:
        kind = "push" if entry.is_push else "request"
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
    """Do not send what trades."""
    raise click.UsageError(f"Not sent. {reason}. --allow-trading sends it all the same.")


@click.command(
    epilog="Exit codes: 0 fine, 1 failed (no connection, no reply, or a retType other than 0), 2 wrong usage, "
    "3 finished, but a push could not be decoded."
)
@click.argument("protocol", required=False, metavar="PROTO")
@click.argument("body", required=False, metavar="[JSON|@FILE|-]")
@click.option(
    "--to", type=ADDRESS, default=DEFAULT_ADDRESS, metavar="HOST:PORT", show_default=True, help="The gateway."
)
@click.option("--subscribe", is_flag=True, help="Subscribe to what the request asks for before sending it.")
@click.option(
    "--watch", multiple=True, metavar="PUSH", help="Show these pushes afterwards; a name, ID or glob; repeatable."
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="With --watch: stop after N pushes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the frame's facts.")
@click.option("--table", is_flag=True, help="The reply's list as a table; with --json one object a row.")
@click.option("--key", metavar="PEM", help="RSA private key, where the gateway has one.")
@click.option(
    "--format",
    "body_format",
    type=click.Choice(["protobuf", "json"]),
    default="protobuf",
    show_default=True,
    help="How bodies travel.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=12.0,
    show_default=True,
    metavar="SECONDS",
    help="How long connecting and each reply may take.",
)
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
    """  # noqa: D301 - click knows a paragraph that must not be wrapped by a real backspace
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
    # Rendering is not needed to refuse.
    from ftwire_tools.messages.masking import message_view
    from ftwire_tools.render.reply import AnswerRenderer

    renderer = AnswerRenderer(as_json=as_json, table=table)

    def write_frame(frame: Frame, latency: int | None) -> None:
        write(renderer.frame(frame, message_view(frame, show_secrets=show_secrets), latency))

    ctx.exit(call(job, to, read_key(key), BodyFormat[body_format.upper()], timeout, write_frame))
