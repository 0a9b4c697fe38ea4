"""Decoding and encoding of frames, against the floor and against the vendor's Python SDK.

Run it: ``python tests/bench/bench_codec.py`` (the SDK is installed as a test peer on first use).

The floor is what no decoder in Python can do without: ``struct``, SHA-1, cipher and protobuf, each one C call,
over frames that are already cut. The SDK runs in a process of its own, on the same bytes, in turns with ours.
"""

from __future__ import annotations

import base64
import json
import statistics
import struct
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher as Context
from cryptography.hazmat.primitives.ciphers import algorithms, modes

import ftwire
from ftwire.cipher import NONE, AesCbc, Cipher, FtAesEcb
from ftwire.frame import encode_frame
from ftwire.messages import Qot_GetRT, Qot_UpdateOrderBook, Qot_UpdateRT
from ftwire.stream import FrameDecoder

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, report, take_turns
from interop.peers import ensure, environment, python

PEER = "futu-api-10.11"
KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
CHUNK = 64 * 1024
SDK_ROUNDS = 5


class Case(NamedTuple):
    """A body that is sent many times over."""

    name: str
    proto_id: int
    message: Any
    frames: int


def points(target: Any, count: int) -> None:
    """Add ``count`` minutes of the published reply's shape."""
    for minute in range(count):
        target.add(
            time=f"2021-06-09 {9 + minute // 60:02}:{minute % 60:02}:00",
            minute=570 + minute,
            isBlank=False,
            price=600 + minute / 10,
            lastClosePrice=601,
            avgPrice=599.41146019278824,
            volume=255100 + minute,
            turnover=153060000.5,
            timestamp=1623202200 + 60 * minute,
        )


def push() -> Case:
    message = Qot_UpdateRT.Response(retType=0, retMsg="", errCode=0)
    message.s2c.security.market, message.s2c.security.code, message.s2c.name = 1, "00700", "TENCENT"
    points(message.s2c.rtList, 2)
    return Case("push", 3009, message, 4000)


def order_book() -> Case:
    message = Qot_UpdateOrderBook.Response(retType=0, retMsg="", errCode=0)
    s2c = message.s2c
    s2c.security.market, s2c.security.code, s2c.name = 1, "00700", "TENCENT"
    for level in range(20):
        for side, price in ((s2c.orderBookAskList, 600.2 + level / 5), (s2c.orderBookBidList, 600 - level / 5)):
            side.add(price=price, volume=12300 + level, orederCount=17 + level)
    return Case("order book", 3013, message, 2000)


def time_share() -> Case:
    message = Qot_GetRT.Response(retType=0, retMsg="", errCode=0)
    message.s2c.security.market, message.s2c.security.code, message.s2c.name = 1, "00700", "TENCENT"
    points(message.s2c.rtList, 330)
    return Case("3008 reply", 3008, message, 200)


CIPHERS: dict[str, Callable[[], Cipher]] = {
    "plain": lambda: NONE,
    "FTAES_ECB": lambda: FtAesEcb(KEY),
    "AES_CBC": lambda: AesCbc(KEY, IV),
}

AIMS = {
    ("push", "floor"): 0.85,
    ("order book", "floor"): 0.85,
    ("3008 reply", "floor"): 0.92,
    ("push", "plain"): 4.8,
    ("push", "AES_CBC"): 11.0,
    ("3008 reply", "plain"): 1.3,
    ("3008 reply", "AES_CBC"): 2.3,
    ("push", "verified"): 8.5,
    ("order book", "verified"): 7.5,
    ("3008 reply", "verified"): 3.0,
    ("encode", "plain"): 2.9,
    ("encode", "AES_CBC"): 8.5,
}


def floor(cipher: str, frames: list[bytes], parse: Callable[[bytes], object]) -> Callable[[], object]:
    """The unavoidable C calls over frames that are already cut."""
    unpack = struct.Struct("<2sIBBII20s8s").unpack_from
    ecb = Context(algorithms.AES(KEY.encode()), modes.ECB()).decryptor().update
    cbc = Context(algorithms.AES(KEY.encode()), modes.CBC(IV.encode())).decryptor().update
    iv = IV.encode()

    def work() -> list[object]:
        messages = []
        for frame in frames:
            fields = unpack(frame)
            body = frame[44:]
            if cipher == "FTAES_ECB":
                over = body[-1]
                body = ecb(body[:-16])
                body = body[: over - 16] if over else body
            elif cipher == "AES_CBC":
                body = cbc(iv + body)[16:]
                body = body[: -body[-1]]
            if sha1(body).digest() != fields[6]:  # noqa: S324 - the protocol's digest
                raise ValueError("a frame of the benchmark itself is wrong")
            messages.append(parse(body))
        return messages

    return work


def decode(cipher: str, chunks: list[bytes], *, messages: bool) -> Callable[[], object]:
    """Ours, from chunks as a socket gives them."""

    def work() -> object:
        decoder = FrameDecoder(cipher=CIPHERS[cipher]())
        if messages:
            return [frame.message for chunk in chunks for frame in decoder.feed(chunk)]
        return [frame for chunk in chunks for frame in decoder.feed(chunk)]

    return work


def encode(case: Case, cipher: str) -> Callable[[], object]:
    """Ours, from message to bytes."""
    count, proto_id, message = case.frames, case.proto_id, case.message
    made = CIPHERS[cipher]()

    def work() -> object:
        return [encode_frame(proto_id, serial, message.SerializeToString(), cipher=made) for serial in range(count)]

    return work


def sdk(cases: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Seconds a frame of the SDK's functions, by case."""
    program = Path(__file__).with_name("sdk_paths.py")
    done = subprocess.run(
        [str(python(PEER)), str(program)],
        input=json.dumps({"cases": cases, "repeat": 3}),
        env=environment(PEER),
        capture_output=True,
        text=True,
        check=True,
    )
    return {case["name"]: case for case in json.loads(done.stdout)["cases"]}


def main() -> None:
    ensure(PEER)
    ratios: list[Ratio] = []
    ours: dict[str, list[dict[str, float]]] = {}
    theirs: dict[str, list[dict[str, float]]] = {}
    work: dict[str, tuple[Case, str, dict[str, Callable[[], object]]]] = {}
    asked = []
    for case in (push(), order_book(), time_share()):
        body = case.message.SerializeToString()
        parse = ftwire.registry[case.proto_id].response.FromString
        for cipher, make in CIPHERS.items():
            made = make()
            frames = [encode_frame(case.proto_id, serial, body, cipher=made) for serial in range(case.frames)]
            stream = b"".join(frames)
            chunks = [stream[at : at + CHUNK] for at in range(0, len(stream), CHUNK)]
            name = f"{case.name}, {cipher}"
            work[name] = (
                case,
                cipher,
                {
                    "floor": floor(cipher, frames, parse),
                    "message": decode(cipher, chunks, messages=True),
                    "verified": decode(cipher, chunks, messages=False),
                    "encode": encode(case, cipher),
                },
            )
            if cipher != "FTAES_ECB":  # which the SDK speaks only with a gateway that does not know AES_CBC
                asked.append(
                    {
                        "name": name,
                        "frames": base64.b64encode(stream).decode(),
                        "count": case.frames,
                        "encrypted": cipher == "AES_CBC",
                    }
                )
    for _ in range(SDK_ROUNDS):
        for name, figures in sdk(asked).items():
            theirs.setdefault(name, []).append(figures)
        for name, (case, _, contestants) in work.items():
            turn = take_turns(contestants, rounds=3)
            ours.setdefault(name, []).append({key: value / case.frames for key, value in turn.items()})
    for name, (case, cipher, _) in work.items():
        mine = {key: statistics.median(turn[key] for turn in ours[name]) for key in ours[name][0]}
        note = f"{mine['message'] * 1e6:.2f} us, floor {mine['floor'] * 1e6:.2f}"
        share = statistics.median(turn["floor"] / turn["message"] for turn in ours[name])
        ratios.append(Ratio(f"{name}: share of the floor", share, AIMS.get((case.name, "floor")), note))
        if name not in theirs:
            continue
        their = {key: statistics.median(turn[key] for turn in theirs[name]) for key in ("parse", "pack")}
        versus = f"SDK {their['parse'] * 1e6:.1f} us"
        ratios += [
            Ratio(f"{name}: message, SDK", their["parse"] / mine["message"], AIMS.get((case.name, cipher)), versus),
            Ratio(
                f"{name}: verified frame, SDK",
                their["parse"] / mine["verified"],
                AIMS.get((case.name, "verified")) if cipher == "plain" else None,
                f"{mine['verified'] * 1e6:.2f} us",
            ),
            Ratio(
                f"{name}: encode, SDK",
                their["pack"] / mine["encode"],
                AIMS.get(("encode", cipher)) if case.name == "push" else None,
                f"{mine['encode'] * 1e6:.2f} us, SDK {their['pack'] * 1e6:.1f}",
            ),
        ]
    report("codec", ratios)


if __name__ == "__main__":
    main()
