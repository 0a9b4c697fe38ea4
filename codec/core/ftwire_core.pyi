"""The good path of ftwire, compiled: what ftwire itself calls, and nobody else."""

from typing import Any, final

__version__: str

@final
class Codec:
    """Cuts and makes frames under one cipher; keeps its key to itself."""

    def __new__(cls, name: str, key: bytes | None = None, iv: bytes | None = None) -> Codec:
        """Take a cipher by its name in ``ftwire.cipher``; raises ``ValueError`` for others, and other sizes than 16."""

    def cut(
        self, data: bytes, at: int, largest: int, most: int
    ) -> list[tuple[tuple[int, int, int, bytes, int], bytes, bytes]]:
        """Cut frames that are whole, of at most ``largest`` bytes of body, and verified.

        From offset ``at`` up to the first that is not so, or until they make ``most`` bytes. Each is the
        header's pieces (``ftwire.header.CompactFields``), payload and body.
        """

    def encode(self, proto_id: int, body_format: int, serial: int, body: bytes) -> bytes | None:
        """Return the bytes of a frame; ``None`` where a number does not fit its field or the body is no ``bytes``."""

@final
class Plan:
    """Reads the bodies of one message class, without making messages."""

    def __new__(cls, messages: list[list[tuple[int, int, bool, str, int, list[tuple[int, str]]]]]) -> Plan:
        """Take a message class: the first of ``messages`` is the body's, the others those in it.

        Of each field: number, type (``FieldDescriptorProto.Type``), whether it is repeated, name, index of the
        message it holds, numbers and names of its enum. Raises ``ValueError`` for what no field can be.
        """

    def text(self, body: bytes, indent: int | None = None) -> str | None:
        """Return JSON text, on one line or with ``indent`` spaces a level; ``None`` where the body is not plain."""

    def values(self, body: bytes) -> dict[str, Any] | None:
        """Return plain values; ``None`` where the body is not plain."""
