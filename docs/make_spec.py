"""Fill the tables, diagrams and examples of docs/spec from ftwire's declarations, registry and vectors.

    python docs/make_spec.py

It also writes the Kaitai Struct descriptions. A test keeps everything equal to what this writes. In a page, what is
filled in stands between ``<!-- make_spec: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import construct as cs

import ftwire
from ftwire.cipher import RSA_CHUNK, RSA_PADDING, PacketEncAlgo
from ftwire.layout import CLIENT_ENVELOPE, HEADER, SERVER_ENVELOPE
from ftwire.messages import Common

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = ROOT / "docs" / "spec"
VECTORS: Final = ROOT / "fixtures" / "vectors"
KEEP_ALIVE: Final = 1004

MEANINGS: Final = {
    "magic": ("szHeaderFlag", "`FT`"),
    "proto_id": ("nProtoID", "protocol ID"),
    "body_format": ("nProtoFmtType", "0 protobuf, 1 JSON"),
    "version": ("nProtoVer", "0"),
    "serial": ("nSerialNo", "serial number; a reply repeats its request's"),
    "body_length": ("nBodyLen", "bytes that follow, encrypted if they are"),
    "sha1": ("arrBodySHA1", "SHA-1 of the plain body"),
    "reserved": ("arrReserved", "zero"),
}
"""Field of the header to the vendor's name and what it means."""

LABELS: Final = {name: vendor for name, (vendor, _) in MEANINGS.items()} | {
    "magic": "F   T",
    "body_format": "fmt",
    "version": "ver",
}
"""What stands in the diagram, where the vendor's name is too long."""

ENVELOPE_MEANINGS: Final = {
    "magic": "`ft-v1.0` and a zero byte",
    "command": "protocol ID, or a number below 100",
    "section": "number of the request; the reply repeats it",
    "error_code": "0 fine, 1 time-out, 2 OpenD's time-out, 3 disconnected; signed",
    "error_text": "UTF-8, filled with zero bytes",
}

_BLOCK: Final = re.compile(r"(<!-- make_spec: (\w+) -->).*?(<!-- end -->)", re.DOTALL)


def fields(declaration: Any) -> Iterable[tuple[str, int, int, str]]:
    """Yield name, offset, size and type of each field of a construct declaration."""
    offset = 0
    for field in declaration.subcons:
        size = field.sizeof()
        inner = field.subcon
        while isinstance(inner, cs.Const):
            inner = inner.subcon
        kind = f"bytes[{size}]"
        if isinstance(inner, cs.FormatField):
            kind = f"{'i' if inner.fmtstr[1].islower() else 'u'}{size * 8}"
        yield field.name, offset, size, kind
        offset += size


def _diagram(declaration: Any, labels: dict[str, str]) -> str:
    """Return a byte diagram, 16 bytes a row. A field that goes on in the next row has its name in both."""
    width, cell = 16, 4
    owners = [name for name, _, size, _ in fields(declaration) for _ in range(size)]
    lines = ["    " + "".join(f"{column:^{cell}}" for column in range(width)).rstrip()]
    for row in range(0, len(owners), width):
        cells = owners[row : row + width]
        text = f"{row:>3} "
        for name, run in groupby(cells):
            text += "|" + f"{labels[name]:^{len(list(run)) * cell - 1}}"
        rule = "    " + "+" + "-" * (len(text) - 5) + "+"
        lines += [rule, text + "|"] if len(rule) >= len(lines[-1]) else [lines.pop(-1), text + "|"]
    return "\n".join([*lines, rule])


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _vectors(group: str) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = json.loads((VECTORS / f"{group}.json").read_text("utf-8"))["tests"]
    return tests


def _spaced(data: str) -> str:
    """Return hexadecimal digits in groups of four bytes."""
    return " ".join(data[at : at + 8] for at in range(0, len(data), 8)) or "(none)"


def header_diagram() -> str:
    """Return the byte diagram of the header."""
    return _fenced(_diagram(HEADER, LABELS))


def header_fields() -> str:
    """Return the table of its fields."""
    rows = (
        (offset, size, f"`{MEANINGS[name][0]}`", f"`{name}`", kind, MEANINGS[name][1])
        for name, offset, size, kind in fields(HEADER)
    )
    return _table(("offset", "size", "vendor's name", "in ftwire", "type", "meaning"), rows)


def header_example() -> str:
    """Return the bytes of a frame, field by field."""
    request = ftwire.registry[KEEP_ALIVE].request()
    request.c2s.time = 1_623_202_200
    body = request.SerializeToString()
    data = ftwire.Header(KEEP_ALIVE, 2, len(body), hashlib.sha1(body, usedforsecurity=False).digest()).encode()
    lines = []
    for name, offset, size, _ in fields(HEADER):
        value = data[offset : offset + size].hex(" ")
        lines.append(f"{offset:>4}  {MEANINGS[name][0]:<14} {value}")
    lines.append(f"{len(data):>4}  {'body':<14} {body.hex(' ')}")
    return _fenced("\n".join(lines))


def digests() -> str:
    """Return the table of digests of short bodies."""
    rows = [
        (
            test["comment"],
            f"`{test['input']['body']}`" if test["input"]["body"] else "",
            f"`{test['expected']['sha1']}`",
        )
        for test in _vectors("sha1")
        if len(test["input"]["body"]) <= 16
    ]
    return _table(("plain body", "bytes", "digest"), rows)


def body_formats() -> str:
    """Return the table of body formats."""
    return _table(("value", "format"), ((each.value, each.name.lower()) for each in ftwire.BodyFormat))


def ret_types() -> str:
    """Return the table of ``retType``."""
    meaning = {
        0: "success",
        -1: "refused, the reason is in `retMsg`",
        -100: "time-out",
        -200: "disconnected",
        -400: "unknown: what an absent `retType` is",
        -500: "content that is invalid",
    }
    return _table(
        ("`retType`", "name", "meaning"), ((number, name, meaning[number]) for name, number in Common.RetType.items())
    )


def protocol_count() -> str:
    """Return how many protocols there are."""
    return str(len(list(ftwire.registry)))


def pushes() -> str:
    """Return the table of pushes."""
    found = [entry for entry in ftwire.registry if entry.is_push]
    rows = ((entry.proto_id, entry.name, "retired" if entry.is_retired else "") for entry in found)
    return _table(("ID", "push", ""), rows)


def renamed() -> str:
    """Return the table of protocols that had other names."""
    rows = (
        (entry.proto_id, entry.name, ", ".join(str(each) for each in entry.former_names))
        for entry in ftwire.registry
        if entry.former_names
    )
    return _table(("ID", "today", "before"), rows)


def retired() -> str:
    """Return the table of protocols that the newest SDK does not have."""
    rows = ((entry.proto_id, entry.name, entry.last) for entry in ftwire.registry if entry.is_retired)
    return _table(("ID", "protocol", "last in SDK"), rows)


def rsa_lengths() -> str:
    """Return the table of lengths under RSA."""
    rows = []
    for body in (1, 100, 101, 117, 118, 200, 201, 300):
        short, long = (-(-body // size) for size in (RSA_CHUNK, 128 - RSA_PADDING))
        rows.append((body, short * 128, long * 128, short * 256))
    head = ("plain body", "1024 bits, chunks of 100", "1024 bits, chunks of 117", "2048 bits, chunks of 100")
    return _table(head, rows)


def modes() -> str:
    """Return the table of AES modes."""
    names = {
        -1: "nothing is encrypted",
        0: "OpenD's own mode, and what is meant where the field is absent",
        1: "PKCS#7, ECB",
        2: "PKCS#7, CBC",
    }
    return _table(
        ("`packetEncAlgo`", "mode", ""), ((each.value, each.name, names[each.value]) for each in PacketEncAlgo)
    )


def ciphers() -> str:
    """Return tables of bodies and what they are encrypted to."""
    parts = []
    for group in ("ftaes_ecb", "aes_ecb", "aes_cbc"):
        rows = [
            (
                len(test["input"]["body"]) // 2,
                f"`{_spaced(test['input']['body'])}`",
                f"`{_spaced(test['expected']['payload'])}`",
            )
            for test in _vectors(group)
            if test["operation"] == "encrypt" and len(test["input"]["body"]) // 2 in {0, 1, 15, 16, 17}
        ]
        seen: dict[int, tuple[int, str, str]] = {}
        for row in rows:
            seen.setdefault(row[0], row)
        parts.append(f"{group.upper()}:\n\n" + _table(("bytes", "plain body", "encrypted"), seen.values()))
    return "\n\n".join(parts)


def client_envelope() -> str:
    """Return the table of what a WebSocket client sends."""
    return _envelope(CLIENT_ENVELOPE)


def server_envelope() -> str:
    """Return the table of what it receives."""
    return _envelope(SERVER_ENVELOPE)


def _envelope(declaration: Any) -> str:
    rows = (
        (offset, size, f"`{name}`", kind, ENVELOPE_MEANINGS[name]) for name, offset, size, kind in fields(declaration)
    )
    return _table(("offset", "size", "field", "type", "meaning"), rows)


MAKERS: Final[dict[str, Callable[[], str]]] = {
    maker.__name__: maker
    for maker in (
        header_diagram,
        header_fields,
        header_example,
        digests,
        body_formats,
        ret_types,
        protocol_count,
        pushes,
        renamed,
        retired,
        rsa_lengths,
        modes,
        ciphers,
        client_envelope,
        server_envelope,
    )
}


def filled(text: str) -> str:
    """Return a page with what stands between its marks made anew."""

    def fill(found: re.Match[str]) -> str:
        made = MAKERS[found[2]]()
        # What is one word stands in the middle of a sentence.
        between = f"\n{made}\n" if "\n" in made else made
        return f"{found[1]}{between}{found[3]}"

    return _BLOCK.sub(fill, text)


def kaitai_header() -> str:
    """Return the description of one direction of a conversation on TCP, frame after frame."""
    lines = [
        "# Made by docs/make_spec.py from ftwire.layout.",
        "meta:",
        "  id: opend",
        "  title: OpenD wire protocol, one direction of a conversation on TCP",
        "  endian: le",
        "seq:",
        "  - id: frames",
        "    type: frame",
        "    repeat: eos",
        "types:",
        "  frame:",
        "    seq:",
        *_kaitai_fields(HEADER, {name: meaning for name, (_, meaning) in MEANINGS.items()}),
        "      - id: body",
        "        size: body_length",
        "        doc: protobuf or JSON; encrypted, if the conversation is",
    ]
    return "\n".join(lines) + "\n"


def kaitai_envelopes() -> str:
    """Return the description of what one WebSocket message holds: ``client_message`` or ``server_message``."""
    lines = [
        "# Made by docs/make_spec.py from ftwire.layout.",
        "meta:",
        "  id: opend_websocket",
        "  title: OpenD's WebSocket envelope",
        "  endian: be",
        "params:",
        "  - id: is_client",
        "    type: bool",
        "    doc: whether the client sent the message",
        "seq:",
        "  - id: message",
        "    type:",
        "      switch-on: is_client",
        "      cases:",
        "        true: client_message",
        "        false: server_message",
        "types:",
    ]
    for name, declaration in (("client_message", CLIENT_ENVELOPE), ("server_message", SERVER_ENVELOPE)):
        lines += [
            f"  {name}:",
            "    seq:",
            *_kaitai_fields(declaration, ENVELOPE_MEANINGS),
            "      - id: body",
            "        size-eos: true",
        ]
    return "\n".join(lines) + "\n"


def _kaitai_fields(declaration: Any, meanings: dict[str, str]) -> list[str]:
    lines = []
    for field, (name, _, size, kind) in zip(declaration.subcons, fields(declaration), strict=True):
        lines.append(f"      - id: {name}")
        if isinstance(field.subcon, cs.Const):
            lines.append(f"        contents: [{', '.join(str(byte) for byte in field.subcon.value)}]")
        elif kind.startswith("bytes"):
            lines.append(f"        size: {size}")
        else:
            lines.append(f"        type: {'s' if kind[0] == 'i' else 'u'}{size}")
        lines.append(f"        doc: {json.dumps(meanings[name].replace('`', ''))}")
    return lines


DESCRIPTIONS: Final = {"opend.ksy": kaitai_header, "opend_websocket.ksy": kaitai_envelopes}


def main() -> None:
    """Write the pages and the descriptions."""
    for page in sorted(SPEC.glob("*.md")):
        page.write_text(filled(page.read_text("utf-8")), "utf-8", newline="\n")
    for name, make in DESCRIPTIONS.items():
        (SPEC / name).write_text(make(), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
