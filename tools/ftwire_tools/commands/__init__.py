"""The commands of ``ftwire``: one module or package each, which parses arguments and calls a package of the tools.

``ftwire`` is the command itself; ``COMMANDS`` has the line of help of each of its commands.
"""

from ftwire_tools.commands._group import COMMANDS, ftwire

__all__ = ["COMMANDS", "ftwire"]
