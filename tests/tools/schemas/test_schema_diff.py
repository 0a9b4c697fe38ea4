"""What is called a change, and what is called breaking, against what protobuf itself makes of the bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.schemas.schema_diff import NEW_TO_OLD, OLD_TO_NEW, Change, compare

BOTH = (OLD_TO_NEW, NEW_TO_OLD)
OPTIONAL, REQUIRED, REPEATED = 1, 2, 3
MESSAGE, ENUM = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM
SCALARS = sorted(set(FieldDescriptorProto.Type.values()) - {MESSAGE, ENUM, FieldDescriptorProto.TYPE_GROUP})


@dataclass(frozen=True)
class Field:
    """A field of a model schema; ``ident`` says what it is whatever it is called and numbered."""

    ident: int
    name: str
    number: int
    label: int
    type: int
    type_name: str = ""


@dataclass(frozen=True)
class Model:
    """A schema of one message ``M``, one that it holds and one enum, as data that is easily changed."""

    fields: tuple[Field, ...]
    inner: tuple[Field, ...]
    values: tuple[tuple[int, str, int], ...]
    """Ident, name, number of each value of ``E``."""
    others: tuple[tuple[int, str, int], ...] = ((0, "F_a", 0), (1, "F_b", 1), (2, "F_c", 7))
    """The same of ``F``, which never changes."""

    def file(self) -> FileDescriptorProto:
        found = FileDescriptorProto(name="P.proto", package="P")
        for name, fields in (("M", self.fields), ("I", self.inner), ("J", SAME)):
            message = found.message_type.add(name=name)
            for one in fields:
                kind = f".P.{one.type_name}" if one.type_name else None
                message.field.add(name=one.name, number=one.number, label=one.label, type=one.type, type_name=kind)
        for name, values in (("E", self.values), ("F", self.others)):
            enum = found.enum_type.add(name=name)
            for _, value, number in values:
                enum.value.add(name=value, number=number)
        return found

    def message_class(self) -> Any:
        pool = DescriptorPool()
        pool.Add(self.file())
        return GetMessageClass(pool.FindMessageTypeByName("P.M"))


SAME = (Field(0, "x", 1, OPTIONAL, 5), Field(1, "y", 2, OPTIONAL, 9))


def fields_of(draw: st.DrawFn, kinds: Sequence[tuple[int, str]], count: int) -> tuple[Field, ...]:
    numbers = draw(st.lists(st.integers(1, 40), min_size=count, max_size=count, unique=True))
    labels = st.sampled_from([OPTIONAL, REQUIRED, REPEATED])
    return tuple(
        Field(ident, f"f{ident}", number, draw(labels), *draw(st.sampled_from(kinds)))
        for ident, number in enumerate(numbers)
    )  # fmt: skip


PLAIN = [(kind, "") for kind in SCALARS] + [(ENUM, "E"), (ENUM, "F")]
FULL = [*PLAIN, (MESSAGE, "I"), (MESSAGE, "J")]


@st.composite
def models(draw: st.DrawFn) -> Model:
    extra = draw(st.lists(st.integers(-3, 9).filter(bool), min_size=1, max_size=3, unique=True))
    values = tuple((ident, f"E_{ident}", number) for ident, number in enumerate([0, *extra]))
    return Model(
        fields_of(draw, FULL, draw(st.integers(1, 3))), fields_of(draw, PLAIN, draw(st.integers(1, 2))), values
    )


@st.composite
def changed(draw: st.DrawFn, model: Model) -> Model:
    """A model with one thing changed."""
    what = draw(st.sampled_from(["add", "remove", "name", "number", "label", "type", "value"]))
    if what == "value":
        kind = draw(st.sampled_from(["add", "remove", "name", "number"]))
        place = draw(st.integers(1, len(model.values) - 1))
        ident, name, number = model.values[place]
        taken = {value[2] for value in model.values}
        values = list(model.values)
        if kind == "add":
            values.append((99, "E_new", draw(st.integers(-3, 12).filter(lambda n: n not in taken))))
        elif kind == "remove":
            del values[place]
        elif kind == "name":
            values[place] = (ident, "E_renamed", number)
        else:
            values[place] = (ident, name, draw(st.integers(-3, 12).filter(lambda n: n not in taken)))
        return replace(model, values=tuple(values))
    where, kinds = draw(st.sampled_from([("fields", FULL), ("inner", PLAIN)]))
    fields = list(getattr(model, where))
    place = draw(st.integers(0, len(fields) - 1))
    one = fields[place]
    free = draw(st.integers(1, 60).filter(lambda n: n not in {each.number for each in fields}))
    if what == "add":
        fields.append(Field(99, "added", free, draw(st.sampled_from([1, 2, 3])), *draw(st.sampled_from(kinds))))
    elif what == "remove":
        del fields[place]
    elif what == "name":
        fields[place] = replace(one, name="renamed")
    elif what == "number":
        fields[place] = replace(one, number=free)
    elif what == "label":
        label = draw(st.sampled_from([each for each in (1, 2, 3) if each != one.label]))
        fields[place] = replace(one, label=label)
    else:
        number, name = draw(st.sampled_from([each for each in kinds if each != (one.type, one.type_name)]))
        fields[place] = replace(one, type=number, type_name=name)
    return replace(model, **{where: tuple(fields)})


def content(
    message: Any, fields: tuple[Field, ...], model: Model, other: Model, peers: tuple[Field, ...], *, by_name: bool
) -> Any:
    """What a message says in fields that both sides have, by ident; enum values by ident, unknown ones left out."""
    known = {each.ident: each for each in peers}
    return {
        one.ident: [
            plain
            for item in items_of(message, one)
            for plain in plain_values(item, one, known[one.ident], model, other, by_name=by_name)
        ]
        for one in fields
        if one.ident in known
    }


def items_of(message: Any, one: Field) -> list[Any]:
    if one.label == REPEATED:
        return list(getattr(message, one.name))
    return [getattr(message, one.name)] if message.HasField(one.name) else []


def plain_values(item: Any, one: Field, peer: Field, model: Model, other: Model, *, by_name: bool) -> Iterator[Any]:
    if one.type == MESSAGE and one.type_name == peer.type_name:
        fields = model.inner if one.type_name == "I" else SAME
        yield content(item, fields, model, other, other.inner if one.type_name == "I" else SAME, by_name=by_name)
    elif one.type == MESSAGE:
        # Another message altogether: all of it has to arrive.
        yield {
            each.name if by_name else each.number: list(value) if is_repeated(each) else [value]
            for each, value in item.ListFields()
        }
    elif one.type == ENUM and (peer.type, peer.type_name) == (one.type, one.type_name):
        values = {number: ident for ident, _, number in (model.values if one.type_name == "E" else model.others)}
        theirs = {ident for ident, _, _ in (other.values if one.type_name == "E" else other.others)}
        if values[item] in theirs:
            yield values[item]
    elif isinstance(item, float) and math.isnan(item):
        yield "nan"
    elif isinstance(item, str):
        yield item.encode()
    elif isinstance(item, bytes) and one.type == FieldDescriptorProto.TYPE_STRING:
        yield "no text"
    else:
        yield item


INTEGERS = [0, 1, 2, -1, 7, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1]


def samples(one: Field, model: Model) -> list[Any]:
    """Values of a field, the ends of its range among them."""
    if one.type == ENUM:
        return [number for _, _, number in (model.values if one.type_name == "E" else model.others)]
    if one.type in (1, 2):
        return [0.0, 1.0, -0.5, 0.1, 1e30, math.inf, math.nan]
    if one.type == 8:
        return [False, True]
    if one.type == 9:
        return ["", "abcd", "\u00e9", "7"]
    if one.type == 12:
        return [b"", b"abcd", b"\xff\xfe", b"7"]
    if one.type in (3, 5, 15, 16, 17, 18):
        bits = 64 if one.type in (3, 16, 18) else 32
        return [number for number in INTEGERS if -(1 << bits - 1) <= number < 1 << bits - 1]
    return [number for number in INTEGERS if 0 <= number < 1 << (64 if one.type in (4, 6) else 32)]


def put(message: Any, one: Field, values: list[Any]) -> None:
    for value in values:
        if one.type == MESSAGE:
            target = getattr(message, one.name)
            (target.add() if one.label == REPEATED else target).CopyFrom(value)
        elif one.label == REPEATED:
            getattr(message, one.name).append(value)
        else:
            setattr(message, one.name, value)


def bodies(message_class: Any, fields: tuple[Field, ...], model: Model) -> list[Any]:
    """For every field a message for each of its values, beside the least of what is required."""
    choices: dict[int, list[Any]] = {}
    for one in fields:
        if one.type == MESSAGE:
            inner = message_class.DESCRIPTOR.file.message_types_by_name[one.type_name]
            choices[one.ident] = bodies(GetMessageClass(inner), model.inner if one.type_name == "I" else SAME, model)
        else:
            choices[one.ident] = samples(one, model)
    base = message_class()
    for one in fields:
        if one.label == REQUIRED:
            put(base, one, choices[one.ident][:1])
    found = [base]
    for one in fields:
        lists = [[value] for value in choices[one.ident]]
        if one.label == REPEATED:
            lists.append(choices[one.ident][:2])
        for values in lists:
            message = message_class()
            message.CopyFrom(base)
            if one.label != REPEATED:
                message.ClearField(one.name)
            put(message, one, values)
            found.append(message)
    return found


def reads(writer: Model, reader: Model, message: Any, read_class: Any, *, as_json: bool) -> bool:
    """Whether protobuf reads with ``reader`` what was written with ``writer``."""
    again = read_class()
    try:
        if as_json:
            if any(is_bool_for_number(message, one, reader) for one in writer.fields):
                return False
            json_format.Parse(json_format.MessageToJson(message), again, ignore_unknown_fields=True)
        else:
            again.ParseFromString(message.SerializeToString())
    except (json_format.ParseError, DecodeError):
        return False
    if not again.IsInitialized():
        return False
    sent = content(message, writer.fields, writer, reader, reader.fields, by_name=as_json)
    taken = content(again, reader.fields, reader, writer, writer.fields, by_name=as_json)
    return bool(sent == taken)


def is_bool_for_number(message: Any, one: Field, reader: Model) -> bool:
    """Whether ``true`` or ``false`` stands where another type is wanted.

    The JSON mapping takes them for bool alone; Python's reader takes them for 1 and 0.
    """
    taken = {each.type for each in reader.fields if each.ident == one.ident} - {8}
    return one.type == 8 and bool(taken) and bool(items_of(message, one))


def is_met(change: Change, writer: Model, reader: Model) -> bool:
    """Whether bodies of this model can show a change: what it is in is held by the message, on both sides."""
    held = [
        {each.type_name for each in model.fields}
        | ({each.type_name for each in model.inner} if any(each.type_name == "I" for each in model.fields) else set())
        for model in (writer, reader)
    ]
    part = change.name.split(".")[1]
    return part == "M" or all(part in names for names in held)


def judge(old: Model, new: Model) -> None:
    """Hold what is said of one change to what protobuf makes of bodies of both sides."""
    found = compare([old.file()], [new.file()])
    assert len(found) == 1, found
    for direction, writer, reader in ((OLD_TO_NEW, old, new), (NEW_TO_OLD, new, old)):
        write_class, read_class = writer.message_class(), reader.message_class()
        written = bodies(write_class, writer.fields, writer)
        for as_json in (False, True):
            is_broken = direction in (found[0].json if as_json else found[0].protobuf)
            outcomes = [reads(writer, reader, body, read_class, as_json=as_json) for body in written]
            if not is_broken:
                assert all(outcomes), (direction, as_json, found, written[outcomes.index(False)])
            elif is_met(found[0], writer, reader):
                assert not all(outcomes), (direction, as_json, found)


@settings(max_examples=3 * settings().max_examples)
@given(st.data())
def test_breaking_is_what_protobuf_itself_does_not_read_the_same_and_nothing_else(data: st.DataObject) -> None:
    old = data.draw(models())
    judge(old, data.draw(changed(old)))


@pytest.mark.parametrize("values", [(0, 1), (0, 1, 5), (0, -1, 7)], ids=str)
@pytest.mark.parametrize("kind", FULL, ids=str)
def test_every_type_is_judged_as_every_other(kind: tuple[int, str], values: tuple[int, ...]) -> None:
    enum = tuple((ident, f"E_{ident}", number) for ident, number in enumerate(values))
    inner = (Field(0, "f0", 1, OPTIONAL, 5),)
    for other in FULL:
        if other != kind:
            one = Field(0, "f", 1, OPTIONAL, *kind)
            judge(Model((one,), inner, enum), Model((replace(one, type=other[0], type_name=other[1]),), inner, enum))


@pytest.mark.parametrize("kind", FULL, ids=str)
def test_every_label_is_judged_as_every_other(kind: tuple[int, str]) -> None:
    for label in (OPTIONAL, REQUIRED, REPEATED):
        for other in {OPTIONAL, REQUIRED, REPEATED} - {label}:
            one = Field(0, "f", 1, label, *kind)
            old = Model((one,), SAME, ((0, "E_0", 0), (1, "E_1", 4)))
            judge(old, replace(old, fields=(replace(one, label=other),)))


def one_message(package: str = "P", **fields: dict[str, Any]) -> FileDescriptorProto:
    file = FileDescriptorProto(name=f"{package}.proto", package=package)
    message = file.message_type.add(name="M")
    for number, (name, facts) in enumerate(fields.items(), 1):
        message.field.add(**{"name": name, "number": number, "label": OPTIONAL, "type": 5, **facts})
    return file


def told(old: FileDescriptorProto, new: FileDescriptorProto) -> list[tuple[str, str, str, bool]]:
    return [(one.kind, one.name, one.aspect, one.is_breaking) for one in compare([old], [new])]


@pytest.mark.parametrize(
    ("before", "after", "aspect", "is_breaking"),
    [
        ({}, {"default_value": "3"}, "default", False),
        ({"default_value": "3"}, {"default_value": "4"}, "default", False),
        ({"default_value": "0"}, {}, "default", False),
        ({"label": 3}, {"label": 3, "options": {"packed": True}}, "packed", False),
        ({"number": 9}, {"number": 10}, "number", True),
        ({"json_name": "x"}, {}, "", False),
    ],
    ids=str,
)
def test_what_a_field_says_besides(
    before: dict[str, Any], after: dict[str, Any], aspect: str, is_breaking: bool
) -> None:
    found = told(one_message(f=before), one_message(f=after))
    assert found == ([("changed", "P.M.f", aspect, is_breaking)] if aspect else [])


def test_packed_or_not_both_read_both() -> None:
    values = [1, 2, 300]
    for one, other in ((False, True), (True, False)):
        files = [one_message(f={"label": 3, "options": {"packed": packed}}) for packed in (one, other)]
        assert not any(change.is_breaking for change in compare(files[:1], files[1:]))
        classes = []
        for file in files:
            pool = DescriptorPool()
            pool.Add(file)
            classes.append(GetMessageClass(pool.FindMessageTypeByName("P.M")))
        assert list(classes[1].FromString(classes[0](f=values).SerializeToString()).f) == values  # type: ignore[attr-defined]


def test_a_field_that_joins_others_in_a_oneof_breaks() -> None:
    old, new = one_message(a={}, b={}), one_message(a={}, b={})
    new.message_type[0].oneof_decl.add(name="either")
    for field in new.message_type[0].field:
        field.oneof_index = 0
    assert told(old, new) == [("changed", f"P.M.{name}", "oneof", True) for name in "ab"]
    # Of two that are set the second wins: the first is lost.
    pools = [DescriptorPool(), DescriptorPool()]
    for pool, file in zip(pools, (old, new), strict=True):
        pool.Add(file)
    one, other = (GetMessageClass(pool.FindMessageTypeByName("P.M")) for pool in pools)
    assert not other.FromString(one(a=1, b=2).SerializeToString()).HasField("a")


def test_another_syntax_breaks() -> None:
    old, new = one_message(), one_message()
    new.syntax = "proto3"
    assert told(old, new) == [("changed", "P.proto", "syntax", True)]
    old.syntax = "proto2"
    assert told(old, one_message()) == []


def test_files_messages_and_enums_come_and_go_as_a_whole() -> None:
    old, new = one_message(), one_message()
    added = new.message_type.add(name="N")
    added.field.add(name="f", number=1, label=REQUIRED, type=5)
    added.nested_type.add(name="Inner")
    new.enum_type.add(name="E").value.add(name="A", number=0)
    assert told(old, new) == [("added", "P.E", "", False), ("added", "P.N", "", False)]
    assert told(new, old) == [("removed", "P.E", "", False), ("removed", "P.N", "", False)]
    other = one_message("Q", f={})
    assert [(one.kind, one.subject, one.name) for one in compare([old], [old, other])] == [("added", "file", "Q.proto")]
    assert [(one.kind, one.subject, one.name) for one in compare([old, other], [old])] == [
        ("removed", "file", "Q.proto")
    ]


def test_a_protocol_that_is_renamed_is_the_same_with_another_name() -> None:
    before, after = one_message("Old", f={}), one_message("New", f={})
    for file in (before, after):
        file.message_type.add(name="Holder").field.add(
            name="m", number=1, label=1, type=MESSAGE, type_name=f".{file.package}.M"
        )
    assert compare([before], [after], {7: "Old"}, {7: "New"}) == [
        Change("changed", "protocol", "7 New", "name", "Old", "New"),
        Change("changed", "file", "New.proto", "name", "Old.proto", "New.proto"),
    ]
    after.message_type[0].field[0].type = FieldDescriptorProto.TYPE_STRING
    assert [one.name for one in compare([before], [after], {7: "Old"}, {7: "New"})] == ["7 New", "New.M.f", "New.proto"]
    assert [one.subject for one in compare([before], [after])] == ["file", "file"]


def test_protocols_come_and_go_by_id() -> None:
    found = compare([], [], {1: "A", 2: "B"}, {2: "B", 3: "C"})
    assert [(one.kind, one.name, one.protobuf) for one in found] == [
        ("removed", "1 A", (OLD_TO_NEW,)),
        ("added", "3 C", ()),
    ]


def test_a_message_that_holds_itself_is_compared() -> None:
    def tree(name: str, kind: int) -> FileDescriptorProto:
        file = one_message(root={"type": MESSAGE, "type_name": f".P.{name}"})
        node = file.message_type.add(name=name)
        node.field.add(name="value", number=1, label=OPTIONAL, type=kind)
        node.field.add(name="children", number=2, label=REPEATED, type=MESSAGE, type_name=f".P.{name}")
        return file

    same = next(one for one in compare([tree("Node", 5)], [tree("Tree", 5)]) if one.aspect == "type")
    assert not same.is_breaking
    other = next(one for one in compare([tree("Node", 5)], [tree("Tree", 3)]) if one.aspect == "type")
    assert (other.protobuf, other.json) == ((NEW_TO_OLD,), (NEW_TO_OLD,))


def test_values_of_an_enum_that_travels_as_an_integer_break_by_number_alone() -> None:
    def enum(**values: int) -> FileDescriptorProto:
        file = one_message()
        found = file.enum_type.add(name="E")
        for name, number in values.items():
            found.value.add(name=name, number=number)
        return file

    assert told(enum(A=0, B=14), enum(A=0, B=12)) == [("changed", "P.E.B", "number", True)]
    assert compare([enum(A=0, B=14)], [enum(A=0, B=12)])[0].json == BOTH
    assert told(enum(A=0, B=1), enum(A=0, C=1)) == [("changed", "P.E.C", "name", False)]
    assert told(enum(A=0), enum(A=0, C=1)) == [("added", "P.E.C", "", False)]
    assert told(enum(A=0, B=2), enum(A=0)) == [("removed", "P.E.B", "", False)]
