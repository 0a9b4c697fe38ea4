"""The road of a push from packet to printed line stays short, and is the one that is written down."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import pytest

import ftwire
from support.places import ROOT
from support.road import Road, measure

PAGE: Final = ROOT / "docs" / "explanation" / "architecture.md"
ROW: Final = re.compile(r"^\| `([\w.]+)` \| `([\w./]+)` \|", re.MULTILINE)
WALKS: Final = {"codec/ftwire/projection.py", "codec/ftwire/_json.py"}
"""Where Python goes through a message, without the core: a call for each level of messages in it."""

road = cache(measure)
forms = pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])


@forms
def test_calls_are_at_most_five_deep(options: tuple[str, ...]) -> None:
    found = road(*options)
    assert max(call.depth for call in found.reading) <= 5
    assert max(call.depth for call in found.writing if call.file not in WALKS) <= 5
    # With the core there are no such walks; the message has three levels, one of them in a list.
    assert max(call.depth for call in found.writing) <= (5 if ftwire.compiled else 10)


@forms
def test_reports_pass_two_generators(options: tuple[str, ...]) -> None:
    assert road(*options).generators == ["CapturePart.batches", "PacketFrames._reports"]


@forms
def test_a_push_takes_at_most_seven_objects(options: tuple[str, ...]) -> None:
    objects = road(*options).objects
    assert {"Data", "Frame", "FrameObserved", "DissectedFrame"} <= objects.keys()
    assert sum(objects.values()) <= 7


def test_the_road_is_the_one_that_is_written_down() -> None:
    """With the core the whole of it; without it what comes before the body is looked into."""
    found: Road = road()
    written = set(ROW.findall(PAGE.read_text(encoding="utf-8")))
    assert len(written) > len(found.reading) > 5
    calls = [*found.reading, *found.writing] if ftwire.compiled else found.reading
    walked = {(call.name, call.file) for call in calls}
    assert walked <= written | {("python_take", "codec/ftwire/framing.py")}
    if ftwire.compiled:
        assert written == walked
