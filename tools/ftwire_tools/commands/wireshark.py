"""``ftwire wireshark``: make Wireshark show the protocol."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ftwire.errors import CaptureError
from ftwire_tools.captures.input_files import open_input, read_file
from ftwire_tools.commands._addresses import ADDRESS, DEFAULT_ADDRESS, LISTEN
from ftwire_tools.commands._keys import read_key
from ftwire_tools.commands._options import definitions_of, schema_option
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.schemas.sources import Definitions
    from ftwire_tools.terminal.addresses import Address
    from ftwire_tools.wireshark.folders import Folders
    from ftwire_tools.wireshark.installation import Changes, File
    from ftwire_tools.wireshark.keylog import KeyLog

__all__ = ["command"]

DEFAULT_LISTEN: Final = "127.0.0.1:11112"
"""Where clients connect to the capture interface by default: the default of ``ftwire record``."""


@click.group()
def command() -> None:
    """Make Wireshark show the protocol: frames, bodies, requests with their responses, encrypted sessions.

    \b
    Examples:
      ftwire wireshark install
      ftwire wireshark keylog --key rsa.pem session.pcapng
      ftwire wireshark export wireshark-files
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap


def _folders(directory: str | None) -> Folders:
    """Return the folders of the user's Wireshark, or those below ``directory``. Raises ``ClickException``."""
    from ftwire_tools.wireshark.folders import NoWiresharkError, find_folders, folders_below

    if directory is not None:
        return folders_below(Path(directory))
    try:
        return find_folders()
    except NoWiresharkError as error:
        raise click.ClickException(f"cannot find Wireshark's folders: {error} (--dir names one)") from None


def _write(files: list[File]) -> Changes:
    from ftwire_tools.wireshark.installation import OccupiedError, write_files

    try:
        return write_files(files)
    except OccupiedError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None


def _files(definitions: Definitions, folders: Folders | Path) -> list[File]:
    from ftwire_tools.schemas.proto_writer import UnsupportedFeatureError
    from ftwire_tools.wireshark.installation import exported_files, installed_files

    try:
        if isinstance(folders, Path):
            return exported_files(definitions, folders)
        return installed_files(definitions, folders)
    except UnsupportedFeatureError as error:
        raise click.ClickException(str(error)) from None


def _lines(verb: str, paths: list[Path]) -> list[str]:
    """Return a line for each file, and one for all .proto files of a folder."""
    protos = Counter(path.parent for path in paths if path.suffix == ".proto")
    lines = [f"{verb:<9} {path}" for path in paths if path.suffix != ".proto"]
    return lines + [f"{verb:<9} {folder} ({count} .proto files)" for folder, count in protos.items()]


def _report(changes: Changes, notes: list[str], *, as_json: bool) -> None:
    """Print what was done; notes go to standard error."""
    found = {
        "written": changes.written,
        "unchanged": changes.unchanged,
        "kept": changes.kept,
        "removed": changes.removed,
    }
    if as_json:
        write(f"{json.dumps({verb: [str(path) for path in paths] for verb, paths in found.items()})}\n")
    else:
        write("".join(f"{printable(line)}\n" for verb, paths in found.items() for line in _lines(verb, paths)))
    sys.stderr.write("".join(f"{printable(note)}\n" for note in notes))


def _notes(changes: Changes, folders: Folders) -> list[str]:
    """Return what is left to do for the user."""
    from ftwire_tools.wireshark.installation import PROFILE, PROTOS, search_path

    paths = folders.configuration / "protobuf_search_paths"
    notes = []
    if paths in changes.kept:
        line = search_path(folders.configuration / PROTOS)
        try:
            has_line = line in paths.read_text(encoding="utf-8", errors="replace")
        except OSError:
            has_line = False
        if not has_line:
            notes.append(f"names of fields need the profile {PROFILE}, or this line in {paths}: {line}")
    if folders.extcap is None:
        notes.append(
            "this Wireshark takes capture interfaces for all users only: ftwire wireshark export DIR, then copy "
            f"DIR/extcap/* to {folders.global_extcap or 'its extcap folder'}"
        )
    notes.append(f"columns and filters by field: wireshark -C {PROFILE}")
    return notes


@command.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="A folder that holds all of a user's files, as on Windows and in the portable edition, instead of those "
    "that tshark -G folders lists.",
)
@click.option("--uninstall", is_flag=True, help="Remove what was installed.")
@schema_option
@click.option("--json", "as_json", is_flag=True, help="List the files as one JSON object.")
def install(directory: str | None, uninstall: bool, schema: str | None, as_json: bool) -> None:
    """Install the dissector and what belongs to it, for this user.

    That is message definitions, a profile and a capture interface. They go into the personal folders that tshark -G
    folders lists; what was written is listed. Files that ftwire did not write are never written over: where one is in
    the way, nothing is written, and settings of the user stay as they are. Installing again brings the files up to
    date.

    \b
    Examples:
      ftwire wireshark install
      ftwire wireshark install --uninstall

    Then open a capture: wireshark -C OpenD session.pcapng. The profile OpenD has columns for kind, name, serial and
    latency, and makes each field of a body a filter: opend.proto == "Qot_GetRT" && pbf.Qot_Common.TimeShare.price > 600
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.wireshark.installation import remove

    folders = _folders(directory)
    files = _files(definitions_of(schema), folders)
    if uninstall:
        try:
            changes = remove(files)
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror or error}") from None
        _report(changes, [] if changes.removed else ["nothing was installed"], as_json=as_json)
        return
    changes = _write(files)
    _report(changes, _notes(changes, folders), as_json=as_json)


@command.command()
@click.argument("directory", type=click.Path(file_okay=False), metavar="DIR")
@schema_option
@click.option("--json", "as_json", is_flag=True, help="List the files as one JSON object.")
def export(directory: str, schema: str | None, as_json: bool) -> None:
    """Write into DIR what install writes, to be used from there.

    \b
    Examples:
      ftwire wireshark export wireshark-files
      ftwire wireshark export old --schema futu-api==6.2.2708

    What was written is listed; standard error shows how tshark is started with it.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.wireshark.installation import DISSECTOR, SETTINGS, search_path

    folder = Path(directory)
    changes = _write(_files(definitions_of(schema), folder))
    settings = [f"uat:protobuf_search_paths:{search_path(folder / 'protos')}", *SETTINGS]
    words = ["-X", f"lua_script:{folder / DISSECTOR}", *(word for setting in settings for word in ("-o", setting))]
    _report(changes, [shlex.join(["tshark", *words, "-r", "CAPTURE"])], as_json=as_json)


@command.command()
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@click.option(
    "--key", "keys", multiple=True, metavar="PEM", help="RSA private key; repeatable. Embedded ones are tried, too."
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write, readable by you alone; by default opend_keys.log in Wireshark's configuration folder, "
    "which the dissector reads.",
)
@click.pass_context
def keylog(ctx: click.Context, captures: tuple[str, ...], keys: tuple[str, ...], output: str | None) -> None:
    """Write the session keys of encrypted captures for the dissector.

    Wireshark's Lua has no RSA, hence this step. It reads the handshakes with the RSA key and writes the key of every
    session; sessions that are in the file already stay. Wireshark decrypts with them from 4.6 on: earlier
    releases have no cipher for dissectors in Lua. "-" is standard input.

    \b
    Examples:
      ftwire wireshark keylog --key rsa.pem session.pcapng
      ftwire wireshark keylog --key rsa.pem day-*.pcapng -o keys.log

    Whoever has the file can read these sessions, but no others.
    Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 some conversations could not be decrypted, or a file is cut.
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.wireshark.installation import KEYS_FILE

    path = Path(output) if output is not None else _folders(None).configuration / KEYS_FILE
    rsa_keys = [key for key in map(read_key, keys) if key is not None]
    damage: list[str] = []
    lines: dict[str, None] = {}
    sessions = without_key = 0
    for name in captures:
        found = _session_keys(name, rsa_keys, damage)
        lines.update(dict.fromkeys(found.lines))
        sessions += found.sessions
        without_key += found.without_key
    if lines:
        _add_lines(path, tuple(lines))
    said = [f"{_counted(sessions, 'session')}{f' in {path}' if lines else ', nothing written'}"]
    if without_key:
        conversations = _counted(without_key, "encrypted conversation")
        said.append(f"{conversations} whose key was not given (--key), or whose handshake was not captured")
    sys.stderr.write("".join(f"{printable(line)}\n" for line in (*said, *damage)))
    ctx.exit(NOT_DECODED if without_key or damage else 0)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _session_keys(name: str, keys: list[RsaKey], damage: list[str]) -> KeyLog:
    """Return the session keys of one capture; what ends it early goes to ``damage``. Raises ``ClickException``."""
    from ftwire.capture import CaptureReader
    from ftwire_tools.wireshark.keylog import KeyLog

    found = KeyLog()
    reader = CaptureReader(keys=keys, raw=False)
    try:
        with open_input(name) as source:
            for report in reader.read(source.chunks()):
                found.add(report)
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror or error}") from None
    except CaptureError as error:
        if not reader.account.frames:
            raise click.ClickException(f"{name}: {error}") from None
        damage.append(f"{name}: {error}")
    return found


def _add_lines(path: Path, lines: tuple[str, ...]) -> None:
    """Add lines to a private file, written beside it and moved there. Raises ``ClickException``."""
    from ftwire_tools.wireshark.keylog import merged

    try:
        old = read_file(str(path)).decode() if path.exists() else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, merged(old, lines).encode(), overwrite=True, private=True)
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is no file of session keys") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {error.strerror or error}") from None


@command.command(hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--extcap-interfaces", "interfaces", is_flag=True, help="List the capture interface.")
@click.option("--extcap-interface", metavar="NAME", help="The interface that is asked about; there is only one.")
@click.option("--extcap-version", metavar="VERSION", help="Wireshark's version.")
@click.option("--extcap-dlts", "link_types", is_flag=True, help="List its link types.")
@click.option("--extcap-config", "config", is_flag=True, help="List its options.")
@click.option("--extcap-capture-filter", metavar="FILTER", help="Not supported: everything is captured.")
@click.option("--capture", is_flag=True, help="Capture until a signal comes.")
@click.option("--fifo", metavar="PATH", help="The pipe to write to.")
@click.option("--gateway", type=ADDRESS, default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="The gateway.")
@click.option("--listen", type=LISTEN, default=DEFAULT_LISTEN, metavar="[HOST:]PORT", help="Where clients connect.")
@click.pass_context
def extcap(
    ctx: click.Context,
    interfaces: bool,
    extcap_interface: str | None,
    extcap_version: str | None,  # noqa: ARG001 - Wireshark's option
    link_types: bool,
    config: bool,
    extcap_capture_filter: str | None,  # noqa: ARG001 - Wireshark's option
    capture: bool,
    fifo: str | None,
    gateway: Address,
    listen: Address,
) -> None:
    """Be a capture interface: Wireshark starts this command, in the program that install and export write.

    It is ftwire record between --gateway and what connects to --listen.

    \b
    Example:
      ftwire wireshark extcap --extcap-interfaces
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
    from ftwire_tools.wireshark.extcap import INTERFACE, config_lines, interface_lines, link_type_lines

    if interfaces:
        write(interface_lines())
        return
    if extcap_interface not in {INTERFACE, None}:
        raise click.UsageError(f"{extcap_interface} is no interface of this program, which has {INTERFACE}")
    if link_types:
        write(link_type_lines())
    elif config:
        write(config_lines(DEFAULT_ADDRESS, DEFAULT_LISTEN))
    elif capture and fifo:
        ctx.exit(_capture(fifo, gateway, listen))
    else:
        raise click.UsageError("--extcap-interfaces, --extcap-dlts, --extcap-config, or --capture with --fifo")


def _capture(fifo: str, gateway: Address, listen: Address) -> int:
    """Record into a pipe until a signal comes or its reader goes away. Returns the exit code."""
    from ftwire_tools.commands.record import command as record
    from ftwire_tools.terminal.output import ClosedOutputError

    # Wireshark shows whatever a capture program writes to standard error as an error.
    said = io.StringIO()
    arguments = ["--to", str(gateway), "--listen", str(listen), "-w", fifo]
    try:
        with redirect_stderr(said):
            code = record.main(arguments, prog_name="ftwire record", standalone_mode=False)
    except (ClosedOutputError, BrokenPipeError):
        return 0  # the capture was stopped
    code = code if isinstance(code, int) else 0
    if code:
        sys.stderr.write(said.getvalue())
    return code
