"""The table of sensitive fields: complete, without leftovers, and in agreement with what names suggest."""

import re
from typing import Any

from ftwire_tools.messages.masking import is_secret
from ftwire_tools.messages.sensitive_fields import AMOUNTS, PUBLIC, SENSITIVE, TRADING_PUBLIC, Category, category_of
from support.vendor_fields import vendor_fields

STRINGS = (9, 12)  # FieldDescriptor.TYPE_STRING, TYPE_BYTES
INTEGERS = (3, 4, 5, 6, 7, 13, 15, 16, 17, 18)
FLOATING = (1, 2)

IDENTIFIER = re.compile(r"(id|ids|idlist|no|key|seq)$", re.IGNORECASE)
# Numbers of things, not numbers that name one.
COUNTS = {"serverBuildNo"}

SUSPICIOUS = re.compile(
    r"(^acc(id|ount(id|no|num|$))|card|^user|login|order_?id|fillid|comboid|positionid|flowid|pwd|passw|secret|private|token|"
    r"aes|webkey|socketkey|nick|avatar|^remark|^note$|retmsg|errmsg|connid|clientid|device|ipaddr|^ip$|mac$|phone|"
    r"mail|session_?id|nextreqkey|nextkey|nextpage|^groupname)",
    re.IGNORECASE,
)


def reviewed(field: Any, *tables: Any) -> bool:
    return any(field.full_name in table or field.name in table for table in tables)


def test_every_string_is_classified() -> None:
    strings = [field for field in vendor_fields() if field.type in STRINGS]
    assert len(strings) > 700
    assert [field.full_name for field in strings if not reviewed(field, SENSITIVE, PUBLIC)] == []


def test_every_identifier_is_classified() -> None:
    found = [field for field in vendor_fields() if field.type in INTEGERS and IDENTIFIER.search(field.name)]
    assert len(found) > 70
    left = [field.full_name for field in found if not reviewed(field, SENSITIVE, PUBLIC, COUNTS)]
    assert left == []


def test_every_number_of_trading_is_classified() -> None:
    numbers = [field for field in vendor_fields() if field.type in FLOATING and field.full_name.startswith("Trd_")]
    assert len(numbers) > 100
    assert [field.full_name for field in numbers if not reviewed(field, AMOUNTS, TRADING_PUBLIC)] == []
    assert {category_of(field) for field in numbers} == {None, Category.AMOUNT}


def test_what_sounds_sensitive_is() -> None:
    exchange = {"Qot_Common.Broker.orderID", "Qot_Common.OrderBookDetail.orderID"}
    public = [
        field.full_name
        for field in vendor_fields()
        if SUSPICIOUS.search(field.name)
        and field.type in STRINGS + INTEGERS
        and category_of(field) is None
        and field.full_name not in exchange
        and field.name != "userAttribution"  # which kind of customer, of four
    ]
    assert public == []


def test_nothing_is_classified_twice_or_for_nothing() -> None:
    assert not set(SENSITIVE) & PUBLIC
    assert not AMOUNTS & TRADING_PUBLIC
    names = {field.name for field in vendor_fields()} | {field.full_name for field in vendor_fields()}
    assert {*SENSITIVE, *PUBLIC, *AMOUNTS, *TRADING_PUBLIC} - names == set()


def test_what_the_terminal_hides_is_what_opens_or_names() -> None:
    hidden = {field.full_name for field in vendor_fields() if is_secret(field)}
    assert "InitConnect.S2C.connAESKey" in hidden
    assert "Trd_UnlockTrade.C2S.pwdMD5" in hidden
    assert "Trd_Common.TrdHeader.accID" in hidden
    assert "Trd_Common.Order.orderID" not in hidden
    assert "Qot_Common.Security.code" not in hidden


def test_a_string_of_a_newer_schema_is_sensitive() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

    from ftwire.schema import Schema

    file = FileDescriptorProto(name="Trd_New.proto", package="Trd_New", syntax="proto2")
    message = file.message_type.add(name="C2S")
    message.field.add(name="somethingNew", number=1, type=9, label=1)
    message.field.add(name="anotherNumber", number=2, type=3, label=1)
    loaded = Schema.from_descriptor_set(FileDescriptorSet(file=[file]).SerializeToString())
    found: Any = loaded.message("Trd_New.C2S").DESCRIPTOR
    new, number = found.fields
    assert category_of(new) is Category.TEXT
    assert category_of(number) is None
