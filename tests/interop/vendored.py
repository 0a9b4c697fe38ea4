"""What the tree holds of other projects' releases, compared with the registry's.

PYTHONPATH=tests python -m interop.vendored            compare
PYTHONPATH=tests python -m interop.vendored --write    take the files of the releases that are pinned here
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from support.places import ROOT

__all__ = ["VENDORED", "Vendored", "differences", "released"]


class Vendored(NamedTuple):
    """Files of one release, in a folder of their own."""

    release: str
    """``NAME@VERSION`` in npm's registry."""
    folder: Path
    files: dict[str, str]
    """Name here -> its name in the package of the registry."""


VENDORED: Final = (
    Vendored(
        "uplot@1.6.32",
        ROOT / "tools/ftwire_tools/session_report/page/vendor",
        {
            "uPlot.iife.min.js": "package/dist/uPlot.iife.min.js",
            "uPlot.min.css": "package/dist/uPlot.min.css",
            "uPlot.LICENSE": "package/LICENSE",
        },
    ),
    Vendored(
        "iframe-worker@1.0.4",
        ROOT / "docs/vendor",
        {"iframe-worker.js": "package/shim/index.js", "iframe-worker.LICENSE": "package/LICENSE"},
    ),
)


def released(npm: str, vendored: Vendored) -> dict[str, bytes]:
    """Return the files of the release, by their names here. Raises ``CalledProcessError``."""
    with tempfile.TemporaryDirectory() as scratch:
        words = [npm, "pack", "--silent", "--ignore-scripts", vendored.release]
        done = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True)
        package = Path(scratch, done.stdout.split()[-1]).read_bytes()
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name, inner in vendored.files.items():
            file = archive.extractfile(inner)
            assert file is not None, inner
            found[name] = file.read()
    return found


def differences(vendored: Vendored, files: dict[str, bytes]) -> list[str]:
    """Return the names of files that are others here, or more, or missing."""
    here = {path.name: path.read_bytes() for path in vendored.folder.iterdir()}
    return sorted(name for name in here.keys() | files.keys() if here.get(name) != files.get(name))


def main() -> None:
    any_wrong = False
    for vendored in VENDORED:
        files = released("npm", vendored)
        if "--write" in sys.argv:
            for name, data in files.items():
                (vendored.folder / name).write_bytes(data)
        wrong = differences(vendored, files)
        any_wrong |= bool(wrong)
        print(f"{vendored.release}: {', '.join(wrong)} differ" if wrong else f"{vendored.release}: as released")
    sys.exit(any_wrong)


if __name__ == "__main__":
    main()
