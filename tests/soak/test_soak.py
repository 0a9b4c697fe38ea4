"""The soak run itself: its inputs, and that it finds what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from support.places import ROOT

pytest.importorskip("resource", reason="Windows has no limits of memory")

from soak.campaign import Finding, Worker, command, compare, second_opinion
from soak.inputs import Input, make

CAPTURE = ROOT / "fixtures" / "captures" / "futu-api-10.11-plain.pcap"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker("off")
    yield worker
    worker.stop()


def test_the_same_seed_makes_the_same_inputs() -> None:
    inputs = [make(7, index) for index in range(40)]
    assert inputs == [make(7, index) for index in range(40)]
    assert {given.kind for given in inputs} == {"capture", "stream"}
    assert len({given.data for given in inputs}) == 40


def test_whole_and_in_chunks_are_compared(worker: Worker) -> None:
    counts: Counter[str] = Counter()
    for index in range(30):
        compare([worker], make(7, index), index, counts)
    assert counts["reports"] > 100


def test_a_difference_is_found(worker: Worker) -> None:
    class Wrong(Worker):
        def decode(self, given: Input, chunk: int, form: str = "") -> object:
            return super().decode(Input("stream", given.data[1:], given.ports), chunk, form)

    wrong = Wrong("off")
    try:
        with pytest.raises(Finding, match="differ"):
            compare([worker, wrong], Input("stream", CAPTURE.read_bytes()[200:900], frozenset()), 0, Counter())
    finally:
        wrong.stop()


def test_a_process_that_ends_is_found_and_started_again(worker: Worker) -> None:
    with pytest.raises(Finding, match=r"(?s)ended with exit code 1: .*KeyError"):
        worker.decode(Input("other", b"FT", frozenset()), 0)
    assert worker.decode(Input("stream", b"FT", frozenset()), 0)[1] > 0


def test_a_command_that_is_used_wrongly_is_found() -> None:
    with pytest.raises(Finding, match="exit code 2"):
        command(["dump", "--no-such-option"], "dump")


@pytest.mark.usefixtures("tshark")
def test_frames_that_only_tshark_shows_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Input("capture", CAPTURE.read_bytes(), frozenset({11111}))
    counts: Counter[str] = Counter()
    second_opinion(CAPTURE, given, counts)
    assert counts["frames that tshark shows"] >= 10
    fewer = command(["dump", "--json", "--proto", "1001", str(CAPTURE)], "dump")
    monkeypatch.setattr("soak.campaign.command", lambda *_: fewer)
    with pytest.raises(Finding, match="tshark shows"):
        second_opinion(CAPTURE, given, counts)
