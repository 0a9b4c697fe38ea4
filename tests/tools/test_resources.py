"""Attacks on memory, each in a process that is not allowed more than it should need.

The ceiling is on address space (``RLIMIT_AS``): what the interpreter and our imports map, and a fixed allowance on
top of it. An attack that gets through ends its process in a ``MemoryError``.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.places import ROOT

# Against hangs alone: a million of anything takes its time on a busy machine.
pytestmark = pytest.mark.timeout(600)

PRELUDE = """
import resource, sys
sys.path[:0] = {path!r}
import gzip, json, struct, zlib
from support.places import ROOT
from ftwire import (
    BodyFormat, Connection, ConversationObserver, Envelope, FrameDecoder, ResyncDecoder, Header, Observer, Role,
    WebSocketObserver, decode_body, pcap, registry,
)
from ftwire.connection import SECOND
from ftwire.errors import BodyError, BodyTooLargeError, CaptureError, EnvelopeError, HeaderError, WireError
from ftwire.messages import Qot_GetRT, TestCmd
from ftwire.pcap import Dissector, PcapngWriter, PcapWriter
from support.pcap_model import ACK, SYN, A, B, frame
from ftwire.frame import encode_frame
import websockets.frames, websockets.streams, websockets.extensions.permessage_deflate
WebSocketObserver()
decode_body(b"\\x08\\x00", Qot_GetRT.Response)
MIB = 1 << 20

def mapped():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def ceiling(mib):
    limit = mapped() + mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def raises(error, run):
    try:
        run()
    except error as caught:
        return str(caught)
    raise AssertionError("nothing was raised")
"""


def attack(program: str, *, allowance: int = 64) -> None:
    """Run a program that may map ``allowance`` MiB more than its imports took."""
    prelude = PRELUDE.format(path=[str(ROOT / "tests"), str(ROOT)])
    text = f"{prelude}\nceiling({allowance})\n{program}\nprint('survived')\n"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=580, check=False)
    assert done.stdout == "survived\n", done.stderr[-2000:]


def test_the_ceiling_holds() -> None:
    """Without this the others would prove nothing."""
    with pytest.raises(AssertionError, match="MemoryError"):
        attack("data = bytes(80 * MIB)")
    attack("data = bytes(40 * MIB)")


def test_lengths_of_4_gib() -> None:
    attack("""
lying = Header(3008, 1, 0xFFFFFFFF, bytes(20)).encode()
raises(BodyTooLargeError, lambda: list(FrameDecoder().feed(lying)))
for role in Role:
    side = Connection(role)
    raises(BodyTooLargeError, lambda: list(side.receive_data(lying, 0)))
scanner, observer, talk = ResyncDecoder(), Observer(), ConversationObserver(client=0)
good = encode_frame(3008, 1, b"\\x08\\x00")
for at in range(20_000):
    for _ in scanner.feed(lying): pass
    for _ in observer.receive(Role.SERVER, lying): pass
    for _ in talk.receive(1, lying): pass
assert [item for item in [*scanner.feed(good), *scanner.close()] if hasattr(item, "serial")]
""")


def test_the_longest_body_allowed_announced_and_never_sent() -> None:
    """One body of 64 MiB is allowed; a thousand connections that announce one must not reserve it."""
    attack("""
lying = Header(3008, 1, 64 * MIB, bytes(20)).encode()
sides = [FrameDecoder() for _ in range(1000)] + [ResyncDecoder() for _ in range(1000)]
for side in sides:
    assert list(side.feed(lying + bytes(100))) == []
    assert side.pending == 144
""")


def test_a_million_tiny_frames() -> None:
    attack("""
tiny = encode_frame(1004, 1, b"")
chunk = tiny * 10_000
decoder, scanner, observer = FrameDecoder(), ResyncDecoder(), Observer()
count = 0
for _ in range(100):
    for frame_ in decoder.feed(chunk): count += 1
    for frame_ in scanner.feed(chunk): count += 1
assert count == 2_000_000
for _ in range(10):
    for event in observer.receive(Role.CLIENT, chunk): count += 1   # requests that nobody answers
assert count == 2_100_000
""")


def test_requests_that_are_never_answered_are_forgotten() -> None:
    attack("""
observer = Observer()
for serial in range(60_000):
    for event in observer.receive(Role.CLIENT, encode_frame(3008, serial, bytes(2000))): pass
""")


@pytest.mark.long
def test_protocols_nobody_knows_leave_nothing_behind() -> None:
    attack("""
scanner = ResyncDecoder()
for proto_id in range(10_000, 110_000):
    for item in scanner.feed(encode_frame(proto_id, 1, b"")):
        item.kind, item.message
""", allowance=12)  # fmt: skip


@pytest.mark.long
def test_a_million_half_open_flows() -> None:
    attack("""
plain = frame(A, B, 1, flags=SYN)
record = struct.pack("<IIII", 0, 0, len(plain), len(plain))
dissector = Dissector()
seen = sum(1 for _ in dissector.feed(PcapWriter().header()))
for base in range(0, 1_000_000, 1000):
    chunk = b"".join(record + plain[:26] + n.to_bytes(4, "big") + plain[30:] for n in range(base, base + 1000))
    for _ in dissector.feed(chunk): seen += 1
for _ in dissector.close(): seen += 1
assert seen == 2_000_000, seen
""", allowance=96)  # fmt: skip


@pytest.mark.long
def test_overlapping_segments_without_end() -> None:
    attack("""
writer = PcapWriter()
dissector = Dissector()
list(dissector.feed(writer.header()))
list(dissector.feed(writer.packet(0, frame(A, B, 0, flags=SYN))))
data = bytes(1400)
for at in range(20_000):   # each a byte further than the last, after a byte that never comes
    for _ in dissector.feed(writer.packet(0, frame(A, B, 3 + at % 10_000, data))): pass
for _ in dissector.close(): pass
""", allowance=96)  # fmt: skip


@pytest.mark.parametrize("length", [0, 11, 13, 16 << 20, (16 << 20) + 4, 0x7FFFFFFF, 0xFFFFFFFC])
def test_pcapng_blocks_whose_lengths_lie(length: int) -> None:
    attack(f"""
writer = PcapngWriter()
head = writer.section() + writer.interface()
lying = struct.pack("<II", 6, {length}) + bytes(100)
dissector = Dissector()
try:
    for _ in range(50):
        for _ in dissector.feed(head + lying): pass
    list(dissector.close())
except CaptureError as error:
    assert str(error)
""")


def test_records_of_pcap_whose_lengths_lie() -> None:
    attack("""
for length in (0x7FFFFFFF, 0xFFFFFFFF, 16 * MIB + 1):
    dissector = Dissector()
    lying = PcapWriter().header() + struct.pack("<IIII", 0, 0, length, length)
    raises(CaptureError, lambda: list(dissector.feed(lying + bytes(1000))))
""")


@pytest.mark.long
def test_gzip_bombs() -> None:
    """A gibibyte of packets out of a megabyte; one record above the limit; a bomb within a bomb."""
    attack("""
packer = zlib.compressobj(9, zlib.DEFLATED, 31)
record = struct.pack("<IIII", 0, 0, MIB, MIB) + bytes(MIB)
parts = [packer.compress(PcapWriter().header())]
for _ in range(1024):
    parts.append(packer.compress(record))
parts.append(packer.flush())
bomb = b"".join(parts)
del parts, record
assert len(bomb) < 2 * MIB
dissector = Dissector()
seen = sum(1 for _ in dissector.feed(bomb))
list(dissector.close())
assert seen == 1024, seen
# Nobody need take what a chunk makes: an iterator that is dropped has made nothing yet.
Dissector().feed(bomb)
raises(CaptureError, lambda: list(Dissector().feed(gzip.compress(bomb))))
""", allowance=96)  # fmt: skip
    attack("""
bomb = gzip.compress(PcapWriter().header() + struct.pack("<IIII", 0, 0, 17 * MIB, 17 * MIB) + bytes(20 * MIB), 9)
raises(CaptureError, lambda: list(Dissector().feed(bomb)))
""", allowance=96)  # fmt: skip


def test_deep_json() -> None:
    attack("""
for depth in (10_000, 1_000_000):
    for text in (b"[" * depth, b'{"s2c":' * depth, b'{"x":' * depth + b"1" + b"}" * depth):
        raises(BodyError, lambda: decode_body(text, Qot_GetRT.Response, BodyFormat.JSON))
""")


def test_long_json() -> None:
    attack("""
for text in (b"9" * 5_000_000, b'{"retType":' + b"9" * 5_000_000 + b"}", b'"' + b"\\\\u0000" * 500_000 + b'"'):
    raises(BodyError, lambda: decode_body(text, Qot_GetRT.Response, BodyFormat.JSON))
""", allowance=128)  # fmt: skip


def test_protobuf_nesting_at_the_limit_and_beyond() -> None:
    attack("""
for depth in (99, 100, 101, 10_000, 1_000_000):
    body = b"\\x0b" * depth + b"\\x0c" * depth   # groups that no message has, inside each other
    try:
        decode_body(body, TestCmd.Request, check_required=False)
        assert depth <= 100
    except BodyError as error:
        assert depth > 100, error
""")


def test_a_websocket_message_of_1_gib_announced() -> None:
    attack("""
upgrade = b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n\\r\\n"
for first in (b"\\x82\\x7f", b"\\xc2\\x7f", b"\\x02\\x7f"):
    watching = WebSocketObserver()
    list(watching.receive(Role.SERVER, upgrade))
    list(watching.receive(Role.SERVER, first + (1 << 30).to_bytes(8, "big") + b"ft-v1.0\\0"))
    for _ in range(300):
        for _ in watching.receive(Role.SERVER, bytes(65536)): pass
    list(watching.close())
raises(EnvelopeError, lambda: Envelope.decode(b"ft-v1.0\\0" + bytes(2000), sender=Role.SERVER, max_body=100))
""", allowance=96)  # fmt: skip


def test_a_websocket_message_that_inflates_to_1_gib() -> None:
    attack("""
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
packed = packer.compress(b"ft-v1.0\\0" + bytes(MIB))
for _ in range(1023):
    packed += packer.compress(bytes(MIB))
packed += packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
assert len(packed) < 2 * MIB
watching = WebSocketObserver(max_body=4 * MIB)
list(watching.receive(Role.SERVER, b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n\\r\\n"))
events = list(watching.receive(Role.SERVER, b"\\xc2\\x7f" + len(packed).to_bytes(8, "big") + packed))
assert len(events) == 1 and events[0].frame.error is not None
""", allowance=96)  # fmt: skip


def test_a_websocket_message_in_fragments_without_end() -> None:
    attack("""
watching = WebSocketObserver(max_body=4 * MIB)
list(watching.receive(Role.SERVER, b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n\\r\\n"))
part = b"\\x7e\\xff\\xff" + bytes(65535)
list(watching.receive(Role.SERVER, b"\\x02" + part))
for _ in range(4000):
    for _ in watching.receive(Role.SERVER, b"\\0" + part): pass
""")


def test_conversations_that_are_none() -> None:
    attack("""
for filler in (bytes(65536), b"FT" * 32768, b"\\x82\\x7eft-v1.0\\0" * 6000):
    talk = ConversationObserver()
    for at in range(1000):
        for _ in talk.receive(at % 2, filler): pass
    for _ in talk.close(): pass
""", allowance=96)  # fmt: skip
