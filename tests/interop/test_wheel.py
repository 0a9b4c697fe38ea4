"""A wheel, built as a registry's would be: what is installed from it needs nothing of the source tree."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "fixtures" / "vectors"
GROUPS = sorted(path.name for path in VECTORS.glob("*.json"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, unpacked."""
    place = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = place.glob("ftwire-*.whl")
    unpacked = place / "installed"
    with zipfile.ZipFile(made) as file:
        file.extractall(unpacked)
    return unpacked


def run(wheel: Path, *words: str) -> str:
    """Run a Python program that finds the wheel's packages before those of the tree."""
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, *words], cwd=wheel.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_vectors_as_they_are(wheel: Path) -> None:
    golden = wheel / "ftwire_tools" / "golden"
    for name in GROUPS:
        assert (golden / name).read_bytes() == (VECTORS / name).read_bytes()
    assert len(GROUPS) > 10
    assert (golden / "README.md").is_file()


def test_the_command_asks_those_of_the_wheel(wheel: Path) -> None:
    place = run(
        wheel, "-c", "from ftwire_tools.conformance.vectors import default_folder; print(default_folder())"
    ).strip()
    assert Path(place) == wheel / "ftwire_tools" / "golden"
    program = f"{sys.executable} {ROOT / 'tests' / 'support' / 'vector_program.py'}"
    output = run(wheel, "-m", "ftwire_tools.cli", "vectors", "check", "--json", "--command", program)
    score = json.loads(output.splitlines()[-1])
    asked = sum(json.loads((VECTORS / name).read_text())["numberOfTests"] for name in GROUPS if "schema" not in name)
    assert score["total"] == {"passed": asked}


def test_what_is_made_at_build_time_is_in_it(wheel: Path) -> None:
    code = "import ftwire; from ftwire.protocols import registry; print(ftwire.__file__, registry[3008].response())"
    assert str(wheel) in run(wheel, "-c", code)
    assert (wheel / "ftwire" / "py.typed").is_file()
    assert (wheel / "ftwire" / "messages" / "Qot_GetRT.pyi").is_file()


def test_pytest_finds_the_fixture_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "none.ini").write_text("[pytest]\n")
    (tmp_path / "test_fixture.py").write_text(
        "import sys\n"
        "def test_before():\n"
        "    assert 'ftwire' not in sys.modules\n"
        "def test_with_it(opend):\n"
        "    opend.market.set_price('HK.00700', 400)\n"
    )
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", str(tmp_path / "none.ini")]
    assert "2 passed" in run(wheel, *words, str(tmp_path / "test_fixture.py"))
