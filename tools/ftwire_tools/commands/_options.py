"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire.protocols import Registry, registry
from ftwire.schema import Schema
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.terminal.style import COLOUR_CHOICES, choose_colour
from ftwire_tools.terminal.times import parse_time

if TYPE_CHECKING:
    from ftwire_tools.schemas.sources import Definitions

__all__ = [
    "SDK_TIMEOUT",
    "colour_option",
    "decoding_registry",
    "definitions_of",
    "max_body_option",
    "registry_of",
    "schema_of",
    "schema_option",
    "sender_option",
    "show_secrets_option",
    "since_option",
    "timeout_option",
    "until_option",
]

schema_option: Final[Callable[[Any], Any]] = click.option(
    "--schema",
    metavar="SCHEMA",
    help="Message definitions other than ours: futu-api==VERSION (downloaded unless installed), a wheel, a directory "
    "with an SDK or with .proto files, or a descriptor set.",
)
"""``--schema``; its value goes to ``registry_of``, ``schema_of``, ``definitions_of`` or ``decoding_registry``."""


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither ISO 8601 nor seconds since the epoch") from None


since_option: Final[Callable[[Any], Any]] = click.option(
    "--since", callback=_time, metavar="TIME", help="Only from this time on: ISO 8601 (UTC), or seconds since 1970."
)
"""``--since``: its value is in nanoseconds since 1970."""

until_option: Final[Callable[[Any], Any]] = click.option(
    "--until", callback=_time, metavar="TIME", help="Only up to this time."
)
"""``--until``: the same."""


def _choose_colour(ctx: click.Context, _parameter: click.Parameter, value: str) -> None:
    ctx.call_on_close(choose_colour(value))


colour_option: Final[Callable[[Any], Any]] = click.option(
    "--color",
    type=click.Choice(COLOUR_CHOICES),
    default="auto",
    envvar="FTWIRE_COLOR",
    show_envvar=True,
    expose_value=False,
    is_eager=True,
    callback=_choose_colour,
    help="Colours: on a terminal (auto), always or never. NO_COLOR and FORCE_COLOR count for auto.",
)
"""``--color``, which ``paint_for`` takes into account."""


SDK_TIMEOUT: Final = 12.0
"""How long the vendor's SDK waits for a reply, in seconds."""


def timeout_option(seconds: float) -> Callable[[Any], Any]:
    """Return what adds ``--timeout`` to a command that connects to a gateway, with this default."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        metavar="SECONDS",
        help="How long connecting and each reply may take.",
    )


max_body_option: Final[Callable[[Any], Any]] = click.option(
    "--max-body",
    type=click.IntRange(min=1),
    default=DEFAULT_MAX_BODY,
    metavar="BYTES",
    help="Largest body accepted; 64 MiB by default.",
)

sender_option: Final[Callable[[Any], Any]] = click.option(
    "--from",
    "sender",
    type=click.Choice(["client", "server"]),
    help="Who sent the bytes of a raw stream; by default the content decides, frame by frame.",
)

show_secrets_option: Final[Callable[[Any], Any]] = click.option(
    "--show-secrets", is_flag=True, help="Do not mask keys, passwords, account and user IDs."
)


def definitions_of(text: str | None) -> Definitions:
    """Return the definitions that ``--schema`` names, ours for ``None``. Raises ``click.ClickException``."""
    # Imported late: nothing else needs descriptors as messages.
    from ftwire_tools.schemas.sources import OURS, DefinitionsError, open_definitions

    try:
        return open_definitions(OURS if text is None else text)
    except DefinitionsError as error:
        raise click.ClickException(str(error)) from None


def registry_of(text: str | None) -> Registry:
    """Return the protocols of what ``--schema`` names; ours for ``None``."""
    return registry if text is None else definitions_of(text).registry


def schema_of(text: str | None) -> tuple[Schema, Registry]:
    """Return the messages and protocols of what ``--schema`` names; ours for ``None``."""
    if text is None:
        from ftwire.schema import schema

        return schema, registry
    found = definitions_of(text)
    return found.schema, found.registry


def decoding_registry(text: str | None) -> Registry:
    """Return the protocols to decode with: those of what ``--schema`` names, and ours for other IDs."""
    return registry if text is None else registry.beside(definitions_of(text).schema)
