"""Files that commands write: made and written with errors as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ftwire_tools.terminal.output_file import OutputFile

__all__ = ["open_output", "telling_errors", "write_output"]


@contextmanager
def telling_errors(path: str) -> Iterator[None]:
    """Turn what goes wrong with a file into a ``click.ClickException`` that names it; a closed pipe passes through."""
    try:
        yield
    except BrokenPipeError:
        raise
    except FileExistsError:
        raise click.ClickException(f"{path} exists (--overwrite)") from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None


def open_output(path: str, *, overwrite: bool) -> OutputFile:
    """Return a new file, readable by its user alone. Raises ``click.ClickException``."""
    with telling_errors(path):
        return OutputFile(path, overwrite=overwrite, private=True)


def write_output(output: OutputFile, data: bytes, path: str) -> None:
    """Write to a file. Raises ``click.ClickException``, and ``BrokenPipeError`` for a closed pipe."""
    with telling_errors(path):
        output.write(data)
