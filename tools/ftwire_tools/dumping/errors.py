"""What keeps ``ftwire dump`` from writing a capture."""

from __future__ import annotations

__all__ = ["NotWrittenError"]


class NotWrittenError(Exception):
    """The capture cannot be written; the text has the reason."""
