"""Decoding and encoding of frames, against the floor and against the vendor's Python SDK.

Run it: ``python tests/bench/bench_codec.py`` (the SDK is installed as a test peer on first use).

The floor is what no decoder in Python can do without: ``struct``, SHA-1, cipher and protobuf, each one C call,
over frames that are already separate. The SDK runs in a process of its own, on the same bytes, in turns with ours.
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
from operator import sub, truediv
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher as Context
from cryptography.hazmat.primitives.ciphers import algorithms, modes

import ftwire
from ftwire.cipher import NONE, AesCbc, Cipher, FtAesEcb
from ftwire.connection import Connection
from ftwire.frame import Role, encode_frame
from ftwire.messages import InitConnect, Qot_GetRT, Qot_UpdateOrderBook, Qot_UpdateRT
from ftwire.observer import Observer
from ftwire.stream import FrameDecoder

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, keep_memory, report, take_turns, turns, with_core_named, within_rounds
from interop.peers import ensure, environment, python

PEER = "futu-api-10.11"
KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
CHUNK = 64 * 1024
SDK_ROUNDS = 5
ROUNDS_OF_OURS = 21
FIRST_SERIAL = 2
"""Serial of a client's first request behind its InitConnect."""


class Case(NamedTuple):
    """A body that is sent many times over."""

    name: str
    proto_id: int
    message: Any
    frames: int


def points(target: Any, count: int) -> None:
    """Add ``count`` points like those of the vendor's published reply."""
    for minute in range(count):
        target.add(
            time=f"2021-06-09 {(570 + minute) // 60:02}:{(570 + minute) % 60:02}:00",
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
    ("floor", "push"): 0.85,
    ("floor", "order book"): 0.85,
    ("floor", "3008 reply"): 0.92,
    ("message", "push", "plain"): 4.8,
    ("message", "push", "FTAES_ECB"): 6.5,
    ("message", "push", "AES_CBC"): 11.0,
    ("message", "3008 reply", "plain"): 1.3,
    ("message", "3008 reply", "AES_CBC"): 2.3,
    ("logged", "push", "plain"): 15.0,
    ("verified", "push", "plain"): 8.5,
    ("verified", "order book", "plain"): 7.5,
    ("verified", "3008 reply", "plain"): 3.0,
    ("bytewise", "push", "plain"): 12.0,
    ("encode", "push", "plain"): 2.9,
    ("encode", "push", "FTAES_ECB"): 4.5,
    ("encode", "push", "AES_CBC"): 8.5,
}
"""Aims by measurement, case and cipher."""


def floor(cipher: str, frames: list[bytes], parse: Callable[[bytes], object]) -> Callable[[], object]:
    """Make only the unavoidable C calls, over frames that are already separate."""
    unpack = struct.Struct("<2sIBBII20s8s").unpack_from
    ecb = Context(algorithms.AES(KEY.encode()), modes.ECB()).decryptor().update
    cbc = Context(algorithms.AES(KEY.encode()), modes.CBC(IV.encode())).decryptor().update
    iv = IV.encode()

    def work() -> None:
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
            parse(body)

    return work


def decode(cipher: str, chunks: list[bytes], *, messages: bool) -> Callable[[], object]:
    """Decode with ftwire, from chunks like those of a socket."""

    def work() -> None:
        decoder = FrameDecoder(cipher=CIPHERS[cipher]())
        if messages:
            for chunk in chunks:
                for frame in decoder.feed(chunk):
                    frame.message  # noqa: B018 - parses
        else:
            for chunk in chunks:
                for _ in decoder.feed(chunk):
                    pass

    return work


def cut(stream: bytes, size: int) -> list[bytes]:
    """Return the stream in chunks of one size."""
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def encode(case: Case, cipher: str) -> Callable[[], object]:
    """Encode with ftwire, from message to bytes."""
    count, proto_id, message = case.frames, case.proto_id, case.message
    made = CIPHERS[cipher]()

    def work() -> None:
        for serial in range(count):
            encode_frame(proto_id, serial, message.SerializeToString(), cipher=made)

    return work


def open_connection(case: Case) -> Connection:
    """Return a client's connection behind its handshake, which waits for the replies that the case has."""
    hello = InitConnect.Response(retType=0)
    s2c = hello.s2c
    s2c.serverVer, s2c.loginUserID, s2c.connID, s2c.keepAliveInterval, s2c.connAESKey = 1011, 1, 2, 10, KEY
    connection = Connection(Role.CLIENT)
    connection.initiate(1, client_id="bench")
    for _ in connection.receive_data(encode_frame(1001, 1, hello.SerializeToString()), 1):
        pass
    if case.name == "3008 reply":
        for _ in range(case.frames):
            connection.request(case.proto_id, b"", 1)
    connection.data_to_send()
    return connection


def connected(case: Case, chunks: list[bytes]) -> Callable[[], object]:
    """Decode frames with a connection: another one each time, since a reply answers its request once."""
    connections = [open_connection(case) for _ in range(1 + ROUNDS_OF_OURS)]

    def work() -> None:
        connection = connections.pop()
        for chunk in chunks:
            for _ in connection.receive_data(chunk, 2):
                pass

    return work


def observed(chunks: list[bytes]) -> Callable[[], object]:
    """Decode frames with an observer."""

    def work() -> None:
        observer = Observer()
        for chunk in chunks:
            for _ in observer.receive(Role.SERVER, chunk, 1, 1):
                pass

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


def against_floor_and_sdk() -> list[Ratio]:
    """Frames into messages and back."""
    ratios: list[Ratio] = []
    ours: dict[str, list[dict[str, float]]] = {}
    theirs: dict[str, list[dict[str, float]]] = {}
    work: dict[str, tuple[Case, str, dict[str, Callable[[], object]]]] = {}
    asked = {}
    for case in (push(), order_book(), time_share()):
        body = case.message.SerializeToString()
        parse = ftwire.registry[case.proto_id].response.FromString
        for cipher, make in CIPHERS.items():
            made = make()
            frames = [encode_frame(case.proto_id, serial, body, cipher=made) for serial in range(case.frames)]
            stream = b"".join(frames)
            chunks = cut(stream, CHUNK)
            name = f"{case.name}, {cipher}"
            contestants = {
                "floor": floor(cipher, frames, parse),
                "message": decode(cipher, chunks, messages=True),
                "verified": decode(cipher, chunks, messages=False),
                "encode": encode(case, cipher),
            }
            if cipher == "plain" and case.name != "3008 reply":
                few = decode(cipher, cut(b"".join(frames[:20]), 1), messages=True)
                contestants["bytewise"] = few
            work[name] = case, cipher, contestants
            encoded = base64.b64encode(stream).decode()
            asked[name] = {"name": name, "frames": encoded, "count": case.frames, "cipher": cipher}
    for _ in range(SDK_ROUNDS):
        for name, (case, _, contestants) in work.items():
            # In turns, so that a slow minute of the machine affects both.
            (figures,) = sdk([asked[name]]).values()
            theirs.setdefault(name, []).append(figures)
            turn = take_turns(contestants, rounds=5)
            counts = {key: 20 if key == "bytewise" else case.frames for key in turn}
            ours.setdefault(name, []).append({key: value / counts[key] for key, value in turn.items()})
    for name, (case, cipher, _) in work.items():
        mine, their = by_what(ours[name]), by_what(theirs[name])
        message, floor_ = statistics.median(mine["message"]) * 1e6, statistics.median(mine["floor"]) * 1e6
        share = within_rounds(truediv, mine["floor"], mine["message"])
        note = f"{message:.2f} us, floor {floor_:.2f}"
        ratios.append(Ratio(f"{name}: share of the floor", share, AIMS["floor", case.name], note))
        for what, sdk_key, our_key, text in (
            ("message", "receive", "message", "message, SDK"),
            ("logged", "logged", "message", "message, SDK as it logs by default"),
            ("parse", "parse", "message", "message, the SDK's inner function alone"),
            ("verified", "receive", "verified", "verified frame, SDK"),
            ("bytewise", "bytewise", "bytewise", "fed byte by byte, SDK"),
            ("encode", "pack", "encode", "encode, SDK"),
        ):
            if sdk_key in their and our_key in mine:
                us, them = (statistics.median(times) * 1e6 for times in (mine[our_key], their[sdk_key]))
                ratios.append(
                    Ratio(
                        f"{name}: {text}",
                        within_rounds(truediv, their[sdk_key], mine[our_key]),
                        AIMS.get((what, case.name, cipher)),
                        f"{us:.2f} us, SDK {them:.1f}",
                    )
                )
    return ratios


def by_what(rounds: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return the figures of all rounds by measurement."""
    return {what: [figures[what] for figures in rounds] for what in rounds[0] if what != "name"}


def against_ourselves() -> list[Ratio]:
    """Measure sizes of chunks, and the layers above the decoder."""
    ratios: list[Ratio] = []
    for case in (push(), order_book(), time_share()):
        body = case.message.SerializeToString()
        serials = range(FIRST_SERIAL, FIRST_SERIAL + case.frames)
        stream = b"".join(encode_frame(case.proto_id, serial, body) for serial in serials)
        chunks, small = cut(stream, CHUNK), cut(stream, 1448)
        taken = turns(
            {
                "64 KiB": decode("plain", chunks, messages=True),
                "1448": decode("plain", small, messages=True),
                "verified": decode("plain", chunks, messages=False),
                "connection": connected(case, chunks),
                "observer": observed(chunks),
            },
            rounds=ROUNDS_OF_OURS,
        )
        ratios.append(
            Ratio(
                f"{case.name}: chunks of 1448 bytes / 64 KiB",
                within_rounds(truediv, taken["1448"], taken["64 KiB"]),
                1.4,
                f"{statistics.median(taken['1448']) / case.frames * 1e6:.2f} us a frame",
                at_most=True,
            )
        )
        for name in ("connection", "observer"):
            added = within_rounds(sub, taken[name], taken["verified"]) / case.frames * 1e6
            note = f"{statistics.median(taken[name]) / case.frames * 1e6:.2f} us a frame"
            ratios.append(Ratio(f"{case.name}: us that the {name} adds", added, 1.0, note, at_most=True, micros=True))
    keep_memory()
    large = {}
    for size in (4, 16):
        frame = encode_frame(3009, 1, bytes(size << 20))
        large[f"{size} MiB"] = decode("plain", cut(frame, CHUNK), messages=False)
    turn = take_turns(large, rounds=7)
    ratios.append(
        Ratio(
            "a frame of 16 MiB / of 4 MiB, by the MiB",
            turn["16 MiB"] / turn["4 MiB"] / 4,
            1.2,
            f"{turn['16 MiB'] / 16 * 1e3:.2f} ms a MiB",
            at_most=True,
        )
    )
    return ratios


def main() -> None:
    ensure(PEER)
    report("codec", with_core_named(against_floor_and_sdk() + against_ourselves()))


if __name__ == "__main__":
    main()
