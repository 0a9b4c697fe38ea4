"""The live page of ``ftwire view``: its options, and the page beside ``record`` or ``serve`` while they run."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ftwire_tools.commands._option_group import option_group
from ftwire_tools.commands._pages import about_page, keep_option, max_frames_option, page_secrets_option, shown_bodies
from ftwire_tools.terminal.addresses import LOOPBACK, Address, is_loopback
from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.captures.spool import Spool
    from ftwire_tools.gateway.steering import Steering
    from ftwire_tools.session_report.session import Session
    from ftwire_tools.viewer.live_session import LiveSession
    from ftwire_tools.viewer.resender import Resender
    from ftwire_tools.viewer.view_server import ViewServer

__all__ = ["LivePage", "PageOptions", "page_options"]


class PageOptions(NamedTuple):
    """Where the page is served, and what it shows."""

    page_port: int
    page_token_file: str | None
    max_frames: int
    keep: tuple[str, ...]
    show_secrets: bool


page_options: Final = option_group(
    "paging",
    PageOptions,
    click.option(
        "--port",
        "page_port",
        type=click.IntRange(0, 65535),
        default=0,
        metavar="PORT",
        help="Port of 127.0.0.1 for the page; by default a free one.",
    ),
    click.option(
        "--token-file",
        "page_token_file",
        metavar="FILE",
        help="Use the token in this file, instead of showing one; if there is none, write one, readable by you alone.",
    ),
    max_frames_option(1, until=", until the list is cleared"),
    keep_option,
    page_secrets_option,
)
"""Options whose values a command gets as ``paging``."""


class LivePage:
    """The page that these options describe. Raises ``ClickException``."""

    def __init__(self, options: PageOptions, *, allow_trading: bool = False) -> None:
        self._options: Final = options
        self._allow_trading: Final = allow_trading
        self._token: Final = _token(options.page_token_file)
        self.shown: Final = shown_bodies(options.keep, show_secrets=options.show_secrets)
        """What decides how much is shown."""

    @cached_property
    def spool(self) -> Spool:
        """What the program beside the page puts its capture into. Raises ``ClickException``."""
        from ftwire_tools.captures.spool import Spool

        try:
            return Spool()
        except OSError as error:
            raise click.ClickException(f"no temporary file for the page: {error.strerror or error}") from None

    def end(self, address: Address) -> str:
        """Return an address as the page may show it."""
        return str(address) if is_loopback(address.host) else self.shown.endpoint_text(str(address))

    def session(self, keys: Sequence[RsaKey]) -> Session:
        """Return a session with nothing in it."""
        from ftwire_tools.session_report.session import ListLimits, Session

        return Session(self.shown, keys=keys, limits=ListLimits(self._options.max_frames))

    def server(
        self, live: LiveSession, title: str, *, resender: Resender | None = None, steering: Steering | None = None
    ) -> ViewServer:
        """Return what serves the page of a session."""
        from ftwire.protocols import registry
        from ftwire_tools.session_report.filter_vocabulary import vocabulary
        from ftwire_tools.viewer.view_server import ViewServer

        secrets = self._options.show_secrets
        return ViewServer(
            live,
            about_page(title, [title], self.shown, show_secrets=secrets),
            vocabulary(registry, show_secrets=secrets),
            token=self._token,
            port=self._options.page_port,
            resender=resender,
            steering=steering,
        )

    def announce(self, url: str) -> None:
        """Show where the page is."""
        path = self._options.page_token_file
        where = f"{url}/{self._token}/" if path is None else f"{url}/TOKEN/ (TOKEN is in {path})"
        click.echo(f"ftwire: {printable(where)}", err=True)

    def not_listening(self, error: OSError) -> click.ClickException:
        """Return the error that its port cannot be listened on."""
        # asyncio's text has the address before the reason.
        reason = os.strerror(error.errno) if error.errno else str(error)
        return click.ClickException(f"cannot listen on port {self._options.page_port}: {reason}")

    @asynccontextmanager
    async def beside(
        self,
        title: str,
        *,
        routes: Sequence[tuple[Address, Address]],
        keys: Sequence[RsaKey],
        steering: Steering | None,
        report: Callable[[str], None],
    ) -> AsyncIterator[None]:
        """Serve the page of what is in the spool, from another thread, while the block lasts.

        ``routes`` are addresses of gateways, each with the one where a client connects to be seen on the way there.
        ``steering`` has the verbs that the page may call. Raises ``ClickException``.
        """
        from ftwire_tools.viewer.live_session import LiveSession
        from ftwire_tools.viewer.page_thread import PageThread
        from ftwire_tools.viewer.resender import Resender, Route

        ways = [Route(gateway, _reachable(through)) for gateway, through in routes]
        resender = Resender(ways, keys, allow_trading=self._allow_trading)
        live = LiveSession(self.spool, self.session(keys), self.shown, keys, watch=resender.watch)
        server = self.server(live, title, resender=resender, steering=steering)
        page = PageThread(server, live, resender, report)
        try:
            page.start()
        except OSError as error:
            raise self.not_listening(error) from None
        self.announce(server.url)
        try:
            yield
        finally:
            # Not in this thread: a request of the page may wait for it.
            await asyncio.to_thread(page.stop)


def _reachable(address: Address) -> Address:
    """Return where to connect to a program of this machine that listens on an address."""
    try:
        found = ipaddress.ip_address(address.host)
    except ValueError:
        return address
    if not found.is_unspecified:
        return address
    return address._replace(host=LOOPBACK if found.version == 4 else "::1")


def _token(path: str | None) -> str:
    """Return the token in a file, or a new one, which is written into the file. Raises ``ClickException``."""
    from ftwire_tools.local_http import new_token

    token = new_token()
    if path is None:
        return token
    try:
        if not Path(path).exists():
            write_file(path, f"{token}\n".encode(), overwrite=False, private=True)
            return token
        with Path(path).open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise click.ClickException(f"{path} can be read by others (chmod 600)")
            found = file.read(200).decode("ascii", "replace").strip()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    if not re.fullmatch(r"[\w-]{32,100}", found, re.ASCII):
        raise click.ClickException(f"{path} holds no token of an earlier run: remove it, and one is made")
    return found
