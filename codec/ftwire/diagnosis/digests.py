"""What a digest in a header is the digest of, where it is not that of the plain body.

SHA-1 is a proof: whatever hashes to the 20 bytes in the header is what was hashed. Tried are other hashes and other
ways to write one down, texts and encodings that bodies are turned into, the body with something around it, the bodies
of earlier frames, and the parts of the frame.

Each trial costs time linear in the frame; together they hash fewer than ``MAX_HASHED`` bytes for each of its bytes and
of its header's. Parts are tried beginning with the likeliest, each for one step of ``Work``; a conversation has
``MAX_STEPS`` of them, and ``MAX_SEARCHES`` searches. Where the digest of a frame was found, those of the frames after
it are looked for first.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import struct
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire._varints import encode_varint
from ftwire.body import decode_body, encode_body
from ftwire.errors import BodyError
from ftwire.header import HEADER_SIZE, BodyFormat, Header

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "MAX_HASHED",
    "MAX_SEARCHES",
    "MAX_STEPS",
    "DigestSource",
    "Work",
    "digest_source",
    "is_no_digest",
    "real_length",
]

DIGEST: Final = 20
"""Bytes in a digest."""
PROOF: Final = 10
"""Bytes of a digest that are taken for a part of it: chance has one in 2^80."""
MAX_HASHED: Final = 256
"""Bytes hashed at most for each byte of a frame whose digest is looked for, steps not counted."""
MAX_STEPS: Final = 1 << 20
"""Digests of parts of frames taken in one conversation; each costs about a microsecond."""
STEPS_EACH: Final = 1 << 18
"""The same for one frame."""
MAX_PARSED: Final = 1 << 20
"""Largest body that is compressed, or parsed and written again, in bytes."""
STARTS: Final = 64
"""Places where a part may begin in a body that is too large to try all of them."""
STARTS_OF_LARGE: Final = 8
"""The same in a body of more than ``STEPS_EACH`` bytes."""
BLOCK: Final = 16
MAX_SEARCHES: Final = 256
"""Frames of one conversation whose digest is looked for everywhere; then only where one was found before."""
_SEVEN_BITS: Final = bytes(byte & 0x7F for byte in range(256))
_OTHER_HASHES: Final = ("md5", "sha256", "sha512", "sha224", "sha384", "sha3_256", "blake2b", "blake2s")
_BUFFERS: Final = tuple(1 << power for power in range(5, 17))
"""Sizes of buffers that a program may have hashed whole, in bytes."""


_OF_NOTHING: Final = hashlib.sha1(b"", usedforsecurity=False).digest()


class Work:
    """Counts what searches cost."""

    __slots__ = ("hashed", "layouts", "likely", "part", "searches", "steps")

    def __init__(self) -> None:
        self.hashed = 0
        """Bytes hashed, those of steps not counted."""
        self.steps = 0
        """Digests of parts that were taken."""
        self.searches = 0
        """Searches for a digest that went beyond the likely."""
        self.likely: list[Search] = []
        """Searches that have found a digest, the last one first."""
        self.part = -1, 0
        """The part of a frame that was found last: its offset in the frame, and how many bytes follow it."""
        self.layouts = 0
        """Layouts of headers that were tried."""

    def sha1(self, data: bytes) -> bytes:
        """Return the SHA-1 of ``data``."""
        self.hashed += len(data)
        return hashlib.sha1(data, usedforsecurity=False).digest()

    @property
    def is_spent(self) -> bool:
        """Whether no digest is looked for any more: nothing was found in all the searches that are made."""
        return self.searches >= MAX_SEARCHES and not self.likely

    def limit(self) -> int:
        """Return up to which number of steps the next search may go."""
        return min(self.steps + STEPS_EACH, MAX_STEPS)


Search = Callable[["Hashed", Work], "DigestSource | None"]


class DigestSource(NamedTuple):
    """What has the digest that a header has."""

    mistake: str
    """ID of the mistake."""
    what: str
    """What was hashed, or how the digest was written: the end of a sentence."""


class Hashed(NamedTuple):
    """What a digest may be that of, in some form."""

    header: Header
    body: bytes
    name: str
    """What ``body`` is, for the proof."""
    message_class: type[Message] | None
    """Its class, if known."""
    keys: Sequence[tuple[str, bytes]]
    """What may have been hashed along with it, each with its name."""


Form = tuple[str, str, bytes]
"""ID of the mistake, what was hashed, and the bytes."""


def digest_source(
    header: Header,
    payload: bytes,
    body: bytes | None,
    message_class: type[Message] | None,
    work: Work,
    keys: Sequence[tuple[str, bytes]] = (),
) -> DigestSource | None:
    """Return what has the header's digest; ``None`` if nothing that was tried.

    ``body`` is the decrypted payload where a cipher was agreed on, ``message_class`` the class of the body, if known;
    ``keys`` are secrets of the connection with their names. The caller has tried the payload, and the ciphers on it.
    """
    digest = header.sha1
    if not any(digest):
        return DigestSource("sha1_missing", "arrBodySHA1 is 20 zero bytes")
    if digest == _OF_NOTHING:
        return DigestSource("sha1_of_nothing", "arrBodySHA1 is da39a3ee..., the SHA-1 of no bytes at all")
    if is_no_digest(digest):
        return DigestSource("sha1_missing", f"arrBodySHA1 is {digest[:1].hex()} twenty times, which is no digest")
    plain = [] if body is None or body == payload else [("plain body", body)]
    subjects = [
        Hashed(header, each, name, message_class, keys)
        for name, each in (*plain, ("payload" if plain else "body", payload))
    ]
    for place, search in enumerate(work.likely):
        found = _first_found(search, subjects, work)
        if found is not None:
            work.likely.insert(0, work.likely.pop(place))
            return found
    if work.searches >= MAX_SEARCHES:
        return None
    work.searches += 1
    for search in (*_SEARCHES, _part):
        found = None if search in work.likely else _first_found(search, subjects, work)
        if found is not None:
            work.likely.insert(0, search)
            return found
    return None


def is_no_digest(digest: bytes) -> bool:
    """Return whether a digest is that of no bytes, or one byte twenty times, for which nothing has to be hashed."""
    return digest in (_OF_NOTHING, digest[:1] * DIGEST)


def _first_found(search: Search, subjects: Iterable[Hashed], work: Work) -> DigestSource | None:
    return next((found for each in subjects if (found := search(each, work)) is not None), None)


def _hashed_as(forms: Callable[[Hashed], Iterator[Form]]) -> Search:
    """Return a search that hashes each of these forms."""

    def search(hashed: Hashed, work: Work) -> DigestSource | None:
        for mistake, what, form in forms(hashed):
            if work.sha1(form) == hashed.header.sha1:
                return DigestSource(mistake, f"the SHA-1 is that of {what}")
        return None

    return search


def _written_otherwise(hashed: Hashed, work: Work) -> DigestSource | None:
    """Return the other hash, or the other way to write the right one down."""
    digest, subject, name = hashed.header.sha1, hashed.body, hashed.name
    right = work.sha1(subject)
    words = struct.unpack(">5I", right)
    turned = {
        "backwards": right[::-1],
        "with the bytes of each 32-bit word swapped": struct.pack("<5I", *words),
        "with the bytes of each 16-bit word swapped": struct.pack("<10H", *struct.unpack(">10H", right)),
        "with its 32-bit words backwards": struct.pack(">5I", *words[::-1]),
    }
    for how, each in turned.items():
        if each == digest:
            return DigestSource("sha1_swapped", f"arrBodySHA1 is the SHA-1 of the {name} {how}")
    text = right.hex().encode()
    texts = {
        "hexadecimal": text,
        "upper-case hexadecimal": text.upper(),
        "base64": b64encode(right),
        "base64 of hexadecimal": b64encode(text),
        "decimal": str(int.from_bytes(right, "big")).encode(),
        "UTF-8, each byte as a character,": right.decode("latin-1").encode(),
        "UTF-8 with U+FFFD for what is none": right.decode("utf-8", "replace").encode(),
        "ASCII with ? for what is none": right.decode("ascii", "replace").replace("\ufffd", "?").encode(),
    }
    for how, each in texts.items():
        if digest == each[:DIGEST]:
            proof = f"arrBodySHA1 is the first 20 of {len(each)} characters of the {name}'s SHA-1 in {how}"
            return DigestSource("sha1_as_text", proof)
    if digest == text[DIGEST:]:
        return DigestSource(
            "sha1_as_text", f"arrBodySHA1 is the last 20 characters of the {name}'s SHA-1 in hexadecimal"
        )
    wrong = [other for other, own in zip(digest, right, strict=True) if other != own]
    for part in (right[:PROOF], right[-PROOF:]):
        at = digest.find(part)
        # In its place, and what is left not empty: bytes were changed on the way.
        if at >= 0 and (at != right.find(part) or not any(wrong)):
            where = f"{PROOF} bytes of the {name}'s SHA-1, from its byte {right.find(part)} on,"
            return DigestSource("sha1_damaged", f"{where} are at byte {at} of arrBodySHA1, and the others are not")
    checksum = zlib.crc32(subject)
    if digest[:4] in (checksum.to_bytes(4, "little"), checksum.to_bytes(4, "big")) and not any(digest[4:]):
        return DigestSource("other_hash_for_sha1", f"arrBodySHA1 is the {name}'s CRC-32, and zeros")
    for how, each in (("SHA-1", right), ("SHA-1 in hexadecimal", text)):
        if work.sha1(each) == digest:
            return DigestSource("sha1_twice", f"the SHA-1 is that of the {name}'s {how}")
    for algorithm in _OTHER_HASHES:
        work.hashed += len(subject)
        other = hashlib.new(algorithm, subject, usedforsecurity=False).digest()
        forms = (other[:DIGEST].ljust(DIGEST, b"\0"), other[-DIGEST:].rjust(DIGEST, b"\0"), other.hex().encode()[:20])
        if digest in forms or digest == (other * 2)[:DIGEST]:
            mistake = {"md5": "md5_for_sha1", "sha256": "sha256_for_sha1"}.get(algorithm, "other_hash_for_sha1")
            cut = "made 20 bytes long" if len(other) < DIGEST else "cut to 20 bytes"
            return DigestSource(mistake, f"arrBodySHA1 is the {name}'s {algorithm.upper().replace('_', '-')}, {cut}")
    for how, key in (*hashed.keys, ("no key", b""), ("nSerialNo as key", hashed.header.encode()[8:12])):
        work.hashed += len(subject)
        if hmac.digest(key, subject, "sha1") == digest:
            return DigestSource("other_hash_for_sha1", f"arrBodySHA1 is the {name}'s HMAC-SHA1 with {how}")
    return None


def _base64_forms(hashed: Hashed) -> Iterator[Form]:
    subject, name = hashed.body, hashed.name
    for how, encoded in (("base64", b64encode(subject)), ("URL-safe base64", urlsafe_b64encode(subject))):
        yield "sha1_of_base64", f"the {name} in {how}", encoded
        yield "sha1_of_base64", f"the {name} in {how} and a line end", encoded + b"\n"
        if encoded.endswith(b"="):
            yield "sha1_of_base64", f"the {name} in {how} without padding", encoded.rstrip(b"=")


def _frame_forms(hashed: Hashed) -> Iterator[Form]:
    subject, name, raw = hashed.body, hashed.name, hashed.header.encode()
    blank = raw[:16] + bytes(DIGEST) + raw[36:]
    right = raw[:16] + hashlib.sha1(subject, usedforsecurity=False).digest() + raw[36:]
    for how, before in (
        ("the header, its digest still zero,", blank),
        ("the header with the right digest", right),
        ("the header up to its digest", raw[:16]),
        ("the header without its digest", raw[:16] + raw[36:]),
        ("the header after its magic, its digest still zero,", blank[2:]),
        ("the header without its reserved bytes, its digest still zero,", blank[:36]),
        ("the header as it is", raw),
        ("nProtoID", raw[2:6]),
        ("nSerialNo", raw[8:12]),
        ("the reserved bytes", raw[36:]),
    ):
        yield "sha1_of_frame", f"{how} and the {name}", before + subject
    yield "sha1_of_frame", "the header alone, its digest still zero", blank
    yield "sha1_of_frame", f"the {name} and the header, its digest still zero", subject + blank


def _keyed(hashed: Hashed) -> Iterator[Form]:
    for how, key in hashed.keys:
        yield "other_hash_for_sha1", f"{how} and the {hashed.name}", key + hashed.body
        yield "other_hash_for_sha1", f"the {hashed.name} and {how}", hashed.body + key


def _reordered(hashed: Hashed) -> Iterator[Form]:
    subject, name = hashed.body, hashed.name
    yield "sha1_of_reordered", f"the {name} backwards", subject[::-1]
    for size in (2, 4, 8):
        whole = subject.ljust(-(-len(subject) // size) * size, b"\0")
        turned = bytearray(whole)
        for place in range(size):
            turned[place::size] = whole[size - 1 - place :: size]
        yield "sha1_of_reordered", f"the {name} with the bytes of each {8 * size}-bit word swapped", bytes(turned)
    yield "sha1_of_padded", f"the {name} twice", subject * 2


def _prefixed(hashed: Hashed) -> Iterator[Form]:
    subject, size = hashed.body, len(hashed.body)
    prefixes = {
        "u32": struct.pack("<I", size),
        "big-endian u32": struct.pack(">I", size),
        "u16": struct.pack("<H", size & 0xFFFF),
        "big-endian u16": struct.pack(">H", size & 0xFFFF),
        "u64": struct.pack("<Q", size),
        "big-endian u64": struct.pack(">Q", size),
        "varint": encode_varint(size),
    }
    for how, prefix in prefixes.items():
        yield "sha1_of_length_prefixed", f"the {hashed.name} after its length as {how}", prefix + subject


def _hex_forms(hashed: Hashed) -> Iterator[Form]:
    subject, name = hashed.body, hashed.name
    text = subject.hex().encode()
    for how, each in (("hexadecimal", text), ("upper-case hexadecimal", text.upper())):
        yield "sha1_of_hex", f"the {name} in {how}", each
        yield "sha1_of_hex", f"the {name} in {how} and a line end", each + b"\n"
        yield "sha1_of_hex", f"the {name} in {how} after 0x", b"0x" + each
    for mark in (" ", "-", ":"):
        spaced = binascii.hexlify(subject, mark) if subject else b""
        yield "sha1_of_hex", f'the {name} in hexadecimal with "{mark}" between bytes', spaced
        yield "sha1_of_hex", f'the {name} in upper-case hexadecimal with "{mark}" between bytes', spaced.upper()


def _texts(hashed: Hashed) -> Iterator[Form]:
    """Yield the texts that a program makes of bytes which it takes for text."""
    subject, name = hashed.body, hashed.name
    latin = subject.decode("latin-1")
    if not subject.isascii():
        repaired = subject.decode("utf-8", "replace")
        yield "sha1_of_text", f"the {name} read as UTF-8, with U+FFFD for what is none", repaired.encode()
        yield "sha1_of_text", f"the {name} read as UTF-8, with ? for what is none", repaired.replace("�", "?").encode()
        yield (
            "sha1_of_text",
            f"the {name} read as UTF-8, without what is none",
            subject.decode("utf-8", "ignore").encode(),
        )
        yield "sha1_of_text", f"the {name} with each byte as a character, in UTF-8", latin.encode()
        yield (
            "sha1_of_text",
            f"the {name} with ? for what is not ASCII",
            subject.decode("ascii", "replace").replace("�", "?").encode(),
        )
        yield "sha1_of_text", f"the {name} without what is not ASCII", subject.decode("ascii", "ignore").encode()
        yield (
            "sha1_of_text",
            f"the {name} with the top bit of each byte cleared",
            subject.translate(_SEVEN_BITS),
        )
        for encoding in ("gbk", "cp1252"):
            try:
                yield "sha1_of_text", f"the {name}'s text in {encoding.upper()}", subject.decode().encode(encoding)
            except UnicodeError:
                yield (
                    "sha1_of_text",
                    f"the {name} read as {encoding.upper()}",
                    subject.decode(encoding, "replace").encode(),
                )
    for order, encoding in (("little", "utf-16-le"), ("big", "utf-16-be")):
        yield "sha1_of_text", f"the {name} with each byte as a {order}-endian UTF-16 character", latin.encode(encoding)
        if not subject.isascii():
            text = subject.decode("utf-8", "replace")
            yield "sha1_of_text", f"the {name}'s text in {order}-endian UTF-16", text.encode(encoding)
    if len(subject) > MAX_PARSED:
        return
    numbers = ",".join(map(str, subject))
    for how, text in (
        ("as Python shows bytes", repr(subject)),
        ("as numbers with commas between them", numbers),
        ("as a list of numbers", f"[{numbers.replace(',', ', ')}]"),
        ("as a JSON array of numbers", f"[{numbers}]"),
        ("as Go prints bytes", f"[{numbers.replace(',', ' ')}]"),
    ):
        yield "sha1_of_text", f"the {name} {how}", text.encode()


def _padded(hashed: Hashed) -> Iterator[Form]:
    subject, name = hashed.body, hashed.name
    over = len(subject) % BLOCK
    fill = BLOCK - over
    zeros = bytes(fill % BLOCK)
    yield "sha1_of_padded", f"the {name} with PKCS#7 padding", subject + bytes([fill]) * fill
    if over:
        yield "sha1_of_padded", f"the {name} with zeros to whole blocks of 16", subject + zeros
    yield (
        "sha1_of_padded",
        f"the {name} with FTAES_ECB's padding and last block",
        subject + zeros + bytes(15) + bytes([over]),
    )
    for how, end in (("a zero byte", b"\0"), ("a line end", b"\n"), ("CR LF", b"\r\n")):
        yield "sha1_of_padded", f"the {name} and {how}", subject + end
    for size in _BUFFERS:
        if len(subject) < size <= 4 * len(subject) + 4096:
            yield "sha1_of_padded", f"a buffer of {size} bytes that begins with the {name}", subject.ljust(size, b"\0")
    for how, rest in (
        ("zero bytes at its end", subject.rstrip(b"\0")),
        ("white space around it", subject.strip()),
        ("zero bytes in it", subject.replace(b"\0", b"")),
        ("what follows its first zero byte", subject.partition(b"\0")[0]),
    ):
        if rest != subject:
            yield "sha1_of_part", f"the {name} without the {how}", rest


def _compressed(hashed: Hashed) -> Iterator[Form]:
    subject, name = hashed.body, hashed.name
    if len(subject) > MAX_PARSED:
        return
    for how, bits in (("zlib", 15), ("gzip", 31), ("raw deflate", -15)):
        for level in (6, 9, 1):
            packer = zlib.compressobj(level, zlib.DEFLATED, bits)
            yield "sha1_of_compressed", f"the {name} compressed with {how}", packer.compress(subject) + packer.flush()
        reader = zlib.decompressobj(bits)
        try:
            unpacked = reader.decompress(subject, 4 * len(subject) + 4096)
        except zlib.error:
            continue
        if unpacked and reader.eof:
            yield "sha1_of_compressed", f"the {name} before it was compressed with {how}", unpacked


def _written_again(hashed: Hashed) -> Iterator[Form]:
    """Yield the same message as another writer, or the other format, has it."""
    header, subject, name, message_class, _ = hashed
    if len(subject) > MAX_PARSED:
        return
    try:
        value = json.loads(subject) if subject.lstrip()[:1] == b"{" else None
    except (ValueError, RecursionError):
        value = None
    if value is not None:
        for how, text in _json_texts(value):
            yield "sha1_of_other_json", f"the {name}'s JSON {how}", text
    if message_class is None or header.body_format > BodyFormat.JSON:
        return
    try:
        message = decode_body(subject, message_class, header.body_format)
        binary = encode_body(message, BodyFormat.PROTOBUF)
        yield "sha1_of_other_format", f"the same message in protobuf, {len(binary)} bytes", binary
        text = encode_body(message, BodyFormat.JSON)
        yield "sha1_of_other_format", "the same message in JSON", text
        for how, other in _json_texts(json.loads(text)):
            yield "sha1_of_other_format", f"the same message in JSON {how}", other
    except (BodyError, ValueError, RecursionError):
        return


def _json_texts(value: object) -> Iterator[tuple[str, bytes]]:
    """Yield a JSON value as different writers lay it out."""
    layouts: tuple[tuple[str, tuple[str, str], int | None], ...] = (
        ("without white space", (",", ":"), None),
        ("with a space after commas and colons", (", ", ": "), None),
        ("indented by 2", (",", ": "), 2),
        ("indented by 4", (",", ": "), 4),
    )
    for how, separators, indent in layouts:
        for escaped in (True, False):
            for order in (False, True):
                made = json.dumps(value, separators=separators, indent=indent, ensure_ascii=escaped, sort_keys=order)
                shown = how + (", members sorted" if order else "")
                yield shown, made.encode("utf-8", "replace")
                yield f"{shown}, and a line end", made.encode("utf-8", "replace") + b"\n"


def _part(hashed: Hashed, work: Work) -> DigestSource | None:
    """Return the part of the frame that has this digest.

    All parts of a small frame; of a large one those that begin in the header or near the start of the body. The part
    that was found last is tried first, from the same place to as far from the end.
    """
    header, subject = hashed.header, hashed.body
    digest = header.sha1
    frame = header.encode() + subject
    start, behind = work.part
    if 0 <= start < len(frame) - behind and work.sha1(frame[start : len(frame) - behind]) == digest:
        return _part_source(start, len(frame) - behind - start, hashed)
    limit = work.limit()
    near = STARTS if len(subject) <= STEPS_EACH else STARTS_OF_LARGE
    starts = [HEADER_SIZE + ahead for ahead in range(min(near, len(subject)))]
    starts += range(HEADER_SIZE) if len(subject) <= STEPS_EACH else (0, 2, 16, 36)
    if len(frame) ** 2 // 2 <= STEPS_EACH:
        starts += range(HEADER_SIZE + STARTS, len(frame))
    for start in starts:
        length = _length_of(digest, frame, start, work, limit)
        if length is None:
            continue
        work.part = start, len(frame) - start - length
        return _part_source(start, length, hashed)
    return None


def _part_source(start: int, length: int, hashed: Hashed) -> DigestSource:
    if start < HEADER_SIZE:
        what = f"{length} bytes from offset {start} of the header on"
        return DigestSource("sha1_of_frame", f"the SHA-1 is that of {what}")
    ahead = start - HEADER_SIZE
    what = f"{length} bytes from offset {ahead} on" if ahead else f"the first {length} bytes"
    return DigestSource("sha1_of_part", f"the SHA-1 is that of {what}, of the {hashed.name}'s {len(hashed.body)}")


def _length_of(digest: bytes, data: bytes, start: int, work: Work, limit: int) -> int | None:
    """Return the length of the part from ``start`` on that has this digest.

    Every length is tried while there are steps left; of a longer part whole kilobytes, and the longest ones.
    """
    stop = len(data)
    ends: Iterable[int] = range(start + 1, stop + 1)
    if work.steps + stop - start > limit:
        ends = [*range(start + 1024, stop - STARTS, 1024), *range(max(start, stop - STARTS) + 1, stop + 1)]
        if work.steps + len(ends) > limit:
            return None
    state = hashlib.sha1(usedforsecurity=False)
    at = start
    work.hashed += stop - start
    for end in ends:
        state.update(data[at:end])
        at = end
        work.steps += 1
        if state.digest() == digest:
            return end - start
    return None


def real_length(digest: bytes, data: bytes, start: int, work: Work) -> int | None:
    """Return how many bytes from ``start`` on have this digest; ``None`` if no number of them that was tried."""
    return _length_of(digest, data, start, work, work.limit())


_SEARCHES: Final = (
    _written_otherwise,
    *map(
        _hashed_as,
        (
            _hex_forms,
            _base64_forms,
            _texts,
            _frame_forms,
            _keyed,
            _reordered,
            _prefixed,
            _padded,
            _compressed,
            _written_again,
        ),
    ),
)
"""What is tried before parts of the frame, the likeliest first."""
