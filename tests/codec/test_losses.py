"""Captures that lack packets: what was captured is paired and in its order all the same."""

from __future__ import annotations

from itertools import combinations

import pytest

import ftwire
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import NONE, AesCbc, Cipher, RsaKey
from ftwire.frame import Kind, Role
from ftwire.pcap import Data, Direction, Dissector, Limits, MissingBytes, PacketReader
from support.captures import AES_IV, AES_KEY, Said, answered, asked, packets, pcap_of, push, session
from support.frames import rt_request, rt_response

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
REQUESTS = 6


def talk(key: RsaKey | None) -> list[Said]:
    """Return a session of several requests, each with its response and a push."""
    said = session(key)
    ciphers: list[Cipher] = [NONE, NONE] if key is None else [AesCbc(AES_KEY, AES_IV), AesCbc(AES_KEY, AES_IV)]
    for serial in range(3, 3 + REQUESTS):
        said.append(asked(3008, serial, rt_request(), ciphers[0]))
        said.append(answered(3008, serial, rt_response(), ciphers[1]))
        said.append(answered(3009, 0, push(), ciphers[1]))
    return said


def with_data(all_packets: list[tuple[int, bytes]]) -> list[int]:
    """Return which packets bring data: others are 54 bytes, headers alone."""
    return [at for at, (_, data) in enumerate(all_packets) if len(data) > 54]


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_response_is_reported_behind_its_request(key: RsaKey | None, lost: int) -> None:
    whole = packets(talk(key))
    begin = 0 if key is None else 2  # without the handshake nothing could be read
    for missing in combinations(with_data(whole)[begin:], lost):
        kept = [packet for at, packet in enumerate(whole) if at not in missing]
        frames = list(ftwire.read(pcap_of(kept), keys=[] if key is None else [key]))
        assert len(frames) == len(talk(key)) - lost, missing
        requests = {(each.proto_id, each.frame.serial): each for each in frames if each.kind is Kind.REQUEST}
        for response in frames:
            request = requests.get((response.proto_id, response.frame.serial))
            if response.kind is Kind.RESPONSE and request is not None:
                assert response.request is request.frame, (missing, response)
                assert response.latency == response.time - request.time
        for sender in Role:
            times = [each.time for each in frames if each.sender is sender]
            assert times == sorted(times), missing


@pytest.mark.sampled(3)
@pytest.mark.parametrize("limits", [Limits(), Limits(max_buffered_bytes=1), Limits(max_buffered_bytes=1000)])
@pytest.mark.parametrize("patience", [1, 5, 1000])
def test_streams_are_those_of_each_direction(limits: Limits, patience: int) -> None:
    """Whatever waits for the other direction, and for how long: nothing is lost, doubled or turned around."""
    whole = packets(talk(None))
    limits = Limits(max_buffered_bytes=limits.max_buffered_bytes, patience_packets=patience)
    for missing in combinations(with_data(whole), 2):
        kept = [packet for at, packet in enumerate(whole) if at not in missing]
        dissector = Dissector(limits)
        events = [event for packet in PacketReader().feed(pcap_of(kept)) for event in dissector.packet(packet)]
        events += dissector.close()
        assert dissector.memory == 0
        for direction in Direction:
            sent = b"".join(each.data for each in talk(None) if (each.sender is Role.CLIENT) == (direction == 0))
            end = 0
            for event in events:
                if isinstance(event, Data | MissingBytes) and event.direction == direction:
                    assert event.offset == end
                    end += len(event.data) if isinstance(event, Data) else event.length
                    if isinstance(event, Data):
                        assert event.data == sent[event.offset : end]
            assert end == len(sent)
