"""Files and directories: of this machine, or of any file system that fsspec opens by a URL."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from ftwire_tools.captures.input_files import open_input
from ftwire_tools.export.lock import locked

__all__ = ["RemoteStore", "Store", "filesystem", "is_remote", "open_source", "stat_of", "store_at"]

LOCK: Final = ".lock"
"""File that the process holds which writes to a directory."""

PARTIAL: Final = ".partial"
"""Directory for files that are not complete."""


def is_remote(path: str) -> bool:
    """Return whether a path is a URL, which fsspec opens."""
    return "://" in path


def filesystem(path: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it. Raises ``ImportError`` for a package that it needs."""
    import fsspec

    found: tuple[Any, str] = fsspec.core.url_to_fs(path)
    return found


@contextmanager
def open_source(path: str) -> Iterator[BinaryIO]:
    """Open an input: a file, "-" for standard input, or a URL. Raises ``OSError``."""
    if not is_remote(path):
        with open_input(path) as opened:
            yield opened.stream
        return
    system, inner = filesystem(path)
    with system.open(inner, "rb") as stream:
        yield stream


def stat_of(path: str) -> tuple[int, str]:
    """Return an input's size in bytes, and its modification time or tag as text. Raises ``OSError``."""
    if path == "-":
        return 0, ""
    if not is_remote(path):
        found = Path(path).stat()
        return found.st_size, str(found.st_mtime_ns)
    system, inner = filesystem(path)
    info = system.info(inner)
    changed = next((info[key] for key in ("ETag", "etag", "mtime", "LastModified", "last_modified") if key in info), "")
    return int(info.get("size") or 0), str(changed)


class Store:
    """A directory for results, in which files appear when they are complete.

    A task writes below ``.partial/TASK``, and its files are moved to their places when all of them are complete.
    Tools that read directories of data pass over names that begin with a dot or an underscore.
    """

    def __init__(self, root: str) -> None:
        """``root`` is the directory, made with its first file."""
        self._root: Final = Path(root)

    @property
    def place(self) -> str:
        """Where it is: two stores with the same place are one."""
        return str(self._root.absolute())

    def stamp(self, name: str) -> str | None:
        """Return a text that changes when a file does; ``None`` where there is no such file."""
        try:
            found = (self._root / name).stat()
        except FileNotFoundError:
            return None
        return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"

    def create(self, task: str, name: str) -> BinaryIO:
        """Open a file for writing; ``complete`` gives it its ``name``, which may have directories."""
        path = self._partial(task) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")

    def complete(self, task: str, names: Iterable[str]) -> None:
        """Give a task's files their names."""
        for name in names:
            path = self._root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            (self._partial(task) / name).replace(path)
        self.abandon(task)

    def complete_some(self, task: str, names: Iterable[str]) -> None:
        """Do what ``complete`` does once more, after a process has ended on the way: some have their names already."""
        self.complete(task, [name for name in names if (self._partial(task) / name).exists()])

    def abandon(self, task: str) -> None:
        """Delete what a task has written and not completed."""
        shutil.rmtree(self._partial(task), ignore_errors=True)

    def remove(self, names: Iterable[str]) -> None:
        """Delete completed files, as far as they exist."""
        for name in names:
            (self._root / name).unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """Return a small file, ``None`` where there is none."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, directory: str) -> Iterator[str]:
        """Return the names of the files in a directory; none where it does not exist."""
        with suppress(FileNotFoundError):
            yield from sorted(path.name for path in (self._root / directory).iterdir())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the directory for this process, until the block or the process ends.

        Raises ``BusyError`` where another process has it. The operating system ends the lock with its process, so
        a file that is left behind locks nothing.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / LOCK):
            yield

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, which appears when it is complete."""
        with self.create(f"{Path(name).stem}-note", name) as file:
            file.write(data)
        self.complete(f"{Path(name).stem}-note", [name])

    def _partial(self, task: str) -> Path:
        return self._root / PARTIAL / task


class RemoteStore(Store):
    """The same on a file system of fsspec's. Moving a file is a copy in an object store."""

    def __init__(self, root: str) -> None:
        """``root`` is a URL. Raises ``ImportError`` for a package that it needs."""
        super().__init__("/")
        self._system, self._base = filesystem(root)
        self._url: Final = root

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def stamp(self, name: str) -> str | None:
        """Return a text that changes when a file does, as far as the file system has one."""
        path = f"{self._base}/{name}"
        return stat_of(f"{self._url.rstrip('/')}/{name}")[1] if self._system.exists(path) else None

    def create(self, task: str, name: str) -> BinaryIO:
        """Open a file for writing."""
        path = f"{self._base}/{PARTIAL}/{task}/{name}"
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        opened: BinaryIO = self._system.open(path, "wb")
        return opened

    def complete(self, task: str, names: Iterable[str]) -> None:
        """Give a task's files their names."""
        for name in names:
            path = f"{self._base}/{name}"
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self._system.exists(path):
                self._system.rm(path)
            self._system.mv(f"{self._base}/{PARTIAL}/{task}/{name}", path)
        self.abandon(task)

    def complete_some(self, task: str, names: Iterable[str]) -> None:
        """Give those files of a task their names that have not got them yet."""
        partial = f"{self._base}/{PARTIAL}/{task}"
        self.complete(task, [name for name in names if self._system.exists(f"{partial}/{name}")])

    def abandon(self, task: str) -> None:
        """Delete what a task has written and not completed."""
        path = f"{self._base}/{PARTIAL}/{task}"
        if self._system.exists(path):
            self._system.rm(path, recursive=True)

    def remove(self, names: Iterable[str]) -> None:
        """Delete completed files, as far as they exist."""
        for name in names:
            if self._system.exists(f"{self._base}/{name}"):
                self._system.rm(f"{self._base}/{name}")

    def read(self, name: str) -> bytes | None:
        """Return a small file, ``None`` where there is none."""
        try:
            return bytes(self._system.cat_file(f"{self._base}/{name}"))
        except FileNotFoundError:
            return None

    def names(self, directory: str) -> Iterator[str]:
        """Return the names of the files in a directory; none where it does not exist."""
        with suppress(FileNotFoundError):
            yield from sorted(path.rpartition("/")[2] for path in self._system.ls(f"{self._base}/{directory}", False))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Do nothing: object stores have no locks that end with their process."""
        yield


def store_at(root: str) -> Store:
    """Return the store of a directory or URL. Raises ``ImportError`` for a package that a URL needs."""
    return RemoteStore(root) if is_remote(root) else Store(root)
