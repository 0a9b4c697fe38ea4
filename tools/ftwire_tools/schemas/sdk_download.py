"""Find a version of the vendor's Python SDK: installed, downloaded earlier, or downloaded now."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["LATEST", "PackageError", "locate_package", "newest_version", "parse_requirement"]

LATEST: Final = "latest"
"""Word for the newest version published."""

_REQUIREMENT: Final = re.compile(r"(?:(futu|moomoo)[-_]api)?(?:(?:==)?(\d+(?:\.\d+)*|latest))?", re.ASCII)
_TIMEOUT: Final = 300
"""Seconds pip may take: it reads a source archive's metadata by building it."""


class PackageError(Exception):
    """A package that cannot be found or downloaded; the message has the reason."""


def parse_requirement(text: str) -> tuple[str, str] | None:
    """Return package and version of ``futu-api==9.6.5608``, ``futu-api==latest``, ``futu-api`` or ``9.6.5608``.

    The version is empty if there is none. ``None`` for any other text.
    """
    found = _REQUIREMENT.fullmatch(text)
    if not text or found is None or (found[1] and found[2] and "==" not in text):
        return None
    return f"{found[1] or 'futu'}-api", found[2] or ""


def locate_package(name: str, version: str) -> tuple[Path, str]:
    """Return the path of a package and its version; without a version, of the one installed, else the newest published.

    Downloads are kept in ``$XDG_CACHE_HOME/ftwire/sdk``. Raises ``PackageError``.
    """
    module = name.removesuffix("-api")
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        installed = None
    if installed is not None and version in {"", installed.version}:
        return Path(str(installed.locate_file(module))), installed.version
    if version in {"", LATEST}:
        version = newest_version(name)
    folder = _cache()
    found = _cached(folder, name, version)
    if found is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PackageError(f"{folder}: {error.strerror or error}") from None
        _pip("download", "--quiet", "--no-deps", "--dest", str(folder), f"{name}=={version}")
        found = _cached(folder, name, version)
    if found is None:
        raise PackageError(f"{name}=={version}: pip left no file in {folder}")
    return found, version


def newest_version(name: str) -> str:
    """Return the newest version published. Raises ``PackageError``."""
    answer = _pip("index", "versions", name)
    found = re.match(rf"{re.escape(name)} \((\d+(?:\.\d+)*)\)", answer)
    if found is None:
        raise PackageError(f"{name}: pip does not say which versions there are")
    return found[1]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "ftwire" / "sdk"


def _cached(folder: Path, name: str, version: str) -> Path | None:
    # A source archive is named with "-" or "_", a wheel goes on with "-py3-none-any.whl".
    stem = re.compile(rf"{name.replace('-', '[-_]')}-{re.escape(version)}(?:-.*\.whl|\.tar\.gz|\.zip)")
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if stem.fullmatch(path.name)), None)


def _pip(*arguments: str) -> str:
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_TIMEOUT)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise PackageError(f"pip {arguments[0]} took over {_TIMEOUT} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
        reason = (errors or lines or ["pip failed"])[-1]
        hint = " (ftwire schema history lists the releases)" if reason.startswith("No matching distribution") else ""
        raise PackageError(f"{arguments[-1]}: {reason}{hint}")
    return done.stdout
