from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, MessageToJson, Parse
from google.protobuf.message import Message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftwire.body import decode_body, encode_body, find_fault, missing_fields, to_dict, to_json
from ftwire.errors import BodyError
from ftwire.messages import Common, InitConnect, Qot_Common, Qot_GetRT, Qot_UpdateRT, TestCmd
from ftwire.protocols import registry
from ftwire.schema import Schema
from ftwire.strategies import messages

PROTOBUF, JSON = 0, 1

CLASSES = [
    message_class
    for entry in registry
    for message_class in (entry.request, entry.response)
    if message_class is not None
]
ANY_CLASS = st.sampled_from(CLASSES)
ANY_MESSAGE = ANY_CLASS.flatmap(messages)


def reply() -> Qot_GetRT.Response:
    message = Qot_GetRT.Response(retType=0)
    message.s2c.security.market = Qot_Common.QotMarket_HK_Security
    message.s2c.security.code = "00700"
    message.s2c.rtList.add(
        time="2021-06-09 09:30:00", minute=570, isBlank=False, price=600, lastClosePrice=601, avgPrice=600,
        volume=255100, turnover=153060000, timestamp=1623202200,
    )  # fmt: skip
    return message


@pytest.mark.parametrize("message_class", CLASSES, ids=lambda cls: cls.DESCRIPTOR.full_name)
@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_class_survives_both_formats_and_renders_as_protobuf_does(
    message_class: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(message_class))
    raw = encode_body(message)
    assert encode_body(decode_body(raw, message_class)) == raw
    text = encode_body(message, JSON)
    again = decode_body(text, message_class, JSON)
    assert encode_body(again, JSON) == text
    assert text.decode() == MessageToJson(message, indent=None)
    # repr: a NaN is not equal to itself.
    assert repr(to_dict(message)) == repr(MessageToDict(message, preserving_proto_field_name=True))
    assert repr(to_dict(message, lower_camel=True)) == repr(MessageToDict(message))
    assert to_json(message) == MessageToJson(message, preserving_proto_field_name=True, indent=None)
    assert to_json(message, indent=2) == MessageToJson(message, preserving_proto_field_name=True)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_MESSAGE)
def test_json_is_read_as_protobuf_reads_it(message: Message) -> None:
    text = MessageToJson(message, preserving_proto_field_name=True)
    ours = decode_body(text.encode(), type(message), JSON)
    assert ours.SerializeToString() == Parse(text, type(message)()).SerializeToString()


@given(message_class=ANY_CLASS, body=st.binary(max_size=200))
@example(message_class=TestCmd.Request, body=b"\x0b" * 5000)
@example(message_class=TestCmd.Request, body=b"\x0b" * 99 + b"\x0c" * 99)
def test_arbitrary_bytes_give_a_message_or_a_body_error_with_a_place(message_class: type[Message], body: bytes) -> None:
    try:
        decode_body(body, message_class, check_required=False)
        assert find_fault(body, message_class.DESCRIPTOR) is None
    except BodyError as error:
        assert error.body == body
        assert error.offset is not None
        assert 0 <= error.offset <= len(body)
        assert error.message == message_class.DESCRIPTOR.full_name


@given(message=ANY_MESSAGE, data=st.data())
def test_a_damaged_body_gives_a_message_or_a_body_error_with_a_place(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode_body(message))
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        decode_body(cut, type(message), check_required=False)
        assert find_fault(cut, message.DESCRIPTOR) is None
    except BodyError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(cut)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["retType", "s2c", "security", "rtList", "code", "x"]), inner)
    ),
    max_leaves=10,
)


@given(JSON_VALUES.map(json.dumps) | st.text(max_size=40))
@example("[" * 100_000)
@example('{"s2c":' * 100_000)
@example('{"retType": ' + "9" * 5000 + "}")
@example('{"retType": NaN}')
@example('{"retMsg": "\\ud800"}')
def test_arbitrary_json_gives_a_message_or_a_body_error(text: str) -> None:
    try:
        decode_body(text.encode(errors="surrogatepass"), Qot_GetRT.Response, JSON)
    except BodyError as error:
        assert error.offset is None or 0 <= error.offset <= len(text)


@pytest.mark.parametrize(
    ("body", "offset", "reason"),
    [
        ("0800 2205 0a03 0801", 2, "Qot_GetRT.Response.s2c: takes 5 bytes, 4 are left"),
        ("0800 2206 0a04 0801 12ff", 8, "Qot_GetRT.Response.s2c.security.code: its length"),
        ("0800 2206 0a04 0801 1205", 8, "Qot_GetRT.Response.s2c.security.code: takes 5 bytes, 0 are left"),
        ("08ff", 0, "Qot_GetRT.Response.retType: a number does not end"),
        ("0800 ff", 2, "the tag of a field"),
        ("0800 02", 2, "number 0"),
        ("0800 1f", 2, "Qot_GetRT.Response.errCode: there is no wire type 7"),
        ("0800 0c", 2, "field 1 ends a group"),
        ("0800 f306", 4, "the group does not end"),
    ],
)
def test_a_body_that_does_not_parse_says_where(body: str, offset: int, reason: str) -> None:
    raw = bytes.fromhex(body)
    with pytest.raises(BodyError) as caught:
        decode_body(raw, Qot_GetRT.Response)
    assert caught.value.offset == offset
    assert reason in caught.value.reason
    assert caught.value.body == raw


@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        ("", 0, "no JSON"),
        ("\ufeff{}", 0, "no JSON"),
        # From Python 3.13 on the comma is pointed at, before that what follows it.
        ('{"retType": 0,}', 13 if sys.version_info >= (3, 13) else 14, "no JSON"),
        ("[]", 0, "the body: an object is expected, here is a list"),
        ('{"retType": "x"}', 12, 'retType: an integer is expected, here is the string "x"'),
        ('{"retType": 2147483648}', 12, "is not between -2147483648 and 2147483647"),
        ('{"retType": true}', 12, "here is true"),
        ('{"retType": 0.5}', 12, "here is the number 0.5"),
        ('{"retType": 0, "s2c": {"rtList": [{}, {"price": "dear"}]}}', 48, "s2c.rtList[1].price: a number"),
        ('{"s2c": 1, "s2c": {"name": 5}}', 27, "s2c.name: a string is expected"),
        ('{"s2c": {"rtList": {}}}', 19, "s2c.rtList: a list is expected"),
        ('{"s2c": {"rtList": [{"price": NaN}]}}', 30, "no number that fits"),
        ('{"s2c": {"rtList": [{"price": 1e999}]}}', 30, "no number that fits"),
        ('{"retMsg": "\\ud800"}', 11, "half a surrogate pair"),
        ('{"retType": ' + "1" * 5000 + "}", 12, "more than 4300 digits"),
    ],
)
def test_json_that_does_not_fit_says_where(text: str, offset: int, reason: str) -> None:
    with pytest.raises(BodyError) as caught:
        decode_body(text.encode(), Qot_GetRT.Response, JSON)
    assert caught.value.offset == offset
    assert reason in caught.value.reason


def test_json_that_is_not_utf8_says_at_which_character() -> None:
    with pytest.raises(BodyError, match="byte 14 is not UTF-8") as caught:
        decode_body('{"retMsg": "é'.encode() + b"\xff", Qot_GetRT.Response, JSON)
    assert caught.value.offset == 13


def test_missing_required_fields_are_named() -> None:
    message = reply()
    message.s2c.rtList.add(time="2021-06-09 09:31:00", minute=571)
    assert missing_fields(message) == ["s2c.rtList[1].isBlank"]
    for body_format, body in (
        (PROTOBUF, message.SerializePartialToString()),
        (JSON, to_json(message).encode()),
    ):
        with pytest.raises(BodyError, match=r"s2c\.rtList\[1\]\.isBlank"):
            decode_body(body, Qot_GetRT.Response, body_format)
        assert decode_body(body, Qot_GetRT.Response, body_format, check_required=False) == message
        with pytest.raises(BodyError, match=r"s2c\.rtList\[1\]\.isBlank"):
            encode_body(message, body_format)


def test_an_absent_return_code_is_not_success() -> None:
    message = decode_body(b"", Qot_GetRT.Response, check_required=False)
    assert message.retType == Common.RetType_Unknown == -400


def test_unknown_protobuf_fields_are_written_again() -> None:
    raw = reply().SerializeToString() + bytes.fromhex("a23f03616263")
    assert encode_body(decode_body(raw, Qot_GetRT.Response)) == raw


def test_unknown_json_members_and_nulls_are_passed_over() -> None:
    text = '{"retType": 0, "new": {"deep": [1]}, "retMsg": null, "s2c": null}'
    message = decode_body(text.encode(), Qot_GetRT.Response, JSON)
    assert to_dict(message) == {"retType": 0}


@pytest.mark.parametrize("value", [0, 1, 2**53 + 1, 2**63, 2**64 - 1])
def test_64_bit_integers_are_exact_as_strings_and_as_numbers(value: int) -> None:
    for text in (f'{{"serverTime": "0", "connID": "{value}"}}', f'{{"serverTime": 0, "connID": {value}}}'):
        message = decode_body(text.encode(), InitConnect.S2C, JSON, check_required=False)
        assert message.connID == value
        assert to_dict(message)["connID"] == str(value)


def test_a_published_reply_of_the_java_client_is_read() -> None:
    text = """{"time": "2021-06-24 09:30:00", "minute": 570, "isBlank": false, "price": 584.0,
        "lastClosePrice": 582.5, "avgPrice": 584.0, "volume": "431600", "turnover": 2.520544E8,
        "timestamp": 1.6244982E9}"""
    point = decode_body(text.encode(), Qot_Common.TimeShare, JSON)
    assert (point.volume, point.turnover, point.timestamp) == (431600, 252054400.0, 1624498200.0)


def test_a_string_that_is_not_utf8_is_shown_not_refused() -> None:
    message = decode_body(bytes.fromhex("08001202fffe"), Qot_GetRT.Response)
    assert to_dict(message) == {"retType": 0, "retMsg": "b'\\xff\\xfe'"}
    assert json.loads(to_json(message)) == to_dict(message)
    assert encode_body(message) == bytes.fromhex("08001202fffe")


@pytest.mark.parametrize("body_format", [2, -1, 255])
def test_a_format_that_is_none_is_refused(body_format: int) -> None:
    with pytest.raises(BodyError, match="neither 0"):
        decode_body(b"", Qot_GetRT.Response, body_format)
    with pytest.raises(BodyError, match="neither 0"):
        encode_body(reply(), body_format)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_buffer_is_a_body(wrap: Any) -> None:
    for body_format in (PROTOBUF, JSON):
        raw = encode_body(reply(), body_format)
        assert decode_body(wrap(raw), Qot_GetRT.Response, body_format) == reply()
    with pytest.raises(BodyError) as caught:
        decode_body(wrap(b"\x08"), Qot_UpdateRT.Response)
    assert caught.value.body == b"\x08"


def test_messages_of_a_schema_with_maps_recursion_and_floats() -> None:
    from google.protobuf import descriptor_pb2

    everything = descriptor_pb2.FileDescriptorSet()
    file = everything.file.add(name="Odd.proto", package="Odd")
    node = file.message_type.add(name="Response")
    node.field.add(name="in", number=1, type=11, label=1, type_name=".Odd.Response")
    node.field.add(name="short", number=2, type=2, label=3)
    node.field.add(name="when", number=3, type=14, label=1, type_name=".Odd.When")
    node.field.add(name="counts", number=4, type=11, label=3, type_name=".Odd.Response.CountsEntry")
    entry = node.nested_type.add(name="CountsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=5, label=1)
    leaf = file.message_type.add(name="Leaf")
    leaf.field.add(name="in", number=1, type=11, label=1, type_name=".Odd.Leaf")
    leaf.field.add(name="short", number=2, type=2, label=3)
    file.enum_type.add(name="When").value.add(name="now", number=0)
    schema = Schema.from_descriptor_set(everything.SerializeToString(), {9000: "Odd"})
    for name in ("Odd.Response", "Odd.Leaf"):
        message_class: Any = schema.message(name)
        message = message_class(short=[0.9, math.inf, -math.inf, math.nan, 3.4028234663852886e38, 1e-45])
        inner = getattr(message, "in")
        inner.short.append(0.1)
        if name == "Odd.Response":
            message.counts["a"] = 1
        assert repr(to_dict(message)) == repr(MessageToDict(message, preserving_proto_field_name=True))
        assert to_json(message) == MessageToJson(message, preserving_proto_field_name=True, indent=None)


def test_half_a_surrogate_pair_is_no_name_of_an_enumeration() -> None:
    body = json.dumps({"retType": 0, "s2c": {"programStatus": {"type": "\ud83d"}}}).encode()
    message_class: Any = registry[1002].response
    message = decode_body(body, message_class, JSON, check_required=False)
    assert not message.s2c.programStatus.HasField("type")
