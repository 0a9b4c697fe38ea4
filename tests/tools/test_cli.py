"""The command as a process: pipes, signals, and what it takes to start."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import ftwire
from ftwire.pcap import PcapWriter
from ftwire_tools.cli import main
from ftwire_tools.commands import COMMANDS
from ftwire_tools.commands._group import SECTIONS
from support.captures import answered, packets, pcap, push, session
from support.command import FTWIRE
from support.frames import rt_response
from support.places import ROOT
from support.screens import on_a_terminal


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    return path


@pytest.fixture
def long_capture(tmp_path: Path) -> Path:
    path = tmp_path / "long.pcap"
    path.write_bytes(pcap([*session(), *[answered(3009, 0, push())] * 5000]))
    return path


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FTWIRE, *map(str, words)], capture_output=True, text=True, check=False)


def test_every_command_is_what_its_line_says() -> None:
    for name, line in COMMANDS.items():
        command = importlib.import_module(f"ftwire_tools.commands.{name}").command
        assert isinstance(command, click.Command)
        assert command.name in (name, "command")
        assert line.endswith(".")
        assert "Example" in (command.help or "")


@pytest.mark.parametrize("group", ["wireshark", "vectors", "fuzz", "schema"])
def test_no_line_of_help_in_a_list_of_commands_is_cut_off(group: str) -> None:
    listed = run(group, "--help").stdout.split("\nCommands:\n")[1]
    assert "..." not in listed


def test_help_lists_the_commands_and_imports_none() -> None:
    program = (
        "import sys; sys.argv = ['ftwire', '--help']\n"
        "from ftwire_tools.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('ftwire', 'google', 'rich', 'cryptography')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout and line in done.stdout for name, line in COMMANDS.items())


def test_a_dump_without_a_key_imports_nothing_heavy(capture: Path) -> None:
    program = (
        f"import sys; sys.argv = ['ftwire', 'dump', {str(capture)!r}]\n"
        "from ftwire_tools.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('rich', 'cryptography', 'websockets', 'asyncio', 'hypothesis', 'socket')\n"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    done = run("--version")
    core = "compiled core" if ftwire.compiled else "pure Python"
    assert (done.returncode, done.stdout) == (0, f"ftwire {ftwire.__version__} ({core})\n")


def test_an_unknown_command_is_wrong_usage() -> None:
    done = run("dmup")
    assert done.returncode == 2
    assert "No such command 'dmup'. Did you mean 'dump'?" in done.stderr
    assert "No such command 'shwo'. Did you mean 'show'?" in run("schema", "shwo").stderr
    assert run("xyzzy").stderr.splitlines()[-1] == "Error: No such command 'xyzzy'."
    # Releases of click word it differently.
    assert "--table" in run("dump", "--tabel", "x").stderr


def test_every_command_is_below_one_heading_of_the_help() -> None:
    placed = [name for names in SECTIONS.values() for name in names]
    assert sorted(placed) == sorted(COMMANDS)
    shown = run("--help").stdout
    assert all(f"\n{title}:\n" in shown for title in SECTIONS)


def test_without_click_one_line_says_what_to_install() -> None:
    program = "import sys; sys.modules['click'] = None\nfrom ftwire_tools.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "ftwire: the command line needs click: pip install ftwire\n"


WEBSOCKET = ROOT / "fixtures/captures/npm-futu-api-10.11-websocket.pcapng"
OURS = 'WebSocket traffic is read with the package "websockets": pip install ftwire'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dump", str(WEBSOCKET)], f"Error: {WEBSOCKET}: {OURS}"),
        (["explain", str(WEBSOCKET)], f"Error: {WEBSOCKET}: {OURS}"),
        (["redact", str(WEBSOCKET), "-w", "-"], f"ftwire: {OURS}"),
        (["replay", str(WEBSOCKET)], f"ftwire: {OURS}"),
        (
            ["serve", "--synthetic", "--port", "0", "--ws-port", "0"],
            "ftwire: websockets is not installed: pip install ftwire",
        ),
        (["fuzz", "gateway", ":1", "--ws"], "ftwire: websockets is not installed: pip install ftwire"),
    ],
)
def test_without_websockets_one_line_says_what_to_install(words: list[str], said: str) -> None:
    """Where ftwire was installed without its dependencies, some of them may be there all the same."""
    program = (
        f"import sys; sys.modules['websockets'] = None; sys.argv = {['ftwire', *words]!r}\n"
        "from ftwire_tools.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 1
    assert [line for line in done.stderr.decode().splitlines() if not line.startswith("20")] == [said]


@pytest.mark.parametrize(
    ("words", "value", "said"),
    [
        (["--version"], "on", "FTWIRE_CORE is 'off', 'required' or unset, not 'on'"),
        (["dump", "x"], "on", "FTWIRE_CORE is 'off', 'required' or unset, not 'on'"),
        (["dump", "x"], "required", "FTWIRE_CORE is 'required', and there is no compiled core: "),
    ],
)
def test_a_core_that_cannot_be_had_is_one_line(words: list[str], value: str, said: str) -> None:
    program = (
        f"import sys; sys.modules['ftwire_core'] = None; sys.argv = {['ftwire', *words]!r}\n"
        "from ftwire_tools.cli import main\nmain()"
    )
    environment = {**os.environ, "FTWIRE_CORE": value}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"ftwire: {said}")
    assert done.stderr.count("\n") == 1


def test_an_import_that_should_have_succeeded_is_a_bug_and_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ImportError("cannot import name 'x' from 'ftwire'", name="ftwire")

    monkeypatch.setattr("ftwire_tools.commands.ftwire.main", broken)
    with pytest.raises(ImportError, match="cannot import name"):
        main()


def test_exit_codes(capture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:-10])
    assert run("dump", capture).returncode == 0
    assert run("dump", tmp_path).returncode == 1
    assert run("dump").returncode == 2
    assert run("dump", cut).returncode == 3


def test_failures_are_one_line() -> None:
    done = run("dump", "no-such-file")
    assert done.stderr == "Error: no-such-file: No such file or directory\n"


def test_a_closed_pipe_is_quiet(long_capture: Path) -> None:
    with subprocess.Popen([*FTWIRE, "dump", str(long_capture)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
        assert dump.stdout is not None
        assert dump.stderr is not None
        assert dump.stdout.readline().startswith(b"---")
        dump.stdout.close()
        assert dump.stderr.read() == b""
        assert dump.wait() == 141


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["completion", "bash"],
        ["dump", "--help"],
        ["dump", "--json", "CAPTURE"],
        ["explain", "CAPTURE"],
        ["record", "--list-faults"],
        ["redact", "CAPTURE", "-w", "-"],
        ["schema", "--help"],
        ["schema", "list", "--json"],
        ["serve", "--list-protocols"],
        ["serve", "--show-universe"],
    ],
    ids=" ".join,
)
def test_a_pipe_that_nobody_reads_is_quiet(words: list[str], long_capture: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*FTWIRE, *(str(long_capture) if word == "CAPTURE" else word for word in words)]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_is_one_line(long_capture: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*FTWIRE, "dump", str(long_capture)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["ftwire: standard output: No space left on device"]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*FTWIRE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_standard_input_is_shown_as_it_comes() -> None:
    """As behind ``tcpdump -U -w -``: each frame is printed before the next is captured."""
    writer = PcapWriter()
    with start("dump", "--json", "-") as dump:
        assert dump.stdin is not None
        assert dump.stdout is not None
        dump.stdin.write(writer.header())
        seen = []
        for at, data in packets(session()):
            dump.stdin.write(writer.packet(at, data))
            dump.stdin.flush()
            if b"FT" in data:
                seen.append(json.loads(dump.stdout.readline())["number"])
        assert seen == [1, 2, 3, 4, 5]
        dump.stdin.close()
        assert dump.stdout.read() == b""
        assert dump.wait() == 0


def test_interrupted_it_exits_with_130_and_says_nothing() -> None:
    with start("dump", "-") as dump:
        assert dump.stdin is not None
        assert dump.stdout is not None
        assert dump.stderr is not None
        dump.stdin.write(pcap(session())[:-60])
        dump.stdin.flush()
        lines = [dump.stdout.readline() for _ in range(7)]
        dump.send_signal(signal.SIGINT)
        assert dump.wait() == 130
        assert lines[-1].split()[0] == b"5"
        assert dump.stderr.read() == b""


def test_interrupted_it_still_gives_the_statistics_asked_for() -> None:
    with start("dump", "--stats", "-") as dump:
        assert dump.stdin is not None
        assert dump.stdout is not None
        assert dump.stderr is not None
        dump.stdin.write(pcap(session())[:-60])
        dump.stdin.flush()
        for _ in range(7):
            dump.stdout.readline()
        dump.send_signal(signal.SIGINT)
        assert dump.wait() == 130
        assert b"3008 Qot_GetRT" in dump.stderr.read()


def test_colours_are_for_terminals(capture: Path) -> None:
    assert b"\x1b[36mrequest" in on_a_terminal("dump", str(capture), NO_COLOR="", COLUMNS="120")
    assert b"\x1b" not in on_a_terminal("dump", str(capture), NO_COLOR="1")
    assert b"\x1b" not in on_a_terminal("dump", str(capture), NO_COLOR="", TERM="dumb")
    assert "\x1b" not in run("dump", capture).stdout


@pytest.mark.parametrize(
    ("words", "variables", "coloured"),
    [
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        (["--color", "auto"], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ([], {"FORCE_COLOR": "0"}, False),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ([], {"FTWIRE_COLOR": "always"}, True),
        (["--color", "never"], {"FTWIRE_COLOR": "always"}, False),
    ],
)
def test_colours_are_chosen(
    capture: Path, words: list[str], variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[36mrequest" in run("dump", *words, capture).stdout) is coloured
    # JSON has none, whatever was chosen.
    assert "\x1b" not in run("dump", "--json", *words, capture).stdout


def test_the_library_runs_as_the_command(capture: Path) -> None:
    words = ["dump", str(capture)]
    done = subprocess.run([sys.executable, "-m", "ftwire", *words], capture_output=True, text=True, check=True)
    assert done.stdout == run(*words).stdout
    failed = subprocess.run([sys.executable, "-m", "ftwire", "dump"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2


def test_the_library_without_the_tools_says_what_to_install() -> None:
    program = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "ftwire_tools":
            raise ModuleNotFoundError("absent", name=name)
sys.meta_path.insert(0, Absent())
runpy.run_module("ftwire", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = "ftwire: the library is here without its tools: pip install ftwire has both\n"
    assert done.stderr == said


def shown_of(total: int, *, prints: bool = False, **variables: str) -> bytes:
    """What a terminal receives of a display that is updated before and after its first half second."""
    program = f"""
import sys, time
from ftwire_tools.terminal.progress import Progress
now = 100.0
time.monotonic = lambda: now
progress = Progress({total}, prints={prints})
progress.update(1, 1)
assert "rich" not in sys.modules
now = 101.0
progress.update(45_000_000, 1234)
now = 103.0
progress.update(145_000_000, 4321)
progress.clear()
progress.clear()
print("the end")
"""
    return on_a_terminal(program=(sys.executable, "-c", program), **{"NO_COLOR": "", "COLUMNS": "100", **variables})


def test_progress_is_shown_on_a_terminal() -> None:
    shown = shown_of(200_000_000)
    assert b"45 of 200 MB, 1234 frames " in shown
    assert b"145 of 200 MB, 4321 frames " in shown
    assert b"50.0 MB/s" in shown
    assert b"00:02" in shown, "what is left"
    assert "\u2501".encode() in shown, "a bar"
    # Removed: the cursor is visible again, a line higher, in an empty line.
    assert shown.endswith(b"\x1b[?25h\r\x1b[1A\x1b[2Kthe end\r\n")
    assert b"45 MB, 1234 frames" in (unknown := shown_of(0))
    assert "\u2501".encode() not in unknown


def test_progress_follows_the_terminal_and_the_user() -> None:
    colour = re.compile(rb"\x1b\[[0-9;]*m")
    assert colour.search(shown_of(200_000_000))
    assert not colour.search(shown_of(200_000_000, NO_COLOR="1"))
    for silent in (shown_of(200_000_000, prints=True), shown_of(200_000_000, TERM="dumb")):
        assert silent == b"the end\r\n"


@pytest.mark.parametrize("encoding", ["ascii", "gb2312", "utf-8"])
def test_every_encoding_takes_every_name(encoding: str) -> None:
    reply = rt_response()
    reply.s2c.name = "腾讯控股 ✓"
    data = pcap([answered(3008, 1, reply)])
    for form in ([], ["-v"], ["--table"]):
        done = subprocess.run(
            [*FTWIRE, "dump", *form, "-"],
            input=data,
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert ("✓" in done.stdout.decode(encoding)) is (encoding == "utf-8")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_crash(closed: str, tmp_path: Path) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap([answered(3008, 1, rt_response())]))
    command = f'exec "{sys.executable}" -m ftwire_tools.cli dump "{path}" {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["serve", "--list-faults"], ["dump", "--help"]])
def test_a_full_disk_is_said_in_a_line_whoever_writes(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*FTWIRE, *words], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"ftwire: output: No space left on device\n")
