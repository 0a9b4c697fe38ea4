"""Files that commands read and write: what goes wrong with one is an error of one line that begins with its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ftwire_tools.terminal.output_file import OutputFile

__all__ = ["file_errors", "open_output", "write_output"]


@contextmanager
def file_errors(path: object, *others: type[Exception]) -> Iterator[None]:
    """Turn ``OSError`` and ``others`` into a ``click.ClickException`` that names the file.

    A closed pipe passes through.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except FileExistsError:
        raise click.ClickException(f"{path} exists (--overwrite)") from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except others as error:
        raise click.ClickException(f"{path}: {error}") from None


def open_output(path: str, *, overwrite: bool) -> OutputFile:
    """Return a new file, readable by its user alone. Raises ``click.ClickException``."""
    with file_errors(path):
        return OutputFile(path, overwrite=overwrite, private=True)


def write_output(output: OutputFile, data: bytes, path: str) -> None:
    """Write to a file. Raises ``click.ClickException``, and ``BrokenPipeError`` for a closed pipe."""
    with file_errors(path):
        output.write(data)
