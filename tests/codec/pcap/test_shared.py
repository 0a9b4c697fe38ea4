"""Several dissectors sharing one capture's connections, and the survey by which these are shared out."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.pcap import Data, Dissector, Endpoint, Event, Flow, FlowClosed, FlowOpened, LinkType, MissingBytes, Survey
from ftwire.strategies import segment_schedules
from support.pcap_model import A6, B6, A, B, dissect, frame, pcap
from support.programs import Program

CLIENTS = [A, A._replace(port=50001), A._replace(packed=bytes([10, 0, 0, 9])), A6]


def facts(events: list[Event]) -> list[tuple[object, ...]]:
    """Events of flows, without the flows' positions among each other."""
    return [
        (type(event), str(event.flow), *(value for value in event if not isinstance(value, Flow)))
        for event in events
        if isinstance(event, Data | MissingBytes | FlowOpened | FlowClosed)
    ]


@given(st.data(), st.integers(1, 3))
def test_shares_together_are_the_whole(data: st.DataObject, shares: int) -> None:
    waiting = []
    for client in CLIENTS:
        server = B6 if client is A6 else B
        stream = data.draw(st.binary(min_size=1, max_size=40))
        waiting.append(data.draw(segment_schedules(stream)).packets(client, server))
    mixed = []
    while any(waiting):
        mixed.append(data.draw(st.sampled_from([each for each in waiting if each])).pop(0))
    file = pcap(mixed)
    asked: list[tuple[Endpoint, Endpoint]] = []

    def share(number: int) -> Dissector:
        def wanted(one: Endpoint, other: Endpoint) -> bool:
            asked.append((one, other))
            return (one.port + one.packed[-1] + other.port + other.packed[-1]) % shares == number

        return Dissector(wanted=wanted)

    whole = facts(dissect([file]))
    parts = [facts(dissect([file], share(number))) for number in range(shares)]
    assert sorted(map(repr, whole)) == sorted(repr(fact) for part in parts for fact in part)
    assert asked
    # Within a share nothing changes its place.
    for part in parts:
        mine = {fact[1] for fact in part}
        assert part == [fact for fact in whole if fact[1] in mine]


def test_what_is_not_wanted_is_remembered_and_forgotten_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftwire.pcap.tcp._MOST_PASSED_OVER", 3)
    frames = [frame(A._replace(port=port), B, 1, b"x") for port in range(1, 11)]
    calls: list[int] = []

    def wanted(one: Endpoint, _other: Endpoint) -> bool:
        calls.append(one.port)
        assert len(dissector._tcp.passed_over) <= 3
        return False

    dissector = Dissector(wanted=wanted)
    assert dissect([pcap([*frames, *frames[-1:] * 5])], dissector) == []
    assert calls == list(range(1, 11))
    assert len(dissector._tcp.passed_over) <= 3


def survey(file: bytes, size: int = 1000) -> Survey:
    found = Survey()
    for at in range(0, len(file), size):
        found.feed(file[at : at + size])
    return found


@pytest.mark.parametrize("link", [LinkType.ETHERNET, LinkType.NULL, LinkType.RAW])
def test_a_survey_is_what_tshark_counts(tshark: Program, tmp_path: Path, link: LinkType) -> None:
    rng = random.Random(3)  # noqa: S311 - nothing is to be kept secret
    frames = []
    for at in range(300):
        client = rng.choice(CLIENTS[:3])
        ends = (client, B) if rng.random() < 0.5 else (B, client)
        frames.append(frame(*ends, at, bytes(rng.randrange(1400)), link_type=link))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(frames, link))
    fields = [word for name in ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "ip.len") for word in ("-e", name)]
    lines = tshark("-n", "-r", path, "-T", "fields", *fields)
    theirs: dict[frozenset[str], int] = {}
    for source, port, destination, other, length in re.findall(r"(\S+)\t(\d+)\t(\S+)\t(\d+)\t(\d+)", lines):
        pair = frozenset((f"{source}:{port}", f"{destination}:{other}"))
        theirs[pair] = theirs.get(pair, 0) + int(length)
    ours = {frozenset(map(str, ends)): size for ends, size in survey(path.read_bytes()).connections.items()}
    assert ours.keys() == theirs.keys()
    # The first packet of each direction counts its link header too.
    assert all(0 <= ours[pair] - theirs[pair] <= 2 * 14 for pair in theirs)


def test_a_survey_passes_over_what_is_no_tcp() -> None:
    packets = [b"", b"\0" * 14, frame(A, B, 1, b"x")[:30], frame(A6, B6, 1, b"hello")]
    assert set(survey(pcap(packets)).connections) == {tuple(sorted((A6, B6)))}
