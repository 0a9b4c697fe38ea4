"""Options that become the gateway's settings: where it listens, what clients may do, how many there may be."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from ftwire_tools.commands._faults import read_rules
from ftwire_tools.commands._keys import PEM, read_key, read_ws_key
from ftwire_tools.commands._option_group import option_group
from ftwire_tools.gateway.limits import ACCOUNTS, LANGUAGES, Language, LimitError, LimitSettings
from ftwire_tools.gateway.settings import Settings, SettingsError
from ftwire_tools.terminal.addresses import LOOPBACK

__all__ = [
    "ClientOptions",
    "LimitOptions",
    "ListenOptions",
    "client_options",
    "limit_options",
    "listen_options",
    "read_settings",
]

MIB: Final = 1 << 20


class ListenOptions(NamedTuple):
    """Where the gateway listens, and with which keys."""

    host: str
    port: int
    ws_port: int | None
    ws_key: str
    ws_key_file: str | None
    tls_cert: str | None
    tls_key: str | None
    key_path: str | None


class LimitOptions(NamedTuple):
    """OpenD's limits, and the language of its texts."""

    account: str
    limits: tuple[str, ...]
    language: Language


class ClientOptions(NamedTuple):
    """How many clients there may be, how much may wait for them, in MiB, and how long they may take, in seconds."""

    max_clients: int
    max_unsent: int
    max_held: int
    login_timeout: float
    silence: float
    keep_alive: int


listen_options: Final = option_group(
    "listening",
    ListenOptions,
    click.option(
        "--host", default=LOOPBACK, show_default=True, help="Address to listen on; one that is not local needs --key."
    ),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=11111, show_default=True, help="TCP port; 0 takes a free one."
    ),
    click.option(
        "--ws-port", type=click.IntRange(0, 65535), help="Listen for WebSocket clients too; OpenD's custom is 33333."
    ),
    click.option(
        "--ws-key", default="", metavar="TEXT", help="Key that WebSocket clients must know (shown in the process list)."
    ),
    click.option("--ws-key-file", metavar="FILE", help="The same, from a file."),
    click.option("--tls-cert", metavar="PEM", help="Certificate for wss://."),
    click.option("--tls-key", metavar="PEM", help="Its key, where the certificate's file does not hold it."),
    click.option(
        "--key",
        "key_path",
        type=PEM,
        metavar="PEM",
        help="RSA private key that the clients hold too: switches encryption on.",
    ),
)
"""Options whose values a command gets as ``listening``."""

limit_options: Final = option_group(
    "limiting",
    LimitOptions,
    click.option(
        "--limits",
        "account",
        type=click.Choice([*ACCOUNTS, "off"]),
        default="1000",
        show_default=True,
        help="Enforce OpenD's limits (frequencies, quotas, a minute before unsubscribing) for an account of this"
        " quota.",
    ),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="NAME=VALUE",
        help="Change one: Qot_GetOptionChain=60 (requests in 30 s, or off), history-days=30; docs/faults.md lists"
        " them.",
    ),
    click.option(
        "--lang",
        "language",
        type=click.Choice(LANGUAGES),
        default="en",
        show_default=True,
        help="Language of OpenD's texts.",
    ),
)
"""Options whose values a command gets as ``limiting``."""

client_options: Final = option_group(
    "clients",
    ClientOptions,
    click.option(
        "--max-clients",
        type=click.IntRange(min=1),
        default=128,
        show_default=True,
        help="Clients at once; as many again may be about to log in.",
    ),
    click.option(
        "--max-unsent",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        metavar="MIB",
        help="What may wait for a client that does not read, before it is cut off.",
    ),
    click.option(
        "--max-held",
        type=click.IntRange(min=1),
        default=64,
        show_default=True,
        metavar="MIB",
        help="What may wait from and for all clients together; above, the one with the most is cut off.",
    ),
    click.option(
        "--login-timeout",
        type=click.FloatRange(min=0.1),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long a client may take to log in; --silence counts where it is shorter.",
    ),
    click.option(
        "--silence",
        type=click.FloatRange(min=0.1),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Silence after which a client on TCP is dropped; a request once begun must be whole in that time.",
    ),
    click.option(
        "--keep-alive",
        type=click.IntRange(min=1),
        default=10,
        show_default=True,
        metavar="SECONDS",
        help="KeepAlive interval sent to clients.",
    ),
)
"""Options whose values a command gets as ``clients``."""


def read_settings(
    listening: ListenOptions, limiting: LimitOptions, clients: ClientOptions, *, seed: int, faults: Sequence[str]
) -> Settings:
    """Return the gateway's settings. Raises ``click.ClickException``."""
    settings = Settings(
        host=listening.host,
        port=listening.port,
        ws_port=listening.ws_port,
        key=read_key(listening.key_path),
        ws_key=read_ws_key(listening.ws_key, listening.ws_key_file),
        tls=_read_tls(listening.tls_cert, listening.tls_key),
        max_clients=clients.max_clients,
        max_waiting=clients.max_clients,
        login_timeout=clients.login_timeout,
        keep_alive=clients.keep_alive,
        silence=clients.silence,
        max_unsent=clients.max_unsent * MIB,
        max_held=clients.max_held * MIB,
        limits=_read_limits(limiting.account, limiting.limits),
        language=limiting.language,
        seed=seed,
        faults=read_rules(faults),
    )
    try:
        settings.check()
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    return settings


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


def _read_limits(account: str, changes: Sequence[str]) -> LimitSettings:
    try:
        return LimitSettings.of(account, changes)
    except LimitError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from None
