"""The folders in which Wireshark looks for a user's plugins, profiles and capture interfaces."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Folders", "NoWiresharkError", "find_folders", "folders_below"]

_USUAL: Final = (
    "/Applications/Wireshark.app/Contents/MacOS/tshark",
    r"C:\Program Files\Wireshark\tshark.exe",
)
"""Where installers put tshark without adding it to PATH."""
_SECONDS: Final = 30
"""Longest that tshark may take to start."""


class NoWiresharkError(Exception):
    """The folders cannot be found out; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where Wireshark looks for a user's own files."""

    configuration: Path
    """Preferences and profiles."""
    plugins: Path
    """Lua plugins."""
    extcap: Path | None
    """Programs that are capture interfaces; ``None`` where this Wireshark has no folder of the user's for them."""
    global_extcap: str = ""
    """The same for all users, where it is known."""


def find_folders() -> Folders:
    """Return the folders that ``tshark -G folders`` lists. Raises ``NoWiresharkError``."""
    program = shutil.which("tshark") or next((path for path in _USUAL if Path(path).is_file()), None)
    if program is None:
        raise NoWiresharkError("tshark, which comes with Wireshark, is not on the PATH")
    try:
        listed = subprocess.run(  # noqa: S603 - tshark itself
            [program, "-G", "folders"], capture_output=True, encoding="utf-8", timeout=_SECONDS, check=True
        ).stdout
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise NoWiresharkError(f"{program} -G folders: {error}") from None
    found: dict[str, str] = {}
    for line in listed.splitlines():
        name, colon, path = line.partition(":")
        if colon:
            found.setdefault(name.strip().casefold(), path.strip())
    try:
        configuration, plugins = found["personal configuration"], found["personal lua plugins"]
    except KeyError as error:
        raise NoWiresharkError(f"{program} -G folders lists no {error.args[0]}") from None
    extcap = found.get("personal extcap path")
    return Folders(
        Path(configuration),
        Path(plugins),
        Path(extcap) if extcap else None,
        found.get("global extcap path") or found.get("extcap path", ""),
    )


def folders_below(directory: Path) -> Folders:
    """Return the folders of a Wireshark that keeps all of a user's files in one, as on Windows."""
    return Folders(directory, directory / "plugins", directory / "extcap")
