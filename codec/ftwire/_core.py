"""The compiled core, where it is installed: the distribution ``ftwire-core``, in ``codec/core`` of the source.

The core walks the good path only. What is not plain sailing it leaves to the Python code beside its callers,
which stays the one place of every limit, error and meaning, and does all of it alone where there is no core.

The environment variable ``FTWIRE_CORE`` has a say when this module is first imported: ``off`` leaves the core
alone, ``required`` raises ``ImportError`` where it is missing or of another version.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ftwire import __version__

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["compiled", "core"]


def _load() -> ModuleType | None:
    wanted = os.environ.get("FTWIRE_CORE", "")
    if wanted not in {"", "off", "required"}:
        raise ImportError(f"FTWIRE_CORE is 'off', 'required' or unset, not {wanted!r}")
    if wanted == "off":
        return None
    try:
        import ftwire_core
    except ImportError as error:
        if wanted == "required":
            raise ImportError(f"FTWIRE_CORE is 'required', and there is no compiled core: {error}") from error
        return None
    if ftwire_core.__version__ != __version__:
        if wanted == "required":
            raise ImportError(f"ftwire {__version__} takes no ftwire-core {ftwire_core.__version__}")
        return None
    return ftwire_core


core: Final = _load()
"""The module ``ftwire_core``, or ``None``."""

compiled: Final = core is not None
"""Whether frames are cut by the compiled core."""
