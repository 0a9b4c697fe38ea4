"""``export --columns sdk`` beside the DataFrames that the vendor's SDK makes of the same messages."""

from __future__ import annotations

import json
from collections.abc import Callable

from interop.peers import Peer
from interop.sdk_columns import FACTS, NEWEST, differences, exported, frames_of_sdk, learned_words, probes


def test_rows_are_those_of_the_sdk(peer: Callable[[str], Peer]) -> None:
    """Columns and values of each call, for messages in which every field that the SDK shows has a value of its own."""
    peer(NEWEST)
    responses = probes()
    frames = frames_of_sdk(NEWEST, responses)
    assert list(differences(frames, exported(responses))) == []
    assert json.loads(FACTS.read_text())["words"] == learned_words(frames, exported(responses, columns="all"))
