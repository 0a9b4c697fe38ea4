"""Pseudonyms for sensitive values: equal values get equal pseudonyms, and a pseudonym cannot be traced back.

A pseudonym is made with HMAC-SHA-256 and a seed, so that two captures redacted with the same seed fit together, and
candidates cannot be tried without the seed. It has the form of the value: digits stay digits, as many of them, and
an identifier that occurs as a number and as text gets the same pseudonym.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import string
from hashlib import sha256
from typing import Final

from ftwire_tools.messages.sensitive_fields import Category

__all__ = ["Pseudonyms"]

HIGHEST: Final = (1 << 63) - 1
"""Largest number used as a pseudonym: fits every 64-bit field."""

_BENCHMARK_V4: Final = int(ipaddress.ip_address("198.18.0.0"))
_DOCUMENTATION_V6: Final = int(ipaddress.ip_address("2001:db8::"))
_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_HEX: Final = re.compile(r"(?:[0-9a-f]{8,}|[0-9A-F]{8,})")
_NUMBER: Final = re.compile(r"(\d{10,})")
"""Pattern of an identifier within a longer one."""
_WORDS: Final = {Category.NAME, Category.TEXT}
"""Categories whose values are replaced as a whole, since their length would reveal something."""
_NO_NUMBERS: Final = {*_WORDS, Category.ADDRESS}
"""Categories whose texts need not stay numbers."""
_WHOLLY: Final = {Category.KEY, Category.PASSWORD}
"""Categories of which every character is replaced, punctuation included."""


class Pseudonyms:
    """Pseudonyms made with one seed.

    They are remembered, so that no two values of a category get the same one.
    """

    def __init__(self, seed: bytes) -> None:
        self._key: Final = sha256(b"ftwire redact\0" + seed).digest()
        self._given: Final[dict[tuple[str, str], str]] = {}
        self._taken: Final[set[tuple[str, str]]] = set()
        self._factor: Final = 0.2 + int.from_bytes(self._stream("amount", "factor", 8)) / (1 << 64) * 4.8

    def number(self, category: Category, value: int) -> int:
        """Return another number of as many digits; 0, which means none, stays 0."""
        if not value:
            return 0
        if category in _NO_NUMBERS:
            category = Category.USER
        found = int(self._replace(category, str(abs(value))))
        return -found if value < 0 else found

    def text(self, category: Category, value: str) -> str:
        """Return another text; an empty one stays empty."""
        if not value:
            return ""
        if category is Category.ADDRESS:
            return self._address_text(value)
        return self._replace(category, value)

    def raw(self, category: Category, value: bytes) -> bytes:
        """Return as many other bytes."""
        return self._stream(category, value.hex(), len(value))

    def amount(self, value: float) -> float:
        """Return the amount times a factor that is the same for all, with as many decimals.

        Proportions stay; a whole number stays whole.
        """
        if value != value or value in (float("inf"), float("-inf")):
            return value
        decimals = min(len(f"{value:.6f}".rstrip("0").partition(".")[2]), 6)
        return round(value * self._factor, decimals)

    def address(self, packed: bytes) -> bytes:
        """Return another address of the same kind, of a range that is not routed.

        RFC 2544's 198.18.0.0/15 and RFC 3849's 2001:db8::/32. Loopback and "any" stay.
        """
        if packed.startswith(_MAPPED) and len(packed) == 16:
            return _MAPPED + self.address(packed[12:])
        found = ipaddress.ip_address(packed)
        if found.is_loopback or found.is_unspecified:
            return packed
        number = int(self._replace(Category.ADDRESS, str(found)))
        return number.to_bytes(len(packed))

    def _address_text(self, value: str) -> str:
        try:
            return str(ipaddress.ip_address(self.address(ipaddress.ip_address(value).packed)))
        except ValueError:
            pass
        found = _IPV4.search(value)
        port = re.fullmatch(r".*?(:\d{1,5})?", value, re.DOTALL)
        if found is not None:
            try:
                inner = ipaddress.ip_address(self.address(ipaddress.ip_address(found[0]).packed))
            except ValueError:
                pass
            else:
                return f"{inner}{port[1] or ''}" if port else str(inner)
        host = value[: -len(port[1])] if port and port[1] else value
        return f"{self._replace(Category.DEVICE, f'host {host}')}{(port[1] or '') if port else ''}"

    def _replace(self, category: Category, value: str) -> str:
        key = category, value
        found = self._given.get(key)
        attempt = 0
        while found is None:
            made = self._make(category, value, attempt)
            attempt += 1
            # There are few short numbers: when all are in use, the number of digits grows.
            if made != value and (category, made) not in self._taken:
                found = self._given[key] = made
                self._taken.add((category, made))
        return found

    def _make(self, category: Category, value: str, attempt: int) -> str:
        grown = attempt // 64
        label = f"{attempt}\0{value}"
        if category is Category.ADDRESS:
            return str(self._address_number(category, label, ":" in value))
        if category in _WORDS or "PRIVATE KEY" in value:
            return f"{category}-{self._stream(category, label, 4 + grown).hex()}"
        if value.startswith("host ") and category is Category.DEVICE:
            return f"host-{self._stream(category, label, 4 + grown).hex()}.invalid"
        return self._scramble(category, label, value, grown)

    def _address_number(self, category: Category, label: str, six: bool) -> int:
        number = int.from_bytes(self._stream(category, label, 16))
        if six:
            return _DOCUMENTATION_V6 + number % (1 << 96)
        # Neither the first nor the last address of the range.
        return _BENCHMARK_V4 + 1 + number % ((1 << 17) - 2)

    def _scramble(self, category: Category, label: str, value: str, grown: int) -> str:
        """Replace letters by letters and digits by digits; other characters stay."""
        noise = int.from_bytes(self._stream(category, label, 2 * (len(value) + grown) + 8))
        if value.isascii() and value.isdigit():
            digits = len(value) + grown
            low = 10 ** (digits - 1)
            high = 10**digits - 1
            return str(low + noise % (high - low + 1)) if high <= HIGHEST or digits > 20 else _below(low, noise)
        if category not in _WHOLLY and _NUMBER.search(value):
            # Order numbers also occur with a date in front: the part after it gets the same pseudonym.
            return "".join(
                self._replace(category, part)
                if _NUMBER.fullmatch(part)
                else self._letters(category, noise >> (8 * at), part, grown)
                for at, part in enumerate(_NUMBER.split(value))
            )
        return self._letters(category, noise, value, grown)

    def _letters(self, category: Category, noise: int, value: str, grown: int) -> str:
        alphabets = [string.digits, string.ascii_lowercase, string.ascii_uppercase]
        if _HEX.fullmatch(value):
            lower = "abcdef" if value == value.lower() else "ABCDEF"
            alphabets = [string.digits + lower, string.digits + lower, string.digits + lower]
        out = []
        for character in value + "0" * grown:
            if not character.isalnum() and category not in _WHOLLY:
                out.append(character)
                continue
            kind = alphabets[0] if character.isdigit() else alphabets[2] if character.isupper() else alphabets[1]
            noise, pick = divmod(noise, len(kind))
            out.append(kind[pick])
        return "".join(out)

    def _stream(self, category: str, label: str, size: int) -> bytes:
        out = b""
        counter = 0
        while len(out) < size:
            out += hmac.digest(self._key, f"{counter}\0{category}\0{label}".encode("utf-8", "surrogateescape"), sha256)
            counter += 1
        return out[:size]


def _below(low: int, noise: int) -> str:
    """Return a number of 19 or 20 digits that a signed 64-bit field holds: of 19, from the lowest on."""
    low = min(low, 10**18)
    return str(low + noise % (HIGHEST - low + 1))
