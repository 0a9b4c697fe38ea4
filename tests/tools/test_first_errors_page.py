"""docs/check-sha-error.md: it is what its script writes, and what it states can be computed again."""

from __future__ import annotations

import hashlib
import re
import runpy
import subprocess

import pytest

from ftwire.diagnosis import MISTAKES, ConversationChecker
from ftwire.frame import Role
from support.places import ROOT

PAGE = ROOT / "docs" / "check-sha-error.md"
SCRIPT = ROOT / "docs" / "make_first_errors.py"
TEXT = PAGE.read_text(encoding="utf-8")
LANGUAGES = ["Go", "Rust", "TypeScript", "Java, C#", "Python"]


def test_it_is_current() -> None:
    assert runpy.run_path(str(SCRIPT))["page"]() == TEXT, "python docs/make_first_errors.py"


def test_every_mistake_has_its_remedy() -> None:
    for mistake in MISTAKES.values():
        assert f"### {mistake.title} [`{mistake.id}`]\n\n{mistake.remedy}\n" in TEXT


def test_code_is_in_all_five_languages_or_none() -> None:
    sections = TEXT.split("\n### ")[1:]
    found = [re.findall(r"^- ([^:]+): `` .+ ``$", section, re.MULTILINE) for section in sections]
    assert LANGUAGES in found
    for section, languages in zip(sections, found, strict=True):
        assert languages in ([], LANGUAGES), section


def test_the_worked_bytes_are_a_frame_without_a_mistake() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| \w+ \| `([0-9a-f]+)` \|", TEXT, re.MULTILINE)
    data = bytes.fromhex("".join(row[2] for row in rows))
    for at, size, shown in rows:
        assert data[int(at) :][: int(size)].hex() == shown
    (piece,) = ConversationChecker(alone=True).read(data, Role.CLIENT)
    assert piece.findings == ()
    assert piece.body == data[44:]


def test_the_command_in_it_prints_what_it_says() -> None:
    command, printed = re.findall(r"^\$ (echo .+)\n(.+)$", TEXT, re.MULTILINE)[0]
    body = bytes.fromhex(command.split()[1])
    done = subprocess.run(["sha1sum"], input=body, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode() == f"{printed}\n"


def test_digests_under_aes_are_those_of_the_plain_bodies() -> None:
    rows = re.findall(r"^\| \w+ \([^)]+\) \| `(\w+)` \| `(\w{40})` \| `(\w+)` \|", TEXT, re.MULTILINE)
    assert len(rows) == 3
    for body, digest, payload in rows:
        assert hashlib.sha1(bytes.fromhex(body), usedforsecurity=False).hexdigest() == digest
        assert len(payload) % 32 == 0


@pytest.mark.parametrize(
    "text",
    [
        "check sha error",
        "The packet body SHA1 signature is incorrect.",
        "解析protobuf协议失败",
        "12884901888",
        "times out",
        "No push",
        "Disconnected",
        "duplicate file name",
    ],
)
def test_what_people_search_for_is_in_it(text: str) -> None:
    assert text in TEXT
