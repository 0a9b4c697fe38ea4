"""Former names of parameters and attributes: they work for one release, with a ``DeprecationWarning``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from warnings import warn

__all__ = ["renamed_attribute", "renamed_keyword"]

CallableT = TypeVar("CallableT", bound=Callable[..., Any])


def renamed_keyword(old: str, new: str) -> Callable[[CallableT], CallableT]:
    """Decorate a function that takes the keyword ``new`` so that it also takes it as ``old``."""

    def decorate(function: CallableT) -> CallableT:
        @wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            if old in keywords:
                if new in keywords:
                    raise TypeError(f"{function.__qualname__}() takes {new}= or, as its former name, {old}=, not both")
                warn(f"{function.__qualname__}({old}=...) is called {new}=... now", DeprecationWarning, stacklevel=2)
                keywords[new] = keywords.pop(old)
            return function(*args, **keywords)

        return call  # type: ignore[return-value]  # the signature of ``function``, and one keyword more

    return decorate


def renamed_attribute(old: str, new: str) -> property:
    """Return a property that reads the attribute ``new``, for a class where it was called ``old``."""

    def read(instance: object) -> Any:
        warn(f"{type(instance).__name__}.{old} is called {new} now", DeprecationWarning, stacklevel=2)
        return getattr(instance, new)

    return property(read, doc=f"Former name of ``{new}``.")
