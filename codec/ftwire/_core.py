"""The compiled core, where it is installed: the distribution ``ftwire-core``, in ``codec/core`` of the source.

The core has a few pure functions, each with a twin in Python that has the same result and is the reference; limits,
errors and their texts are in Python alone.

The environment variable ``FTWIRE_CORE`` is read when this module is first imported: with ``off`` the core is not used,
and with ``required`` it raises ``ImportError`` where the core is missing or does not fit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from warnings import warn

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["INTERFACE", "compiled", "core"]

INTERFACE: Final = 6
"""Number of the interface between ftwire and its core (``lib.rs`` has the same): one more with every change of a name,
signature or meaning in ``ftwire_core``."""


def _load() -> ModuleType | None:
    """Return the core, if it is installed, fits, and is wanted; warn of one that does not fit."""
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
    interface = getattr(ftwire_core, "INTERFACE", None)
    if interface == INTERFACE:
        return ftwire_core
    reason = (
        f"ftwire-core {ftwire_core.__version__} does not fit and is not used: its interface is {interface}, "
        f"{INTERFACE} is needed"
    )
    if wanted == "required":
        raise ImportError(reason)
    warn(reason, RuntimeWarning, stacklevel=2)
    return None


core: Final = _load()
"""The module ``ftwire_core``, or ``None``."""

compiled: Final = core is not None
"""Whether the compiled core is used."""
