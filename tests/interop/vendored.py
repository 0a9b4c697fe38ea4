"""What the tree holds of other projects' releases, compared with the registry's.

PYTHONPATH=tests python -m interop.vendored            compare
PYTHONPATH=tests python -m interop.vendored --write    take the files of the release that is pinned here
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from support.places import ROOT

__all__ = ["FOLDER", "RELEASE", "differences", "released"]

RELEASE: Final = "uplot@1.6.32"
FOLDER: Final = ROOT / "tools/ftwire_tools/session_report/page/vendor"
FILES: Final = {
    "uPlot.iife.min.js": "package/dist/uPlot.iife.min.js",
    "uPlot.min.css": "package/dist/uPlot.min.css",
    "uPlot.LICENSE": "package/LICENSE",
}
"""Name here -> its name in the package of the registry."""


def released(npm: str) -> dict[str, bytes]:
    """Return the files of the release, by their names here. Raises ``CalledProcessError``."""
    with tempfile.TemporaryDirectory() as scratch:
        words = [npm, "pack", "--silent", "--ignore-scripts", RELEASE]
        done = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True)
        package = Path(scratch, done.stdout.split()[-1]).read_bytes()
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name, inner in FILES.items():
            file = archive.extractfile(inner)
            assert file is not None, inner
            found[name] = file.read()
    return found


def differences(files: dict[str, bytes]) -> list[str]:
    """Return the names of files that are others here, or more, or missing."""
    here = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    return sorted(name for name in here.keys() | files.keys() if here.get(name) != files.get(name))


def main() -> None:
    files = released("npm")
    if "--write" in sys.argv:
        for name, data in files.items():
            (FOLDER / name).write_bytes(data)
    wrong = differences(files)
    print(f"{RELEASE}: {', '.join(wrong)} differ" if wrong else f"{RELEASE}: as released")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
