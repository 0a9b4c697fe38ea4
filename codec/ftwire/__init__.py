"""The wire protocol of OpenD: codec, schema, connection, captures."""

from __future__ import annotations

__version__ = "0.1.0"
