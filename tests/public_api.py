"""Lists every public name with its signature: what users may rely on.

    python tests/public_api.py            # write tests/public_api.txt again, after a change on purpose

A test compares. What a change takes away keeps working for one release, with a warning: see CONTRIBUTING.
"""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SNAPSHOT: Final = Path(__file__).with_name("public_api.txt")
MODULES: Final = (
    "ftwire",
    "ftwire.body",
    "ftwire.capture",
    "ftwire.events",
    "ftwire.pcap",
    "ftwire.protocols",
    "ftwire_tools.client",
    "ftwire_tools.client.errors",
    "ftwire_tools.export",
    "ftwire_tools.tables",
    "ftwire_tools.testing",
)


def listing() -> Iterator[str]:
    """Return the lines: a name and its signature, for a class those of its public members below it."""
    for home in MODULES:
        module = importlib.import_module(home)
        for name in sorted(module.__all__):
            yield from _described(f"{home}.{name}", getattr(module, name))


def _described(name: str, value: Any) -> Iterator[str]:
    if inspect.ismodule(value):
        yield f"{name}: module"
    elif inspect.isclass(value):
        yield f"{name}: {_kind(value)}"
        for member in sorted(vars(value)):
            if not member.startswith("_"):
                yield from _member(f"{name}.{member}", vars(value)[member])
    elif callable(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _kind(cls: type) -> str:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    shown = f"class({bases})" if bases else "class"
    if issubclass(cls, enum.Enum):
        return f"{shown} of {', '.join(cls.__members__)}"
    if issubclass(cls, tuple):
        return f"{shown} of {', '.join(cls._fields)}"  # type: ignore[attr-defined]  # a NamedTuple
    return shown + (_signature(cls) if "__init__" in vars(cls) else "")


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, staticmethod | classmethod):
        yield f"{name}{_signature(value.__func__)}"
    elif isinstance(value, property) or inspect.ismemberdescriptor(value) or inspect.isdatadescriptor(value):
        yield f"{name}: attribute"
    elif inspect.isfunction(value):
        yield f"{name}{_signature(value)}"


def _signature(value: Any) -> str:
    """Names, kinds and defaults of parameters; types are the checkers', and differ in spelling between Pythons."""
    parameters = [
        parameter.replace(annotation=parameter.empty) for parameter in inspect.signature(value).parameters.values()
    ]
    plain = [
        parameter.replace(default=_Shown(parameter.default)) if parameter.default is not parameter.empty else parameter
        for parameter in parameters
    ]
    return str(inspect.Signature(plain))


class _Shown:
    """A default, as it is written in the list: objects by the name of their class."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        plain = isinstance(self._value, bool | int | float | str | bytes | tuple | None)
        return (
            repr(self._value) if plain and not isinstance(self._value, enum.Enum) else f"<{type(self._value).__name__}>"
        )


if __name__ == "__main__":
    SNAPSHOT.write_text("".join(f"{line}\n" for line in listing()), encoding="utf-8")
