"""Mutations of a plain body by name: what each leaves, and what it needs."""

import pytest

from ftwire.body import decode_body, encode_body, missing_fields
from ftwire.body_mutations import BODY_MUTATIONS, UNKNOWN_FIELD, mutate_body
from ftwire.frame import MessageClasses, Role
from ftwire.frame_mutations import NamedMutation
from ftwire.header import BodyFormat
from ftwire.messages import Qot_GetRT
from ftwire.protocols import registry

REQUEST = Qot_GetRT.Request()
REQUEST.c2s.security.market, REQUEST.c2s.security.code = 1, "00700"
BODY = REQUEST.SerializeToString()
OF_FIELDS = {"missing field", "unknown enum", "extreme number", "odd string"}


def mutated(name: str, value: int | str = 1, *, body: bytes = BODY, body_format: int = 0, known: bool = True) -> bytes:
    return mutate_body(body, [NamedMutation(name, value)], body_format, Qot_GetRT.Request if known else None)


@pytest.mark.parametrize("name", BODY_MUTATIONS)
def test_each_changes_a_body_and_those_of_fields_need_its_class(name: str) -> None:
    value = "ff00" if name == "random body" else 1
    assert mutated(name, value) != BODY
    assert (mutated(name, value, known=False) == BODY) == (name in OF_FIELDS)
    as_json = encode_body(REQUEST, BodyFormat.JSON)
    changed = mutated(name, value, body=as_json, body_format=BodyFormat.JSON)
    assert (changed == as_json) == (name in OF_FIELDS)


def test_mutations_of_fields_leave_a_body_that_parses() -> None:
    assert missing_fields(decode_body(mutated("missing field"), Qot_GetRT.Request, check_required=False))
    for number in range(4):
        for name, values in (("unknown enum", {-7, 9999}), ("extreme number", {-(1 << 31), (1 << 31) - 1})):
            assert decode_body(mutated(name, number), Qot_GetRT.Request).c2s.security.market in values
    assert decode_body(mutated("odd string", 2), Qot_GetRT.Request).c2s.security.code == "a" * 70_000


def test_what_does_not_parse_keeps_its_fields() -> None:
    assert mutated("odd string", body=b"\xff") == b"\xff"
    assert mutated("cut body", body=b"") == mutated("flip body", body=b"") == b""


def test_a_grown_body_is_the_message_with_an_unknown_field() -> None:
    grown = mutated("grow body", 1000)
    assert decode_body(grown, Qot_GetRT.Request).c2s == REQUEST.c2s
    assert len(grown) > len(BODY) + 1000
    for role in Role:
        for entry in registry:
            message_class = MessageClasses(role)[entry.proto_id]
            assert message_class is None or UNKNOWN_FIELD not in message_class.DESCRIPTOR.fields_by_number
