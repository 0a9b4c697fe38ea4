"""Write docs/check-sha-error.md: the first errors of a client's author, from the vectors and the known mistakes.

    python docs/make_first_errors.py

A test keeps the page equal to what this writes. Worked bytes are those of ``fixtures/vectors``; mistakes and remedies
are those of ``ftwire.diagnosis``; the code that makes a mistake is in ``docs/mistake_code.toml``.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Final

from ftwire.diagnosis import MISTAKES

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "check-sha-error.md"
VECTORS: Final = ROOT / "fixtures" / "vectors"
LANGUAGES: Final = {"go": "Go", "rust": "Rust", "typescript": "TypeScript", "java": "Java, C#", "python": "Python"}

FIELDS: Final = (
    ("szHeaderFlag", 0, 2, '"FT"'),
    ("nProtoID", 2, 4, "protocol ID, little-endian"),
    ("nProtoFmtType", 6, 1, "0 protobuf, 1 JSON"),
    ("nProtoVer", 7, 1, "0"),
    ("nSerialNo", 8, 4, "little-endian; the reply repeats it"),
    ("nBodyLen", 12, 4, "little-endian; bytes after the header, so those of the ciphertext"),
    ("arrBodySHA1", 16, 20, "SHA-1 of the plain body"),
    ("arrReserved", 36, 8, "zero"),
)

TEXTS: Final = (
    (
        "check sha error!",
        "the vendor's Python SDK, in its log",
        "The SHA-1 of what the SDK received is not that of the body as it reads it. Most often OpenD has an RSA key "
        "and the SDK none (the reply to InitConnect is then 128 bytes of ciphertext), or the keys differ.",
    ),
    (
        "The packet body SHA1 signature is incorrect.",
        "OpenD, `retMsg` of an ordinary reply",
        "The digest in the request's header is not that of the body as OpenD reads it. The connection stays open. Hash "
        "the plain body; if only encrypted requests are refused, AES is in force on one side only.",
    ),
    (
        "解析protobuf协议失败",
        "OpenD, `retMsg`: parsing the protobuf failed",
        "The digest agrees and the body is no message of this protocol, or lacks required fields: C2S sent without "
        "Request around it, an empty C2S where fields are required, repeated numbers in packed encoding (proto2 has "
        "them unpacked), another protocol's message.",
    ),
    (
        "未知的协议ID",
        "OpenD, `retMsg`: unknown protocol ID",
        "This version of OpenD does not have the protocol.",
    ),
    (
        "12884901888",
        "error code in the C++ and C# SDKs",
        "It is 3 << 32: the connection was refused or closed. Nothing listens there, or the RSA keys differ.",
    ),
    (
        "retType -100, -200, -400, -500",
        "replies",
        "-100 time-out, -200 disconnected, -400 unknown (also what an absent retType means), -500 invalid content. "
        "Only 0 is success.",
    ),
    (
        "Wait reconnect in 6 seconds",
        "the vendor's Python SDK, in its log",
        "No connection: refused, no answer to InitConnect, or nothing received for 33 s.",
    ),
    (
        "需要手机验证码",
        "OpenD, `retMsg` of InitConnect: a code sent by phone is needed",
        "OpenD is not logged in yet: finish the login in OpenD; clients try again.",
    ),
)

SYMPTOMS: Final = (
    (
        "A request times out",
        (
            "The header is right, but nBodyLen is larger than what follows: OpenD waits for the rest. See "
            "`body_length_with_header`, `big_endian_header`.",
            "The reply came with another serial, or was dropped for its SHA-1: match it on nProtoID and nSerialNo.",
            "InitConnect has no answer at all: as a rule the RSA key (`ftwire doctor --key`).",
            "The reader takes one `recv` for one frame: see `frames_glued`, `frame_cut`.",
        ),
    ),
    (
        "Disconnected",
        (
            "After 30 s: no KeepAlive (1004) was sent. Send one every `keepAliveInterval` of InitConnect's reply.",
            "At once, before any reply: OpenD has an RSA key and the client none, or another one.",
            "Before any reply, on port 33333: that is the WebSocket port, which has another header (`ft-v1.0`).",
            "With 128 clients connected: OpenD takes no more.",
        ),
    ),
    (
        "No push",
        (
            "Qot_Sub (3001) needs `isRegOrUnRegPush` true as well as `isSubOrUnSub` true, on this connection.",
            "After a reconnect nothing is subscribed: subscribe again.",
            "Pushes have IDs of their own (Qot_UpdateRT is 3009, not 3008) and any serial: do not match it.",
            "Pushes of orders need Trd_SubAccPush (2008); notices need `recvNotify` in InitConnect.",
            "The market is closed, or another client took the quote right (only one has the highest).",
        ),
    ),
    (
        "Protobuf versions clash",
        (
            "`TypeError: Descriptors cannot be created directly`: the generated `_pb2.py` files are older than the "
            "protobuf package. Install `protobuf==3.20.3` for old SDKs, or a new SDK.",
            "`duplicate file name` or `duplicate symbol`: two copies of the schema in one process, `futu` and `moomoo` "
            "say. Both use flat names (`Common.proto`) in the default pool; ftwire has a pool of its own.",
            "`AttributeError: ... 'label'` in JSON mode of the vendor's SDK: protobuf 7 dropped "
            "`FieldDescriptor.label`. Install an older protobuf, or use protobuf bodies.",
            "Message has no field, or required fields are missing, after an update of OpenD: compare with "
            "`ftwire schema diff`.",
        ),
    ),
)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page."""
    parts = [_introduction(), _hashed(), _texts(), *map(_symptom, SYMPTOMS), _mistakes()]
    return "\n".join(parts)


def _introduction() -> str:
    return """\
# "check sha error" and other first errors

<!-- Written by docs/make_first_errors.py: change that, not this. -->

What goes wrong when a program first speaks to OpenD, the gateway of the Futu and moomoo APIs, and what each error text
means. Two commands look at your own case:

```console
$ ftwire explain capture.pcap              # or a frame in hexadecimal, or - for standard input: names the mistake
$ ftwire doctor 127.0.0.1:11111            # connects as a client and shows what works, with a remedy for the rest
```
"""


def _vector(group: str, vector_id: str) -> Any:
    tests = json.loads((VECTORS / f"{group}.json").read_text(encoding="utf-8"))["tests"]
    return next(test for test in tests if test["id"] == vector_id)


def _hashed() -> str:
    data = bytes.fromhex(_vector("handshake", "handshake-1")["input"]["frames"][0]["data"])
    header, body = data[:44], data[44:]
    digest = hashlib.sha1(body, usedforsecurity=False).hexdigest()
    if header[16:36].hex() != digest:
        raise ValueError("the vector's SHA-1 is not that of its body")
    rows = [
        f"| {at} | {size} | {name} | `{header[at : at + size].hex()}` | {meaning} |"
        for name, at, size, meaning in FIELDS
    ]
    lines = [
        "## What is hashed, and in what order",
        "",
        "The SHA-1 in the header is that of the **plain body**: before encryption, after decryption, both ways.",
        "The header is not part of it. In this order:",
        "",
        "1. Encode the message: the whole `Request`, with `c2s` in it, as protobuf (or JSON): this is the body.",
        "2. SHA-1 of the body: 20 raw bytes, not hexadecimal text.",
        "3. Encrypt the body, if InitConnect agreed on it (RSA for InitConnect itself, AES after it).",
        "4. Write the header, little-endian: the length of the **encrypted** body, the SHA-1 of the **plain** one.",
        "5. Write the encrypted body.",
        "",
        "Reading is the reverse: 44 bytes, nBodyLen bytes, decrypt, compare the SHA-1, parse.",
        "",
        "InitConnect without a key, byte by byte (vector `handshake-1`):",
        "",
        "| offset | size | field | bytes | meaning |",
        "|---|---|---|---|---|",
        *rows,
        f"| 44 | {len(body)} | body | `{body.hex()}` | `InitConnect.Request` |",
        "",
        "```console",
        f"$ echo {body.hex()} | xxd -r -p | sha1sum",
        f"{digest}  -",
        "```",
        "",
        f"An empty body has the SHA-1 `{_vector('sha1', 'sha1-1')['expected']['sha1']}`, not zeros.",
        "",
        "The same bodies under AES, with the 16 characters of `connAESKey` as the key. `arrBodySHA1` stays that of the",
        "plain body, `nBodyLen` is that of the payload:",
        "",
        "| cipher (`packetEncAlgo`) | body | `arrBodySHA1` | payload | vector |",
        "|---|---|---|---|---|",
        *(_encrypted(group, name) for group, name in CIPHERS.items()),
        "",
        "FTAES_ECB pads with zeros and appends a plain block: 15 zeros and the body's length modulo 16.",
        "",
    ]
    return "\n".join(lines)


CIPHERS: Final = {"ftaes_ecb": "FTAES_ECB (0, or absent)", "aes_ecb": "AES_ECB (1)", "aes_cbc": "AES_CBC (2)"}


def _encrypted(group: str, name: str) -> str:
    tests = json.loads((VECTORS / f"{group}.json").read_text(encoding="utf-8"))["tests"]
    found = next(
        test
        for test in tests
        if test["operation"] == "encrypt" and test["result"] == "valid" and 0 < len(test["input"]["body"]) < 32
    )
    body = bytes.fromhex(found["input"]["body"])
    digest = hashlib.sha1(body, usedforsecurity=False).hexdigest()
    return f"| {name} | `{body.hex()}` | `{digest}` | `{found['expected']['payload']}` | `{found['id']}` |"


def _texts() -> str:
    rows = [f"| `{text}` | {where} | {meaning} |" for text, where, meaning in TEXTS]
    return "\n".join(
        ["## Error texts, and what each means", "", "| text | from | meaning |", "|---|---|---|", *rows, ""]
    )


def _symptom(symptom: tuple[str, tuple[str, ...]]) -> str:
    title, causes = symptom
    return "\n".join([f"## {title}", "", *(f"- {cause}" for cause in causes), ""])


def _mistakes() -> str:
    code = tomllib.loads((ROOT / "docs" / "mistake_code.toml").read_text(encoding="utf-8"))
    lines = [
        "## Every known mistake, and the code that makes it",
        "",
        "`ftwire explain` finds these in frames and captures, and names them by the identifier in brackets. Where code",
        "makes the mistake, it stands here in five languages: `body` is the plain body, `wire` what follows the",
        "header. The remedy above it says what is right.",
        "",
    ]
    for mistake in MISTAKES.values():
        lines += [f"### {mistake.title} [`{mistake.id}`]", "", mistake.remedy, ""]
        snippets = code.get(mistake.id)
        if snippets:
            lines += [f"- {name}: `` {snippets[key]} ``" for key, name in LANGUAGES.items()]
            lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
