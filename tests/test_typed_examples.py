"""Every example in README, docs and examples/ that imports ftwire passes the type checkers at their strictest."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT
from support.programs import absent

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for page in PAGES:
        for number, text in enumerate(
            re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        ):
            if "ftwire" in text:
                (folder / f"{page.stem.replace('-', '_')}_{number}.py").write_text(text)
    for path in (ROOT / "examples").glob("*.py"):
        shutil.copy(path, folder)
    assert len(list(folder.iterdir())) > 6
    return folder


def test_mypy(programs: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed: pip install mypy")
    settings = programs / "mypy.ini"
    settings.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {ROOT / 'codec'}:{ROOT / 'tools'}\nignore_missing_imports = true\n"
        f"cache_dir = {ROOT / '.mypy_cache'}/examples\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", settings, *sorted(programs.glob("*.py"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=programs,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright(programs: Path) -> None:
    pyright = shutil.which("pyright", path=Path(sys.executable).parent) or shutil.which("pyright")
    if pyright is None:
        absent("pyright is not installed: pip install pyright")
    settings = {
        "include": ["*.py"],
        "extraPaths": [str(ROOT / "codec"), str(ROOT / "tools")],
        "typeCheckingMode": "strict",
        "reportMissingTypeStubs": False,
    }
    (programs / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "-p", programs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
