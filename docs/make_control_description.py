"""Write what the documentation says of the verbs that steer a gateway, from the table of verbs.

    python docs/make_control_description.py

writes ``docs/control.openapi.json``, the description of the control port, and the table in ``docs/scripting.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ftwire import __version__
from ftwire_tools.gateway.control_description import describe
from ftwire_tools.gateway.steering import VERBS
from ftwire_tools.gateway.verbs import Verb

__all__ = ["description", "page"]

FOLDER: Final = Path(__file__).parent
DESCRIPTION: Final = FOLDER / "control.openapi.json"
PAGE: Final = FOLDER / "scripting.md"
BEGIN, END = "<!-- verbs: made by docs/make_control_description.py -->\n", "<!-- end -->"


def description() -> str:
    """Return the description of the control port."""
    return json.dumps(describe(__version__), indent=2) + "\n"


def page() -> str:
    """Return the page with its table of verbs made anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    rows = [f"| {_call(verb)} | {_about(verb)} |\n" for verb in VERBS.values()]
    return f"{before}{BEGIN}\n| verb | what it does |\n|---|---|\n{''.join(rows)}\n{END}{rest.partition(END)[2]}"


def _call(verb: Verb) -> str:
    arguments = [one.name if one.is_required else f"{one.name}={one.default!r}" for one in verb.parameters]
    return f"`{verb.path}({', '.join(arguments)})`".replace("'", '"')


def _about(verb: Verb) -> str:
    return " ".join(verb.about.replace("``", "`").split())


if __name__ == "__main__":
    DESCRIPTION.write_text(description(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
