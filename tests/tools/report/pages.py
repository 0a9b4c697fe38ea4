"""Reports for tests: written by the command, and read back without a browser."""

from __future__ import annotations

import gzip
import json
import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from ftwire_tools.commands import ftwire as cli
from support.places import ROOT

__all__ = ["CAPTURES", "KEYS", "Page", "page_at", "report"]

CAPTURES: Final = ROOT / "fixtures" / "captures"
KEYS: Final = sorted((ROOT / "fixtures" / "keys").glob("TEST-ONLY-[0-9]*.pem"))
_DATA: Final = re.compile(r'<script type="text/plain" id="data-([\w-]+)">([A-Za-z0-9+/=]*)</script>')
_NONE: Final = (1 << 32) - 1


def report(*words: str | Path, data: bytes | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["report", *map(str, words)], input=data)


@dataclass(frozen=True)
class Page:
    """A page that was written."""

    text: str
    data: dict[str, bytes]

    @property
    def overview(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data["overview"])
        return found

    @property
    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = self.overview["session"]
        return found

    def column(self, name: str) -> tuple[int, ...]:
        """Return a column of the list of frames."""
        at = 0
        for each, code, length in self.overview["columns"]["columns"]:
            size = length * struct.calcsize(code)
            if each == name:
                return struct.unpack(f"<{length}{code}", self.data["table"][at : at + size])
            at += size
        raise KeyError(name)

    def bodies(self) -> Iterator[tuple[Any, bytes | None, bytes | None, str]]:
        """Yield JSON, header, body and error of each frame that is listed."""
        for number, _ in enumerate(self.overview["chunks"]):
            chunk = self.data[f"chunk-{number}"]
            (count,) = struct.unpack_from("<I", chunk)
            at = 4 + 16 * count
            for row in range(count):
                parts: list[bytes | None] = []
                for length in struct.unpack_from("<4I", chunk, 4 + 16 * row):
                    parts.append(None if length == _NONE else chunk[at : at + length])
                    at += 0 if length == _NONE else length
                text, header, body, why = parts
                yield None if text is None else json.loads(text), header, body, (why or b"").decode()

    @property
    def everything(self) -> bytes:
        """Everything that a reader of the file can find in it."""
        return b"\n".join([self.text.encode(), *self.data.values()])


def page_at(path: Path) -> Page:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    data = {found[1]: gzip.decompress(b64decode(found[2])) for found in _DATA.finditer(text)}
    return Page(_DATA.sub("", text), data)
