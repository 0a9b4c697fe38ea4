"""The road of one push through ``ftwire dump``, from packet to printed line, measured.

    PYTHONPATH=tests python tests/support/road.py [--json]

prints the functions that are called for every push, indented by how deep they are below the loop that takes frames and
prints lines, then the generators and the objects. What is done once for a capture, a connection or a piece of the file
is told apart by reading more pushes: it does not become more.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType, GeneratorType
from typing import Any, Final, NamedTuple

from click.testing import CliRunner
from google.protobuf.message import Message

from ftwire_tools.commands import ftwire
from ftwire_tools.dumping.dumper import Dump
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer
from support.captures import answered, packets, pcap_of, push, session
from support.places import ROOT

__all__ = ["Call", "Road", "measure"]

PUSHES: Final = 20
EMPTY: Final = 54
"""Bytes of a packet without data: Ethernet, IPv4 and TCP headers."""
LOOP: Final = Dump.show.__code__
RENDERERS: Final = frozenset((LineRenderer.frame.__code__, JsonRenderer.frame.__code__))


class Call(NamedTuple):
    """A function that is called for every push."""

    depth: int
    """1 is called by the loop."""
    name: str
    file: str
    """Its file in the source tree."""


class Road(NamedTuple):
    """What happens for every push."""

    reading: list[Call]
    """From packet to frame, in the order of the first calls."""
    writing: list[Call]
    """From frame to line."""
    generators: list[str]
    """Generators that are alive while a line is made."""
    objects: dict[str, int]
    """How many objects of each class of ours are made, but for messages, whose classes are protobuf's."""


class Watch:
    """Notes calls, objects and generators while a function runs."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[CodeType, ...]] = Counter()
        self.objects: Counter[type] = Counter()
        self.generators: list[CodeType] = []
        self._lines = 0

    def run(self, function: Callable[[], object]) -> None:
        """Run a function."""
        before = sys.getprofile()
        gc.collect()
        gc.disable()
        gc.freeze()
        sys.setprofile(self._note)
        try:
            function()
        finally:
            sys.setprofile(before)
            gc.unfreeze()
            gc.enable()

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        # Those since the last event: all others are frozen.
        self.objects.update(map(type, gc.get_objects(generation=0)))
        if event == "call":
            stack: list[CodeType] = []
            above: FrameType | None = frame
            while above is not None and above.f_code is not LOOP:
                stack.append(above.f_code)
                above = above.f_back
            if stack and above is not None:
                self.calls[tuple(reversed(stack))] += 1
        elif event == "return" and frame.f_code in RENDERERS:
            self._lines += 1
            if self._lines == PUSHES // 2:
                gc.unfreeze()
                resumed = {stack[-1] for stack in self.calls}
                alive = [each.gi_code for each in gc.get_objects() if type(each) is GeneratorType]
                self.generators = [code for code in alive if code in resumed]
        gc.freeze()


def measure(*options: str) -> Road:
    """Return the road of a push through ``ftwire dump`` with these options."""
    watches: list[Watch] = []
    with TemporaryDirectory() as folder:
        # The first run is for what is made once in a process.
        for count in (PUSHES, PUSHES, 2 * PUSHES):
            said = packets([*session()[:4], *[answered(3009, 0, push())] * count])
            # Acknowledgements are packets of their own, and not on the road of a push.
            capture = Path(folder, f"{count}.pcap")
            capture.write_bytes(pcap_of(packet for packet in said if len(packet[1]) > EMPTY or packet in said[:3]))
            watch = Watch()
            arguments = ["dump", *options, str(capture)]
            watch.run(lambda arguments=arguments: CliRunner().invoke(ftwire, arguments, catch_exceptions=False))  # type: ignore[misc]
            watches.append(watch)
    _, few, many = watches
    road = Road([], [], [], {})
    for stack, count in many.calls.items():
        if count - few.calls[stack] >= PUSHES:
            calls = road.writing if stack[0] in RENDERERS else road.reading
            calls.append(Call(len(stack), stack[-1].co_qualname, _file(stack[-1])))
    road.generators.extend(sorted(each.co_qualname for each in few.generators if _is_ours(each)))
    for each, count in many.objects.items():
        number = (count - few.objects[each]) // PUSHES
        if number and not issubclass(each, Message) and each.__module__.startswith("ftwire"):
            road.objects[each.__name__] = number
    return road


def _is_ours(code: CodeType) -> bool:
    return Path(code.co_filename).is_relative_to(ROOT)


def _file(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(ROOT).as_posix() if _is_ours(code) else code.co_filename


def text_of(road: Road) -> str:
    """Return a road as lines."""
    lines: list[str] = []
    for what, calls in (("packet to frame", road.reading), ("frame to line", road.writing)):
        lines.append(f"From {what}, {max(call.depth for call in calls)} deep:")
        lines += [f"{'  ' * call.depth}{call.name} ({call.file})" for call in calls]
    lines.append(f"Generators: {', '.join(road.generators)}")
    lines.append(f"Objects: {', '.join(f'{number} {name}' for name, number in road.objects.items())}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text_of(measure(*sys.argv[1:])))
