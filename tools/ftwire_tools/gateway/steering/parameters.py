"""Arguments that verbs of several groups take."""

from __future__ import annotations

from typing import Annotated

from ftwire_tools.gateway.verbs import Number, Text

__all__ = ["Count", "Reason"]

Count = Annotated[int, Number("how many, counted from now on", 1, 10_000)]
Reason = Annotated[str, Text("the text that the client gets to see", 500)]
