from __future__ import annotations

import inspect

import pytest

import ftwire.pcap


def test_every_public_name_is_there_and_none_is_missing() -> None:
    assert set(ftwire.pcap.__all__) <= set(dir(ftwire.pcap))
    assert len(set(ftwire.pcap.__all__)) == len(ftwire.pcap.__all__)
    for name in ftwire.pcap.__all__:
        assert getattr(ftwire.pcap, name) is not None
    with pytest.raises(AttributeError):
        ftwire.pcap.nothing  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(ftwire.pcap.__all__) - {"Event"}))
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(ftwire.pcap, name)
    assert thing.__module__.startswith("ftwire.pcap.")
    assert inspect.getdoc(thing)


@pytest.mark.parametrize(
    ("old", "new"), [("CaptureReader", "PacketReader"), ("Gap", "MissingBytes"), ("GapReason", "MissingReason")]
)
def test_a_name_of_the_last_release_still_works_with_a_warning(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"ftwire\.pcap\.{old} is called ftwire\.pcap\.{new} now"):
        assert getattr(ftwire.pcap, old) is getattr(ftwire.pcap, new)
    assert old not in dir(ftwire.pcap)
