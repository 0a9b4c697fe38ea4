"""Folders of the source tree."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["ROOT", "SUPPORT"]

SUPPORT: Final = Path(__file__).resolve().parent
"""Programs that tests start: broken peers, scripted ones."""
ROOT: Final = SUPPORT.parents[1]
"""The source tree."""
