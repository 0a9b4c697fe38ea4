"""Write ``docs/control.openapi.json``, the description of the control port, from the table of verbs.

    python docs/make_control_description.py [FILE]

``FILE`` is where to write it, "-" for standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from ftwire import __version__
from ftwire_tools.gateway.control_description import describe

__all__ = ["main"]

PLACE: Final = Path(__file__).with_name("control.openapi.json")


def main(path: str | None = None) -> None:
    """Write the description."""
    text = json.dumps(describe(__version__), indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        (PLACE if path is None else Path(path)).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
