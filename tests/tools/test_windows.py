"""What Windows lacks: modules, signal handlers of event loops, fork, names for files that are open."""

from __future__ import annotations

import ast
import csv
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire
from ftwire_tools.gateway.log import LogOutput
from ftwire_tools.terminal import output_file
from ftwire_tools.terminal.command_words import command_words
from support.places import ROOT
from support.screens import write_capture

CAPTURE = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"
# https://docs.python.org/3/library: the modules that are "available on Unix" alone.
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
UNIX_NAMES = {
    "os": {"fchmod", "fork", "geteuid", "getpgid", "getuid", "killpg", "mkfifo", "uname", "wait", "waitpid"},
    "signal": {
        "SIGALRM",
        "SIGCHLD",
        "SIGHUP",
        "SIGKILL",
        "SIGPIPE",
        "SIGUSR1",
        "alarm",
        "pthread_sigmask",
        "setitimer",
    },
    "socket": {"AF_UNIX", "MSG_DONTWAIT", "SO_REUSEADDR", "SO_REUSEPORT", "socketpair"},
    "asyncio": {"open_unix_connection", "start_unix_server"},
}
HANDLERS = {"add_reader", "add_signal_handler", "add_writer", "connect_read_pipe", "connect_write_pipe"}
SIGNALS = "tools/ftwire_tools/terminal/signals.py"


def sources() -> Iterator[Path]:
    for folder in ("codec/ftwire", "tools/ftwire_tools"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "messages" not in path.parts)


def unguarded(tree: ast.AST) -> Iterator[str]:
    """What of Unix is imported where a module is imported, or used without asking whether it is there."""
    guarded: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(one.type or node) for one in node.handlers):
            guarded.update(inner for statement in node.body for inner in ast.walk(statement))
        if isinstance(node, ast.If) and re.search(r"sys\.platform|os\.name|hasattr\(", ast.unparse(node.test)):
            guarded.update(inner for inner in ast.walk(node) if inner is not node)
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in UNIX_MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = UNIX_NAMES.get(node.module or "", set())
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name in names)
            if node.module in UNIX_MODULES:
                yield node.module
        elif isinstance(node, ast.Attribute):
            home = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in UNIX_NAMES.get(home, set()) or node.attr in HANDLERS:
                yield ast.unparse(node)


def test_nothing_of_unix_is_used_without_asking() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources()
        if (names := list(unguarded(ast.parse(path.read_text(encoding="utf-8")))))
    }
    # The one place for signals has what catches its absence.
    assert found == {SIGNALS: ["loop.add_signal_handler"]}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import fcntl", ["fcntl"]),
        ("def f():\n import resource", ["resource"]),
        ("from os import fork", ["os.fork"]),
        ("loop.add_reader(1, f)", ["loop.add_reader"]),
        ("os.killpg(1, 2)", ["os.killpg"]),
        ("listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)", ["socket.SO_REUSEADDR"]),
        ("try:\n import pwd\nexcept ImportError: pwd = None", []),
        ("if sys.platform != 'win32':\n os.fchmod(1, 2)", []),
    ],
)
def test_the_check_sees_what_is_of_unix(text: str, names: list[str]) -> None:
    assert list(unguarded(ast.parse(text))) == names


def test_signals_are_handled_in_one_place() -> None:
    users = [str(path.relative_to(ROOT)) for path in sources() if "signal.signal(" in path.read_text(encoding="utf-8")]
    assert users == [SIGNALS]


def without_handlers(*words: str) -> subprocess.Popen[str]:
    """The command in a process whose event loops take no signal handlers, as those of Windows."""
    program = (
        f"import asyncio, sys; sys.argv = {['ftwire', *words]!r}\n"
        "asyncio.SelectorEventLoop.add_signal_handler = asyncio.AbstractEventLoop.add_signal_handler\n"
        "from ftwire_tools.cli import main\nmain()"
    )
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_serve_ends_by_signals_that_the_loop_cannot_handle(number: int, code: int) -> None:
    with without_handlers("serve", "--synthetic", "--port", "0") as running:
        assert running.stderr is not None
        assert next(line for line in running.stderr if "listening" in line)
        running.send_signal(number)
        rest = running.stderr.read()
    assert (running.returncode, "Traceback" in rest) == (code, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_record_ends_by_signals_that_the_loop_cannot_handle(number: int, tmp_path: Path) -> None:
    path = tmp_path / "session.pcapng"
    with without_handlers("record", "--listen", "0", "--to", "127.0.0.1:1", "-w", str(path)) as running:
        assert running.stderr is not None
        assert next(line for line in running.stderr if "listening" in line)
        running.send_signal(number)
        rest = running.stderr.read()
    assert (running.returncode, "0 connections" in rest) == (0, True)
    assert path.stat().st_size > 0


def test_a_file_gets_its_name_while_it_is_closed_where_open_ones_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    open_now: set[str] = set()
    replace = Path.replace

    def replaces(self: Path, target: Path) -> Path:
        descriptors = Path("/proc/self/fd")
        if descriptors.exists():
            open_now.update(os.path.realpath(entry) for entry in descriptors.iterdir())
        assert str(self) not in open_now
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaces)
    path = tmp_path / "out"
    with output_file.OutputFile(path, overwrite=True) as file:
        file.write(b"one ")
        file.publish()
        assert path.read_bytes() == b"one "
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]


def test_output_that_is_no_console_is_utf8(tmp_path: Path) -> None:
    program = (
        "import io, shutil, sys, types\n"  # which are others on Windows
        "from ftwire_tools import cli, commands\n"
        "sys.modules['colorama'] = types.SimpleNamespace(just_fix_windows_console=lambda: open('called', 'w'))\n"
        "sys.stderr = io.TextIOWrapper(sys.stderr.buffer, encoding='cp1252')\n"
        "sys.argv, sys.platform = ['ftwire', 'dump', '\u817e\u8baf.pcap'], 'win32'\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=tmp_path)
    assert "\u817e\u8baf.pcap: No such file" in done.stderr.decode("utf-8")
    assert done.returncode == 1
    assert (tmp_path / "called").exists()


def test_export_works_where_processes_are_spawned(tmp_path: Path) -> None:
    """The default on Windows and macOS, and what a program of the user's may have chosen."""
    script = tmp_path / "program.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "from ftwire_tools.cli import main\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        f"    sys.argv = ['ftwire', 'export', {str(CAPTURE)!r}, '-o', 'out', '--format', 'csv', '--jobs', '2']\n"
        "    main()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert list((tmp_path / "out" / "time_share").rglob("*.csv"))


def test_csv_has_the_same_times_where_arrow_knows_no_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'ftwire[export]'")
    from ftwire_tools.export.formats import FORMATS

    times = pyarrow.array([1_623_202_200_123_456_789, None, -1], pyarrow.timestamp("ns", "UTC"))
    table = pyarrow.table({"time": times, "number": [1, 2, 3]})
    written = {}
    for platform in ("linux", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        stream = io.BytesIO()
        writer = FORMATS["csv"](stream, table.schema)
        writer.write(table)
        writer.close()
        written[platform] = stream.getvalue().decode()
    assert '"2021-06-09 01:30:00.123456789Z",1' in written["win32"]
    assert list(csv.reader(written["win32"].splitlines())) == list(csv.reader(written["linux"].splitlines()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"C:\go\decoder.exe -x", [r"C:\go\decoder.exe", "-x"]),
        (r""""C:\my folder\decoder.exe" "an argument" it's""", [r"C:\my folder\decoder.exe", "an argument", "it's"]),
        (r"decoder #1", ["decoder", "#1"]),
        ("", []),
    ],
)
def test_backslashes_are_of_paths_in_a_command_line(
    text: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_words(text) == words
    with pytest.raises(ValueError, match="quot"):
        command_words('"open')


def test_the_log_goes_to_a_console_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Console(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 2

    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", Console(shown, encoding="gbk"))
    monkeypatch.setattr(sys, "platform", "win32")
    output = LogOutput()
    output.put("\u817e\u8baf")
    output.close()
    assert shown.getvalue() == "\u817e\u8baf\n".encode("gbk")


def test_commands_run_without_the_modules_of_unix_on_a_console_of_another_code_page(tmp_path: Path) -> None:
    write_capture(tmp_path / "names.pcap")
    commands = [
        ("dump", "names.pcap"),
        ("dump", "--table", "names.pcap"),
        ("dump", "--stats", "names.pcap"),
        ("dump", "-v", "names.pcap"),
        ("explain", str(CAPTURE)),
        ("redact", "names.pcap", "-w", "redacted.pcap"),
        ("redact", "--overwrite", "redacted.pcap", "-w", "redacted.pcap"),
        ("report", "names.pcap", "-o", "report.html"),
        ("schema", "show", "Qot_GetRT"),
        ("synth", "made.pcap", "--size", "100K"),
        ("call", "--describe", "Qot_GetRT"),
    ]
    program = (
        "import asyncio, contextlib, subprocess, sys\n"  # which are others on Windows
        f"for name in {sorted(UNIX_MODULES - {'posix'})!r}:\n"
        "    sys.modules[name] = None\n"
        "from ftwire_tools.cli import main\n"
        f"for words in {commands!r}:\n"
        "    sys.argv = ['ftwire', *words]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        print(end.code, *words, sep=' | ', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    said = done.stderr.decode("cp1252")
    codes = {line.partition(" | ")[2]: line.partition(" | ")[0] for line in said.splitlines() if " | " in line}
    # The capture has a body that is no message: exit code 3.
    assert codes == {
        " | ".join(words): "3" if {"names.pcap", "redacted.pcap"} & {*words} else "0" for words in commands
    }, said
    assert r"\u817e\u8baf" in done.stdout.decode("cp1252")


@pytest.mark.parametrize("words", [("redact",), ("dump", "--json")])
def test_a_capture_is_closed_before_it_is_replaced(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.pcap"
    path.write_bytes(CAPTURE.read_bytes())
    replace = Path.replace
    replaced: list[Path] = []

    def replaces(self: Path, target: Path) -> Path:
        descriptors = Path("/proc/self/fd")
        if descriptors.exists():
            assert str(target) not in {os.path.realpath(entry) for entry in descriptors.iterdir()}
        replaced.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaces)
    result = CliRunner().invoke(ftwire, [*words, str(path), "-w", str(path), "--overwrite"])
    assert (result.exit_code, replaced) == (0, [path]), result.output
