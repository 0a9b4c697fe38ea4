"""The table of peers, and what happens where one cannot be had. Nothing is installed here."""

from dataclasses import replace
from pathlib import Path

import pytest

from interop import peers
from interop.peers import ABSENT, PEERS, PeerUnavailableError, ensure


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(peers, "HOME", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PEERS)
def test_a_missing_toolchain_is_the_reason_given(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setitem(PEERS, name, replace(PEERS[name], newest_python=None))
    with pytest.raises(PeerUnavailableError, match="is not installed") as caught:
        ensure(name)
    assert caught.value.name == name
    assert not (folder / name / ".ready").exists()


def test_a_python_too_new_is_the_reason_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = replace(PEERS["futu-api-6.2"], newest_python=(3, 1))
    monkeypatch.setitem(PEERS, "futu-api-6.2", old)
    with pytest.raises(PeerUnavailableError, match=r"no wheels for Python after 3\.1"):
        ensure("futu-api-6.2")
    assert not list(folder.glob("*/.ready"))


def test_a_peer_is_made_once_and_again_when_a_pin_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setitem(peers.INSTALLERS, "node", lambda peer: made.append(peer.recipe))
    ensure("npm-futu-api")
    ensure("npm-futu-api")
    assert len(made) == 1
    monkeypatch.setitem(PEERS, "npm-futu-api", replace(PEERS["npm-futu-api"], pins=("ws@8.0.0",)))
    ensure("npm-futu-api")
    assert len(made) == 2
    assert (folder / "npm-futu-api" / ".ready").read_text(encoding="utf-8") == made[1]


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("1", 1)])
@pytest.mark.usefixtures("folder")
def test_what_is_missing_is_reported_and_fails_only_in_ci(
    ci: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert peers.main(["java-futu-api"]) == status
    assert "peer java-futu-api is unavailable: mvn is not installed" in capsys.readouterr().err


def test_the_list_names_what_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PEERS)
    assert all(absent.name in shown for absent in ABSENT)
