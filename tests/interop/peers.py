"""Peers: SDKs and programs of other vendors that ftwire is tested with, each installed once.

Every peer lives in ``.peers/<name>/``: a virtual environment, an npm prefix, a Maven or a Cargo build, with a
``.ready`` marker that holds the pins it was made from. Change a pin and it is made again. Nothing of a peer becomes
a dependency of the library; tests start peers as processes and read their standard output.

    make peers                                              install all
    PYTHONPATH=tests python -m interop.peers futu-api-6.2   install some
    PYTHONPATH=tests python -m interop.peers --list         list them

A peer that cannot be installed (no toolchain, no package) is reported by name and reason. With ``CI`` set in the
environment that is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ABSENT", "PEERS", "Absent", "Peer", "PeerUnavailableError", "command", "ensure", "environment", "python"]

_ROOT = Path(__file__).resolve().parents[2]
HOME = _ROOT / ".peers"
_CLIENTS = Path(__file__).resolve().parent / "clients"
_STEP_SECONDS = 600


class PeerUnavailableError(Exception):
    """A peer cannot be installed on this machine."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"peer {name} is unavailable: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Peer:
    """One SDK at one version."""

    name: str
    """Its name in tests and fixtures."""
    kind: str
    """Which toolchain runs it: ``python``, ``node``, ``java`` or ``rust``; ``reader`` for what reads our tables,
    ``browser`` for what drives one."""
    package: str
    """Its name in that toolchain's registry."""
    version: str
    """Its version there, in full."""
    pins: tuple[str, ...] = ()
    """What is installed beside it, in the toolchain's own notation."""
    module: str = ""
    """What a program imports, when that is not the package's name."""
    newest_python: tuple[int, int] | None = None
    """The last Python release its dependencies have wheels for."""
    programs: tuple[str, ...] = ()
    """What must be installed on the machine besides."""
    note: str = ""
    """What is special about it."""

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return HOME / self.name

    @property
    def recipe(self) -> str:
        """Content of the ready marker."""
        return "\n".join((self.kind, f"{self.package} {self.version}", *self.pins))


@dataclass(frozen=True, slots=True)
class Absent:
    """A client that would be tested with if it could be installed."""

    name: str
    """What it is."""
    reason: str


# Dependencies for which the Python SDKs set no upper bound.
_PANDAS = ("pandas==3.1.1", "numpy==2.4.6")

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "futu-api-10.11",
            "python",
            "futu-api",
            "10.11.7108",
            ("protobuf==7.36.2", "TA-Lib==0.8.2", *_PANDAS),
            "futu",
        ),
        Peer("moomoo-api-10.11", "python", "moomoo-api", "10.11.7108", ("protobuf==7.36.2", *_PANDAS), "moomoo"),
        Peer("futu-api-9.6", "python", "futu-api", "9.6.5608", ("protobuf==3.20.3", *_PANDAS), "futu"),
        Peer(
            "futu-api-6.2",
            "python",
            "futu-api",
            "6.2.2708",
            ("protobuf==3.20.3", "pandas<2.2", "numpy<2"),
            "futu",
            newest_python=(3, 12),
        ),
        Peer(
            "futu-api-10.11-json",
            "python",
            "futu-api",
            "10.11.7108",
            ("protobuf==4.25.9", *_PANDAS),
            "futu",
            note="its JSON reader needs FieldDescriptor.label, which protobuf 7 no longer has",
        ),
        Peer("npm-futu-api", "node", "futu-api", "10.11.7108", ("ws@8.18.3",)),
        Peer("npm-moomoo-api", "node", "moomoo-api", "9.6.5608", ("ws@8.18.3",)),
        Peer("kaitai", "node", "kaitai-struct-compiler", "0.11.0", ("kaitai-struct@0.11.0", "js-yaml@4.1.0")),
        Peer("java-futu-api", "java", "com.futunn.openapi:futu-api", "9.6.5608"),
        Peer(
            "rust-futu-rs",
            "rust",
            "futu-rs",
            "0.1.2",
            note="a community crate; no quotes, no pushes, no encryption of its own",
        ),
        Peer("playwright", "browser", "playwright-core", "1.65.1", ("axe-core@4.14.1",)),
        Peer("pandas", "reader", "pandas", "3.1.1", ("pyarrow==26.0.1",), "pandas"),
        Peer("polars", "reader", "polars", "2.1.0", module="polars"),
        Peer("duckdb", "reader", "duckdb", "2.0.0", module="duckdb"),
        Peer("spark", "reader", "pyspark", "4.3.0", module="pyspark", programs=("java",), note="needs Java 17"),
    )
}

ABSENT = (
    Absent("C++ and C# SDKs of the vendor", "published in no package registry, only as downloads"),
    Absent("com.moomoo.openapi:moomoo-api (Java)", "not served by the Maven Central we build from"),
    Absent("Go clients (github.com/hurisheng/go-futu-api and others)", "not served by the Go module proxy"),
)


def ensure(name: str) -> Peer:
    """Install a peer unless it is there already.

    Raises:
        PeerUnavailableError: It cannot be installed here.
    """
    import fcntl  # none of them is tried on Windows, which lacks it

    peer = PEERS[name]
    marker = peer.folder / ".ready"
    HOME.mkdir(exist_ok=True)
    # Tests run in several processes; the first one installs and the others wait.
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.is_file() and marker.read_text(encoding="utf-8") == peer.recipe:
            return peer
        shutil.rmtree(peer.folder, ignore_errors=True)
        (peer.folder / "home").mkdir(parents=True)
        INSTALLERS[peer.kind](peer)
        marker.write_text(peer.recipe, encoding="utf-8")
    return peer


def command(name: str, *arguments: str) -> list[str]:
    """The command line that runs our client program on a peer, installed before if need be."""
    peer = ensure(name)
    return [*_RUNNERS[peer.kind](peer), *arguments]


def environment(name: str) -> dict[str, str]:
    """The environment to run a peer in: the SDKs write their logs below the home directory."""
    return {**os.environ, "HOME": str(PEERS[name].folder / "home")}


def python(name: str) -> Path:
    """The interpreter of a Python peer, to run other programs in its environment."""
    return ensure(name).folder / "venv" / "bin" / "python"


def _install_python(peer: Peer) -> None:
    if peer.newest_python is not None and sys.version_info[:2] > peer.newest_python:
        newest = ".".join(map(str, peer.newest_python))
        raise PeerUnavailableError(peer.name, f"its dependencies have no wheels for Python after {newest}")
    _run(peer, [sys.executable, "-m", "venv", "venv"])
    interpreter = str(peer.folder / "venv" / "bin" / "python")
    pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(peer, [*pip, f"{peer.package}=={peer.version}", *peer.pins])
    # Some pairs of SDK and dependency install and do not import.
    _run(peer, [interpreter, "-c", f"import {peer.module}"], HOME=str(peer.folder / "home"))


def _install_reader(peer: Peer) -> None:
    for program in peer.programs:
        if shutil.which(program) is None:
            raise PeerUnavailableError(peer.name, f"{program} is not installed")
    _install_python(peer)


def _run_python(peer: Peer) -> list[str]:
    client = _CLIENTS / "python_client.py"
    return [str(peer.folder / "venv" / "bin" / "python"), str(client), "--package", peer.module]


def _install_node(peer: Peer) -> None:
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    _run(peer, [*npm, "--prefix", str(peer.folder), f"{peer.package}@{peer.version}", *peer.pins])


def _run_node(peer: Peer) -> list[str]:
    client = _CLIENTS / "node_client.mjs"
    return ["node", str(client), "--package", peer.package, "--modules", str(peer.folder)]


_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ftwire</groupId>
  <artifactId>peer</artifactId>
  <version>0</version>
  <dependencies>
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


def _install_java(peer: Peer) -> None:
    group, _, artifact = peer.package.partition(":")
    pom = peer.folder / "pom.xml"
    pom.write_text(_POM.format(group=group, artifact=artifact, version=peer.version), encoding="utf-8")
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"]
    _run(peer, ["mvn", "--batch-mode", "--quiet", "--file", str(pom), *copy])
    classes = str(peer.folder / "classes")
    source = str(_CLIENTS / "JavaClient.java")
    _run(peer, ["javac", "-nowarn", "-d", classes, "-cp", str(peer.folder / "lib" / "*"), source])


def _run_java(peer: Peer) -> list[str]:
    source, compiled = _CLIENTS / "JavaClient.java", peer.folder / "classes" / "JavaClient.class"
    path = os.pathsep.join((str(peer.folder / "lib" / "*"), str(peer.folder / "classes")))
    if source.stat().st_mtime > compiled.stat().st_mtime:
        _run(peer, ["javac", "-nowarn", "-d", str(compiled.parent), "-cp", path, str(source)])
    return ["java", "-cp", path, "JavaClient"]


def _install_rust(peer: Peer) -> None:
    manifest = str(_CLIENTS / "rust" / "Cargo.toml")
    _run(peer, ["cargo", "build", "--quiet", "--manifest-path", manifest])


def _run_rust(peer: Peer) -> list[str]:
    _install_rust(peer)  # cargo itself checks whether the source has changed
    return [str(peer.folder / "target" / "debug" / "rust-client")]


INSTALLERS: dict[str, Callable[[Peer], None]] = {
    "python": _install_python,
    "node": _install_node,
    "browser": _install_node,
    "java": _install_java,
    "rust": _install_rust,
    "reader": _install_reader,
}
_RUNNERS: dict[str, Callable[[Peer], list[str]]] = {
    "python": _run_python,
    "node": _run_node,
    "java": _run_java,
    "rust": _run_rust,
}


def _run(peer: Peer, words: Sequence[str], **variables: str) -> None:
    if shutil.which(words[0]) is None:
        raise PeerUnavailableError(peer.name, f"{words[0]} is not installed")
    outer = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        subprocess.run(
            words,
            cwd=peer.folder,
            env={**outer, "CARGO_TARGET_DIR": str(peer.folder / "target"), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_STEP_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join((error.stdout + error.stderr).strip().splitlines()[-8:])
        raise PeerUnavailableError(peer.name, f"{' '.join(words[:4])} ...: {last}") from error
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(peer.name, f"{words[0]} took over {_STEP_SECONDS} s") from error


def _install_and_report(name: str) -> bool:
    start = time.monotonic()
    try:
        peer = ensure(name)
    except PeerUnavailableError as error:
        print(error, file=sys.stderr)
        return False
    print(f"{name:20} {peer.package} {peer.version}  ready after {time.monotonic() - start:.0f} s", flush=True)
    return True


def main(arguments: Iterable[str] | None = None) -> int:
    """Install the peers named, or all."""
    parser = argparse.ArgumentParser(prog="python -m interop.peers", description="install test peers")
    parser.add_argument("names", nargs="*", metavar="PEER")
    parser.add_argument("--list", action="store_true", help="only print the table")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if unknown := set(options.names) - PEERS.keys():
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if options.list:
        for peer in PEERS.values():
            beside = f" with {', '.join(peer.pins)}" if peer.pins else ""
            print(f"{peer.name:20} {peer.kind:7} {peer.package} {peer.version}{beside}")
        for absent in ABSENT:
            print(f"not to be had: {absent.name}: {absent.reason}")
        return 0
    # Two at a time: one waits for the network while the other waits for the disk.
    with ThreadPoolExecutor(max_workers=2) as pool:
        ready = list(pool.map(_install_and_report, options.names or PEERS))
    return 0 if all(ready) or not os.environ.get("CI") else 1


if __name__ == "__main__":
    sys.exit(main())
