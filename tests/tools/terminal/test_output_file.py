"""Outputs: complete under their names or not there, whatever happens to the process or the disk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ftwire_tools.terminal.output_file import OutputFile, write_file
from support.command import FTWIRE
from support.places import ROOT
from support.recording import KILL

POSIX = os.name == "posix"
"""Windows has no modes of files, no SIGINT from another process, and no devices below /dev."""

CAPTURE = ROOT / "fixtures" / "captures" / "futu-api-10.11-trade.pcap"


def run(*words: str | Path, status: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*FTWIRE, *words], input=stdin, capture_output=True, check=False)
    assert done.returncode == status, done.stderr
    return done


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("way", ["itself", "hard link", "symbolic link"])
def test_a_capture_is_redacted_in_place(tmp_path: Path, way: str) -> None:
    run("redact", "--seed", "x", CAPTURE, "-w", tmp_path / "wanted")
    source = out = tmp_path / "source"
    source.write_bytes(CAPTURE.read_bytes())
    if way == "hard link":
        out = tmp_path / "out"
        out.hardlink_to(source)
    elif way == "symbolic link":
        out = tmp_path / "out"
        out.symlink_to(source)
    run("redact", "--seed", "x", "--overwrite", source, "-w", out)
    assert out.read_bytes() == (tmp_path / "wanted").read_bytes()
    assert source.read_bytes() == (CAPTURE if way == "hard link" else out).read_bytes()
    assert out.is_symlink() == (way == "symbolic link")
    assert not POSIX or stat.S_IMODE(out.stat().st_mode) == 0o600
    assert names(tmp_path) == sorted({"wanted", "source", out.name})


@pytest.mark.parametrize(
    "words", [["redact", "{junk}", "-w", "{out}"], ["redact", "--strip-key", "{junk}", "-w", "{out}"]]
)
def test_a_run_that_fails_leaves_the_earlier_output(tmp_path: Path, words: list[str]) -> None:
    junk, out = tmp_path / "junk", tmp_path / "out"
    junk.write_bytes(bytes(4000))
    out.write_bytes(b"earlier")
    run(*(word.format(junk=junk, out=out) for word in words), "--overwrite", status=1)
    assert out.read_bytes() == b"earlier"
    assert names(tmp_path) == ["junk", "out"]


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.skipif(not POSIX, reason="Windows has no such signal")), KILL],
)
@pytest.mark.parametrize("existed", [False, True])
def test_a_run_that_is_ended_leaves_nothing_under_the_name(
    tmp_path: Path, number: signal.Signals, existed: bool
) -> None:
    out = tmp_path / "out"
    if existed:
        out.write_bytes(b"earlier")
    process = subprocess.Popen(
        [*FTWIRE, "redact", "--overwrite", "-", "-w", out], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(CAPTURE.read_bytes()[:-50])
    process.stdin.flush()
    while not any(name.endswith(".part") for name in names(tmp_path)):
        assert process.poll() is None
    process.send_signal(number)
    process.stdin.close()
    process.wait()
    assert process.returncode
    assert (out.read_bytes() if out.exists() else None) == (b"earlier" if existed else None)
    if number is signal.SIGINT:
        assert names(tmp_path) == (["out"] if existed else [])


@pytest.mark.skipif(not POSIX, reason="Windows has no /dev")
def test_what_has_no_place_beside_it_is_written_as_it_is(tmp_path: Path) -> None:
    wanted = run("redact", "--seed", "x", CAPTURE, "-w", "-").stdout
    assert run("redact", "--seed", "x", CAPTURE, "-w", "/dev/stdout").stdout == wanted
    assert run("redact", "--seed", "x", CAPTURE, "-w", "/dev/fd/1").stdout == wanted
    run("redact", "--seed", "x", "--overwrite", CAPTURE, "-w", "/dev/null")
    assert Path("/dev/null").is_char_device()
    # A descriptor goes on where it stands.
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.write(b"before")
        file.flush()
        subprocess.run([*FTWIRE, "redact", "--seed", "x", CAPTURE, "-w", "/dev/stdout"], stdout=file, check=True)
    assert log.read_bytes() == b"before" + wanted
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    thread.start()
    run("redact", "--seed", "x", CAPTURE, "-w", fifo)
    thread.join()
    assert read == [wanted]


@pytest.mark.skipif(not POSIX, reason="Windows has no limit to the size of a file")
def test_a_synthetic_capture_is_complete_or_not_there(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    out.write_bytes(b"earlier")
    done = subprocess.run(
        [sys.executable, "-c", f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.argv = ["ftwire", "synth", {str(out)!r}, "--size", "4MB"]
from ftwire_tools.cli import main
sys.exit(main())
"""], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert out.read_bytes() == b"earlier"
    assert names(tmp_path) == ["out.pcap"]


@pytest.mark.skipif(not POSIX, reason="Windows has no modes of files")
def test_modes_and_refusals(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    write_file(path, b"1", overwrite=False)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    with pytest.raises(FileExistsError):
        write_file(path, b"2", overwrite=False)
    path.chmod(0o640)
    write_file(path, b"3", overwrite=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"3", 0o640)
    write_file(path, b"4", overwrite=True, private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(IsADirectoryError):
        write_file(tmp_path, b"", overwrite=True)
    with pytest.raises(FileNotFoundError) as missing:
        write_file(tmp_path / "none" / "x", b"", overwrite=True)
    assert missing.value.filename == str(tmp_path / "none" / "x")


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    file = OutputFile(path, overwrite=False)
    file.write(b"ours")
    path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        file.close()
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["x"]


def test_a_published_file_grows_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"earlier")
    with OutputFile(path, overwrite=True) as file:
        file.write(b"head")
        assert path.read_bytes() == b"earlier"
        file.publish()
        file.write(b", more")
        assert path.read_bytes() == b"head, more"
    assert path.read_bytes() == b"head, more"
