"""``ftwire view``: a session as a live page, in a browser on this machine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from ftwire.errors import NotACaptureError
from ftwire.pcap.ordering import is_stored
from ftwire_tools.captures.input_files import Input, open_input
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._keys import keys_option, read_key
from ftwire_tools.commands._live_page import LivePage, PageOptions, page_options
from ftwire_tools.terminal.signals import END, INTERRUPT, calls_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from ftwire.cipher import RsaKey

__all__ = ["command"]

_BESIDE: Final = {"--record": "record", "--serve": "serve"}
"""Option -> the command that runs beside the page, with all options that follow."""
_WORDS: Final = f"{__name__}.words"
"""Where a context keeps one of these options, with all words behind it."""


class _ViewCommand(click.Command):
    """A command whose arguments behind ``--record`` or ``--serve`` are those of another one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = next((index for index, word in enumerate(args) if word in _BESIDE), len(args))
        ctx.meta[_WORDS] = args[at:]
        return super().parse_args(ctx, args[: at + 1])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if not ctx.meta[_WORDS]:
            return super().shell_complete(ctx, incomplete)
        inner = _context_beside(ctx, resilient_parsing=True)
        return inner.command.shell_complete(inner, incomplete)


def _context_beside(ctx: click.Context, **more: Any) -> click.Context:
    """Return the context of the command that runs beside the page."""
    option, *words = ctx.meta[_WORDS]
    beside: click.Command = import_module(f"ftwire_tools.commands.{_BESIDE[option]}").command
    return beside.make_context(f"{ctx.info_name} {option}", words, parent=ctx.parent, **more)


async def _view(source: Input, page: LivePage, keys: Sequence[RsaKey], *, follow: bool) -> None:
    """Serve the page of a capture until a signal comes. Raises ``ClickException``."""
    from ftwire_tools.viewer.live_session import GrowingFile, LiveSession, spooled

    stop = asyncio.Event()
    stream = source.stream
    live = LiveSession(
        GrowingFile(stream, follow=follow) if is_stored(stream) else spooled(stream),
        page.session(keys),
        page.shown,
        keys,
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(calls_on_signals({INTERRUPT: stop.set, END: stop.set}))
        server = page.server(live, PurePath(source.name).name)
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            raise page.not_listening(error) from None
        page.announce(server.url)
        # ImportError: a package that only WebSocket conversations need is missing; it is named.
        with file_errors(source.name, NotACaptureError, ImportError):
            await live.read_until(stop)


@click.command(
    cls=_ViewCommand,
    epilog="Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 failed, 2 wrong usage; with --record and --serve, those of "
    "these commands.",
)
@click.argument("capture", metavar="[CAPTURE]", required=False, shell_complete=complete_files)
@click.option(
    "--record",
    "records",
    is_flag=True,
    help="Show what a recording proxy passes on. All that follows are options of ftwire record.",
)
@click.option(
    "--serve",
    "serves",
    is_flag=True,
    help="Show what clients and a gateway of ours send. All that follows are options of ftwire serve.",
)
@page_options
@click.option("--no-follow", is_flag=True, help="Read CAPTURE to its end, and do not wait for more.")
@keys_option("RSA private key to decrypt CAPTURE with; repeatable.")
@click.option(
    "--allow-trading",
    is_flag=True,
    help="With --record or --serve: let the page send requests again that place, change or unlock.",
)
@click.pass_context
def command(
    ctx: click.Context,
    capture: str | None,
    records: bool,
    serves: bool,
    paging: PageOptions,
    no_follow: bool,
    keys: tuple[str, ...],
    allow_trading: bool,
) -> None:
    """Show a session as a live page in a browser on this machine, while its capture grows.

    The page of ftwire report, with new frames as they come: pause, follow, filter, clear, and save the frames that are
    shown as a capture. Open the address that is shown; it has a token, without which nothing is served, and works
    on this machine only. CAPTURE may be a file that another program writes, or "-" for standard input.

    With --record the page is that of a proxy in front of a gateway, with --serve that of a gateway of ours, while they
    run. A request can be sent again then, on a connection of its own, and faults and the other verbs of --control are
    switched in the page: of a proxy with --control, --fault or --script only, without which all bytes pass unchanged.

    \b
    Examples:
      ftwire view session.pcapng
      ftwire view --record --to :11111 -w session.pcapng
      ftwire view --record --to :11111 -w session.pcapng --fault delay:ms=200
      ftwire view --serve --synthetic
      ftwire view --port 8123 --token-file ~/.ftwire-view --serve --synthetic --port 11112 --speed 60
      tcpdump -i any -U -w - port 11111 | ftwire view --key rsa.pem -

    Options of the page stand before --record or --serve, those of the proxy or the gateway behind it; --record --help
    lists them. What ftwire redact replaces is not in the page, nor in a capture saved from it, as with ftwire report.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    if records or serves:
        option = "--record" if records else "--serve"
        has_keys = ctx.get_parameter_source("keys") is ParameterSource.COMMANDLINE
        if capture is not None or no_follow or has_keys:
            raise click.UsageError(
                f"CAPTURE, --no-follow and --key do not go with {option}; its --key stands behind it"
            )
        # The other command finds the page in its context.
        with _context_beside(ctx, obj=LivePage(paging, allow_trading=allow_trading)) as inner:
            inner.command.invoke(inner)
        return
    if capture is None:
        raise click.UsageError("give a CAPTURE, or --record, or --serve")
    if allow_trading:
        raise click.UsageError("--allow-trading is for --record and --serve: a capture has no gateway to send to")
    rsa_keys = [key for path in keys if (key := read_key(path)) is not None]
    page = LivePage(paging)
    with file_errors(capture), open_input(capture) as source:
        asyncio.run(_view(source, page, rsa_keys, follow=not no_follow))
