"""Every message of the wire, one module per ``.proto`` file.

::

    from ftwire.messages import Qot_GetRT

    request = Qot_GetRT.Request()
    request.c2s.security.code = "00700"

A module is loaded when it is first asked for, its messages come from ftwire's private descriptor pool, and
its types are known to mypy and to editors. The modules are made from ``proto/`` when the package is built.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

__all__: list[str] = []


if not TYPE_CHECKING:  # type checkers know the modules that there are, and should complain of others

    def __getattr__(name: str) -> ModuleType:
        # `ftwire.messages.Qot_GetRT` without an import of that module.
        if not name.startswith("_"):
            try:
                return importlib.import_module(f"{__name__}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
