"""The options ``--script``, ``--control`` and ``--control-token-file``, which commands that can be steered share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors
from ftwire_tools.terminal.output_file import write_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftwire_tools.gateway.control import RequestLog
    from ftwire_tools.gateway.hooks import Script
    from ftwire_tools.gateway.steering import Steering

__all__ = ["Control", "control_options", "open_control", "read_control", "read_script", "script_option"]


class Control(NamedTuple):
    """A control port to be opened."""

    port: int
    token: str
    requests: RequestLog
    """Where requests of clients are kept for it."""
    is_shown: bool
    """Whether the token is shown: it is in no file."""


def script_option(text: str) -> Callable[[Any], Any]:
    """Return the option for a script, ``script_path``."""
    return click.option("--script", "script_path", metavar="FILE", shell_complete=complete_files, help=text)


def control_options(function: Any) -> Any:
    """Add the options for a control port, ``control_port`` and ``token_file``."""
    port = click.option(
        "--control",
        "control_port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Take verbs over HTTP on this port of 127.0.0.1, from whoever has the token; 0 takes a free one.",
    )
    file = click.option(
        "--control-token-file",
        "token_file",
        metavar="FILE",
        help="Write the token into this file, readable by you alone, instead of showing it.",
    )
    return port(file(function))


def read_script(path: str | None) -> Script | None:
    """Return the script in a file, after saying that it runs as code. Raises ``click.ClickException``."""
    if path is None:
        return None
    from ftwire_tools.gateway.script_file import ScriptError, load_script

    try:
        with Path(path).open("rb"):
            click.echo(f"ftwire: {path} runs as code, with all the rights that you have", err=True)
        return load_script(path)
    except ScriptError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None


def read_control(port: int | None, token_file: str | None, *, quiet: bool) -> Control | None:
    """Return the control port that options ask for, its token written. Raises ``click.ClickException``."""
    if port is None:
        if token_file is not None:
            raise click.UsageError("--control-token-file needs --control PORT")
        return None
    if quiet and token_file is None:
        raise click.UsageError("with --quiet nobody sees the token: --control-token-file FILE")
    from ftwire_tools.gateway.control import RequestLog
    from ftwire_tools.local_http import new_token

    token = new_token()
    if token_file is not None:
        with file_errors(token_file):
            write_file(token_file, f"{token}\n".encode(), overwrite=True, private=True)
    return Control(port, token, RequestLog(), token_file is None)


@asynccontextmanager
async def open_control(control: Control | None, steering: Steering, log: Callable[..., None]) -> AsyncIterator[None]:
    """Listen for verbs while the block lasts. Raises ``click.ClickException``."""
    if control is None:
        yield
        return
    from ftwire_tools.gateway.control import ControlServer

    server = ControlServer(steering, control.requests, token=control.token, port=control.port)
    try:
        await server.__aenter__()
    except OSError as error:
        # asyncio's text has the address before the reason.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"cannot listen on port {control.port} for --control: {reason}") from None
    try:
        log("control", url=server.url, **({"token": control.token} if control.is_shown else {}))
        yield
    finally:
        await server.__aexit__()
