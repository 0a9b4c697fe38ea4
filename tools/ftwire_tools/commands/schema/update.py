"""``ftwire schema update``: make ``proto/`` from a newer SDK."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ftwire.errors import DescriptorError
from ftwire_tools.commands._files import file_errors
from ftwire_tools.commands._options import colour_option
from ftwire_tools.schemas.changelog import CHANGES_FILE
from ftwire_tools.schemas.drift import change_lines, tally
from ftwire_tools.schemas.proto_tree import HISTORY_FILE
from ftwire_tools.schemas.proto_update import BY_HAND, grown, read_tree
from ftwire_tools.schemas.proto_writer import UnsupportedFeatureError
from ftwire_tools.schemas.protoc import ProtocError
from ftwire_tools.schemas.sdk import SdkError, version_key
from ftwire_tools.schemas.sdk_download import PackageError
from ftwire_tools.schemas.sources import DefinitionsError, read_release
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.terminal.style import paint_for

__all__ = ["command"]


def find_proto(given: str | None) -> Path:
    """Return the tree to update: the given one, ``proto`` in the current directory, or that of the checkout."""
    candidates = [Path(given)] if given else [Path("proto"), Path(__file__).resolve().parents[4] / "proto"]
    for path in candidates:
        if (path / HISTORY_FILE).is_file() and (path / CHANGES_FILE).is_file():
            return path
    raise click.ClickException(
        f"{given or 'proto'}: no source checkout ({HISTORY_FILE} and {CHANGES_FILE} are not there)"
    )


@click.command(epilog="Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage.")
@click.argument("sdk", default="futu-api==latest", metavar="[SDK]")
@click.option("--proto", metavar="DIR", help="The tree to update; by default proto/ of the source checkout.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@colour_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(sdk: str, proto: str | None, dry_run: bool, as_json: bool) -> None:
    """Make proto/ of a source checkout from a newer SDK, and print what it changed.

    SDK is futu-api==VERSION, a wheel, a source archive or a directory with an SDK; by default the newest published.
    That one release is enough: definitions of older ones stay. Take releases in their order, one by one, so that
    the history is right. Compile the result with "make setup".

    \b
    Examples:
      ftwire schema update --dry-run
      ftwire schema update futu-api==10.11.7108
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    folder = find_proto(proto)
    try:
        tree = read_tree(folder)
        release = read_release(sdk)
        is_known = release.version in tree.history.releases
        texts, changes = ({}, []) if is_known else grown(tree, release)
    except (SdkError, DefinitionsError, PackageError, ProtocError, DescriptorError, UnsupportedFeatureError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or sdk}: {error.strerror or error}") from None
    written = []
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            written.append(name)
            if not dry_run:
                with file_errors(path):
                    write_file(path, text.encode(), overwrite=True)
    # A renamed protocol leaves its old file behind.
    stale = [path for path in folder.glob("*.proto") if texts and path.name not in {*texts, *BY_HAND}]
    for path in stale:
        if not dry_run:
            path.unlink()
    old, new = tree.history.newest, release.version
    if as_json:
        facts = {
            "old": old,
            "new": new,
            "files": written,
            "removed": [path.name for path in stale],
            "changes": [change.facts() for change in changes],
        }
        write(f"{json.dumps({**facts, 'written': bool(written) and not dry_run})}\n")
        return
    if is_known:
        than = "is" if version_key(new) == version_key(old) else f"is older than {old}, and in"
        write(f"{sdk}: {new} {than} what {folder} is made from; nothing to do\n")
        return
    verb = "would be written" if dry_run else "written"
    last = f"{old} -> {new}: {tally(changes)}; {len(written)} files {verb} in {folder}"
    write("".join(f"{line}\n" for line in (*change_lines(changes, paint_for(sys.stdout)), last)))
