"""Pseudonyms: the same for the same, no two alike, nothing of the original, its look kept."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire_tools.messages.sensitive_fields import Category
from ftwire_tools.redaction.pseudonyms import Pseudonyms

CATEGORIES = st.sampled_from([category for category in Category if category is not Category.AMOUNT])


@given(CATEGORIES, st.text(min_size=1, max_size=60))
def test_text_becomes_another_text_always_the_same(category: Category, value: str) -> None:
    one, same, other = Pseudonyms(b"seed"), Pseudonyms(b"seed"), Pseudonyms(b"other")
    made = one.text(category, value)
    assert made == one.text(category, value) == same.text(category, value)
    if category is not Category.ADDRESS:
        assert made != value
        if sum(character.isalnum() for character in value) >= 10:
            assert other.text(category, value) != made


@given(CATEGORIES, st.integers(-(1 << 63), (1 << 64) - 1))
def test_numbers_stay_numbers_of_a_64_bit_field(category: Category, value: int) -> None:
    made = Pseudonyms(b"seed").number(category, value)
    assert made == Pseudonyms(b"seed").number(category, value)
    assert abs(made) < 1 << 63
    assert (made < 0) == (value < 0)
    if value:
        assert made not in (0, value)
        if abs(value) < 10**18:
            assert len(str(made)) - len(str(value)) in ((0,) if abs(value) >= 10 else (0, 1))
    else:
        assert made == 0


def test_no_two_values_share_a_pseudonym() -> None:
    pseudonyms = Pseudonyms(b"seed")
    made = [pseudonyms.number(Category.ORDER, value) for value in range(1, 3000)]
    assert len(set(made)) == len(made)
    assert not any(value == other for value, other in zip(range(1, 3000), made, strict=True))


def test_a_number_is_the_same_as_a_number_as_text_and_within_a_longer_one() -> None:
    pseudonyms = Pseudonyms(b"seed")
    number = str(pseudonyms.number(Category.ORDER, 7130123456789012345))
    assert pseudonyms.text(Category.ORDER, "7130123456789012345") == number
    longer = pseudonyms.text(Category.ORDER, "20210609_7130123456789012345")
    assert re.fullmatch(rf"\d{{8}}_{number}", longer)
    assert not longer.startswith("20210609")


def test_looks_are_kept_where_programs_depend_on_them() -> None:
    pseudonyms = Pseudonyms(b"seed")
    assert re.fullmatch(r"[0-9a-f]{32}", pseudonyms.text(Category.PASSWORD, "d41d8cd98f00b204e9800998ecf8427e"))
    assert re.fullmatch(r"[0-9A-Za-z]{16}", pseudonyms.text(Category.KEY, "k/y+with=signs!!"))
    assert re.fullmatch(r"[A-Z]{2}\d[A-Z]-\d{8}_[a-z]", pseudonyms.text(Category.ORDER, "FT1A-20240101_x"))
    assert len(pseudonyms.raw(Category.TOKEN, b"\0\1\2")) == 3
    assert pseudonyms.text(Category.TEXT, "what I think") != pseudonyms.text(Category.TEXT, "what I thought")
    assert "PRIVATE" not in pseudonyms.text(Category.KEY, "-----BEGIN RSA PRIVATE KEY-----\nMIIC\n")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "198.18.0.0/15"),
        ("10.0.0.1", "198.18.0.0/15"),
        ("2a00:1450::1", "2001:db8::/32"),
        ("fe80::1", "2001:db8::/32"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::1/128"),
    ],
)
def test_addresses_go_where_nobody_lives(address: str, network: str) -> None:
    pseudonyms = Pseudonyms(b"seed")
    made = pseudonyms.address(ipaddress.ip_address(address).packed)
    assert ipaddress.ip_address(made) in ipaddress.ip_network(network)
    assert pseudonyms.text(Category.ADDRESS, address) == str(ipaddress.ip_address(made)), "in texts as in packets"


def test_addresses_in_texts() -> None:
    pseudonyms = Pseudonyms(b"seed")
    plain = pseudonyms.text(Category.ADDRESS, "203.0.113.7")
    assert pseudonyms.text(Category.ADDRESS, "203.0.113.7:9595") == f"{plain}:9595"
    assert re.fullmatch(r"host-\w+\.invalid:9595", pseudonyms.text(Category.ADDRESS, "trade.example.com:9595"))
    mapped = pseudonyms.address(ipaddress.ip_address("::ffff:203.0.113.7").packed)
    assert mapped[12:] == ipaddress.ip_address(plain).packed


def test_amounts_keep_their_proportions() -> None:
    pseudonyms = Pseudonyms(b"seed")
    made = pseudonyms.amount(10_000.0)
    assert made != 10_000.0
    assert pseudonyms.amount(20_000.0) == 2 * made
    assert made == int(made)
    assert pseudonyms.amount(0.0) == 0.0
    assert round(pseudonyms.amount(12.34), 2) == pseudonyms.amount(12.34)
    assert pseudonyms.amount(float("inf")) == float("inf")
