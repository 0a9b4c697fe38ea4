"""Files of other projects in the tree are those of the releases that are pinned."""

import pytest

from interop.vendored import VENDORED, Vendored, differences, released
from support.places import ROOT
from support.programs import require

RELEASES = pytest.mark.parametrize("vendored", VENDORED, ids=lambda vendored: vendored.release)


@RELEASES
def test_vendored_files_are_those_of_the_registry(vendored: Vendored) -> None:
    assert differences(vendored, released(require("npm").path, vendored)) == []


@RELEASES
def test_the_notice_names_the_release(vendored: Vendored) -> None:
    assert vendored.release.replace("@", " ") in (ROOT / "NOTICE").read_text(encoding="utf-8").lower()
