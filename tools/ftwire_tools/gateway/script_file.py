"""Scripts in files: ``serve --script FILE`` and ``record --script FILE``."""

from __future__ import annotations

import sys
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ftwire_tools.gateway.hooks import Script

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ScriptError", "load_script"]

HOOKS: Final = ("on_start", "on_request", "on_reply", "on_push")


class ScriptError(Exception):
    """A script that cannot be used; its text has the file, and the line where there is one."""


def load_script(path: str) -> Script:
    """Run a script, as ``python FILE`` would, and return its hooks. Raises ``ScriptError`` and ``OSError``."""
    with Path(path).open("rb"):  # the import's own error has no reason in it
        pass
    folder = str(Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for modules beside it
    name = f"ftwire_script_{Path(path).stem}"
    spec = spec_from_file_location(name, path, loader=_Loader(name, path))
    if spec is None or spec.loader is None:
        raise ScriptError(f"{path}: it cannot be imported")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ScriptError(f"{error.filename or path}:{error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        at = f"{path}:{lines[-1].lineno}" if lines else path
        raise ScriptError(f"{at}: {''.join(traceback.format_exception_only(error)).strip()}") from None
    found = {hook: getattr(module, hook, None) for hook in HOOKS}
    if wrong := [hook for hook, function in found.items() if function is not None and not callable(function)]:
        raise ScriptError(f"{path}: {wrong[0]} is no function")
    if not any(found.values()):
        raise ScriptError(f"{path}: it defines none of {', '.join(HOOKS)}")
    return Script(path, **found)


class _Loader(SourceFileLoader):
    """Leaves no compiled file beside the script."""

    def set_data(self, path: str, data: Buffer, *, _mode: int = 0o666) -> None:
        """Write nothing."""
