"""Files of other projects in the tree are those of the release that is pinned."""

from interop.vendored import RELEASE, differences, released
from support.places import ROOT
from support.programs import require


def test_vendored_files_are_those_of_the_registry() -> None:
    assert differences(released(require("npm").path)) == []


def test_the_notice_names_the_release() -> None:
    _, _, version = RELEASE.partition("@")
    assert f"uPlot {version}" in (ROOT / "NOTICE").read_text(encoding="utf-8")
