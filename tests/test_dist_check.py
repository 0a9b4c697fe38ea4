"""The check of releases finds what is wrong with their contents."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from dist_check import IN_SDIST, IN_WHEEL, ROOT, faults_of_sdist, faults_of_wheel, version


def wheel(path: Path, *more: str, without: str = "", readme: str = "text", number: str = "") -> Path:
    info = f"ftwire-{version()}.dist-info"
    with zipfile.ZipFile(path, "w") as opened:
        for name in {*IN_WHEEL, *more, f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} - {without}:
            opened.writestr(name, "")
        opened.writestr(f"{info}/METADATA", f"Name: ftwire\nVersion: {number or version()}\n\n{readme}")
    return path


def test_the_core_has_the_version_of_the_library() -> None:
    assert tomllib.loads((ROOT / "codec/core/Cargo.toml").read_text())["package"]["version"] == version()


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_core_has_the_licence_of_the_library(name: str) -> None:
    assert (ROOT / "codec/core" / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_good_wheel_has_no_faults(tmp_path: Path) -> None:
    readme = "[Keep a Changelog](https://example.org/)"
    assert faults_of_wheel(wheel(tmp_path / "ftwire.whl", readme=readme)) == []


def test_faults_of_a_wheel_are_named(tmp_path: Path) -> None:
    made = wheel(
        tmp_path / "ftwire.whl",
        "tests/test_x.py",
        "ftwire/__pycache__/x.pyc",
        without="ftwire/py.typed",
        readme="see [this](docs/export.md)",
        number="9",
    )
    assert faults_of_wheel(made) == [
        "lacks ftwire/py.typed",
        "holds ftwire/__pycache__/x.pyc",
        "installs tests/test_x.py beside its packages",
        "its readme links to docs/export.md",
        f"has version 9, ftwire.__version__ is {version()}",
    ]


def test_faults_of_a_source_distribution_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with tarfile.open(tmp_path / "ftwire.tar.gz", "w:gz") as opened:
        for name in sorted(IN_SDIST - {"NOTICE"}):
            opened.add(tmp_path / "empty", f"ftwire-1/{name}")
        for name in ("codec/core/target/x", ".ci/run"):
            opened.add(tmp_path / "empty", f"ftwire-1/{name}")
    assert faults_of_sdist(tmp_path / "ftwire.tar.gz") == ["lacks NOTICE", "holds .ci/run", "holds codec/core/target/x"]


def test_folders_of_this_machine_are_found(tmp_path: Path) -> None:
    made = wheel(
        tmp_path / "ftwire.whl", readme=f"built in {ROOT}/codec, see {ROOT}stock and https://example.org{ROOT}/x"
    )
    assert faults_of_wheel(made) == [f"ftwire-{version()}.dist-info/METADATA names {ROOT}"]
