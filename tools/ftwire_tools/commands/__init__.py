"""The commands of ``ftwire``: one module or package each, which parses arguments and calls a package of the tools."""
