"""``ftwire view``: a session as a live page, in a browser on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from contextlib import AsyncExitStack
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from ftwire.errors import NotACaptureError
from ftwire.protocols import registry
from ftwire_tools.captures.input_files import Input, open_input
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.commands._pages import MOST_FRAMES, about_page, keep_option, page_secrets_option, shown_bodies
from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.cipher import RsaKey
    from ftwire_tools.session_report.session import Session
    from ftwire_tools.session_report.shown_bodies import ShownBodies

__all__ = ["command"]


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


async def _view(
    source: Input,
    session: Session,
    shown: ShownBodies,
    keys: Sequence[RsaKey],
    *,
    about: dict[str, Any],
    vocabulary: dict[str, Any],
    token: str,
    token_file: str | None,
    port: int,
    follow: bool,
) -> None:
    """Serve the page until a signal comes. Raises ``ClickException``."""
    from ftwire_tools.viewer.live_session import LiveSession
    from ftwire_tools.viewer.view_server import ViewServer

    stop = asyncio.Event()
    live = LiveSession(source, session, shown, keys)
    async with AsyncExitStack() as stack:
        stack.enter_context(calls_on_signals({INTERRUPT: stop.set, END: stop.set}))
        server = ViewServer(live, about, vocabulary, token=token, port=port)
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            # asyncio's text has the address before the reason.
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise click.ClickException(f"cannot listen on port {port}: {reason}") from None
        where = f"{server.url}/{token}/" if token_file is None else f"{server.url}/TOKEN/ (TOKEN is in {token_file})"
        click.echo(f"ftwire: {printable(where)}", err=True)
        try:
            reading = asyncio.create_task(live.read(follow=follow))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
            await stopping
            reading.cancel()
            await asyncio.wait({reading})
        except OSError as error:
            raise click.ClickException(f"{source.name}: {error.strerror or error}") from None
        except (NotACaptureError, ImportError) as error:
            # ImportError: a package that only WebSocket conversations need is missing; it is named.
            raise click.ClickException(f"{source.name}: {error}") from None


@click.command(
    epilog="Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 failed, 2 wrong usage.",
)
@click.argument("capture", metavar="CAPTURE", shell_complete=complete_files)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Port of 127.0.0.1 for the page; by default a free one.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="Use the token in this file, instead of showing one; if there is none, write one, readable by you alone.",
)
@click.option("--no-follow", is_flag=True, help="Read CAPTURE to its end, and do not wait for more.")
@keys_option("RSA private key to decrypt with; repeatable.")
@click.option(
    "--max-frames",
    type=click.IntRange(1, MOST_FRAMES),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Frames that are listed; later ones count in the overview only, until the list is cleared.",
)
@keep_option
@page_secrets_option
def command(
    capture: str,
    port: int,
    token_file: str | None,
    no_follow: bool,
    keys: tuple[str, ...],
    max_frames: int,
    keep: tuple[str, ...],
    show_secrets: bool,
) -> None:
    """Show a session as a live page in a browser on this machine, while its capture grows.

    The page of ftwire report, with new frames as they come: pause, follow, filter, clear, and save the frames that are
    shown as a capture. Open the address that is shown; it has a token, without which nothing is served, and works
    on this machine only. CAPTURE may be a file that another program writes, or "-" for standard input.

    \b
    Examples:
      ftwire view session.pcapng
      ftwire record --to :11111 -w - | ftwire view -
      tcpdump -i any -U -w - port 11111 | ftwire view --key rsa.pem -
      ftwire view --port 8123 --token-file ~/.ftwire-view session.pcapng

    What ftwire redact replaces is not in the page, nor in a capture saved from it, as with ftwire report.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.session_report.filter_vocabulary import vocabulary
    from ftwire_tools.session_report.session import Limits, Session

    rsa_keys = [key for path in keys if (key := read_key(path)) is not None]
    shown = shown_bodies(keep, show_secrets=show_secrets)
    session = Session(shown, keys=rsa_keys, limits=Limits(max_frames))
    token = _token(token_file)
    try:
        with open_input(capture) as source:
            name = PurePath(source.name).name
            about = about_page(name, [name], shown, show_secrets=show_secrets)
            words = vocabulary(registry, show_secrets=show_secrets)
            asyncio.run(
                _view(
                    source,
                    session,
                    shown,
                    rsa_keys,
                    about=about,
                    vocabulary=words,
                    token=token,
                    token_file=token_file,
                    port=port,
                    follow=not no_follow,
                )
            )
    except OSError as error:
        raise click.ClickException(f"{capture}: {error.strerror or error}") from None
