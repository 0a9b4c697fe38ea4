"""A live view in a real browser, used as a person would while its capture grows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ftwire
from ftwire_tools.commands import ftwire as cli
from interop.peers import Peer, environment, python
from support.captures import Said, answered, asked, open_pcap, push, session
from support.frames import rt_request, rt_response
from support.places import ROOT
from support.programs import Program
from support.viewing import viewing

CLIENTS = ROOT / "tests/interop/clients"
SERVE = ("--serve", "--synthetic", "--port", "0", "--hours", "always")


class Growing:
    """A capture that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[Said] = []
        self.size = 0

    def add(self, *said: Said) -> None:
        self.said += said
        data = open_pcap(self.said)
        with self.path.open("ab") as file:
            file.write(data[self.size :])
        self.size = len(data)


class Looker:
    """The browser: ``step()`` is what it has seen; it goes on at the next call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.is_waiting = False

    def step(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.is_waiting:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        self.is_waiting = True
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        seen: dict[str, Any] = json.loads(line)
        return seen


@pytest.fixture
def look(peer: Callable[[str], Peer], chromium: Program, node: Program) -> Callable[..., Any]:
    """``with look(url, saved, script) as looker``. FTWIRE_SHOTS names a folder to keep pictures in."""
    modules = peer("playwright").folder

    @contextmanager
    def run(url: str, saved: Path, script: str = "view_page.mjs") -> Iterator[Looker]:
        shots = os.environ.get("FTWIRE_SHOTS")
        options = ["--modules", modules, "--chromium", chromium.path, "--url", url, "--save", saved]
        words = [node.path, CLIENTS / script, *options, *(["--shots", shots] if shots else [])]
        process = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield Looker(process)
        finally:
            process.kill()
            process.communicate()

    return run


def pushes(count: int) -> list[Said]:
    return [answered(3009, 0, push())] * count


def test_a_session_is_followed(look: Callable[..., Any], tmp_path: Path) -> None:
    capture = Growing(tmp_path / "<b>session<img src=x onerror=alert(1)>.pcap")
    saved = tmp_path / "saved.pcapng"
    capture.add(*session())
    with viewing(tmp_path, capture.path) as view, look(view.url, saved) as looker:
        assert looker.step()["tiles"][0] == "5"
        capture.add(*pushes(60))
        assert looker.step() == {"count": "65", "faults": []}
        capture.add(*pushes(60))
        assert looker.step() == {"last": "125", "atEnd": True}
        capture.add(asked(3008, 9, rt_request()))
        assert looker.step() == {"stayed": 0, "unanswered": "1 of 126 frames"}
        capture.add(answered(3008, 9, rt_response()))
        seen = looker.step()
        assert seen == {"answered": "No frame matches this filter.", "body": "121 of 127 frames"}
        capture.add(*pushes(2))
        seen = looker.step()
        assert seen["name"] == "session.pcapng"
        assert "rtList" in seen["json"]
        frames = list(ftwire.read(saved))
        assert len(frames) == 123
        assert {frame.proto_id for frame in frames} == {3009}
        assert frames[-1].message == push()

        assert looker.step() == {"count": "129"}
        capture.add(*pushes(2))
        assert looker.step() == {"count": "129", "faults": []}
        view.process.kill()
        view.process.wait()
        assert looker.step() == {"count": "131"}
        capture.add(*pushes(1))
        with viewing(tmp_path, capture.path, port=view.port) as again:
            assert again.url == view.url
            looker.step()
            capture.add(*pushes(1))
            last = looker.step()
            assert last == {"number": "133", "wide": 0, "errors": [], "elsewhere": [], "faults": []}


def sdk_session(port: int) -> None:
    """futu-api subscribes, requests, and places an order."""
    done = subprocess.run(
        [python("futu-api-10.11"), CLIENTS / "short_session.py", str(port)],
        capture_output=True,
        text=True,
        env=environment("futu-api-10.11"),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["serve", "record"])
def test_a_gateway_and_a_proxy_are_followed_and_switched(
    look: Callable[..., Any], peer: Callable[[str], Peer], tmp_path: Path, mode: str
) -> None:
    peer("futu-api-10.11")
    saved = tmp_path / "frames.jsonl"
    with ExitStack() as stack:
        view = stack.enter_context(viewing(tmp_path, *SERVE))
        if mode == "record":
            to = f"127.0.0.1:{view.listens_on[0]}"
            record = ("--record", "--listen", "0", "--to", to, "-w", tmp_path / "w.pcapng", "--control", "0")
            view = stack.enter_context(viewing(tmp_path, *record))
        (port,) = view.listens_on
        looker = stack.enter_context(look(view.url, saved, "beside_page.mjs"))
        assert looker.step()["title"].startswith("gateway on" if mode == "serve" else "proxy at")
        sdk_session(port)
        seen = looker.step()
        rows = seen.pop("rows")
        assert seen == {
            "sent": True,
            "reply": True,
            "refused": "Frame N was not sent again: it may trade: Trd_PlaceOrder: places an order (--allow-trading) ✕",
            "names": ["frames.jsonl", "session.pcapng"],
            "faults": [],
        }
        exported = [json.loads(line) for line in saved.read_text().splitlines()]
        frames = list(ftwire.read(tmp_path / "frames.jsonl.pcapng"))
        assert len(exported) == len(frames) == rows
        dumped = CliRunner().invoke(cli, ["dump", "--json", str(tmp_path / "frames.jsonl.pcapng")]).stdout.splitlines()
        for line, text in zip(exported, dumped, strict=True):
            other = json.loads(text)
            assert set(line) <= set(other)
            same = ("time", "kind", "proto_id", "proto", "serial", "encryption")
            assert [line[name] for name in same] == [other[name] for name in same]
        assert looker.step() == {
            "active": True,
            "rule": "refuse:proto=Trd_GetAccList,ret_msg=not now, <b>later</b>",
            "faults": [],
        }
        assert looker.step() == {
            "groups": [
                *(["market", "orders", "clock"] if mode == "serve" else []),
                *("replies", "faults", "script"),
                *(["limits"] if mode == "serve" else []),
                *("login", "notices", "connections", "gateway"),
            ],
            "wide": 0,
            "errors": [],
            "elsewhere": [],
        }
