"""Installs what ``make dist`` made into clean environments and tests it there.

    python tests/dist_check.py dist [--python PATH]...

The files are checked for what belongs into them; then the source distribution, the wheel, and the wheel with that of
the compiled core are each installed into an environment of their own, outside the checkout, and a subset of the tests
runs with them. ``--python`` adds an interpreter, with which the wheels are installed and tested too.
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
from collections.abc import Set
from email import message_from_bytes
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

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
    return faults


def faults_of_sdist(sdist: Path) -> list[str]:
    """Return what is wrong with the contents of a source distribution of ftwire."""
    names = names_of(sdist)
    faults = [f"lacks {name}" for name in sorted(IN_SDIST - names)]
    made = re.compile(r"(codec/ftwire/_schema/|codec/core/target/|.*__pycache__|\.(?!gitignore))")
    return faults + [f"holds {name}" for name in sorted(names) if made.match(name)]


def version() -> str:
    """Return the version in the checkout."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "codec/ftwire/__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def installed(python: str, place: Path, packages: list[str], *, core: str) -> int:
    """Install packages into a new environment and test it; return pytest's exit code."""
    subprocess.run([python, "-m", "venv", place], check=True)
    scripts = place / ("Scripts" if sys.platform == "win32" else "bin")
    own = str(scripts / "python")
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = {**os.environ, "FTWIRE_CORE": core}
    for name in ("CI", "PYTHONPATH"):
        environment.pop(name, None)

    def output(*words: str) -> str:
        return subprocess.run(
            words, check=True, env=environment, cwd=place, stdout=subprocess.PIPE, encoding="utf-8"
        ).stdout

    subprocess.run([*pip, *packages], check=True)
    # As users find it, before the tests' own dependencies hide one that is missing.
    capture = str(ROOT / "fixtures/captures/futu-api-10.11-plain.pcap")
    dumped = output(str(scripts / "ftwire"), "dump", "--json", capture)
    assert len(dumped.splitlines()) > 10, dumped
    assert output(own, "-m", "ftwire", "dump", "--json", capture) == dumped
    print(output(str(scripts / "ftwire"), "--version").strip(), flush=True)
    loaded = output(own, "-c", "import sys, ftwire; ftwire.read; print(*sys.modules)").split()
    assert not {"click", "rich", "lark", "websockets", "asyncio"} & set(loaded), loaded
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    subprocess.run([*pip, "hypothesis", *groups["tests"]], check=True)
    pytest = [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    return subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--python", action="append", default=[], help="another interpreter, e.g. python3.13")
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
    rows = [(sys.executable, [str(sdist)], "off")]
    for python in (sys.executable, *arguments.python):
        rows.append((python, [str(wheel)], "off"))
        if cores:
            rows.append((python, [str(wheel), *cores], "required"))
    for python, packages, core in rows:
        shown = ", ".join(Path(package).name for package in packages)
        print(f"{python}: {shown}", flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            if installed(python, Path(temporary, "venv"), packages, core=core):
                faults.append(f"{shown} with {python}: tests fail")
    print("\n".join(faults) or "fine")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
