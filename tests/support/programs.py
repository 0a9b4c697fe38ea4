"""External programs that tests compare with: a test is skipped where one is absent, and fails where ``CI`` is set.

A pytest plugin (``tests/conftest.py`` loads it): a test asks for ``tshark`` by a parameter of that name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["Program", "absent", "complaints", "require"]

PACKAGES: Final = {
    "tshark": "tshark",
    "capinfos": "tshark",
    "editcap": "tshark",
    "mergecap": "tshark",
    "reordercap": "tshark",
    "openssl": "openssl",
    "xxd": "xxd",
    "hexdump": "bsdextrautils",
    "od": "coreutils",
    "cargo": "cargo",
    "go": "golang",
    "npm": "npm",
    "mvn": "maven",
    "tcpdump": "tcpdump",
    "node": "nodejs",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "rustc": "rustc",
    "mcs": "mono-mcs",
    "mono": "mono-runtime",
    "bash": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "tmux": "tmux",
    "man": "man-db",
    "chromium": "chromium",
}
"""Program -> the Debian package that installs it."""
_ABSENT: Final = "{} is not installed"
_ABSENT_PROGRAM: Final = re.compile(_ABSENT.format(f"({'|'.join(PACKAGES)})"))
SECONDS: Final = 60
"""Longest that one run of a program may take."""


@dataclass(frozen=True)
class Program:
    """A program that is installed."""

    path: str

    def __call__(self, *arguments: str | Path) -> str:
        """Run it to its end and return its standard output; an exit code other than 0 is an error."""
        words = [self.path, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=SECONDS).stdout


def absent(reason: str) -> NoReturn:
    """Skip the test that lacks something, or fail it where ``CI`` is set: there everything must be compared."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must have it", pytrace=False)
    pytest.skip(reason)


def require(name: str) -> Program:
    """Return a program of ``PACKAGES``; skip or fail the test where it is absent."""
    path = shutil.which(name)
    return Program(path) if path else absent(_ABSENT.format(name))


@pytest.fixture(scope="session")
def tshark() -> Program:
    return require("tshark")


@pytest.fixture(scope="session")
def capinfos() -> Program:
    return require("capinfos")


@pytest.fixture(scope="session")
def editcap() -> Program:
    return require("editcap")


@pytest.fixture(scope="session")
def mergecap() -> Program:
    return require("mergecap")


@pytest.fixture(scope="session")
def reordercap() -> Program:
    return require("reordercap")


@pytest.fixture(scope="session")
def openssl() -> Program:
    return require("openssl")


@pytest.fixture(scope="session")
def cargo() -> Program:
    return require("cargo")


@pytest.fixture(scope="session")
def go() -> Program:
    return require("go")


@pytest.fixture(scope="session")
def bash() -> Program:
    return require("bash")


@pytest.fixture(scope="session")
def zsh() -> Program:
    return require("zsh")


@pytest.fixture(scope="session")
def fish() -> Program:
    return require("fish")


@pytest.fixture(scope="session")
def tmux() -> Program:
    return require("tmux")


@pytest.fixture(scope="session")
def man() -> Program:
    return require("man")


@pytest.fixture(scope="session")
def node() -> Program:
    return require("node")


@pytest.fixture(scope="session")
def chromium() -> Program:
    return require("chromium")


def complaints(tshark: Program, path: Path) -> list[str]:
    """Return the packets of a capture that tshark finds wrong: checksums, lengths, headers."""
    wrong = "tcp.checksum.status==bad || ip.checksum.status==bad || _ws.malformed || _ws.short"
    checked = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    # Nothing above TCP is dissected: the ports are free ones, and may be those of any protocol.
    return tshark("-r", path, *checked, "-Y", wrong, "-d", "tcp.port==0-65535,data").splitlines()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> Generator[None]:
    """Close a run, below its own summary, with one line about what was not compared and what to install for it."""
    yield
    lacked: Counter[str] = Counter()
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple) and (found := _ABSENT_PROGRAM.search(report.longrepr[2])):
            lacked[found[1]] += 1
    if lacked:
        names = ", ".join(f"{name} ({count})" for name, count in lacked.most_common())
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in lacked))
        terminalreporter.write_line(
            f"{lacked.total()} tests were skipped for want of {names}. To run them: apt-get install {packages}"
        )
