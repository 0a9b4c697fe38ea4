"""The plan of an ``ftwire call``: its arguments as a request, a subscription and pushes to watch."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ftwire.protocols import registry
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.messages.request_builder import RequestError, build_request
from ftwire_tools.messages.subscription_types import needed_types, securities_in, watched_types

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol

__all__ = ["CallPlan", "find_protocol", "plan"]


class CallPlan(NamedTuple):
    """What a call does on its connection."""

    protocol: Protocol | None
    """Of the request, where there is one."""
    request: Message | None
    subscription: dict[str, Any] | None
    """Content of a Qot_Sub that is sent before the request."""
    watched: tuple[Protocol, ...]
    """Pushes to show afterwards."""
    limit: int | None
    """How many of them; ``None`` for all."""


def find_protocol(text: str) -> Protocol:
    """Return the protocol with a name or an ID. Raises ``click.UsageError``, with similar names."""
    # An ID is a 32-bit number: of ten digits at most.
    found = registry.get(int(text) if text.isdecimal() and len(text) <= 10 else text)
    if found is None:
        folded = {name.casefold(): name for entry in registry for name in (entry.name, *entry.former_names)}
        same = folded.get(text.casefold())
        if same is not None:
            return registry[same]
        near = get_close_matches(text.casefold(), folded, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(folded[name] for name in near)}?" if near else ""
        raise click.UsageError(f"There is no protocol {text!r}.{hint} (ftwire call --list shows all)")
    return found


def _text_of(content: bytes) -> str:
    """Decode JSON in UTF-8, or as PowerShell and the editor of Windows write it: in UTF-16, with a byte order mark."""
    return content.decode(json.detect_encoding(content))


def read_values(text: str) -> Mapping[str, Any]:
    """Read a request's values: JSON, ``@FILE``, or ``-`` for standard input."""
    source = "the request"
    try:
        if text == "-":
            source = "standard input"
            text = _text_of(sys.stdin.buffer.read())
        elif text.startswith("@"):
            source = text[1:]
            text = _text_of(Path(source).read_bytes())
    except OSError as error:
        raise click.ClickException(f"{source}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{source}: byte {error.start} is not {error.encoding.upper()}") from None
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
    """Build a request. Raises ``click.UsageError`` for values that do not fit."""
    try:
        return build_request(protocol, values)
    except RequestError as error:
        raise click.UsageError(f"{error}\n(ftwire call --describe {protocol.name} shows the fields)") from None


def subscription_of(values: Mapping[str, Any], types: Sequence[str], *, push: bool) -> dict[str, Any]:
    """Return the content of a Qot_Sub; ``values`` are its fields, or ``security``."""
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
    """Return the pushes with these names or IDs, or matching these globs. Raises ``click.UsageError``."""
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
) -> CallPlan:
    """Return the plan for these arguments. Raises ``click.ClickException``."""
    watched = watched_protocols(watch)
    if watched and body is None and (protocol_text is None or is_body(protocol_text)):
        if protocol_text is None:
            return CallPlan(None, None, None, watched, count)
        types = types_for(watched)
        if not types:
            raise click.UsageError(
                f"{watched[0].name} does not come by Qot_Sub; name the request that brings it, "
                f'e.g. ftwire call Trd_SubAccPush \'{{"accIDList": ["1"]}}\' --watch {watched[0].name}'
            )
        values = {"security": protocol_text} if is_security(protocol_text) else read_values(protocol_text)
        subscription = subscription_of(values, types, push=True)
        make_request(registry["Qot_Sub"], subscription)
        return CallPlan(None, None, subscription, watched, count)
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
    return CallPlan(protocol, request, wanted, watched, count)


def types_for(watched: Sequence[Protocol], needed: Sequence[str] = ()) -> list[str]:
    """Return the types to subscribe to for watched pushes, and for a request that needs ``needed``."""
    return sorted({*needed, *(name for entry in watched for name in watched_types(entry, needed))})


def is_security(text: str) -> bool:
    """Return whether a text is a security, ``HK.00700`` for example."""
    try:
        parse_security(text)
    except ValueError:
        return False
    return True


def is_body(text: str) -> bool:
    """Return whether an argument is the values of a request rather than a protocol."""
    return text.startswith(("{", "@")) or text == "-" or is_security(text)
