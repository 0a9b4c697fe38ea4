from __future__ import annotations

import inspect

import pytest

import ftwire.pcap


def test_all_is_sorted_and_whole() -> None:
    names = vars(ftwire.pcap).items()
    public = {name for name, value in names if not name.startswith("_") and not inspect.ismodule(value)}
    assert set(ftwire.pcap.__all__) == public
    assert len(ftwire.pcap.__all__) == len(public)


@pytest.mark.parametrize("name", sorted(set(ftwire.pcap.__all__) - {"Event"}))
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(ftwire.pcap, name)
    assert thing.__module__.startswith("ftwire.pcap.")
    assert inspect.getdoc(thing)
