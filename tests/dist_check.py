"""Installs what ``make dist`` made into clean environments and tests it there.

    python tests/dist_check.py dist [--python PATH]... [--each-protobuf]

The files are checked for what belongs into them; then the wheel, the wheel with that of the compiled core, and the
source distribution are each installed into an environment of their own, outside the checkout, and a subset of the
tests runs with them. ``--python`` names an interpreter for the wheels, and may be repeated. With ``--each-protobuf``
the wheel is tested with each line of protobuf as well. What came of it is a line for each interpreter.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence, Set
from email import message_from_bytes
from pathlib import Path
from typing import Final

from protobuf_versions import VERSIONS

ROOT: Final = Path(__file__).resolve().parents[1]

UNFIT: Final = "not for this Python"
"""Result of a release of protobuf that does not work with an interpreter, whatever imports it."""
TESTS: Final = (
    "tests/codec/test_public.py",
    "tests/codec/test_schema.py",
    "tests/codec/test_stream.py",
    "tests/tools/dumping/test_goldens.py",
    "tests/tools/client/test_blocking.py",
)

IN_WHEEL: Final = {
    "ftwire/py.typed",
    "ftwire/_schema/schema.binpb",
    "ftwire/_schema/index.txt",
    "ftwire/_schema/layout.py",
    "ftwire/messages/Qot_GetRT.py",
    "ftwire/messages/Qot_GetRT.pyi",
    "ftwire_tools/data/changes.json",
    "ftwire_tools/golden/sha1.json",
    "ftwire_tools/render/dump.schema.json",
    "ftwire_tools/cli.py",
}
PACKAGES: Final = {"ftwire", "ftwire_tools"}
IN_CORE: Final = {"ftwire_core/__init__.pyi", "ftwire_core/py.typed"}
IN_SDIST: Final = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "proto/hatch_build.py"}


def names_of(archive: Path) -> set[str]:
    """Return the names of the files in a wheel or a source distribution, without the latter's folder."""
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def local_paths(archive: Path) -> list[str]:
    """Return what is wrong where a file of an archive names a folder of this machine."""
    folders = [str(folder).encode() for folder in (ROOT, Path.home()) if len(folder.parts) > 1]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            contents = {name: wheel.read(name) for name in wheel.namelist()}
    else:
        with tarfile.open(archive) as sdist:
            contents = {
                member.name.partition("/")[2]: file.read() for member in sdist if (file := sdist.extractfile(member))
            }
    return [
        f"{name} names {folder.decode()}"
        for name, data in sorted(contents.items())
        for folder in folders
        if re.search(rb"(?<![\w./-])" + re.escape(folder) + rb"[/\\]", data)
    ]


def faults_of_wheel(wheel: Path, *, packages: Set[str] = PACKAGES, expected: Set[str] = IN_WHEEL) -> list[str]:
    """Return what is wrong with the contents of a wheel of ftwire, or of its core."""
    names = names_of(wheel)
    faults = [f"lacks {name}" for name in sorted(expected - names)]
    for name in sorted(names):
        top = name.partition("/")[0]
        if top not in packages and not top.endswith(".dist-info"):
            faults.append(f"installs {name} beside its packages")
        if "__pycache__" in name or name.endswith((".pyc", ".orig", "~")):
            faults.append(f"holds {name}")
    licenses = {Path(name).name for name in names if ".dist-info/licenses/" in name}
    faults += [f"lacks the licence text {name}" for name in sorted({"LICENSE", "NOTICE"} - licenses)]
    (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(zipfile.ZipFile(wheel).read(path))
    readme = str(metadata.get_payload())
    faults += [f"its readme links to {link}" for link in re.findall(r"\]\(((?![a-z]+://)[^)]*)\)", readme)]
    if metadata["Version"] != version():
        faults.append(f"has version {metadata['Version']}, ftwire.__version__ is {version()}")
    return faults + local_paths(wheel)


def faults_of_sdist(sdist: Path) -> list[str]:
    """Return what is wrong with the contents of a source distribution of ftwire."""
    names = names_of(sdist)
    faults = [f"lacks {name}" for name in sorted(IN_SDIST - names)]
    made = re.compile(r"(codec/ftwire/_schema/|codec/core/target/|.*__pycache__|\.(?!gitignore))")
    return faults + [f"holds {name}" for name in sorted(names) if made.match(name)] + local_paths(sdist)


def version() -> str:
    """Return the version in the checkout."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "codec/ftwire/__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


class Environment:
    """A virtual environment of its own, outside the checkout."""

    def __init__(self, python: str, place: Path) -> None:
        """Make it in a directory that does not exist yet. Raises ``OSError`` or ``CalledProcessError``."""
        subprocess.run([python, "-m", "venv", place], check=True)
        self.scripts: Final = place / ("Scripts" if sys.platform == "win32" else "bin")
        self.python: Final = str(self.scripts / "python")
        self._place: Final = place
        self._variables: Final = {**os.environ}
        for name in ("CI", "PYTHONPATH", "FTWIRE_CORE"):
            self._variables.pop(name, None)

    def output(self, *words: str) -> str:
        """Return what a program prints. Raises ``CalledProcessError``."""
        return subprocess.run(
            words, check=True, env=self._variables, cwd=self._place, stdout=subprocess.PIPE, encoding="utf-8"
        ).stdout

    def install(self, *packages: str) -> None:
        """Install packages whose requirements fit what else is there. Raises ``CalledProcessError``."""
        pip = (self.python, "-m", "pip", "--disable-pip-version-check")
        self.output(*pip, "install", "--quiet", *packages)
        self.output(*pip, "check")

    def use(self) -> None:
        """Use the library and the command. Raises ``CalledProcessError`` or ``AssertionError``."""
        capture = str(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")
        dumped = self.output(str(self.scripts / "ftwire"), "dump", "--json", capture)
        assert len(dumped.splitlines()) > 10, dumped
        assert self.output(self.python, "-m", "ftwire", "dump", "--json", capture) == dumped
        loaded = self.output(self.python, "-c", "import sys, ftwire; ftwire.read; print(*sys.modules)").split()
        assert not {"click", "rich", "lark", "websockets", "asyncio"} & set(loaded), loaded

    def imports_protobuf(self) -> bool:
        """Return whether protobuf by itself can be imported: the compiled part of 4.25 cannot, by Python 3.14."""
        words = (self.python, "-c", "from google.protobuf import descriptor_pb2")
        return subprocess.run(words, env=self._variables, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def passes(self, *, core: bool) -> bool:
        """Return whether the tests pass, with the compiled core or without."""
        pytest = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
        variables = {**self._variables, "FTWIRE_CORE": "required" if core else "off"}
        return subprocess.run(pytest, cwd=ROOT, env=variables, check=False).returncode == 0


def checked(
    python: str, packages: list[str], *, core: bool, protobufs: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Install packages with an interpreter and test them, then with each release of protobuf.

    Yield what was tested, and what came of it, "ok" if it is fine.
    """
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["tests"]
    first = "core" if core else "newest"
    try:
        with tempfile.TemporaryDirectory() as temporary:
            environment = Environment(python, Path(temporary, "venv"))
            environment.install(*packages)
            environment.use()  # as users find it, before the tests' own packages hide one that is missing
            print(environment.output(str(environment.scripts / "ftwire"), "--version").strip(), flush=True)
            environment.install("hypothesis", *tools)
            yield first, "ok" if environment.passes(core=core) else "tests fail"
            for release in protobufs:
                print(f"protobuf {release}", flush=True)
                try:
                    environment.install(f"protobuf=={release}")
                    if not environment.imports_protobuf():
                        yield release, UNFIT
                        continue
                    environment.use()
                    yield release, "ok" if environment.passes(core=core) else "tests fail"
                except (subprocess.CalledProcessError, AssertionError) as error:
                    print(error, flush=True)
                    yield release, "fails"
    except (OSError, subprocess.CalledProcessError, AssertionError) as error:
        print(error, flush=True)
        yield first, "fails"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--python", action="append", default=[], help="an interpreter in place of this one")
    parser.add_argument("--each-protobuf", action="store_true", help="also with each line of protobuf that is allowed")
    arguments = parser.parse_args()
    dist = arguments.dist.resolve()
    (sdist,) = dist.glob("ftwire-*.tar.gz")
    (wheel,) = dist.glob("ftwire-*.whl")
    cores = [str(path) for path in dist.glob("ftwire_core-*.whl")]
    faults = [f"{wheel.name} {fault}" for fault in faults_of_wheel(wheel)]
    for path in map(Path, cores):
        found = faults_of_wheel(path, packages={"ftwire_core"}, expected=IN_CORE)
        faults += [f"{path.name} {fault}" for fault in found]
    faults += [f"{sdist.name} {fault}" for fault in faults_of_sdist(sdist)]
    rows: list[tuple[str, str, str]] = []
    for python in arguments.python or [sys.executable]:
        of_wheel = checked(python, [str(wheel)], core=False, protobufs=VERSIONS if arguments.each_protobuf else ())
        rows += ((python, *row) for row in of_wheel)
        if cores:
            rows += ((python, *row) for row in checked(python, [str(wheel), *cores], core=True))
    rows += ((sys.executable, "sdist", result) for _, result in checked(sys.executable, [str(sdist)], core=False))
    for python in dict.fromkeys(python for python, _, _ in rows):
        print(python, *(f"{what} {result}" for named, what, result in rows if named == python), sep="  ")
    faults += [" ".join(row) for row in rows if row[-1] not in {"ok", UNFIT}]
    print("\n".join(faults) or "fine")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
