"""RSA keys from files, for options that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftwire.errors import WireError
from ftwire_tools.captures.input_files import read_file

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["read_key", "read_pem", "read_ws_key"]


def read_key(path: str | None) -> RsaKey | None:
    """Read a PEM file; no path, no key. Raises ``click.ClickException``, which never quotes the file."""
    return None if path is None else _read(path)[1]


def read_pem(path: str) -> bytes:
    """Return the bytes of a PEM file that holds a key, to be sent to other processes; raises as ``read_key``."""
    return _read(path)[0]


def read_ws_key(value: str, path: str | None) -> str:
    """Return the key that WebSocket clients must know: ``value``, or what stands in a file.

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
    # Loading cryptography takes longer than a call without encryption.
    from ftwire.cipher import RsaKey

    try:
        pem = read_file(path)
        return pem, RsaKey.from_pem(pem)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except WireError as error:
        raise click.ClickException(f"{path}: {error}") from None
