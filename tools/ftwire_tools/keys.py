"""RSA keys from files, for options that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftwire.errors import WireError
from ftwire_tools.chunks import read_file

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["read_key"]


def read_key(path: str | None) -> RsaKey | None:
    """Read a PEM file; no path, no key. Raises ``click.ClickException``, which never quotes the file."""
    if path is None:
        return None
    # Loading cryptography takes longer than a call without encryption.
    from ftwire.cipher import RsaKey

    try:
        return RsaKey.from_pem(read_file(path))
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except WireError as error:
        raise click.ClickException(f"{path}: {error}") from None
