"""Bodies that hold the right message in another form: as text, compressed, after its length; and JSON that is none."""

from __future__ import annotations

import binascii
import json
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ftwire.diagnosis.mistakes import MISTAKES, Finding

if TYPE_CHECKING:
    from ftwire.errors import BodyError
    from ftwire.frame import Role

__all__ = ["bytes_of_text", "json_finding", "wrapped_finding"]

MAX_UNWRAPPED: Final = 1 << 20
"""Largest body that is looked into, in bytes."""
MAX_MORE: Final = 64
"""Bytes behind a message that are looked for."""
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_BOM: Final = b"\xef\xbb\xbf"
_ENCODINGS: Final = (("UTF-16", "utf-16"), ("UTF-16 without byte order mark", "utf-16-le"), ("GBK", "gbk"))


def bytes_of_text(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a text in hexadecimal or base64 stands for, with the name of the notation."""
    bare = text.strip()
    with suppress(ValueError):
        yield "hexadecimal", bytes.fromhex(bare.decode("ascii"))
    turned = bare.translate(_URL_SAFE)
    with suppress(binascii.Error):
        yield "base64", b64decode(turned + b"=" * (-len(turned) % 4), validate=True)


def wrapped_finding(body: bytes, name: str, sender: Role, is_whole: Callable[[bytes], bool]) -> Finding | None:
    """Return the finding for a body that holds the message ``name`` in something else.

    ``is_whole`` returns whether bytes are just that message.
    """
    if not body or len(body) > MAX_UNWRAPPED:
        return None
    for mistake, what, inner in _unwrapped(body):
        if inner and is_whole(inner):
            return Finding(MISTAKES[mistake], f"{what} is a whole {name}.", sender)
    return None


def _unwrapped(body: bytes) -> Iterator[tuple[str, str, bytes]]:
    for notation, inner in bytes_of_text(body):
        yield "body_as_text", f"What the body's {notation} stands for", inner
    for how, bits in (("gzip", 31), ("zlib", 15), ("raw deflate", -15)):
        reader = zlib.decompressobj(bits)
        try:
            yield "body_compressed", f"The body unpacked as {how}", reader.decompress(body, MAX_UNWRAPPED)
        except zlib.error:
            continue
    for what, size, order in (("u32", 4, "little"), ("big-endian u32", 4, "big"), ("u16", 2, "little")):
        if int.from_bytes(body[:size], "big" if order == "big" else "little") == len(body) - size > 0:
            yield "body_length_prefixed", f"The body without the first {size} bytes, its length as {what},", body[size:]
    for size in (1, 2, 3):
        # A varint: seven bits a byte, the least first.
        value = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(body[:size]))
        if value == len(body) - size > 0:
            yield "body_length_prefixed", f"The body without the first {size} bytes, its length as varint,", body[size:]
    for count in range(1, min(MAX_MORE, len(body) - 1) + 1):
        # Line ends and what is left of a buffer: anything else may be a part of the message.
        if body[-count] not in b"\0\n\r ":
            return
        yield "body_with_more", f"The body without its last {count} bytes, {body[-count:][:8].hex(' ')},", body[:-count]


def json_finding(body: bytes, error: BodyError, sender: Role) -> Finding:
    """Return the finding for a JSON body that is not the message it should be."""
    proof, unquoted = f"The SHA-1 agrees, but this is {error}.", f"The SHA-1 agrees, but this is {error.unquoted}."
    found = Finding(MISTAKES["json_invalid"], proof, sender, unquoted=unquoted)
    value = _loaded(body)
    if isinstance(value, dict):
        return found._replace(mistake=MISTAKES["json_member_type"])
    if isinstance(value, str) and isinstance(_loaded(value.encode("utf-8", "replace")), dict):
        return found._replace(proof="The body is a JSON text, and that text is a JSON object.", unquoted=None)
    if body.startswith(_BOM) and isinstance(_loaded(body[len(_BOM) :]), dict):
        return found._replace(proof="A byte order mark, ef bb bf, stands in front of the JSON.", unquoted=None)
    for encoding, codec in _ENCODINGS:
        try:
            text = body.decode(codec)
        except UnicodeError:
            continue
        if isinstance(_loaded(text.encode("utf-8", "replace")), dict):
            return found._replace(proof=f"The body is JSON in {encoding}.", unquoted=None)
    if isinstance(_loaded(body.rstrip(b"\0")), dict):
        proof = f"{len(body) - len(body.rstrip(bytes(1)))} zero bytes stand behind the JSON."
        return found._replace(mistake=MISTAKES["body_with_more"], proof=proof, unquoted=None)
    return found


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text.decode()) if len(text) <= MAX_UNWRAPPED else None
    except (ValueError, RecursionError):
        return None
