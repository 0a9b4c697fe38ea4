"""The table of what trades, held to the schema."""

from __future__ import annotations

import pytest

from ftwire.protocols import registry
from ftwire_tools.messages.trading import HARMLESS, TRADING, trades

TRADING_REQUESTS = [entry for entry in registry if entry.name.startswith("Trd_") and not entry.is_push]


@pytest.mark.parametrize("entry", TRADING_REQUESTS, ids=lambda entry: entry.name)
def test_every_trading_request_of_the_schema_has_been_reviewed(entry: object) -> None:
    proto_id = entry.proto_id  # type: ignore[attr-defined]  # a Protocol
    assert (proto_id in TRADING) != (proto_id in HARMLESS)


def test_the_tables_name_the_protocols_by_their_names() -> None:
    for proto_id, text in TRADING.items():
        entry = registry.get(proto_id)
        if entry is not None:
            assert text.startswith(f"{entry.name}: ")
    assert {proto_id for proto_id in TRADING if proto_id not in registry} == {2209}  # retired before the schema's time
    assert all(registry[proto_id].name == name for proto_id, name in HARMLESS.items())


def test_whatever_has_a_packet_id_is_refused_or_only_asks() -> None:
    # Replay protection: the vendor gives it to what must not be done twice.
    protected = {
        entry.proto_id
        for entry in registry
        if entry.request is not None
        and (c2s := entry.request.DESCRIPTOR.fields_by_name.get("c2s")) is not None
        and c2s.message_type is not None
        and "packetID" in c2s.message_type.fields_by_name
    }
    assert {2202, 2205, 2227} <= protected
    assert protected <= set(TRADING)


@pytest.mark.parametrize("proto_id", [2005, 2202, 2205, 2209, 2227, 1008])
def test_what_trades_is_refused_with_a_reason(proto_id: int) -> None:
    assert trades(proto_id) == TRADING[proto_id]


@pytest.mark.parametrize("proto_id", [2000, 2203, 2999, 9999, 4_000_000_000])
def test_what_nobody_knows_is_refused(proto_id: int) -> None:
    assert "unknown" in (trades(proto_id) or "")


@pytest.mark.parametrize("proto_id", [1001, 1002, 2001, 2008, 2201, 3001, 3008, 3220])
def test_what_only_asks_is_not(proto_id: int) -> None:
    assert trades(proto_id) is None
