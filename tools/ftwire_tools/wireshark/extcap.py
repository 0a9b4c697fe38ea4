"""The capture interface: what Wireshark is told about it, and the program that Wireshark starts.

The interface is ``ftwire record`` behind Wireshark's extcap protocol
(https://www.wireshark.org/docs/wsdg_html_chunked/ChCaptureExtcap.html): Wireshark lists interfaces, their link types
and options by starting a program with options, and captures by naming a pipe for it to write to.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.metadata import version
from typing import Final

from ftwire_tools.wireshark.generated import MARK

__all__ = ["INTERFACE", "config_lines", "interface_lines", "link_type_lines", "program"]

INTERFACE: Final = "opend"
"""Name of the only interface."""


def interface_lines() -> str:
    """Return the answer to ``--extcap-interfaces``."""
    return f"extcap {{version={version('ftwire')}}}\ninterface {{value={INTERFACE}}}{{display=OpenD (ftwire record)}}\n"


def link_type_lines() -> str:
    """Return the answer to ``--extcap-dlts``: the recorder writes Ethernet (1)."""
    return "dlt {number=1}{name=EN10MB}{display=Ethernet}\n"


def config_lines(gateway: str, listen: str) -> str:
    """Return the answer to ``--extcap-config``: one line for each field of the dialog, with these defaults."""
    return "".join(
        f"arg {{number={number}}}{{call={call}}}{{display={display}}}{{type=string}}{{required=true}}"
        f"{{default={default}}}{{tooltip={tooltip}}}\n"
        for number, (call, display, default, tooltip) in enumerate(
            (
                ("--gateway", "Gateway", gateway, "HOST:PORT of OpenD"),
                ("--listen", "Clients connect to", listen, "[HOST:]PORT where clients connect instead of the gateway"),
            )
        )
    )


def program() -> tuple[str, str]:
    """Return file name and text of the program that Wireshark starts."""
    if os.name == "nt":
        return "ftwire-opend.bat", (
            f'@echo off\r\nrem {MARK}\r\n"{sys.executable}" -m ftwire_tools.cli wireshark extcap %*\r\n'
        )
    command = f"exec {shlex.quote(sys.executable)} -m ftwire_tools.cli wireshark extcap"
    return "ftwire-opend", f'#!/bin/sh\n# {MARK}\n{command} "$@"\n'
