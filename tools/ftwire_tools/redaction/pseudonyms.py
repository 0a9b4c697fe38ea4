"""Pseudonyms for sensitive values: equal values get equal pseudonyms, and a pseudonym cannot be traced back.

A pseudonym is made with HMAC-SHA-256 and a seed, so that two captures redacted with the same seed fit together, and
candidates cannot be tried without the seed. It has the form of the value: digits stay digits, as many of them, and
an identifier that occurs as a number and as text gets the same pseudonym.

Values come from captures, so any text of any length is expected. The cost is linear in the length of a value, and the
number of attempts to find a free pseudonym does not grow with the number of those given.
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
_HIGHEST_32: Final = (1 << 31) - 1
"""Largest number of ten digits used as a pseudonym: it may be that of a 32-bit field."""

_BENCHMARK_V4: Final = int(ipaddress.ip_address("198.18.0.0"))
_RESERVED_V4: Final = int(ipaddress.ip_address("240.0.0.0"))
_DOCUMENTATION_V6: Final = int(ipaddress.ip_address("2001:db8::"))
_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", re.ASCII)
_PORT: Final = re.compile(r":\d{1,5}\Z", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-f]{8,}|[0-9A-F]{8,})")
_NUMBER: Final = re.compile(r"(\d{10,})", re.ASCII)
"""Pattern of an identifier within a longer one."""
_MAX_DIGITS: Final = 20
"""Most digits of a 64-bit number; longer texts of digits are replaced digit by digit."""
_BLOCK: Final = 64
"""Characters that are replaced with one large number: the cost of dividing that grows with its square."""
_LONG: Final = 256
"""Longest label in characters; a longer one is hashed once, not for each 32 bytes of its streams."""
_ATTEMPTS: Final = 64
"""Attempts at a pseudonym of the same length, before it may be longer."""
_ADDRESS_ATTEMPTS: Final = 8
"""Attempts in the smaller range of addresses. With half of it in use, 1 in 256 addresses is of the larger one."""
_WORDS: Final = {Category.NAME, Category.TEXT}
"""Categories whose values are replaced as a whole, since their length would reveal something."""
_NO_NUMBERS: Final = {*_WORDS, Category.ADDRESS}
"""Categories whose texts need not stay numbers."""
_TEXT, _HOST, _BYTES = "text", "host", "bytes"
"""Forms of a value: a text or the digits of a number, the name of a host, bytes in hexadecimal."""
_WHOLLY: Final = {Category.KEY, Category.PASSWORD}
"""Categories of which every character is replaced, punctuation included."""


class Pseudonyms:
    """Pseudonyms made with one seed.

    They are remembered, so that no two values of a category get the same one.
    """

    def __init__(self, seed: bytes) -> None:
        self._key: Final = sha256(b"ftwire redact\0" + seed).digest()
        self._given: Final[dict[tuple[str, str, str], str]] = {}
        self._taken: Final[set[tuple[str, str, str]]] = set()
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
        """Return as many other bytes; more where all of so few are in use, and none for none."""
        return bytes.fromhex(self._replace(category, value.hex(), _BYTES)) if value else b""

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

        RFC 2544's 198.18.0.0/15, when that is nearly full RFC 1112's 240.0.0.0/4, and RFC 3849's 2001:db8::/32.
        Loopback and "any" stay.
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
        port = _PORT.search(value)
        end = port[0] if port else ""
        found = _IPV4.search(value)
        if found is not None:
            try:
                return f"{ipaddress.ip_address(self.address(ipaddress.ip_address(found[0]).packed))}{end}"
            except ValueError:
                pass
        return f"{self._replace(Category.DEVICE, f'host {value[: len(value) - len(end)]}', _HOST)}{end}"

    def _replace(self, category: Category, value: str, form: str = _TEXT) -> str:
        key = category, form, value
        found = self._given.get(key)
        attempt = 0
        while found is None:
            made = self._make(category, value, form, attempt)
            attempt += 1
            # There are few short numbers: when all are in use, the number of digits grows.
            if made != value and (category, form, made) not in self._taken:
                found = self._given[key] = made
                self._taken.add((category, form, made))
        return found

    def _make(self, category: Category, value: str, form: str, attempt: int) -> str:
        # A long value has too many pseudonyms for two to be equal, or hardly any character to be replaced.
        grown = attempt // _ATTEMPTS if len(value) <= _BLOCK else attempt
        if category is Category.KEY:
            # A key of AES has 16 bytes, whatever its number of characters.
            grown += len(value.encode("utf-8", "surrogatepass")) - len(value)
        label = self._short(f"{attempt}\0{value}")
        if form == _BYTES:
            return self._stream(category, label if attempt else value, len(value) // 2 + grown).hex()
        if form == _HOST:
            return f"host-{self._stream(category, label, 4 + grown).hex()}.invalid"
        if category is Category.ADDRESS:
            return str(self._address_number(category, label, ":" in value, attempt))
        if category in _WORDS or "PRIVATE KEY" in value:
            return f"{category}-{self._stream(category, label, 4 + grown).hex()}"
        return self._scramble(category, label, value, grown)

    def _address_number(self, category: Category, label: str, six: bool, attempt: int) -> int:
        number = int.from_bytes(self._stream(category, label, 16))
        if six:
            return _DOCUMENTATION_V6 + number % (1 << 96)
        # Neither the first nor the last address of a range.
        if attempt < _ADDRESS_ATTEMPTS:
            return _BENCHMARK_V4 + 1 + number % ((1 << 17) - 2)
        return _RESERVED_V4 + 1 + number % ((1 << 28) - 2)

    def _scramble(self, category: Category, label: str, value: str, grown: int) -> str:
        """Replace letters by letters and digits by digits; other characters stay."""
        digits = len(value) + grown
        if digits <= _MAX_DIGITS and value.isascii() and value.isdigit():
            noise = int.from_bytes(self._stream(category, label, 2 * digits + 8))
            # Of 20 digits are numbers of 64 bits without a sign: as pseudonyms they have 19.
            low = 10 ** (min(digits, 19) - 1)
            high = min(10**digits - 1, _HIGHEST_32 if digits == 10 else HIGHEST)
            return str(low + noise % (high - low + 1))
        if category not in _WHOLLY and _NUMBER.search(value) and not _NUMBER.fullmatch(value):
            # Order numbers also occur with a date in front: the part after it gets the same pseudonym.
            return "".join(
                self._replace(category, part)
                if _NUMBER.fullmatch(part)
                else self._letters(category, f"{at}\0{label}" if at else label, part, grown)
                for at, part in enumerate(_NUMBER.split(value))
            )
        return self._letters(category, label, value, grown)

    def _letters(self, category: Category, label: str, value: str, grown: int) -> str:
        alphabets = [string.digits, string.ascii_lowercase, string.ascii_uppercase]
        if _HEX.fullmatch(value) and not value.isdigit():
            lower = "abcdef" if value == value.lower() else "ABCDEF"
            alphabets = [string.digits + lower, string.digits + lower, string.digits + lower]
        out = []
        longer = value + "0" * grown
        for start in range(0, len(longer), _BLOCK):
            block = longer[start : start + _BLOCK]
            noise = int.from_bytes(self._stream(category, f"{start}\0{label}" if start else label, 2 * len(block) + 8))
            for character in block:
                if not character.isalnum() and category not in _WHOLLY:
                    out.append(character)
                    continue
                kind = alphabets[0] if character.isdigit() else alphabets[2] if character.isupper() else alphabets[1]
                noise, pick = divmod(noise, len(kind))
                out.append(kind[pick])
        return "".join(out)

    def _short(self, label: str) -> str:
        """Return a label that is not so long that making many streams with it takes time."""
        if len(label) <= _LONG:
            return label
        return hmac.digest(self._key, label.encode("utf-8", "surrogatepass"), sha256).hex()

    def _stream(self, category: str, label: str, size: int) -> bytes:
        label = self._short(label)
        parts = (
            hmac.digest(self._key, f"{counter}\0{category}\0{label}".encode("utf-8", "surrogatepass"), sha256)
            for counter in range(-(-size // 32))
        )
        return b"".join(parts)[:size]
