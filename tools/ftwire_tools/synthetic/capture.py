"""Frames to a capture file: connections with their handshakes, and packets, a share of which is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ftwire.cipher import NONE, Rsa, cipher_for
from ftwire.frame import encode_frame
from ftwire.pcap import Direction, Endpoint, PcapngWriter, PcapWriter, TcpConversation
from ftwire.protocols import registry

if TYPE_CHECKING:
    from ftwire.cipher import Cipher, RsaKey

__all__ = ["CIPHERS", "CaptureOutput", "RecordedClient"]

CIPHERS: Final = {"none": -1, "ftaes_ecb": 0, "aes_ecb": 1, "aes_cbc": 2}
"""Names of ciphers to ``Common.PacketEncAlgo``."""

_TO_OPEND, _FROM_OPEND = Direction.A_TO_B, Direction.B_TO_A
_LOCALHOST: Final = bytes((127, 0, 0, 1))
_SEGMENT: Final = 32768
"""Most bytes in a packet; large, as on loopback, since OpenD runs on the machine of its clients."""
_ALPHABET: Final = "0123456789ABCDEF"


class CaptureOutput:
    """Writes the packets of a capture file, and leaves out a share of them."""

    def __init__(self, write: Callable[[bytes], object], kind: str, loss: float, random: Random) -> None:
        """``kind`` is pcap or pcapng, ``loss`` the share of packets to leave out."""
        self._write: Final = write
        self._loss: Final = loss
        self._random: Final = random
        self._buffer: list[bytes] = []
        self.size = 0
        self.packets = self.lost = 0
        self._packet: Callable[[int, bytes], bytes]
        if kind == "pcapng":
            blocks = PcapngWriter()
            self._packet = blocks.packet
            self._put(blocks.section() + blocks.interface())
        else:
            plain = PcapWriter()
            self._packet = plain.packet
            self._put(plain.header())

    def add(self, time_ns: int, frames: list[bytes], *, may_be_lost: bool = True) -> None:
        """Add packets, a microsecond from one to the next; ``time_ns`` is since 1970."""
        loss = self._loss if may_be_lost else 0.0
        for at, frame in enumerate(frames):
            if loss and self._random.random() < loss:
                self.lost += 1
                continue
            self.packets += 1
            self._put(self._packet(time_ns + 1000 * at, frame))

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        self._buffer.append(data)
        if len(self._buffer) >= 4096:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        self._write(b"".join(self._buffer))
        self._buffer.clear()


class RecordedClient:
    """One connection of a client: its frames in both directions, as packets."""

    def __init__(self, number: int, file: CaptureOutput, key: RsaKey | None, cipher: str, random: Random) -> None:
        """``number``, from 0, determines its port; with a key everything is encrypted, by ``cipher``."""
        self._tcp: Final = TcpConversation(
            Endpoint(_LOCALHOST, 50000 + number), Endpoint(_LOCALHOST, 11111), mss=_SEGMENT
        )
        self._file: Final = file
        self._random: Final = random
        self._key: Final = key
        self._algorithm: Final = CIPHERS[cipher]
        self._cipher: Cipher = NONE
        self._serial = 0
        self.frames: Final[Counter[str]] = Counter()
        """Number of frames by protocol."""

    def open(self, time_ns: int) -> None:
        """Connect, and exchange InitConnect."""
        self._file.add(time_ns, self._tcp.open(), may_be_lost=False)
        protocol: Any = registry["InitConnect"]
        request, response = protocol.request(), protocol.response()
        request.c2s.clientVer, request.c2s.clientID = 300, "ftwire synth"
        response.retType = 0
        s2c = response.s2c
        s2c.serverVer, s2c.loginUserID, s2c.connID, s2c.keepAliveInterval = 1011, 1, self._random.getrandbits(62), 10
        s2c.connAESKey = self._digits()
        if self._key is not None:
            request.c2s.packetEncAlgo = self._algorithm
            if self._algorithm == CIPHERS["aes_cbc"]:
                s2c.aesCBCiv = self._digits()
            self._cipher = Rsa(self._key)
        self.ask("InitConnect", request, response, time_ns, may_be_lost=False)
        if self._key is not None:
            self._cipher = cipher_for(self._algorithm, s2c.connAESKey, s2c.aesCBCiv or None)

    def ask(self, name: str, request: Any, response: Any, time_ns: int, *, may_be_lost: bool = True) -> None:
        """Send a request, and a millisecond later its response (a message or an encoded body)."""
        self._serial += 1
        proto_id = registry[name].proto_id
        body = response if isinstance(response, bytes) else response.SerializeToString()
        for direction, data, delay in (
            (_TO_OPEND, request.SerializeToString(), 0),
            (_FROM_OPEND, body, 1_000_000),
        ):
            frame = encode_frame(proto_id, self._serial, data, cipher=self._cipher)
            self._file.add(time_ns + delay, self._tcp.send(direction, frame), may_be_lost=may_be_lost)
            self.frames[name] += 1

    def push(self, bodies: Iterable[tuple[str, int, bytes]], time_ns: int) -> None:
        """Send pushes together, as OpenD does when there are many; each is protocol name, ID and body."""
        frames = []
        for name, proto_id, body in bodies:
            self.frames[name] += 1
            frames.append(encode_frame(proto_id, 0, body, cipher=self._cipher))
        self._file.add(time_ns, self._tcp.send(_FROM_OPEND, b"".join(frames)))

    def close(self, time_ns: int) -> None:
        """Close the connection."""
        self._file.add(time_ns, self._tcp.close(), may_be_lost=False)

    def _digits(self) -> str:
        return "".join(self._random.choices(_ALPHABET, k=16))
