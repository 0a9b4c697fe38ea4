"""Make every generated file under proto/ again, from the released packages of the vendor's Python SDK.

    pip download --no-deps --dest sdk futu-api==10.11.7108      # and so on, for each release
    python proto/generate.py sdk

``--download DIR`` fetches what PyPI offers of futu-api into DIR first. Nothing of a package is run here, though pip
builds the metadata of a source archive. One newer release is ``ftwire schema update``: it needs no other.
``ftwire/options.proto`` and ``InitWebSocket.proto`` are written by hand and left alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PROTO = Path(__file__).resolve().parent
sys.path.insert(0, str(PROTO.parent / "tools"))

from ftwire_tools.schemas.changelog import CHANGES_FILE, ChangeLog  # noqa: E402 - found through the line above
from ftwire_tools.schemas.proto_tree import proto_tree  # noqa: E402
from ftwire_tools.schemas.sdk import read_sdk  # noqa: E402


def download(directory: Path) -> None:
    """Fetch every release of futu-api that is not in ``directory`` yet."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    listing = subprocess.run(  # noqa: S603
        [*pip, "index", "versions", "futu-api"], check=True, capture_output=True, text=True
    )
    directory.mkdir(parents=True, exist_ok=True)
    have = {path.name for path in directory.iterdir()}
    for version in re.findall(r"\d+(?:\.\d+)+", listing.stdout.partition("Available versions:")[2]):
        if not any(re.match(rf"futu[-_]api-{re.escape(version)}[-.](py|tar)", name) for name in have):
            command = [*pip, "download", "-q", "--no-deps", "--dest", str(directory), f"futu-api=={version}"]
            subprocess.run(command, check=True)  # noqa: S603


def main() -> None:
    """Read the releases given, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--download", action="store_true", help="fetch the releases that are missing first")
    parser.add_argument("directory", type=Path, help="holds wheels and source archives of futu-api")
    arguments = parser.parse_args()
    if arguments.download:
        download(arguments.directory)
    releases = [read_sdk(path) for path in sorted(arguments.directory.iterdir())]
    tree = proto_tree(releases)
    tree[CHANGES_FILE] = ChangeLog.of(releases).to_json()
    for name, text in tree.items():
        (PROTO / name).write_text(text, encoding="utf-8")
    print(f"{len(tree)} files from {len(releases)} releases")  # noqa: T201


if __name__ == "__main__":
    main()
