"""Pseudonyms: the same for the same, no two alike, nothing of the original, its look kept."""

import hmac
import ipaddress
import re
from typing import Any

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


TEXTS = [
    "7" * 5000,
    "\u0663" * 30,
    "\u0663" * 12 + "7" * 12,
    "\u00b2" * 12,
    "-" * 5000,
    ("1" * 12 + "x") * 400,
    ":1" * 3000,
    "\u0661.\u0662.\u0663.\u0664",
    "1.2.3.4:" + "9" * 5000,
    "\udcff\ud83d",
]


@pytest.mark.parametrize("value", TEXTS, ids=lambda value: f"{value[:4]!a}")
@pytest.mark.parametrize("category", [category for category in Category if category is not Category.AMOUNT])
def test_any_text_has_a_pseudonym(category: Category, value: str) -> None:
    made = Pseudonyms(b"seed").text(category, value)
    assert made == Pseudonyms(b"seed").text(category, value) != value
    if category not in (Category.NAME, Category.TEXT, Category.ADDRESS, Category.KEY):
        assert len(made) in (len(value), len(value) + 1)
    assert not any(len(part) > 9 and part in made for part in re.findall(r"\w+", value))


@given(CATEGORIES, st.sets(st.text(max_size=3) | st.from_regex(r"\d{1,4}", fullmatch=True), min_size=40, max_size=200))
def test_few_short_texts_are_no_pool_that_runs_out(category: Category, values: set[str]) -> None:
    pseudonyms = Pseudonyms(b"seed")
    if category is not Category.ADDRESS:
        assert len({pseudonyms.text(category, value) for value in values}) == len(values)


def test_short_tokens_do_not_share_a_pseudonym() -> None:
    pseudonyms = Pseudonyms(b"seed")
    made = [pseudonyms.raw(Category.TOKEN, bytes((value,))) for value in range(256)]
    assert len(set(made)) == 256
    assert all(new != bytes((value,)) for value, new in enumerate(made))
    assert pseudonyms.raw(Category.TOKEN, b"") == b""


@pytest.mark.long
def test_addresses_do_not_run_out() -> None:
    pseudonyms = Pseudonyms(b"seed")
    # More than the 131,070 of 198.18.0.0/15.
    made = {pseudonyms.address((0x0B00_0000 + number).to_bytes(4)) for number in range(140_000)}
    assert len(made) == 140_000
    ranges = [ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("240.0.0.0/4")]
    within = [sum(ipaddress.ip_address(each) in network for each in made) for network in ranges]
    assert sum(within) == len(made)
    assert within[0] > 100_000


def test_ten_digits_fit_a_field_of_32_bits() -> None:
    pseudonyms = Pseudonyms(b"seed")
    made = [pseudonyms.number(Category.USER, value) for value in range(2_147_000_000, 2_147_000_500)]
    assert len(set(made)) == 500
    assert all(1_000_000_000 <= value < 1 << 31 for value in made)


def test_the_cost_of_a_pseudonym_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = 0
    digest = hmac.digest

    def counted(key: bytes, message: bytes, how: Any) -> bytes:
        nonlocal hashed
        hashed += len(message)
        return digest(key, message, how)

    monkeypatch.setattr(hmac, "digest", counted)
    costs = []
    for size in (10_000, 100_000):
        hashed = 0
        Pseudonyms(b"seed").text(Category.PASSWORD, "x" * size)
        costs.append(hashed)
    assert costs[1] < 12 * costs[0]
