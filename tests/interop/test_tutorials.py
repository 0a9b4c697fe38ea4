"""The tutorials: what they tell a reader to type works, and prints what they show.

A page's files (code with a ``title``) are written into an empty folder, and its console blocks run there by one bash,
in their order. "..." in expected output stands for anything, for lines or for the rest of one.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interop.peers import python
from support.hunting import free_port
from support.places import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
_FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("11111", "11112")


def steps_of(text: str) -> list[tuple[str, str]]:
    """Return each command with the output that the page shows, both without line ends at the end."""
    found: list[tuple[str, list[str]]] = []
    for block in _CONSOLE.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in found]


def pattern_of(output: str) -> re.Pattern[str]:
    """Return what matches the output that a page shows."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in output.splitlines()
    ]
    return re.compile("".join(lines))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    text = page.read_text("utf-8")
    for port in PORTS:
        text = text.replace(port, str(free_port()))
    for name, content in _FILE.findall(text):
        (tmp_path / name).write_text(content, "utf-8")
    steps = steps_of(text)
    assert steps
    interpreter = python("pandas") if "import pandas" in text else sys.executable
    script = [
        "set -m",
        f'ftwire() {{ "{sys.executable}" -m ftwire_tools.cli "$@"; }}',
        f'python() {{ "{interpreter}" "$@"; }}',
    ]
    for number, (command, _) in enumerate(steps):
        script += [f"{{ {command}\n}} > out{number} 2>&1; echo $? > code{number}"]
        if command.endswith("&") and (given := re.search(r"--port (\d+)", command)):
            # A reader takes longer to type the next line than a gateway to begin.
            script += [f"until (exec 3<> /dev/tcp/127.0.0.1/{given[1]}) 2> /dev/null; do sleep 0.1; done"]
    done = subprocess.run(
        [bash, "-c", "\n".join(script)], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    for number, (command, expected) in enumerate(steps):
        printed = (tmp_path / f"out{number}").read_text("utf-8")
        code = (tmp_path / f"code{number}").read_text().strip()
        assert code in ({"0", "1", "3"} if expected else {"0"}), f"$ {command}\n{printed}\n{done.stderr}"
        if expected:
            assert pattern_of(expected).match(printed), f"$ {command}\n{printed}\ninstead of\n{expected}"
