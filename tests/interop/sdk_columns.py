"""What the DataFrames of the vendor's Python SDK hold, learned by showing it messages with every field filled.

    PYTHONPATH=tests:. python -m interop.sdk_columns          compare ``sdk_columns.json`` with the SDK
    PYTHONPATH=tests:. python -m interop.sdk_columns --write  learn its words for the numbers of enums again

The SDK asks a gateway on loopback, which answers with the messages of ``probes``: lists of items in which each optional
field is absent now and then, each enum goes through all of its numbers, and no other value occurs twice.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.json_format import MessageToDict

from fixtures.scenario import ScenarioAnswer
from ftwire.protocols import registry
from ftwire_tools.export import tables
from ftwire_tools.messages.descriptors import is_repeated, is_required
from ftwire_tools.messages.enums import enum_names
from interop.peers import ensure, environment, python
from support.captures import answered, asked, pcap, session
from support.scripted_gateway import serving

__all__ = ["CALLS", "differences", "exported", "frames_of_sdk", "learned_words", "probes"]

FACTS = Path(__file__).parents[2] / "tools/ftwire_tools/export/sdk_columns.json"
CLIENT = Path(__file__).parent / "clients/sdk_tables.py"
ITEMS = 80
ORDER_BOOK = "get_order_book"

CALLS = {
    "get_rt_data": ("Qot_GetRT", "time_share"),
    "get_rt_ticker": ("Qot_GetTicker", "ticker"),
    "get_cur_kline": ("Qot_GetKL", "kline"),
    "request_history_kline": ("Qot_RequestHistoryKL", "kline"),
    "get_stock_quote": ("Qot_GetBasicQot", "basic_quote"),
    "get_market_snapshot": ("Qot_GetSecuritySnapshot", "snapshot"),
    "get_broker_queue: bid": ("Qot_GetBroker", "broker_queue_bid"),
    "get_broker_queue: ask": ("Qot_GetBroker", "broker_queue_ask"),
    ORDER_BOOK: ("Qot_GetOrderBook", "order_book"),
    "accinfo_query": ("Trd_GetFunds", "trd_get_funds"),
    "position_list_query": ("Trd_GetPositionList", "positions"),
    "order_list_query": ("Trd_GetOrderList", "orders"),
    "history_order_list_query": ("Trd_GetHistoryOrderList", "orders"),
    "deal_list_query": ("Trd_GetOrderFillList", "fills"),
    "history_deal_list_query": ("Trd_GetHistoryOrderFillList", "fills"),
}
"""What ``clients/sdk_tables.py`` calls, to the protocol that it asks with and our table."""

ONLY_PUSHED = {
    "ticker": {"push_data_type"},
    "kline": {"k_type", "change_rate"},
    "orders": {"trd_env", "trd_market"},
    "fills": {"trd_env", "trd_market"},
}
"""Columns that only some of a table's DataFrames have: those of pushes, and of a history of K-lines."""

ONLY_HERE = {
    "listing_date",
    "mortgage_ratio",
    "long_margin_initial_ratio",
    "short_sell_rate",
    "short_available_volume",
    "short_margin_initial_ratio",
}
"""Columns whose values the SDK leaves out for options, and where neither margin nor short selling is allowed."""

UNNAMED_ENUMS = ("inLinePriceStatus", "strategyType", "jpAccType")
"""Fields whose numbers have names in the SDK and not in the schema: small numbers are tried."""

TYPED = {"warrantExData": 5, "optionExData": 8, "futureExData": 10, "indexExData": 6, "plateExData": 7}
"""Parts of a snapshot that only a security of this type has (``Qot_Common.SecurityType``)."""


class Filler:
    """Fills messages."""

    def __init__(self) -> None:
        self._random = random.Random(20240102)  # noqa: S311 - the same probes every time
        self._numbers: dict[str, int] = {}
        self.is_whole = False
        """No field is left out."""

    def fill(self, message: Any, items: int) -> Any:
        """Fill a message; each list in it gets so many items, and lists in these three."""
        for field in message.DESCRIPTOR.fields:
            name, inner = field.name, field.message_type
            if name == "nextReqKey" or name in TYPED:
                continue  # with a key for more, the SDK asks for ever
            is_left_out = self._random.random() < 0.2 and not self.is_whole
            if is_left_out and not is_required(field) and not is_repeated(field):
                continue
            if message.DESCRIPTOR.full_name == "Qot_Common.Security" and name == "market":
                message.market = 11
            elif name == "security":
                message.security.market, message.security.code = 1, "00700"
            elif inner is not None and is_repeated(field):
                for _ in range(items):
                    self.fill(getattr(message, name).add(), 3)
            elif inner is not None:
                self.fill(getattr(message, name), 3)
            elif is_repeated(field):
                getattr(message, name).extend(self._value(field) for _ in range(2))
            else:
                setattr(message, name, self._value(field))
        return message

    def _value(self, field: Any) -> Any:
        names = enum_names(field) or (dict.fromkeys(range(-1, 24)) if field.name in UNNAMED_ENUMS else None)
        if names is not None:
            numbers = sorted(names)
            at = self._numbers[field.full_name] = self._numbers.get(field.full_name, -1) + 1
            return numbers[at % len(numbers)]
        number = self._random.randrange(1, 1 << 31)
        if field.cpp_type == field.CPPTYPE_BOOL:
            return number % 2 == 0
        if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
            return number / 1024
        if field.cpp_type != field.CPPTYPE_STRING:
            return number
        text = f"2024-01-{number % 28 + 1:02} 09:30:{number % 60:02}" if "ime" in field.name else f"text{number}"
        return text.encode() if field.type == field.TYPE_BYTES else text


def probes() -> dict[str, Any]:
    """Return a response for each protocol of ``CALLS``."""
    filler, found = Filler(), dict[str, Any]()
    for name in dict.fromkeys(protocol for protocol, _ in CALLS.values()):
        response: Any = registry[name].response()
        found[name] = response
        response.retType = 0
        # The SDK gives an item of a history that lacks a field the value of the item before it. Funds are one item.
        filler.is_whole = name in ("Qot_RequestHistoryKL", "Trd_GetFunds")
        filler.fill(response.s2c, 10 if name == "Qot_GetOrderBook" else ITEMS)
        if name.startswith("Qot") and "name" in response.s2c.DESCRIPTOR.fields_by_name:
            response.s2c.name = "NAME"
        if name == "Qot_GetSecuritySnapshot":
            for at, item in enumerate(response.s2c.snapshotList):
                for part, kind in TYPED.items():
                    if at % len(TYPED) == list(TYPED).index(part):
                        item.basic.type = kind
                        filler.fill(getattr(item, part), 3)
        if name == "Qot_RequestHistoryKL":
            for item in response.s2c.klList:
                item.isBlank = False  # the SDK leaves blank ones out
        if name == "Trd_GetFunds":
            del response.s2c.funds.cashInfoList[:], response.s2c.funds.marketInfoList[:]
            filler.fill(response.s2c.funds, ITEMS)
        for item in getattr(response.s2c, "orderList", ()) or getattr(response.s2c, "orderFillList", ()):
            item.secMarket = 1
        for item in getattr(response.s2c, "positionList", ()):
            item.secMarket = 1
    return found


def frames_of_sdk(peer: str, responses: Mapping[str, Any]) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Return columns and rows of what the SDK makes of these responses, by call."""
    answers = {name: ScenarioAnswer(MessageToDict(response.s2c)) for name, response in responses.items()}
    with serving(answers=answers) as gateway:
        done = subprocess.run(
            [str(python(peer)), str(CLIENT), "--package", ensure(peer).module, "--port", str(gateway.port)],
            env=environment(peer),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = {}
    for line in map(json.loads, done.stdout.splitlines()):
        if "columns" in line:
            found[line["call"]] = line["columns"], line["rows"]
        elif "book" in line:
            found[line["call"]] = _book_rows(line["book"])
    return found


def _book_rows(book: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Return an order book, which the SDK returns as a dictionary, as rows."""
    outer = ["code", "name", "svr_recv_time_bid", "svr_recv_time_ask"]
    rows = [
        [*(book[name] or None for name in outer), side.lower(), *level[:3]]
        for side in ("Ask", "Bid")
        for level in book[side]
    ]
    return [*outer, "side", "price", "volume", "order_num"], rows


def exported(responses: Mapping[str, Any], *, columns: str = "sdk") -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the rows of these responses, captured together with their requests, by protocol and table."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with TemporaryDirectory() as folder:
        for name, response in responses.items():
            entry = registry[name]
            request: Any = entry.request()  # type: ignore[misc]  # every protocol here has one
            if "klType" in request.c2s.DESCRIPTOR.fields_by_name:
                request.c2s.klType = 2
            said = [
                *session()[:2],
                asked(entry.proto_id, 2, request.SerializePartialToString()),
                answered(entry.proto_id, 2, response),
            ]
            path = Path(folder) / f"{name}.pcap"
            path.write_bytes(pcap(said))
            for table, batch in tables([str(path)], columns=columns, show_secrets=True):
                if columns == "sdk" and "time" in batch.schema.names and "conversation" in batch.schema.names:
                    continue  # no table of the SDK
                if table.startswith("kline_"):
                    table = "kline"  # ours have one a period and adjustment
                found.setdefault((name, table), []).extend(_plain(batch))
    return found


def _plain(batch: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def differences(
    frames: Mapping[str, tuple[list[str], list[list[Any]]]], ours: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> Iterator[str]:
    """Say where the SDK's DataFrames and our rows differ, in columns or in values."""
    for call, (protocol, table) in CALLS.items():
        columns, theirs = frames[call]
        rows = ours[protocol, table]
        missing = [name for name in rows[0] if name not in {*columns, "market", "date"}]
        if set(missing) - ONLY_PUSHED.get(table, set()):
            yield f"{call}: we have columns that the SDK has not: {missing}"
        if set(columns) - set(rows[0]):
            yield f"{call}: the SDK has columns that we have not: {sorted(set(columns) - set(rows[0]))}"
        if len(rows) != len(theirs):
            yield f"{call}: {len(theirs)} rows, ours are {len(rows)}"
            continue
        for at, name in enumerate(columns):
            pairs = [(row[at], mine.get(name)) for row, mine in zip(theirs, rows, strict=True)]
            unlike = [pair for pair in pairs if not _alike(name, *pair)]
            if unlike:
                yield f"{call}: {name}: {len(unlike)} of {len(pairs)} differ, the SDK's and ours: {unlike[:3]}"
            if any(value for value, _ in pairs) and all(value is None for _, value in pairs):
                yield f"{call}: {name}: always null here, and never there: {pairs[:3]}"


def _alike(name: str, theirs: Any, ours: Any) -> bool:
    if ours is None:
        # The SDK gives protobuf's default for some fields that were not sent, and "" or "N/A" for others.
        return not theirs
    if theirs is None:
        return name in ONLY_HERE
    if name == "combo_legs":
        return len(theirs) == len(ours)  # objects of a class of the SDK's
    if isinstance(ours, float) and isinstance(theirs, float):
        return bool(theirs == ours) or abs(theirs - ours) <= 1e-9 * abs(ours)
    return bool(theirs == ours)


def learned_words(
    frames: Mapping[str, tuple[list[str], list[list[Any]]]], ours: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> dict[str, dict[str, str]]:
    """Return the SDK's words for the numbers of enums: ``ours`` has the rows with ``--columns all``."""
    facts = json.loads(FACTS.read_text())["tables"]
    words: dict[str, dict[int, str]] = {}
    for call, (protocol, table) in CALLS.items():
        columns, theirs = frames[call]
        spec = facts[table]
        rows = [row for row in ours[protocol, spec["from"]] if spec.get("side") in (None, row.get("side"))]
        for at, name in enumerate(columns):
            found = re.fullmatch(r"(\w+):(\w+)", spec["columns"].get(name, ""))
            if found is None:
                continue
            known = words.setdefault(found[2], {})
            for row, mine in zip(theirs, rows, strict=True):
                number, word = mine[found[1]], row[at]
                if number is not None and word is not None:
                    assert known.setdefault(number, word) == word, (call, name, number, word)
    words |= _words_by_class()
    return {enum: {str(number): known[number] for number in sorted(known)} for enum, known in sorted(words.items())}


def _words_by_class() -> dict[str, dict[int, str]]:
    """Return the words of enums that pushes alone have, or a message once."""
    enums = "KLType", "PushDataType", "CltRiskLevel", "CltRiskStatus", "DTStatus", "ExposureLevel", "TrdEnv"
    program = (
        "import os; out = os.dup(1); os.dup2(2, 1); import futu, json;"
        f"found = {{e: {{n: getattr(futu, e).to_string2(n) for n in range(64)}} for e in {enums}}};"
        "os.write(out, json.dumps(found).encode()); os._exit(0)"
    )
    done = subprocess.run(
        [str(python(NEWEST)), "-c", program], env=environment(NEWEST), capture_output=True, text=True, check=True
    )
    return {
        enum: {int(number): word for number, word in words.items() if word not in (None, "N/A")}
        for enum, words in json.loads(done.stdout).items()
    }


NEWEST = "futu-api-10.11"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the words learned to sdk_columns.json")
    options = parser.parse_args()
    ensure(NEWEST)
    responses = probes()
    frames = frames_of_sdk(NEWEST, responses)
    if options.write:
        facts = json.loads(FACTS.read_text())
        facts["words"] = learned_words(frames, exported(responses, columns="all"))
        FACTS.write_text(json.dumps(facts, indent=1) + "\n")
        return 0
    found = list(differences(frames, exported(responses)))
    print("\n".join(found) or "no difference")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
