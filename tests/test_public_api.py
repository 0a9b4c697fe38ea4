"""No public name changes by accident."""

from __future__ import annotations

import difflib

from public_api import SNAPSHOT, listing


def test_public_names_and_signatures_are_those_of_the_list() -> None:
    recorded = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    changes = "\n".join(
        difflib.unified_diff(recorded, list(listing()), "tests/public_api.txt", "now", lineterm="", n=0)
    )
    assert not changes, f"{changes}\n(python tests/public_api.py records a change that is meant)"
