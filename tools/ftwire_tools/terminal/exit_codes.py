"""The exit codes of ``ftwire``, beside 0 for fine."""

from __future__ import annotations

from typing import Final

__all__ = ["FAILED", "INTERRUPTED", "NOT_DECODED", "PIPE_CLOSED", "USAGE"]

FAILED: Final = 1
USAGE: Final = 2
NOT_DECODED: Final = 3
"""Finished, but some data could not be read or decoded."""
INTERRUPTED: Final = 128 + 2
"""128 + SIGINT, a shell's exit code for a program that a signal ended."""
PIPE_CLOSED: Final = 128 + 13
"""128 + SIGPIPE: the reader of our output is gone."""
