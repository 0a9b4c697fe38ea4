"""Read the keys that options name: RSA keys in PEM files, and keys of WebSocket clients."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire.errors import WireError
from ftwire_tools.captures.input_files import read_file
from ftwire_tools.commands._completion import complete_files
from ftwire_tools.commands._files import file_errors

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ftwire.cipher import RsaKey

__all__ = ["PEM", "key_option", "keys_option", "read_key", "read_pem", "read_ws_key"]


class _PemType(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click only
    name = "pem"
    # In FTWIRE_KEY: names of files may have spaces in them.
    envvar_list_splitter = os.pathsep

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a file."""
        return complete_files(ctx, param, incomplete)


PEM: Final = _PemType()
"""The type of an option that names the file of an RSA key."""


def key_option(text: str) -> Callable[[Any], Any]:
    """Return the option for a gateway's RSA key, ``key``; FTWIRE_KEY stands for it."""
    return click.option("--key", type=PEM, envvar="FTWIRE_KEY", show_envvar=True, metavar="PEM", help=text)


def keys_option(text: str) -> Callable[[Any], Any]:
    """Return the option for any number of RSA keys to decrypt with, ``keys``; FTWIRE_KEY stands for it."""
    return click.option(
        "--key", "keys", multiple=True, type=PEM, envvar="FTWIRE_KEY", show_envvar=True, metavar="PEM", help=text
    )


def read_key(path: str | None) -> RsaKey | None:
    """Return the key in a PEM file; ``None`` for no path.

    Raises ``click.ClickException``, which never quotes the file.
    """
    return None if path is None else _read(path)[1]


def read_pem(path: str) -> bytes:
    """Return the bytes of a PEM file with a key, for other processes. Raises as ``read_key`` does."""
    return _read(path)[0]


def read_ws_key(value: str, path: str | None) -> str:
    """Return the key of WebSocket clients: ``value``, or the content of a file if there is a path.

    Raises ``click.ClickException``, which never quotes the file.
    """
    if path is None:
        return value
    try:
        return read_file(path).decode().strip()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{path}: not UTF-8") from None


def _read(path: str) -> tuple[bytes, RsaKey]:
    # Imported late: cryptography takes longer to load than an unencrypted call takes.
    from ftwire.cipher import RsaKey

    with file_errors(path, WireError):
        pem = read_file(path)
        return pem, RsaKey.from_pem(pem)
