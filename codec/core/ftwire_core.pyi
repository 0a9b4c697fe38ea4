"""ftwire's compiled core: what ftwire itself calls, and nobody else."""

from collections.abc import Mapping
from typing import Any, final

from ftwire.cipher import Cipher
from ftwire.frame import Frame, FrameType

__version__: str
INTERFACE: int
"""Number of this interface: see ``ftwire._core``."""

def take(
    buffer: bytes,
    max_body: int,
    cipher: Cipher,
    frame_types: Mapping[int, FrameType],
    start: int = ...,
    most: int = ...,
) -> tuple[list[Frame], int, int]:
    """Return the frames at ``start`` of a buffer that are in order: see ``ftwire.framing.python_take``."""

@final
class Codec:
    """The counterpart of a cipher: ``take`` decrypts with it instead. Keeps its key to itself."""

    def __new__(cls, name: str, key: bytes | None = None, iv: bytes | None = None) -> Codec:
        """Take a cipher by its name in ``ftwire.cipher``; raises ``ValueError`` for others, and other sizes than 16."""

    def encode(self, proto_id: int, body_format: int, serial: int, body: bytes) -> bytes | None:
        """Return the bytes of a frame; ``None`` where a number does not fit its field or the body is no ``bytes``."""

@final
class BodyColumns:
    """Frames of the wanted types, each type in columns: the twin of ``ftwire.body_columns.PythonBodyColumns``."""

    size: int
    """Bytes of bodies held."""
    frames: int
    """Frames held."""

    def __new__(cls, places: Mapping[int, int]) -> BodyColumns:
        """Take the place of each frame type's columns, -1 for frames that are only counted."""

    def take(
        self,
        buffer: bytes,
        max_body: int,
        cipher: Cipher,
        number: int,
        conversation: int,
        time: int,
        start: int = ...,
    ) -> tuple[int, int, int]:
        """Keep the frames at ``start`` that are wanted and in order; none of a cipher without a ``Codec``."""

    def taken(self) -> list[tuple[int, bytes, bytes, bytes, bytes, bytes, bytes]]:
        """Return the fields of ``ftwire.body_columns.TakenColumns`` of each type, and hold them no longer."""

@final
class BodyCheck:
    """Checks the bodies of one message class, many at a time: for ``ftwire.body_check``."""

    def __new__(cls, messages: list[list[tuple[int, int, int, str, int, list[tuple[int, str]]]]]) -> BodyCheck:
        """Take a message class as ``JsonWriter`` does."""

    def uncertain(self, bodies: bytes, offsets: bytes) -> list[int]:
        """Return the indexes of bodies that protobuf may refuse: see ``ftwire.body_check.refused_bodies``."""

@final
class Projection:
    """Reads the values at some paths of the bodies of one message class: the twin of ``ftwire.projection``."""

    def __new__(
        cls,
        messages: list[list[tuple[int, int, int, str, int, list[tuple[int, str]]]]],
        paths: list[list[tuple[int, bool]]],
    ) -> Projection:
        """Take a message class as ``JsonWriter`` does, and paths from the body to what is wanted.

        Each step of a path is a field's number, and whether every item of its list is meant. Raises ``ValueError``
        for a path that leads nowhere, or that is there twice.
        """

    def decode(self, body: bytes) -> tuple[Any, ...] | None:
        """Return the value at each path, ``None`` where nothing is set.

        ``None`` where the body is not plain, or lacks a required field.
        """

@final
class JsonWriter:
    """Writes the bodies of one message class as JSON, without making messages: the twin of ``ftwire._json``."""

    def __new__(cls, messages: list[list[tuple[int, int, int, str, int, list[tuple[int, str]]]]]) -> JsonWriter:
        """Take a message class: the first of ``messages`` is the body's, the others those in it.

        Of each field: number, type (``FieldDescriptorProto.Type``), label (``FieldDescriptorProto.Label``), name, index
        of the message it holds, numbers and names of its enum. Raises ``ValueError`` for what no field can be.
        """

    def text(self, body: bytes, indent: int | None = None, *, complete: bool = False) -> str | None:
        """Return JSON text, on one line or with ``indent`` spaces a level.

        ``None`` where the body is not plain, or with ``complete`` where it lacks a required field.
        """

    def values(self, body: bytes) -> dict[str, Any] | None:
        """Return plain values; ``None`` where the body is not plain."""

def scan_pcap(
    data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int, interface: object, segments: bool
) -> tuple[list[Any], int]:
    """Return the packets of a pcap file from offset ``at`` on: see ``ftwire.pcap.pcapfile.scan_pcap_in_python``."""

def scan_pcapng(
    data: bytes,
    at: int,
    order: str,
    largest: int,
    interfaces: list[Any],
    clocks: list[tuple[int, int, int]],
    segments: bool,
) -> tuple[list[Any], int]:
    """Return the packets of a pcapng file: see ``ftwire.pcap.pcapngfile.scan_pcapng_in_python``."""

def follow_pcap(
    data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int, latest: int, until: int
) -> tuple[int | None, int, int]:
    """Return how far packets of a pcap file follow each other: see ``ftwire.pcap.pcapfile.follow_pcap_in_python``."""

def follow_pcapng(
    data: bytes, at: int, order: str, largest: int, clocks: list[tuple[int, int, int]], latest: int, until: int
) -> tuple[int | None, int, int]:
    """Return how far packets of a pcapng file follow each other: see ``follow_pcapng_in_python``."""
