"""Mutations of an envelope by name: each changes what its name says and nothing else."""

import pytest

from ftwire.envelope_mutations import ENVELOPE_MUTATIONS, mutate_envelope
from ftwire.frame import Role
from ftwire.frame_mutations import NamedMutation
from ftwire.websocket import Envelope

BODY = b"some body"
MESSAGES = {role: Envelope.build(3010, 5, BODY, sender=role).encode() for role in Role}


def mutated(name: str, value: int | str = 0, sender: Role = Role.SERVER) -> bytes:
    return mutate_envelope(MESSAGES[sender], [NamedMutation(name, value)], sender)


@pytest.mark.parametrize("name", ENVELOPE_MUTATIONS)
def test_every_value_changes_an_envelope_of_a_gateway(name: str) -> None:
    kind = ENVELOPE_MUTATIONS[name]
    most = kind.random_bytes[1] if kind.random_bytes else 0
    for value in [*kind.values, b"\1" * most if most else 1]:
        assert mutated(name, value.hex() if isinstance(value, bytes) else value) != MESSAGES[Role.SERVER]


def test_names_of_other_tables_and_errors_of_a_client_change_nothing() -> None:
    for name in ("digest", "empty body", "error code", "error text"):
        assert mutated(name, "00" if name == "error text" else 3, Role.CLIENT) == MESSAGES[Role.CLIENT]


@pytest.mark.parametrize(
    ("name", "field", "value", "there"),
    [
        ("protocol", "command", 999, 999),
        ("serial", "section", 1 << 63, 1 << 63),
        ("error code", "error_code", -1, -1),
        ("error text", "error_bytes", "ff00", b"\xff" + bytes(19)),
    ],
)
def test_a_field_of_the_header_is_set_alone(name: str, field: str, value: int | str, there: object) -> None:
    envelope = Envelope.decode(mutated(name, value), sender=Role.SERVER)
    right = Envelope.decode(MESSAGES[Role.SERVER], sender=Role.SERVER)
    assert getattr(envelope, field) == there
    others = [each for each in ("command", "section", "error_code", "error_bytes", "body") if each != field]
    assert [getattr(envelope, each) for each in others] == [getattr(right, each) for each in others]


def test_the_header_of_the_other_direction_has_the_same_numbers() -> None:
    for sender in Role:
        other = Envelope.decode(mutated("other header", sender=sender), sender=sender.peer)
        assert (other.command, other.section, other.error_code, other.body) == (3010, 5, 0, BODY)


def test_little_endian_numbers_and_what_is_around() -> None:
    message = MESSAGES[Role.CLIENT]
    assert mutated("little-endian", sender=Role.CLIENT)[:12] == message[:8] + message[8:12][::-1]
    both = [NamedMutation("joined"), NamedMutation("bytes behind", "bb"), NamedMutation("bytes before", "aa")]
    assert mutate_envelope(message, both, Role.CLIENT) == (b"\xaa" + message + b"\xbb") * 2
    assert mutated("cut envelope", 10, Role.CLIENT) == message[:10]
