from __future__ import annotations

import json

import pytest

from ftwire.errors import UnknownProtocolError
from ftwire.protocols import Registry, registry
from support.places import ROOT

HISTORY = ROOT / "proto" / "history.json"

PUSHES = {1003, 2207, 2208, 2218, 3005, 3007, 3009, 3011, 3013, 3015, 3017, 3019}
PUSHES |= {3261, 3310, 3450, 3451, 3452}


def releases() -> dict[str, dict[int, str]]:
    """Every SDK release with the IDs it lists, from the changes that history.json keeps."""
    found = {}
    current: dict[int, str] = {}
    for version, change in json.loads(HISTORY.read_text()).items():
        for proto_id in change.get("removed", {}):
            del current[int(proto_id)]
        current.update((int(proto_id), name) for proto_id, name in change.get("added", {}).items())
        found[version] = dict(current)
    return found


def test_the_protocol_everything_is_first_proved_on() -> None:
    entry = registry[3008]
    assert entry is registry["Qot_GetRT"]
    assert (entry.proto_id, entry.name, entry.file) == (3008, "Qot_GetRT", "Qot_GetRT.proto")
    assert entry.request is not None
    assert entry.request.DESCRIPTOR.full_name == entry.request_name == "Qot_GetRT.Request"
    assert entry.response.DESCRIPTOR.full_name == entry.response_name == "Qot_GetRT.Response"
    assert not entry.is_push
    assert not entry.is_retired


@pytest.mark.parametrize("version", releases())
def test_every_id_of_every_release_resolves_by_number_and_by_the_name_it_had(version: str) -> None:
    for proto_id, name in releases()[version].items():
        entry = registry[proto_id]
        assert registry[name] is entry
        assert name in (entry.name, *entry.former_names)
        assert entry.response.DESCRIPTOR.full_name == entry.response_name
        if entry.request is not None:
            assert entry.request.DESCRIPTOR.full_name == entry.request_name


def test_pushes_are_those_of_the_facts_and_have_no_request() -> None:
    assert {entry.proto_id for entry in registry if entry.is_push} == PUSHES
    assert all((entry.request is None) == entry.is_push for entry in registry)


def test_retired_protocols_say_until_when() -> None:
    retired = {entry.proto_id: entry.last for entry in registry if entry.is_retired}
    assert retired == {
        3016: "5.4.1608",
        3017: "5.4.1608",
        3100: "3.20.0",
        3101: "3.20.0",
        3102: "3.20.0",
        3200: "5.4.1608",
    }


def test_a_renamed_protocol_answers_to_both_names() -> None:
    assert registry["Trd_GetAccTradingInfo"] is registry[2111] is registry["Trd_GetMaxTrdQtys"]
    assert registry[3210].name == "Qot_GetWarrant"
    assert registry[3210].former_names == ("Qot_GetWarrantData",)


def test_one_file_may_hold_several_protocols() -> None:
    assert {registry[proto_id].file for proto_id in (3801, 3802, 3803)} == {"SkillWrapAPI.proto"}
    assert registry[3802].request_name == "SkillWrapAPI.FinancialUnusualReq"


def test_init_web_socket_is_no_frame() -> None:
    assert registry[1].name == "InitWebSocket"
    assert [entry.proto_id for entry in registry if entry.is_websocket_only] == [1]


@pytest.mark.parametrize("key", [0, 2, 3999, 2**32 - 1, -1, "", "qot_getrt", "Qot_Common"])
def test_an_unknown_key_is_a_key_error_that_names_it(key: int | str) -> None:
    assert key not in registry
    assert registry.get(key) is None
    with pytest.raises(UnknownProtocolError) as caught:
        registry[key]
    assert isinstance(caught.value, KeyError)
    assert caught.value.key == key


def test_every_id_is_found_after_one_that_is_unknown() -> None:
    fresh = Registry()
    assert [proto_id for proto_id in range(-1, 5000) if proto_id in fresh] == list(registry.ids)


def test_class_lookups_give_none_for_what_has_no_class_and_do_not_grow() -> None:
    fresh = Registry()
    assert fresh.responses[3008] is fresh.message_class(3008, is_request=False) is registry[3008].response
    assert fresh.requests[3009] is None
    assert [fresh.responses[proto_id] for proto_id in range(5000, 6000)] == [None] * 1000
    assert len(fresh.responses) == 1


def test_iteration_is_by_id_and_finding_by_glob() -> None:
    assert [entry.proto_id for entry in registry] == sorted(registry.ids)
    assert len(registry) == len(registry.names) == len(set(registry.names))
    assert {entry.proto_id for entry in registry.find("qot_update?t")} == {3009}
    assert [entry.proto_id for entry in registry.find("*AccTradingInfo")] == [2111]
    assert None not in registry
