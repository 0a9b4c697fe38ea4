"""Frames to a capture file: connections with handshakes, packets, and packets that the capture lacks."""

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

__all__ = ["CIPHERS", "Connection", "File"]

CIPHERS: Final = {"none": -1, "ftaes_ecb": 0, "aes_ecb": 1, "aes_cbc": 2}
"""Name to ``Common.PacketEncAlgo``."""

_TO_OPEND, _FROM_OPEND = Direction.A_TO_B, Direction.B_TO_A
_LOCALHOST: Final = bytes((127, 0, 0, 1))
_SEGMENT: Final = 32768
"""Most bytes in a packet: OpenD runs on the machine of its clients, and loopback packets are large."""
_ALPHABET: Final = "0123456789ABCDEF"


class File:
    """The bytes of a capture file, packet by packet, with a share of them lost."""

    def __init__(self, write: Callable[[bytes], object], kind: str, loss: float, random: Random) -> None:
        """``kind`` is pcap or pcapng, ``loss`` the share of packets that the capture lacks."""
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
        """Take packets of one moment, a microsecond from one to the next."""
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
        """Write what is kept."""
        self._write(b"".join(self._buffer))
        self._buffer.clear()


class Connection:
    """A client of OpenD: what both sides say, as frames, and the packets of that."""

    def __init__(self, number: int, file: File, key: RsaKey | None, cipher: str, random: Random) -> None:
        """``number`` from 0 makes its port; with a key everything is encrypted, by ``cipher``."""
        talk = TcpConversation(Endpoint(_LOCALHOST, 50000 + number), Endpoint(_LOCALHOST, 11111), mss=_SEGMENT)
        self._talk: Final = talk
        self._file: Final = file
        self._random: Final = random
        self._key: Final = key
        self._algorithm: Final = CIPHERS[cipher]
        self._cipher: Cipher = NONE
        self._serial = 0
        self.frames: Final[Counter[str]] = Counter()
        """Frames by protocol."""

    def open(self, time_ns: int) -> None:
        """Connect, and agree on a cipher."""
        self._file.add(time_ns, self._talk.open(), may_be_lost=False)
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
        """Send a request; ``response`` (a message or a body) answers it a millisecond later."""
        self._serial += 1
        proto_id = registry[name].proto_id
        body = response if isinstance(response, bytes) else response.SerializeToString()
        for direction, data, delay in (
            (_TO_OPEND, request.SerializeToString(), 0),
            (_FROM_OPEND, body, 1_000_000),
        ):
            frame = encode_frame(proto_id, self._serial, data, cipher=self._cipher)
            self._file.add(time_ns + delay, self._talk.send(direction, frame), may_be_lost=may_be_lost)
            self.frames[name] += 1

    def push(self, bodies: Iterable[tuple[str, int, bytes]], time_ns: int) -> None:
        """Send pushes, (name, ID, body) each, together as OpenD does when there is much to say."""
        frames = []
        for name, proto_id, body in bodies:
            self.frames[name] += 1
            frames.append(encode_frame(proto_id, 0, body, cipher=self._cipher))
        self._file.add(time_ns, self._talk.send(_FROM_OPEND, b"".join(frames)))

    def close(self, time_ns: int) -> None:
        """Take leave."""
        self._file.add(time_ns, self._talk.close(), may_be_lost=False)

    def _digits(self) -> str:
        return "".join(self._random.choices(_ALPHABET, k=16))
