"""The good path of ftwire, compiled: what ftwire itself calls, and nobody else."""

from typing import Any, final

__version__: str

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
