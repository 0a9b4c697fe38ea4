"""The parts of ``ftwire fuzz`` by themselves: what is drawn, rendered, shortened and saved."""

from __future__ import annotations

import json
import re
import shlex
import struct
from collections.abc import Sequence
from random import Random

import click
import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import Rsa, RsaKey
from ftwire.errors import DigestError
from ftwire.frame import Role
from ftwire.frame_mutations import NamedMutation
from ftwire.pcap import Packet, PacketReader
from ftwire.protocols import registry
from ftwire.stream import FrameDecoder
from ftwire_tools.commands.fuzz import command
from ftwire_tools.fuzz.bodies import init_request, request_message, response_message
from ftwire_tools.fuzz.campaign import Campaign, Reproduction
from ftwire_tools.fuzz.judgement import KINDS, FuzzFinding, PlayRecord, Traffic
from ftwire_tools.fuzz.plans import CHANGING, client_plan, gateway_plan, requests_to_draw
from ftwire_tools.fuzz.saving import CrashFileError, capture_of, load_crash
from ftwire_tools.fuzz.shrinking import shrink
from ftwire_tools.fuzz.steps import MUTATIONS, TCP_MUTATIONS, FuzzStep, step_from_json, step_to_json
from ftwire_tools.fuzz.targets import FuzzTarget, Program, ProgramError
from ftwire_tools.fuzz.transport import FrameTransport, boundaries
from support.places import ROOT

DOCS = ROOT / "docs" / "fuzzing.md"
REQUESTS = requests_to_draw(allow_trading=False)
KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
TRANSPORTS = pytest.mark.parametrize("websocket", [False, True], ids=["tcp", "websocket"])
BODY = request_message(3008).SerializeToString()
VALUES: dict[str, int | str] = {
    "random body": "ff00",
    "grow body": 10,
    "protocol": 999,
    "serial": 77,
    "format": 7,
    "version": 9,
    "reserved": "0102030405060708",
    "digest": "00" * 20,
    "length": 5,
    "length off": 1,
    "big-endian": 0,
    "magic": "5446",
    "bytes before": "aa",
    "bytes behind": "bb",
    "cut frame": 50,
}


def frame_with(*mutations: NamedMutation, serial: int = 5) -> bytes:
    return FrameTransport(Role.CLIENT).render(FuzzStep("send", 3008, mutations=mutations), BODY, serial).data


def drawn(seed: object) -> Random:
    return Random(str(seed))  # noqa: S311 - to be repeated, not to be secret


# What is drawn


@TRANSPORTS
def test_the_same_seed_draws_the_same_steps(websocket: bool) -> None:
    def plans(seed: str) -> list[tuple[FuzzStep, ...]]:
        return [
            gateway_plan(drawn(seed), 8, REQUESTS, websocket=websocket),
            client_plan(drawn(seed), 8, websocket=websocket),
        ]

    for number in range(50):
        assert plans(f"1/{number}") == plans(f"1/{number}")
    assert plans("1/1")[0] != plans("1/2")[0]


def test_nothing_is_drawn_that_trades_or_changes_something() -> None:
    assert not {proto for proto in REQUESTS if 2000 <= proto < 3000} | (set(REQUESTS) & set(CHANGING))
    header = struct.Struct("<2sI")
    for number in range(3000):
        for step in gateway_plan(drawn(f"trade/{number}"), 8, REQUESTS):
            sent = FrameTransport(Role.CLIENT).render(step, bytes.fromhex(step.body), 1).data
            data = sent + bytes.fromhex(step.data)
            # Wherever a reader that searches for frames may find one.
            for found in re.finditer(b"FT", data[: max(0, len(data) - 4)]):
                proto_id = header.unpack_from(data, found.start())[1]
                assert not 2000 <= proto_id < 3000
                assert proto_id not in CHANGING


def test_trading_requests_are_drawn_when_they_are_asked_for() -> None:
    assert {2001, 2202, 1008} <= set(requests_to_draw(allow_trading=True))


def test_everything_that_can_be_wrong_is_drawn() -> None:
    steps = [step for n in range(600) for step in gateway_plan(drawn(n), 8, REQUESTS)]
    assert {mutation.name for step in steps for mutation in step.mutations} == set(TCP_MUTATIONS)
    assert {step.do for step in steps} == {"send", "raw", "pause", "finish", "close", "reset"}
    assert any(step.hold for step in steps)
    assert any(step.chunk == 1 for step in steps)
    assert any(step.format == 1 for step in steps)
    steps = [step for n in range(600) for step in client_plan(drawn(n), 8)]
    assert {mutation.name for step in steps for mutation in step.mutations} == set(TCP_MUTATIONS)
    assert {step.do for step in steps} == {"reply", "push", "skip", "late", "raw", "pause", "finish", "close", "reset"}


# What is sent


def test_without_a_mutation_it_is_the_frame_the_library_makes() -> None:
    (frame,) = FrameDecoder(Role.CLIENT).feed(frame_with())
    assert (frame.proto_id, frame.serial, frame.body, frame.error) == (3008, 5, BODY, None)


@pytest.mark.parametrize("name", TCP_MUTATIONS)
def test_each_mutation_changes_the_frame(name: str) -> None:
    spoiled = frame_with(NamedMutation(name, VALUES.get(name, 3)))
    assert spoiled != frame_with()
    loses_boundaries = {"length", "length off", "magic", "big-endian", "cut frame", "bytes before", "bytes behind"}
    # Bit 3 of the header is one of the magic's.
    assert (boundaries(spoiled) is None) == (name in {*loses_boundaries, "flip header"})


def test_mutations_of_the_body_keep_the_digest_right_and_those_of_the_payload_do_not() -> None:
    for name in ("empty body", "cut body", "flip body", "random body", "missing field", "unknown enum", "odd string"):
        (frame,) = FrameDecoder(Role.CLIENT).feed(frame_with(NamedMutation(name, VALUES.get(name, 1))))
        assert frame.error is None, name
    for name in ("flip payload", "cut payload", "payload tail", "digest", "digest of payload"):
        (frame,) = FrameDecoder(Role.CLIENT).feed(frame_with(NamedMutation(name, VALUES.get(name, 3))))
        assert isinstance(frame.error, DigestError), name


def test_a_body_is_spoiled_before_it_is_encrypted() -> None:
    step = FuzzStep("send", 3008, mutations=(NamedMutation("cut body", 5),))
    data = FrameTransport(Role.CLIENT, KEY).render(step, BODY, 1).data
    (frame,) = FrameDecoder(Role.CLIENT, cipher=Rsa(KEY)).feed(data)
    assert (frame.error, frame.body, len(frame.payload)) == (None, BODY[:5], KEY.size)


def test_boundaries_are_those_of_whole_frames() -> None:
    assert boundaries(frame_with() + frame_with(serial=6)) == ((3008, 5), (3008, 6))
    assert boundaries(frame_with()[:-1]) is None
    assert boundaries(frame_with() + b"F") is None
    assert boundaries(b"") == ()


def test_every_request_that_is_drawn_and_every_reply_to_it_is_legal() -> None:
    assert init_request(websocket=False, encrypted=True).IsInitialized()
    for proto_id in requests_to_draw(allow_trading=True):
        request = request_message(proto_id)
        assert request.IsInitialized(), proto_id
        response = response_message(proto_id, request, 10)
        assert response.IsInitialized(), proto_id
        assert response.retType == 0
    for entry in registry:
        if entry.is_push:
            assert response_message(entry.proto_id, None, 10).IsInitialized(), entry.name


# How it is shortened


def test_what_does_not_matter_is_left_out() -> None:
    steps = tuple(FuzzStep("send", proto, mutations=(NamedMutation("digest", "00"),)) for proto in range(20))

    def provokes(candidate: tuple[FuzzStep, ...]) -> bool:
        protos = [step.proto for step in candidate]
        return 3 in protos and any(step.proto == 17 and step.mutations for step in candidate)

    short, tries = shrink(steps, provokes, 200)
    assert short == (FuzzStep("send", 3), FuzzStep("send", 17, mutations=(NamedMutation("digest", "00"),)))
    assert tries < 60


def test_shortening_ends_when_its_tries_are_spent() -> None:
    steps = tuple(FuzzStep("send", proto) for proto in range(64))
    short, tries = shrink(steps, lambda candidate: len(candidate) > 1, 5)
    assert tries == 5
    assert 1 < len(short) < 64
    assert shrink(steps, lambda _: False, 0) == (steps, 0)


def test_numbers_of_mutations_become_small() -> None:
    steps = (
        FuzzStep(
            "send",
            3008,
            mutations=(NamedMutation("grow body", 70_000), NamedMutation("serial", 12)),
            chunk=7,
            hold=True,
        ),
    )
    short, _ = shrink(steps, lambda tried: any(m.name == "grow body" for s in tried for m in s.mutations), 200)
    assert short == (FuzzStep("send", 3008, mutations=(NamedMutation("grow body", 0),)),)


def test_no_bit_of_the_protocol_id_is_flipped_while_a_step_is_made_simpler() -> None:
    for bit in (*range(16), *range(48, 352)):
        steps = (FuzzStep("send", 3008, mutations=(NamedMutation("flip header", bit),)),)
        seen: list[tuple[FuzzStep, ...]] = []
        shrink(steps, lambda tried: bool(seen.append(tried)), 200)  # type: ignore[func-returns-value]  # noqa: B023
        bits = {mutation.value for tried in seen for step in tried for mutation in step.mutations}
        assert bits <= {bit}


class Fragile(FuzzTarget):
    """A target in which every sequence with protocol 3008 provokes a finding."""

    def __init__(self) -> None:
        self.played = 0

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        self.played += fresh
        findings = [FuzzFinding("hung", "")] if any(step.proto == 3008 for step in steps) else []
        return PlayRecord(findings, performed=len(steps))


def campaign_of(target: Fragile, finds: list[Reproduction]) -> Campaign:
    plan = tuple(FuzzStep("send", proto) for proto in (1001, 1004, 3008, 1004))
    return Campaign(target, lambda _: plan, seed=1, tries=50, report=finds.append)


def test_what_is_found_again_is_only_counted() -> None:
    finds: list[Reproduction] = []
    campaign = campaign_of(Fragile(), finds)
    campaign.run(20, None)
    assert [find.steps for find in finds] == [(FuzzStep("send", 3008),)]
    assert campaign.totals.repeats == {"hung": 19}
    assert campaign.totals.steps == 80


def test_when_the_time_is_over_a_find_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    finds: list[Reproduction] = []
    target = Fragile()
    campaign = campaign_of(target, finds)
    begun = campaign.totals.began
    clock = iter([begun, begun + 2])
    monkeypatch.setattr("ftwire_tools.fuzz.campaign.time.monotonic", lambda: next(clock, begun + 2))
    campaign.run(None, 1)
    assert [(len(find.steps), find.again) for find in finds] == [(4, True)]
    assert target.played == 1


# What is saved


@TRANSPORTS
def test_steps_survive_json(websocket: bool) -> None:
    for number in range(200):
        for step in (
            *gateway_plan(drawn(number), 8, REQUESTS, encrypted=not websocket, websocket=websocket),
            *client_plan(drawn(number), 8, websocket=websocket),
        ):
            assert step_from_json(json.loads(json.dumps(step_to_json(step)))) == step


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"mode": 1}', "[" * 100_000, '{"format": 2, "mode": "gateway"}'],
)
def test_what_is_no_crash_file_is_refused(text: str) -> None:
    with pytest.raises(CrashFileError):
        load_crash(text, "gateway")


def test_a_crash_file_with_an_unknown_step_is_refused() -> None:
    crash = {"format": 1, "mode": "gateway", "encrypted": False, "timeout": 1, "finding": {"kind": "hung"}}
    for step in (
        {"do": "send", "mutations": [["no such", 1]]},
        {"nothing": 1},
        {"do": "send", "body": "xx"},
        {"do": "dance"},
    ):
        with pytest.raises(CrashFileError):
            load_crash(json.dumps({**crash, "steps": [step]}), "gateway")
    assert load_crash(json.dumps({**crash, "steps": [{"do": "close"}]}), "gateway").steps == (FuzzStep("close"),)


def test_the_capture_holds_every_byte_and_every_end() -> None:
    said = [
        Traffic(1, 1, "open"),
        Traffic(2, 1, "client", b"a" * 3000),
        Traffic(3, 2, "open"),
        Traffic(4, 1, "gateway", b"b"),
        Traffic(5, 1, "gateway-end"),
        Traffic(6, 1, "client-end"),
        Traffic(7, 2, "reset"),
        Traffic(8, 2, "client", b"too late"),
    ]
    reader = PacketReader()
    packets = [each for each in reader.feed(capture_of(said)) if isinstance(each, Packet)]
    reader.close()
    payload = b"".join(packet.data[54:] for packet in packets)
    assert payload.count(b"a") == 3000
    assert payload.count(b"b") == 1
    assert b"late" not in payload


def test_a_program_says_how_it_ended() -> None:
    for line, how in (
        ("sh -c 'exit 0'", ""),
        ("sh -c 'exit 1'", ""),
        ("sh -c 'exit 3'", "exit code 3"),
        ("sh -c 'kill -SEGV $$'", "ended by SIGSEGV"),
        ("sh -c 'echo it panicked at x >&2'", "panicked at"),
    ):
        program = Program(line, crash_text="panicked at")
        program.start()
        while program.is_running:
            pass
        assert program.crash() == how, line
        program.close()
    program = Program("sleep 60")
    program.start()
    assert program.is_running
    assert program.crash() == ""
    program.close()
    with pytest.raises(ProgramError, match="No such file"):
        Program("/no/such/program").start()


# The documentation


def test_the_table_of_findings_is_complete() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z -]+)` \|", text, re.MULTILINE)) == {*KINDS, *MUTATIONS}


def test_the_examples_of_crash_files_can_be_loaded() -> None:
    examples = re.findall(r"^ *```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 2
    for text in examples:
        assert load_crash(text, "client").steps


def test_the_examples_use_options_that_there_are() -> None:
    lines = re.findall(r"^ *(ftwire fuzz [^#\n]*)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        _, _, name, *words = shlex.split(line)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        known = {option for parameter in found.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
