"""``ftwire dump`` against tshark with a protobuf-calling dissector in Lua, and messages as JSON against protobuf's.

Run it: ``python tests/bench/bench_dump.py [--quick]``. tshark gets the same capture for its lines, and a hundredth
of it for JSON, which it takes 100 us a frame and more for; ``--quick`` takes a tenth of everything. Where the
compiled core is installed (``make core``), it is measured beside Python alone.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from operator import truediv
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, MessageToJson

import ftwire
from ftwire.body import to_dict, to_dict_in_python, to_json, to_json_in_python
from ftwire_tools.schemas.sources import ours
from ftwire_tools.wireshark.generated import plain_protos

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.bench_codec import order_book, push, time_share
from bench.harness import COMPILED, Ratio, report, take_turns, within_rounds
from bench.programs import FTWIRE, Run, environment, run
from bench.traffic import capture

BENCH = Path(__file__).parent
LIMIT = 150_000_000
TURNS = 3
HEADER_FILTER = "kind == push or serial >= 0"
"""It is true of every frame, so that as much is shown as without it."""


def write_plain_protos(directory: Path) -> None:
    """Write our message definitions without the option that tshark's parser does not accept."""
    for name, text in plain_protos(ours().files):
        (directory / name).write_text(text, encoding="utf-8")


def tshark(path: Path, protos: Path, *form: str) -> list[str]:
    """Return the tshark command with the Lua dissector."""
    lua = f"lua_script:{BENCH / 'opend.lua'}"
    return ["tshark", "-r", str(path), "-X", lua, "-o", f'uat:protobuf_search_paths:"{protos}","TRUE"', *form]


def succeed(command: Sequence[str], **settings: str) -> Run:
    """Run a command that must succeed."""
    # Without this user's plugins for tshark, one of which may be the dissector that ftwire installs.
    done = run(command, env=environment(HOME=str(BENCH / "nowhere"), **settings))
    if done.code:
        raise RuntimeError(f"{command[0]} fails")
    return done


def dumps(megabytes: int) -> list[Ratio]:
    if shutil.which("tshark") is None:
        raise RuntimeError("tshark is needed to compare with")
    with tempfile.TemporaryDirectory() as scratch:
        whole, part, protos = Path(scratch, "whole.pcap"), Path(scratch, "part.pcap"), Path(scratch, "protos")
        protos.mkdir()
        write_plain_protos(protos)
        for path, size in ((whole, megabytes * 1_000_000), (part, megabytes * 10_000)):
            with path.open("wb") as stream:
                stream.writelines(capture(size))
        scale = whole.stat().st_size / part.stat().st_size
        contestants: dict[str, Callable[[], Run]] = {
            "tshark": lambda: succeed(tshark(whole, protos)),
            # The fastest of its JSON formats, with only the layers that are of use.
            "tshark, JSON": lambda: succeed(tshark(part, protos, "-T", "json", "-J", "opend protobuf", "-Y", "opend")),
            "tshark, start": lambda: succeed(["tshark", "-v"]),
        }
        kinds = {"": "off"} if not ftwire.compiled else {"": "off", COMPILED: "required"}
        for kind, setting in kinds.items():
            for form, options in (("", ()), ("JSON", ("--json",)), ("filter", ("-Y", HEADER_FILTER))):
                command = [FTWIRE, "dump", *options, str(whole)]
                contestants[form + kind] = partial(succeed, command, FTWIRE_CORE=setting)
        runs: dict[str, list[Run]] = {name: [] for name in contestants}
        for _ in range(TURNS):
            for name, work in contestants.items():
                runs[name].append(work())
    took = {name: statistics.median(run.seconds for run in those) for name, those in runs.items()}
    their_json = (took["tshark, JSON"] - took["tshark, start"]) * scale
    ratios = []
    for kind in kinds:
        memory = max(run.memory for run in runs[kind])
        ratios += [
            Ratio(
                f"dump of {megabytes} MB, one line a frame, tshark{kind}",
                within_rounds(truediv, [run.seconds for run in runs["tshark"]], [run.seconds for run in runs[kind]]),
                10.0,
                f"{took[kind]:.2f} s, tshark {took['tshark']:.2f}, {memory / 1e6:.0f} MB resident",
            ),
            Ratio(
                f"dump --json of {megabytes} MB, tshark -T json{kind}",
                their_json / took["JSON" + kind],
                10.0,
                f"{took['JSON' + kind]:.2f} s, tshark {their_json:.0f} (from a {scale:.0f}th of it)",
            ),
            Ratio(
                f"dump -Y of {megabytes} MB, a filter of the header, none{kind}",
                within_rounds(
                    truediv, [run.seconds for run in runs["filter" + kind]], [run.seconds for run in runs[kind]]
                ),
                1.1,
                f"{took['filter' + kind]:.2f} s, {took[kind]:.2f} without",
                at_most=True,
            ),
        ]
    return ratios


def flat_memory(megabytes: int) -> Ratio:
    """Measure memory on a capture that is generated while it is read."""
    made = subprocess.Popen(
        [sys.executable, str(BENCH / "traffic.py"), str(megabytes)],
        stdout=subprocess.PIPE,
    )
    with made:
        if made.stdout is None:
            raise RuntimeError("no pipe")
        done = run([FTWIRE, "dump", "-"], stdin=made.stdout.fileno(), env=environment(FTWIRE_CORE="off"))
        made.stdout.close()
    if done.code or made.returncode:
        raise RuntimeError("the dump of the long capture fails")
    note = f"{done.memory / 1e6:.0f} MB resident, {done.seconds:.0f} s"
    return Ratio(f"dump - of {megabytes} MB: memory / 150 MB", done.memory / LIMIT, 1.0, note, at_most=True)


def renderers() -> list[Ratio]:
    ratios = []
    for case in (push(), order_book(), time_share()):
        message = case.message
        renderings: dict[str, Callable[[Any], object]] = {
            "MessageToDict": MessageToDict,
            "MessageToJson": partial(MessageToJson, indent=None),
            "MessageToJson, indented": MessageToJson,
            "to_dict": partial(to_dict_in_python, lower_camel=True),
            "to_json": partial(to_json_in_python, lower_camel=True),
        }
        pairs: list[tuple[str, str, str, float | None]] = [
            ("to_dict", "MessageToDict", "", 4.5),
            ("to_json", "MessageToJson", "", 8.0),
            ("to_json", "MessageToJson, indented", "", None),
        ]
        if ftwire.compiled:
            renderings |= {
                f"to_dict{COMPILED}": partial(to_dict, lower_camel=True),
                f"to_json{COMPILED}": partial(to_json, lower_camel=True),
                f"to_json, indented{COMPILED}": partial(to_json, lower_camel=True, indent=2),
            }
            pairs += [(mine, theirs, COMPILED, aim) for mine, theirs, _, aim in pairs]
            pairs.append(("to_json, indented", "MessageToJson, indented", COMPILED, 8.0))
        for mine, theirs, kind, _ in pairs:
            if ("indented" in mine) == ("indented" in theirs):
                same = renderings[mine + kind](message) == renderings[theirs](message)
                if not same:
                    raise RuntimeError(f"{mine}{kind} differs from {theirs}")
        count = max(1, case.frames // 20)
        contestants = {name: partial(_repeat, render, message, count) for name, render in renderings.items()}
        turns = [take_turns(contestants, rounds=5) for _ in range(3)]
        for mine, theirs, kind, aim in pairs:
            ratio = statistics.median(turn[theirs] / turn[mine + kind] for turn in turns)
            each = statistics.median(turn[mine + kind] for turn in turns) / count * 1e6
            ratios.append(Ratio(f"{case.name}: {mine}, {theirs}{kind}", ratio, aim, f"{each:.1f} us"))
    return ratios


def _repeat(render: Callable[[Any], object], message: Any, count: int) -> None:
    for _ in range(count):
        render(message)


def main() -> None:
    share = 10 if "--quick" in sys.argv else 1
    # One after the other: the last takes minutes.
    report("dump", renderers())
    report("dump", dumps(200 // share))
    report("dump", [flat_memory(2000 // share)])


if __name__ == "__main__":
    main()
